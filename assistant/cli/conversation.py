"""A conversation in the terminal: the answer as it comes, then its sources."""

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, Protocol
from uuid import UUID, uuid4

import msgspec
from rich.console import Console
from rich.markup import escape

from assistant.chat.service import ChatService, FollowedRun, NewTurn, ResumedTurn
from assistant.cli.approvals import Ask, ask_each
from assistant.cli.signals import on_signal, terminate
from assistant.db.identity import Principal
from assistant.errors import AssistantError, InvalidError
from assistant.mentor.actions.service import Actions
from assistant.mentor.actions.wording import tell
from assistant.mentor.claims.checking import NOTICE, tell_people

QUOTE_CHARACTERS: Final = 160

CHANNEL: Final = "terminal"

UNDO: Final = "/undo"
"""What is typed in place of a question to set back what was done last."""


class Screen(Protocol):
    """Where events of a run are shown."""

    def show(self, event: dict[str, Any]) -> None: ...

    def tell(self, text: str) -> None: ...


class TextScreen:
    """For people: text as it comes, tools as a line each, sources at the end."""

    def __init__(self) -> None:
        self._out = Console(highlight=False, soft_wrap=True)
        self._sources: list[dict[str, Any]] = []
        self._unsourced = False
        self._in_text = False

    def show(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "TEXT_MESSAGE_CONTENT":
                self._in_text = True
                self._out.print(escape(event["delta"]), end="")
            case "CUSTOM" if event["name"] == "tool_result":
                self._end_line()
                self._show_result(event["value"]["tool"].replace("_", " "), event["value"]["data"])
            case "RUN_STARTED":
                self._sources, self._unsourced = [], False
            case "CUSTOM" if event["name"] == "citations":
                self._sources = event["value"]
            case "CUSTOM" if event["name"] == "no_sources":
                self._unsourced = True
            case "CUSTOM" if event["name"] == "model_not_in_plan":
                self._end_line()
                names = event["value"]
                self._out.print(
                    f"[dim]{escape(names['model'])} is not in your plan: {escape(names['used'])} answers.[/dim]"
                )
            case "CUSTOM" if event["name"] == "text_withheld":
                self._end_line()
                self._out.print("[dim]Sentences without a source in the documents were left out.[/dim]")
            case "CUSTOM" if event["name"] == NOTICE:
                self._end_line()
                self._out.print(f"[yellow]{escape(tell_people(event['value']))}[/yellow]")
            case "RUN_ERROR":
                self._end_line()
                self._out.print(f"[red]{escape(event['message'])}[/red]")
            case "RUN_FINISHED":
                self._end_line()
                if event["outcome"]["type"] == "cancelled":
                    self._out.print("[dim](stopped)[/dim]")
                self._show_sources()
                for interrupt in event["outcome"].get("interrupts", ()):
                    self._out.print(f"[yellow]Waits for your word:[/yellow] {escape(interrupt['message'])}")
                    self._out.print(f"[dim]  action {interrupt['id']}, until {interrupt['expiresAt'][:10]}[/dim]")

    def _show_result(self, tool: str, data: dict[str, Any]) -> None:
        """Made from what is stored of the outcome, not from the model's words."""
        if data.get("status") == "done":
            self._out.print(f"[dim]· {tool}[/dim]")
        else:
            self._out.print(f"[dim]· {tool}: not done. {escape(_shorten(str(data.get('message', ''))))}[/dim]")

    def tell(self, text: str) -> None:
        """A sentence that is no answer of the mentor."""
        self._out.print(escape(text))

    def _end_line(self) -> None:
        if self._in_text:
            self._out.print()
            self._in_text = False

    def _show_sources(self) -> None:
        if not self._sources:
            if self._unsourced:
                self._out.print("[dim]Answered without sources.[/dim]")
            return
        self._out.print("\n[bold]Sources[/bold]")
        for source in self._sources:
            where = _place(source["title"], source["heading"])
            page = f", page {source['page']}" if source["page"] else ""
            mark = escape(f"[{source['index']}]")
            self._out.print(f"  [bold]{mark}[/bold] {escape(where)}{page}")
            self._out.print(f"      [dim]“{escape(_shorten(source['quote']))}”[/dim]")


class JsonScreen:
    """For programs: one AG-UI event a line."""

    def tell(self, text: str) -> None:
        """Programs are told by events alone."""

    def show(self, event: dict[str, Any]) -> None:
        sys.stdout.write(msgspec.json.encode(event).decode() + "\n")
        sys.stdout.flush()


def _place(title: str, heading: str | None) -> str:
    """Title and heading; a document whose first heading is its title says it once."""
    if heading is None or heading == title:
        return title
    return heading if heading.startswith(f"{title} › ") else f"{title} › {heading}"


def _shorten(quote: str) -> str:
    line = " ".join(quote.split())
    return line if len(line) <= QUOTE_CHARACTERS else line[: QUOTE_CHARACTERS - 1] + "…"


class Conversation:
    """One thread of one person."""

    def __init__(
        self,
        chat: ChatService,
        actions: Actions,
        principal: Principal,
        space_id: UUID,
        screen: Screen,
        *,
        ask: Ask | None = None,
        thread_id: str | None = None,
    ) -> None:
        """`ask`: the learner's keyboard, where proposals are to be answered; None: they wait. `thread_id`: which one
        to go on with; None: a new one."""
        self._chat = chat
        self._actions = actions
        self._ask = ask
        self._principal = principal
        self._space_id = space_id
        self._screen = screen
        self._thread_id = thread_id or f"terminal-{uuid4()}"

    async def ask(self, text: str) -> bool:
        """Ask, and show the answer to its end, with the learner's word where it is needed. False: it failed."""
        turn = NewTurn(self._space_id, self._thread_id, str(uuid4()), str(uuid4()), text, channel=CHANNEL)
        last = await self._follow(await self._chat.begin(self._principal, turn))
        while interrupts := last.get("outcome", {}).get("interrupts"):
            resumed = await self._answer(interrupts)
            if resumed is None:
                break
            last = await self._follow(resumed)
        return bool(last.get("type") == "RUN_FINISHED")

    async def _answer(self, interrupts: Sequence[dict[str, Any]]) -> FollowedRun | None:
        """The run in which the learner's answers are carried out; None: they gave none."""
        while self._ask is not None:
            try:
                with _at_the_keyboard():
                    answers = ask_each(interrupts, self._ask, Console(highlight=False, soft_wrap=True))
                if not answers:
                    return None
                turn = ResumedTurn(self._space_id, self._thread_id, str(uuid4()), answers, channel=CHANNEL)
                return await self._chat.begin(self._principal, turn)
            except InvalidError as error:
                self._screen.tell(error.detail)
            except (EOFError, KeyboardInterrupt):
                return None
        return None

    async def undo(self) -> None:
        """Set back what was done last in this conversation."""
        action = await self._actions.last_executed(self._principal, self._space_id, self._thread_id)
        if action is None:
            self._screen.tell("There is nothing to undo.")
            return
        undone = await self._actions.undo(self._principal, action.id)
        self._screen.tell(tell(undone.status, undone.effect, undone.result))

    async def _follow(self, run: FollowedRun) -> dict[str, Any]:
        """Show a run to its end; its last event. Ctrl-C stops it."""
        last: dict[str, Any] = {}
        with _on_interrupt(lambda: self._stop(run)):
            async for batch in self._chat.follow(self._principal, run.id, 0):
                for encoded in batch:
                    last = msgspec.json.decode(encoded)
                    self._screen.show(last)
        return last

    def _stop(self, run: FollowedRun) -> None:
        self._stopping = asyncio.ensure_future(self._chat.cancel(self._principal, run.client_run_id))

    async def talk(self, prompt: Callable[[], str]) -> None:
        """Questions from the keyboard, until there are no more."""
        while True:
            try:
                with _at_the_keyboard():
                    text = prompt()
            except (EOFError, KeyboardInterrupt):
                return
            if not text.strip():
                continue
            try:
                await (self.undo() if text.strip() == UNDO else self.ask(text))
            except AssistantError as error:
                self._screen.show({"type": "RUN_ERROR", "message": error.detail})


@contextmanager
def _at_the_keyboard() -> Iterator[None]:
    """Signals end the wait for a line. It is here and not in a thread, which nobody could end while it waits."""
    with on_signal(signal.SIGINT, signal.default_int_handler), on_signal(signal.SIGTERM, terminate):
        yield


class _on_interrupt:  # noqa: N801 - reads as a function
    """Ctrl-C calls `action` while the block runs, where the system lets us say so."""

    def __init__(self, action: Callable[[], None]) -> None:
        self._action = action

    def __enter__(self) -> None:
        with suppress(NotImplementedError, RuntimeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._action)

    def __exit__(self, *_: object) -> None:
        with suppress(NotImplementedError, RuntimeError, ValueError):
            asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
