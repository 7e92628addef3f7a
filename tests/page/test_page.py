"""The page as people use it: ask, read, look at sources, stop, come back."""

import asyncio
import json
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, WebSocketRoute, expect

from assistant.app import create_app
from assistant.db.session import Database
from assistant.errors import ForbiddenError, UnavailableError
from assistant.llm.events import ToolInputDelta, ToolUseStarted
from assistant.mentor.events import Notice, ToolResult, ToolUseEnded
from assistant.page.demo import DemoSession
from assistant.settings import Settings
from tests.fixtures.database import MakePerson, Person
from tests.fixtures.http import serve_app
from tests.fixtures.scripted_model import ScriptedModel, say
from tests.page.conftest import Demo, OpenPage, Step, Watch, add_document, open_demo, until

pytestmark = pytest.mark.browser

HANDBOOK = (
    "# Sailing handbook\n\n## Knots\n\nThe *bowline* makes a loop that does not slip.\n\n- 🎓 Leave a long tail.\n"
)


async def ask(page: Page, text: str) -> None:
    await page.locator("#connection:not([data-state=connecting])").wait_for()
    await page.get_by_role("textbox").fill(text)
    await page.keyboard.press("Enter")


async def stored(database: Database, person: Person) -> list[tuple[bool, str]]:
    """All messages of the person: whether it is a question, and its text."""
    async with database.transaction(person.principal) as connection:
        rows = await connection.exec_driver_sql(
            "select is_from_user, message from chat_messages order by created_at, is_from_user desc"
        )
        return [(row.is_from_user, row.message) for row in rows]


# --- ask and read -----------------------------------------------------------------------------------------------------


async def test_a_question_goes_all_the_way_to_a_model_and_back(
    settings: Settings, make_person: MakePerson, model_server: ScriptedModel, open_page: OpenPage
) -> None:
    """Nothing between the browser and the provider's address is a double."""
    person = await make_person()
    scripted = settings.model_copy(update={"anthropic_base_url": model_server.base_url})
    model_server.script(say("A **bowline** makes a loop ", "that does not slip [1]."))
    app = create_app(scripted, demo=DemoSession(person.id, person.space_id))
    async with serve_app(app, scripted) as service, service.client(service.token(person.id)) as client:
        body = {"title": "Sailing handbook", "content": HANDBOOK}
        made = (await client.post(f"/api/spaces/{person.space_id}/documents", json=body)).json()

        async def indexed() -> bool:
            read = (await client.get(f"/api/documents/{made['id']}")).json()
            return bool(read["indexing"]["status"] == "ready")

        await until(indexed)
        page = await open_page(service.address)
        await ask(page, "Which knot makes a loop that does not slip?")
        await expect(page.locator(".prose strong")).to_have_text("bowline")
        await expect(page.locator(".source .place")).to_have_text("Sailing handbook › Knots")
        await page.get_by_role("button", name="Source 1: Sailing handbook", exact=True).click()
        await expect(page.locator(".document mark").first).to_be_visible()
        marked = "".join(await page.locator(".document mark").all_inner_texts())
        assert "bowline makes a loop that does not slip." in marked


async def test_what_the_mentor_would_change_is_asked_for_and_can_be_set_back(
    settings: Settings, make_person: MakePerson, open_page: OpenPage, database: Database
) -> None:
    person = await make_person()
    app = create_app(settings, demo=DemoSession(person.id, person.space_id))

    async def tasks() -> list[str]:
        own = "select title from tasks where space_id = %s order by title"
        rows = await database.fetch(person.principal, own, (person.space_id,))
        return [title for (title,) in rows]

    async with serve_app(app, settings) as service:
        page = await open_page(service.address)
        await ask(page, "Add a task: tie a bowline")
        card = page.locator(".proposal")
        await expect(card).to_contain_text("Create the task “tie a bowline”?")
        await expect(page.locator(".tool")).to_have_count(0)
        assert await tasks() == []
        await card.get_by_role("button", name="Approve").click()
        await expect(card).to_contain_text("The task “tie a bowline” was created.")
        assert await tasks() == ["tie a bowline"]
        await page.reload()
        await card.get_by_role("button", name="Undo").click()
        await expect(card).to_contain_text("This was undone.")
        await expect(card).to_be_focused()
        await expect(card.get_by_role("button")).to_have_count(0)
        assert await tasks() == []


