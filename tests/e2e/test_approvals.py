"""Approvals as people meet them: in a terminal, and across servers that are killed."""

import asyncio
import json
import os
import pty
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import httpx2
import psycopg
import pytest

from assistant.db.embedded import start_embedded
from assistant.db.engine import libpq_url
from tests.e2e.conftest import Event, KeywordModel, Learner, Seed, Stream, eventually
from tests.fixtures.processes import GOALSPACE, Installation
from tests.fixtures.scripted_model import Reply, ToolUse, opening, say

NEVER: Final = asyncio.Event()

Connection = psycopg.AsyncConnection[Any]


@pytest.fixture(scope="module")
async def installation(
    seed: Seed, model: KeywordModel, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    copied = seed.installation.copy_to(tmp_path_factory.mktemp("approvals"), ANTHROPIC_BASE_URL=model.base_url)
    try:
        yield copied
    finally:
        await copied.close()


@pytest.fixture(scope="module")
async def connection(installation: Installation) -> AsyncIterator[Connection]:
    """To the installation's database, as its owner; it also keeps the database from being started anew each time."""
    share = await start_embedded(installation.data_dir)
    async with await psycopg.AsyncConnection.connect(libpq_url(share.url), autocommit=True) as opened:
        yield opened
    await asyncio.to_thread(share.close)


async def titles(connection: Connection, title: str) -> list[str]:
    found = await connection.execute("select title from tasks where title like %s order by title", (f"{title}%",))
    return [row[0] for row in await found.fetchall()]


# --- in the terminal --------------------------------------------------------------------------------------------------


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, process: asyncio.subprocess.Process, keyboard: int) -> None:
        self.process = process
        self.shown = ""
        self._keyboard = keyboard
        self._new = asyncio.Event()
        self._position = 0
        asyncio.get_running_loop().add_reader(keyboard, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._keyboard, 65536)
        except OSError:  # the command has ended
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._keyboard)
        self.shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", data.decode("utf-8", "replace"))
        self._new.set()

    async def until(self, words: str) -> str:
        """What was shown since the last time, up to these words."""
        async with asyncio.timeout(60):
            while words not in self.shown[self._position :]:
                self._new.clear()
                await self._new.wait()
        end = self.shown.index(words, self._position) + len(words)
        seen, self._position = self.shown[self._position : end], end
        return seen

    def type(self, line: str) -> None:
        os.write(self._keyboard, f"{line}\n".encode())

    def end(self) -> None:
        os.write(self._keyboard, b"\x04")


async def on_a_terminal(installation: Installation, *arguments: str) -> Terminal:
    keyboard, screen = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        GOALSPACE,
        *arguments,
        env={**installation.environment({}), "TERM": "dumb"},
        cwd=installation.folder,
        stdin=screen,
        stdout=screen,
        stderr=screen,
        start_new_session=True,
    )
    os.close(screen)
    return Terminal(process, keyboard)


async def test_in_the_terminal_one_is_approved_one_edited_one_rejected_one_undone(
    installation: Installation, seed: Seed, model: KeywordModel, connection: Connection
) -> None:
    added = await connection.execute(
        "insert into modules (space_id, title, content_type) values (%s, 'Knots', 'text') returning id", (seed.space,)
    )
    module = str((await added.fetchone())[0])  # type: ignore[index]

    def plan(body: Mapping[str, Any]) -> Reply:
        if '"tool_result"' in json.dumps(body["messages"][-1]["content"]):
            return say("That is the plan.")
        return say(
            "Let me plan that.",
            ToolUse("create_goal", {"title": "Sail to Elba"}, id="a"),
            ToolUse("create_task", {"title": "Terminal: tie a knot"}, id="b"),
            ToolUse("update_module_progress", {"module_id": module, "completion_percentage": 50}, id="c"),
        )

    greeting = json.dumps({"greeting": "Ahoy [Ada]!", "suggested_prompts": ["What next?"]})
    await connection.execute("update spaces set ai_mentor_config = %s where id = %s", (greeting, seed.space))
    model.on("Plan it", plan)
    terminal = await on_a_terminal(installation, "chat", seed.space)
    try:
        assert "Ahoy [Ada]!\n· What next?\n" in await terminal.until("\n> ")
        terminal.type("Plan it")
        shown = await terminal.until("Enter: later > ")
        assert "Create the goal “Sail to Elba”?" in shown
        terminal.type("y")
        assert "Terminal: tie a knot" in await terminal.until("Enter: later > ")
        terminal.type("e")
        await terminal.until("title [Terminal: tie a knot]: ")
        terminal.type("Terminal: tie two knots")
        await terminal.until("description []: ")
        terminal.type("")
        await terminal.until("priority [medium]: ")
        terminal.type("high")
        for name in ("due_date", "module_id"):
            await terminal.until(f"{name} []: ")
            terminal.type("")
        assert "“Knots” from 0 % to 50 %?" in await terminal.until("Enter: later > ")
        terminal.type("n")
        shown = await terminal.until("That is the plan.")
        assert "update module progress: not done" in shown
        await terminal.until("\n> ")
        stored = await connection.execute("select title, priority from tasks where title like 'Terminal:%'")
        assert await stored.fetchall() == [("Terminal: tie two knots", "high")]
        terminal.type("/undo")
        assert "This was undone." in await terminal.until("\n> ")
        assert await titles(connection, "Terminal:") == []
        goals = await connection.execute("select status from goals where title = 'Sail to Elba'")
        assert await goals.fetchall() == [("active",)]
        terminal.end()
        assert await asyncio.wait_for(terminal.process.wait(), 40) == 0
    finally:
        if terminal.process.returncode is None:
            terminal.process.kill()
            await terminal.process.wait()


