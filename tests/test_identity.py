"""Tokens: what is let in, and all that is not. A refusal is the same whatever was wrong."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from litestar import Litestar, Request, get
from litestar.testing import AsyncTestClient

from assistant.db.identity import ANONYMOUS, learner
from assistant.db.session import Database
from assistant.errors import BadRequestError, ConfigurationError, UnauthorizedError
from assistant.http import render_problem, signed_in
from assistant.identity import (
    Authentication,
    Authenticator,
    Key,
    SharedSecret,
    TokenIssuer,
    TokenVerifier,
    VerifiedToken,
    bearer_token,
    build_issuer,
    build_verifier,
    installation_secret,
    refuse_token_in_query,
)
from assistant.limits import Limits
from tests.fixtures.database import make_settings

SECRET = "a secret that is long enough for this purpose"
PERSON = UUID("7b0f6f2e-5d0e-4b57-9d8e-0d7c2c1f5a11")
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ISSUER, AUDIENCE = "goalspace", "authenticated"


def claims(**changes: Any) -> dict[str, Any]:
    """A good token's claims; None removes one."""
    now = int(time())
    values: dict[str, Any] = {
        "sub": str(PERSON), "email": "Ada@Example.org", "role": "authenticated", "iss": ISSUER, "aud": AUDIENCE,
        "iat": now, "nbf": now, "exp": now + 86400,
    }  # fmt: skip
    return {name: value for name, value in (values | changes).items() if value is not None}


def signed(header: dict[str, Any] | str, payload: dict[str, Any] | str, secret: str = SECRET) -> str:
    """A token with any header and payload, rightly signed by HS256."""
    parts = [part if isinstance(part, str) else json.dumps(part) for part in (header, payload)]
    body = ".".join(encoded(part.encode()) for part in parts)
    return f"{body}.{encoded(hmac.digest(secret.encode(), body.encode(), hashlib.sha256))}"


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


HEADER = {"alg": "HS256", "typ": "JWT"}
GOOD = signed(HEADER, claims())
BODY = encoded(json.dumps(claims()).encode())
PUBLIC = RSA.public_key()


def public_pem() -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