async def test_an_answer_grows_and_ends_with_its_sources(demo: Demo, page: Page, database: Database) -> None:
    document = await add_document(database, demo.person, HANDBOOK)
    quote = "The *bowline* makes a loop that does not slip."
    gate = asyncio.Event()
    demo.mentor.says("Use a **bow", gate, "line** [1].", citations=[document.cite(1, quote, heading="Knots", page=3)])
    await ask(page, "Which knot?")
    await expect(page.locator(".prose strong")).to_have_text("bow")
    await expect(page.locator(".sources")).to_have_count(0)
    await expect(page.locator(".answer")).to_have_attribute("aria-busy", "true")
    gate.set()
    await expect(page.locator(".prose strong")).to_have_text("bowline")
    await expect(page.locator(".source .place")).to_have_text("Sailing handbook › Knots, p. 3")
    await expect(page.locator(".source q")).to_have_text("The bowline makes a loop that does not slip.")
    await expect(page.locator(".answer")).to_have_attribute("aria-busy", "false")
    await page.reload()
    await expect(page.locator(".source q")).to_have_text("The bowline makes a loop that does not slip.")
    await expect(page.get_by_role("button", name="Source 1: Sailing handbook", exact=True)).to_be_visible()


@pytest.mark.parametrize("width", [1300, 390])
async def test_a_source_opens_at_the_quoted_words(demo: Demo, page: Page, database: Database, width: int) -> None:
    filler = "\n\n".join(f"Paragraph {number} of the filler." for number in range(2000))
    document = await add_document(database, demo.person, f"First.\n\n{filler}\n\n{HANDBOOK}\n{filler}")
    quote = "makes a loop that does not slip.\n\n- 🎓 Leave a long tail."
    demo.mentor.says("A bowline [1].", citations=[document.cite(1, quote)])
    await page.set_viewport_size({"width": width, "height": 700})
    await ask(page, "Which knot?")
    mark = page.get_by_role("button", name="Source 1: Sailing handbook", exact=True)
    await mark.focus()
    await page.keyboard.press("Enter")
    panel = page.get_by_role("dialog", name="Sailing handbook")
    await expect(panel.get_by_role("heading", name="Sailing handbook").first).to_be_focused()
    await expect(panel.locator(".document mark").first).to_be_in_viewport()
    assert (
        "".join(await panel.locator(".document mark").all_inner_texts())
        == "makes a loop that does not slip.🎓 Leave a long tail."
    )
    await expect(panel.get_by_text("First.")).to_have_count(0)
    await panel.get_by_role("button", name="Show the whole document").first.click()
    await expect(panel.get_by_text("First.")).to_be_attached()
    await page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()
    await expect(mark).to_be_focused()


async def test_a_source_that_is_gone_or_changed_says_so_and_keeps_its_quote(
    demo: Demo, page: Page, database: Database, watch: Watch
) -> None:
    watch.expected = lambda fault: "404" in fault
    document = await add_document(database, demo.person, HANDBOOK)
    demo.mentor.says("A bowline [1].", citations=[document.cite(1, "a loop that does not slip")])
    await ask(page, "Which knot?")
    for statement, sentence in (
        ("update documents set content = 'Something else.' where id = %s", "was changed since"),
        ("delete from documents where id = %s", "not there any more"),
    ):
        async with database.transaction(demo.person.principal) as connection:
            await connection.exec_driver_sql(statement, (document.id,))
        await page.locator(".source").click()
        await expect(page.locator("#source-body")).to_contain_text(sentence)
        await expect(page.locator("#source-body mark")).to_have_text("a loop that does not slip")
        await page.keyboard.press("Escape")


