"""How a database is doing: sizes, indexes, rows that wait to be cleaned, slow statements, plans of busy queries."""

from typing import Any, Final, LiteralString
from uuid import UUID

import msgspec
import psycopg
from psycopg import sql

from assistant.db.contents import check_sees_all
from assistant.db.identity import learner
from assistant.db.setup import connect

MOST: Final = 15
"""Rows of each part."""

BIG_ROWS: Final = 10_000
"""From here on, a table that is read from end to end is worth a word."""

Rows = list[tuple[Any, ...]]


class Part(msgspec.Struct, frozen=True):
    """One question and what was found. `hint` is for people: what to make of it, or how to learn more."""

    name: str
    columns: list[str]
    rows: Rows
    hint: str = ""


_TABLES: Final[LiteralString] = """
    select n.nspname || '.' || c.relname, sum(pg_total_relation_size(p.oid))::bigint,
        sum(greatest(p.reltuples, 0))::bigint
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join pg_class p on p.oid = c.oid and c.relkind <> 'p'
        or p.oid in (select i.inhrelid from pg_inherits i where i.inhparent = c.oid)
    where n.nspname in ('public', 'assistant', 'jobs', 'auth') and c.relkind in ('r', 'p', 'm')
    group by c.oid, n.nspname order by 2 desc, 1 limit %(most)s
"""

_INDEXES: Final[LiteralString] = """
    select s.schemaname || '.' || s.indexrelname, s.schemaname || '.' || s.relname, pg_relation_size(s.indexrelid)
    from pg_stat_user_indexes s join pg_index i on i.indexrelid = s.indexrelid
    where s.idx_scan = 0 and not i.indisunique and s.schemaname in ('public', 'assistant')
      and not exists (select from pg_constraint k where k.conindid = s.indexrelid)
    order by 3 desc, 1 limit %(most)s
"""

_DEAD: Final[LiteralString] = """
    select schemaname || '.' || relname, n_dead_tup, n_live_tup, coalesce(last_autovacuum, last_vacuum)::text,
        coalesce(last_autoanalyze, last_analyze)::text
    from pg_stat_user_tables where n_dead_tup > 0 order by 2 desc, 1 limit %(most)s
"""

_SCANS: Final[LiteralString] = """
    select schemaname || '.' || relname, seq_scan, seq_tup_read / greatest(seq_scan, 1), coalesce(idx_scan, 0)
    from pg_stat_user_tables where seq_scan > 0 and n_live_tup >= %(big)s order by seq_tup_read desc, 1 limit %(most)s
"""

_CACHE: Final[LiteralString] = """
    select 'tables', sum(heap_blks_hit)::bigint, sum(heap_blks_read)::bigint,
        round(100.0 * sum(heap_blks_hit) / nullif(sum(heap_blks_hit) + sum(heap_blks_read), 0), 2)::float
    from pg_statio_user_tables
    union all
    select 'indexes', sum(idx_blks_hit)::bigint, sum(idx_blks_read)::bigint,
        round(100.0 * sum(idx_blks_hit) / nullif(sum(idx_blks_hit) + sum(idx_blks_read), 0), 2)::float
    from pg_statio_user_indexes
"""

_STRAYS: Final[LiteralString] = "select parent, month::text, row_count from assistant.stray_months()"

_SLOWEST: Final[LiteralString] = """
    select left(regexp_replace(s.query, '\\s+', ' ', 'g'), 300), s.calls, round(s.mean_exec_time::numeric, 2)::float,
        round(s.total_exec_time::numeric, 0)::float, s.rows
    from {schema}.pg_stat_statements s join pg_database d on d.oid = s.dbid
    where d.datname = current_database() order by s.total_exec_time desc limit %(most)s
"""

BUSY: Final[dict[str, LiteralString]] = {
    "goals of a person": "select * from goals where user_id = auth.uid() order by created_at, id limit 20",
    "spaces of a person": "select * from spaces order by created_at, id limit 20",
    "tasks of a space, by when they are due": """
        select * from tasks where space_id = {space} and status = 'pending' order by due_date limit 20""",
    "modules of a space": "select * from modules where space_id = {space} order by order_index, id limit 50",
    "messages of a thread": """
        select * from chat_messages where space_id = {space} and user_id = auth.uid() and thread_id = 't'
        order by created_at, id limit 50""",
    "usage of a month": """
        select action, count(*), sum(tokens_used) from usage_logs
        where user_id = auth.uid() and created_at >= date_trunc('month', now()) group by 1""",
    "chunks of a space": "select id from document_embeddings where space_id = {space}",
}
"""What requests ask most often, in short. Run as the owner of the largest space, under the policies."""


