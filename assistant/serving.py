"""How the application meets the network: the listening socket, the bounds of a request, one process or several.

The end, after SIGTERM:

    not ready        the listener stays open, so that load balancers can notice        5 s; not after Ctrl-C
    drain            no new connections; open requests may end, sockets are sent away   10 s
    the lifespan     answers still under way get their own grace                        10 s, decided in app.py

A second signal ends the process at once; what it left behind is found by the next one.
"""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Final, Literal

import httptools
import msgspec
import structlog
import uvicorn
from litestar import Litestar
from uvicorn._types import ASGISendEvent
from uvicorn.importer import import_from_string
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from assistant.errors import AssistantError, ConfigurationError

log = structlog.get_logger(__name__)

MAX_LINE_BYTES: Final = 8 * 1024
MAX_HEAD_BYTES: Final = 16 * 1024
"""All header lines together."""

READ_SECONDS: Final = 10.0
"""For a request's head as a whole, and between two pieces of its body."""

SEND_SECONDS: Final = 30.0
"""A client that does not take what it asked for is gone; it can come back and resume."""

KEEP_ALIVE_SECONDS: Final = 15

NOTICE_SECONDS: Final = 5.0
DRAIN_SECONDS: Final = 10

MAX_FRAME_BYTES: Final = 1024 * 1024
"""Of the websocket protocol; the application answers from 64 KiB on with a sentence, here the line is cut."""

PING_SECONDS: Final = 20.0
PONG_SECONDS: Final = 40.0

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

LOOK_SECONDS: Final = 0.2
"""How long the parent of several processes may take to notice a signal."""


_DETAILS: Final = {
    408: f"The request did not arrive within {READ_SECONDS:.0f} seconds.",
    414: f"An address may have {MAX_LINE_BYTES // 1024} KiB.",
    431: f"All headers together may have {MAX_HEAD_BYTES // 1024} KiB.",
}


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 with limits on what a client may send before anybody has looked at it."""

    _head_bytes = 0
    _refused: int | None = None
    _deadline: asyncio.TimerHandle | None = None
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_bytes()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._await_writability(False)
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

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_writability(True)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._await_writability(False)

    def send_400_response(self, msg: str) -> None:
        """What cannot be read as HTTP gets a problem document, too."""
        status = self._refused or 400
        title = {414: "Address too long", 431: "Headers too large", 408: "Too slow"}.get(status, "Bad request")
        code = title.lower().replace(" ", "_")
        problem = msgspec.json.encode(
            {
                "type": f"urn:goalspace:problem:{code}",
                "title": title,
                "status": status,
                "detail": _DETAILS.get(status, "This cannot be read as HTTP."),
                "code": code,
            }
        )
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

    def _await_writability(self, waiting: bool) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self._patience = self.loop.call_later(SEND_SECONDS, self.transport.abort) if waiting else None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self._refused = 408
            self.send_400_response("")


class RefusableSocket(WebSocketsSansIOProtocol):
    """A websocket whose opening may be answered with an HTTP response, without an error of the server in the log."""

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True  # refused, that is; the base class forgets to say so


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises ConfigurationError where the address is not to be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, since asyncio turns off the delay of small writes for sockets that say that they are TCP only.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
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


def configure(app: Litestar, *, lifespan: Literal["on", "off"] = "on") -> uvicorn.Config:
    """How the server runs `app`."""
    return uvicorn.Config(
        app,
        lifespan=lifespan,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http=BoundedProtocol,
        ws=RefusableSocket,
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
        # A request's task must not begin with whatever identity the loop's context holds.
        reset_contextvars=True,
    )


def serve(app: Litestar | str, listening: socket.socket, *, workers: int, on_ready: Callable[[], None]) -> None:
    """Serve until told to stop: an application, or for several workers the path of its factory.

    Raises what keeps the application from starting.
    """
    with contextlib.closing(listening):
        if isinstance(app, str):
            _Processes(app, listening, workers, on_ready).run()
        else:
            _run(app, listening, on_ready)


def _run(app: Litestar, listening: socket.socket, on_ready: Callable[[], None]) -> None:
    config = configure(app, lifespan="off")
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_Server(config, app, on_ready).run_application(listening))


class _Server(uvicorn.Server):
    """Says when it is ready, and ends in the order that the module describes."""

    def __init__(self, config: uvicorn.Config, app: Litestar, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._app = app
        self._on_ready = on_ready
        self._notice = NOTICE_SECONDS

    async def run_application(self, listening: socket.socket) -> None:
        # The lifespan is ours and not uvicorn's, which would log what goes wrong in it and exit.
        with self.capture_signals():
            try:
                async with self._app.lifespan():
                    await self.serve(sockets=[listening])
            except BaseExceptionGroup as group:  # of one: Litestar's own tasks surround the lifespan
                raise group.exceptions[0] from group

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    async def main_loop(self) -> None:
        await super().main_loop()
        if (services := self._app.state.get("services")) is not None:  # in maintenance there are none
            services.readiness.draining = True
            await asyncio.sleep(self._notice)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Unlike uvicorn, which sends itself the signal again at the end: then the process would die of it."""
        with _on_signals(self.handle_exit):
            yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            sys.exit(128 + sig)
        self.should_exit = True
        if sig == signal.SIGINT:  # somebody at a terminal, who waits
            self._notice = 0.0


