"""What answers while the service is away on purpose: 503 and when to come back. It needs no database."""

from typing import Final

import msgspec
from litestar import Litestar, asgi, get
from litestar.enums import ScopeType
from litestar.types import Receive, Scope, Send

from assistant.errors import UnavailableError
from assistant.http import PROBLEM, render_problem, secure_headers

RETRY_SECONDS: Final = 60
"""Imports and upgrades take minutes; a client that asks once a minute costs nothing."""


class MaintenanceError(UnavailableError):
    """The service will be back; nothing that was sent was taken."""

    code, title = "maintenance", "Maintenance"

    def __init__(self) -> None:
        super().__init__("The service is being looked after and will be back soon.", retry_after=RETRY_SECONDS)


async def _refuse_socket(send: Send) -> None:
    """Before the handshake, as an HTTP answer: a closed socket would not say when to come back."""
    error = MaintenanceError()
    problem = {"title": error.title, "status": 503, "detail": error.detail, "code": error.code}
    headers = [(b"content-type", PROBLEM.encode()), (b"retry-after", str(RETRY_SECONDS).encode())]
    await send({"type": "websocket.http.response.start", "status": 503, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": msgspec.json.encode(problem), "more_body": False})


def create_maintenance_app() -> Litestar:
    """It opens nothing: no database, no model, no data directory."""

    @get("/health/live", include_in_schema=False)
    async def live() -> dict[str, object]:
        return {"status": "live", "checks": {}}

    @asgi("/", is_mount=True, copy_scope=False)
    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.WEBSOCKET:
            await _refuse_socket(send)
        else:
            raise MaintenanceError

    return Litestar(
        route_handlers=[live, refuse],
        before_send=[secure_headers],
        exception_handlers={Exception: render_problem},
        logging_config=None,
        openapi_config=None,
    )
