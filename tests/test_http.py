"""What all endpoints have in common, at the public door."""

import asyncio
import io
import json
import re
from typing import Any

import httpx2
import msgspec
import psycopg
import pytest
from litestar import Litestar, get
from litestar.exceptions import NotAuthorizedException
from litestar.testing import AsyncTestClient
from sqlalchemy.exc import DBAPIError

from assistant.app import create_app
from assistant.errors import ConfigurationError, TooManyRequestsError, UnavailableError
from assistant.http import render_problem, secure_headers
from assistant.settings import Settings
from assistant.telemetry import configure_logging
from tests.fixtures.api import Caller, MakeCaller, errors_of, open_space
from tests.fixtures.database import make_settings
from tests.fixtures.http import LiveService

PROBLEM = "application/problem+json"


# --- problems ---------------------------------------------------------------------------------------------------------


async def test_every_error_is_a_problem_document(anybody: Caller, ada: Caller) -> None:
    answers = {
        404: await anybody.get("/nowhere"),
        405: await anybody.call("PUT", "/api/goals"),
        401: await anybody.get("/api/goals"),
        400: await ada.call("POST", "/api/goals", content=b"{"),
        415: await ada.call("POST", "/api/goals", content=b"title=x", headers={"content-type": "text/plain"}),
        413: await ada.call("POST", "/api/goals", content=b" " * 300_000),
        422: await ada.call("POST", "/api/goals", {"title": 5}),
    }
    for status, answer in answers.items():
        problem = answer.json()
        assert answer.status_code == problem["status"] == status
        assert answer.headers["content-type"] == PROBLEM
        assert problem.keys() >= {"type", "title", "status", "detail", "code"}
        assert problem["type"] == f"urn:goalspace:problem:{problem['code']}"
    assert answers[401].headers["www-authenticate"] == "Bearer"
    assert set(answers[405].headers["allow"].split(", ")) == {"GET", "POST", "OPTIONS"}
    assert errors_of(answers[422]) == ["title"]


async def test_a_body_is_bounded_whether_or_not_it_says_its_length(ada: Caller) -> None:
    async def endless() -> Any:
        for _ in range(64):
            yield b" " * 16_384

    answer = await ada.call("POST", "/api/goals", content=endless(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("content", "status", "paths"),
    [
        (b"", 422, [""]),
        (b"null", 422, [""]),
        (b"[]", 422, [""]),
        (b'"title"', 422, [""]),
        (b"{}", 422, ["title"]),
        (b'{"title": null}', 422, ["title"]),
        (b'{"title": ""}', 422, ["title"]),
        (b'{"title": "   "}', 422, ["title"]),
        (b'{"title": "a", "priority": "1"}', 422, ["priority"]),
        (b'{"title": "a", "priority": 1.0}', 422, ["priority"]),
        (b'{"title": "a", "priority": 99999999999}', 422, ["priority"]),
        (b'{"title": "a", "priority": 1e400}', 400, []),
        (b'{"title": "a", "due_date": "2026-12-01"}', 422, ["due_date"]),
        (b'{"title": "a", "due_date": "2026-12-01T10:00:00"}', 422, ["due_date"]),
        (b'{"title": "a", "due_date": "0001-01-01T00:00:00+14:00"}', 422, ["due_date"]),
        (b'{"title": "a", "due_date": "9999-12-31T23:59:59-12:00"}', 422, ["due_date"]),
        (b'{"title": "a", "due_date": 1790000000}', 422, ["due_date"]),
        (b'{"title": "a", "status": "open"}', 422, ["status"]),
        (b'{"title": "a", "user_id": "7b0f6f2e-5d0e-4b57-9d8e-0d7c2c1f5a11"}', 422, ["user_id"]),
        (b'{"title": "a", "id": "7b0f6f2e-5d0e-4b57-9d8e-0d7c2c1f5a11"}', 422, ["id"]),
        (b'{"title": "a", "created_at": "2026-12-01T10:00:00Z"}', 422, ["created_at"]),
        (rb'{"title": "a\u0000b"}', 422, ["title"]),
        (rb'{"title": "\ud800"}', 422, ["title"]),
        (b'{"title": "' + b"x" * 301 + b'"}', 422, ["title"]),
        (b'{"title": "\xff"}', 400, []),
        (b"{", 400, []),
        (b"[" * 5000, 400, []),
    ],
)
async def test_malformed_bodies(content: bytes, status: int, paths: list[str], ada: Caller) -> None:
    answer = await ada.call("POST", "/api/goals", content=content)
    assert (answer.status_code, errors_of(answer)) == (status, paths)
    assert (await ada.get("/api/goals")).json()["items"] == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "limit=1.5", "limit=-1", "status=open", f"cursor={'x' * 1001}"]
)
async def test_malformed_queries_name_the_parameter(query: str, ada: Caller) -> None:
    answer = await ada.get(f"/api/goals?{query}")
    assert (answer.status_code, errors_of(answer)) == (422, [query.split("=")[0]])


