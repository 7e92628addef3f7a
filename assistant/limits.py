"""How often somebody may do something, and what they are told to when it was too often.

Ordinary requests are counted in this process's memory, for each person and each key, and for each network where nobody
is signed in: a count that is off by the number of processes does no harm there. What is guessed at or costs much is
counted in the database, for all processes, by its clock.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from math import ceil
from typing import Final
from uuid import UUID

from litestar.datastructures import Headers
from litestar.types import Scope

from assistant.db.session import Database
from assistant.errors import TooManyRequestsError
from assistant.ratelimit import TokenBuckets

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

SPACE_FACTOR: Final = 10
"""All members of a space together may ask so many times as often as one person."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """`burst` at once, then one per `interval` seconds."""

    burst: int
    interval: float


ATTEMPTS_OF_NETWORK: Final = Allowance(20, 3.0)
ATTEMPTS_AT_EMAIL: Final = Allowance(10, 30.0)
"""To sign in or up: a password of eight letters outlasts whoever guesses at this pace."""

UPLOADS: Final = Allowance(120, 1.0)
"""Documents of one person: each is cut, embedded and indexed. A folder of a hundred files is taken as it comes."""

_TAKE: Final = """
    select max(assistant.take_token(name, burst, step))
    from unnest(%s::text[], %s::int[], %s::float8[]) as wanted (name, burst, step)
"""


class Limits:
    """One per process."""

    def __init__(
        self,
        database: Database,
        *,
        requests_per_minute: int,
        turns_per_minute: int,
        trusted_proxies: Collection[str] = (),
    ) -> None:
        """0 is no limit. Proxies are addresses or networks whose word on where a request came from is taken."""
        self._database = database
        self._requests = _buckets(requests_per_minute)
        self._turns = turns_per_minute
        self._proxies = tuple(ip_network(proxy) for proxy in trusted_proxies)

    def count_request(self, scope: Scope, user_id: UUID | None, key_id: UUID | None) -> None:
        """Raises TooManyRequestsError."""
        if self._requests is None:
            return
        if user_id is None:
            self._requests.take(f"from {self.network_of(scope)}")
            return
        if key_id is not None:  # a program that runs wild uses up its own share first
            self._requests.take(f"key {key_id}")
        self._requests.take(f"user {user_id}")

    async def count_attempt(self, scope: Scope, email: str) -> None:
        """An attempt to sign in or up as `email`. Raises TooManyRequestsError."""
        await self._take(
            (f"attempt from {self.network_of(scope)}", ATTEMPTS_OF_NETWORK), (f"attempt at {email}", ATTEMPTS_AT_EMAIL)
        )

    async def count_turn(self, user_id: UUID, space_id: UUID) -> None:
        """A question to the mentor. Raises TooManyRequestsError."""
        if self._turns:
            await self._take(
                (f"turn of {user_id}", Allowance(self._turns, 60 / self._turns)),
                (f"turn in {space_id}", Allowance(self._turns * SPACE_FACTOR, 60 / self._turns / SPACE_FACTOR)),
            )

    async def count_upload(self, user_id: UUID) -> None:
        """A document that is to be indexed. Raises TooManyRequestsError."""
        await self._take((f"upload of {user_id}", UPLOADS))

    async def _take(self, *wanted: tuple[str, Allowance]) -> None:
        names = [name for name, _ in wanted]
        bursts = [allowance.burst for _, allowance in wanted]
        steps = [allowance.interval for _, allowance in wanted]
        [[wait]] = await self._database.fetch_as_service("limit_rate", _TAKE, (names, bursts, steps))
        if wait > 0:
            raise TooManyRequestsError("Too many attempts; please wait a little.", retry_after=ceil(wait))

    def network_of(self, scope: Scope) -> str:
        """Where a request came from: an IPv4 address, or the /64 that an IPv6 client can choose its addresses in.

        A proxy that we trust says who asked it, and the last hop that we do not trust is the client: what stands left
        of it anybody may have written.
        """
        client = scope.get("client")
        hop = _address(client[0]) if client else None
        forwarded = ",".join(Headers.from_scope(scope).getall("x-forwarded-for", [])).split(",")
        while hop is not None and forwarded and any(hop in proxy for proxy in self._proxies):
            before = _address(forwarded.pop().strip())
            if before is None:
                break
            hop = before
        if isinstance(hop, IPv6Address):
            return str(IPv6Network((hop, 64), strict=False))
        return str(hop)


def _buckets(per_minute: int) -> TokenBuckets | None:
    return TokenBuckets(burst=per_minute, interval=60 / per_minute) if per_minute else None


@lru_cache(1024)
def _address(text: str) -> Address | None:
    """Also with a port; None for what is no address."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
