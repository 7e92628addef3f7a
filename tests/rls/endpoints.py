"""The table of who may do what through HTTP: every endpoint of `/api`, as everybody, on everybody's ids.

Cells are those of `cases`: ✓ allowed, – refused, else the visibilities of the space in which it is allowed. Who is
refused gets 401 without a token where one is needed, 404 where they do not see the thing, and 403 where they do.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID, uuid4

import httpx2
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from assistant.app import create_app
from assistant.db.identity import Principal, ServiceJob
from assistant.db.session import Database
from assistant.db.setup import Server, connect
from assistant.settings import Settings
from tests.fixtures.http import LiveService, serve_app
from tests.rls.cases import LETTERS
from tests.rls.world import VISIBILITIES, Place, World, build

ACTORS: Final = ("anon", "stranger", "pending", "viewer", "editor", "admin", "owner")

Ids = dict[str, UUID | str]
Body = Callable[[Ids], object]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What one request may be answered with. `what` tells rows of the same method and path apart."""

    method: str
    path: str
    cells: str
    body: Body | None = None
    what: str = ""
    sees: str | None = None
    """Who sees the thing; None: whoever sees the space, or nobody where the path names none."""
    status: int = 0
    """Of success, where it is not the method's usual one."""
    query: str = ""
    renames: tuple[tuple[str, str], ...] = ()
    """Which of the ids a parameter of the path stands for, where it is not its own name."""

    @property
    def name(self) -> str:
        return f"{self.method} {self.path} {self.what}".strip()

    @property
    def success(self) -> int:
        return self.status or {"POST": 201, "DELETE": 204}.get(self.method, 200)


READERS: Final = "P P P SP SP SP ✓"
REACH: Final = "– P P SP SP SP ✓"
MEMBERS: Final = "– – – SP SP SP ✓"
EDITORS: Final = "– – – – SP SP ✓"
ADMINS: Final = "– – – – – SP ✓"
OWNER: Final = "– – – – – – ✓"
SIGNED_IN: Final = "– ✓ ✓ ✓ ✓ ✓ ✓"
NOBODY: Final = "– – – – – – –"
ANYBODY: Final = "✓ ✓ ✓ ✓ ✓ ✓ ✓"

SPACE: Final = "/api/spaces/{space_id}"


def sends(**values: object) -> Body:
    return lambda _: values


TITLE: Final = sends(title="New")
CONTENT: Final = sends(content="New")


def asks(ids: Ids) -> object:
    message = {"id": uuid4().hex, "role": "user", "content": "What is a knot?"}
    return {"threadId": uuid4().hex, "runId": uuid4().hex, "messages": [message]}


def opens(goal: str) -> Body:
    return lambda ids: {"title": "New", "goal_id": str(ids[goal])}


def invites(role: str) -> Body:
    return lambda ids: {"user_id": str(ids["newcomer"]), "role": role}


OWN: Final = [
    *(Endpoint("GET", f"/api/me{path}", SIGNED_IN) for path in ("", "/preferences", "/subscription", "/usage")),
    Endpoint("PATCH", "/api/me", SIGNED_IN, sends(full_name="New")),
    Endpoint("GET", "/api/me/export", SIGNED_IN),
    Endpoint("DELETE", "/api/me", SIGNED_IN),
    Endpoint("PATCH", "/api/me/preferences", SIGNED_IN, sends(theme="dark")),
    Endpoint("GET", "/api/keys", SIGNED_IN),
    Endpoint("POST", "/api/keys", SIGNED_IN, sends(name="New")),
    Endpoint("DELETE", "/api/keys/{key_id}", SIGNED_IN, what="own", renames=(("key_id", "my_key"),)),
    Endpoint("DELETE", "/api/keys/{key_id}", NOBODY, what="another's", renames=(("key_id", "others_key"),)),
    Endpoint("GET", "/api/goals", SIGNED_IN),
    Endpoint("POST", "/api/goals", SIGNED_IN, TITLE),
    *(
        row
        for method, body in (("GET", None), ("PATCH", TITLE), ("DELETE", None))
        for row in (
            Endpoint(method, "/api/goals/{goal_id}", SIGNED_IN, body, "own", renames=(("goal_id", "my_goal"),)),
            Endpoint(method, "/api/goals/{goal_id}", NOBODY, body, "another's", renames=(("goal_id", "others_goal"),)),
        )
    ),
    Endpoint("GET", "/api/spaces", SIGNED_IN),
    Endpoint("POST", "/api/spaces", SIGNED_IN, opens("my_goal"), "own goal"),
    Endpoint("POST", "/api/spaces", NOBODY, opens("others_goal"), "another's"),
    Endpoint("GET", "/api/tasks", SIGNED_IN),
    Endpoint("GET", "/api/invitations", SIGNED_IN),
    Endpoint("POST", "/api/invitations/accept", NOBODY, sends(token="no token of ours")),
]  # fmt: skip