def report(url: str) -> list[Part]:
    """Raises ConfigurationError. Reads statistics and plans, and changes nothing."""
    with connect(url) as connection, connection.transaction():
        check_sees_all(connection)
        connection.execute("set transaction read only")
        connection.execute("set local statement_timeout = '60s'")
        return [
            _part(connection, "tables by size", ["table", "bytes", "rows, about"], _TABLES),
            _part(
                connection,
                "rows in default partitions",
                ["table", "month", "rows"],
                _STRAYS,
                "None is right; goalspace maintain moves them.",
            ),
            _part(
                connection,
                "rows that wait to be cleaned away",
                ["table", "dead", "live", "cleaned", "analysed"],
                _DEAD,
                "Autovacuum does it; a table that stays here for long may need its settings.",
            ),
            _part(
                connection,
                f"tables of {BIG_ROWS} rows and more that were read from end to end",
                ["table", "times", "rows each time", "times by an index"],
                _SCANS,
                "Some is normal: backups, statistics, upkeep. Many times is a missing index.",
            ),
            _part(
                connection,
                "indexes that no query has used",
                ["index", "table", "bytes"],
                _INDEXES,
                "Since the statistics were reset, on this server alone: a replica may use them.",
            ),
            _part(
                connection,
                "found in memory",
                ["what", "blocks in memory", "blocks read", "%"],
                _CACHE,
                "Below 99 % on a busy server, shared_buffers is small for it.",
            ),
            _slowest(connection),
            _plans(connection),
        ]


def _part(
    connection: psycopg.Connection[Any], name: str, columns: list[str], query: LiteralString, hint: str = ""
) -> Part:
    rows = connection.execute(query, {"most": MOST, "big": BIG_ROWS}).fetchall()
    return Part(name, columns, rows, hint)


def _slowest(connection: psycopg.Connection[Any]) -> Part:
    name, columns = "statements that took most time", ["statement", "times", "ms each", "ms in all", "rows"]
    found = connection.execute(
        "select extnamespace::regnamespace::text from pg_extension where extname = 'pg_stat_statements'"
    ).fetchone()
    if found is None:
        hint = (
            "Not counted here: set shared_preload_libraries = 'pg_stat_statements', restart the server, and run "
            "'create extension pg_stat_statements' as a superuser. The embedded server comes without it."
        )
        return Part(name, columns, [], hint)
    query = sql.SQL(_SLOWEST).format(schema=sql.Identifier(found[0]))
    return Part(name, columns, connection.execute(query, {"most": MOST}).fetchall())


def _plans(connection: psycopg.Connection[Any]) -> Part:
    """As that person would be answered."""
    name, columns = "plans of busy queries", ["query", "plan"]
    largest = connection.execute("""
        select s.id, s.user_id from spaces s
        order by (select count(*) from tasks t where t.space_id = s.id) desc, s.id limit 1
    """).fetchone()
    if largest is None:
        return Part(name, columns, [], "There is no space yet.")
    try:
        with connection.transaction(force_rollback=True):
            return Part(name, columns, _explained(connection, *largest), "As the owner of the space with most tasks.")
    except psycopg.errors.InsufficientPrivilege:
        return Part(
            name, columns, [], "The role of DATABASE_URL may not become authenticated: grant authenticated to it."
        )


def _explained(connection: psycopg.Connection[Any], space: UUID, person: UUID) -> Rows:
    become = "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', %s, true)"
    connection.execute(become, (learner(person).claims,))
    rows: Rows = []
    for name, query in BUSY.items():
        statement = sql.SQL("explain (analyze, costs off, timing off, buffers off, summary on) " + query)
        plan = connection.execute(statement.format(space=sql.Literal(space)))
        rows.append((name, "\n".join(line for (line,) in plan)))
    return rows