@contextlib.contextmanager
def _on_signals(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


# --- several processes ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    ready: bool = False


class _Processes:
    """Processes that accept from one listener. One that dies is replaced; all end with their parent, even if killed."""

    def __init__(self, factory: str, listening: socket.socket, count: int, on_ready: Callable[[], None]) -> None:
        self._factory = factory
        self._listening = listening
        self._count = count
        self._on_ready = on_ready
        self._announced = False
        self._signals: list[int] = []
        self._workers: dict[Connection, _Worker] = {}
        """By what they report on: first None when they are ready or why they are not, then nothing but their end."""

    def run(self) -> None:
        with _on_signals(lambda number, _: self._signals.append(number)):
            try:
                for _ in range(self._count):
                    self._start()
                while not self._signals:
                    self._look_after()
            finally:
                self._end()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        reports, told = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(self._factory, self._listening, told))
        process.start()
        told.close()
        self._workers[reports] = _Worker(process)

    def _look_after(self) -> None:
        for reports in wait(list(self._workers), timeout=LOOK_SECONDS):
            assert isinstance(reports, Connection)
            worker = self._workers[reports]
            try:
                failure: str | None = reports.recv()
            except EOFError:
                del self._workers[reports]
                self._replace(worker)
                continue
            if failure is not None:
                raise ConfigurationError(failure)
            worker.ready = True
            if not self._announced and all(each.ready for each in self._workers.values()):
                self._announced = True
                self._on_ready()

    def _replace(self, worker: _Worker) -> None:
        worker.process.join()
        log.error("worker_died", pid=worker.process.pid, exit_code=worker.process.exitcode)
        if not worker.ready:  # the next one would fare no better
            raise ConfigurationError("A process of the service could not start; the lines above say why.")
        self._start()

    def _end(self) -> None:
        """Pass signals on, a second one too, until all have ended."""
        if not self._signals:
            self._signals.append(signal.SIGTERM)
        alive = {worker.process.sentinel: worker.process for worker in self._workers.values()}
        passed = 0
        while alive:
            for number in self._signals[passed:]:
                passed += 1
                for process in alive.values():
                    assert process.pid is not None, "it was started"
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process.pid, number)
            for sentinel in wait(list(alive), timeout=LOOK_SECONDS):
                assert isinstance(sentinel, int)
                alive.pop(sentinel).join()


def _work(factory: str, listening: socket.socket, reports: Connection) -> None:
    """What a worker does."""
    os.setpgrp()  # a terminal's Ctrl-C goes to the parent alone, which passes it on
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _run(import_from_string(factory)(), listening, lambda: reports.send(None))
    except AssistantError as error:
        reports.send(error.detail)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker has one"
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
