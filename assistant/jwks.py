"""An identity provider's public keys: fetched from one fixed address, cached, kept while the provider is down."""

import asyncio
import ipaddress
from collections.abc import Callable
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

import jwt
import msgspec
import structlog

from assistant.errors import ConfigurationError, UnavailableError

log = structlog.get_logger(__name__)

FRESH_SECONDS: Final = 600.0
"""For so long the keys are not asked for again, and a key that was withdrawn is still good."""
UNKNOWN_SECONDS: Final = 60.0
"""An unknown key id, or a provider that is down, makes us ask again at most this often."""
FETCH_SECONDS: Final = 5.0
MAX_BYTES: Final = 256 * 1024
MAX_KEYS: Final = 50
MIN_BITS: Final = {"RS256": 2048, "ES256": 256}


class _Document(msgspec.Struct):
    keys: list[dict[str, object]]


class KeySet:
    """Keys by id. Raises ConfigurationError where the address is not https (http only for this machine)."""

    def __init__(self, url: str, *, clock: Callable[[], float] = monotonic) -> None:
        _check_address(url)
        self._url = url
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at: float | None = None
        self._asked_at: float | None = None
        self._lock = asyncio.Lock()

    async def find(self, kid: str) -> jwt.PyJWK | None:
        """None: there is no such key. Raises UnavailableError where no keys were ever had."""
        if self._should_ask(kid) and not (kid in self._keys and self._lock.locked()):
            async with self._lock:
                if self._should_ask(kid):
                    await self._refresh()
        if self._fetched_at is None:
            raise UnavailableError("The identity provider's keys cannot be reached.", code="identity_unavailable")
        return self._keys.get(kid)

    def _should_ask(self, kid: str) -> bool:
        now = self._clock()
        stale = self._fetched_at is None or now - self._fetched_at > FRESH_SECONDS
        return (stale or kid not in self._keys) and (self._asked_at is None or now - self._asked_at > UNKNOWN_SECONDS)

    async def _refresh(self) -> None:
        """The last good set stays where the provider does not answer with another."""
        self._asked_at = self._clock()
        try:
            self._keys = await _fetch(self._url)
        except Exception as exc:  # the provider may fail in any way; we go on with what we have
            log.warning("jwks_unreachable", error=type(exc).__name__)
            return
        self._fetched_at = self._clock()


async def _fetch(url: str) -> dict[str, jwt.PyJWK]:
    import httpx2  # here, since a service with its own accounts never needs it

    async with (
        asyncio.timeout(FETCH_SECONDS),
        httpx2.AsyncClient(follow_redirects=False, trust_env=False, timeout=FETCH_SECONDS) as client,
        client.stream("GET", url, headers={"Accept": "application/json"}) as response,
    ):
        if response.status_code != 200:
            raise ValueError(f"status {response.status_code}")
        body = bytearray()
        async for part in response.aiter_bytes():
            body += part
            if len(body) > MAX_BYTES:
                raise ValueError("more than a set of keys")
    found = dict(filter(None, (_usable(entry) for entry in msgspec.json.decode(body, type=_Document).keys[:MAX_KEYS])))
    if not found:
        raise ValueError("no usable key")
    return found


def _usable(entry: dict[str, object]) -> tuple[str, jwt.PyJWK] | None:
    """A public signing key for RS256 or ES256; anything else is passed over."""
    algorithm = {"RSA": "RS256", "EC": "ES256"}.get(str(entry.get("kty")))
    kid = entry.get("kid")
    if (
        algorithm is None
        or not isinstance(kid, str)
        or entry.get("use", "sig") != "sig"
        or entry.get("alg", algorithm) != algorithm
        or (algorithm == "ES256" and entry.get("crv") != "P-256")
    ):
        return None
    public = {name: value for name, value in entry.items() if name in ("kty", "kid", "n", "e", "crv", "x", "y")}
    try:
        key = jwt.PyJWK(public, algorithm)
    except jwt.PyJWTError:
        return None
    return None if key.key.key_size < MIN_BITS[algorithm] else (kid, key)


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname and not parts.username:
        return
    if parts.scheme != "http" or not _is_loopback(parts.hostname or ""):
        raise ConfigurationError("GOALSPACE_JWKS_URL: must be an https address.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
