"""The page in a real browser, before a real service whose mentor says what a test scripts."""

import asyncio
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, async_playwright, expect

from assistant.app import create_app
from assistant.db.session import Database
from assistant.errors import AssistantError
from assistant.llm.events import TextDelta
from assistant.mentor.citations import Citation
from assistant.mentor.events import MentorEvent, Notice, Turn, TurnRecord
from assistant.page.demo import DemoSession
from assistant.settings import Settings
from tests.fixtures.database import MakePerson, Person
from tests.fixtures.http import LiveService, serve_app

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)

expect.set_options(timeout=10_000)

ON_VIOLATION: Final = """
window.__violations = [];
document.addEventListener('securitypolicyviolation', (event) =>
    window.__violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""


# --- what the mentor says ---------------------------------------------------------------------------------------------

Step = str | MentorEvent | asyncio.Event | AssistantError


@dataclass
class ScriptedMentor:
    """Says its steps: text, other events, errors; at an asyncio.Event it waits until a test sets it."""

    steps: list[Step] = field(default_factory=lambda: ["Hello."])
    citations: list[Citation] = field(default_factory=list)
    provider: str = "scripted"
    questions: list[str] = field(default_factory=list)
    rounds: int = 1

    def says(self, *steps: Step, citations: list[Citation] | None = None, rounds: int = 1) -> None:
        self.steps, self.citations, self.rounds = list(steps), citations or [], rounds

    async def answer(self, turn: Turn, record: TurnRecord) -> AsyncGenerator[MentorEvent, None]:
        self.questions.append(turn.question)
        record.rounds = self.rounds
        try:
            async for event in self._tell(record):
                yield event
        finally:
            record.citations = self.citations

    async def _tell(self, record: TurnRecord) -> AsyncGenerator[MentorEvent, None]:
        for step in list(self.steps):
            match step:
                case asyncio.Event():
                    await step.wait()
                case AssistantError():
                    raise step
                case Notice():
                    record.notices.append(step)
                    yield step
                case str():
                    record.text += step
                    yield TextDelta(step)
                case _:
                    yield step


# --- the service ------------------------------------------------------------------------------------------------------


@dataclass
class Demo:
    """A running demo, its learner, and the mentor of its space."""

    service: LiveService
    person: Person
    mentor: ScriptedMentor


@pytest.fixture
async def demo(settings: Settings, server: object, make_person: MakePerson) -> AsyncIterator[Demo]:
    person = await make_person(
        config='{"greeting": "Ahoy! What shall we practise?", "suggested_prompts": ["How do I tie a bowline?"]}'
    )
    async with open_demo(settings, person) as opened:
        yield opened


@asynccontextmanager
async def open_demo(settings: Settings, person: Person, port: int = 0) -> AsyncIterator[Demo]:
    app = create_app(settings, demo=DemoSession(person.id, person.space_id))
    async with serve_app(app, settings, port) as service:
        mentor = ScriptedMentor()
        app.state.services.runs.mentor = mentor
        yield Demo(service, person, mentor)


@dataclass(frozen=True, slots=True)
class Document:
    """A document in somebody's space."""

    id: Any
    title: str
    content: str

    def cite(self, index: int, quote: str, *, heading: str | None = None, page: int | None = None) -> Citation:
        start = self.content.index(quote)
        return Citation(index, uuid4(), self.id, self.title, heading, page, quote, start, start + len(quote))


async def add_document(database: Database, person: Person, content: str, title: str = "Sailing handbook") -> Document:
    async with database.transaction(person.principal) as connection:
        row = await connection.exec_driver_sql(
            "insert into documents (space_id, title, content, content_type) values (%s, %s, %s, 'text/markdown')"
            " returning id",
            (person.space_id, title, content),
        )
        return Document(row.scalar_one(), title, content)


# --- the browser ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("needs a Chromium")
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield launched
        await launched.close()


@dataclass
class Watch:
    """What a page must not do unseen: complain, open dialogs, ask anybody but loopback, break its own policy."""

    expected: Callable[[str], bool] = lambda _: False
    """Of complaints: those that the test itself provokes."""
    requests: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def follow(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("dialog", self._dialog)
        page.on("request", self._request)

    async def check(self, context: BrowserContext) -> None:
        for page in context.pages:
            violations = await page.evaluate("window.__violations ?? []")
            self.faults += [f"policy: {violation}" for violation in violations]
        unexpected = [fault for fault in self.faults if not self.expected(fault)]
        assert not unexpected

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"console: {message.text}")

    async def _dialog(self, dialog: Any) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    def _request(self, request: Request) -> None:
        self.requests.append(request.url)
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.hostname != "127.0.0.1":
            self.faults.append(f"request: {request.url}")


async def until(check: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what nothing tells of, such as a row in the database."""
    async with asyncio.timeout(20):
        while not await check():  # noqa: ASYNC110 - another process has no event for us
            await asyncio.sleep(0.02)


OpenPage = Callable[..., Awaitable[Page]]


@pytest.fixture
async def watch() -> Watch:
    return Watch()


@pytest.fixture
async def open_page(browser: Browser, watch: Watch) -> AsyncIterator[OpenPage]:
    """`await open_page(address, **context options)`: a page in a browser profile of its own."""
    contexts: list[BrowserContext] = []

    async def open_(address: str, **options: Any) -> Page:
        context = await browser.new_context(**{"locale": "en-GB", "viewport": {"width": 1200, "height": 800}} | options)
        contexts.append(context)
        context.set_default_timeout(10_000)
        await context.add_init_script(ON_VIOLATION)
        context.on("page", watch.follow)
        page = await context.new_page()
        await page.goto(address)
        return page

    yield open_
    try:
        for context in contexts:
            await watch.check(context)
    finally:
        for context in contexts:
            await context.close()


@pytest.fixture
async def page(demo: Demo, open_page: OpenPage) -> Page:
    """The demo's page, connected."""
    opened = await open_page(demo.service.address)
    await opened.locator("#connection[data-state=live]").wait_for()
    return opened