async def test_without_a_terminal_nobody_is_asked(
    installation: Installation, seed: Seed, model: KeywordModel, connection: Connection
) -> None:
    model.on("in a pipe", say("I would.", ToolUse("create_task", {"title": "Piped"})))
    done = await installation.run("chat", seed.space, "Do it in a pipe")
    assert (done.code, done.err) == (0, "")
    assert "Waits for your word: Create the task “Piped”?" in done.out
    assert await titles(connection, "Piped") == []


# --- killed -----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def learner(installation: Installation, seed: Seed) -> AsyncIterator[Learner]:
    service = await installation.running_service()
    async with service.client(seed.token) as http:
        yield Learner(http, seed.space)


async def propose(learner: Learner, model: KeywordModel, title: str, then: Reply | None = None) -> tuple[str, str]:
    """Id and thread of what waits for an answer; `then` is what the model says to the outcome."""
    after = then or say("Noted.")
    task = say(ToolUse("create_task", {"title": title}))
    model.on(
        f"Do {title}", lambda body: after if '"tool_result"' in json.dumps(body["messages"][-1]["content"]) else task
    )
    events = await learner.ask(f"Do {title}", thread=title)
    [interrupt] = events[-1]["outcome"]["interrupts"]
    return interrupt["id"], title


async def kill(installation: Installation) -> None:
    await (await installation.running_service()).kill()


async def restarted(installation: Installation, seed: Seed) -> Learner:
    service = await installation.running_service()
    return Learner(service.client(seed.token), seed.space)


async def action(learner: Learner, action_id: str) -> Event:
    found: Event = (await learner.http.get(f"/api/actions/{action_id}")).raise_for_status().json()
    return found


async def test_killed_while_it_is_proposed(
    installation: Installation,
    seed: Seed,
    model: KeywordModel,
    learner: Learner,
    connection: Connection,
) -> None:
    proposed, thread = await propose(learner, model, "Proposed")
    await kill(installation)
    after = await restarted(installation, seed)
    async with after.http:
        assert (await action(after, proposed))["status"] == "proposed"
        assert await titles(connection, "Proposed") == []
        answer = {"interruptId": proposed, "status": "resolved", "payload": {"approved": True}}
        body = {"threadId": thread, "runId": "resumed after the kill", "resume": [answer]}
        async with Stream(after.http, "POST", f"/api/spaces/{seed.space}/agent", body) as stream:
            events = [event async for event in stream]
        assert events[-1]["outcome"] == {"type": "success"}
        assert await titles(connection, "Proposed") == ["Proposed"]


async def test_killed_after_the_approval_while_it_is_done(
    installation: Installation,
    seed: Seed,
    model: KeywordModel,
    learner: Learner,
    connection: Connection,
) -> None:
    proposed, _ = await propose(learner, model, "Approved")
    async with connection.transaction():
        await connection.execute("lock table tasks in access exclusive mode")
        answering = asyncio.create_task(learner.http.post(f"/api/actions/{proposed}/approve"))

        async def is_approved() -> bool:
            row = await connection.execute("select status from assistant.mentor_actions where id = %s", (proposed,))
            return await row.fetchone() == ("approved",)

        await eventually(is_approved)
        await kill(installation)
        with pytest.raises(httpx2.HTTPError):
            await answering
    after = await restarted(installation, seed)
    async with after.http:
        said = await action(after, proposed)
        assert await titles(connection, "Approved") == (["Approved"] if said["status"] == "executed" else [])
        again = await after.http.post(f"/api/actions/{proposed}/approve")
        assert (again.status_code, again.json()["status"]) == (200, "executed")
        assert await titles(connection, "Approved") == ["Approved"]


async def test_killed_when_it_is_done_and_the_model_is_told(
    installation: Installation,
    seed: Seed,
    model: KeywordModel,
    learner: Learner,
    connection: Connection,
) -> None:
    proposed, thread = await propose(learner, model, "Executed", then=Reply([opening(), NEVER]))
    answer = {"interruptId": proposed, "status": "resolved", "payload": {"approved": True}}
    body = {"threadId": thread, "runId": "killed", "resume": [answer]}
    async with Stream(learner.http, "POST", f"/api/spaces/{seed.space}/agent", body) as stream:
        await stream.until("TOOL_CALL_RESULT")
        await kill(installation)
    after = await restarted(installation, seed)
    async with after.http:
        said = await action(after, proposed)
        assert (said["status"], said["message"]) == ("executed", "The task “Executed” was created.")

        async def is_marked() -> bool:
            return bool((await after.run("killed"))["status"] == "interrupted")

        await eventually(is_marked)
        for way in ("approve", "reject"):
            assert (await after.http.post(f"/api/actions/{proposed}/{way}")).json()["status"] == "executed"
        assert await titles(connection, "Executed") == ["Executed"]