FORGED = {
    "nothing": "",
    "no token": "hello",
    "two parts": "a.b",
    "four parts": f"{GOOD}.x",
    "not base64": "!!!.???.###",
    "no signature": GOOD.rsplit(".", 1)[0] + ".",
    "a byte of the signature changed": GOOD[:-2] + ("AA" if GOOD[-2:] != "AA" else "BB"),
    "a byte of the payload changed": GOOD.split(".")[0] + "." + BODY[:-2] + "QQ." + GOOD.split(".")[2],
    "padding": f"{GOOD}=",
    "a space inside": GOOD[:20] + " " + GOOD[20:],
    "a line end at the end": f"{GOOD}\n",
    "not ASCII": GOOD[:-1] + "é",
    "alg none": f"{encoded(json.dumps({'alg': 'none'}).encode())}.{BODY}.",
    "alg None": f"{encoded(json.dumps({'alg': 'None'}).encode())}.{BODY}.",
    "alg NONE": f"{encoded(json.dumps({'alg': 'NONE'}).encode())}.{BODY}.",
    "alg nOnE": f"{encoded(json.dumps({'alg': 'nOnE'}).encode())}.{BODY}.",
    "alg none with a signature": f"{encoded(json.dumps({'alg': 'none'}).encode())}.{GOOD.split('.', 1)[1]}",
    "alg empty": signed({"alg": ""}, claims()),
    "alg missing": signed({"typ": "JWT"}, claims()),
    "alg a number": signed({"alg": 256}, claims()),
    "alg a list": signed({"alg": ["HS256"]}, claims()),
    "alg in lower case": signed({"alg": "hs256"}, claims()),
    "HS512": jwt.encode(claims(), SECRET * 2, algorithm="HS512"),
    "RS256 of somebody": jwt.encode(claims(), RSA, algorithm="RS256"),
    "ES256 of somebody": jwt.encode(claims(), EC, algorithm="ES256"),
    "another secret": signed(HEADER, claims(), "another secret, as long as the right one is"),
    "an empty secret": signed(HEADER, claims(), ""),
    "a public key as the secret": signed(HEADER, claims(), public_pem()),
    "embedded key": signed({**HEADER, "jwk": {"kty": "oct", "k": encoded(SECRET.encode())}}, claims()),
    "address of keys": signed({**HEADER, "jku": "https://example.org/keys"}, claims()),
    "address of a certificate": signed({**HEADER, "x5u": "https://example.org/cert"}, claims()),
    "a certificate": signed({**HEADER, "x5c": ["MII"]}, claims()),
    "crit": signed({**HEADER, "crit": ["exp"], "exp": 1}, claims()),
    "b64": signed({**HEADER, "b64": False, "crit": ["b64"]}, claims()),
    "compressed": signed({**HEADER, "zip": "DEF"}, claims()),
    "nested": signed({**HEADER, "cty": "JWT"}, GOOD),
    "another typ": signed({"alg": "HS256", "typ": "JOSE"}, claims()),
    "typ a list": signed({"alg": "HS256", "typ": ["JWT"]}, claims()),
    "kid a list": signed({**HEADER, "kid": ["a"]}, claims()),
    "kid of 1 MiB": signed({**HEADER, "kid": "k" * 1024 * 1024}, claims()),
    "kid too long": signed({**HEADER, "kid": "k" * 201}, claims()),
    "header a list": signed("[]", claims()),
    "header of nested lists": signed("[" * 2000, claims()),
    "payload a list": signed(HEADER, "[]"),
    "payload no JSON": signed(HEADER, "hello"),
    "payload of nested lists": signed(HEADER, "[" * 2000),
    "payload not UTF-8": GOOD.split(".")[0] + "." + encoded(b"\xff\xfe") + "." + GOOD.split(".")[2],
    "alg twice": signed('{"alg":"HS256","typ":"JWT","alg":"HS256"}', claims()),
    "sub twice": signed(HEADER, json.dumps(claims())[:-1] + f', "sub": "{uuid4()}"}}'),
    "oversized": signed(HEADER, claims(note="x" * 9000)),
    "no sub": signed(HEADER, claims(sub=None)),
    "sub no UUID": signed(HEADER, claims(sub="admin")),
    "sub a number": signed(HEADER, claims(sub=1)),
    "sub a list": signed(HEADER, claims(sub=[str(PERSON)])),
    "sub with a NUL": signed(HEADER, claims(sub=f"{PERSON}\0")),
    "sub in braces": signed(HEADER, claims(sub=f"{{{PERSON}}}")),
    "sub as SQL": signed(HEADER, claims(sub=f"{PERSON}' or '1'='1")),
    "no iss": signed(HEADER, claims(iss=None)),
    "another iss": signed(HEADER, claims(iss="https://evil.example")),
    "iss a list": signed(HEADER, claims(iss=[ISSUER])),
    "no aud": signed(HEADER, claims(aud=None)),
    "another aud": signed(HEADER, claims(aud="anon")),
    "aud of others": signed(HEADER, claims(aud=["service_role", "anon"])),
    "no exp": signed(HEADER, claims(exp=None)),
    "expired": signed(HEADER, claims(exp=int(time()) - 60)),
    "exp a text": signed(HEADER, claims(exp="tomorrow")),
    "exp a number in quotes": signed(HEADER, claims(exp=str(int(time()) + 600))),
    "exp true": signed(HEADER, claims(exp=True)),
    "exp beyond all time": signed(HEADER, claims(exp=10**30)),
    "exp infinite": signed(HEADER, json.dumps(claims()).replace(f'"exp": {claims()["exp"]}', '"exp": Infinity')),
    "exp not a number": signed(HEADER, json.dumps(claims()).replace(f'"exp": {claims()["exp"]}', '"exp": NaN')),
    "not before tomorrow": signed(HEADER, claims(nbf=int(time()) + 86400)),
    "issued tomorrow": signed(HEADER, claims(iat=int(time()) + 86400)),
    "role service_role": signed(HEADER, claims(role="service_role")),
    "role anon": signed(HEADER, claims(role="anon")),
    "role postgres": signed(HEADER, claims(role="postgres")),
    "role null": signed(HEADER, json.dumps(claims() | {"role": None})),
    "role a list": signed(HEADER, claims(role=["authenticated"])),
    "anonymous sign-in": signed(HEADER, claims(is_anonymous=True)),
    "email a list": signed(HEADER, claims(email=["a@example.org"])),
}


@pytest.fixture
def verifier() -> TokenVerifier:
    return TokenVerifier(SharedSecret(SECRET), issuer=ISSUER, audience=AUDIENCE)


