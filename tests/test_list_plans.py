"""How lists find their rows."""

from typing import Any

import psycopg

from assistant.db.engine import libpq_url
from assistant.db.identity import learner
from assistant.db.listing import Listing
from assistant.db.roundtrip import numbered
from assistant.db.setup import Server
from assistant.goals.lists import GOALS
from assistant.knowledge.lists import DOCUMENTS
from assistant.spaces.lists import ALL_TASKS, MODULES, SPACES, TASKS
from tests.rls.world import become

CROWD = """
    set local session_replication_role = replica;
    insert into auth.users (id, email) select gen_random_uuid(), 'crowd-' || n from generate_series(1, 300) n;
    insert into users (id, email) select id, email from auth.users where email like 'crowd-%';
    insert into goals (user_id, title) select id, 'Goal ' || n from users, generate_series(1, 10) n
        where email like 'crowd-%';
    insert into spaces (goal_id, user_id, title, visibility)
        select g.id, g.user_id, 'Space', case when random() < 0.1 then 'shared' else 'private' end
        from goals g join users u on u.id = g.user_id where u.email like 'crowd-%';
    insert into tasks (space_id, title, due_date) select s.id, 'Task ' || n, now() + random() * interval '1 year'
        from spaces s join users u on u.id = s.user_id, generate_series(1, 5) n where u.email like 'crowd-%';
    insert into modules (space_id, title, content_type) select s.id, 'Module ' || n, 'text'
        from spaces s join users u on u.id = s.user_id, generate_series(1, 5) n where u.email like 'crowd-%';
    insert into documents (space_id, title, content) select s.id, 'Document', 'Text.'
        from spaces s join users u on u.id = s.user_id where u.email like 'crowd-%';
    analyze goals, spaces, tasks, modules, documents;
"""

LISTS: list[tuple[Listing[Any], str, tuple[str, ...], str]] = [
    (GOALS, "-created", (), "goals"),
    (GOALS, "due", ("status", "q"), "goals"),
    (SPACES, "-created", ("member",), "spaces"),
    (SPACES, "title", ("owner", "q"), "spaces"),
    (SPACES, "-created", ("public",), "spaces"),
    (MODULES, "place", ("space_id",), "modules"),
    (TASKS, "created", ("space_id",), "tasks"),
    (TASKS, "due", ("space_id", "status"), "tasks"),
    (TASKS, "-priority", ("space_id", "due_before", "due_after", "status"), "tasks"),
    (ALL_TASKS, "due", ("member", "due_before"), "tasks"),
    (DOCUMENTS, "-updated", ("space_id", "q"), "documents"),
]


def test_every_list_finds_its_rows_by_an_index(server: Server) -> None:
    """As a learner of a crowd; the plan of no list, made once for all its values, reads the whole table."""
    address = libpq_url(server.url)
    with psycopg.connect(address, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute(CROWD)
        row = connection.execute("select user_id from spaces order by id limit 1").fetchone()
        assert row is not None
        (user_id,) = row
        become(connection.cursor(), learner(user_id))
        for listing, order, filters, table in LISTS:
            for resumed in (False, "created" in order):
                statement = listing.statement(filters, order, resumed=resumed)
                plan = connection.execute(b"explain (generic_plan) " + numbered(statement)[0]).fetchall()
                text = "\n".join(line for (line,) in plan)
                assert f"Seq Scan on {table}" not in text, f"{listing.name} by {order}:\n{text}"
        connection.rollback()
