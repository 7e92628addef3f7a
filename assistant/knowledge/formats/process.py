"""The process that files are read in: one after the other, with limits of the kernel, and with nothing to gain.

It is started as `python -m assistant.knowledge.formats.process` by `readers.py`, gets files on its input and answers
on its output. It ends when its input does, when it has nothing to do, and when it has grown.
"""

import os
import resource
import select
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Final, Literal

import msgspec

from assistant.errors import AssistantError, InvalidError, TooLargeError, UnsupportedError
from assistant.knowledge.extraction import Extracted, read_text

SIZES: Final = struct.Struct(">II")
"""In front of a file: bytes of what is asked, and of the file itself."""

SIZE: Final = struct.Struct(">I")
"""In front of an answer."""

MEMORY: Final = 1024 * 1024 * 1024
CPU_SECONDS: Final = 45
"""For one file. One of 500 pages takes a few."""

IDLE_SECONDS: Final = 120.0
MAX_FILES: Final = 500
GROWN: Final = 300 * 1024
"""Kibibytes of memory after which the process makes room for a new one: what parsers took, they seldom give back."""

_FORBIDDEN: Final = (
    "socket.",
    "subprocess.",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "os.kill",
)
_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


Kind = Literal["file", "HTML", "web page", "site map"]
"""A file says itself what it is. Of a web page only the main text is wanted, of a site map the addresses."""


class Request(msgspec.Struct):
    """What is to be read. `cpu_seconds` are for this file; `name` is that of a file, and the title of HTML."""

    name: str
    kind: Kind = "file"
    cpu_seconds: int = CPU_SECONDS


class Answer(msgspec.Struct):
    """What stands in the file, or why that cannot be said."""

    extracted: Extracted | None = None
    links: list[str] = []
    error: str = ""
    """The name of the error's class."""
    detail: str = ""
    fault: str = ""
    """Of the parser, for the log: what it raised."""


ERRORS: Final[dict[str, type[AssistantError]]] = {
    each.__name__: each for each in (InvalidError, TooLargeError, UnsupportedError)
}


def main(arguments: Sequence[str]) -> None:
    """Serve until there is no more to do. `arguments`: the most memory that may be taken, in bytes."""
    memory = int(arguments[0])
    requests = sys.stdin.buffer
    # What a library prints must not get between the answers.
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        _confine(memory)
        for _ in range(MAX_FILES):
            if not _serve(requests, answers, memory) or _has_grown():
                return


def _serve(requests: IO[bytes], answers: IO[bytes], memory: int) -> bool:
    """Read one file. False where none came, or where the process has had its day."""
    if not select.select([requests], [], [], IDLE_SECONDS)[0]:
        return False
    sizes = requests.read(SIZES.size)
    if len(sizes) < SIZES.size:
        return False
    asked, size = SIZES.unpack(sizes)
    request = msgspec.msgpack.decode(requests.read(asked), type=Request)
    answer, fit = _answer(request, requests.read(size), memory)
    encoded = msgspec.msgpack.encode(answer)
    answers.write(SIZE.pack(len(encoded)) + encoded)
    answers.flush()
    return fit


def _answer(request: Request, data: bytes, memory: int) -> tuple[Answer, bool]:
    """And whether the process is still fit to read another file."""
    _grant(request.cpu_seconds)
    try:
        return _read(request, data), True
    except AssistantError as exc:
        return Answer(error=type(exc).__name__, detail=exc.detail), True
    except MemoryError:
        detail = f"Reading the file takes more memory than the {memory // 1024 // 1024} MiB that it may have."
        return Answer(error="TooLargeError", detail=detail, fault="MemoryError"), False
    except RecursionError:
        return Answer(error="InvalidError", detail="The file is nested too deeply.", fault="RecursionError"), True
    except Exception as exc:  # whatever a parser makes of a damaged file
        detail = "The file is damaged, or it is not what its name says."
        return Answer(error="UnsupportedError", detail=detail, fault=f"{type(exc).__name__}: {exc}"[:500]), True


def _read(request: Request, data: bytes) -> Answer:
    if request.kind == "site map":
        from assistant.knowledge.formats.xml import read_site_map

        return Answer(links=read_site_map(data))
    if request.kind == "HTML":
        return Answer(read_text(data.decode(), "html", title=request.name or None))
    from assistant.knowledge.formats.reading import read_file, read_web_page

    read = read_web_page if request.kind == "web page" else read_file
    return Answer(read(data, request.name))


def _has_grown() -> bool:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > GROWN


def _confine(memory: int) -> None:
    """What a parser that was taken over could use is taken away: memory, files, processes, the network.

    The kernel holds the limits; the network and other programs are refused where Python code asks for them.
    """
    for limit, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_NPROC, 0),
    ):
        with suppress(ValueError, OSError):  # not every system knows each of them
            resource.setrlimit(limit, (value, value))
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event.startswith(_FORBIDDEN):
        raise PermissionError(event)
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES:
        raise PermissionError(event)


def _grant(seconds: int) -> None:
    """Time on the processor for one more file: when it is over, the kernel ends the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
