"""Who is asking: the tokens that we or an identity provider issue, and what becomes of a request's `Authorization`.

A token says who somebody is, never what they may do: the role in the database is ours to choose.
"""

import base64
import binascii
import hashlib
import json
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any, Final, Literal, Protocol
from urllib.parse import parse_qsl
from uuid import UUID

import jwt
from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from assistant.db.identity import ANONYMOUS, Principal, learner
from assistant.db.roles import write_secret
from assistant.errors import BadRequestError, ConfigurationError, ForbiddenError, UnauthorizedError
from assistant.jwks import KeySet
from assistant.limits import Limits
from assistant.settings import Settings

ISSUER: Final = "goalspace"
AUDIENCE_ROLE: Final = "authenticated"
"""The one role claim that a person's token may carry; keys of the provider itself carry others."""

LEEWAY_SECONDS: Final = 30
MAX_TOKEN_BYTES: Final = 8192

REMEMBERED: Final = 10_000
"""Tokens whose signature need not be checked again."""

MAX_TTL_SECONDS: Final = 366 * 24 * 3600

_REFUSAL = "The token is missing, malformed, expired or not meant for this service."
_MALFORMED: Final = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)
"""All that PyJWT, base64, UTF-8, JSON, ids and dates say about a text that is no token of ours."""

KEY_PREFIX: Final = "gsk_"
"""What a program's key begins with: so it is told from a token, and found where somebody left it lying about."""

KeyScope = Literal["read", "write", "chat"]

_QUERY_NAMES: Final = frozenset({"access_token", "api_key", "apikey", "authorization", "bearer", "jwt", "token"})
_HEADER_NAMES: Final = frozenset({"alg", "typ", "kid"})


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What a good token or key says. `email` is the issuer's word, lower case; None where it says none."""

    user_id: UUID
    expires_at: datetime | None
    email: str | None
    key_id: UUID | None = None
    """None: a person's own token, and no program's key."""
    scopes: frozenset[KeyScope] | None = None
    """What a key is for; None: everything."""
    issued_at: datetime | None = None
    """None where a token does not say so, and of keys."""

    def require(self, scope: KeyScope) -> None:
        """Raises ForbiddenError."""
        if self.scopes is not None and scope not in self.scopes:
            raise ForbiddenError(f"This key is not for that: it lacks the scope {scope}.", code="scope_missing")


@dataclass(frozen=True, slots=True)
class Key:
    """A key and the one algorithm that it is for."""

    material: Any
    algorithm: str


class Keys(Protocol):
    async def find(self, algorithm: str, kid: str | None) -> Key | None:
        """The key that must have signed a token with this header, if there is one."""


class SharedSecret:
    """HS256: we sign and verify with the same secret."""

    def __init__(self, secret: str) -> None:
        self._key = Key(secret, "HS256")

    async def find(self, algorithm: str, kid: str | None) -> Key | None:
        return self._key if algorithm == self._key.algorithm else None


class PublishedKeys:
    """RS256 and ES256: an identity provider signs, we verify with what it publishes."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys

    async def find(self, algorithm: str, kid: str | None) -> Key | None:
        if kid is None or algorithm not in ("RS256", "ES256"):
            return None
        found = await self._keys.find(kid)
        return Key(found.key, algorithm) if found is not None and found.algorithm_name == algorithm else None


class TokenVerifier:
    """Verifies the tokens of exactly one issuer."""

    def __init__(self, keys: Keys, *, issuer: str, audience: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._good: OrderedDict[bytes, _Good] = OrderedDict()

    async def verify(self, token: str) -> VerifiedToken:
        """Raises UnauthorizedError, always the same one, or UnavailableError where keys cannot be had.

        A page sends the same token with each request: its signature is checked once, by the key that is still the one
        to check it; its expiry each time.
        """
        digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        good = self._good.get(digest)
        if good is not None and await self._keys.find(*good.header) == good.key:
            if good.expiry <= time() - LEEWAY_SECONDS:
                raise UnauthorizedError(_REFUSAL)
            return good.verified
        try:
            good = await self._check(token)
        except _MALFORMED as exc:
            raise UnauthorizedError(_REFUSAL) from exc
        self._good[digest] = good
        if len(self._good) > REMEMBERED:
            self._good.popitem(last=False)
        return good.verified

    async def _check(self, token: str) -> "_Good":
        if len(token) > MAX_TOKEN_BYTES or not token.isascii() or token.count(".") != 2:
            raise ValueError("no token of ours")
        head, payload, signature = token.split(".")
        _bytes(signature)
        header, claims = _object(head), _object(payload)
        _check_header(header)
        sought = header["alg"], header.get("kid")
        key = await self._keys.find(*sought)
        if key is None:
            raise ValueError("no key for this header")
        jwt.decode(
            token,
            key.material,
            algorithms=[key.algorithm],
            audience=self._audience,
            issuer=self._issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
        return _Good(_person(claims), claims["exp"], sought, key)


@dataclass(frozen=True, slots=True)
class _Good:
    """A token whose signature was good, and by which key."""

    verified: VerifiedToken
    expiry: float
    header: tuple[str, str | None]
    """Algorithm and name of the key, as the token says."""
    key: Key


def _object(segment: str) -> dict[str, Any]:
    """A segment's JSON object; a name that is there twice could mean one thing to us and another to the issuer."""
    value = json.loads(_bytes(segment), object_pairs_hook=_unique, parse_constant=_no_constant)
    if not isinstance(value, dict):
        raise TypeError("no object")
    return value


