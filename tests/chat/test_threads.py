"""Conversations as a whole: listed, renamed, deleted, taken along; thumbs for answers."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx2
import pytest

from assistant.chat.threads import ThreadService
from assistant.db.session import Database
from assistant.errors import NotFoundError
from tests.chat.conftest import Chat, ScriptedMentor, says, says_and_waits
from tests.chat.test_http import ask, input_of, read_stream
from tests.fixtures.database import MakePerson, Person
from tests.fixtures.http import LiveService
from tests.fixtures.threads import plant_conversation, plant_turns


@pytest.fixture
async def person(make_person: MakePerson) -> Person:
    return await make_person()


@pytest.fixture
async def client(offline_service: LiveService, person: Person) -> AsyncIterator[httpx2.AsyncClient]:
    async with offline_service.client(offline_service.token(person.id)) as opened:
        yield opened


def at(person: Person, thread_id: str = "", rest: str = "") -> str:
    name = f"/{quote(thread_id, safe='')}" if thread_id else ""
    return f"/api/spaces/{person.space_id}/threads{name}{rest}"


async def listed(client: httpx2.AsyncClient, person: Person, query: str = "") -> list[dict[str, Any]]:
    answer = await client.get(at(person) + query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_conversations_are_listed_the_last_used_first(
    client: httpx2.AsyncClient, database: Database, person: Person
) -> None:
    for name in ("a", "b", "c"):
        await plant_conversation(database, person, [("What?", "That.")], thread_id=name)
    await plant_conversation(database, person, [("More?", "Yes.")], thread_id="a")

    threads = await listed(client, person)
    assert [(each["thread_id"], each["message_count"], each["status"]) for each in threads] == [
        ("a", 4, "completed"),
        ("c", 2, "completed"),
        ("b", 2, "completed"),
    ]
    first = (await client.get(at(person) + "?limit=2")).json()
    rest = (await client.get(at(person) + f"?limit=2&cursor={first['next_cursor']}")).json()
    assert [each["thread_id"] for each in first["items"] + rest["items"]] == ["a", "c", "b"]
    assert [each["thread_id"] for each in await listed(client, person, "?order=created")] == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["t-1", "a/b", "a%2Fb", "100%", "?x=1#y", "ü 語", "..", "/", "%", "a/export", "'\""])
async def test_a_conversation_may_have_any_name(
    client: httpx2.AsyncClient, database: Database, person: Person, name: str
) -> None:
    await plant_conversation(database, person, [("What?", "That.")], thread_id=name)
    await plant_conversation(database, person, [("Else?", "This.")], thread_id="else")

    path = at(person, name).replace("/..", "/%2E%2E")
    assert (await client.get(path)).json()["thread_id"] == name
    renamed = await client.patch(path, json={"title": "Mine"})
    assert (renamed.status_code, renamed.json()["title"]) == (200, "Mine")
    assert (await client.get(f"{path}/export")).text.startswith("# Mine")
    assert (await client.delete(path)).status_code == 204
    assert [each["thread_id"] for each in await listed(client, person)] == ["else"]


async def test_a_run_may_have_any_name(client: httpx2.AsyncClient, script: ScriptedMentor, person: Person) -> None:
    await ask(client, person.space_id, input_of("What?", run_id="r/1%2F"))

    state = await client.get(f"/api/runs/{quote('r/1%2F', safe='')}")

    assert (state.status_code, state.json()["id"]) == (200, "r/1%2F")


async def test_a_name_that_a_person_gave_stands_before_the_one_that_was_made(
    client: httpx2.AsyncClient, database: Database, person: Person
) -> None:
    await plant_turns(database, person, 1)
    async with database.service("tend_thread") as connection:
        await connection.exec_driver_sql(
            "update assistant.threads set made_title = 'Made' where user_id = %s", (person.id,)
        )

    def told(answer: httpx2.Response) -> tuple[str, bool]:
        return answer.json()["title"], answer.json()["is_named"]

    assert told(await client.get(at(person, "t-1"))) == ("Made", False)
    assert told(await client.patch(at(person, "t-1"), json={"title": "Mine"})) == ("Mine", True)
    assert [each["title"] for each in await listed(client, person, "?q=min")] == ["Mine"]
    assert await listed(client, person, "?q=made") == []
    assert told(await client.patch(at(person, "t-1"), json={"title": None})) == ("Made", False)
    assert (await client.patch(at(person, "t-1"), json={"title": " "})).status_code == 422
    changed = await client.patch(at(person, "t-1"), json={"title": "Late"}, headers={"If-Match": '"other"'})
    assert changed.status_code == 412


async def test_deleting_takes_everything_along(
    client: httpx2.AsyncClient, script: ScriptedMentor, database: Database, person: Person
) -> None:
    await ask(client, person.space_id, input_of("What?", message_id="m-1"))
    await ask(client, person.space_id, input_of("Other?", thread_id="t-2"))

    assert (await client.delete(at(person, "t-1"))).status_code == 204

    assert (await client.get(at(person, "t-1"))).status_code == 404
    assert (await client.delete(at(person, "t-1"))).status_code == 404
    left = (await client.get(f"/api/spaces/{person.space_id}/messages")).json()["items"]
    assert {each["thread_id"] for each in left} == {"t-2"}
    async with database.service("maintain") as connection:
        for table in ("runs", "run_steps", "threads"):
            condition = f"run_id in (select id from assistant.runs where user_id = '{person.id}')"
            where = condition if table == "run_steps" else f"user_id = '{person.id}' and thread_id = 't-1'"
            found = await connection.exec_driver_sql(f"select count(*) from assistant.{table} where {where}")
            assert found.scalar_one() == 0, table
    # The message's id is free again.
    await ask(client, person.space_id, input_of("What else?", message_id="m-1"))


async def test_an_answer_under_way_is_stopped_before_its_conversation_is_deleted(
    client: httpx2.AsyncClient, script: ScriptedMentor, person: Person
) -> None:
    script.script = says_and_waits("One", " two", gate=asyncio.Event())
    events = []
    async with client.stream(
        "POST", f"/api/spaces/{person.space_id}/agent", json=input_of("What?", run_id="r-1")
    ) as response:
        async for _, event in read_stream(response):
            events.append(event)
            if event["type"] == "TEXT_MESSAGE_CONTENT":
                assert (await client.delete(at(person, "t-1"))).status_code == 204
    assert events[-1]["outcome"] == {"type": "cancelled"}
    assert (await client.get("/api/runs/r-1")).status_code == 404


async def test_a_conversation_is_taken_along(
    client: httpx2.AsyncClient, script: ScriptedMentor, database: Database, person: Person
) -> None:
    script.script = says("A **loop**.")
    await ask(client, person.space_id, input_of("What is\na bowline?"))
    async with database.service("maintain") as connection:
        await connection.exec_driver_sql(
            "insert into assistant.citations (message_id, index, run_id, user_id, chunk_id, document_id, title, "
            "heading, page, quote, start_offset, end_offset) select answer_id, 1, id, "
            "user_id, id, id, 'Knots', 'Loops', 3, "
            "'A loop.', 0, 7 from assistant.runs where user_id = %s",
            (person.id,),
        )

    markdown = await client.get(at(person, "t-1", "/export"))
    assert markdown.headers["content-type"] == "text/markdown; charset=utf-8"
    assert "attachment" in markdown.headers["content-disposition"]
    assert "\n\nWhat is\na bowline?\n" in markdown.text
    assert "\n\nA **loop**.\n\n[1] Loops, page 3: “A loop.”" in markdown.text
    whole = json.loads((await client.get(at(person, "t-1", "/export?format=json"))).text)
    asked, answered = whole["messages"]
    assert whole["complete"]
    assert whole["thread"]["thread_id"] == "t-1"
    assert (asked["message"], asked["follows"], answered["follows"]) == ("What is\na bowline?", None, asked["id"])
    assert answered["citations"][0]["quote"] == "A loop."
    assert (await client.get(at(person, "t-1", "/export?format=pdf"))).status_code == 422


async def test_a_long_conversation_is_taken_along_in_pieces(
    client: httpx2.AsyncClient, database: Database, person: Person
) -> None:
    await plant_turns(database, person, 120)

    whole = json.loads((await client.get(at(person, "t-1", "/export?format=json"))).text)

    assert [each["message"].split()[1].rstrip("?") for each in whole["messages"][::2]] == [str(n) for n in range(120)]


async def test_what_was_taken_along_in_part_does_not_look_whole(
    chat: Chat, database: Database, make_person: MakePerson
) -> None:
    ada, bob = await make_person(visibility="public"), await make_person()
    guest = Person(bob.id, bob.email, bob.goal_id, ada.space_id, bob.principal)
    await plant_turns(database, guest, 30)
    pieces = await ThreadService(database, chat.service).export(bob.principal, ada.space_id, "t-1", "json")
    begun = [await anext(pieces), await anext(pieces)]
    assert b"Question 0?" in begun[1]
    closed = "update spaces set visibility = 'private' where id = %s returning 1"
    await database.fetch(ada.principal, closed, (ada.space_id,))

    with pytest.raises(NotFoundError):  # before the member that says that it is
        [piece async for piece in pieces]


async def test_the_summary_is_shown_and_forgotten(
    client: httpx2.AsyncClient, database: Database, person: Person
) -> None:
    runs = await plant_turns(database, person, 4)
    missing = await client.get(at(person, "t-1", "/summary"))
    assert (missing.status_code, missing.json()["code"]) == (404, "no_summary")
    async with database.service("tend_thread") as connection:
        for number, run in enumerate(runs[:2]):
            await connection.exec_driver_sql(
                "insert into assistant.thread_summaries (run_id, user_id, summary, tainted, turns, tokens, "
                "prompt_name, prompt_version, prompt_hash, model) values (%s, %s, %s, false, %s, "
                "9, 'summarise', '1.0.0', 'x', 'm')",
                (run, person.id, f"Summary {number}", number + 1),
            )

    shown = (await client.get(at(person, "t-1", "/summary"))).json()
    assert (shown["summary"], shown["turns"]) == ("Summary 1", 2)
    assert (await client.delete(at(person, "t-1", "/summary"))).status_code == 204
    assert (await client.get(at(person, "t-1", "/summary"))).status_code == 404


async def test_thumbs_are_kept_and_may_change(
    client: httpx2.AsyncClient, script: ScriptedMentor, person: Person
) -> None:
    await ask(client, person.space_id, input_of("What?"))
    here = f"/api/spaces/{person.space_id}/messages"
    asked, answered = (await client.get(here)).json()["items"]
    assert (asked["feedback"], answered["feedback"]) == (None, None)

    path = f"/api/messages/{answered['id']}/feedback"
    assert (await client.post(path, json={"value": 1, "comment": "Clear."})).json()["value"] == 1
    assert (await client.post(path, json={"value": -1})).status_code == 200
    given = (await client.get(here)).json()["items"][1]["feedback"]
    assert (given["value"], given["comment"]) == (-1, None)

    assert (await client.post(path, json={"value": 2})).status_code == 422
    assert (await client.post(path, json={"value": 1, "comment": "x" * 4001})).status_code == 422
    assert (await client.post(f"/api/messages/{asked['id']}/feedback", json={"value": 1})).status_code == 404
    assert (await client.post(f"/api/messages/{uuid4()}/feedback", json={"value": 1})).status_code == 404


async def test_nobody_reaches_anothers_conversation(
    offline_service: LiveService, database: Database, make_person: MakePerson
) -> None:
    ada, bob = await make_person(visibility="public"), await make_person()
    await plant_turns(database, ada, 1)
    async with offline_service.client(offline_service.token(bob.id)) as http:
        path = at(ada, "t-1")
        assert (await http.get(at(ada))).json()["items"] == []
        answers = [
            await http.get(path),
            await http.patch(path, json={"title": "Mine"}),
            await http.delete(path),
            await http.get(f"{path}/export?format=json"),
            await http.get(f"{path}/summary"),
            await http.delete(f"{path}/summary"),
        ]
        assert [answer.status_code for answer in answers] == [404] * 6
