"""How the application meets the network: the listening socket, the bounds of a request, one process or several."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable
from typing import Any, Final

import httptools
import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.supervisors import Multiprocess

from assistant.errors import ConfigurationError

MAX_LINE_BYTES: Final = 8 * 1024
MAX_HEAD_BYTES: Final = 16 * 1024
"""All header lines together."""

READ_SECONDS: Final = 10.0
"""For a request's head as a whole, and between two pieces of its body."""

KEEP_ALIVE_SECONDS: Final = 15
DRAIN_SECONDS: Final = 12
"""How long open requests may go on after the listener is closed; the application's own grace follows."""

MAX_FRAME_BYTES: Final = 1024 * 1024
"""Of the websocket protocol; the application answers from 64 KiB on with a sentence, here the line is cut."""

PING_SECONDS: Final = 20.0
PONG_SECONDS: Final = 40.0


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 with limits on what a client may send before anybody has looked at it."""

    _head_bytes = 0
    _refused: int | None = None
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_bytes()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._stop_waiting()
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._await_bytes()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MAX_LINE_BYTES:
            self._refuse(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(431)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._await_bytes()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._await_bytes()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._stop_waiting()

    def send_400_response(self, msg: str) -> None:
        """What cannot be read as HTTP gets a problem document, too."""
        status = self._refused or 400
        title = {414: "Address too long", 431: "Headers too large", 408: "Too slow"}.get(status, "Bad request")
        problem = msgspec.json.encode({"title": title, "status": status, "code": title.lower().replace(" ", "_")})
        self.transport.write(
            STATUS_LINE[status]
            + b"content-type: application/problem+json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
            % len(problem)
            + problem
        )
        self.transport.close()

    def _refuse(self, status: int) -> None:
        self._refused = status
        raise httptools.HttpParserError("over the limit")

    def _await_bytes(self) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(READ_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self._refused = 408
            self.send_400_response("")


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises ConfigurationError where the address is not to be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except (OSError, OverflowError) as exc:
        listening.close()
        reason = exc.strerror if isinstance(exc, OSError) else "no such port"
        raise ConfigurationError(f"Cannot listen on {host} port {port}: {reason}.") from exc
    listening.listen(2048)
    listening.set_inheritable(True)
    return listening


def configure(app: Any, *, workers: int = 1) -> uvicorn.Config:
    """How the server runs `app`: an application, or for several workers the path of a factory."""
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        workers=workers,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http=BoundedProtocol,
        ws="websockets-sansio",
        ws_max_size=MAX_FRAME_BYTES,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PONG_SECONDS,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_worker_healthcheck=30,
        # A request's task must not begin with whatever identity the loop's context holds.
        reset_contextvars=True,
    )


def serve(app: Any, listening: socket.socket, *, workers: int, on_ready: Callable[[], None]) -> None:
    """Serve until told to stop."""
    config = configure(app, workers=workers)
    with contextlib.closing(listening):
        if workers > 1:
            on_ready()
            Multiprocess(config, sockets=[listening]).run()
        else:
            _Server(config, on_ready).run(sockets=[listening])


class _Server(uvicorn.Server):
    """Says when it is ready."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()