def _bytes(segment: str) -> bytes:
    """A token has one spelling, so that one that was revoked or logged is known again."""
    raw = base64.b64decode(segment + "=" * (-len(segment) % 4), altchars=b"-_", validate=True)
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != segment:
        raise binascii.Error("not the one spelling of these bytes")
    return raw


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name is there twice")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _check_header(header: dict[str, Any]) -> None:
    """Nothing but `alg`, `typ` and `kid`: no key, no address of one, no extension that we would have to understand."""
    kid = header.get("kid")
    if (
        not header.keys() <= _HEADER_NAMES
        or not isinstance(header.get("alg"), str)
        or str(header.get("typ", "JWT")).upper() != "JWT"
        or not (kid is None or (isinstance(kid, str) and 0 < len(kid) <= 200))
    ):
        raise ValueError("a header that we do not accept")


def _person(claims: dict[str, Any]) -> VerifiedToken:
    if claims.get("role", AUDIENCE_ROLE) != AUDIENCE_ROLE or claims.get("is_anonymous", False) is not False:
        raise ValueError("a key of the provider or an anonymous sign-in")
    user_id = UUID(claims["sub"])
    if str(user_id) != claims["sub"].lower():
        raise ValueError("not the one spelling of this id")
    expiry, email = claims["exp"], claims.get("email")
    if isinstance(expiry, bool) or not isinstance(expiry, int | float) or expiry > time() + 10 * MAX_TTL_SECONDS:
        raise ValueError("an expiry that is none")
    if not (email is None or isinstance(email, str)):
        raise ValueError("no address")
    issued = claims.get("iat")
    return VerifiedToken(
        user_id,
        datetime.fromtimestamp(expiry, UTC),
        email.strip().lower() if email else None,
        issued_at=None if issued is None else datetime.fromtimestamp(issued, UTC),
    )


class TokenIssuer:
    """Makes the tokens of local accounts and of the command line."""

    def __init__(self, secret: str, *, issuer: str, audience: str) -> None:
        self._secret = secret
        self._issuer = issuer
        self._audience = audience

    def issue(self, user_id: UUID, email: str, ttl: int = 3600) -> str:
        """A token for `ttl` seconds."""
        now = int(time())
        claims = {
            "sub": str(user_id),
            "email": email,
            "role": AUDIENCE_ROLE,
            "iss": self._issuer,
            "aud": self._audience,
            "iat": now,
            "nbf": now,
            "exp": now + ttl,
        }
        return jwt.encode(claims, self._secret, algorithm="HS256")


def installation_secret(settings: Settings) -> str:
    """The secret of the settings, else the one in the data directory, made there on first use."""
    if settings.jwt_secret is not None:
        return settings.jwt_secret.get_secret_value()
    path = settings.data_dir / "secret.key"
    if not path.exists():
        _make_secret(path)
    secret = path.read_text("ascii").strip()
    if len(secret) < 32:
        raise ConfigurationError(f"{path} holds no usable secret; remove it, and a new one is made.")
    return secret