async def test_a_good_token_says_who_it_is(verifier: TokenVerifier) -> None:
    verified = await verifier.verify(GOOD)
    assert (verified.user_id, verified.email) == (PERSON, "ada@example.org")
    expiry = jwt.decode(GOOD, options={"verify_signature": False})["exp"]
    assert verified.expires_at == datetime.fromtimestamp(expiry, UTC)


async def test_what_providers_leave_out_or_add_is_fine(verifier: TokenVerifier) -> None:
    lenient = [
        claims(role=None, nbf=None, iat=None, email=None),
        claims(aud=["other", AUDIENCE], session_id="x", app_metadata={"a": [1]}, is_anonymous=False),
        claims(exp=int(time()) - 20),
        claims(exp=time() + 600.5),
        claims(sub=str(PERSON).upper()),
    ]
    for good in lenient:
        assert (await verifier.verify(signed(HEADER, good))).user_id == PERSON
    assert (await verifier.verify(signed({"alg": "HS256", "kid": "1"}, claims()))).user_id == PERSON


@pytest.mark.parametrize("what", FORGED)
async def test_a_forged_token_is_refused_always_in_the_same_words(what: str, verifier: TokenVerifier) -> None:
    with pytest.raises(UnauthorizedError) as refusal:
        await verifier.verify(FORGED[what])
    assert refusal.value.detail == "The token is missing, malformed, expired or not meant for this service."
    assert refusal.value.extra == {}


async def test_a_key_is_for_its_own_algorithm_only() -> None:
    """A public key is no secret: where RS256 is expected, HS256 with that key is refused, and the other way round."""

    class Anything:
        def __init__(self, key: Key) -> None:
            self.key = key

        async def find(self, algorithm: str, kid: str | None) -> Key | None:
            return self.key

    public = TokenVerifier(Anything(Key(PUBLIC, "RS256")), issuer=ISSUER, audience=AUDIENCE)
    assert (await public.verify(jwt.encode(claims(), RSA, algorithm="RS256"))).user_id == PERSON
    for confused in (signed(HEADER, claims(), public_pem()), jwt.encode(claims(), EC, algorithm="ES256")):
        with pytest.raises(UnauthorizedError):
            await public.verify(confused)


async def test_what_we_issue_we_accept(verifier: TokenVerifier) -> None:
    issuer = TokenIssuer(SECRET, issuer=ISSUER, audience=AUDIENCE)
    verified = await verifier.verify(issuer.issue(PERSON, "ada@example.org", ttl=60))
    assert (verified.user_id, verified.email) == (PERSON, "ada@example.org")
    with pytest.raises(UnauthorizedError):
        await verifier.verify(issuer.issue(PERSON, "ada@example.org", ttl=-60))


# --- the installation's secret ----------------------------------------------------------------------------------------


