"""Documents and search at the public door."""

import asyncio
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.pool import AsyncAdaptedQueuePool

from assistant.db.session import Database
from assistant.knowledge.extraction import Extracted
from assistant.knowledge.fetching import Fetcher
from assistant.knowledge.formats.readers import Readers
from assistant.knowledge.ingestion import Found
from tests.fixtures.api import Caller, MakeCaller, errors_of, open_space
from tests.fixtures.database import join_space
from tests.fixtures.http import LiveService
from tests.fixtures.website import open_website

BOATS = (
    "# Boats\n\nSail boats have right of way over motor boats.\n\n## Knots\n\nThe bowline makes a loop that holds.\n"
)


@pytest.fixture
async def ada(make_caller: MakeCaller) -> Caller:
    """Through HTTP, where the other tests of this folder go by the services."""
    return await make_caller()


@pytest.fixture
async def bob(make_caller: MakeCaller) -> Caller:
    return await make_caller()


@pytest.fixture
async def space(ada: Caller) -> str:
    return str((await open_space(ada, visibility="shared"))["id"])


async def settled(caller: Caller, document_id: str) -> dict[str, Any]:
    """The document once it is indexed, or is not going to be."""
    async with asyncio.timeout(30):
        while True:
            document: dict[str, Any] = (await caller.get(f"/api/documents/{document_id}")).json()
            if document["indexing"]["status"] not in ("queued", "processing"):
                return document
            await asyncio.sleep(0.05)


async def upload(caller: Caller, space: str, name: str, data: bytes, **fields: str) -> Any:
    files = {"file": (name, data, "application/octet-stream")}
    return await caller.call("POST", f"/api/spaces/{space}/documents", files=files, data=fields)


async def test_what_was_posted_is_found_a_moment_later(ada: Caller, space: str) -> None:
    made = await ada.make(f"/api/spaces/{space}/documents", {"title": "Boats", "content": BOATS})
    assert made["indexing"] == {"status": "queued", "error": None, "chunks": 0, "found_everywhere": False}
    assert (made["content_type"], made["created_by"], made["content"]) == ("markdown", str(ada.id), BOATS)
    ready = {"status": "ready", "error": None, "chunks": 1, "found_everywhere": False}
    assert (await settled(ada, made["id"]))["indexing"] == ready
    found = (await ada.get(f"/api/spaces/{space}/search", params={"q": "which knot makes a loop?"})).json()
    [best] = found["items"]
    assert (best["document_id"], best["title"]) == (made["id"], "Boats")
    assert BOATS[best["start"] : best["end"]] == best["text"]
    assert "bowline" in best["text"]
    assert found["next_cursor"] is None


async def test_a_document_through_its_life(ada: Caller, space: str) -> None:
    made = await ada.make(
        f"/api/spaces/{space}/documents", {"title": "Boats", "content": "Row!", "content_type": "text"}
    )
    path = f"/api/documents/{made['id']}"
    [listed] = (await ada.get(f"/api/spaces/{space}/documents")).json()["items"]
    assert listed.keys() == made.keys() - {"content"}
    changed = (await ada.call("PATCH", path, {"title": "Oars"})).json()
    assert (changed["title"], changed["content"], changed["content_type"]) == ("Oars", "Row!", "text")
    changed = (await ada.call("PATCH", path, {"content": "<h1>Paddles</h1>", "content_type": "text/html"})).json()
    assert (changed["title"], changed["content"], changed["content_type"]) == ("Oars", "# Paddles", "html")
    changed = (await ada.call("PATCH", path, {"content": "# Sculls"})).json()
    assert (changed["content"], changed["content_type"]) == ("# Sculls", "html")
    assert (await ada.call("DELETE", path)).status_code == 204
    assert (await ada.get(path)).status_code == 404
    assert (await ada.get(f"/api/spaces/{space}/search", params={"q": "sculls"})).json()["items"] == []


async def test_files_are_read_by_their_content(ada: Caller, space: str) -> None:
    page = b"<!doctype html><title>Tides</title><body><h1>Tides</h1><p>Ebb &amp; flow<script>alert(1)</script>"
    answer = await upload(ada, space, "tides.txt", page)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["title"], made["content"], made["content_type"]) == ("Tides", "# Tides\n\nEbb & flow", "html")
    named = (await upload(ada, space, "notes.md", "Über Böen".encode("latin-1"), title="Böen")).json()
    assert (named["title"], named["content"], named["content_type"]) == ("Böen", "Über Böen", "markdown")