async def test_an_answer_without_sources_says_so_and_unknown_marks_stay_text(demo: Demo, page: Page) -> None:
    without = page.get_by_text("Answered without sources")
    await ask(page, "Hi")
    await expect(page.locator(".prose")).to_have_text("Hello.")
    await expect(page.get_by_role("button", name="Send")).to_be_visible()
    await expect(without).to_have_count(0)
    demo.mentor.says("I guess so [7].", Notice("no_sources", {}))
    await ask(page, "Is it?")
    await expect(without).to_be_visible()
    await expect(page.locator(".prose").last).to_have_text("I guess so\u202f[7].")
    await page.reload()
    await expect(without).to_have_count(1)


async def test_a_suggestion_asks_it(demo: Demo, page: Page) -> None:
    await expect(page.get_by_role("heading", name="Ahoy! What shall we practise?")).to_be_visible()
    await page.get_by_role("button", name="How do I tie a bowline?").click()
    await expect(page.locator(".bubble")).to_have_text("How do I tie a bowline?")
    await expect(page.locator(".prose")).to_have_text("Hello.")
    assert demo.mentor.questions == ["How do I tie a bowline?"]


def tool(name: str, arguments: str, data: dict[str, Any], call: str) -> list[Step]:
    failed = data["status"] == "failed"
    return [
        ToolUseStarted(call, name),
        ToolInputDelta(call, arguments),
        ToolUseEnded(call),
        ToolResult(call, name, "{}", data, is_error=failed),
    ]


async def test_what_the_mentor_did_is_told_in_words_also_after_a_reload(demo: Demo, page: Page) -> None:
    demo.mentor.says(
        *tool("search_documents", '{"query": "knots"}', {"status": "done"}, "1"),
        *tool("create_task", '{"title": "Tie it"}', {"status": "not_done", "code": "rejected"}, "2"),
        *tool("update_module_progress", '{"completion_percentage": 50}', {"status": "failed", "code": "invalid"}, "3"),
        *tool("fly_to_moon", "{}", {"status": "done"}, "4"),
        "There.",
        Notice("limit_reached", {"limit": "writes"}),
        Notice("answer_cut", {"reason": "max_tokens"}),
        Notice("claim_not_backed", {"reason": "nothing", "claims": ["I've **added** it.", "Done."]}),
        Notice("claim_not_backed", {"reason": "partly", "claims": ["I've added two."]}),
        rounds=2,
    )
    cards = [
        "Searched the documentsknots",
        "New task: not doneTie it",
        "New progress: failed50%",
        "Tool fly_to_moon",
    ]
    await ask(page, "Do it")
    await expect(page.locator(".tool")).to_have_text(cards)
    notices = [
        "The mentor reached the limit of what one message may do.",
        "The answer was cut: it reached its greatest length.",
        "Nothing was changed, though the mentor says so: “I've added it.” “Done.”",
        "This was not done, or not all of it, though the mentor says so: “I've added two.”",
    ]
    await expect(page.locator(".notice")).to_have_text(notices)
    await expect(page.locator("#announcer")).to_contain_text("Nothing was changed")
    await page.reload()
    await expect(page.locator(".tool")).to_have_text(cards)
    await expect(page.locator(".notice")).to_have_text(notices)


