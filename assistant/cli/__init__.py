"""The command `goalspace`. A command's module is imported when the command runs, so that help is there at once."""

import importlib
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, NoReturn

import click

from assistant import __version__
from assistant.cli.errors import report
from assistant.cli.signals import on_signal, terminate


class Entry(NamedTuple):
    """Where a command lives, and its line in the list."""

    place: str
    summary: str


COMMANDS: Final = {
    "demo": Entry("assistant.cli.server:demo", "Try it: a sample space, one question, then the page."),
    "serve": Entry("assistant.cli.server:serve", "Serve the API, the websocket and the page."),
    "worker": Entry("assistant.cli.server:worker", "Run background jobs in a process of their own."),
    "chat": Entry("assistant.cli.server:chat", "Talk to the mentor of a space in the terminal."),
    "ingest": Entry("assistant.cli.knowledge:ingest", "Put files and folders into a space."),
    "search": Entry("assistant.cli.knowledge:search", "Search the documents of a space."),
    "space": Entry("assistant.cli.admin:space", "Learning spaces."),
    "user": Entry("assistant.cli.admin:user", "People and their accounts."),
    "token": Entry("assistant.cli.admin:token", "Print a token to use the API as somebody."),
    "subscription": Entry("assistant.cli.subscriptions:subscription", "What people are subscribed to."),
    "usage": Entry("assistant.cli.usage:usage", "What people have used of their plans."),
    "db": Entry("assistant.cli.database:db", "Set up, upgrade and check the database."),
    "maintain": Entry("assistant.cli.maintain:maintain", "Do at once the upkeep that workers do on schedule."),
    "types": Entry("assistant.cli.types:types", "Write TypeScript types, schemas and a client of the API."),
    "eval": Entry("assistant.cli.evals:evaluate", "Measure how good search and answers are."),
}
"""In the order of their help: what a newcomer needs first."""


class LazyGroup(click.Group):
    """Knows its commands by name, and errors as one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> NoReturn:  # type: ignore[override]
        """Exit code 0, 1 for a failure, 2 for a wrong setting or call, 130 after Ctrl-C, 143 after SIGTERM."""
        extra["standalone_mode"] = False
        if not sys.warnoptions:
            warnings.simplefilter("ignore")  # libraries talk to developers, and this is read by others
        try:
            with on_signal(signal.SIGTERM, terminate):
                code = super().main(args, prog_name or "goalspace", **extra)
        except BaseException as error:  # the edge: whatever it is, people get one line and programs a code
            code = report(error)
        sys.exit(code if isinstance(code, int) else 0)


@click.group(
    "goalspace", cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, message="%(version)s")
def main() -> None:
    """A mentor for learning spaces: it knows their documents and acts on goals, tasks and progress.

    Try 'goalspace demo' first. Settings come from the environment and the file .env; docs/settings.md lists them.
    """
