"""`goalspace maintain` and `subscription set`."""

from uuid import uuid4

import pytest

from assistant.upkeep import service as upkeep
from assistant.upkeep.steps import STEPS, Hands, Step
from tests.cli.conftest import Goalspace, one_line


def test_maintain_prints_a_line_for_each_step(goalspace: Goalspace) -> None:
    for _ in range(2):
        result = goalspace("maintain", "--drop-detached")
        assert (result.exit_code, result.stderr) == (0, "")
        lines = result.stdout.splitlines()
        assert [line.partition(":")[0] for line in lines] == [step.name for step in STEPS]
        assert all(line.endswith(" s)") for line in lines)
    assert "0 made, 3 months ahead" in lines[0]


def test_a_step_that_fails_is_said_and_seen_by_programs(goalspace: Goalspace, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: Hands) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(upkeep, "STEPS", (Step("broken", fail), STEPS[0]))
    result = goalspace("maintain")
    assert result.exit_code == 1
    assert "broken:        failed: the log says why (" in result.stdout
    assert "\npartitions:" in result.stdout


@pytest.fixture
def email(goalspace: Goalspace) -> str:
    address = f"{uuid4().hex}@example.org"
    assert goalspace("user", "create", address).exit_code == 0
    return address


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pro",), "has the tier pro."),
        (("basic", "--until", "2999-01-31"), "has the tier basic until 2999-01-31 23:59:59 UTC."),
        (("pro", "--until", "2999-01-31T12:00:00+02:00"), "has the tier pro until 2999-01-31 10:00:00 UTC."),
        (("free",), "has the tier free."),
    ],
)
def test_a_tier_is_given(goalspace: Goalspace, email: str, arguments: tuple[str, ...], said: str) -> None:
    result = goalspace("subscription", "set", email, *arguments)
    assert (result.exit_code, result.stdout) == (0, f"{email} {said}\n")


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("gold",), "is not one of"),
        (("pro", "--until", "2020-01-01"), "in the future"),
        (("pro", "--until", "soon"), "no date"),
        (("pro", "--until", "2999-01-31T12:00"), "offset"),
        (("free", "--until", "2999-01-31"), "no end"),
    ],
)
def test_what_makes_no_sense_is_refused(
    goalspace: Goalspace, email: str, arguments: tuple[str, ...], fault: str
) -> None:
    result = goalspace("subscription", "set", email, *arguments)
    assert result.exit_code == 2
    assert fault in one_line(result)


def test_somebody_unknown_is_said(goalspace: Goalspace) -> None:
    result = goalspace("subscription", "set", "nobody@example.org", "pro")
    assert result.exit_code == 1
    assert "no user" in one_line(result)
