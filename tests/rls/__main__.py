"""Tries every cell of the table of who may do what, through SQL and through HTTP, and prints how many hold.

python -m tests.rls
"""

import asyncio
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from assistant.db.setup import Server, open_server
from assistant.telemetry import configure_logging
from tests.fixtures.database import make_settings
from tests.rls.cases import CASES, wrong_cells
from tests.rls.endpoints import ENDPOINTS, cells_of, prepare, wrong_answers
from tests.rls.world import VISIBILITIES, build, open_connections


def through_sql(server: Server) -> tuple[int, list[str]]:
    """How many cells there are, and which do not hold."""
    world = build(server)
    cells = sum(cell != "·" for wanted in CASES for cell in wanted.cells.split()) * len(VISIBILITIES)
    with open_connections(world) as connections:
        return cells, [
            f"{wanted.name}: {fault}" for wanted in CASES for fault in wrong_cells(wanted, world, connections)
        ]


async def main() -> int:
    configure_logging("error")
    with tempfile.TemporaryDirectory() as data_dir:
        settings = make_settings(Path(data_dir))
        async with await open_server(settings, upgrade=True) as server:
            sql = await asyncio.to_thread(through_sql, server)
            async with prepare(settings, server) as ground:
                answers = [
                    f"{endpoint.name}: {fault}"
                    for endpoint in ENDPOINTS
                    for fault in await wrong_answers(endpoint, ground)
                ]
    http = sum(len(cells_of(endpoint)) for endpoint in ENDPOINTS), answers
    return max(report("SQL", *sql), report("HTTP", *http))


def report(way: str, cells: int, faults: Iterable[str]) -> int:
    wrong = list(faults)
    print(f"through {way}: {cells - len(wrong)} of {cells} cells hold", *wrong, sep="\n  ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
