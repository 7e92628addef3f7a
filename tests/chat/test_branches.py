"""Messages asked or answered anew, and the branches that a conversation has of them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx2
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistant.db.session import Database
from assistant.db.setup import Server, connect
from assistant.llm.events import TextDelta
from assistant.mentor.events import MentorEvent, Turn, TurnRecord
from assistant.mentor.history import blocks_of
from tests.chat.conftest import Script, ScriptedMentor, says, says_and_waits
from tests.chat.test_http import ask, input_of, read_stream
from tests.fixtures.database import MakePerson, Person
from tests.fixtures.http import LiveService
from tests.fixtures.threads import plant_turns


@pytest.fixture
async def person(make_person: MakePerson) -> Person:
    return await make_person()


@pytest.fixture
async def client(offline_service: LiveService, person: Person) -> AsyncIterator[httpx2.AsyncClient]:
    async with offline_service.client(offline_service.token(person.id)) as opened:
        yield opened


def remembers(answer: str, told: list[list[str]]) -> Script:
    """A mentor that notes what it is told of earlier turns, and keeps what was said as a model would."""

    async def script(turn: Turn, record: TurnRecord) -> AsyncGenerator[MentorEvent, None]:
        history = await turn.conversation.history()
        told.append([block["text"] for message in history for block in blocks_of(message)])
        turn.conversation.append("user", [{"type": "text", "text": turn.question}])
        record.text = answer
        yield TextDelta(answer)
        turn.conversation.append("assistant", [{"type": "text", "text": answer}])
        record.text_in_steps = len(answer)

    return script


class Talk:
    """One conversation of one person."""

    def __init__(self, client: httpx2.AsyncClient, script: ScriptedMentor, person: Person) -> None:
        self.client, self.script, self.space_id = client, script, person.space_id
        self.told: list[list[str]] = []

    async def say(self, text: str, answer: str, **props: str) -> list[dict[str, Any]]:
        self.script.script = remembers(answer, self.told)
        return await ask(self.client, self.space_id, input_of(text) | {"forwardedProps": props})

    async def again(self, message: str, answer: str) -> list[dict[str, Any]]:
        self.script.script = remembers(answer, self.told)
        body = {"threadId": "t-1", "runId": uuid4().hex, "messages": [], "forwardedProps": {"regenerate": message}}
        return await ask(self.client, self.space_id, body)

    async def messages(self) -> list[dict[str, Any]]:
        items = (await self.client.get(f"/api/spaces/{self.space_id}/messages?thread_id=t-1")).json()["items"]
        return [dict(item) for item in items]

    async def texts(self) -> list[str]:
        return [item["message"] for item in await self.messages()]

    async def id_of(self, text: str) -> str:
        return next(str(item["id"]) for item in await self.messages() if item["message"] == text)

    async def refused(self, **body: Any) -> tuple[int, str]:
        answer = await self.client.post(f"/api/spaces/{self.space_id}/agent", json=input_of("New?") | body)
        return answer.status_code, answer.json()["code"]


@pytest.fixture
def talk(client: httpx2.AsyncClient, script: ScriptedMentor, person: Person) -> Talk:
    return Talk(client, script, person)


async def test_a_question_is_asked_anew_and_the_old_one_is_kept(talk: Talk) -> None:
    for number in range(3):
        await talk.say(f"Q{number}", f"A{number}")
    old = await talk.messages()

    await talk.say("Q1 new", "A1 new", replaces=old[2]["id"])

    assert await talk.texts() == ["Q0", "A0", "Q1 new", "A1 new"]
    assert talk.told[-1] == ["Q0", "A0"]
    edited = (await talk.messages())[2]
    assert edited["versions"] == [old[2]["id"], edited["id"]]
    assert [len(each["versions"]) for each in await talk.messages()] == [1, 1, 2, 1]

    await talk.say("Q2 new", "A2 new")
    assert talk.told[-1] == ["Q0", "A0", "Q1 new", "A1 new"]


async def test_versions_can_be_switched_and_each_branch_goes_on(talk: Talk) -> None:
    await talk.say("Q0", "A0")
    await talk.say("Q1", "A1")
    first = await talk.id_of("Q0")
    await talk.say("Q0 new", "A0 new", replaces=first)
    second = await talk.id_of("Q0 new")

    shown = await talk.client.post(f"/api/messages/{first}/activate")
    assert (shown.status_code, shown.json()["id"], shown.json()["versions"]) == (200, first, [first, second])
    assert await talk.texts() == ["Q0", "A0", "Q1", "A1"]
    await talk.say("Q2", "A2")
    assert talk.told[-1] == ["Q0", "A0", "Q1", "A1"]

    assert (await talk.client.post(f"/api/messages/{second}/activate")).status_code == 200
    assert await talk.texts() == ["Q0 new", "A0 new"]
    assert (await talk.client.post(f"/api/messages/{first}/activate")).status_code == 200
    assert await talk.texts() == ["Q0", "A0", "Q1", "A1", "Q2", "A2"]


async def test_an_answer_is_given_anew_to_the_same_question(talk: Talk) -> None:
    await talk.say("Q0", "A0")
    await talk.say("Q1", "A1")
    answers = [await talk.id_of("A1")]

    events = await talk.again(answers[0], "A1 again")
    answers.append(await talk.id_of("A1 again"))
    await talk.again(await talk.id_of("Q1"), "A1 once more")
    answers.append(await talk.id_of("A1 once more"))

    assert events[-1]["type"] == "RUN_FINISHED"
    assert talk.told[-2] == talk.told[-1] == ["Q0", "A0"]
    messages = await talk.messages()
    assert [item["message"] for item in messages] == ["Q0", "A0", "Q1", "A1 once more"]
    assert messages[3]["versions"] == answers
    assert messages[2]["versions"] == [messages[2]["id"]]
    assert (messages[2]["run_id"], messages[2]["status"]) == (messages[3]["run_id"], "completed")

    assert (await talk.client.post(f"/api/messages/{answers[1]}/activate")).status_code == 200
    assert await talk.texts() == ["Q0", "A0", "Q1", "A1 again"]
    await talk.say("Q2", "A2")
    assert talk.told[-1] == ["Q0", "A0", "Q1", "A1 again"]


async def test_the_same_request_sent_again_begins_nothing(talk: Talk) -> None:
    await talk.say("Q0", "A0")
    edit = input_of("Q0 new", message_id="m-2") | {"forwardedProps": {"replaces": await talk.id_of("Q0")}}
    first = await ask(talk.client, talk.space_id, edit)
    assert await ask(talk.client, talk.space_id, edit) == first
    again = {"threadId": "t-1", "runId": "r-again", "forwardedProps": {"regenerate": "m-2"}}
    second = await ask(talk.client, talk.space_id, again)
    assert await ask(talk.client, talk.space_id, again) == second
    assert len((await talk.messages())[-1]["versions"]) == 2


async def test_a_question_that_is_deleted_is_known_to_no_version_of_its_answer(
    talk: Talk, database: Database, person: Person
) -> None:
    await talk.say("Q0", "A0")
    question, answer = [item["id"] for item in await talk.messages()]
    await talk.again(answer, "A0 again")
    await database.fetch(person.principal, "delete from chat_messages where id = %s returning 1", (question,))
    assert (await talk.client.post(f"/api/messages/{answer}/activate")).status_code == 200

    await talk.say("Q1", "A1")

    assert talk.told[-1] == []


async def test_a_question_may_follow_any_message(talk: Talk) -> None:
    for number in range(3):
        await talk.say(f"Q{number}", f"A{number}")

    await talk.say("Else", "Other", parent=await talk.id_of("A0"))

    assert await talk.texts() == ["Q0", "A0", "Else", "Other"]
    assert talk.told[-1] == ["Q0", "A0"]


async def test_messages_are_known_by_the_clients_ids_too(talk: Talk) -> None:
    await ask(talk.client, talk.space_id, input_of("Q0", message_id="mine"))
    await talk.say("Q0 new", "A0 new", replaces="mine")

    assert await talk.texts() == ["Q0 new", "A0 new"]


async def test_an_answer_that_failed_can_be_given_anew(talk: Talk) -> None:
    async def fails(_: Turn, record: TurnRecord) -> AsyncGenerator[MentorEvent, None]:
        record.text = "Half"
        yield TextDelta("Half")
        raise RuntimeError

    talk.script.script = fails
    await ask(talk.client, talk.space_id, input_of("Q0"))
    assert (await talk.messages())[1]["status"] == "failed"

    await talk.again(await talk.id_of("Half"), "Whole")

    messages = await talk.messages()
    assert [(item["message"], item["status"]) for item in messages] == [("Q0", "completed"), ("Whole", "completed")]
    assert talk.told[-1] == []


async def test_nothing_is_changed_while_an_answer_is_under_way(talk: Talk) -> None:
    await talk.say("Q0", "A0")
    question, answer = [item["id"] for item in await talk.messages()]
    gate = asyncio.Event()
    talk.script.script = says_and_waits("One", " two", gate=gate)
    body = input_of("Q1", run_id="r-1")
    async with talk.client.stream("POST", f"/api/spaces/{talk.space_id}/agent", json=body) as response:
        async for _, event in read_stream(response):
            if event["type"] == "TEXT_MESSAGE_CONTENT" and not gate.is_set():
                for props in ({"replaces": question}, {"regenerate": answer}, {"parent": answer}):
                    assert await talk.refused(forwardedProps=props) == (409, "run_active")
                shown = await talk.client.post(f"/api/messages/{answer}/activate")
                assert (shown.status_code, shown.json()["code"]) == (409, "run_active")
                gate.set()
    assert await talk.texts() == ["Q0", "A0", "Q1", "One two"]


async def test_edits_that_come_at_once_are_made_one_after_the_other_or_refused(talk: Talk) -> None:
    await talk.say("Q0", "A0")
    talk.script.script = says("Edited.")
    props = {"forwardedProps": {"replaces": await talk.id_of("Q0")}}

    def edit(number: int) -> Any:
        return talk.client.post(f"/api/spaces/{talk.space_id}/agent", json=input_of(f"E{number}") | props)

    answers = await asyncio.gather(*(edit(number) for number in range(6)))

    made = [answer.status_code for answer in answers].count(200)
    assert made >= 1
    assert {answer.status_code for answer in answers} <= {200, 409}
    messages = await talk.messages()
    assert len(messages) == 2
    assert len(messages[0]["versions"]) == 1 + made


async def test_what_is_not_there_cannot_be_gone_back_to(
    talk: Talk, offline_service: LiveService, make_person: MakePerson
) -> None:
    await talk.say("Q0", "A0")
    question = await talk.id_of("Q0")
    bob = await make_person()

    for message in (str(uuid4()), "no such", "x" * 200):
        for relation in ("replaces", "parent", "regenerate"):
            assert await talk.refused(forwardedProps={relation: message}) == (404, "unknown_message")
    assert await talk.refused(threadId="t-2", forwardedProps={"replaces": question}) == (404, "unknown_message")
    assert (await talk.refused(forwardedProps={"replaces": question, "parent": question}))[0] == 422
    assert (await talk.refused(forwardedProps={"replaces": 7}))[0] == 422
    for relation in ("replaces", "parent", "regenerate"):
        for message in ("", "x" * 201, "no\0"):
            assert await talk.refused(forwardedProps={relation: message}) == (422, "invalid")
    async with offline_service.client(offline_service.token(bob.id)) as http:
        body = input_of("Mine?") | {"forwardedProps": {"replaces": question}}
        assert (await http.post(f"/api/spaces/{bob.space_id}/agent", json=body)).status_code == 404
        assert (await http.post(f"/api/messages/{question}/activate")).status_code == 404
    assert await talk.texts() == ["Q0", "A0"]


@pytest.mark.parametrize("props", [None, {}, {"other": 1}, "text", [1], {"replaces": None}])
async def test_what_else_is_forwarded_is_let_be(talk: Talk, props: Any) -> None:
    talk.script.script = says("A0")
    await ask(talk.client, talk.space_id, input_of("Q0") | {"forwardedProps": props})
    assert await talk.texts() == ["Q0", "A0"]


async def test_a_message_far_up_is_edited_in_a_long_conversation(
    talk: Talk, database: Database, person: Person
) -> None:
    await plant_turns(database, person, 100)
    third = (await talk.messages())[4]

    await talk.say("Else?", "Yes.", replaces=third["id"])

    assert await talk.texts() == ["Question 0?", "Answer 0 ", "Question 1?", "Answer 1 ", "Else?", "Yes."]
    assert (await talk.client.post(f"/api/messages/{third['id']}/activate")).status_code == 200
    thread = (await talk.client.get(f"/api/spaces/{talk.space_id}/threads/t-1")).json()
    assert thread["message_count"] == 202


@given(st.lists(st.tuples(st.sampled_from(["say", "replace", "follow", "show"]), st.integers(0, 99)), max_size=10))
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_however_it_is_edited_one_branch_is_shown_and_known_to_its_beginning(
    server: Server, steps: list[tuple[str, int]]
) -> None:
    with connect(server.url) as connection, connection.transaction(force_rollback=True):
        tree = Tree(connection)
        for step, choice in steps:
            tree.take(step, choice)
            tree.check()


def test_a_turn_follows_none_of_another_conversation(server: Server) -> None:
    with connect(server.url) as connection, connection.transaction(force_rollback=True):
        ada, bob = Tree(connection), Tree(connection)
        ada.take("say", 0)
        left = ada.shown
        ada.take("replace", 0)

        bob.add(left, told=True)

        bob.follows = dict.fromkeys(bob.follows)
        bob.check()
        ada.check()


class Tree:
    """A conversation in the database, and beside it what it should be: the turn that each turn follows."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._run = connection.execute
        self._person, self._space, goal = uuid4(), uuid4(), uuid4()
        self._run("insert into auth.users (id) values (%s)", (self._person,))
        self._run("insert into users (id, email) values (%s, %s)", (self._person, f"{self._person}@example.org"))
        self._run("insert into goals (id, user_id, title) values (%s, %s, 'Sail')", (goal, self._person))
        self._run(
            "insert into spaces (id, goal_id, user_id, title) values (%s, %s, %s, 'Sea')",
            (self._space, goal, self._person),
        )
        self.follows: dict[UUID, UUID | None] = {}
        self.shown: UUID | None = None

    def take(self, step: str, choice: int) -> None:
        known = list(self.follows)
        chosen = known[choice % len(known)] if known else None
        if step == "show" and chosen is not None:
            leaf = chosen
            while later := [run for run, before in self.follows.items() if before == leaf]:
                leaf = later[-1]
            self._run("select private.show_branch(%s, %s, 't', %s)", (self._person, self._space, leaf))
            self.shown = leaf
        elif step != "show":
            before = {"say": self.shown, "follow": chosen, "replace": self.follows.get(chosen) if chosen else None}[
                step
            ]
            self.add(before, told=step != "say")

    def add(self, before: UUID | None, *, told: bool) -> None:
        follows = str(before or "nothing") if told else ""
        self._run("select set_config('assistant.follows', %s, true)", (follows,))
        added: Any = self._run(
            "insert into assistant.runs (user_id, space_id, thread_id, client_run_id, process, lease_until, status, "
            "finished_at, created_at) values (%s, %s, 't', %s, gen_random_uuid(), now(), 'completed', now(), "
            "clock_timestamp()) returning id",
            (self._person, self._space, uuid4().hex),
        ).fetchone()
        self._run(
            "insert into assistant.run_steps (run_id, n, role, blocks) values (%s, 0, 'user', "
            "jsonb_build_array(repeat('x', %s)))",
            (added[0], 2 ** len(self.follows) % 4093),
        )
        self.follows[added[0]] = before
        self.shown = added[0]

    def path(self, run: UUID | None) -> list[UUID]:
        return [] if run is None else [*self.path(self.follows[run]), run]

    def check(self) -> None:
        rows: Any = self._run(
            "select r.id, r.parent_id, r.is_active, r.history_size, private.size_of_steps(r.id) from assistant.runs r "
            "where r.user_id = %s",
            (self._person,),
        ).fetchall()
        stored = {run: (parent, active, size, own) for run, parent, active, size, own in rows}
        assert {run: parent for run, (parent, *_) in stored.items()} == self.follows
        assert {run for run, (_, active, *_) in stored.items() if active} == set(self.path(self.shown))
        for run, (parent, _, size, _) in stored.items():
            assert size == sum(stored[before][3] for before in self.path(parent)), run
