"""A row for each table, as the first revision with that table would take it."""

from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql

USER: Final = sql.SQL("(select id from public.users order by email limit 1)")

ROWS: Final[dict[str, LiteralString]] = {
    "auth.users": """
        insert into auth.users (id, email) values
        (gen_random_uuid(), 'ada@example.org'), (gen_random_uuid(), 'bob@example.org')""",
    "public.users": "insert into public.users (id, email) select id, email from auth.users",
    "public.subscriptions": """
        insert into public.subscriptions (user_id, tier, status, starts_at) values ({user}, 'pro', 'active', now())""",
    "public.user_preferences": "insert into public.user_preferences (user_id) values ({user}) on conflict do nothing",
    "public.usage_logs": """
        insert into public.usage_logs (user_id, resource_type, action, tokens_used, created_at) values
        ({user}, 'chat', 'turn', 7, now()), ({user}, 'chat', 'turn', 8, '2001-02-03')""",
    "assistant.rate_limits": "insert into assistant.rate_limits (bucket, full_at) values (sha256('x'), now())",
    "assistant.api_keys": """
        insert into assistant.api_keys (user_id, name, prefix, key_hash, scopes) values
        ({user}, 'reports', 'gsk_abcdefgh', sha256('x'), array['read'])""",
    "assistant.local_accounts": "insert into assistant.local_accounts (user_id, password_hash) values ({user}, 'x')",
    "public.goals": "insert into public.goals (user_id, title) values ({user}, 'Learn to sail')",
    "public.spaces": """
        insert into public.spaces (goal_id, user_id, title, visibility) select id, user_id, 'Sailing', 'shared'
        from public.goals""",
    "public.space_collaborators": """
        insert into public.space_collaborators (space_id, user_id, role)
        select s.id, u.id, 'viewer' from public.spaces s join public.users u on u.id <> s.user_id""",
    "public.modules": """
        insert into public.modules (space_id, title, content_type) select id, 'Knots', 'text' from public.spaces""",
    "public.tasks": """
        insert into public.tasks (space_id, module_id, title) select space_id, id, 'Tie one' from public.modules""",
    "public.module_progress": """
        insert into public.module_progress (module_id, user_id, completion_percentage)
        select id, {user}, 40 from public.modules""",
    "public.chat_messages": """
        insert into public.chat_messages (space_id, user_id, message, created_at) select id, user_id, 'Why?', t
        from public.spaces cross join (values (now()), ('2001-02-03'::timestamptz)) times(t)""",
    "assistant.runs": """
        insert into assistant.runs (user_id, space_id, thread_id, client_run_id, process, lease_until)
        select user_id, id, 't', id::text, gen_random_uuid(), now() from public.spaces""",
    "assistant.run_events": """
        insert into assistant.run_events (run_id, seq, event) select id, 1, '{{}}' from assistant.runs""",
    "assistant.run_steps": """
        insert into assistant.run_steps (run_id, n, role, blocks) select id, 0, 'user', '[]' from assistant.runs""",
    "assistant.message_keys": """
        insert into assistant.message_keys (user_id, client_message_id, run_id, message_hash)
        select user_id, id::text, id, 'x' from assistant.runs""",
    "assistant.citations": """
        insert into assistant.citations (message_id, index, run_id, user_id, chunk_id, document_id, title, quote,
            start_offset, end_offset)
        select gen_random_uuid(), 1, id, user_id, id, id, 't', 'q', 0, 1 from assistant.runs""",
    "assistant.threads": """
        insert into assistant.threads (user_id, space_id, thread_id, title) select user_id, id, 't2', 'Knots'
        from public.spaces""",
    "assistant.thread_summaries": """
        insert into assistant.thread_summaries (run_id, user_id, summary, tainted, turns, tokens, prompt_name,
            prompt_version, prompt_hash, model)
        select id, user_id, 'Knots.', true, 1, 2, 'summarise', '1.0.0', 'x', 'm' from assistant.runs""",
    "assistant.feedback": """
        insert into assistant.feedback (run_id, user_id, value) select id, user_id, 1 from assistant.runs""",
    "assistant.run_listeners": """
        insert into assistant.run_listeners (run_id, process, until) select id, process, now() from assistant.runs""",
    "public.documents": """
        insert into public.documents (space_id, title, content)
        select id, 'Knots', 'The bowline.' from public.spaces""",
    "public.document_embeddings": """
        insert into public.document_embeddings (document_id, chunk_index, chunk_text, embedding, language, length)
        select id, 0, 'The bowline.', array_fill(1, array[1536])::vector, 'en', 2 from public.documents""",
    "assistant.postings": """
        insert into assistant.postings (space_id, lexeme, chunk_id, tf, length)
        select space_id, 'bowline', id, 1, 2 from public.document_embeddings""",
    "assistant.fresh_vectors": """
        insert into assistant.fresh_vectors (document_id, model, input_hash, vector)
        select id, 'm', 'x', '[1,2]' from public.documents""",
    "public.comments": """
        insert into public.comments (user_id, resource_type, resource_id, content)
        select {user}, 'module', id, 'Good.' from public.modules""",
    "public.blog_posts": """
        insert into public.blog_posts (author_id, title, slug, content, published)
        values ({user}, 'Knots', 'knots', '…', true)""",
    "jobs.procrastinate_workers": "insert into jobs.procrastinate_workers default values",
    "jobs.procrastinate_jobs": "insert into jobs.procrastinate_jobs (queue_name, task_name) values ('q', 't')",
    "jobs.procrastinate_periodic_defers": """
        insert into jobs.procrastinate_periodic_defers (task_name, defer_timestamp, periodic_id)
        values ('t', 1, 'p')""",
    "assistant.stored_answers": """
        insert into assistant.stored_answers (user_id, request, body_hash, status, answer)
        values ({user}, sha256('r'), sha256('b'), 201, '{{}}')""",
    "assistant.upkeep": "insert into assistant.upkeep (step, seconds) values ('space_summaries', 1)",
    "assistant.departures": "insert into assistant.departures (person) values (sha256('x'))",
    "assistant.billing_events": "insert into assistant.billing_events (id) values ('evt_1')",
    "assistant.summary_changes": "update public.modules set space_id = space_id",
    "assistant.invitations": """
        insert into assistant.invitations (space_id, email, role, invited_by, secret_hash)
        select id, 'new@example.org', 'viewer', user_id, sha256(id::text::bytea) from public.spaces""",
    "assistant.plans": "insert into assistant.plans (tier, messages) values ('free', 1000)",
    "assistant.installation_stop": "insert into assistant.installation_stop (tokens) values (1000000)",
    "assistant.installation_usage": "insert into assistant.installation_usage (period) values ('2026-11-01')",
    "assistant.reservations": """
        insert into assistant.reservations (id, user_id, period) values (gen_random_uuid(), {user}, '2026-11-01')""",
    "assistant.usage_counters": """
        insert into assistant.usage_counters (user_id, period) values ({user}, '2026-11-01')""",
    "assistant.holdings": """
        insert into assistant.holdings (user_id, resource, amount) values ({user}, 'turns', 0)
        on conflict do nothing""",
    "assistant.space_holdings": """
        insert into assistant.space_holdings (space_id, user_id) select id, user_id from public.spaces""",
    "assistant.outbox": """
        insert into assistant.outbox (kind, collaborator_id) select 'invitation', id from public.space_collaborators""",
    "assistant.mentor_actions": """
        insert into assistant.mentor_actions (user_id, space_id, run_id, call_id, tool, arguments, status, expires_at)
        select user_id, space_id, id, 'call', 'create_task', '{{"title": "x"}}', 'proposed', now()
        from assistant.runs""",
}
"""In an order in which they can be filled. A table that is not here is filled by a trigger of another, or by nobody."""


