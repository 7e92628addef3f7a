"""What the terminal shows of an answer."""

from typing import Any

import pytest

from assistant.cli.conversation import JsonScreen, TextScreen
from assistant.cli.server import keyboard


def shown(capsys: pytest.CaptureFixture[str], *events: dict[str, Any]) -> list[str]:
    screen = TextScreen()
    for event in events:
        screen.show(event)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("nothing", "Nothing was changed, though the mentor says so: “I've added [it].” “Done.”"),
        ("partly", "This was not done, or not all of it, though the mentor says so: “I've added [it].” “Done.”"),
    ],
)
def test_what_was_not_done_is_told_below_the_answer(
    capsys: pytest.CaptureFixture[str], reason: str, expected: str
) -> None:
    lines = shown(
        capsys,
        {"type": "TEXT_MESSAGE_CONTENT", "delta": "I've added [it]. Done."},
        {
            "type": "CUSTOM",
            "name": "claim_not_backed",
            "value": {"reason": reason, "claims": ["I've added [it].", "Done."]},
        },
        {"type": "RUN_FINISHED", "outcome": {"type": "success"}},
    )
    assert lines == ["I've added [it]. Done.", expected]


def test_another_model_than_the_space_names_is_told_before_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(
        capsys,
        {"type": "CUSTOM", "name": "model_not_in_plan", "value": {"model": "claude-opus", "used": "claude-haiku-5-5"}},
        {"type": "TEXT_MESSAGE_CONTENT", "delta": "A knot."},
        {"type": "RUN_FINISHED", "outcome": {"type": "success"}},
    )
    assert lines == ["claude-opus is not in your plan: claude-haiku-5-5 answers.", "A knot."]


def test_nobody_is_asked_among_the_events_that_a_program_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    assert keyboard(TextScreen()) is not None
    assert keyboard(JsonScreen()) is None