async def test_a_failed_answer_keeps_its_text_and_can_be_asked_for_again(
    demo: Demo, page: Page, database: Database
) -> None:
    demo.mentor.says("It is ", UnavailableError("The model is overloaded.", code="model_overloaded"))
    await ask(page, "What is it?")
    problem = page.get_by_role("group", name="The answer broke off.")
    await expect(problem).to_contain_text("The model is overloaded.")
    await expect(page.locator(".prose")).to_have_text("It is")
    await page.reload()
    await expect(problem).to_contain_text("The model is overloaded.")
    demo.mentor.says("It is a knot.")
    await problem.get_by_role("button", name="Try again").click()
    await expect(page.locator(".prose")).to_have_text(["It is", "It is a knot."])
    assert [text for _, text in await stored(database, demo.person)] == [
        "What is it?",
        "It is ",
        "What is it?",
        "It is a knot.",
    ]


# --- stop -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["button", "escape"])
async def test_an_answer_can_be_stopped(demo: Demo, page: Page, database: Database, way: str) -> None:
    demo.mentor.says("One, two, ", asyncio.Event(), "three.")
    await ask(page, "Count")
    await expect(page.locator(".prose")).to_have_text("One, two,")
    if way == "button":
        await page.get_by_role("button", name="Stop").click()
    else:
        await page.keyboard.press("Escape")
    await expect(page.get_by_text("You stopped this answer.")).to_be_visible()
    await expect(page.get_by_role("button", name="Send")).to_be_visible()
    await expect(page.get_by_role("textbox")).to_be_focused()
    assert await stored(database, demo.person) == [(True, "Count"), (False, "One, two, ")]
    await page.reload()
    await expect(page.get_by_text("You stopped this answer.")).to_be_visible()


async def test_a_stopped_answer_keeps_its_sources(demo: Demo, page: Page, database: Database) -> None:
    document = await add_document(database, demo.person, HANDBOOK)
    citation = document.cite(1, "makes a loop that does not slip", heading="Knots")
    demo.mentor.says("A bowline [1] and ", asyncio.Event(), "more.", citations=[citation])
    await ask(page, "Which knot?")
    await expect(page.locator(".prose")).to_contain_text("and")
    await page.get_by_role("button", name="Stop").click()
    mark = page.get_by_role("button", name="Source 1: Sailing handbook", exact=True)
    for _ in range(2):
        await expect(page.get_by_text("You stopped this answer.")).to_be_visible()
        await expect(mark).to_be_visible()
        await expect(page.locator(".source .place")).to_have_text("Sailing handbook › Knots")
        await page.reload()


# --- lines that break -------------------------------------------------------------------------------------------------


async def test_a_reload_in_mid_answer_shows_the_rest_exactly_once(demo: Demo, page: Page) -> None:
    gates = [asyncio.Event(), asyncio.Event()]
    demo.mentor.says("One, ", gates[0], "two, ", gates[1], "three.")
    await ask(page, "Count")
    await expect(page.locator(".prose")).to_have_text("One,")
    await page.reload()
    await expect(page.locator(".prose")).to_have_text("One,")
    gates[0].set()
    await expect(page.locator(".prose")).to_have_text("One, two,")
    await page.reload()
    gates[1].set()
    await expect(page.locator(".prose")).to_have_text("One, two, three.")
    await expect(page.locator(".bubble")).to_have_text("Count")
    await expect(page.get_by_role("button", name="Send")).to_be_visible()