async def test_new_text_of_source_code_stays_source_code(ada: Caller, space: str) -> None:
    made = (await upload(ada, space, "reef.py", b"# no heading\n")).json()
    changed = await ada.call("PATCH", f"/api/documents/{made['id']}", {"content": "# none either\n"})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["content"], changed.json()["content_type"]) == ("# none either\n", "code")


async def test_html_is_read_where_it_harms_nobody_however_it_comes(
    ada: Caller, api: LiveService, space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Readers(seconds=0) as strict:
        monkeypatch.setattr(api.app.state.services.gatherer, "_readers", strict)
        path, page = f"/api/spaces/{space}/documents", {"title": "T", "content": "<p>Row!", "content_type": "html"}
        made = await ada.make(path, {"title": "T", "content": "Row!"})
        for method, where in (("POST", path), ("PATCH", f"/api/documents/{made['id']}")):
            answer = await ada.call(method, where, page)
            assert (answer.status_code, "longer than" in answer.json()["detail"]) == (413, True)


@pytest.mark.parametrize(
    ("name", "data", "status"),
    [
        ("book.pdf", b"%PDF-1.7 ...", 422),
        ("fake.md", b"PK\x03\x04 ...", 422),
        ("binary.txt", b"abc\x00def", 415),
        ("feed.xml", b"<?xml version='1.0'?><rss/>", 415),
        ("empty.md", b"", 422),
        ("blank.md", b" \n\t", 422),
        ("nothing.html", b"<html><script>1</script></html>", 422),
        ("deep.html", b"<html>" + b"<div>" * 5_000, 422),
        ("long.txt", b"word " * 500_000, 413),
        ("huge.txt", b"a" * (20 * 1024 * 1024 + 1), 413),
        ("larger.txt", b"a" * (22 * 1024 * 1024), 413),
    ],
)
async def test_files_that_cannot_be_read_say_why(name: str, data: bytes, status: int, ada: Caller, space: str) -> None:
    answer = await upload(ada, space, name, data)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]
    assert (await ada.get(f"/api/spaces/{space}/documents")).json()["items"] == []


@pytest.mark.parametrize(
    ("body", "status", "path"),
    [
        ({"title": "T"}, 422, "content"),
        ({"title": "", "content": "x"}, 422, "title"),
        ({"title": "x" * 301, "content": "x"}, 422, "title"),
        ({"title": "T", "content": ""}, 422, "content"),
        ({"title": "T", "content": 5}, 422, "content"),
        ({"title": "T", "content": "<html>", "content_type": "html"}, 422, "content"),
        ({"title": "T", "content": "a\0b"}, 422, "content"),
        ({"title": "T", "content": "x", "content_type": "application/pdf"}, 415, None),
        ({"title": "T", "content": "x", "created_by": str(uuid4())}, 422, "created_by"),
        ({"url": "http://127.0.0.1/page"}, 422, "url"),
        ({"url": "http://127.0.0.1/page", "title": "T"}, 422, "title"),
        ({"url": 5}, 422, "url"),
        ({"title": "T", "content": "x" * 2_000_001}, 413, None),
    ],
)
async def test_malformed_documents(body: object, status: int, path: str | None, ada: Caller, space: str) -> None:
    answer = await ada.call("POST", f"/api/spaces/{space}/documents", body)
    assert (answer.status_code, errors_of(answer)) == (status, [path] if path else []), answer.text


