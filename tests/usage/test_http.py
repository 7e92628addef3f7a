"""What people see of their plan: over HTTP, over the websocket, and in the terminal."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from assistant.app import create_app
from assistant.cli import main
from assistant.db.quotas import InstallationStoppedError
from assistant.db.session import Database
from assistant.db.setup import Server
from assistant.llm.events import Usage
from assistant.settings import Settings
from assistant.usage.entries import ModelCall, turn_entry
from assistant.usage.installation import Stop, publish_stop
from assistant.usage.reservations import log_usage, paying
from tests.fixtures.database import PLANS, MakePerson, Person
from tests.fixtures.http import LiveService, serve_app

SMALL = PLANS.read_text().replace("messages: unlimited", "messages: 2", 1)
SMALL = SMALL.replace("documents: unlimited", "documents: 1", 1)


@pytest.fixture(scope="module")
def own_settings(settings: Settings, own_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    file = tmp_path_factory.mktemp("plans") / "plans.yaml"
    file.write_text(SMALL)
    addresses = {
        "database_url": SecretStr(own_server.url),
        "login_url": SecretStr(own_server.logins.login_url),
        "jobs_url": SecretStr(own_server.logins.jobs_url),
    }
    return settings.model_copy(update={**addresses, "plans_file": file})


@pytest.fixture(scope="module")
async def live(own_settings: Settings, own_server: Server) -> AsyncIterator[LiveService]:
    async with serve_app(create_app(own_settings), own_settings) as opened:
        yield opened


@pytest.fixture
async def ada(make_person: MakePerson) -> Person:
    return await make_person()


def run_input() -> dict[str, Any]:
    message = {"id": uuid4().hex, "role": "user", "content": "What is a bowline?"}
    return {"threadId": uuid4().hex, "runId": uuid4().hex, "messages": [message]}


async def ask(live: LiveService, person: Person) -> httpx2.Response:
    async with live.client(live.token(person.id)) as http:
        return await http.post(f"/api/spaces/{person.space_id}/agent", json=run_input())


async def read(live: LiveService, person: Person) -> dict[str, Any]:
    async with live.client(live.token(person.id)) as http:
        answer = await http.get("/api/me/usage")
    assert answer.status_code == 200, answer.text
    usage: dict[str, Any] = answer.json()
    return usage


def resource(usage: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [each for each in usage["resources"] if each["resource"] == name]
    return dict(found)


async def test_a_refused_question_is_a_problem_with_its_figures(
    live: LiveService, ada: Person, database: Database
) -> None:
    for _ in range(2):
        assert (await ask(live, ada)).status_code == 200
    refused = await ask(live, ada)
    assert refused.status_code == 429
    assert refused.headers["content-type"].startswith("application/problem+json")
    assert 0 < int(refused.headers["retry-after"]) <= 31 * 86_400
    problem = refused.json()
    assert problem["code"] == "quota_exceeded"
    told = "The plan free allows 2 messages a month: 2 are used, none are left. It renews on 1 "
    assert problem["detail"].startswith(told)
    assert {name: problem["quota"][name] for name in ("resource", "used", "limit", "left", "tier")} == {
        "resource": "messages", "used": 2, "limit": 2, "left": 0, "tier": "free",
    }  # fmt: skip
    messages = await database.fetch(ada.principal, "select count(*) from chat_messages where is_from_user")
    assert messages == [(2,)]
    url = live.address.replace("http", "ws", 1) + f"/api/spaces/{ada.space_id}/agent/ws"
    protocols = [Subprotocol("ag-ui.v1"), Subprotocol(f"bearer.{live.token(ada.id)}")]
    async with connect(url, subprotocols=protocols) as socket:
        await socket.send(json.dumps(run_input()))
        frame = json.loads(await socket.recv())
    assert (frame["type"], frame["code"], frame["message"]) == ("RUN_ERROR", "quota_exceeded", problem["detail"])


async def test_a_document_too_many_is_refused_at_every_door(live: LiveService, ada: Person) -> None:
    async with live.client(live.token(ada.id)) as http:
        answers = [
            await http.post(f"/api/spaces/{ada.space_id}/documents", json={"title": "Knots", "content": "A loop."})
            for _ in range(2)
        ]
        gone = await http.delete(f"/api/documents/{answers[0].json()['id']}")
        again = await http.post(f"/api/spaces/{ada.space_id}/documents", files={"file": ("a.md", b"# Knots")})
    assert [answer.status_code for answer in (*answers, gone, again)] == [201, 429, 204, 201]
    assert answers[1].json()["code"] == "quota_exceeded"
    assert "retry-after" not in answers[1].headers, "it does not renew by itself"
    usage = await read(live, ada)
    assert resource(usage, "documents") == {
        "resource": "documents", "used": 1, "reserved": 0, "limit": 1, "left": 0,
    }  # fmt: skip
    assert resource(usage, "storage")["used"] == len("# Knots")


async def use(database: Database, person: Person) -> None:
    calls = [
        ModelCall("chat", "anthropic", "claude-haiku-5-5", Usage(1_000_000, 100_000, 0, 0)),
        ModelCall("chat", "anthropic", "qwen3:8b", Usage(10, 5, 0, 0), estimated=True),
        ModelCall("summarise", "anthropic", "claude-haiku-5-5", Usage(0, 0, 1_000_000, 0)),
    ]
    rows = [call.entry().row(person.space_id, "r-1") for call in calls]
    rows.append(turn_entry("completed").row(person.space_id, "r-1"))
    await log_usage(database, [row | {"user_id": str(person.id)} for row in rows])


async def test_usage_by_day_space_model_and_action(
    live: LiveService, ada: Person, database: Database, make_person: MakePerson
) -> None:
    await use(database, ada)
    usage = await read(live, ada)
    assert (usage["plan"], usage["count"], usage["tokens_used"]) == ("free", 4, 2_100_015)
    assert usage["period_start"] < usage["period_end"]
    assert resource(usage, "messages") == {
        "resource": "messages", "used": 1, "reserved": 0, "limit": 2, "left": 1,
    }  # fmt: skip
    assert resource(usage, "tokens") == {
        "resource": "tokens", "used": 2_100_015, "reserved": 0, "limit": None, "left": None,
    }  # fmt: skip
    haiku, unpriced = usage["by_model"]
    assert (haiku["provider"], haiku["model"], haiku["count"]) == ("anthropic", "claude-haiku-5-5", 2)
    assert (haiku["input_tokens"], haiku["output_tokens"], haiku["cache_read_tokens"]) == (
        1_000_000,
        100_000,
        1_000_000,
    )
    assert haiku["cost_usd"] == pytest.approx(0.50 + 0.25 + 0.05)  # above 100,000 tokens of prompt
    assert (unpriced["model"], unpriced["cost_usd"], unpriced["without_price"], unpriced["estimated"]) == (
        "qwen3:8b", 0, 1, 1,
    )  # fmt: skip
    assert [(row["action"], row["count"]) for row in usage["by_action"]] == [("chat", 2), ("summarise", 1), ("turn", 1)]
    assert [(row["space_id"], row["title"]) for row in usage["by_space"]] == [(str(ada.space_id), "Sailing")]
    assert [row["tokens_used"] for row in usage["by_day"]] == [2_100_015]
    bobs = await read(live, await make_person())
    assert (bobs["count"], bobs["tokens_used"], bobs["by_space"]) == (0, 0, [])
    assert {each["used"] for each in bobs["resources"]} == {0}


# --- in the terminal -------------------------------------------------------------------------------------------------


Goalspace = Callable[..., Awaitable[Result]]


@pytest.fixture
def goalspace(own_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Goalspace:
    for name in ("database_url", "login_url", "jobs_url"):
        variable = "DATABASE_URL" if name == "database_url" else f"GOALSPACE_{name.upper()}"
        monkeypatch.setenv(variable, getattr(own_settings, name).get_secret_value())
    monkeypatch.setenv("GOALSPACE_DATA_DIR", str(own_settings.data_dir))
    monkeypatch.setenv("GOALSPACE_PLANS_FILE", str(own_settings.plans_file))
    monkeypatch.setattr("assistant.cli.common.configure_logging", lambda *_: None)
    monkeypatch.chdir(own_settings.data_dir)

    async def invoke(*arguments: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, main, arguments)

    return invoke


def table(result: Result) -> list[list[str]]:
    assert result.exit_code == 0, result.stderr
    return [line.split() for line in result.stdout.splitlines() if line.strip()]


async def test_the_terminal_shows_the_same(
    goalspace: Goalspace, live: LiveService, ada: Person, database: Database
) -> None:
    await use(database, ada)
    lines = table(await goalspace("usage", ada.email))
    assert lines[0][:2] == ["Plan", "free,"]
    assert ["messages", "1", "0", "2", "1"] in lines
    assert ["tokens", "2,100,015", "0", "–", "–"] in lines
    assert ["anthropic", "claude-haiku-5-5", "2", "2,100,000", "0.8000"] in lines
    assert ["anthropic", "qwen3:8b", "1", "15", "0.0000", "+?"] in lines
    told = json.loads((await goalspace("usage", ada.email, "--json")).stdout)
    assert (told["plan"], told["tokens_used"]) == ("free", 2_100_015)
    nobody = await goalspace("usage", "nobody@example.org")
    assert (nobody.exit_code, "There is no user" in nobody.stderr) == (1, True)


async def test_the_terminal_shows_and_lifts_the_stop(
    goalspace: Goalspace, live: LiveService, ada: Person, database: Database
) -> None:
    assert "There is no limit for everybody together" in (await goalspace("usage")).stdout
    await publish_stop(database, Stop(1, None))
    try:
        planned = ModelCall("chat", "anthropic", "claude-haiku-5-5", Usage(10, 0, 0, 0))
        with pytest.raises(InstallationStoppedError):
            async with paying(database, ada.id, ada.space_id, planned):
                raise AssertionError("it was refused")
        shown = (await goalspace("usage")).stdout
        assert "it stops at 1 tokens" in shown
        assert "STOPPED since" in shown
        assert json.loads((await goalspace("usage", "--json")).stdout)["stop"]["tokens_limit"] == 1
        assert (await goalspace("usage", ada.email, "--lift-stop")).exit_code == 2
        assert "The stop is lifted." in (await goalspace("usage", "--lift-stop")).stdout
        assert "is not stopped" in (await goalspace("usage", "--lift-stop")).stderr
        assert "STOPPED" not in (await goalspace("usage")).stdout
    finally:
        await publish_stop(database, Stop(None, None))
