"""The command as a whole: help at once, errors in one line, exit codes that mean something."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import click
import pytest

from assistant import cli
from assistant.cli import COMMANDS, Entry, main
from assistant.cli.errors import report
from assistant.errors import ConfigurationError, ConflictError, UnavailableError
from tests.cli.conftest import Goalspace, one_line


def test_help_lists_every_command(goalspace: Goalspace) -> None:
    for option in ("--help", "-h"):
        result = goalspace(option)
        assert result.exit_code == 0
        for name, entry in COMMANDS.items():
            assert f"  {name} " in result.stdout
            assert entry.summary in result.stdout


def test_help_imports_nothing_heavy() -> None:
    heavy = ("litestar", "sqlalchemy", "anthropic", "numpy", "alembic", "rich", "pydantic", "procrastinate")
    code = (
        "import sys\nfrom assistant.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as exit:\n    assert exit.code == 0\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_where_the_list_says(name: str, goalspace: Goalspace) -> None:
    module = COMMANDS[name].place.partition(":")[0]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not there yet")
    result = goalspace(name, "--help")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("Usage: goalspace ")


def test_no_command_at_all_shows_the_help(goalspace: Goalspace) -> None:
    result = goalspace()
    assert result.exit_code == 2
    assert "Commands:" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nope"], "No such command 'nope'. See 'goalspace --help'."),
        (["--nope"], "No such option '--nope'"),
        (["token"], "Missing argument 'EMAIL'. See 'goalspace token --help'."),
        (["token", "a@b.org", "--ttl", "x"], "'x' is not a valid integer"),
        (["token", "a@b.org", "--ttl", "0"], "0 is not in the range"),
        (["user"], "Commands:"),
        (["user", "create", "a@b.org", "--tier", "gold"], "'gold' is not one of"),
        (["space", "create", "--user", "a@b.org"], "Missing option '--goal'"),
        (["db", "downgrade"], "Missing argument 'REVISION'"),
        (["db", "downgrade", "19700101_01"], "there is no revision 19700101_01"),
    ],
)
def test_a_wrong_call_is_exit_code_2(arguments: list[str], says: str, goalspace: Goalspace) -> None:
    result = goalspace(*arguments)
    assert result.exit_code == 2
    assert says in (result.stderr or result.stdout)
    if result.stderr:
        one_line(result)


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("GOALSPACE_POOL_SIZE", "many", "GOALSPACE_POOL_SIZE: "),
        ("GOALSPACE_JWT_SECRET", "short", "GOALSPACE_JWT_SECRET: must have at least 32 characters"),
        ("GOALSPACE_ALLOWED_ORIGINS", "*", "GOALSPACE_ALLOWED_ORIGINS: "),
        ("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none", "DATABASE_URL: the database cannot be reached"),
    ],
)
def test_a_wrong_setting_is_exit_code_2_and_named(variable: str, value: str, says: str, goalspace: Goalspace) -> None:
    result = goalspace("token", "ada@example.org", env={variable: value})
    assert result.exit_code == 2
    assert one_line(result).startswith(says)
    assert "short" not in result.stderr


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (ConfigurationError("A setting\nis wrong."), 2, "A setting is wrong."),
        (ConflictError("It is there already."), 1, "It is there already."),
        (UnavailableError("Not now."), 1, "Not now."),
        (click.UsageError("Not so."), 2, "Not so."),
        (click.ClickException("No."), 1, "No."),
        (FileNotFoundError(2, "No such file or directory", "/x"), 1, "No such file or directory: /x"),
        (RuntimeError("secret"), 1, "Something went wrong (RuntimeError); GOALSPACE_LOG_LEVEL=debug shows where."),
        (ExceptionGroup("g", [KeyError("secret")]), 1, "Something went wrong (KeyError); "),
        (KeyboardInterrupt(), 130, ""),
        (click.Abort(), 130, ""),
        (SystemExit(5), 5, ""),
    ],
)
def test_an_error_is_one_line_and_a_code(
    error: BaseException, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(error) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == bool(says)
    assert says in printed.err
    assert "secret" not in printed.err


def test_who_asks_for_more_is_shown_where(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOALSPACE_LOG_LEVEL", "debug")
    try:
        int("secret")
    except ValueError as error:
        report(error)
    printed = capsys.readouterr().err
    assert "test_main.py" in printed
    assert "invalid literal" not in printed


def test_a_bug_in_a_command_is_no_traceback_either(goalspace: Goalspace, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(COMMANDS, "broken", Entry("tests.cli.test_main:broken", "Fails."))
    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda *_: broken)
    result = goalspace("broken")
    assert result.exit_code == 1
    assert "ZeroDivisionError" in one_line(result)


def test_it_runs_as_a_module_and_says_its_version(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "assistant", "--version"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.strip().count(".") == 2
    assert main.name == "goalspace"
