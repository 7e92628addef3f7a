"""`goalspace ingest` and `search`: what a space knows."""

import asyncio
from collections.abc import Sequence
from typing import Final, Self
from uuid import UUID

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from assistant.cli.common import find_space, open_settings, run
from assistant.db.identity import Principal
from assistant.db.session import Database
from assistant.db.setup import open_server
from assistant.db.statistics import MANY, refresh_statistics
from assistant.errors import AssistantError
from assistant.knowledge import repository
from assistant.knowledge.fetching import Fetcher
from assistant.knowledge.formats.readers import Readers
from assistant.knowledge.ingestion import Gatherer, Stored, store_file
from assistant.knowledge.models import DocumentIndexing
from assistant.knowledge.retrieval import Retriever
from assistant.knowledge.schemas import SearchItem, SearchResult, show_passage
from assistant.llm.embeddings import build_embedder
from assistant.settings import Settings
from assistant.spaces.service import get_space
from assistant.usage.meter import Meter
from assistant.usage.plans import load_plans
from assistant.usage.repository import publish_plans
from assistant.worker import Worker

LOOK_SECONDS: Final = 0.1
"""Between looks at how far the documents are."""

SNIPPET: Final = 300


@click.command()
@click.argument("space", type=click.UUID)
@click.argument("places", metavar="PATH_OR_URL...", nargs=-1, required=True)
@click.option("--user", "email", help="Who puts them in: an e-mail address. Without it the space's owner.")
def ingest(space: UUID, places: tuple[str, ...], email: str | None) -> int:
    """Put files, folders, archives or pages of the web into SPACE, and wait until they can be searched.

    The address of a site map stands for the pages in it, a ZIP archive for its files. Formats: PDF, Word, PowerPoint,
    Excel, CSV, EPUB, HTML, Markdown, notebooks, subtitles, source code and plain text.

    One line per document. A file that was put in before is brought up to date; one that did not change says so. Exit
    code 1 if any document failed.

    \b
    goalspace ingest 8e0c… notes/ handbook.pdf https://example.org/sitemap.xml
    """
    return run(_ingest(open_settings(), space, places, email))


async def _ingest(settings: Settings, space: UUID, places: Sequence[str], email: str | None) -> int:
    embedder, plans = build_embedder(settings.embeddings), load_plans(settings.plans_file)
    async with await open_server(settings) as server, server.open() as database:
        await publish_plans(database, plans)  # perhaps no service has run here yet
        principal = await find_space(database, space, email)
        async with database.session(principal) as session:
            await get_space(session, space)
        async with Worker(server, database, embedder), Readers() as readers:
            gatherer = Gatherer(readers, Fetcher(settings.fetch_hosts))
            with Report() as report:
                waiting = await _store_all(database, principal, space, places, report, gatherer)
                are_many = len(waiting) >= MANY
                await _wait_for(database, principal, waiting, report)
                if are_many:
                    await refresh_statistics(database, "knowledge")
                return 1 if report.failed else 0


class Report:
    """One line per document on stdout; on a terminal a bar below them."""

    def __init__(self) -> None:
        self.failed = 0
        console = Console(highlight=False, markup=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("indexing"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("", total=0)
        self._total = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def expect(self) -> None:
        """One more document."""
        self._total += 1
        self._bar.update(self._task, total=self._total)

    def done(self, name: str, outcome: str) -> None:
        self._bar.console.print(f"{name}: {outcome}", markup=False, highlight=False)
        self._bar.advance(self._task)

    def fail(self, name: str, reason: str) -> None:
        self.failed += 1
        self.done(name, f"failed: {reason}")


async def _store_all(
    database: Database, principal: Principal, space: UUID, places: Sequence[str], report: Report, gatherer: Gatherer
) -> dict[UUID, tuple[str, Stored]]:
    """Each file in a transaction of its own, so that the first ones are indexed while the next ones are read."""
    stored: dict[UUID, tuple[str, Stored]] = {}
    for place in places:
        async for name, found in gatherer.gather(place):
            report.expect()
            if isinstance(found, str):
                report.fail(name, found)
                continue
            try:
                extracted = await gatherer.read(found)
                async with database.session(principal) as session:
                    entry = await store_file(session, space, extracted, found.source)
                stored[entry.document_id] = (name, entry)
            except AssistantError as exc:
                report.fail(name, exc.detail)
    return stored


async def _wait_for(
    database: Database, principal: Principal, waiting: dict[UUID, tuple[str, Stored]], report: Report
) -> None:
    """Until each document is indexed or is not going to be, by whichever worker."""
    while waiting:
        async with database.session(principal) as session:
            states = {state.document_id: state for state in await repository.list_states(session, list(waiting))}
        for document_id in list(waiting):
            state = states.get(document_id)
            if state is not None and state.status in ("queued", "processing"):
                continue
            name, stored = waiting.pop(document_id)
            _say(report, name, stored, state)
        await asyncio.sleep(LOOK_SECONDS if waiting else 0)


def _say(report: Report, name: str, stored: Stored, state: DocumentIndexing | None) -> None:
    if state is None:
        report.fail(name, "it was deleted meanwhile")
    elif state.status != "ready":
        report.fail(name, state.error or state.status)
    elif stored.change == "unchanged":
        report.done(name, "unchanged")
    else:
        report.done(name, f"{stored.change} ({state.chunks} {'chunk' if state.chunks == 1 else 'chunks'})")


@click.command()
@click.argument("space", type=click.UUID)
@click.argument("query")
@click.option("--user", "email", help="Who searches: an e-mail address. Without it the space's owner.")
@click.option("--limit", default=5, show_default=True, type=click.IntRange(1, 100), help="At most so many results.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as the API answers them.")
def search(space: UUID, query: str, email: str | None, limit: int, as_json: bool) -> None:
    """Search the documents of SPACE for QUERY, by meaning and by words. Best first.

    \b
    goalspace search 8e0c… 'Which boat has to give way?'
    """
    if not query.strip():
        raise click.UsageError("Say what to search for.")
    items = run(_search(open_settings(), space, query, email, limit))
    if as_json:
        click.echo(msgspec.json.encode(SearchResult(items)).decode())
    else:
        _print_results(items)


async def _search(settings: Settings, space: UUID, query: str, email: str | None, limit: int) -> list[SearchItem]:
    embedder = build_embedder(settings.embeddings)
    async with await open_server(settings) as server, server.open() as database:
        principal = await find_space(database, space, email)
        async with database.session(principal) as session:
            await get_space(session, space)
        async with Meter(database) as meter:
            retriever = Retriever(database, embedder, meter)
            passages = await retriever.search(principal, space, await retriever.prepare(query), limit)
    return [show_passage(passage) for passage in passages]


def _print_results(items: Sequence[SearchItem]) -> None:
    if not items:
        click.echo("Nothing found: the space has no indexed documents.")
    for number, item in enumerate(items, 1):
        place = " › ".join(part for part in (item.title, item.heading) if part)
        text = " ".join(item.text.split())
        shown = text if len(text) <= SNIPPET else text[:SNIPPET].rsplit(" ", 1)[0] + " …"
        click.echo(f"{number}. {place}  [{item.score:.2f}]\n   {shown}")
