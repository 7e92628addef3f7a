"""Statements sent together and answered together: one round trip, and one transaction of the server's own making.

The driver's pipeline does the same in half a dozen waits and converts each statement anew. This one waits once,
remembers what a statement looks like with its parameters numbered, and has the server remember its plan. Types, waiting
and cancelling are the driver's.
"""

import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import count
from typing import Any, Final

import psycopg
from psycopg import abc, pq
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.waiting import Ready, Wait

Row = tuple[Any, ...]
Parameters = Sequence[Any] | dict[str, Any]

REMEMBERED: Final = 300
"""Statements whose plan one connection has the server keep; others are planned each time."""

_PLACEHOLDER: Final = re.compile(r"%(?:(?P<percent>%)|\((?P<name>\w+)\)s|s)?")
_GOOD: Final = frozenset({pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK, pq.ExecStatus.EMPTY_QUERY})

Kind = tuple[bytes, tuple[int, ...]]
"""A statement and the types of its parameters."""


@dataclass(slots=True)
class Remembered:
    """What the server of one connection has planned."""

    names: dict[Kind, bytes] = field(default_factory=dict)
    numbers: "count[int]" = field(default_factory=count)
    """A name is never given twice: a plan outlives the transaction that asked for it."""


@lru_cache(maxsize=2000)
def numbered(text: str) -> tuple[bytes, tuple[str, ...]]:
    """The statement with `$1`, `$2` … in it, and the names of its parameters; none where they are taken in turn."""
    names: list[str] = []
    turns = count(1)

    def number(found: re.Match[str]) -> str:
        if found["percent"]:
            return "%"
        if found[0] == "%":
            raise ValueError(f"a percent sign that is no parameter's, in {text!r}")
        if found["name"] is None:
            return f"${next(turns)}"
        if found["name"] not in names:
            names.append(found["name"])
        return f"${names.index(found['name']) + 1}"

    return _PLACEHOLDER.sub(number, text).encode(), tuple(names)


async def run_together(
    connection: psycopg.AsyncConnection[Any],
    remembered: Remembered,
    statements: Sequence[tuple[str, Parameters]],
    *,
    after: Sequence[tuple[str, Parameters]] = (),
) -> list[list[Row]]:
    """The rows of each of `statements`, but not of what they come `after`.

    Raises psycopg.Error, and then nothing was done.

    Behind a pooler (`connection.prepare_threshold` is None) the server is asked to remember nothing.
    """
    types = Transformer(connection)
    commands = _Commands(connection.pgconn, types, remembered, plans=connection.prepare_threshold is not None)
    for text, parameters in (*after, *statements):
        commands.add(text, parameters)
    results = await connection.wait(commands.exchange())
    return [_rows(types, result) for result in results[len(after) :]]


def _rows(types: abc.Transformer, result: pq.abc.PGresult) -> list[Row]:
    if not result.ntuples:
        return []
    types.set_pgresult(result)
    return types.load_rows(0, result.ntuples, tuple)


class _Commands:
    """Converted first and queued afterwards, so that a value that cannot be converted leaves nothing half sent."""

    def __init__(self, pgconn: pq.abc.PGconn, types: abc.Transformer, remembered: Remembered, *, plans: bool) -> None:
        self._pgconn = pgconn
        self._types = types
        self._remembered = remembered
        self._plans = plans
        self._queue: list[Callable[[], None]] = []
        self._wanted: list[int] = []
        """Which results are those of the statements."""
        self._planned: dict[Kind, tuple[int, bytes]] = {}
        """Which results say that a statement has been planned, and under which name."""

    def add(self, text: str, parameters: Parameters) -> None:
        statement, names = numbered(text)
        given = [parameters[name] for name in names] if isinstance(parameters, dict) else parameters
        values, oids, formats = self._dump(given)
        kind = (statement, oids)
        name = self._remembered.names.get(kind) or self._plan(kind)
        self._wanted.append(len(self._queue))
        if name is None:
            self._queue.append(partial(self._pgconn.send_query_params, statement, values, oids, formats))
        else:
            self._queue.append(partial(self._pgconn.send_query_prepared, name, values, formats))

    def _plan(self, kind: Kind) -> bytes | None:
        """The name under which the server will know it; None: it is not to keep it."""
        if kind in self._planned:
            return self._planned[kind][1]
        if not self._plans or len(self._remembered.names) >= REMEMBERED:
            return None
        name = b"goalspace_%d" % next(self._remembered.numbers)
        self._planned[kind] = len(self._queue), name
        self._queue.append(partial(self._pgconn.send_prepare, name, *kind))
        return name

    def _dump(self, given: Sequence[Any]) -> tuple[Sequence[Any], tuple[int, ...], Sequence[pq.Format] | None]:
        if not given:
            return (), (), None
        values = self._types.dump_sequence(given, [PyFormat.AUTO] * len(given))
        return values, tuple(self._types.types or ()), self._types.formats

    def exchange(self) -> Generator[Wait, Ready | int, list[pq.abc.PGresult]]:
        """For the connection's `wait`: the results of the statements, in their order."""
        pgconn = self._pgconn
        pgconn.enter_pipeline_mode()
        for command in self._queue:
            command()
        pgconn.pipeline_sync()
        while pgconn.flush():
            if (yield Wait.RW) & Ready.R:
                pgconn.consume_input()
        results: list[pq.abc.PGresult] = []
        while len(results) < len(self._queue) or results[-1].status != pq.ExecStatus.PIPELINE_SYNC:
            while pgconn.is_busy():
                yield Wait.R
                pgconn.consume_input()
            if (result := pgconn.get_result()) is not None:
                results.append(result)
        pgconn.exit_pipeline_mode()
        for kind, (place, name) in self._planned.items():
            if results[place].status == pq.ExecStatus.COMMAND_OK:
                self._remembered.names[kind] = name
        for result in results[:-1]:
            if result.status not in _GOOD:
                raise error_from_result(result)
        return [results[place] for place in self._wanted]