class Line:
    """The page's websockets, of which each can be cut, and what comes over them held back."""

    def __init__(self) -> None:
        self.sockets: list[WebSocketRoute] = []
        self.deaf = False
        self.echoes = 1
        self.lost: list[str] = []

    async def lay(self, context: BrowserContext) -> None:
        await context.route_web_socket("**/agent/ws", self._connect)

    async def cut(self) -> None:
        self.deaf = False
        await self.sockets[-1].close(code=1012)

    async def _connect(self, socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        self.sockets.append(socket)

        def to_page(message: str | bytes) -> None:
            if self.deaf:
                self.lost.append(str(message))
            else:
                for _ in range(self.echoes):
                    socket.send(message)

        socket.on_message(server.send)
        server.on_message(to_page)


@pytest.fixture
async def line(demo: Demo, open_page: OpenPage) -> tuple[Line, Page]:
    laid = Line()
    page = await open_page("about:blank")
    await laid.lay(page.context)
    await page.goto(demo.service.address)
    await page.locator("#connection[data-state=live]").wait_for()
    return laid, page


async def test_a_cut_line_resumes_where_it_broke(demo: Demo, line: tuple[Line, Page]) -> None:
    laid, page = line
    gate = asyncio.Event()
    demo.mentor.says("One, ", gate, "two, three.")
    await ask(page, "Count")
    await expect(page.locator(".prose")).to_have_text("One,")
    await laid.cut()
    await expect(page.locator("#connection")).to_have_attribute("data-state", "resuming")
    gate.set()
    await expect(page.locator(".prose")).to_have_text("One, two, three.")
    await expect(page.locator("#connection")).to_have_text("Connected")
    assert len(laid.sockets) == 2


async def test_a_message_whose_arrival_nobody_confirmed_is_sent_again_and_stored_once(
    demo: Demo, line: tuple[Line, Page], database: Database
) -> None:
    laid, page = line
    laid.deaf = True
    await ask(page, "Count")

    async def answered() -> bool:
        return len(await stored(database, demo.person)) == 2

    await until(answered)
    await laid.cut()
    await expect(page.locator(".prose")).to_have_text("Hello.")
    assert demo.mentor.questions == ["Count"]
    assert await stored(database, demo.person) == [(True, "Count"), (False, "Hello.")]


async def test_events_that_come_twice_count_once(demo: Demo, line: tuple[Line, Page]) -> None:
    laid, page = line
    laid.echoes = 2
    demo.mentor.says(*tool("list_tasks", "{}", {"status": "done"}, "1"), *"One, two, three.")
    await ask(page, "Count")
    await expect(page.locator(".prose")).to_have_text("One, two, three.")
    await expect(page.locator(".tool")).to_have_count(1)


async def test_events_of_another_run_are_not_taken(demo: Demo, line: tuple[Line, Page]) -> None:
    laid, page = line
    gate = asyncio.Event()
    demo.mentor.says("One, ", gate, "two.")
    await ask(page, "Count")
    await expect(page.locator(".prose")).to_have_text("One,")
    told = {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "nine, ", "metadata": {"runId": "r", "seq": 4}}
    laid.sockets[-1].send(json.dumps(told))
    gate.set()
    await expect(page.locator(".prose")).to_have_text("One, two.")
    await expect(page.get_by_role("button", name="Send")).to_be_visible()


async def test_lost_events_are_asked_for_again(demo: Demo, line: tuple[Line, Page]) -> None:
    laid, page = line
    gates = [asyncio.Event(), asyncio.Event()]
    demo.mentor.says("One, ", gates[0], "two, ", gates[1], "three.")
    await ask(page, "Count")
    await expect(page.locator(".prose")).to_have_text("One,")
    laid.deaf = True
    gates[0].set()

    async def lost() -> bool:
        return any("two, " in message for message in laid.lost)

    await until(lost)
    laid.deaf = False
    gates[1].set()
    await expect(page.locator(".prose")).to_have_text("One, two, three.")


async def test_a_message_written_offline_waits_also_over_a_reload_of_the_line(
    demo: Demo, page: Page, watch: Watch, database: Database
) -> None:
    watch.expected = lambda fault: "ERR_INTERNET_DISCONNECTED" in fault or "WebSocket" in fault
    await page.context.set_offline(True)
    await expect(page.locator("#connection")).to_have_text("Offline, trying again")
    await ask(page, "Are you there?")
    await expect(page.get_by_text("Waiting to be sent")).to_be_visible()
    await page.context.set_offline(False)
    await expect(page.locator(".prose")).to_have_text("Hello.")
    assert [text for _, text in await stored(database, demo.person)] == ["Are you there?", "Hello."]


@pytest.fixture
def no_socket(demo: Demo, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Websockets do not get through, as behind some proxies."""

    def refuse(*_: object) -> None:
        raise ForbiddenError("No sockets here.")

    monkeypatch.setattr(demo.service.app.state.services.gate, "check_origin", refuse)
    watch.expected = lambda fault: "WebSocket connection" in fault


async def test_without_websockets_the_same_works_over_server_sent_events(
    no_socket: None, demo: Demo, page: Page
) -> None:
    gate = asyncio.Event()
    demo.mentor.says("One, ", gate, "two.")
    await expect(page.locator("#connection")).to_have_text("Connected without websocket")
    await ask(page, "Count")
    await expect(page.locator(".prose")).to_have_text("One,")
    await page.reload()
    await expect(page.locator(".prose")).to_have_text("One,")
    gate.set()
    await expect(page.locator(".prose")).to_have_text("One, two.")
    demo.mentor.says("Never ", asyncio.Event(), "ending.")
    await ask(page, "Again")
    await expect(page.locator(".prose").last).to_have_text("Never")
    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_text("You stopped this answer.")).to_be_visible()


async def test_events_that_break_off_are_resumed_over_http(
    no_socket: None, demo: Demo, page: Page, watch: Watch
) -> None:
    watch.expected = lambda fault: "WebSocket" in fault or "ERR_INTERNET_DISCONNECTED" in fault or "ERR_" in fault
    gate = asyncio.Event()
    demo.mentor.says("One, ", gate, "two.")
    await ask(page, "Count")
    await expect(page.locator(".prose")).to_have_text("One,")
    await page.context.set_offline(True)
    await expect(page.locator("#connection")).to_have_attribute("data-state", "offline")
    gate.set()
    await page.context.set_offline(False)
    await expect(page.locator(".prose")).to_have_text("One, two.")


async def test_two_tabs_show_the_same_conversation(demo: Demo, page: Page) -> None:
    other = await page.context.new_page()
    await other.goto(demo.service.address)
    await other.locator("#connection[data-state=live]").wait_for()
    gate = asyncio.Event()
    demo.mentor.says("One, ", gate, "two.")
    await ask(page, "Count")
    await expect(other.locator(".prose")).to_have_text("One,")
    await expect(other.get_by_role("button", name="Stop")).to_be_visible()
    gate.set()
    await expect(other.locator(".prose")).to_have_text("One, two.")
    await expect(other.locator(".bubble")).to_have_count(1)


async def test_a_conversation_that_is_answered_elsewhere_gives_the_message_back(
    demo: Demo, page: Page, watch: Watch
) -> None:
    """Another device asks in the same conversation; no tab tells this one."""
    demo.mentor.says("One, ", asyncio.Event())
    thread = await page.evaluate(
        "localStorage.getItem(Object.keys(localStorage).find((key) => key.includes('thread')))"
    )
    async with demo.service.client(demo.service.token(demo.person.id)) as client:
        body = {"threadId": thread, "runId": "r", "messages": [{"id": "m", "role": "user", "content": "Elsewhere"}]}
        async with client.stream("POST", f"/api/spaces/{demo.person.space_id}/agent", json=body) as response:
            assert response.status_code == 200
            await ask(page, "Mine")
            await expect(page.locator("#banner")).to_have_text("The mentor is still answering in this conversation.")
            await expect(page.locator(".bubble")).to_have_text("Elsewhere")
            await expect(page.get_by_role("textbox")).to_have_value("Mine")
            await page.get_by_role("button", name="Stop").click()
            await expect(page.get_by_text("You stopped this answer.")).to_be_visible()


# --- the composer -----------------------------------------------------------------------------------------------------


async def test_a_draft_survives_a_reload_and_belongs_to_its_conversation(demo: Demo, page: Page) -> None:
    await ask(page, "First")
    await expect(page.locator(".prose")).to_have_text("Hello.")
    box = page.get_by_role("textbox")
    await box.fill("half a tho")
    await page.reload()
    await expect(box).to_have_value("half a tho")
    await page.get_by_role("button", name="New conversation").click()
    await expect(box).to_have_value("")
    await page.get_by_role("button", name="Back to the previous conversation").click()
    await expect(box).to_have_value("half a tho")
    await expect(page.locator(".bubble")).to_have_text("First")


async def test_enter_sends_but_not_while_composing_and_not_with_shift(demo: Demo, page: Page) -> None:
    box = page.get_by_role("textbox")
    await box.fill("にほん")
    await box.dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    await expect(page.locator(".bubble")).to_have_count(0)
    await box.press("Shift+Enter")
    await box.press_sequentially("go")
    await expect(box).to_have_value("にほん\ngo")
    await box.press("Enter")
    await expect(page.locator(".bubble")).to_have_text("にほん\ngo")


async def test_one_can_write_but_not_send_while_the_mentor_answers(demo: Demo, page: Page) -> None:
    gate = asyncio.Event()
    demo.mentor.says("One, ", gate, "two.")
    await ask(page, "Count")
    await expect(page.locator(".prose")).to_have_text("One,")
    await ask(page, "Next")
    await expect(page.get_by_role("textbox")).to_have_value("Next")
    await expect(page.locator(".bubble")).to_have_count(1)
    gate.set()
    await expect(page.get_by_role("button", name="Send")).to_be_enabled()
    await expect(page.get_by_role("textbox")).to_have_value("Next")


async def test_a_text_that_is_too_long_is_counted_and_not_sent(demo: Demo, page: Page) -> None:
    box = page.get_by_role("textbox")
    await box.fill("x" * 31_999)
    await expect(page.locator("#composer-note")).to_have_text("1 character left")
    await box.fill("x" * 33_000)
    await expect(page.locator("#composer-note")).to_contain_text("1,000 characters too many")
    await expect(page.get_by_role("button", name="Send")).to_be_disabled()


async def test_a_new_conversation_leaves_the_running_answer_to_itself(
    demo: Demo, page: Page, database: Database
) -> None:
    gate = asyncio.Event()
    demo.mentor.says("One, ", gate, "two.")
    await ask(page, "Count")
    await expect(page.locator(".prose")).to_have_text("One,")
    await page.get_by_role("button", name="New conversation").click()
    await expect(page.locator(".bubble")).to_have_count(0)
    demo.mentor.says("Something else.")
    await ask(page, "Other")
    await expect(page.locator(".prose")).to_have_text("Something else.")
    gate.set()

    async def ended() -> bool:
        return (False, "One, two.") in await stored(database, demo.person)

    await until(ended)
    await expect(page.locator(".prose")).to_have_text("Something else.")


# --- reading ----------------------------------------------------------------------------------------------------------


async def test_the_newest_text_stays_in_sight_unless_one_reads_further_up(demo: Demo, page: Page) -> None:
    gates = [asyncio.Event(), asyncio.Event()]
    lines = "\n\n".join(f"Line {number}." for number in range(60))
    demo.mentor.says(lines, gates[0], "\n\nMore.", gates[1], "\n\nEnd.")
    await ask(page, "Tell")
    await expect(page.get_by_text("Line 59.")).to_be_in_viewport()
    await page.locator("#log").evaluate("(log) => { log.scrollTop = 0; }")
    latest = page.get_by_role("button", name="Newest message")
    await expect(latest).to_be_visible()
    gates[0].set()
    await expect(page.get_by_text("More.", exact=True)).to_be_attached()
    await expect(page.get_by_text("More.", exact=True)).not_to_be_in_viewport()
    await latest.click()
    gates[1].set()
    await expect(page.get_by_text("End.", exact=True)).to_be_in_viewport()
    await expect(latest).to_be_hidden()


async def test_the_end_of_a_growing_answer_stays_in_sight_until_one_scrolls_up(demo: Demo, page: Page) -> None:
    """Also where the event of the page's own scrolling comes when the answer has grown already, as here each time."""
    await page.evaluate("""() => {
        const late = () => document.querySelector('#log').dispatchEvent(new Event('scroll'));
        new MutationObserver(late).observe(document.querySelector('#turns'), { childList: true, subtree: true });
    }""")
    gates = [asyncio.Event() for _ in range(4)]
    piece = "\n\n".join(f"Line {number}." for number in range(20))
    steps = [step for number, gate in enumerate(gates) for step in (f"{piece}\n\nEnd of {number}.\n\n", gate)]
    demo.mentor.says(*steps, "The very end.")
    await ask(page, "Tell")
    latest = page.get_by_role("button", name="Newest message")
    for number in range(4):
        await expect(page.get_by_text(f"End of {number}.")).to_be_in_viewport()
        await expect(latest).to_be_hidden()
        if number < 3:
            gates[number].set()
    await page.locator("#log").hover()
    await page.mouse.wheel(0, -300)
    await expect(latest).to_be_visible()
    gates[3].set()
    await expect(page.get_by_text("The very end.")).to_be_attached()
    await expect(page.get_by_role("button", name="Send")).to_be_visible()
    await expect(page.get_by_text("The very end.")).not_to_be_in_viewport()
    await expect(latest).to_be_visible()


async def test_the_page_speaks_german_to_those_who_read_it(demo: Demo, open_page: OpenPage) -> None:
    page = await open_page(demo.service.address, locale="de-AT")
    await expect(page.locator("html")).to_have_attribute("lang", "de")
    await expect(page.get_by_role("textbox", name="Nachricht an den Mentor")).to_be_visible()
    demo.mentor.says("Vielleicht.", Notice("no_sources", {}))
    await ask(page, "Stimmt das?")
    await expect(page.get_by_text("Ohne Quellen beantwortet")).to_be_visible()


async def test_every_language_has_every_text(page: Page) -> None:
    missing = await page.evaluate("""async () => {
        const address = document.querySelector('script').src.replace('main.js', 'strings.js');
        const source = await (await fetch(address)).text();
        const keys = (name) => new Set([...source.split(`const ${name} = {`)[1].split('\\n};')[0]
            .matchAll(/^  '?([\\w.]+)'?: /gm)].map((match) => match[1]));
        const [en, de] = [keys('en'), keys('de')];
        return [...en].filter((key) => !de.has(key) && key !== 'notice.no_sources');
    }""")
    assert missing == []


async def test_a_demo_that_ended_says_so(
    settings: Settings, demo: Demo, page: Page, database: Database, watch: Watch
) -> None:
    watch.expected = lambda fault: "404" in fault
    async with database.transaction(demo.person.principal) as connection:
        await connection.exec_driver_sql("delete from spaces where id = %s", (demo.person.space_id,))
    await expect(page.get_by_text("This space is not there any more")).to_be_visible()
    await page.reload()
    await expect(page.get_by_text("This demo is not running any more.")).to_be_visible()


async def test_a_service_that_restarts_is_found_again(
    settings: Settings, demo: Demo, open_page: OpenPage, watch: Watch
) -> None:
    watch.expected = lambda fault: "ERR_CONNECTION_REFUSED" in fault or "WebSocket" in fault
    async with open_demo(settings, demo.person) as first:
        page = await open_page(first.service.address)
        await expect(page.locator("#connection")).to_have_text("Connected")
        await ask(page, "One")
        await expect(page.locator(".prose")).to_have_text("Hello.")
        port = int(first.service.address.rpartition(":")[2])
    await expect(page.locator("#connection")).to_have_text("Offline, trying again")
    async with open_demo(settings, demo.person, port=port):
        await expect(page.locator("#connection")).to_have_text("Connected", timeout=20_000)
        await ask(page, "Two")
        await expect(page.locator(".prose")).to_have_text(["Hello.", "Hello."])