@pytest.mark.parametrize(
    "path", ["/api/goals/1", "/api/goals/%00", "/api/goals/%ff", "/api/spaces/' or 1=1", "/api//goals/x"]
)
async def test_an_id_that_is_none_is_not_there(path: str, ada: Caller) -> None:
    assert (await ada.get(path)).status_code == 404


async def test_a_hidden_row_is_not_there_before_the_body_is_looked_at(ada: Caller, bob: Caller) -> None:
    space = await open_space(ada)
    module = await ada.make(f"/api/spaces/{space['id']}/modules", {"title": "M", "content_type": "text"})
    task = await ada.make(f"/api/spaces/{space['id']}/tasks", {"title": "T"})
    hidden = [
        ("PATCH", f"/api/goals/{space['goal_id']}"),
        ("PATCH", f"/api/spaces/{space['id']}"),
        ("POST", f"/api/spaces/{space['id']}/modules"),
        ("POST", f"/api/spaces/{space['id']}/tasks"),
        ("PATCH", f"/api/modules/{module['id']}"),
        ("PUT", f"/api/modules/{module['id']}/progress"),
        ("PATCH", f"/api/tasks/{task['id']}"),
    ]
    for method, path in hidden:
        missing = re.sub("[0-9a-f-]{36}", str(bob.id), path)
        answers = [await bob.call(method, one, content=body) for one in (path, missing) for body in (b'{"x":1}', b"{")]
        assert {answer.status_code for answer in answers} == {404}, path
        assert len({answer.content for answer in answers}) == 1, path
        assert (await ada.call(method, path, {"x": 1})).status_code == 422


async def test_anonymous_callers_are_told_to_sign_in(anybody: Caller, ada: Caller) -> None:
    space = await open_space(ada, visibility="public")
    here = f"/api/spaces/{space['id']}"
    doors = [("PATCH", here), ("DELETE", here), ("POST", f"{here}/tasks"), ("GET", "/api/spaces"), ("GET", "/api/me")]
    for method, path in doors:
        assert (await anybody.call(method, path)).status_code == 401
    assert (await anybody.get(f"/api/spaces/{space['id']}")).status_code == 200


async def test_no_connection_is_kept_whatever_goes_wrong(api: LiveService, ada: Caller, bob: Caller) -> None:
    space = await open_space(ada)
    for _ in range(3):
        await ada.get("/api/goals?limit=0")
        await ada.get("/api/goals?cursor=x")
        await ada.call("POST", "/api/goals", content=b"{")
        await ada.call("POST", "/api/goals", {"title": "Goal for sailing"})
        await ada.call("POST", f"/api/spaces/{space['id']}/tasks", {"title": "T", "module_id": str(bob.id)})
        await bob.call("DELETE", f"/api/spaces/{space['id']}")
    answers = await asyncio.gather(*(ada.get("/api/goals") for _ in range(40)))
    assert {answer.status_code for answer in answers} == {200}
    database = api.app.state.services.database
    assert [engine.pool.checkedout() for engine in (database.clients, database.services)] == [0, 0]


# --- what nobody expected ---------------------------------------------------------------------------------------------


def failing_app(error: Exception) -> Litestar:
    @get("/fail", sync_to_thread=False)
    def fail() -> None:
        raise error

    return Litestar(
        [fail], exception_handlers={Exception: render_problem}, before_send=[secure_headers], logging_config=None
    )


