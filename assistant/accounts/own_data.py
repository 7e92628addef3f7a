"""All that is stored of one person, as one JSON document.

    {"format": 1, "exported_at": "…", "tables": {"users": [{…}], "goals": [{…}, …], …}, "complete": true}

Read a page at a time, each in a transaction of its own: no connection waits for who is slow to read, and memory stays
bounded. What is written meanwhile may be in it or not. Without the last member it is not whole.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final, LiteralString, NamedTuple
from uuid import UUID

import msgspec

from assistant.db.session import Database

_OWNED: LiteralString = "space_id in (select s.id from public.spaces s where s.user_id = %(user)s)"
_MINE: LiteralString = "user_id = %(user)s"
_OF_MY_RUNS: LiteralString = "run_id in (select r.id from assistant.runs r where r.user_id = %(user)s)"


class Section(NamedTuple):
    """The person's rows of one table."""

    table: LiteralString
    condition: LiteralString
    key: tuple[LiteralString, ...] = ("id",)
    """Unique together, and never null: what the pages are cut by."""
    without: LiteralString = ""
    """Columns that are secrets, or made from the others."""
    rows: int = 500
    """Read at a time; fewer where a row may hold millions of characters."""

    @property
    def name(self) -> str:
        return self.table.removeprefix("public.").removeprefix("assistant.")


SECTIONS: Final = (
    Section("public.users", "id = %(user)s"),
    Section("public.user_preferences", _MINE, ("user_id",)),
    Section("public.subscriptions", _MINE),
    Section("assistant.local_accounts", _MINE, ("user_id",), "password_hash"),
    Section("assistant.api_keys", _MINE, without="key_hash"),
    Section("public.goals", _MINE),
    Section("public.spaces", _MINE),
    Section("public.modules", _OWNED, rows=4),
    Section("public.tasks", _OWNED),
    Section("public.documents", f"({_OWNED} or created_by = %(user)s)", rows=4),
    Section("assistant.document_indexing", _OWNED, ("document_id",), "content_hash"),
    Section("public.document_embeddings", _OWNED, without="embedding,search_vector,input_hash", rows=100),
    Section("public.module_progress", _MINE),
    Section("public.space_collaborators", f"({_MINE} or {_OWNED})"),
    Section("assistant.invitations", "%(user)s in (invited_by, for_account)", without="secret_hash"),
    Section("public.comments", _MINE),
    Section("public.blog_posts", "author_id = %(user)s", rows=4),
    Section("public.chat_messages", _MINE, ("created_at", "id"), rows=20),
    Section("assistant.threads", _MINE, ("space_id", "thread_id")),
    Section("assistant.runs", _MINE),
    Section("assistant.run_steps", _OF_MY_RUNS, ("run_id", "n"), rows=20),
    Section("assistant.run_events", _OF_MY_RUNS, ("run_id", "seq"), rows=200),
    Section("assistant.mentor_actions", _MINE),
    Section("assistant.message_keys", _MINE, ("client_message_id",), "message_hash"),
    Section("assistant.citations", _MINE, ("message_id", "index")),
    Section("assistant.thread_summaries", _MINE, ("run_id",), rows=20),
    Section("assistant.feedback", _MINE, ("run_id",)),
    Section("public.usage_logs", _MINE, ("created_at", "id")),
    Section("assistant.usage_counters", _MINE, ("period",)),
    Section("assistant.holdings", _MINE, ("resource",)),
    Section("assistant.reservations", _MINE),
    Section("assistant.outbox", _MINE),
)

NOT_EXPORTED: Final = {
    "public.space_summaries": "counted from the others",
    "assistant.space_statistics": "counted from the others",
    "assistant.postings": "words of the chunks, counted",
    "assistant.fresh_vectors": "vectors on their way into a chunk",
    "assistant.stored_answers": "answers that the person was given, for a day",
    "assistant.run_listeners": "processes",
    "assistant.summary_changes": "spaces whose figures are to be counted again",
    "assistant.upkeep": "the service's own",
    "assistant.rate_limits": "hashes, for an hour",
    "assistant.billing_events": "numbers of a payment provider's messages",
    "assistant.departures": "hashes of who is gone",
    "assistant.plans": "the service's own",
    "assistant.installation_stop": "the service's own",
    "assistant.installation_usage": "sums over everybody",
    "assistant.space_holdings": "counted from the others",
}
"""Tables in which there is nothing of a person that the others do not have."""


async def export_person(database: Database, user_id: UUID, now: datetime | None = None) -> AsyncIterator[bytes]:
    """The document, in pieces."""
    moment = msgspec.json.encode(now or datetime.now(UTC)).decode()
    yield f'{{"format": 1, "exported_at": {moment}, "tables": {{'.encode()
    for number, section in enumerate(SECTIONS):
        yield f'{"," if number else ""}\n"{section.name}": ['.encode()
        first = True
        async for rows in _pages(database, section, user_id):
            yield (("" if first else ",") + "\n" + ",\n".join(rows)).encode()
            first = False
        yield b"]"
    yield b'\n}, "complete": true}\n'


async def _pages(database: Database, section: Section, user_id: UUID) -> AsyncIterator[list[str]]:
    statement = _first_page(section)
    values: dict[str, object] = {"user": user_id, "without": section.without.split(","), "limit": section.rows}
    while True:
        rows = await database.fetch_as_service("accounts", statement, values)
        if rows:
            yield [row[0] for row in rows]
        if len(rows) < section.rows:
            return
        statement = _later_page(section)
        values |= {f"after_{name}": value for name, value in zip(section.key, rows[-1][1:], strict=True)}


def _first_page(section: Section, more: LiteralString = "") -> LiteralString:
    keys: LiteralString = ", ".join([f"t.{name}" for name in section.key])
    return (
        f"select (to_jsonb(t) - cast(%(without)s as text[]))::text, {keys} from {section.table} t"  # noqa: S608
        f" where {section.condition}{more} order by {keys} limit %(limit)s"
    )


def _later_page(section: Section) -> LiteralString:
    keys: LiteralString = ", ".join([f"t.{name}" for name in section.key])
    marks: LiteralString = ", ".join([f"%(after_{name})s" for name in section.key])
    return _first_page(section, f" and ({keys}) > ({marks})")
