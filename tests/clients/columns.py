"""The tables of the live database as statements about types, which the TypeScript compiler finds true or not."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from assistant.db.session import Database

SHOWN: Final = {
    "blog_posts": "PostRead",
    "chat_messages": "MessageRead",
    "comments": "CommentRead",
    "documents": "DocumentRead",
    "goals": "GoalRead",
    "module_progress": "ProgressRead",
    "modules": "ModuleRead",
    "space_collaborators": "CollaboratorRead",
    "space_summaries": "SpaceSummary",
    "spaces": "SpaceRead",
    "subscriptions": "SubscriptionRead",
    "tasks": "TaskRead",
    "user_preferences": "PreferencesRead",
    "users": "UserRead",
}
"""Each table, and the schema by which a row of it is read. A view says nothing of null; ours has none."""

UNSHOWN: Final = {
    "document_embeddings": "pieces and vectors are the search's own; what it finds is a SearchItem",
    "usage_logs": "shown as sums, by UsageRead",
}

HIDDEN: Final = {
    ("documents", "content_format"): "how indexing reads it",
    ("documents", "source"): "the path or name that an import came from, which may be of somebody's machine",
    ("spaces", "had_editors"): "how far the mentor trusts the space's text",
    ("subscriptions", "created_at"): "what counts now is shown, not the row",
    ("subscriptions", "event_at"): "orders the events of the payment provider",
    ("subscriptions", "id"): "what counts now is shown, not the row",
    ("subscriptions", "payment_provider"): "between the service and the provider",
    ("subscriptions", "payment_reference"): "between the service and the provider",
    ("subscriptions", "updated_at"): "what counts now is shown, not the row",
    ("subscriptions", "user_id"): "it is the caller's own",
}
"""Columns that no answer has, and why."""

DIFFERENT: Final = {
    ("blog_posts", "excerpt"): ("string", "without one it is the beginning of the content"),
    ("module_progress", "created_at"): ("string | null", "before any progress there is no row"),
    ("module_progress", "id"): ("string | null", "before any progress there is no row"),
    ("module_progress", "updated_at"): ("string | null", "before any progress there is no row"),
    ("space_collaborators", "user_id"): ("string | null", "an invitation may be to an address"),
    ("subscriptions", "starts_at"): ("string | null", "without a subscription the tier is free, since ever"),
}
"""Columns that an answer shows in another way, and why."""

STATES: Final = {"document_indexing": "IndexingRead", "runs": "RunRead"}
"""Of the service's own tables, by the schema that shows their state: the column `status`."""

KINDS: Final = {
    "bigint": "number",
    "boolean": "boolean",
    "integer": "number",
    "jsonb": "{ [key: string]: unknown }",
    "numeric": "number",
    "smallint": "number",
    "text": "string",
    "timestamp with time zone": "string",
    "uuid": "string",
}

COLUMNS: Final = """
    select c.relname as "table", a.attname as name, format_type(a.atttypid, a.atttypmod) as kind,
        a.attnotnull or c.relkind = 'm' as is_required,
        coalesce((select string_agg(pg_get_constraintdef(k.oid), ' ') from pg_constraint k
            where k.conrelid = c.oid and k.contype = 'c' and k.conkey = array[a.attnum]), '') as "check"
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relkind in ('r', 'p', 'm') and not c.relispartition and (c.relnamespace = 'public'::regnamespace
        or c.relnamespace = 'assistant'::regnamespace and a.attname = 'status'
            and c.relname in ('document_indexing', 'runs'))
    order by c.relname, a.attnum
"""

HEAD: Final = """\
import type * as api from '@goalspace/client';
import type * as schemas from '@goalspace/client/zod';
import type { z } from 'zod';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Holds<Statement extends true> = Statement;
"""


@dataclass(frozen=True, slots=True)
class Column:
    table: str
    name: str
    kind: str
    is_required: bool
    check: str

    @property
    def type(self) -> str:
        """What TypeScript should call it."""
        values = re.findall(r"'([^']*)'::text", self.check) if "= ANY (ARRAY[" in self.check else []
        plain = " | ".join(f"'{value}'" for value in values) or KINDS.get(self.kind, "never")
        return plain if self.is_required else f"{plain} | null"


async def read_columns(database: Database) -> Sequence[Column]:
    async with database.service("maintain") as connection:
        rows = await connection.exec_driver_sql(COLUMNS)
        return [Column(**row) for row in rows.mappings()]


def write_assertions(columns: Sequence[Column]) -> str:
    """A file that compiles if, and only if, the package's types are those of the tables."""
    return "\n".join([HEAD, *_statements(columns)]) + "\n"


def _statements(columns: Sequence[Column]) -> Iterator[str]:
    for table, its in groupby(columns, lambda column: column.table):
        schema = (SHOWN | STATES).get(table)
        if schema is None:
            continue
        yield f"export type {table} = ["
        for column in its:
            yield f"  Holds<{_statement(schema, column)}>,"
        yield f"  Holds<Equal<z.infer<typeof schemas.z{schema}>, api.{schema}>>,"
        yield "];"


def _statement(schema: str, column: Column) -> str:
    place = (column.table, column.name)
    if place in HIDDEN:
        return f"Equal<Extract<keyof api.{schema}, '{column.name}'>, never>"
    expected = DIFFERENT[place][0] if place in DIFFERENT else column.type
    return f"Equal<api.{schema}['{column.name}'], {expected}>"