SPACES: Final = [
    Endpoint("GET", SPACE, READERS),
    Endpoint("PATCH", SPACE, ADMINS, TITLE, "title"),
    Endpoint("PATCH", SPACE, ADMINS, sends(), "nothing"),
    Endpoint("PATCH", SPACE, OWNER, sends(visibility="private"), "visibility"),
    Endpoint("DELETE", SPACE, OWNER),
    Endpoint("GET", f"{SPACE}/summary", MEMBERS),
    Endpoint("GET", f"{SPACE}/search", REACH, query="?q=knots"),
    Endpoint("GET", f"{SPACE}/messages", REACH),
    Endpoint("POST", f"{SPACE}/agent", MEMBERS, asks, status=200),
    Endpoint("GET", f"{SPACE}/members", MEMBERS),
    Endpoint("PUT", f"{SPACE}/modules/order", EDITORS,
             lambda ids: {"module_ids": [str(ids["module2_id"]), str(ids["module_id"])]}),
]  # fmt: skip

CONTENTS: Final = [
    *(
        row
        for kind, body in (
            ("module", {"title": "New", "content_type": "text"}),
            ("task", {"title": "New"}),
            ("document", {"title": "New", "content": "Text."}),
        )
        for row in (
            Endpoint("GET", f"{SPACE}/{kind}s", READERS),
            Endpoint("POST", f"{SPACE}/{kind}s", EDITORS, sends(**body)),
            Endpoint("GET", f"/api/{kind}s/{{{kind}_id}}", READERS),
            Endpoint("PATCH", f"/api/{kind}s/{{{kind}_id}}", EDITORS, TITLE),
            Endpoint("PATCH", f"/api/{kind}s/{{{kind}_id}}", EDITORS, sends(), "nothing"),
            Endpoint("DELETE", f"/api/{kind}s/{{{kind}_id}}", EDITORS),
            Endpoint("GET", f"/api/{kind}s/{{resource_id}}/comments", READERS,
                     renames=(("resource_id", f"{kind}_id"),)),
            Endpoint("POST", f"/api/{kind}s/{{resource_id}}/comments", MEMBERS, CONTENT,
                     renames=(("resource_id", f"{kind}_id"),)),
        )
    ),
    Endpoint("GET", "/api/modules/{module_id}/progress", REACH),
    Endpoint("PUT", "/api/modules/{module_id}/progress", REACH, sends(completion_percentage=20)),
]  # fmt: skip

COMMENTS: Final = [
    Endpoint("GET", "/api/comments/{comment_id}", READERS, what="another's",
             renames=(("comment_id", "others_comment"),)),
    Endpoint("PATCH", "/api/comments/{comment_id}", NOBODY, CONTENT, "another's",
             renames=(("comment_id", "others_comment"),)),
    Endpoint("PATCH", "/api/comments/{comment_id}", MEMBERS, CONTENT, "own", renames=(("comment_id", "my_comment"),)),
    Endpoint("DELETE", "/api/comments/{comment_id}", ADMINS, what="another's",
             renames=(("comment_id", "others_comment"),)),
    Endpoint("DELETE", "/api/comments/{comment_id}", MEMBERS, what="own", renames=(("comment_id", "my_comment"),)),
]  # fmt: skip

