"""Local accounts: signing up and in, and what guessing gets."""

import asyncio
from uuid import uuid4

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from assistant.accounts.passwords import Passwords
from assistant.accounts.service import AccountService
from assistant.app import create_app
from assistant.db.session import Database
from assistant.errors import ConflictError, InvalidError, UnauthorizedError
from assistant.limits import Limits
from assistant.settings import Settings
from tests.fixtures.api import Caller, errors_of
from tests.fixtures.database import make_settings
from tests.fixtures.http import serve_app

PASSWORD = "correct horse battery"


@pytest.fixture
def local(database: Database) -> AccountService:
    return AccountService(database, Passwords())


@pytest.fixture
def patient(api: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that sign in often, from one address."""

    async def count_nothing(*_: object) -> None: ...

    monkeypatch.setattr(Limits, "count_attempt", count_nothing)


def address(name: str) -> str:
    return f"{name}-{uuid4().hex}@example.org"


@pytest.mark.usefixtures("patient")
async def test_who_signs_up_is_signed_in_and_can_sign_in_again(anybody: Caller) -> None:
    email = address("Ada")
    answer = await anybody.call("POST", "/auth/signup", {"email": email, "password": PASSWORD, "full_name": "Ada"})
    assert answer.status_code == 201
    made = answer.json()
    assert made.keys() == {"access_token", "token_type", "expires_in", "user"}
    assert (made["token_type"], made["expires_in"]) == ("bearer", 3600)
    assert (made["user"]["email"], made["user"]["full_name"]) == (email.lower(), "Ada")
    again = await anybody.call("POST", "/auth/token", {"email": email.upper(), "password": PASSWORD})
    assert again.status_code == 200
    for token in (made["access_token"], again.json()["access_token"]):
        me = await anybody.get("/api/me", headers={"Authorization": f"Bearer {token}"})
        assert me.json()["id"] == made["user"]["id"]


@pytest.mark.usefixtures("patient")
async def test_wrong_address_and_wrong_password_read_the_same(anybody: Caller) -> None:
    email = address("ada")
    await anybody.make("/auth/signup", {"email": email, "password": PASSWORD})
    wrong = [
        await anybody.call("POST", "/auth/token", {"email": email, "password": "wrong"}),
        await anybody.call("POST", "/auth/token", {"email": address("nobody"), "password": PASSWORD}),
        await anybody.call("POST", "/auth/token", {"email": email, "password": f"{PASSWORD} "}),
        await anybody.call("POST", "/auth/token", {"email": email, "password": ""}),
    ]
    assert {answer.status_code for answer in wrong} == {401}
    assert len({answer.content for answer in wrong}) == 1
    assert wrong[0].json()["code"] == "wrong_credentials"


async def test_somebody_unknown_costs_as_much_work_as_a_wrong_password(
    local: AccountService, monkeypatch: pytest.MonkeyPatch
) -> None:
    email = address("ada")
    await local.sign_up(email, PASSWORD)
    checked: list[str] = []
    verify = PasswordHasher.verify

    def noting(hasher: PasswordHasher, password_hash: str, password: str) -> bool:
        checked.append(password_hash)
        return verify(hasher, password_hash, password)

    monkeypatch.setattr(PasswordHasher, "verify", noting)
    for name in (email, address("nobody")):
        with pytest.raises(UnauthorizedError):
            await local.sign_in(name, "wrong")
    parameters = [password_hash.rsplit("$", 2)[0] for password_hash in checked]
    assert len(parameters) == 2
    assert parameters[0] == parameters[1]


@pytest.mark.usefixtures("patient")
async def test_an_address_has_one_account_however_it_is_spelled(anybody: Caller) -> None:
    email = address("ada")
    await anybody.make("/auth/signup", {"email": email, "password": PASSWORD})
    for spelling in (email, email.upper(), email.title()):
        answer = await anybody.call("POST", "/auth/signup", {"email": spelling, "password": PASSWORD})
        assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")


async def test_a_sign_up_that_fails_leaves_nothing(local: AccountService, database: Database) -> None:
    email = address("ada")
    with pytest.raises(InvalidError):
        await local.sign_up(email, PASSWORD, tier="platinum")
    async with database.service("accounts") as connection:
        for table in ("auth.users", "public.users"):
            found = await connection.execute(text(f"select from {table} where email = :email"), {"email": email})
            assert found.first() is None
    await local.sign_up(email, PASSWORD)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    ("field", "value"),
    [("email", value) for value in ("", "ada", "@example.org", "ada@", "a b@example.org", "a@b c.org", "a@.", "a@b..c",
                                    "a@@b.org", "a\n@b.org", "x" * 70 + "@b.org", 5, None, "a@" + "b" * 400)]
    + [("password", value) for value in ("", "1234567", "x" * 201, 12345678, None)]
    + [("full_name", value) for value in ("", "x" * 201, 5)]
    + [("tier", "pro"), ("role", "admin"), ("id", "7b0f6f2e-5d0e-4b57-9d8e-0d7c2c1f5a11")],
)  # fmt: skip
async def test_malformed_sign_ups(field: str, value: object, anybody: Caller) -> None:
    body = {"email": address("ada"), "password": PASSWORD} | {field: value}
    answer = await anybody.call("POST", "/auth/signup", body)
    assert (answer.status_code, errors_of(answer)) == (422, [field])


async def test_a_password_is_stored_as_argon2_and_out_of_reach(local: AccountService, database: Database) -> None:
    user_id = await local.sign_up(address("ada"), PASSWORD)
    async with database.service("accounts") as connection:
        stored = await connection.scalar(
            text("select password_hash from assistant.local_accounts where user_id = :id"), {"id": user_id}
        )
    assert stored.startswith("$argon2id$")
    assert PASSWORD not in stored


async def test_a_hash_of_yesterday_is_renewed_at_sign_in(local: AccountService, database: Database) -> None:
    email = address("ada")
    user_id = await local.sign_up(email, PASSWORD)
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    select = text("select password_hash from assistant.local_accounts where user_id = :id")
    async with database.service("accounts") as connection:
        await connection.execute(
            text("update assistant.local_accounts set password_hash = :hash where user_id = :id"),
            {"hash": weak, "id": user_id},
        )
    assert await local.sign_in(email, PASSWORD) == user_id
    async with database.service("accounts") as connection:
        stored = await connection.scalar(select, {"id": user_id})
    assert stored != weak
    assert await local.sign_in(email, PASSWORD) == user_id


async def test_without_a_password_nobody_can_sign_in(local: AccountService) -> None:
    email = address("ada")
    await local.sign_up(email, None)
    for guess in ("", "None", "null"):
        with pytest.raises(UnauthorizedError):
            await local.sign_in(email, guess)


async def test_two_sign_ups_at_once_make_one_account(local: AccountService) -> None:
    email = address("ada")
    results = await asyncio.gather(*(local.sign_up(email, PASSWORD) for _ in range(5)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["ConflictError"] * 4 + ["UUID"]
    assert any(isinstance(result, ConflictError) for result in results)


async def test_with_an_identity_provider_there_are_no_local_accounts(settings: Settings, server: object) -> None:
    provided = make_settings(settings.data_dir, jwks_url="http://127.0.0.1:9/keys", jwt_issuer="https://id.example")
    async with serve_app(create_app(provided), provided) as live, live.client() as client:
        for path in ("/auth/signup", "/auth/token"):
            answer = await client.post(path, json={"email": "ada@example.org", "password": PASSWORD})
            assert (answer.status_code, answer.json()["code"]) == (404, "local_accounts_off")


async def test_an_account_ends_with_its_identity(local: AccountService, database: Database) -> None:
    email = address("ada")
    user_id = await local.sign_up(email, PASSWORD, tier="pro")
    async with database.service("accounts") as connection:
        await connection.execute(text("delete from auth.users where id = :id"), {"id": user_id})
    async with database.service("accounts") as connection:
        for table in ("users where id", "subscriptions where user_id", "user_preferences where user_id",
                      "assistant.local_accounts where user_id"):  # fmt: skip
            found = await connection.execute(text(f"select from {table} = :id"), {"id": user_id})
            assert found.first() is None
    with pytest.raises(UnauthorizedError):
        await local.sign_in(email, PASSWORD)
