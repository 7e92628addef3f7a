"""Pages of the web, fetched from public addresses only: whoever names one must not reach what only this machine can.

A name is resolved once for each hop, all that it resolves to is checked, and what was checked is connected to: an
answer that changes in between changes nothing.
"""

import asyncio
import ipaddress
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from assistant.errors import InvalidError, TooLargeError

if TYPE_CHECKING:
    import ssl

    import httpx2

MAX_BYTES: Final = 10 * 1024 * 1024
"""After decompression."""

MAX_HOPS: Final = 5
MAX_ADDRESS: Final = 2_000
"""Characters: what the column for sources holds."""

SECONDS: Final = 20.0
"""For all of it, redirections included."""

SILENT_SECONDS: Final = 5.0
PORTS: Final = {"http": 80, "https": 443}

_REDIRECTIONS: Final = frozenset({301, 302, 303, 307, 308})
_HEADERS: Final = {
    "User-Agent": "GoalSpace (documents on a learner's request)",
    "Accept": "text/html, application/xhtml+xml, application/pdf, text/*;q=0.9, */*;q=0.5",
    "Accept-Encoding": "gzip",
}
_UNICAST: Final = ipaddress.ip_network("2000::/3")
_TUNNELS: Final = tuple(map(ipaddress.ip_network, ("2002::/16", "2001::/32")))
"""IPv6 addresses that stand for IPv4 ones, private ones among them."""

Resolve = Callable[[str, int], Awaitable[Collection[str]]]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an address answered. `address` is where it was asked for, `name` the hint at what it is."""

    address: str
    name: str
    data: bytes


async def resolve_name(host: str, port: int) -> Collection[str]:
    """All addresses of a name. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return {str(entry[4][0]) for entry in found}


class Fetcher:
    """Gets pages. `own_hosts`: names of one's own network, which may be asked although they are not public."""

    def __init__(self, own_hosts: Collection[str] = (), *, resolve: Resolve = resolve_name) -> None:
        self._own_hosts = frozenset(host.lower() for host in own_hosts)
        self._resolve = resolve
        self._trust: ssl.SSLContext | None = None

    async def fetch(self, address: str) -> Fetched:
        """Raises InvalidError (not an address, not public, not reachable, not there) and TooLargeError."""
        import httpx2  # here, since most processes never fetch anything

        try:
            async with (
                asyncio.timeout(SECONDS),
                httpx2.AsyncClient(
                    follow_redirects=False, trust_env=False, timeout=SILENT_SECONDS, verify=await self._authorities()
                ) as client,
            ):
                return await self._follow(client, _parse(address))
        except TimeoutError:
            raise _failure(f"The address took longer than {SECONDS:g} s to answer.") from None
        except httpx2.TimeoutException:
            raise _failure(f"The address was silent for {SILENT_SECONDS:g} s.") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as exc:
            raise _failure("The address cannot be reached, or breaks off its answer.") from exc

    async def _authorities(self) -> "ssl.SSLContext":
        """Whose certificates count. To read all of them takes longer than to fetch a page."""
        import httpx2

        if self._trust is None:
            self._trust = await asyncio.to_thread(httpx2.create_ssl_context, trust_env=False)
        return self._trust

    async def _follow(self, client: "httpx2.AsyncClient", url: "httpx2.URL") -> Fetched:
        asked = str(url.copy_with(fragment=None))
        for _ in range(MAX_HOPS + 1):
            host = await self._check(url)
            request = client.build_request(
                "GET",
                url.copy_with(host=host),
                headers={**_HEADERS, "Host": url.netloc.decode("ascii")},
                extensions={"sni_hostname": _host(url)},  # whose certificate it has to be
            )
            client.cookies.clear()
            response = await client.send(request, stream=True)
            try:
                if response.status_code not in _REDIRECTIONS:
                    return Fetched(asked, _name(url, response), await _read(response))
                url = _next(url, response.headers.get("location", ""))
            finally:
                await response.aclose()
        raise _failure(f"The address leads on more than {MAX_HOPS} times.")

    async def _check(self, url: "httpx2.URL") -> str:
        """Where to connect to."""
        host, port = _host(url), url.port or PORTS[url.scheme]
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError):
            raise _failure("The address cannot be reached: there is no such host.") from None
        if host in self._own_hosts or f"{host}:{port}" in self._own_hosts:
            return min(found)
        if port not in PORTS.values():
            raise _failure("The address has an unusual port; only 80 and 443 are asked.")
        if not found or not all(map(is_public, found)):
            raise _failure("The address is not a public one.")
        return min(found, key=lambda each: (":" in each, each))  # not every machine has IPv6


def is_public(address: str) -> bool:
    """Whether anybody anywhere could ask it: not this machine, its network, its provider, nor several at a time."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        return ip in _UNICAST and ip.is_global and not any(ip in tunnel for tunnel in _TUNNELS)
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _failure(detail: str) -> InvalidError:
    return InvalidError(detail, path="url", code="not_fetched")


def _parse(address: str) -> "httpx2.URL":
    import httpx2

    if len(address) > MAX_ADDRESS:
        raise _failure(f"An address has at most {MAX_ADDRESS:,} characters.")
    try:
        url = httpx2.URL(address)
    except (httpx2.InvalidURL, ValueError):
        raise _failure("This is not an address.") from None
    if url.scheme not in PORTS or not url.host:
        raise _failure("An address begins with http:// or https://.")
    if url.userinfo:
        raise _failure("An address with a name and password in it is not asked.")
    return url


def _next(url: "httpx2.URL", location: str) -> "httpx2.URL":
    following = _parse(str(url.join(location)))
    if url.scheme == "https" and following.scheme == "http":
        raise _failure("The address leads from https to http.")
    return following


def _host(url: "httpx2.URL") -> str:
    """As it goes over the wire: from other letters, libraries older than these make another name."""
    return url.raw_host.decode("ascii")


def _name(url: "httpx2.URL", response: "httpx2.Response") -> str:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    last = url.path.rstrip("/").rpartition("/")[2][:200]
    return f"{last or url.host}.html" if kind in ("text/html", "application/xhtml+xml") else last or url.host


async def _read(response: "httpx2.Response") -> bytes:
    if response.status_code != HTTPStatus.OK:
        raise _failure(f"The address answers {response.status_code} {response.reason_phrase}".rstrip() + ".")
    if int(response.headers.get("content-length") or 0) > MAX_BYTES:
        raise _too_large()
    data = bytearray()
    async for part in _decoded(response):
        data += part
        if len(data) > MAX_BYTES:
            raise _too_large()
    return _as_declared(bytes(data), response.charset_encoding)


async def _decoded(response: "httpx2.Response") -> AsyncIterator[bytes]:
    """Never more at a time than may come altogether: the client's own decoder would unpack a bomb first."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        async for part in response.aiter_raw():
            yield part
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise _failure("The address answers in an encoding that was not asked for.")
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
    async for part in response.aiter_raw():
        try:
            yield decoder.decompress(part, MAX_BYTES + 1)
        except zlib.error:
            raise _failure("The answer is damaged.") from None


def _as_declared(data: bytes, charset: str | None) -> bytes:
    """As UTF-8 where it is not, and the answer said what it is instead."""
    if charset is None or b"\0" in data[:1_000]:
        return data
    try:
        data.decode()
    except UnicodeDecodeError:
        try:
            return data.decode(charset).encode()
        except (UnicodeError, LookupError):
            return data
    return data


def _too_large() -> TooLargeError:
    return TooLargeError(f"The page is larger than {MAX_BYTES // 1024 // 1024} MiB.")
