"""`goalspace maintain`: all of the upkeep at once."""

from contextlib import aclosing

import click

from assistant.cli.common import open_settings, run
from assistant.db.setup import open_server
from assistant.settings import Settings
from assistant.state import upkeep_policy
from assistant.upkeep.service import Outcome, Upkeep


@click.command()
@click.option("--drop-detached", is_flag=True, help="Delete for good what the retention settings no longer keep.")
def maintain(drop_detached: bool) -> int:
    """Do the upkeep that workers do every hour: make and mend partitions, retire old months, fold run events, end
    subscriptions, refresh summaries, clear leftovers.

    One line per step. Can be repeated at any time, also beside the service. Exit code 1 if a step failed.
    """
    return run(_maintain(open_settings(), drop_detached))


async def _maintain(settings: Settings, drop_detached: bool) -> int:
    failed = 0
    async with await open_server(settings) as server, server.open() as database:
        upkeep = Upkeep(server, database, upkeep_policy(settings, drop_detached=drop_detached))
        async with aclosing(upkeep.do_all()) as outcomes:
            async for outcome in outcomes:
                click.echo(_line(outcome))
                failed += outcome.failed
    return 1 if failed else 0


def _line(outcome: Outcome) -> str:
    return f"{outcome.step + ':':<15}{outcome.told} ({outcome.seconds:.2f} s)"
