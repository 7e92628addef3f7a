"""The page's files: read once, and under addresses that change with what they hold, so that browsers may keep them."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from litestar import Response, get
from litestar.connection import Request
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from assistant.errors import NotFoundError
from assistant.page.demo import DemoSession, demo_route

STATIC: Final = Path(__file__).parent / "static"

MEDIA_TYPES: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
"""Their charset is added to those of texts when they are sent."""

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",  # websockets of the same host are meant, too
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",  # no text becomes HTML or a script,
        "trusted-types 'none'",  # and nobody can declare one harmless
    )
)

_PAGE_HEADERS: Final = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "vary": "Accept-Encoding",
}
REVALIDATED: Final = "no-cache"
UNCHANGING: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class File:
    body: bytes
    packed: bytes
    media_type: str
    etag: str

    @classmethod
    def of(cls, body: bytes, suffix: str) -> "File":
        digest = hashlib.sha256(body).hexdigest()[:32]
        return cls(body, gzip.compress(body, mtime=0), MEDIA_TYPES[suffix], f'"{digest}"')


def page_routes(*, local_accounts: bool, demo: DemoSession | None) -> list[HTTPRouteHandler]:
    """`/` and what it loads, and the session of a demo where there is one.

    The page offers to sign in with a password only where accounts are local.
    """
    contents = {path.name: path.read_bytes() for path in sorted(STATIC.iterdir()) if path.suffix in MEDIA_TYPES}
    version = _version(contents)
    html = contents.pop("index.html").decode()
    files = {name: File.of(body, Path(name).suffix) for name, body in contents.items()}
    for name, value in {
        "version": version,
        "accounts": "local" if local_accounts else "elsewhere",
        "demo": "no" if demo is None else "yes",
    }.items():
        html = html.replace("{{" + name + "}}", value)
    page = File.of(html.encode(), ".html")

    @get("/", include_in_schema=False)
    async def get_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        return _respond(request, page, REVALIDATED)

    @get("/page/{wanted:str}/{name:str}", include_in_schema=False)
    async def get_file(request: Request[Any, Any, Any], wanted: FromPath[str], name: FromPath[str]) -> Response[bytes]:
        if wanted != version or name not in files:
            raise NotFoundError("There is no such file.")
        return _respond(request, files[name], UNCHANGING)

    return [get_page, get_file] if demo is None else [get_page, get_file, demo_route(demo)]


def _version(contents: Mapping[str, bytes]) -> str:
    """Changes whenever a file does: modules name each other without it."""
    digest = hashlib.sha256()
    for name, body in contents.items():
        digest.update(b"%s %d " % (name.encode(), len(body)))
        digest.update(body)
    return digest.hexdigest()[:16]


def _respond(request: Request[Any, Any, Any], file: File, caching: str) -> Response[bytes]:
    headers = {**_PAGE_HEADERS, "cache-control": caching, "etag": file.etag}
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers)
    packed = "gzip" in request.headers.get("accept-encoding", "")
    if packed:
        headers["content-encoding"] = "gzip"
    return Response(file.packed if packed else file.body, media_type=file.media_type, headers=headers)