PERSON: Final = f"{SPACE}/collaborators/{{collaborator_id}}"
SHARING: Final = [
    Endpoint("GET", f"{SPACE}/collaborators", MEMBERS),
    Endpoint("POST", f"{SPACE}/collaborators", ADMINS, invites("viewer"), "a viewer"),
    Endpoint("POST", f"{SPACE}/collaborators", OWNER, invites("admin"), "an admin"),
    Endpoint("GET", PERSON, MEMBERS, sees=MEMBERS),
    Endpoint("PATCH", PERSON, ADMINS, sends(role="editor"), "to editor", sees=MEMBERS),
    Endpoint("PATCH", PERSON, OWNER, sends(role="admin"), "to admin", sees=MEMBERS),
    Endpoint("DELETE", PERSON, ADMINS, what="a viewer", sees=MEMBERS),
    Endpoint("DELETE", PERSON, OWNER, what="an admin", sees=MEMBERS,
             renames=(("collaborator_id", "admin_membership"),)),
    Endpoint("DELETE", f"{SPACE}/collaborators/me", "– – ✓ ✓ ✓ ✓ –", sees=NOBODY),
    Endpoint("POST", "/api/invitations/{invitation_id}/accept", "– – ✓ – – – –", status=200, sees=NOBODY),
    Endpoint("POST", "/api/invitations/{invitation_id}/decline", "– – ✓ – – – –", status=204, sees=NOBODY),
]  # fmt: skip

RUNS: Final = [
    row
    for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/cancel"))
    for row in (
        Endpoint(method, f"/api/runs/{{run_id}}{path}", REACH, what="own", status=200, sees=NOBODY,
                 renames=(("run_id", "my_run"),)),
        Endpoint(method, f"/api/runs/{{run_id}}{path}", NOBODY, what="another's", sees=NOBODY,
                 renames=(("run_id", "others_run"),)),
    )
]  # fmt: skip

ACTIONS: Final = [
    Endpoint("GET", "/api/actions", SIGNED_IN),
    *(
        row
        for method, path, cells in (
            ("GET", "", REACH), ("POST", "/approve", REACH), ("POST", "/reject", REACH), ("POST", "/undo", NOBODY)
        )
        for row in (
            Endpoint(method, f"/api/actions/{{action_id}}{path}", cells, what="own", status=200, sees=REACH,
                     renames=(("action_id", "my_action"),)),
            Endpoint(method, f"/api/actions/{{action_id}}{path}", NOBODY, what="another's", sees=NOBODY,
                     renames=(("action_id", "others_action"),)),
        )
        if path != "/undo" or row.what != "own"  # what was not done cannot be undone, which is no question of rights
    ),
]  # fmt: skip

THREAD: Final = f"{SPACE}/threads/{{thread_id}}"
GOOD: Final = sends(value=1)
THREADS: Final = [
    Endpoint("GET", f"{SPACE}/threads", REACH),
    Endpoint("GET", THREAD, REACH),
    Endpoint("PATCH", THREAD, REACH, TITLE),
    Endpoint("GET", f"{THREAD}/export", REACH),
    Endpoint("GET", f"{THREAD}/summary", REACH),
    Endpoint("DELETE", f"{THREAD}/summary", REACH, renames=(("thread_id", "thread_to_forget"),)),
    Endpoint("DELETE", THREAD, REACH, renames=(("thread_id", "thread_to_delete"),)),
    *(
        row
        for path, body in (("feedback", GOOD), ("activate", None))
        for row in (
            Endpoint("POST", f"/api/messages/{{message_id}}/{path}", REACH, body, "own", status=200, sees=NOBODY,
                     renames=(("message_id", "my_answer"),)),
            Endpoint("POST", f"/api/messages/{{message_id}}/{path}", NOBODY, body, "another's", sees=NOBODY,
                     renames=(("message_id", "others_answer"),)),
        )
    ),
]  # fmt: skip

