"""A demo's session: whoever sits at the machine that the demo runs on is its learner, without a password."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final
from uuid import UUID

from litestar import get
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from sqlalchemy import text as sql

from assistant.db.identity import learner
from assistant.db.session import Database
from assistant.errors import NotFoundError
from assistant.http import Outgoing
from assistant.identity import TokenIssuer
from assistant.spaces.mentor_config import MentorConfig

TOKEN_SECONDS: Final = 3600


@dataclass(frozen=True, slots=True)
class DemoSession:
    """Whom a visitor of the demo is, and where."""

    user_id: UUID
    space_id: UUID


class DemoRead(Outgoing):
    """`expires_in` is in seconds."""

    space_id: UUID
    space_title: str
    greeting: str | None
    suggested_prompts: tuple[str, ...]
    access_token: str
    expires_in: int


_READ: Final = sql("""
select u.email, s.title, s.ai_mentor_config
from public.spaces s join public.users u on u.id = (select auth.uid())
where s.id = :space_id
""")


def demo_route(demo: DemoSession) -> HTTPRouteHandler:
    """`/demo/session`, for a browser on this machine only."""

    @get("/demo/session", guards=[from_this_machine], include_in_schema=False)
    async def get_demo_session(
        database: NamedDependency[Database], issuer: NamedDependency[TokenIssuer | None]
    ) -> DemoRead:
        async with database.transaction(learner(demo.user_id)) as connection:
            row = (await connection.execute(_READ, {"space_id": demo.space_id})).one_or_none()
        if row is None or issuer is None:
            raise NotFoundError("There is no demo here.")
        config = MentorConfig.parse(row.ai_mentor_config)
        return DemoRead(
            space_id=demo.space_id,
            space_title=row.title,
            greeting=config.greeting,
            suggested_prompts=config.suggested_prompts,
            access_token=issuer.issue(demo.user_id, row.email, TOKEN_SECONDS),
            expires_in=TOKEN_SECONDS,
        )

    return get_demo_session


def from_this_machine(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Raises NotFoundError for anybody else.

    The address that was asked for must be this machine's own: a foreign name that was made to lead here, as in DNS
    rebinding, and a proxy's name, are not. And no page of another site may be the one that asks.
    """
    client = connection.client
    if not (
        client is not None
        and _is_loopback(client.host)
        and _is_loopback(_host_name(connection.headers.get("host", "")))
        and connection.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
    ):
        raise NotFoundError("There is no demo here.")


def _host_name(host: str) -> str:
    """`localhost:8000` → `localhost`, `[::1]:8000` → `::1`"""
    name, _, port = host.rpartition(":")
    return (name if name and port.isdecimal() else host).removeprefix("[").removesuffix("]").lower()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
