"""Access that is taken away is gone at once, also from answers under way; open sockets are in tests/chat."""

import asyncio

import pytest
from sqlalchemy import text

from assistant.db.identity import learner
from assistant.db.session import Database
from assistant.db.setup import Server
from assistant.errors import NotFoundError
from tests.chat.conftest import open_chat, question, read_events, says_and_waits
from tests.fixtures.database import MakePerson, join_space, make_user


@pytest.mark.parametrize("statement", ["delete from space_collaborators", "update spaces set visibility = 'private'"])
async def test_an_answer_under_way_ends_for_who_lost_access_and_for_nobody_else(
    statement: str, make_person: MakePerson, database: Database, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.chat.runs.RENEW_SECONDS", 0.05)
    owner = await make_person(visibility="shared")
    guest, _ = await make_user(database)
    await join_space(database, owner.space_id, guest, "viewer")
    gate = asyncio.Event()
    async with open_chat(database, server) as chat:
        chat.mentor.script = says_and_waits("This much ", "and the rest.", gate=gate)
        theirs = await chat.service.begin(learner(guest), question(owner.space_id))
        kept = await chat.service.begin(owner.principal, question(owner.space_id))
        listening = asyncio.create_task(read_events(chat, learner(guest), theirs))
        async with database.transaction(owner.principal) as connection:
            await connection.execute(text(statement))
        async with asyncio.timeout(10):
            events = await listening
        assert events[-1]["type"] == "RUN_FINISHED"
        assert events[-1]["outcome"] == {"type": "cancelled"}
        with pytest.raises(NotFoundError):
            await chat.service.begin(learner(guest), question(owner.space_id))
        gate.set()
        events = await read_events(chat, owner.principal, kept)
        assert events[-1]["outcome"] == {"type": "success"}


async def test_a_demoted_admin_offers_nothing_any_more(make_person: MakePerson, database: Database) -> None:
    owner = await make_person(visibility="shared")
    admin, _ = await make_user(database)
    await join_space(database, owner.space_id, admin, "admin")
    offer = text("""
        insert into assistant.invitations (space_id, email, role, invited_by, secret_hash)
        values (:space, 'new@example.org', 'editor', :admin, sha256('x'))""")
    async with database.transaction(learner(admin)) as connection:
        await connection.execute(offer, {"space": owner.space_id, "admin": admin})
    async with database.transaction(owner.principal) as connection:
        await connection.execute(text("update space_collaborators set role = 'editor'"))
        left = text("select count(*) from assistant.invitations where space_id = :space")
        assert await connection.scalar(left, {"space": owner.space_id}) == 0