POST: Final = "/api/blog/posts/{slug}"
POSTS: Final = [
    Endpoint("GET", "/api/blog/posts", ANYBODY),
    Endpoint("GET", "/api/blog/feed.xml", ANYBODY),
    Endpoint("POST", "/api/blog/posts", SIGNED_IN, sends(title="New", content="…")),
    *(
        row
        for method, body in (("GET", None), ("PATCH", TITLE), ("DELETE", None))
        for row in (
            Endpoint(method, POST, SIGNED_IN, body, "own draft", renames=(("slug", "my_draft"),)),
            Endpoint(method, POST, NOBODY, body, "another's draft", renames=(("slug", "others_draft"),)),
            Endpoint(method, POST, NOBODY, body, "another's future post", renames=(("slug", "others_future"),)),
            Endpoint(method, POST, ANYBODY if method == "GET" else NOBODY, body, "another's published post",
                     sees=ANYBODY, renames=(("slug", "others_published"),)),
        )
    ),
]  # fmt: skip

ENDPOINTS: Final = [*OWN, *SPACES, *CONTENTS, *COMMENTS, *SHARING, *RUNS, *THREADS, *ACTIONS, *POSTS]


# --- the ground that they are tried on --------------------------------------------------------------------------------


class ForgetfulDatabase(Database):
    """What requests write is undone at their end, after the answer was made: every cell finds the same world."""

    @asynccontextmanager
    async def session(self, principal: Principal) -> AsyncIterator[AsyncSession]:
        async with super().session(principal) as session:
            yield session
            await session.rollback()

    @asynccontextmanager
    async def service(self, job: ServiceJob) -> AsyncIterator[AsyncConnection]:
        async with super().service(job) as connection:
            yield connection
            await connection.rollback()


@dataclass(frozen=True, slots=True)
class Ground:
    live: LiveService
    world: World
    http: httpx2.AsyncClient
    tokens: dict[str, str | None]
    closed: frozenset[tuple[str, str]]
    """Path and method of what needs a token, as the contract says."""
    memberships: dict[tuple[UUID, UUID], UUID]
    """By space and person."""
    keys: dict[UUID, UUID]


@asynccontextmanager
async def prepare(settings: Settings, server: Server) -> AsyncIterator[Ground]:
    world = await asyncio.to_thread(build, server)
    unlimited = settings.model_copy(update={"requests_per_minute": 0, "turns_per_minute": 0})
    app = create_app(unlimited)
    forgetful = ForgetfulDatabase(server.logins.login_url, server.logins.jobs_url, pool_size=8)
    async with serve_app(app, unlimited) as live, forgetful:
        app.state.services = replace(app.state.services, database=forgetful)
        async with httpx2.AsyncClient(base_url=live.address, timeout=30) as http:
            contract = (await http.get("/schema/openapi.json")).json()["paths"]
            closed = {
                (path, method.upper())
                for path, item in contract.items()
                for method, operation in item.items()
                if operation.get("security") == [{"bearer": []}]
            }
            tokens = {actor: None if actor == "anon" else live.token(person(world, actor)) for actor in ACTORS}
            memberships, keys = await asyncio.to_thread(_read_ids, server, world)
            yield Ground(live, world, http, tokens, frozenset(closed), memberships, keys)