async def test_a_token_that_was_good_ends_when_it_says(
    verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    expiry = int(time()) + 60
    token = signed(HEADER, claims(exp=expiry))
    first = await verifier.verify(token)
    assert await verifier.verify(token) is first
    monkeypatch.setattr("assistant.identity.time", lambda: expiry + 30.0)
    with pytest.raises(UnauthorizedError):
        await verifier.verify(token)


def test_a_secret_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    settings = make_settings(tmp_path / "new")
    secret = installation_secret(settings)
    path = tmp_path / "new" / "secret.key"
    assert len(secret) >= 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert installation_secret(settings) == secret
    assert [entry.name for entry in path.parent.iterdir()] == ["secret.key"]


def test_the_settings_secret_wins_and_a_broken_file_says_what_to_do(tmp_path: Path) -> None:
    assert installation_secret(make_settings(tmp_path, jwt_secret=SECRET)) == SECRET
    assert not (tmp_path / "secret.key").exists()
    (tmp_path / "secret.key").write_text("short")
    with pytest.raises(ConfigurationError, match=r"secret\.key holds no usable secret"):
        installation_secret(make_settings(tmp_path))


def test_two_processes_that_make_a_secret_at_once_share_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(tmp_path)
    monkeypatch.setattr(Path, "exists", lambda _: False)  # both looked before either had written
    assert installation_secret(settings) == installation_secret(settings)


def test_with_published_keys_our_own_secret_is_off(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="GOALSPACE_JWT_ISSUER"):
        build_verifier(make_settings(tmp_path, jwks_url="https://id.example/keys"))
    settings = make_settings(tmp_path, jwks_url="https://id.example/keys", jwt_issuer="https://id.example")
    assert build_issuer(settings) is None
    build_verifier(settings)
    assert not (tmp_path / "secret.key").exists()


async def test_with_published_keys_a_token_of_our_own_is_refused(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, jwks_url="https://id.example/keys", jwt_issuer=ISSUER, jwt_secret=SECRET)
    with pytest.raises(UnauthorizedError):
        await build_verifier(settings).verify(GOOD)


@pytest.mark.parametrize(
    "url", ["http://id.example/keys", "ftp://id.example", "id.example", "https://", "https://a@id.example/"]
)
def test_keys_come_by_https_only(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="GOALSPACE_JWKS_URL"):
        build_verifier(make_settings(tmp_path, jwks_url=url, jwt_issuer=ISSUER))


# --- requests ---------------------------------------------------------------------------------------------------------


class Doors:
    """Lets in whom the test names."""

    def __init__(self, *people: UUID) -> None:
        self.people = set(people)

    async def admit(self, token: VerifiedToken) -> bool:
        return token.user_id in self.people


class NoKeys:
    async def find(self, key: str) -> VerifiedToken | None:
        return None


@pytest.fixture
def doors() -> Doors:
    return Doors(PERSON)


@pytest.fixture
def app(verifier: TokenVerifier, doors: Doors, database: Database) -> Litestar:
    @get("/who", sync_to_thread=False)
    def who(request: Request[Any, Any, Any]) -> str:
        assert request.user in (ANONYMOUS, learner(PERSON))
        return str(request.user.user_id)

    @get("/mine", guards=[signed_in], sync_to_thread=False)
    def mine() -> str:
        return "yours"

    app = Litestar(
        [who, mine], middleware=[Authentication()], exception_handlers={Exception: render_problem}, logging_config=None
    )

    class Services:
        authenticator = Authenticator(verifier, doors, NoKeys())
        limits = Limits(database, requests_per_minute=0, turns_per_minute=0)

    app.state.services = Services()
    return app


async def test_a_request_is_somebody_nobody_or_refused(app: Litestar, doors: Doors) -> None:
    async with AsyncTestClient(app) as client:
        assert (await client.get("/who")).text == "None"
        for scheme in ("Bearer", "bearer", "BEARER"):
            assert (await client.get("/who", headers={"Authorization": f"{scheme} {GOOD}"})).text == str(PERSON)
        assert (await client.get("/mine", headers={"Authorization": f"Bearer {GOOD}"})).text == "yours"
        assert (await client.get("/mine")).status_code == 401
        doors.people.clear()
        gone = await client.get("/who", headers={"Authorization": f"Bearer {GOOD}"})
        assert gone.status_code == 401


async def test_all_refusals_read_the_same(app: Litestar, caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncTestClient(app) as client:
        usable = {what: token for what, token in FORGED.items() if token.isascii() and "\n" not in token}
        answers = [await client.get("/who", headers={"Authorization": f"Bearer {token}"}) for token in usable.values()]
        answers += [
            await client.get("/who", headers={"Authorization": value})
            for value in (f"Basic {GOOD}", GOOD, "Bearer", "Bearer  ", f"Token {GOOD}")
        ]
        answers.append(await client.get("/who", headers=[("Authorization", f"Bearer {GOOD}")] * 2))
    assert len(answers) > 60
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert GOOD not in caplog.text


@pytest.mark.parametrize("name", ["access_token", "token", "TOKEN", "jwt", "api_key", "authorization", "%74oken"])
async def test_a_token_in_an_address_is_refused_even_a_good_one(name: str, app: Litestar) -> None:
    async with AsyncTestClient(app) as client:
        answer = await client.get(f"/who?{name}={GOOD}", headers={"Authorization": f"Bearer {GOOD}"})
        assert answer.status_code == 400
        assert GOOD not in answer.text


def test_other_words_in_an_address_are_fine() -> None:
    refuse_token_in_query(b"q=token&tokens=1&cursor=jwt")
    with pytest.raises(BadRequestError):
        refuse_token_in_query(b"a=1&token")


def test_the_one_authorization_header_holds_the_token() -> None:
    assert bearer_token([]) is None
    assert bearer_token([(b"authorization", b"Bearer abc")]) == "abc"
    for bad in ([(b"authorization", b"")], [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer a")]):
        with pytest.raises(UnauthorizedError):
            bearer_token(bad)