async def answer_of(error: Exception) -> httpx2.Response | Any:
    async with AsyncTestClient(failing_app(error), raise_server_exceptions=False) as client:
        return await client.get("/fail", headers={"X-Request-ID": "request-1"})


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("select secret from users"),
        ConfigurationError("/srv/secret.key is broken"),
        DBAPIError("select secret", {"p": "secret"}, psycopg.ProgrammingError("secret")),
        ExceptionGroup("secret", [ValueError("secret")]),
        RecursionError("secret"),
    ],
)
async def test_an_unexpected_error_shows_nothing_of_itself_but_an_id(error: Exception) -> None:
    log = io.StringIO()
    configure_logging("info", stream=log)
    answer = await answer_of(error)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert (answer.json()["request_id"], answer.headers["x-request-id"]) == ("request-1", "request-1")
    [line] = [json.loads(line) for line in log.getvalue().splitlines() if "unhandled_error" in line]
    assert type(error).__name__ in line["exception"]
    assert "secret from" not in line["exception"]


def database_error(state: str) -> DBAPIError:
    kind = psycopg.errors.lookup(state)
    return DBAPIError("select 1", {}, kind("secret detail"))


@pytest.mark.parametrize(
    ("state", "status"),
    [("42501", 403), ("23503", 409), ("23505", 409), ("23514", 422), ("22P05", 422), ("57014", 503), ("25006", 503),
     ("40001", 503), ("53100", 503), ("53300", 503), ("57P01", 503), ("08006", 503), ("42601", 500), ("42P01", 500)],
)  # fmt: skip
async def test_refusals_of_the_database_have_their_status(state: str, status: int) -> None:
    for error in (database_error(state), ExceptionGroup("while closing", [database_error(state)])):
        answer = await answer_of(error)
        assert answer.status_code == status
        assert "secret" not in answer.text


async def test_errors_of_the_framework_have_their_status() -> None:
    answer = await answer_of(NotAuthorizedException("secret"))
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert "secret" not in answer.text


async def test_who_should_come_back_is_told_when() -> None:
    unavailable = await answer_of(UnavailableError("Busy.", retry_after=7))
    limited = await answer_of(TooManyRequestsError("Slowly.", retry_after=0))
    assert (unavailable.status_code, unavailable.headers["retry-after"]) == (503, "7")
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "1")


# --- headers ----------------------------------------------------------------------------------------------------------