def _make_secret(path: Path) -> None:
    """Two processes may come here at once: the first one's secret stays."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.draft")
    write_secret(draft, secrets.token_urlsafe(48).encode())
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def build_verifier(settings: Settings) -> TokenVerifier:
    """JWKS where the settings name it, else the shared secret: never both. Raises ConfigurationError."""
    if settings.jwks_url is None:
        keys: Keys = SharedSecret(installation_secret(settings))
        return TokenVerifier(keys, issuer=settings.jwt_issuer or ISSUER, audience=settings.jwt_audience)
    if settings.jwt_issuer is None:
        raise ConfigurationError("GOALSPACE_JWT_ISSUER: must be set where GOALSPACE_JWKS_URL is.")
    return TokenVerifier(
        PublishedKeys(KeySet(settings.jwks_url)), issuer=settings.jwt_issuer, audience=settings.jwt_audience
    )


def build_issuer(settings: Settings) -> TokenIssuer | None:
    """None where an identity provider issues the tokens."""
    if settings.jwks_url is not None:
        return None
    return TokenIssuer(
        installation_secret(settings), issuer=settings.jwt_issuer or ISSUER, audience=settings.jwt_audience
    )


class Admission(Protocol):
    async def admit(self, token: VerifiedToken) -> bool:
        """Whether the person of a good token still exists; one seen for the first time is taken in."""


class KeyRing(Protocol):
    async def find(self, key: str) -> VerifiedToken | None:
        """What the key says, if it is one of ours, and still good."""


class Authenticator:
    """From the text of a token, or of a key, to who its bearer is."""

    def __init__(self, verifier: TokenVerifier, admission: Admission, keys: KeyRing) -> None:
        self._verifier = verifier
        self._admission = admission
        self._keys = keys

    async def verify(self, token: str) -> VerifiedToken:
        """A token or key of a person who exists. Raises UnauthorizedError, always the same one."""
        verified = await (self._keys.find(token) if token.startswith(KEY_PREFIX) else self._verifier.verify(token))
        if verified is None or not await self._admission.admit(verified):
            raise UnauthorizedError(_REFUSAL)
        return verified

    async def readmit(self, verified: VerifiedToken) -> None:
        """Somebody who was let in and has stayed does something. Raises UnauthorizedError where they are gone."""
        if not await self._admission.admit(verified):
            raise UnauthorizedError(_REFUSAL)


def bearer_token(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The token of the one `Authorization` header. Raises UnauthorizedError where there are two, or of another kind."""
    values = [value for name, value in headers if name == b"authorization"]
    if not values:
        return None
    scheme, _, token = values[0].decode("latin-1").partition(" ")
    if len(values) > 1 or scheme.lower() != "bearer" or not token.strip():
        raise UnauthorizedError(_REFUSAL)
    return token.strip()


async def identify(
    scope: Scope, read_token: Callable[[], str | None], authenticator: Authenticator, limits: Limits
) -> VerifiedToken | None:
    """What the token of a request says, if it has one. A request without a good one counts for its network.

    Raises UnauthorizedError, TooManyRequestsError.
    """
    try:
        token = read_token()
        verified = None if token is None else await authenticator.verify(token)
    except UnauthorizedError:
        limits.count_request(scope, None, None)
        raise
    if verified is None:
        limits.count_request(scope, None, None)
    else:
        limits.count_request(scope, verified.user_id, verified.key_id)
    return verified


class Authentication(ASGIMiddleware):
    """Sets `scope["user"]` to the caller's principal: anonymous without a token, 401 with a bad one.

    `scope["auth"]` is what the token says, or None. A key must have the scope that the handler's `opt` names, by
    default `read` for GET and `write` for the rest.
    """

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        refuse_token_in_query(scope["query_string"])
        services = scope["litestar_app"].state.services
        verified = await identify(
            scope, lambda: bearer_token(scope["headers"]), services.authenticator, services.limits
        )
        if verified is not None:
            usual = "read" if scope.get("method") in ("GET", "HEAD") else "write"
            verified.require(scope["route_handler"].opt.get("scope", usual))
        scope["user"] = ANONYMOUS if verified is None else learner(verified.user_id)
        scope["auth"] = verified
        await next_app(scope, receive, send)


def refuse_token_in_query(query: bytes) -> None:
    """Addresses end up in logs, histories and referrers. Raises BadRequestError."""
    if any(name.lower() in _QUERY_NAMES for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)):
        raise BadRequestError("A token does not belong in an address: send it as 'Authorization: Bearer …'.")


async def in_person(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard for what no program's key may do. Raises UnauthorizedError, ForbiddenError."""
    verified: VerifiedToken | None = connection.auth
    if verified is None:
        raise UnauthorizedError("Sign in first.")
    if verified.key_id is not None:
        raise ForbiddenError("This is for people, and not for keys: use a token.", code="key_not_allowed")


def person_of(principal: Principal) -> UUID:
    """The caller's id. Raises UnauthorizedError where nobody has signed in."""
    if principal.user_id is None:
        raise UnauthorizedError("Sign in first.")
    return principal.user_id


def provide_principal(request: ASGIConnection[Any, Any, Any, Any]) -> Principal:
    caller: Principal = request.user
    return caller
