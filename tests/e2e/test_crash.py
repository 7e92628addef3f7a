"""Servers that are killed in mid-answer: what was acknowledged is kept, what was streamed is kept and marked."""

import asyncio
import json
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from assistant.mentor.history import UNFINISHED
from tests.e2e.conftest import (
    EMAIL,
    Event,
    KeywordModel,
    Learner,
    RefusedError,
    Seed,
    Stream,
    eventually,
    numbers,
    text_of,
)
from tests.fixtures.processes import Installation, Service
from tests.fixtures.scripted_model import Reply, ToolUse, block, ending, event, opening, say

MARKED_SECONDS: Final = 10.0
"""After a server is ready, nothing that a dead one left looks alive any more."""

NEVER: Final = asyncio.Event()
TASKS: Final = ToolUse("list_tasks", {"status": "open"})


@pytest.fixture(scope="module")
async def installation(
    seed: Seed, model: KeywordModel, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    copied = seed.installation.copy_to(tmp_path_factory.mktemp("crash"), ANTHROPIC_BASE_URL=model.base_url)
    model.on("anything else", say("Still ", "here."))
    try:
        yield copied
    finally:
        await copied.close()


@pytest.fixture
async def service(installation: Installation) -> Service:
    """The one that the test before has left running, or a new one."""
    return await installation.running_service()


# --- in mid-answer ----------------------------------------------------------------------------------------------------


def pieces(words: list[str]) -> list[bytes]:
    """A text block that has not ended."""
    return block(0, {"type": "text", "text": ""}, [{"type": "text_delta", "text": word} for word in words])[:-1]


def in_text(words: list[str]) -> Reply:
    return Reply([opening(), *pieces(words), NEVER])


def in_tool_call() -> Reply:
    start = {"type": "tool_use", "id": "toolu_1", "name": "create_task", "input": {}}
    delta = {"type": "input_json_delta", "partial_json": '{"title": "Buy a ro'}
    return Reply([opening(), *pieces(["One moment."]), *block(1, start, [delta])[:-1], NEVER])


def before_last_event(words: list[str]) -> Reply:
    return Reply([*say(*words).steps[:-1], NEVER])


@dataclass(slots=True)
class Moment:
    """A point in an answer at which its server dies."""

    name: str
    replies: list[Reply]
    """Of the first, the second … call of the model."""
    seen: str
    """The kind of the last event that the learner sees, which must have come `count` times before the kill."""
    text: str = ""
    """That the learner has seen by then."""
    stream: Stream | None = None
    run: str = field(default_factory=lambda: uuid4().hex)
    thread: str = field(default_factory=lambda: uuid4().hex)

    def reply(self, body: Mapping[str, Any]) -> Reply:
        return self.replies[sum('"tool_result"' in json.dumps(message) for message in body["messages"])]


def moments(chance: random.Random) -> list[Moment]:
    """Twelve of them, some at random places of a text."""
    word = ["Ahoy", " — ", "naïve", " 🧭", "\n\n", "- reef", " 中文", " **now**"]
    made = [
        Moment("no answer yet", [Reply(head_after=NEVER)], "RUN_STARTED"),
        Moment("nothing said yet", [Reply([opening(), NEVER])], "RUN_STARTED"),
        Moment("in a tool call", [in_tool_call()], "TOOL_CALL_ARGS", "One moment."),
        Moment("after a tool", [say("Let me see.", TASKS), Reply(head_after=NEVER)], "TOOL_CALL_RESULT", "Let me see."),
        Moment("after two", [say("Ah.", TASKS), in_text(["None", "."])], "TEXT_MESSAGE_CONTENT", "Ah.\n\nNone."),
        Moment("all but the end", [before_last_event(["All ", "said."])], "TEXT_MESSAGE_CONTENT", "All said."),
    ]
    for number in range(6):
        words = chance.choices(word, k=chance.randint(1, 40))
        made.append(Moment(f"text {number}", [in_text(words)], "TEXT_MESSAGE_CONTENT", "".join(words)))
    return made


async def reach(moment: Moment, ada: Learner, model: KeywordModel) -> None:
    """Ask, and read until the answer stands where the server is to die."""
    question = f"{moment.name}?"
    model.on(question, moment.reply)
    moment.stream = await ada.begin(question, moment.thread, run=moment.run).__aenter__()
    async with asyncio.timeout(60):
        async for event in moment.stream:
            if event["type"] == moment.seen and text_of(moment.stream.seen) == moment.text:
                break
        await eventually(called(model, question, len(moment.replies)))


def called(model: KeywordModel, question: str, times: int) -> Callable[[], Awaitable[bool]]:
    async def is_called() -> bool:
        return len(model.calls(question)) >= times

    return is_called


async def test_killed_in_mid_answer(
    installation: Installation, service: Service, model: KeywordModel, seed: Seed
) -> None:
    dying = moments(random.Random(20261124))
    async with service.client(seed.token) as http:
        await asyncio.gather(*(reach(moment, Learner(http, seed.space), model) for moment in dying))
        await service.kill()
    service = await installation.running_service()
    ready = time.monotonic()
    async with service.client(seed.token) as http:
        ada = Learner(http, seed.space)
        for moment in dying:
            await ended(ada, moment.run, "interrupted")
        assert time.monotonic() - ready < MARKED_SECONDS
        await asyncio.gather(*(check_kept(ada, moment) for moment in dying))
        await asyncio.gather(*(check_goes_on(ada, moment, model) for moment in dying))


async def ended(ada: Learner, run: str, status: str) -> None:
    async def has_ended() -> bool:
        return bool((await ada.run(run))["status"] != "running")

    await eventually(has_ended)
    assert (await ada.run(run))["status"] == status


async def check_kept(ada: Learner, moment: Moment) -> None:
    """What the learner saw is what is there now, and it says how it ended."""
    assert moment.stream is not None
    whole = await ada.replay(moment.run)
    assert numbers(whole) == list(range(1, len(whole) + 1))
    assert whole[: len(moment.stream.seen)] == moment.stream.seen
    for after in range(len(whole) + 1):
        assert await ada.replay(moment.run, after) == whole[after:]
    assert (whole[-1]["type"], whole[-1]["code"]) == ("RUN_ERROR", "interrupted")
    opened = [each["type"].removesuffix("_START") for each in whole if each["type"].endswith("_START")]
    closed = [each["type"].removesuffix("_END") for each in whole if each["type"].endswith("_END")]
    assert sorted(opened) == sorted(closed)
    assert text_of(whole) == moment.text
    question, answer = await ada.messages(moment.thread)
    assert (question["message"], question["status"]) == (f"{moment.name}?", "interrupted")
    assert (answer["message"], answer["status"]) == (moment.text, "interrupted")
    assert answer["metadata"]["error"]["code"] == "interrupted"


async def check_goes_on(ada: Learner, moment: Moment, model: KeywordModel) -> None:
    """The next turn of the thread works, and knows what was said."""
    question = f"anything else about {moment.name}?"
    assert text_of(await ada.ask(question, moment.thread)) == "Still here."
    (told,) = model.calls(question)
    said = [
        part["text"]
        for message in told["messages"]
        if message["role"] == "assistant"
        for part in message["content"]
        if part["type"] == "text" and part["text"] != UNFINISHED
    ]
    assert "".join("".join(said).split()) == "".join(moment.text.split())


# --- two processes ----------------------------------------------------------------------------------------------------


async def test_runs_of_another_process_are_left_alone(
    installation: Installation, service: Service, model: KeywordModel, seed: Seed
) -> None:
    gates = {name: asyncio.Event() for name in ("first", "second")}
    for name, gate in gates.items():
        model.on(f"{name} process", Reply([opening(), *pieces([name]), gate, *finish()]))
    second = await installation.serve(port=0)
    async with service.client(seed.token) as one, second.client(seed.token) as other:
        dies = await Learner(one, seed.space).begin("first process", run="first-run").__aenter__()
        lives = await Learner(other, seed.space).begin("second process", run="second-run").__aenter__()
        await asyncio.gather(dies.until("TEXT_MESSAGE_CONTENT"), lives.until("TEXT_MESSAGE_CONTENT"))
        await service.kill()
        ada = Learner(other, seed.space)
        await ended(ada, "first-run", "interrupted")
        assert (await ada.run("second-run"))["status"] == "running"
        gates["second"].set()
        assert (await lives.rest())[-1]["type"] == "RUN_FINISHED"
        assert text_of(lives.seen) == "second"
        assert text_of(await ada.replay("first-run")) == "first"
    assert await second.end() == 0


def finish() -> list[bytes]:
    """The end of an answer of one text."""
    return [event("content_block_stop", index=0), *ending()]


# --- acknowledged is stored, once -------------------------------------------------------------------------------------

CLIENTS: Final = 10
FALLS: Final = 3


async def test_acknowledged_is_stored_once(
    installation: Installation, service: Service, model: KeywordModel, seed: Seed
) -> None:
    chance = random.Random(1124)
    model.on("in a storm", say(*["word "] * 10, gap=0.02))
    async with service.client(seed.token) as http:
        space = (await Learner(http, seed.space).new_space()).space
    acknowledged: set[str] = set()
    is_over = asyncio.Event()
    async with asyncio.TaskGroup() as storm:
        for number in range(CLIENTS):
            storm.create_task(insist(service.address, seed.token, space, number, acknowledged, is_over))
        for fall in range(FALLS):
            at_least = len(acknowledged) + CLIENTS // 2
            await asyncio.sleep(chance.uniform(0.2, 1.0))
            await eventually(holds(acknowledged, at_least))
            await service.kill()
            if fall == 1:  # the machine goes down, and the database with it
                installation.kill_database()
            service = await installation.running_service()
        is_over.set()
    async with service.client(seed.token) as http:
        await check_stored_once(Learner(http, space), acknowledged)


def holds(acknowledged: set[str], count: int) -> Callable[[], Awaitable[bool]]:
    async def is_enough() -> bool:
        return len(acknowledged) >= count

    return is_enough


async def insist(
    address: str, token: str, space: str, client: int, acknowledged: set[str], is_over: asyncio.Event
) -> None:
    """Send one message after the other, each until the service says that it has it, and now and then once more."""
    chance, number = random.Random(client), 0
    async with httpx2.AsyncClient(base_url=address, headers={"authorization": f"Bearer {token}"}, timeout=30) as http:
        learner = Learner(http, space)
        while not is_over.is_set():
            message, number = f"storm-{client}-{number}", number + 1
            while message not in acknowledged or chance.random() < 0.2:
                try:
                    async with learner.begin("in a storm", message, message=message) as turn:
                        await turn.until("RUN_STARTED")
                        acknowledged.add(message)
                        if chance.random() < 0.5:
                            await turn.rest()
                except RefusedError as error:
                    if error.status != 503:
                        raise
                except httpx2.HTTPError:
                    await asyncio.sleep(chance.uniform(0.02, 0.2))


async def check_stored_once(learner: Learner, acknowledged: set[str]) -> None:
    messages = await learner.messages()
    questions = [message for message in messages if message["is_from_user"]]
    ids = [message["metadata"]["client_message_id"] for message in questions]
    assert len(acknowledged) > CLIENTS * FALLS / 2
    assert acknowledged <= set(ids)
    assert len(ids) == len(set(ids))
    await eventually(lambda: has_no_running(learner))
    answers = {message["thread_id"]: message for message in await learner.messages() if not message["is_from_user"]}
    whole = "word " * 10
    for question in questions:
        answer = answers.pop(question["thread_id"])
        assert answer["status"] in ("completed", "interrupted")
        assert whole.startswith(answer["message"])
        assert answer["status"] == "interrupted" or answer["message"] == whole
    assert not answers


async def has_no_running(learner: Learner) -> bool:
    return all(message["status"] != "running" for message in await learner.messages())


# --- told to end ------------------------------------------------------------------------------------------------------


async def test_told_to_end(installation: Installation, service: Service, model: KeywordModel, seed: Seed) -> None:
    """Not ready first; what can end does, what cannot is kept and marked; then the next process goes on."""
    gate = asyncio.Event()
    model.on("ends in time", Reply([opening(), *pieces(["In "]), gate, *finish()]))
    model.on("takes for ever", in_text(["Half"]))
    socket_url = f"{service.socket_address}/api/spaces/{seed.space}/agent/ws"
    protocols = [Subprotocol("ag-ui.v1"), Subprotocol(f"bearer.{seed.token}")]
    async with service.client(seed.token) as http, connect(socket_url, subprotocols=protocols) as socket:
        ada = Learner(http, seed.space)
        streaming = await ada.begin("ends in time", run="ends").__aenter__()
        await streaming.until("TEXT_MESSAGE_CONTENT")
        message = {"id": uuid4().hex, "role": "user", "content": "takes for ever"}
        await socket.send(json.dumps({"threadId": "socket", "runId": "endless", "messages": [message]}))
        seen: list[Event] = []
        while not text_of(seen):
            seen.append(json.loads(await socket.recv()))

        service.process.send_signal(signal.SIGTERM)
        told = time.monotonic()
        await eventually(lambda: is_unready(http), 5)
        assert (await http.get("/health/live")).status_code == 200
        assert (await ada.run("endless"))["status"] == "running"
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        gate.set()
        assert (await streaming.rest())[-1]["type"] == "RUN_FINISHED"
    assert await service.ended() == 0
    assert time.monotonic() - told < 30

    service = await installation.running_service()
    async with service.client(seed.token) as http:
        ada = Learner(http, seed.space)
        assert await ada.replay("ends") == streaming.seen
        whole = await ada.replay("endless")
        assert whole[: len(seen)] == seen
        assert whole[-1]["code"] == "interrupted"
        assert [each["status"] for each in await ada.messages("socket")] == ["interrupted", "interrupted"]


async def test_after_all_that_what_was_set_aside_is_settled_and_the_counters_are_right(
    installation: Installation, service: Service
) -> None:
    upkeep = await installation.ok("maintain")
    assert "0 left behind settled; all counters are right" in " ".join(upkeep.split())
    told = json.loads(await installation.ok("usage", EMAIL, "--json"))
    used = {each["resource"]: each for each in told["resources"]}
    assert used["tokens"]["used"] > 0
    assert {each["reserved"] for each in told["resources"]} == {0}
    assert used["concurrent_turns"]["used"] == 0


async def is_unready(http: httpx2.AsyncClient) -> bool:
    return (await http.get("/health/ready")).status_code == 503