async def test_a_page_of_the_web_becomes_a_document_of_nobodys_own(
    ada: Caller, bob: Caller, api: LiveService, database: Database, space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gatherer = api.app.state.services.gatherer
    path = f"/api/spaces/{space}/documents"
    async with open_website() as site:
        monkeypatch.setattr(gatherer, "_fetcher", Fetcher([f"127.0.0.1:{site.port}"]))
        address = site.add("/knots", "<html><title>Knots</title><p>The bowline makes a loop.")
        made = await ada.make(path, {"url": address})
        assert (made["title"], made["content"], made["created_by"]) == ("Knots", "The bowline makes a loop.", None)
        site.add("/knots", "<html><title>Knots</title><p>The bowline holds.")
        await join_space(database, UUID(space), bob.id, "viewer")
        assert (await bob.call("POST", path, {"url": address})).status_code == 403
        again = await ada.make(path, {"url": address})
        assert (again["id"], again["content"], again["created_by"]) == (made["id"], "The bowline holds.", None)
        site.pages.clear()
        answer = await ada.call("POST", path, {"url": address})
        assert (answer.status_code, answer.json()["code"]) == (422, "not_fetched")
        assert (await ada.get(f"/api/documents/{made['id']}")).json()["content"] == "The bowline holds."
        site.add("/map.xml", "<?xml version='1.0'?><urlset/>", kind="application/xml")
        assert (await ada.call("POST", path, {"url": f"{site.address}/map.xml"})).status_code == 415


async def test_while_a_file_is_read_no_connection_waits_for_it(
    ada: Caller, api: LiveService, space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = api.app.state.services
    reached, gate = asyncio.Queue[None](), asyncio.Event()
    read = services.gatherer.read

    async def read_slowly(found: Found, owner: UUID) -> Extracted:
        reached.put_nowait(None)
        await gate.wait()
        extracted: Extracted = await read(found, owner)
        return extracted

    monkeypatch.setattr(services.gatherer, "read", read_slowly)
    path = f"/api/spaces/{space}/documents"
    send = partial(ada.call, "POST", path, files={"file": ("boats.md", BOATS)}, headers={"Idempotency-Key": "boats"})
    sent = [asyncio.create_task(send()) for _ in range(2)]
    async with asyncio.timeout(10):
        for _ in sent:
            await reached.get()
    pool = services.database.clients.pool
    assert isinstance(pool, AsyncAdaptedQueuePool)
    assert pool.checkedout() == 0
    gate.set()
    answers = [await task for task in sent]
    made = {answer.content for answer in answers if answer.status_code == 201}
    assert len(made) == 1
    assert [answer.json()["code"] for answer in answers if answer.status_code != 201] in ([], ["request_running"])
    again = await send()
    assert (again.content in made, again.headers["idempotency-replayed"]) == (True, "true")
    assert reached.empty(), "what is answered from memory is not read again"
    assert len((await ada.get(path)).json()["items"]) == 1


async def test_a_repeat_is_answered_although_the_page_is_gone(
    ada: Caller, api: LiveService, space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/api/spaces/{space}/documents"
    async with open_website() as site:
        monkeypatch.setattr(api.app.state.services.gatherer, "_fetcher", Fetcher([f"127.0.0.1:{site.port}"]))
        body = {"url": site.add("/knots", "<html><title>Knots</title><p>The bowline makes a loop.")}
        once = {"headers": {"Idempotency-Key": "knots"}}
        first = await ada.call("POST", path, body, **once)
        site.pages.clear()
        again = await ada.call("POST", path, body, **once)
    assert (first.status_code, again.content) == (201, first.content)
    assert (await ada.call("POST", path, {"url": "http://127.0.0.1/"}, **once)).json()["code"] == (
        "idempotency_key_reused"
    )


async def test_a_form_without_a_file(ada: Caller, space: str) -> None:
    answer = await ada.call("POST", f"/api/spaces/{space}/documents", files={"title": (None, "T")})
    assert (answer.status_code, errors_of(answer)) == (422, ["file"])


async def test_strangers_find_nothing_there(ada: Caller, bob: Caller, anybody: Caller, space: str) -> None:
    made = await ada.make(f"/api/spaces/{space}/documents", {"title": "Boats", "content": BOATS})
    for method, path, body in (
        ("GET", f"/api/documents/{made['id']}", None),
        ("PATCH", f"/api/documents/{made['id']}", {"title": "Mine"}),
        ("DELETE", f"/api/documents/{made['id']}", None),
        ("GET", f"/api/spaces/{space}/documents", None),
        ("POST", f"/api/spaces/{space}/documents", {"title": "Mine", "content": "x"}),
        ("GET", f"/api/spaces/{space}/search?q=boats", None),
    ):
        theirs = await bob.call(method, path, body)
        nowhere = await bob.call(method, path.replace(made["id"], str(uuid4())).replace(space, str(uuid4())), body)
        assert (theirs.status_code, nowhere.status_code) == (404, 404), path
        assert theirs.json() == nowhere.json()
        assert (await anybody.call(method, path, body)).status_code in (401, 404)


async def test_viewers_read_and_search_but_do_not_write(
    ada: Caller, bob: Caller, database: Database, space: str
) -> None:
    made = await ada.make(f"/api/spaces/{space}/documents", {"title": "Boats", "content": BOATS})
    await settled(ada, made["id"])
    await join_space(database, UUID(space), bob.id, "viewer")
    assert (await bob.get(f"/api/documents/{made['id']}")).json()["content"] == BOATS
    assert (await bob.get(f"/api/spaces/{space}/search?q=bowline")).json()["items"]
    path = f"/api/documents/{made['id']}"
    assert (await bob.call("PATCH", path, {"title": "Mine"})).status_code == 403
    assert (await bob.call("DELETE", path)).status_code == 403
    body = {"title": "Mine", "content": "x"}
    assert (await bob.call("POST", f"/api/spaces/{space}/documents", body)).status_code == 403


async def test_who_edits_anothers_text_makes_it_nobodys(
    ada: Caller, bob: Caller, database: Database, space: str
) -> None:
    made = await ada.make(f"/api/spaces/{space}/documents", {"title": "Boats", "content": BOATS})
    await join_space(database, UUID(space), bob.id, "editor")
    path = f"/api/documents/{made['id']}"
    assert (await ada.call("PATCH", path, {"content": "Mine."})).json()["created_by"] == str(ada.id)
    assert (await bob.call("PATCH", path, {"content": "Ours."})).json()["created_by"] is None
    assert (await ada.call("PATCH", path, {"content": "Mine again."})).json()["created_by"] is None


async def test_anybody_reads_a_public_space_but_only_people_search_it(
    ada: Caller, bob: Caller, anybody: Caller
) -> None:
    space = (await open_space(ada, visibility="public"))["id"]
    made = await ada.make(f"/api/spaces/{space}/documents", {"title": "Boats", "content": BOATS})
    await settled(ada, made["id"])
    assert (await anybody.get(f"/api/documents/{made['id']}")).status_code == 200
    assert (await anybody.get(f"/api/spaces/{space}/search?q=bowline")).status_code == 401
    assert (await bob.get(f"/api/spaces/{space}/search?q=bowline")).json()["items"]


async def test_a_search_for_nothing_says_what_is_missing(ada: Caller, space: str) -> None:
    answer = await ada.get(f"/api/spaces/{space}/search")
    assert (answer.status_code, errors_of(answer)) == (422, ["q"])
    assert answer.json()["detail"] == "This field is required."


@pytest.mark.parametrize("query", ["", "?q=", "?q=%20", "?q=x&limit=0", "?q=x&limit=101", "?q=" + "x" * 2_001])
async def test_malformed_searches(query: str, ada: Caller, space: str) -> None:
    assert (await ada.get(f"/api/spaces/{space}/search{query}")).status_code == 422


async def test_searches_that_mean_nothing_fail_nothing(ada: Caller, space: str) -> None:
    made = await ada.make(f"/api/spaces/{space}/documents", {"title": "Boats", "content": BOATS})
    await settled(ada, made["id"])
    for q in ("'", "%", "\\", "🜁" * 50, "the of and", "' or 1=1 --", "~~~~", "\u202e"):
        answer = await ada.get(f"/api/spaces/{space}/search", params={"q": q})
        assert (answer.status_code, len(answer.json()["items"])) == (200, 1), q
    nul = await ada.get(f"/api/spaces/{space}/search", params={"q": "a\0b"})
    assert (nul.status_code, errors_of(nul)) == (422, ["q"])


async def test_a_list_goes_on_where_it_ended(ada: Caller, space: str) -> None:
    for number in range(3):
        await ada.make(f"/api/spaces/{space}/documents", {"title": str(number), "content": "x"})
    first = (await ada.get(f"/api/spaces/{space}/documents?limit=2")).json()
    second = (await ada.get(f"/api/spaces/{space}/documents?limit=2&cursor={first['next_cursor']}")).json()
    assert [item["title"] for item in first["items"] + second["items"]] == ["0", "1", "2"]
    assert second["next_cursor"] is None


async def test_the_contract_says_that_a_document_may_be_a_file(ada: Caller) -> None:
    schema = (await ada.get("/schema/openapi.json")).json()
    body = schema["paths"]["/api/spaces/{space_id}/documents"]["post"]["requestBody"]["content"]
    assert body.keys() == {"application/json", "multipart/form-data"}


async def test_documents_are_filtered_and_sorted(ada: Caller, space: str) -> None:
    path = f"/api/spaces/{space}/documents"
    for title in ("Boats", "Knots", "Boats and knots"):
        await settled(ada, (await ada.make(path, {"title": title, "content": title}))["id"])

    async def titles(query: str) -> list[str]:
        return [item["title"] for item in (await ada.get(f"{path}?{query}")).json()["items"]]

    assert await titles("") == ["Boats", "Knots", "Boats and knots"]
    assert await titles("order=-created") == ["Boats and knots", "Knots", "Boats"]
    assert await titles("order=title") == ["Boats", "Boats and knots", "Knots"]
    assert await titles("q=KNOTS&status=ready") == ["Knots", "Boats and knots"]
    assert await titles("status=failed") == []
    first = (await ada.get(f"{path}?order=-title&limit=1")).json()
    assert await titles(f"order=-title&cursor={first['next_cursor']}") == ["Boats and knots", "Boats"]
    answer = await ada.get(f"{path}?status=lost")
    assert (answer.status_code, errors_of(answer)) == (422, ["status"])
