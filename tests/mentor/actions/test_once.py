"""An approved change is made once, at whichever moment its answer, its connection or its server is lost."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from assistant.db.errors import DatabaseUnavailableError
from assistant.db.identity import Principal
from assistant.db.session import Database
from assistant.mentor.actions import service
from assistant.mentor.actions.service import Actions, Answer
from assistant.mentor.context import Scene
from assistant.mentor.toolbox import WRITE_TOOLS
from assistant.mentor.toolspec import read_arguments
from assistant.spaces.mentor_config import MentorConfig
from tests.fixtures.database import MakePerson, Person

TIMES = 200


@pytest.fixture
async def ada(make_person: MakePerson) -> Person:
    return await make_person()


async def proposal(database: Database, person: Person, title: str) -> UUID:
    """An action that waits for an answer."""
    run = (
        await database.fetch_as_service(
            "run_log",
            "insert into assistant.runs (user_id, space_id, thread_id, client_run_id, process, lease_until, status)"
            " values (%s, %s, %s, %s, %s, now(), 'awaiting_approval') returning id",
            (person.id, person.space_id, uuid4().hex, uuid4().hex, uuid4()),
        )
    )[0][0]
    scene = Scene(person.principal, person.space_id, MentorConfig(), True, "0a1b2c3d", datetime.now(UTC))
    tool = WRITE_TOOLS["create_task"]
    call = service.WriteCall(run, "toolu_01", tool, read_arguments(tool, {"title": title}))
    return (await service.propose(database, scene, call, "policy")).id


class Faults:
    """Sessions that break: before the commit, so that nothing is made, or behind it, so that nobody is told."""

    def __init__(self, database: Database, chance: random.Random) -> None:
        self._session: Callable[[Principal], Any] = database.session
        self._chance = chance
        self.left = 0
        self.broken = 0

    @asynccontextmanager
    async def session(self, principal: Principal) -> AsyncIterator[AsyncSession]:
        moment = self._chance.choice(("before", "behind", "before", "behind", "never")) if self.left else "never"
        async with self._session(principal) as opened:
            yield opened
            if moment == "before":
                self._break()
        if moment == "behind":
            self._break()

    def _break(self) -> None:
        self.left -= 1
        self.broken += 1
        raise DatabaseUnavailableError


async def test_however_often_it_breaks_one_change_is_made(
    database: Database, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(20261125)
    actions, faults = Actions(database), Faults(database, chance)
    expected = []
    for number in range(TIMES):
        title = f"{number:03}"
        action_id = await proposal(database, ada, title)
        monkeypatch.setattr(database, "session", faults.session)
        faults.left, settled = chance.randrange(4), None
        approved = chance.random() < 0.8
        while settled is None:  # as somebody would who is told to try again, perhaps with another answer
            try:
                settled = await actions.answer(ada.principal, Answer(action_id, approved=approved), "test")
            except DatabaseUnavailableError:
                approved = chance.random() < 0.5
        monkeypatch.undo()
        assert settled.status in ("executed", "rejected")
        expected += [title] if settled.status == "executed" else []
    rows = await database.fetch(
        ada.principal, "select title from tasks where space_id = %s order by 1", (ada.space_id,)
    )
    assert [title for (title,) in rows] == expected
    assert faults.broken > TIMES // 2
    assert 0 < len(expected) < TIMES
