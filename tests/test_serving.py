"""What a client may send before anybody has looked at it."""

import asyncio
import json
import socket

import pytest

from assistant import serving
from assistant.errors import ConfigurationError
from assistant.serving import MAX_HEAD_BYTES, MAX_LINE_BYTES, listen
from tests.fixtures.http import LiveService


async def exchange(service: LiveService, *pieces: bytes) -> bytes:
    """Send raw bytes, read to the end of the connection."""
    host, port = service.host.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def status(response: bytes) -> int:
    return int(response.split(b" ", 2)[1])


@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        (b"GET /health/live HTTP/1.1\r\nhost: x\r\nx-big: " + b"a" * MAX_HEAD_BYTES + b"\r\n\r\n", 431),
        (b"GET /health/live HTTP/1.1\r\n" + b"x: y\r\n" * 4000 + b"\r\n", 431),
        (b"GET /" + b"a" * MAX_LINE_BYTES + b" HTTP/1.1\r\nhost: x\r\n\r\n", 414),
        (b"not http at all\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n", 400),
    ],
)
async def test_what_is_no_request_is_refused(offline_service: LiveService, request_bytes: bytes, expected: int) -> None:
    response = await exchange(offline_service, request_bytes)
    assert status(response) == expected
    assert json.loads(response.partition(b"\r\n\r\n")[2])["status"] == expected


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (b"GET /health/live HTTP/1.1\r\nhost:",),
        (b"POST /auth/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{",),
    ],
)
async def test_who_does_not_finish_a_request_is_sent_away(
    offline_service: LiveService, monkeypatch: pytest.MonkeyPatch, pieces: tuple[bytes, ...]
) -> None:
    monkeypatch.setattr(serving, "READ_SECONDS", 0.1)
    assert status(await exchange(offline_service, *pieces)) == 408


async def test_a_request_in_pieces_is_served(offline_service: LiveService) -> None:
    request = b"GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    response = await exchange(offline_service, *(bytes([byte]) for byte in request))
    assert status(response) == 200


def test_a_taken_port_is_said_in_one_line() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(ConfigurationError) as refused:
        listen("127.0.0.1", taken.getsockname()[1])
    assert "in use" in refused.value.detail
    with pytest.raises(ConfigurationError):
        listen("203.0.113.1", 0)
    assert isinstance(taken, socket.socket)
