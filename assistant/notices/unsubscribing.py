"""Turning a kind of message off from the message itself: without signing in, and with one click of a mail program."""

import base64
import binascii
import hmac
from html import escape
from typing import Any, Final
from uuid import UUID

from litestar import Controller, MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath

from assistant.db.session import Database
from assistant.errors import NotFoundError
from assistant.notices.phrases import choose_language, phrase

KINDS: Final = ("due_tasks",)
"""By their place in the token: only ever add to the end."""

_ID_BYTES: Final = 16
_MAC_BYTES: Final = 16

# The person said so by holding the link; nothing else can be changed with it, and nothing is shown.
_TURN_OFF: Final = """
update public.user_preferences
set notification_settings = coalesce(notification_settings, '{}') || jsonb_build_object(%(kind)s::text, false)
where user_id = %(user)s
"""

_PAGE: Final = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex"><title>GoalSpace</title></head>
<body>{body}</body></html>
"""
_QUESTION: Final = """<h1>{title}</h1>
<form method="post"><button type="submit">{button}</button></form>"""
_DONE: Final = "<h1>{done}</h1><p>{text}</p>"

_HEADERS: Final = {"content-security-policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'"}


class Unsubscribing:
    """Makes and reads the addresses."""

    def __init__(self, secret: str, public_url: str | None) -> None:
        self._key = hmac.digest(secret.encode(), b"goalspace.unsubscribe", "sha256")
        self._public_url = public_url

    def address(self, user_id: UUID, kind: str) -> str:
        body = user_id.bytes + bytes([KINDS.index(kind)])
        token = base64.urlsafe_b64encode(body + self._sign(body)).rstrip(b"=").decode()
        return f"{self._public_url or ''}/unsubscribe/{token}"

    def read(self, token: str) -> tuple[UUID, str]:
        """Whom and what about. Raises NotFoundError for anything but a token of ours."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        body, signature = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if len(body) != _ID_BYTES + 1 or not hmac.compare_digest(signature, self._sign(body)):
            raise NotFoundError("This address is not complete; take the whole link of the message.")
        return UUID(bytes=body[:_ID_BYTES]), KINDS[body[-1]]

    def _sign(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:_MAC_BYTES]


class UnsubscribeController(Controller):
    path = "/unsubscribe/{token:str}"
    tags = ("messages",)

    @get("/", operation_id="AskToUnsubscribe", media_type=MediaType.HTML)
    async def ask(
        self, request: Request[Any, Any, State], token: FromPath[str], unsubscribing: NamedDependency[Unsubscribing]
    ) -> Response[str]:
        """A page with a button: programs that look at links in messages turn nothing off."""
        unsubscribing.read(token)
        return _page(request, _QUESTION)

    @post("/", operation_id="Unsubscribe", status_code=200, media_type=MediaType.HTML)
    async def turn_off(
        self,
        request: Request[Any, Any, State],
        token: FromPath[str],
        unsubscribing: NamedDependency[Unsubscribing],
        database: NamedDependency[Database],
    ) -> Response[str]:
        """Turn the kind of message off that the link came with. Whatever the body says, as mail programs send one."""
        user_id, kind = unsubscribing.read(token)
        await database.fetch_as_service("send_notices", _TURN_OFF, {"user": user_id, "kind": kind})
        return _page(request, _DONE)


def _page(request: Request[Any, Any, State], body: str) -> Response[str]:
    """In the language that the browser asks for."""
    accepted = request.headers.get("accept-language", "")[:200]
    language = choose_language(*(part.partition(";")[0] for part in accepted.split(",")))
    texts = {name: escape(phrase(language, f"unsubscribe.{name}")) for name in ("title", "button", "done", "text")}
    page = _PAGE.format(language=language, body=body.format(**texts))
    return Response(page, media_type=MediaType.HTML, headers={**_HEADERS, "vary": "Accept-Language"})