async def test_every_answer_says_how_it_may_be_used(anybody: Caller, ada: Caller) -> None:
    for caller, method, path in (
        (anybody, "GET", "/health/live"), (anybody, "GET", "/nowhere"), (anybody, "PUT", "/api/goals"),
        (anybody, "GET", "/api/me"), (ada, "GET", "/api/me"), (ada, "POST", "/api/goals"), (ada, "OPTIONS", "/api/me"),
        (anybody, "GET", "/schema/openapi.json"), (anybody, "GET", "/metrics"),
    ):  # fmt: skip
        headers = (await caller.call(method, path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["cache-control"] == "no-store"
        assert headers["vary"] == "Origin"
        assert len(headers["x-request-id"]) == 32


@pytest.mark.parametrize(
    ("sent", "kept"), [("abc-1.2_3", True), ("a" * 65, False), ("a b", False), ("<script>", False), ("", False)]
)
async def test_a_request_id_is_kept_if_it_is_harmless(sent: str, kept: bool, anybody: Caller) -> None:
    answer = await anybody.get("/health/live", headers={"X-Request-ID": sent})
    assert (answer.headers["x-request-id"] == sent) is kept


# --- other origins ----------------------------------------------------------------------------------------------------

ORIGIN = "https://app.example.org"
TRICKS = [
    "https://app.example.org.evil.example", "https://evil-app.example.org", "https://app-example.org",
    "http://app.example.org", "https://app.example.org:8443", "https://sub.app.example.org", "https://example.org",
    "https://app.example.orgx", "null", "https://appxexample.org", "https://app.example.org/", "file://", "*",
    "https://app.example.org@evil.example", "https://evil.example#https://app.example.org", "HTTPS://evil.example",
]  # fmt: skip


@pytest.fixture
def other_origins(settings: Settings) -> Litestar:
    return create_app(make_settings(settings.data_dir, allowed_origins=ORIGIN))


async def ask(app: Litestar, method: str, path: str, origin: str) -> httpx2.Response:
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
        headers = {"Origin": origin}
        if method == "OPTIONS":
            headers |= {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        return await client.request(method, path, headers=headers)


async def test_a_page_of_an_allowed_origin_may_call(other_origins: Litestar) -> None:
    preflight = await ask(other_origins, "OPTIONS", "/api/goals", ORIGIN)
    plain = await ask(other_origins, "GET", "/health/live", ORIGIN)
    for answer in (preflight, plain):
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert answer.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in answer.headers
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()


@pytest.mark.parametrize("origin", TRICKS)
async def test_a_page_of_any_other_origin_may_not(origin: str, other_origins: Litestar) -> None:
    for method, path in (("OPTIONS", "/api/goals"), ("GET", "/health/live")):
        answer = await ask(other_origins, method, path, origin)
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["vary"] == "Origin"


async def test_without_allowed_origins_no_page_may(settings: Settings) -> None:
    answer = await ask(create_app(settings), "GET", "/health/live", ORIGIN)
    assert "access-control-allow-origin" not in answer.headers


# --- the contract -----------------------------------------------------------------------------------------------------


async def test_the_contract_is_one_document_with_every_schema(anybody: Caller) -> None:
    document = (await anybody.get("/schema/openapi.json")).json()
    assert {"/api/goals/{goal_id}", "/api/modules/{module_id}/progress", "/auth/token"} <= document["paths"].keys()
    schemas = document["components"]["schemas"]
    assert schemas["GoalCreate"]["additionalProperties"] is False
    assert schemas["GoalRead"]["properties"].keys() == {
        "id", "user_id", "title", "description", "category", "status", "priority", "due_date", "created_at",
        "updated_at",
    }  # fmt: skip
    assert msgspec.json.encode(document).count(b"operationId") == len(
        {operation["operationId"] for path in document["paths"].values() for operation in path.values()}
    )


async def test_what_is_made_can_be_repeated_and_what_is_changed_can_be_compared(anybody: Caller) -> None:
    """But for what needs neither: an account has its address, a key is not changed, an order is sent as a whole, and
    nobody writes a summary."""
    paths = (await anybody.get("/schema/openapi.json")).json()["paths"]
    asked = {
        (method, path, parameter["name"])
        for path, item in paths.items()
        for method, operation in item.items()
        for parameter in operation.get("parameters", [])
    }
    makes = {(m, p, "Idempotency-Key") for p, item in paths.items() for m, o in item.items() if "201" in o["responses"]}
    changes = {(m, p, "If-Match") for p, item in paths.items() for m in item if m in ("put", "patch", "delete")}
    assert {path for _, path, _ in (makes | changes) - asked} == {
        "/auth/signup",
        "/api/me",
        "/api/keys/{key_id}",
        "/api/spaces/{space_id}/modules/order",
        "/api/spaces/{space_id}/collaborators/me",
        "/api/spaces/{space_id}/threads/{thread_id}/summary",
    }


async def test_every_output_field_is_refused_as_an_input(ada: Caller, make_caller: MakeCaller) -> None:
    space = await open_space(ada)
    module = await ada.make(f"/api/spaces/{space['id']}/modules", {"title": "M", "content_type": "text"})
    task = await ada.make(f"/api/spaces/{space['id']}/tasks", {"title": "T"})
    goal = (await ada.get(f"/api/goals/{space['goal_id']}")).json()
    other = str((await make_caller()).id)
    rows = [("goals", goal), ("spaces", space), ("modules", module), ("tasks", task)]
    for name, row in rows:
        for field in ("id", "user_id", "space_id", "goal_id", "created_at", "updated_at"):
            if field in row:
                sent = other if field.endswith("id") else row[field]
                answer = await ada.call("PATCH", f"/api/{name}/{row['id']}", {field: sent})
                assert (answer.status_code, errors_of(answer)) == (422, [field])
