"""Revisions do not stop a service that is running: squawk says so, and would say otherwise."""

from types import SimpleNamespace
from typing import Any

import pytest

from assistant.db import migrate
from tests.migrations.lint import LAST_OF_FIRST_RELEASE, complaints, main, sql_of


def test_nothing_is_said_against_any_revision(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0, capsys.readouterr().out


def test_the_line_of_the_first_release_is_drawn_at_a_revision() -> None:
    assert LAST_OF_FIRST_RELEASE in migrate.revisions()


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("create index idx on public.goals (status)", "require-concurrent-index-creation"),
        ("alter table public.goals add constraint c check (priority >= 0)", "constraint-missing-not-valid"),
        ("alter table public.goals alter column priority type bigint", "changing-column-type"),
        ("alter table public.goals alter column category set not null", "adding-not-nullable-field"),
        ("alter table public.goals add column code uuid default gen_random_uuid()", "adding-field-with-default"),
        ("drop table public.goals", "ban-drop-table"),
    ],
)
def test_later_revisions_are_held_to_more(statement: str, rule: str) -> None:
    revision: Any = SimpleNamespace(op=None)
    revision.upgrade = lambda: revision.op.get_bind().exec_driver_sql(statement)
    assert rule in complaints(sql_of(revision), "29990101_01")
