"""Taking one's data along, and taking it away: nothing is missing in the one, and nothing is left after the other."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from assistant.accounts.departure import delete_person
from assistant.accounts.own_data import NOT_EXPORTED, SECTIONS, Section, export_person
from assistant.app import create_app
from assistant.db.session import Database
from assistant.db.setup import Server, connect
from assistant.settings import Settings
from tests.accounts.planting import plant, search
from tests.chat.conftest import open_chat, question, says_and_waits
from tests.fixtures.api import Caller, MakeCaller, open_space
from tests.fixtures.database import join_space, make_user
from tests.fixtures.http import LiveService, serve_app


@pytest.fixture
async def places(bob: Caller) -> tuple[str, str]:
    """A space of Bob's and a module of it."""
    space = await open_space(bob, visibility="shared")
    module = await bob.make(f"/api/spaces/{space['id']}/modules", {"title": "M", "content_type": "text"})
    return space["id"], module["id"]


async def test_a_word_in_every_table_is_taken_along_and_gone_afterwards(
    ada: Caller, bob: Caller, places: tuple[str, str], server: Server, database: Database
) -> None:
    planted = plant(server, ada, bob, *places)
    word = str(planted["word"])
    before = search(server, word, ada.id, ada.email)
    partitions = {name for name in before if name.startswith("partitions.")}
    assert len(partitions) >= 3, "in this month's and in the default partition"

    document = json.loads(b"".join([piece async for piece in export_person(database, ada.id)]))
    assert (document["format"], document["complete"]) == (1, True)
    silent = {"module_progress", "space_collaborators", "outbox", "local_accounts", "usage_counters", "holdings"}
    """Only ids and figures."""
    for section in SECTIONS:
        rows = document["tables"][section.name]
        assert rows, section.name
        assert section.name in silent or word in json.dumps(rows), section.name
        assert not {column for row in rows for column in row} & {name for name in section.without.split(",") if name}
    assert "password_hash" not in json.dumps(document)

    confirmed = await bob.get(f"/api/spaces/{places[0]}")
    answer = await ada.call("DELETE", "/api/me", {"password": "no password of this installation made this hash"})
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_password")
    async with database.service("accounts") as connection:
        await connection.execute(text("delete from assistant.local_accounts where user_id = :me"), {"me": ada.id})
    assert (await ada.call("DELETE", "/api/me")).status_code == 204
    assert search(server, word, ada.id, ada.email, planted["id"]) == set()
    assert (await bob.get(f"/api/spaces/{places[0]}")).json() == confirmed.json(), "what is another's stays"
    assert (await ada.get("/api/me")).status_code == 401


async def test_a_month_that_was_retired_forgets_its_people(ada: Caller, server: Server, database: Database) -> None:
    with connect(server.url) as connection:
        connection.execute("""
            create table partitions.usage_logs_2002_05 partition of usage_logs
                for values from ('2002-05-01 00:00+00') to ('2002-06-01 00:00+00')""")
        try:
            row = (
                "insert into usage_logs (user_id, resource_type, action, created_at) values (%s, '', '', '2002-05-05')"
            )
            connection.execute(row, (ada.id,))
            connection.execute("alter table usage_logs detach partition partitions.usage_logs_2002_05")
            assert "partitions.usage_logs_2002_05" in search(server, ada.id)
            assert await delete_person(database, ada.id)
            assert search(server, ada.id, ada.email) == set()
            assert not await delete_person(database, ada.id)
        finally:
            connection.execute("drop table partitions.usage_logs_2002_05")


async def test_every_table_is_exported_or_has_a_reason(server: Server) -> None:
    with connect(server.url) as connection:
        tables: Any = connection.execute("""
            select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname in ('public', 'assistant') and c.relkind in ('r', 'p', 'm')""").fetchall()
        keys: Any = connection.execute("""
            select conrelid::regclass::text, confdeltype from pg_constraint
            where contype = 'f' and confrelid = 'public.users'::regclass and conparentid = 0""").fetchall()
    exported = {section.table for section in SECTIONS}
    assert {name for (name,) in tables} == exported | NOT_EXPORTED.keys()
    assert exported.isdisjoint(NOT_EXPORTED)
    kept = {table for table, rule in keys if rule != "c"}
    assert kept == {"blog_posts", "documents"}, "posts are deleted by name; documents are the space's"


async def test_nobody_takes_along_what_is_anothers(
    ada: Caller, bob: Caller, places: tuple[str, str], server: Server, database: Database
) -> None:
    """Not even an admin of the other's space."""
    planted = plant(server, ada, bob, *places)
    document = b"".join([piece async for piece in export_person(database, bob.id)]).decode()
    assert str(planted["id"]) in document, "that he belongs to her space"
    assert str(planted["word"]) not in document


async def test_a_long_list_is_read_in_pages(
    ada: Caller, database: Database, monkeypatch: pytest.MonkeyPatch, anybody: Caller
) -> None:
    short = tuple(replace_rows(section, 2) for section in SECTIONS)
    monkeypatch.setattr("assistant.accounts.own_data.SECTIONS", short)
    space = await open_space(ada)
    titles = [f"Task {n}" for n in range(5)]
    for title in titles:
        await ada.make(f"/api/spaces/{space['id']}/tasks", {"title": title})
        await ada.call("POST", f"/api/spaces/{space['id']}/tasks", {"title": ""})
    answer = await ada.get("/api/me/export")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["content-disposition"] == 'attachment; filename="goalspace.json"'
    document = answer.json()
    assert sorted(row["title"] for row in document["tables"]["tasks"]) == titles
    assert document["tables"]["users"][0]["email"] == ada.email
    assert document["complete"] is True
    assert (await anybody.get("/api/me/export")).status_code == 401
    codes = [(await ada.get("/api/me/export")).status_code for _ in range(3)]
    assert codes == [200, 200, 429]


