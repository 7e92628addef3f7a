"""Nothing that people wrote and nothing that is secret is found in what the service says about itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.e2e.conftest import KeywordModel, Learner, RefusedError, Seed
from tests.fixtures.processes import Installation, Service
from tests.fixtures.scripted_model import Reply, ToolUse, fail, refuse, say

CANARY: Final = "canary4711"
"""In every input."""

KEY: Final = f"sk-ant-{CANARY}-key"
EMAIL: Final = f"{CANARY}@example.org"
PASSWORD: Final = f"{CANARY} password"


@pytest.fixture(scope="module")
async def installation(
    seed: Seed, model: KeywordModel, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    copied = seed.installation.copy_to(
        tmp_path_factory.mktemp("secrets"),
        ANTHROPIC_BASE_URL=model.base_url,
        ANTHROPIC_API_KEY=KEY,
        GOALSPACE_SMTP_URL=f"smtp+plain://us:{CANARY}@127.0.0.1:1",  # nobody is there
        GOALSPACE_MAIL_FROM=f"{CANARY} <{EMAIL}>",
        GOALSPACE_PUBLIC_URL=f"https://{CANARY}.example.org",
        GOALSPACE_LOG_LEVEL="debug",
    )
    try:
        yield copied
    finally:
        await copied.close()


async def test_nothing_is_given_away(installation: Installation, model: KeywordModel, seed: Seed) -> None:
    model.on("answer me", say(f"{CANARY} said the model."))
    model.on("use a tool", lambda body: say("Done.") if "tool_result" in str(body) else say(TOOL))
    model.on("refuse", refuse(401, "authentication_error", message=f"bad key {KEY}: {CANARY}"))
    model.on("break off", Reply([*say(f"{CANARY}").steps[:3], fail("api_error", message=CANARY)]))
    model.on("malformed", Reply([*say("x").steps[:3], b"data: " + CANARY.encode() + b"\n\n"]))
    service = await installation.serve()
    async with service.client(seed.token) as http:
        config = {"type": CANARY, "name": CANARY, "instructions": CANARY, "grounding": "strict", "note": CANARY}
        odd_space = (await Learner(http, seed.space).new_space(**config)).space
    problems = await provoke(service, seed, odd_space)
    installation.kill_database()
    problems += await provoke(service, seed, odd_space)
    await service.kill()
    service = await installation.serve()
    problems += await provoke(service, seed, odd_space)
    assert await service.end() == 0

    assert "notice_not_sent" in installation.logs
    assert KEY in str(model.requests[0].headers), "the key went where it belongs"
    token = seed.token.split(".")
    for place, said in {"logs": installation.logs, "database": database_log(installation), **dict(problems)}.items():
        for secret in (CANARY, token[1], token[2]):
            assert secret not in said, f"{place}: {line_of(secret, said)}"


TOOL: Final = ToolUse("create_task", {"title": CANARY, "priority": CANARY})


async def provoke(service: Service, seed: Seed, odd_space: str) -> list[tuple[str, str]]:
    """Every kind of request, good and bad; what the service says of those that went wrong."""
    said: list[tuple[str, str]] = []
    async with service.client(seed.token) as http:
        ada = Learner(http, seed.space)
        questions = [
            ada.ask(f"{wish}, {CANARY}") for wish in ("answer me", "use a tool", "refuse", "break off", "malformed")
        ]
        questions.append(Learner(http, odd_space).ask(f"answer me, {CANARY}"))
        requests = [
            http.post("/auth/signup", json={"email": EMAIL, "password": PASSWORD, "full_name": CANARY}),
            http.post("/auth/signup", json={"email": EMAIL, "password": PASSWORD}),
            http.post("/auth/token", json={"email": EMAIL, "password": f"{PASSWORD}?"}),
            http.post("/api/goals", json={"title": CANARY}),
            http.post("/api/goals", json={"title": CANARY}),
            http.post("/api/goals", json={"title": CANARY, "description": {CANARY: CANARY}}),
            http.post("/api/goals", content=f'{{"title": "{CANARY}'),
            http.patch(f"/api/spaces/{seed.space}", json={"ai_mentor_config": {"tools": CANARY}}),
            http.get(f"/api/spaces/{seed.space}/search", params={"q": CANARY, "limit": CANARY}),
            http.get("/api/goals", params={"cursor": CANARY}),
            http.post(f"/api/spaces/{seed.space}/collaborators", json={"email": f"invited-{EMAIL}"}),
            http.post(f"/api/spaces/{seed.space}/collaborators", json={"email": f"@{CANARY}", "role": CANARY}),
            http.post("/api/invitations/accept", json={"token": CANARY}),
            http.get(f"/unsubscribe/{CANARY}"),
            http.post("/api/blog/posts", json={"title": CANARY, "content": CANARY, "slug": CANARY}),
            http.post("/api/blog/posts", json={"title": CANARY, "content": CANARY, "slug": CANARY}),
            http.get(f"/api/blog/posts/{CANARY}-none"),
            http.get("/api/me", headers={"authorization": f"Bearer {CANARY}.{CANARY}.{CANARY}"}),
            http.get(f"/api/me?access_token={CANARY}"),
            http.get(f"/api/runs/{CANARY}"),
            http.post(
                f"/api/spaces/{seed.space}/documents",
                json={"title": CANARY, "content": f"{CANARY}\0", "content_type": "text"},
            ),
        ]
        asked = asyncio.gather(*questions, return_exceptions=True)
        answers = await asyncio.gather(*requests)
        for events in await asked:
            if isinstance(events, RefusedError):
                said.append(("turn", str(events.problem)))
            else:
                assert not isinstance(events, BaseException), events
                said += [("event", str(event)) for event in events if event["type"] == "RUN_ERROR"]
        for response in answers:
            if response.status_code >= 400:
                said.append((f"{response.request.method} {response.request.url.path}", response.text))
    with contextlib.suppress(Exception):  # refused, or not
        url = f"{service.socket_address}/api/spaces/{seed.space}/agent/ws"
        async with connect(url, subprotocols=[Subprotocol("ag-ui.v1"), Subprotocol(f"bearer.{seed.token}")]) as socket:
            await socket.send(f'{{"type": "subscribe", "runId": "{CANARY}", "after": "{CANARY}"}}')
            said.append(("frame", str(await asyncio.wait_for(socket.recv(), 5)).replace(f'"runId":"{CANARY}"', "")))
    return said


def database_log(installation: Installation) -> str:
    return Path(installation.data_dir / "postgres/server.log").read_text()


def line_of(secret: str, said: str) -> str:
    return next(line for line in said.splitlines() if secret in line)[:2000]