def _read_ids(server: Server, world: World) -> tuple[dict[tuple[UUID, UUID], UUID], dict[UUID, UUID]]:
    """Also a run of everybody in each space, which has ended."""
    with connect(server.url) as connection, connection.transaction():
        for place in world.places.values():
            for user_id in world.people.values():
                connection.execute(
                    "insert into assistant.runs (user_id, space_id, thread_id, client_run_id, process, lease_until, "
                    "status, finished_at, last_seq) values (%s, %s, 't', %s, gen_random_uuid(), now(), 'completed', "
                    "now(), 1)",
                    (user_id, place.id, str(run_of(place, user_id))),
                )
                for thread in ("thread_to_forget", "thread_to_delete"):
                    connection.execute(
                        "insert into assistant.runs (user_id, space_id, thread_id, client_run_id, process, "
                        "lease_until, status, finished_at) values (%s, %s, %s, %s, gen_random_uuid(), now(), "
                        "'completed', now())",
                        (user_id, place.id, thread, f"{thread} {run_of(place, user_id)}"),
                    )
                connection.execute(
                    "insert into chat_messages (id, space_id, user_id, is_from_user, message, thread_id, run_id) "
                    "select %s, space_id, user_id, false, 'So.', thread_id, id from assistant.runs "
                    "where user_id = %s and client_run_id = %s",
                    (answer_of(place, user_id), user_id, str(run_of(place, user_id))),
                )
        connection.execute("""
            insert into assistant.run_events (run_id, seq, event)
            select id, 1, '{"type": "RUN_FINISHED"}' from assistant.runs where status = 'completed'
            on conflict do nothing""")
        members: Any = connection.execute("select space_id, user_id, id from space_collaborators").fetchall()
        keys: Any = connection.execute("select user_id, id from assistant.api_keys").fetchall()
    return {(space, user): row for space, user, row in members}, dict(keys)


def run_of(place: Place, user_id: UUID) -> UUID:
    return UUID(int=place.id.int ^ user_id.int)


def answer_of(place: Place, user_id: UUID) -> UUID:
    return UUID(int=place.id.int ^ user_id.int ^ 1)


def person(world: World, actor: str) -> UUID:
    return world.people["outsider" if actor in ("anon", "stranger") else actor]


def ids_for(ground: Ground, actor: str, visibility: str) -> Ids:
    """What the parameters of paths stand for: own things are the actor's, others' the owner's or somebody else's."""
    world, place = ground.world, ground.world.places[visibility]
    me = {"anon": "outsider", "stranger": "outsider"}.get(actor, actor)
    other = "outsider" if me == "owner" else "owner"
    return {
        "space_id": place.id,
        "module_id": place.modules[0],
        "module2_id": place.modules[1],
        "task_id": place.task,
        "document_id": place.document,
        "invitation_id": place.invitation,
        "collaborator_id": ground.memberships[place.id, world.people["viewer2"]],
        "admin_membership": ground.memberships[place.id, world.people["admin2"]],
        "newcomer": world.people["newcomer"],
        "my_goal": world.goals[me],
        "others_goal": world.goals[other],
        "my_key": ground.keys[world.people[me]],
        "others_key": ground.keys[world.people[other]],
        "my_comment": place.comments[me],
        "others_comment": place.comments["viewer2"],
        "my_run": run_of(place, world.people[me]),
        "others_run": run_of(place, world.people[other]),
        "my_action": place.actions[me],
        "others_action": place.actions[other],
        "my_answer": answer_of(place, world.people[me]),
        "others_answer": answer_of(place, world.people[other]),
        "thread_id": "t",
        "thread_to_forget": "thread_to_forget",
        "thread_to_delete": "thread_to_delete",
        "my_draft": f"draft-{world.people[me]}",
        "others_draft": f"draft-{world.people[other]}",
        "others_future": f"future-{world.people[other]}",
        "others_published": f"published-{world.people[other]}",
    }


# --- the cells --------------------------------------------------------------------------------------------------------


def cells_of(endpoint: Endpoint) -> list[tuple[str, str]]:
    """Actors and visibilities; one of these is enough where no space is spoken of."""
    in_a_space = re.search(r"{(?!goal|key|slug)\w+}", endpoint.path)
    return [(actor, visibility) for actor in ACTORS for visibility in (VISIBILITIES if in_a_space else ("shared",))]