def replace_rows(section: Section, rows: int) -> Section:
    return section._replace(rows=rows)


# --- who may delete what ----------------------------------------------------------------------------------------------


async def test_who_has_a_password_says_it_again(api: LiveService, anybody: Caller) -> None:
    email, password = f"{uuid4().hex}@example.org", "correct horse"
    signed = await anybody.make("/auth/signup", {"email": email, "password": password})
    me = replace(anybody, token=signed["access_token"], id=UUID(signed["user"]["id"]), email=email)
    refused: tuple[object, ...] = (None, {}, {"password": None}, {"password": "wrong"})
    for body in refused:
        answer = await me.call("DELETE", "/api/me", body)
        assert (answer.status_code, answer.json()["code"]) == (403, "wrong_password")
    for malformed in ({"password": 5}, {"passwort": password}, {"password": "x" * 201}):
        assert (await me.call("DELETE", "/api/me", malformed)).status_code == 422
    assert (await me.call("DELETE", "/api/me", {"password": password})).status_code == 204
    assert (await me.get("/api/me")).status_code == 401
    again = await anybody.call("POST", "/auth/token", {"email": email, "password": password})
    assert again.status_code == 401
    await anybody.make("/auth/signup", {"email": email, "password": password})


async def test_who_has_none_signs_in_again(ada: Caller, api: LiveService, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("assistant.identity.time", lambda: __import__("time").time() - 660)
        old = replace(ada, token=api.token(ada.id, ada.email, ttl=3600))
    answer = await old.call("DELETE", "/api/me")
    assert (answer.status_code, answer.json()["code"]) == (403, "sign_in_again")
    assert (await ada.call("DELETE", "/api/me")).status_code == 204


async def test_a_key_deletes_nobody_and_goes_with_its_person(ada: Caller) -> None:
    made = await ada.make("/api/keys", {"name": "robot"})
    robot = replace(ada, token=made["key"])
    answer = await robot.call("DELETE", "/api/me")
    assert (answer.status_code, answer.json()["code"]) == (403, "key_not_allowed")
    assert (await robot.get("/api/me")).status_code == 200
    assert (await ada.call("DELETE", "/api/me")).status_code == 204
    assert (await robot.get("/api/me")).status_code == 401


async def test_an_answer_under_way_does_not_keep_its_person(
    database: Database, server: Server, make_caller: MakeCaller
) -> None:
    me = await make_caller()
    space = UUID((await open_space(me))["id"])
    gate = asyncio.Event()
    async with open_chat(database, server) as chat:
        chat.mentor.script = says_and_waits("This much ", "and the rest.", gate=gate)
        await chat.service.begin(me.principal, question(space))
        assert (await me.call("DELETE", "/api/me")).status_code == 204
        gate.set()
    # Closing waits for what is under way.
    assert search(server, me.id, me.email) == set()


async def test_people_of_one_space_who_leave_at_once_all_leave(
    make_caller: MakeCaller, database: Database, server: Server
) -> None:
    people = [await make_caller() for _ in range(4)]
    for owner in people:
        space = await open_space(owner, visibility="shared")
        module = await owner.make(f"/api/spaces/{space['id']}/modules", {"title": "M", "content_type": "text"})
        for guest in people:
            if guest is not owner:
                await join_space(database, UUID(space["id"]), guest.id, "editor")
            await guest.make(f"/api/modules/{module['id']}/comments", {"content": "Hello"})
    answers = await asyncio.gather(*(person.call("DELETE", "/api/me") for person in people))
    assert [answer.status_code for answer in answers] == [204] * 4
    assert search(server, *(person.id for person in people)) == set()


# --- an identity provider's people ------------------------------------------------------------------------------------


@pytest.fixture
def supabase(server: Server) -> Iterator[None]:
    """As if `auth` were another's: nothing there is to be touched."""
    with connect(server.url) as connection:
        connection.execute("comment on schema auth is 'of an identity provider'")
        yield
        connection.execute("comment on schema auth is 'stand-in of goalspace-assistant'")


@pytest.mark.usefixtures("supabase")
async def test_an_identity_of_a_provider_stays_and_begins_anew(
    make_caller: MakeCaller, server: Server, database: Database, settings: Settings
) -> None:
    async with serve_app(create_app(settings), settings) as live, live.client() as http:
        user_id, email = await make_user(database)
        me = Caller(http, live.token(user_id, email), user_id, email)
        await open_space(me)
        assert (await me.call("DELETE", "/api/me")).status_code == 204
        assert search(server, user_id, email) == {"auth.users"}
        assert (await me.get("/api/me")).status_code == 401, "a token from before"
        async with database.service("accounts") as connection:
            await connection.execute(text("update assistant.departures set left_at = left_at - interval '1 minute'"))
        back = replace(me, token=live.token(user_id, email, ttl=601))
        assert (await back.get("/api/me")).status_code == 200
        assert (await back.get("/api/goals")).json()["items"] == []
