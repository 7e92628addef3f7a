"""Published keys: fetched seldom, kept while the provider is down, and only those that sign."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from time import time
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.warnings import InsecureKeyLengthWarning

from assistant import jwks
from assistant.errors import UnauthorizedError, UnavailableError
from assistant.identity import PublishedKeys, TokenVerifier
from assistant.jwks import FRESH_SECONDS, UNKNOWN_SECONDS, KeySet

FIRST, SECOND = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 2048)
CURVE = ec.generate_private_key(ec.SECP256R1())
WEAK = rsa.generate_private_key(65537, 1024)
PERSON = uuid4()


def published(key: Any, kid: str | None, **changes: Any) -> dict[str, Any]:
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    values = {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", **changes}
    return {name: value for name, value in values.items() if value is not None}


def token(key: Any, kid: str | None, algorithm: str = "RS256") -> str:
    claims = {"sub": str(PERSON), "iss": "https://id.example", "aud": "authenticated", "exp": int(time()) + 600}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


@dataclass
class Provider:
    """Answers with `body` and counts. `answer` stands for a whole response instead."""

    keys: list[dict[str, Any]]
    answer: bytes | None = None
    stalls: bool = False
    stalled: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0
    url: str = ""
    clock: float = 1000.0
    server: asyncio.Server | None = field(default=None, repr=False)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        if self.stalls:
            self.stalled.set()
            await reader.read()  # until the client gives up
        else:
            body = json.dumps({"keys": self.keys}).encode()
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
            writer.write(self.answer or head + body)
        writer.close()

    def verifier(self) -> TokenVerifier:
        keys = KeySet(self.url, clock=lambda: self.clock)
        return TokenVerifier(PublishedKeys(keys), issuer="https://id.example", audience="authenticated")


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    found = Provider([published(FIRST, "1"), published(CURVE, "curve")])
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"
    yield found
    server.close()


async def accepts(verifier: TokenVerifier, text: str) -> bool:
    try:
        return (await verifier.verify(text)).user_id == PERSON
    except UnauthorizedError:
        return False


async def test_both_kinds_of_keys_verify_and_are_fetched_once(provider: Provider) -> None:
    verifier = provider.verifier()
    for _ in range(20):
        assert await accepts(verifier, token(FIRST, "1"))
        assert await accepts(verifier, token(CURVE, "curve", "ES256"))
    assert provider.asked == 1


async def test_a_key_is_no_good_under_another_name_or_algorithm(provider: Provider) -> None:
    verifier = provider.verifier()
    assert not await accepts(verifier, token(FIRST, "curve"))
    assert not await accepts(verifier, token(SECOND, "1"))
    assert not await accepts(verifier, token(FIRST, None))
    assert not await accepts(verifier, token(FIRST, "1", "RS512"))
    assert not await accepts(verifier, token("x" * 40, "1", "HS256"))
    assert not await accepts(verifier, token(FIRST, "../../1"))


async def test_ten_thousand_unknown_names_are_two_requests(provider: Provider) -> None:
    keys = KeySet(provider.url, clock=lambda: provider.clock)
    for n in range(10_000):
        provider.clock += UNKNOWN_SECONDS * 1.5 / 10_000
        assert await keys.find(f"unknown {n}") is None
    assert provider.asked == 2


async def test_a_new_key_is_found_within_a_minute(provider: Provider) -> None:
    verifier = provider.verifier()
    assert await accepts(verifier, token(FIRST, "1"))
    provider.keys.append(published(SECOND, "2"))
    provider.clock += UNKNOWN_SECONDS + 1
    assert await accepts(verifier, token(SECOND, "2"))
    assert provider.asked == 2


async def test_a_withdrawn_key_is_good_until_the_keys_are_stale(provider: Provider) -> None:
    verifier = provider.verifier()
    assert await accepts(verifier, token(FIRST, "1"))
    provider.keys[0] = published(SECOND, "2")
    provider.clock += FRESH_SECONDS - 1
    assert await accepts(verifier, token(FIRST, "1"))
    provider.clock += 2
    assert not await accepts(verifier, token(FIRST, "1"))
    assert await accepts(verifier, token(SECOND, "2"))


FAILURES = {
    "error": b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    "not found": b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
    "no HTTP": b"hello",
    "cut": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{",
    "no JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno",
    "no keys": b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"keys":[]}',
    "10 MiB": b"HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n" + b" " * 10_485_760,
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_while_the_provider_fails_the_last_keys_stay(failure: str, provider: Provider) -> None:
    verifier = provider.verifier()
    assert await accepts(verifier, token(FIRST, "1"))
    provider.answer = FAILURES[failure]
    provider.clock += FRESH_SECONDS + 1
    for _ in range(10):
        assert await accepts(verifier, token(FIRST, "1"))
    assert provider.asked == 2
    provider.answer = None
    provider.clock += UNKNOWN_SECONDS + 1
    assert await accepts(verifier, token(FIRST, "1"))
    assert provider.asked == 3


async def test_without_any_keys_the_service_is_unavailable_and_not_the_token_bad(provider: Provider) -> None:
    provider.answer = FAILURES["error"]
    verifier = provider.verifier()
    for _ in range(5):
        with pytest.raises(UnavailableError):
            await verifier.verify(token(FIRST, "1"))
    assert provider.asked == 1


async def test_a_provider_that_stalls_holds_up_nobody_whose_key_is_known(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier = provider.verifier()
    assert await accepts(verifier, token(FIRST, "1"))
    monkeypatch.setattr(jwks, "FETCH_SECONDS", 0.2)
    provider.stalls = True
    provider.clock += FRESH_SECONDS + 1
    waiting = asyncio.create_task(accepts(verifier, token(FIRST, "1")))
    await provider.stalled.wait()
    assert await accepts(verifier, token(FIRST, "1"))
    assert not waiting.done()
    assert await waiting


async def test_only_public_keys_that_sign_are_taken(provider: Provider) -> None:
    secret = {"kty": "oct", "kid": "secret", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}
    provider.keys = [
        published(FIRST, "good"),
        published(SECOND, "encrypts", use="enc"),
        published(SECOND, "another algorithm", alg="RS512"),
        published(SECOND, None),
        published(WEAK, "weak"),
        published(ec.generate_private_key(ec.SECP384R1()), "curve"),
        secret,
        {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
    ]
    verifier = provider.verifier()
    assert await accepts(verifier, token(FIRST, "good"))
    for key, kid in ((SECOND, "encrypts"), (SECOND, "another algorithm"), (FIRST, "broken")):
        assert not await accepts(verifier, token(key, kid))
    with pytest.warns(InsecureKeyLengthWarning):
        weak = token(WEAK, "weak")
    assert not await accepts(verifier, weak)
    assert not await accepts(verifier, token("secret-secret-secret-secret-secret", "secret", "HS256"))