async def wrong_answers(endpoint: Endpoint, ground: Ground) -> list[str]:
    """Where the service answers with something else than the table says."""
    found = await asyncio.gather(*(_try(endpoint, ground, *cell) for cell in cells_of(endpoint)))
    return [fault for fault in found if fault]


async def _try(endpoint: Endpoint, ground: Ground, actor: str, visibility: str) -> str | None:
    expected = _expected(endpoint, ground, actor, visibility)
    ids = ids_for(ground, actor, visibility)
    answer = await _ask(endpoint, ground, actor, ids)
    if answer.status_code != expected:
        return f"{actor} in a {visibility} space: {answer.status_code} instead of {expected}: {answer.text[:200]}"
    if expected == 404:
        [*_, last] = [*re.findall(r"{(\w+)}", endpoint.path), None]
        missing = await _ask(endpoint, ground, actor, ids | ({_renamed(endpoint, last): uuid4()} if last else {}))
        if (missing.status_code, missing.content) != (404, answer.content):
            return f"{actor} in a {visibility} space: what is hidden does not read like what is not there"
    return None


def _expected(endpoint: Endpoint, ground: Ground, actor: str, visibility: str) -> int:
    if holds(endpoint.cells, actor, visibility):
        return endpoint.success
    if actor == "anon" and (endpoint.path, endpoint.method) in ground.closed:
        return 401
    in_a_space = READERS if re.search(r"{(?!goal|key|run|invitation|slug)\w+}", endpoint.path) else NOBODY
    return 403 if holds(in_a_space if endpoint.sees is None else endpoint.sees, actor, visibility) else 404


def holds(cells: str, actor: str, visibility: str) -> bool:
    cell = dict(zip(ACTORS, cells.split(), strict=True))[actor]
    return cell == "✓" or LETTERS[visibility] in cell


async def _ask(endpoint: Endpoint, ground: Ground, actor: str, ids: Ids) -> httpx2.Response:
    path = re.sub(r"{(\w+)}", lambda found: str(ids[_renamed(endpoint, found[1])]), endpoint.path)
    token = ground.tokens[actor]
    return await ground.http.request(
        endpoint.method,
        path + endpoint.query,
        headers={"Authorization": f"Bearer {token}"} if token else {},
        json=None if endpoint.body is None else endpoint.body(ids),
    )


def _renamed(endpoint: Endpoint, parameter: str) -> str:
    return dict(endpoint.renames).get(parameter, parameter)


def without_a_row(contract: dict[str, Any]) -> set[str]:
    """Endpoints of the contract that the table does not speak of."""
    served = {
        f"{method.upper()} {path}"
        for path, item in contract["paths"].items()
        for method in item
        if path.startswith("/api/")
    }
    return served - {f"{endpoint.method} {endpoint.path}" for endpoint in ENDPOINTS}


# --- fields that are not asked for ------------------------------------------------------------------------------------


def fields_of(contract: dict[str, Any], described: dict[str, Any]) -> set[str]:
    """The fields of what a request body or the successful response of an operation holds; of a file none."""
    answers = [described.get(status, {}) for status in ("200", "201")] if "content" not in described else [described]
    schemas = [answer.get("content", {}).get("application/json", {}).get("schema", {}) for answer in answers]
    names = [schema.get("$ref", "").rpartition("/")[2] for schema in schemas]
    return {field for name in names if name for field in contract["components"]["schemas"][name]["properties"]}


async def send(endpoint: Endpoint, ground: Ground, field: str) -> httpx2.Response:
    """The request of a row, as the owner, with one more field."""
    ids = ids_for(ground, "owner", "shared")
    assert endpoint.body is not None
    body = endpoint.body(ids)
    assert isinstance(body, dict)
    return await _ask(replace(endpoint, body=sends(**body, **{field: None})), ground, "owner", ids)
