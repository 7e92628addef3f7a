"""What people see of a command that failed: one line on stderr, never a traceback."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

from assistant.errors import AssistantError, ConfigurationError

FAILED: Final = 1
WRONG_CALL: Final = 2
INTERRUPTED: Final = 130


def report(error: BaseException) -> int:
    """Say what went wrong; the exit code to go with it."""
    match error:
        case SystemExit(code=code):
            return code if isinstance(code, int) else FAILED
        case KeyboardInterrupt() | click.Abort():
            return INTERRUPTED
        case click.exceptions.NoArgsIsHelpError():
            click.echo(error.format_message())
            return WRONG_CALL
        case click.UsageError():
            hint = f" See '{error.ctx.command_path} --help'." if error.ctx is not None else ""
            return _say(f"{error.format_message()}{hint}", WRONG_CALL)
        case click.ClickException():
            return _say(error.format_message(), error.exit_code)
        case ConfigurationError():
            return _say(error.detail, WRONG_CALL)
        case AssistantError():
            return _say(error.detail, FAILED)
        case BrokenPipeError():  # who read our output has seen enough
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - it lives as long as the process
            return FAILED
        case OSError() if error.strerror:
            place = f": {error.filename}" if error.filename else ""
            return _say(f"{error.strerror}{place}", FAILED)
        case _:
            return _say(f"Something went wrong ({_kind(error)}); {_more(error)}", FAILED)


@contextmanager
def command_line_errors() -> Iterator[None]:
    """The same, for code that is called outside the group."""
    try:
        yield
    except BaseException as error:
        sys.exit(report(error))


def _say(message: str, code: int) -> int:
    click.echo(f"goalspace: {' '.join(message.split())}", err=True)
    return code


def _kind(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return type(error).__name__


def _more(error: BaseException) -> str:
    """Where it was, for those who asked to be told more."""
    if os.environ.get("GOALSPACE_LOG_LEVEL", "").lower() != "debug":
        return "GOALSPACE_LOG_LEVEL=debug shows where."
    from assistant.telemetry import describe

    click.echo(describe(error), err=True)
    return "the lines above show where."
