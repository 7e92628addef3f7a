"""Any order of events, against a model that adds up on paper: what is granted is there, and is counted once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg.types.json import Jsonb

from assistant.chat.budget import FIRST_TOKENS
from assistant.db.setup import Server

TOKENS = {"free": 60_000, "basic": 100_000, "pro": 250_000}
MESSAGES = {"free": 2, "basic": 4, "pro": 8}
TURNS = 4


@dataclass
class Open:
    """Something that is set aside."""

    month: int
    tokens: int
    is_run: bool
    known: int = 0
    """Tokens that the reservation knows to be used, should its process go away."""


class Ledger(RuleBasedStateMachine):
    connection: psycopg.Connection[Any]

    @initialize()
    def begin(self) -> None:
        self.user, self.space, self.tier = uuid4(), uuid4(), "free"
        self.open: dict[UUID, Open] = {}
        self.spent = {0: [0, 0], 1: [0, 0]}
        """Month (0: the last, 1: this one) → messages, tokens."""
        values = {"user": self.user, "email": f"{self.user}@example.org", "space": self.space}
        with self.connection.transaction():
            for statement in (
                "insert into auth.users (id, email) values (%(user)s, %(email)s)",
                "insert into users (id, email) values (%(user)s, %(email)s)",
                "insert into goals (id, user_id, title) values (%(space)s, %(user)s, 'g')",
                "insert into spaces (id, goal_id, user_id, title) values (%(space)s, %(space)s, %(user)s, 's')",
            ):
                self.connection.execute(statement.encode(), values)

    def teardown(self) -> None:
        with self.connection.transaction():
            self.connection.execute("delete from users where id = %s", (self.user,))

    def tried(self, statement: str, values: tuple[object, ...]) -> bool:
        """False: it was refused, and nothing of it is there."""
        try:
            with self.connection.transaction():
                self.connection.execute(statement.encode(), values)
        except psycopg.Error as error:
            if error.sqlstate != "QU001":
                raise
            return False
        return True

    def aside(self, month: int) -> list[Open]:
        return [each for each in self.open.values() if each.month == month]

    def fits(self, month: int, tokens: int) -> bool:
        used = self.spent[month][1] + sum(each.tokens for each in self.aside(month))
        return tokens <= 0 or used + tokens <= TOKENS[self.tier]

    @rule(month=st.sampled_from([0, 1]))
    def ask(self, month: int) -> None:
        run = uuid4()
        runs = [each for each in self.open.values() if each.is_run]
        messages = self.spent[month][0] + sum(each.is_run for each in self.aside(month))
        expected = len(runs) < TURNS and messages < MESSAGES[self.tier] and self.fits(month, FIRST_TOKENS)
        begun = self.tried(
            "insert into assistant.runs (id, user_id, space_id, thread_id, client_run_id, process, lease_until,"
            " created_at) values (%s, %s, %s, %s, %s, %s, now(), now() - make_interval(months => %s))",
            (run, self.user, self.space, str(run), str(run), run, 1 - month),
        )
        assert begun == expected
        if begun:
            self.open[run] = Open(month, FIRST_TOKENS, is_run=True)

    @precondition(lambda self: any(each.is_run for each in self.open.values()))
    @rule(data=st.data(), up_to=st.integers(1_000, 90_000), known=st.integers(0, 1_000))
    def go_on(self, data: st.DataObject, up_to: int, known: int) -> None:
        run = data.draw(st.sampled_from([id_ for id_, each in self.open.items() if each.is_run]))
        each = self.open[run]
        granted = self.tried(
            "select assistant.extend_reservation(%s, 1, %s, 0, %s, null)", (run, up_to, Jsonb([entry("chat", known)]))
        )
        assert granted == self.fits(each.month, up_to - each.tokens)
        if granted:
            each.tokens, each.known = max(up_to, each.tokens), known

    @precondition(lambda self: any(each.is_run for each in self.open.values()))
    @rule(data=st.data(), share=st.floats(0, 1), says_a_word=st.booleans())
    def end(self, data: st.DataObject, share: float, says_a_word: bool) -> None:
        run = data.draw(st.sampled_from([id_ for id_, each in self.open.items() if each.is_run]))
        each = self.open.pop(run)
        used = int(each.tokens * share)
        with self.connection.transaction():
            self.connection.execute(
                "update assistant.runs set status = 'completed', finished_at = now() where id = %s", (run,)
            )
            for action, tokens in [("chat", used), *([("turn", 0)] if says_a_word else [])]:
                self.connection.execute(
                    "insert into usage_logs (user_id, resource_type, action, tokens_used, period)"
                    " select user_id, 'space', %s, %s, private.month_of(created_at) from assistant.runs where id = %s",
                    (action, tokens, run),
                )
        self.spent[each.month][0] += says_a_word
        self.spent[each.month][1] += used

    @precondition(lambda self: any(each.is_run for each in self.open.values()))
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        """A run is deleted with what it belongs to: the sweep settles what it was known to have used."""
        run = data.draw(st.sampled_from([id_ for id_, each in self.open.items() if each.is_run]))
        each = self.open.pop(run)
        with self.connection.transaction():
            self.connection.execute("delete from assistant.runs where id = %s", (run,))
        self.sweep()
        self.spent[each.month][1] += each.known

    @rule(tokens=st.integers(1, 70_000))
    def embed(self, tokens: int) -> None:
        reservation = uuid4()
        granted = self.tried(
            "select assistant.reserve_usage(%s, %s, %s, 0, %s, '1 hour')",
            (reservation, self.user, tokens, Jsonb(entry("embed", tokens))),
        )
        assert granted == self.fits(1, tokens)
        if granted:
            self.open[reservation] = Open(1, tokens, is_run=False, known=tokens)

    @precondition(lambda self: any(not each.is_run for each in self.open.values()))
    @rule(data=st.data(), share=st.floats(0, 1), twice=st.booleans())
    def settle(self, data: st.DataObject, share: float, twice: bool) -> None:
        reservation = data.draw(st.sampled_from([id_ for id_, each in self.open.items() if not each.is_run]))
        each = self.open.pop(reservation)
        used = int(each.tokens * share)
        for _ in range(1 + twice):
            self.tried("select assistant.settle_usage(%s, %s)", (reservation, Jsonb([entry("embed", used)])))
        self.spent[1][1] += used

    @precondition(lambda self: any(not each.is_run for each in self.open.values()))
    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        reservation = data.draw(st.sampled_from([id_ for id_, each in self.open.items() if not each.is_run]))
        each = self.open.pop(reservation)
        with self.connection.transaction():
            self.connection.execute(
                "update assistant.reservations set expires_at = now() - interval '1 s' where id = %s", (reservation,)
            )
        self.sweep()
        self.spent[1][1] += each.known

    @rule(tier=st.sampled_from(["free", "basic", "pro"]))
    def subscribe(self, tier: str) -> None:
        self.tier = tier
        with self.connection.transaction():
            self.connection.execute("delete from subscriptions where user_id = %s", (self.user,))
            if tier != "free":
                self.connection.execute(
                    "insert into subscriptions (user_id, tier, status, starts_at)"
                    " values (%s, %s, 'active', now() - interval '1 s')",
                    (self.user, tier),
                )

    def sweep(self) -> None:
        with self.connection.transaction():
            self.connection.execute("select pg_sleep(0.001)")  # what expires now has expired
        with self.connection.transaction():
            self.connection.execute("select assistant.settle_expired()")

    @invariant()
    def counters_are_what_the_paper_says(self) -> None:
        with self.connection.transaction():
            rows = self.connection.execute(
                "select (c.period = private.month_of(now()))::int, c.messages, c.tokens, c.messages_reserved,"
                " c.tokens_reserved, coalesce(l.tokens, 0) from assistant.usage_counters c"
                " left join (select period, sum(tokens_used) as tokens from usage_logs where user_id = %s group by 1) l"
                " using (period) where user_id = %s",
                (self.user, self.user),
            ).fetchall()
        there = {month: counts for month, *counts in rows}
        for month in (0, 1):
            aside = self.aside(month)
            expected = [*self.spent[month], sum(each.is_run for each in aside), sum(each.tokens for each in aside)]
            assert there.get(month, [0, 0, 0, 0, 0])[:4] == expected
            assert there.get(month, [0, 0, 0, 0, 0])[4] == self.spent[month][1], "the log and the counter differ"


def entry(action: str, tokens: int) -> dict[str, Any]:
    return {"resource_type": "account", "resource_id": None, "action": action, "tokens_used": tokens, "details": {}}


@pytest.fixture
def connection(own_server: Server) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(own_server.url.replace("postgresql+psycopg", "postgresql"), autocommit=True) as opened:
        yield opened


def test_any_order_of_events_is_counted_once(connection: psycopg.Connection[Any]) -> None:
    for tier in TOKENS:
        connection.execute(
            "insert into assistant.plans (tier, messages, tokens, turns) values (%s, %s, %s, %s) on conflict (tier)"
            " do update set messages = excluded.messages, tokens = excluded.tokens, turns = excluded.turns",
            (tier, MESSAGES[tier], TOKENS[tier], TURNS),
        )
    machine = type("Ledger", (Ledger,), {"connection": connection})
    try:
        run_state_machine_as_test(machine, settings=settings(max_examples=20, stateful_step_count=25, deadline=None))
    finally:
        connection.execute("delete from assistant.plans")