def fill(connection: psycopg.Connection[Any]) -> None:
    """A row in each table that is there and empty."""
    connection.execute("set search_path = public, jobs")  # as the queue's own triggers need it
    for table, statement in ROWS.items():
        if connection.execute("select to_regclass(%s)", (table,)).fetchone() != (None,) and is_empty(connection, table):
            connection.execute(sql.SQL(statement).format(user=USER))
    connection.execute("set search_path to default")


def empty_tables(connection: psycopg.Connection[Any]) -> list[str]:
    """Of ours, all that hold no row; a partitioned one counts as a whole."""
    tables = connection.execute("""
        select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('auth', 'public', 'assistant', 'jobs') and c.relkind in ('r', 'p') order by 1""")
    return [table for (table,) in tables.fetchall() if is_empty(connection, table)]


def is_empty(connection: psycopg.Connection[Any], table: str) -> bool:
    query = sql.SQL("select from {} limit 1").format(sql.Identifier(*table.split(".")))
    return connection.execute(query).fetchone() is None


Contents = dict[str, tuple[int, str]]


def contents(connection: psycopg.Connection[Any], columns: dict[str, list[str]]) -> Contents:
    """Rows and checksum of each table, of these columns only."""
    found = {}
    for table, names in columns.items():
        query = sql.SQL(
            "select count(*), coalesce(md5(string_agg(r::text, '|' order by r::text)), '') from (select {} from {}) r"
        )
        fields = sql.SQL(", ").join(map(sql.Identifier, names))
        row = connection.execute(query.format(fields, sql.Identifier(*table.split(".")))).fetchone()
        assert row is not None
        found[table] = (row[0], row[1])
    return found


def columns_of(connection: psycopg.Connection[Any]) -> dict[str, list[str]]:
    rows = connection.execute("""
        select n.nspname || '.' || c.relname, array_agg(a.attname::text order by a.attnum)
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where n.nspname in ('auth', 'public', 'assistant', 'jobs') and c.relkind in ('r', 'p')
        group by 1""")
    return dict(rows.fetchall())
