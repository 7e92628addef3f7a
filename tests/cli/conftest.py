"""Commands run in this process, on the tests' database."""

import logging
from collections.abc import Callable, Iterator

import pytest
import structlog
from click.testing import CliRunner, Result

from assistant.cli import common, main
from assistant.settings import Settings
from tests.fixtures.database import TEST_URL

Goalspace = Callable[..., Result]


@pytest.fixture
def goalspace(settings: Settings, server: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Goalspace]:
    """`goalspace("token", "ada@example.org")`: exit code, stdout and stderr of the command."""
    monkeypatch.setenv("GOALSPACE_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("GOALSPACE_PLANS_FILE", str(settings.plans_file))
    if TEST_URL is not None:
        monkeypatch.setenv("DATABASE_URL", TEST_URL)
    monkeypatch.setattr(common, "configure_logging", lambda *_: None)  # it is the whole process's
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    monkeypatch.chdir(settings.data_dir)  # no .env of the checkout

    def invoke(*arguments: str, env: dict[str, str] | None = None, stdin: str | None = None) -> Result:
        return CliRunner().invoke(main, arguments, env=env, input=stdin)

    yield invoke
    structlog.configure(**before)


def one_line(result: Result) -> str:
    """What a failed command says: one line on stderr, and no traceback."""
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("goalspace: ")
    assert "Traceback" not in result.output
    return result.stderr.removeprefix("goalspace: ").strip()
