"""A small world for the table of who may do what: ten people, three spaces, something of everybody in each."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from assistant.db.identity import ANONYMOUS, Principal, learner, service
from assistant.db.setup import Server

VISIBILITIES = ("private", "shared", "public")
MEMBERS = {"pending": "viewer", "viewer": "viewer", "editor": "editor", "admin": "admin"} | {
    "viewer2": "viewer",
    "admin2": "admin",
}
ACTORS = ("anon", "stranger", "pending", "viewer", "editor", "admin", "owner", "service")
PEOPLE = ("owner", "outsider", "newcomer", *MEMBERS)


@dataclass(frozen=True)
class Place:
    """A space and what is in it. `comments` and `messages` are by whose they are."""

    id: UUID
    modules: tuple[UUID, UUID]
    task: UUID
    document: UUID
    chunk: UUID
    comments: dict[str, UUID]
    messages: dict[str, UUID]
    runs: dict[str, UUID]
    """Of everybody, an answered turn: its events, what the model saw, and a citation."""
    actions: dict[str, UUID]
    """Of everybody, what the mentor proposed in that turn, and nobody has answered."""
    invitation: UUID
    """To the address of who is pending, as a viewer; its link holds `secret`."""


@dataclass(frozen=True)
class World:
    server: Server
    people: dict[str, UUID] = field(default_factory=dict)
    goals: dict[str, UUID] = field(default_factory=dict)
    posts: dict[str, UUID] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    unborn: UUID = field(default_factory=uuid4)
    """An identity without a user."""
    silent: UUID = field(default_factory=uuid4)
    """A user who has nothing and has published nothing."""


def login(server: Server, principal: Principal) -> psycopg.Connection[Any]:
    url = server.logins.jobs_url if principal.role == "service_role" else server.logins.login_url
    return psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True)


@contextmanager
def acting(connection: psycopg.Connection[Any], principal: Principal) -> Iterator[psycopg.Cursor[Any]]:
    """One transaction as `principal`, which leaves nothing behind."""
    with connection.transaction(force_rollback=True), connection.cursor() as cursor:
        become(cursor, principal)
        yield cursor


def become(cursor: psycopg.Cursor[Any], principal: Principal) -> None:
    cursor.execute(
        "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true)",
        (principal.role, principal.claims),
    )


@contextmanager
def open_connections(world: "World") -> Iterator[dict[str, psycopg.Connection[Any]]]:
    """By actor: one per login for all that they do, so that what one leaves behind the next would show."""
    client, jobs = (login(world.server, principal_of(world, actor)) for actor in ("owner", "service"))
    with client, jobs:
        yield {actor: jobs if actor == "service" else client for actor in ACTORS}


def principal_of(world: World, actor: str) -> Principal:
    """The actors of the table: the stranger has a space of their own and nothing to do with these."""
    if actor == "anon":
        return ANONYMOUS
    if actor == "service":
        return service("maintain")
    return learner(world.people["outsider" if actor == "stranger" else actor])


def build(server: Server) -> World:
    world = World(server)
    with login(server, service("maintain")) as connection, connection.transaction(), connection.cursor() as cursor:
        become(cursor, service("maintain"))
        unborn = f"{world.unborn}@example.org"
        cursor.execute("insert into auth.users (id, email) values (%s, %s)", (world.unborn, unborn))
        email = f"{world.silent}@example.org"
        for table in ("auth.users", "users"):
            cursor.execute(f"insert into {table} (id, email) values (%s, %s)", (world.silent, email))
        cursor.execute("insert into assistant.departures (person) values (sha256('x')) on conflict do nothing")
        for name in PEOPLE:
            _add_person(cursor, world, name)
        for visibility in VISIBILITIES:
            world.places[visibility] = _add_place(cursor, world, visibility)
        cursor.execute("select assistant.refresh_space_summaries()")
    with login(server, ANONYMOUS) as connection, connection.cursor() as cursor:
        for user_id in world.people.values():
            with connection.transaction():
                become(cursor, learner(user_id))
                cursor.execute(
                    "insert into assistant.stored_answers (user_id, request, body_hash, status, answer) "
                    "values (%s, sha256('one'), sha256('one'), 201, '{}')",
                    (user_id,),
                )
                cursor.execute(
                    "insert into assistant.api_keys (user_id, name, prefix, key_hash, scopes) "
                    "values (%s, 'one', %s, sha256('one'), array['read'])",
                    (user_id, f"gsk_{user_id.hex[:8]}"),
                )
    return world


def _insert(cursor: psycopg.Cursor[Any], table: str, **values: object) -> UUID:
    columns = ", ".join(values)
    marks = ", ".join(f"%({name})s" for name in values)
    row = cursor.execute(f"insert into {table} ({columns}) values ({marks}) returning id", values).fetchone()
    assert row is not None
    found: UUID = row[0]
    return found


def _add_person(cursor: psycopg.Cursor[Any], world: World, name: str) -> None:
    user_id = uuid4()
    email = f"{name}-{user_id}@example.org"
    cursor.execute("insert into auth.users (id, email) values (%s, %s)", (user_id, email))
    cursor.execute("insert into users (id, email) values (%s, %s)", (user_id, email))
    cursor.execute(
        "insert into subscriptions (user_id, tier, status, starts_at) values (%s, 'pro', 'active', now())", (user_id,)
    )
    cursor.execute(
        "insert into usage_logs (user_id, resource_type, action, tokens_used) values (%s, 'chat', 'turn', 7)",
        (user_id,),
    )
    cursor.execute("insert into assistant.holdings (user_id, resource, amount) values (%s, 'turns', 0)", (user_id,))
    world.people[name] = user_id
    world.goals[name] = _insert(cursor, "goals", user_id=user_id, title="A goal")
    for kind, published, when in (("draft", False, None), ("published", True, "now"), ("future", True, "2999-01-01")):
        slug = f"{kind}-{user_id}"
        world.posts[f"{kind}:{name}"] = _insert(
            cursor, "blog_posts", author_id=user_id, title=kind, slug=slug, content="…", published=published,
            published_at=when,
        )  # fmt: skip
    if name == "owner":
        world.posts["orphan"] = _insert(
            cursor, "blog_posts", author_id=None, title="orphan", slug=f"orphan-{user_id}", content="…", published=True
        )


def _add_place(cursor: psycopg.Cursor[Any], world: World, visibility: str) -> Place:
    owner = world.people["owner"]
    space = _insert(
        cursor, "spaces", goal_id=world.goals["owner"], user_id=owner, title=visibility, visibility=visibility,
        ai_mentor_config=Jsonb({}),
    )  # fmt: skip
    for name, role in MEMBERS.items():
        accepted = None if name == "pending" else "now"
        _insert(
            cursor, "space_collaborators", space_id=space, user_id=world.people[name], role=role, accepted_at=accepted
        )
    first, second = (
        _insert(cursor, "modules", space_id=space, title=f"Module {n}", content_type="text") for n in (1, 2)
    )
    task = _insert(cursor, "tasks", space_id=space, title="Task")
    document = _insert(cursor, "documents", space_id=space, title="Document", content="Text.")
    chunk = _insert(
        cursor, "document_embeddings", document_id=document, chunk_index=0, chunk_text="Text.",
        embedding=str([1.0] * 1536),
    )  # fmt: skip
    cursor.execute(
        "insert into assistant.postings (space_id, lexeme, chunk_id, tf, length) values (%s, 'text', %s, 1, 1)",
        (space, chunk),
    )
    comments, messages, runs, actions = {}, {}, {}, {}
    for name, user_id in world.people.items():
        comments[name] = _insert(
            cursor, "comments", user_id=user_id, resource_type="module", resource_id=first, content=f"By {name}"
        )
        messages[name] = _insert(cursor, "chat_messages", space_id=space, user_id=user_id, message=f"From {name}")
        runs[name] = _add_run(cursor, space, user_id, document, chunk)
        actions[name] = _insert(
            cursor, "assistant.mentor_actions", user_id=user_id, space_id=space, run_id=runs[name], call_id="one",
            tool="create_goal", arguments=Jsonb({"title": f"A goal of {name}"}), reason="policy", status="proposed",
            effect=Jsonb({"kind": "created", "table": "goals", "title": "A goal", "fields": {}}),
            expires_at="2999-01-01",
        )  # fmt: skip
        _insert(cursor, "module_progress", module_id=first, user_id=user_id, completion_percentage=10)
    invitation = _insert(
        cursor, "assistant.invitations", space_id=space, email=f"pending-{world.people['pending']}@example.org",
        role="viewer", invited_by=owner, secret_hash=hashlib.sha256(b"secret").digest(),
    )  # fmt: skip
    return Place(space, (first, second), task, document, chunk, comments, messages, runs, actions, invitation)


def _add_run(cursor: psycopg.Cursor[Any], space: UUID, user_id: UUID, document: UUID, chunk: UUID) -> UUID:
    run = _insert(
        cursor, "assistant.runs", space_id=space, user_id=user_id, thread_id="t", client_run_id=str(uuid4()),
        status="completed", finished_at="now", process=uuid4(), lease_until="now",
    )  # fmt: skip
    cursor.execute("insert into assistant.run_events (run_id, seq, event) values (%s, 1, '{}')", (run,))
    cursor.execute("insert into assistant.run_steps (run_id, n, role, blocks) values (%s, 0, 'user', '[]')", (run,))
    cursor.execute(
        "insert into assistant.message_keys (user_id, client_message_id, run_id, message_hash) values (%s, %s, %s, '')",
        (user_id, str(run), run),
    )
    cursor.execute(
        "insert into assistant.citations (message_id, index, run_id, user_id, chunk_id, document_id, title, quote,"
        " start_offset, end_offset) values (gen_random_uuid(), 1, %s, %s, %s, %s, 'Document', 'Text.', 0, 5)",
        (run, user_id, chunk, document),
    )
    cursor.execute(
        "insert into chat_messages (id, space_id, user_id, message, thread_id, run_id)"
        " select question_id, space_id, user_id, 'Why?', thread_id, id from assistant.runs where id = %s",
        (run,),
    )
    cursor.execute(
        "insert into assistant.thread_summaries (run_id, user_id, summary, tainted, turns, tokens, prompt_name,"
        " prompt_version, prompt_hash, model) values (%s, %s, 'Knots.', false, 1, 1, 'summarise', '1.0.0', 'x', 'm')",
        (run, user_id),
    )
    cursor.execute("insert into assistant.feedback (run_id, user_id, value) values (%s, %s, 1)", (run, user_id))
    return run
