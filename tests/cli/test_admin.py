"""People, tokens and spaces from the command line."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from sqlalchemy import text

from assistant.accounts.passwords import Passwords
from assistant.accounts.service import AccountService
from assistant.db.session import Database
from assistant.db.setup import Server
from assistant.identity import build_verifier
from assistant.settings import Settings
from tests.accounts.planting import search
from tests.cli.conftest import Goalspace, one_line


@pytest.fixture
def email() -> str:
    return f"Ada-{uuid4().hex}@example.org"


def test_a_user_is_made_and_the_id_is_the_last_word(goalspace: Goalspace, email: str) -> None:
    result = goalspace("user", "create", email)
    assert (result.exit_code, result.stderr) == (0, "")
    UUID(result.stdout.split()[-1])
    assert email.lower() in result.stdout
    again = goalspace("user", "create", email.upper())
    assert again.exit_code == 1
    assert "already" in one_line(again)
    assert again.stdout == ""


async def test_password_and_tier_are_what_was_said(
    goalspace: Goalspace, email: str, database: Database, settings: Settings
) -> None:
    made = await asyncio.to_thread(
        goalspace, "user", "create", email, "--password", "correct horse", "--tier", "pro", "--name", "Ada"
    )
    user_id = UUID(made.stdout.split()[-1])
    assert await AccountService(database, Passwords()).sign_in(email, "correct horse") == user_id
    async with database.service("accounts") as connection:
        row = (
            await connection.execute(
                text(
                    "select u.full_name, s.tier, s.status, s.ends_at from users u "
                    "join subscriptions s on s.user_id = u.id where u.id = :id"
                ),
                {"id": user_id},
            )
        ).one()
    assert tuple(row) == ("Ada", "pro", "active", None)


def test_a_program_gets_json(goalspace: Goalspace, email: str) -> None:
    made = json.loads(goalspace("user", "create", email, "--json").stdout)
    assert made == {"id": made["id"], "email": email.lower()}
    space = json.loads(goalspace("space", "create", "--user", email, "--goal", "G", "--title", "Ü", "--json").stdout)
    assert space.keys() == {"id", "goal_id", "title"}
    assert space["title"] == "Ü"


@pytest.mark.parametrize(
    ("arguments", "field"), [(("no address",), "email"), (("ada@example.org", "--password", "short"), "password"),
                             (("ada@example.org", "--name", ""), "full_name")],
)  # fmt: skip
def test_what_the_api_refuses_the_command_refuses(arguments: tuple[str, ...], field: str, goalspace: Goalspace) -> None:
    result = goalspace("user", "create", *arguments)
    assert result.exit_code == 2
    assert one_line(result).startswith(f"{field}: ")


def test_a_token_is_all_that_is_printed(goalspace: Goalspace, email: str, settings: Settings) -> None:
    user_id = goalspace("user", "create", email).stdout.split()[-1]
    result = goalspace("token", email.title(), "--ttl", "60")
    assert (result.exit_code, result.stderr, result.stdout.count("\n")) == (0, "", 1)
    verified = asyncio.run(build_verifier(settings).verify(result.stdout.strip()))
    assert (str(verified.user_id), verified.email) == (user_id, email.lower())
    claims = jwt.decode(result.stdout.strip(), options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 60
    default = jwt.decode(goalspace("token", email).stdout.strip(), options={"verify_signature": False})
    assert default["exp"] - default["iat"] == 3600


def test_somebody_unknown_has_no_token_and_no_space(goalspace: Goalspace, email: str) -> None:
    for arguments in (("token", email), ("space", "create", "--user", email, "--goal", "G", "--title", "T")):
        result = goalspace(*arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"There is no user with the address {email}" in one_line(result)


def test_with_an_identity_provider_tokens_are_not_ours_to_make(goalspace: Goalspace, email: str) -> None:
    env = {"GOALSPACE_JWKS_URL": "https://id.example/keys", "GOALSPACE_JWT_ISSUER": "https://id.example"}
    result = goalspace("token", email, env=env)
    assert result.exit_code == 2
    assert "GOALSPACE_JWKS_URL" in one_line(result)


def test_a_space_is_made_with_its_goal_and_the_id_printed(goalspace: Goalspace, email: str) -> None:
    goalspace("user", "create", email)
    first = goalspace("space", "create", "--user", email, "--goal", "Learn to sail", "--title", "Basics")
    second = goalspace("space", "create", "--user", email, "--goal", "Learn to sail", "--title", "Knots", "--json")
    assert first.exit_code == 0
    UUID(first.stdout.strip())
    assert first.stdout.count("\n") == 1
    again = goalspace("space", "create", "--user", email, "--goal", "Learn to sail", "--title", "Basics")
    assert again.exit_code == 1
    assert "already" in one_line(again)
    third = goalspace("space", "create", "--user", email, "--goal", "Learn to sail", "--title", "More", "--json")
    assert json.loads(second.stdout)["goal_id"] == json.loads(third.stdout)["goal_id"]


def test_a_mentor_may_be_let_write_from_the_start(goalspace: Goalspace, email: str) -> None:
    goalspace("user", "create", email)
    for title, option in (("Asks", ()), ("Writes", ("--let-mentor-write",))):
        made = goalspace("space", "create", "--user", email, "--goal", "Learn to sail", "--title", title, *option)
        answer = goalspace("chat", made.stdout.strip(), "Add a task: buy a whistle").stdout
        assert ("The task “buy a whistle” is added" in answer) is bool(option)
        assert "without sources" not in answer


def test_no_secret_is_in_a_help_text(goalspace: Goalspace, settings: Settings) -> None:
    secret = (Path(settings.data_dir) / "secret.key").read_text()
    for arguments in (("--help",), ("user", "create", "--help"), ("token", "--help")):
        assert secret not in goalspace(*arguments).output


def test_an_operator_exports_and_deletes(
    goalspace: Goalspace,
    email: str,
    tmp_path: Path,
    server: Server,
) -> None:
    user_id = goalspace("user", "create", email).stdout.split()[-1]
    goalspace("space", "create", "--user", email, "--goal", "Learn to sail", "--title", "Sailing")
    file = tmp_path / "ada.json"
    made = goalspace("user", "export", email.upper(), str(file))
    assert made.exit_code == 0, made.output
    document: dict[str, Any] = json.loads(file.read_text())
    assert [goal["title"] for goal in document["tables"]["goals"]] == ["Learn to sail"]
    assert file.stat().st_mode & 0o777 == 0o600
    again = goalspace("user", "export", email, str(file))
    assert (again.exit_code, "there already" in one_line(again)) == (1, True)
    unsure = goalspace("user", "delete", email)
    assert (unsure.exit_code, "--yes" in one_line(unsure)) == (2, True)
    gone = goalspace("user", "delete", email, "--yes")
    assert gone.exit_code == 0, gone.output
    assert search(server, user_id, email.lower()) == set()
    for command in (("delete", email, "--yes"), ("export", email, str(tmp_path / "none.json"))):
        refused = goalspace("user", *command)
        assert (refused.exit_code, "no user" in one_line(refused)) == (1, True)
    assert list(tmp_path.iterdir()) == [file]
