"""The page's files over HTTP, and who gets a demo's session."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from litestar import Litestar

from assistant.http import render_problem, secure_headers
from assistant.page.routes import STATIC, page_routes
from tests.fixtures.database import make_settings
from tests.fixtures.http import LiveService, serve_app
from tests.page.conftest import Demo

FILES = sorted(path.name for path in STATIC.iterdir() if path.name != "index.html")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[LiveService]:
    app = Litestar(
        page_routes(local_accounts=True, demo=None),
        before_send=[secure_headers],
        exception_handlers={Exception: render_problem},
    )
    async with serve_app(app, make_settings(tmp_path)) as service:
        yield service


def directory(html: str) -> str:
    match = re.search(r'src="(/page/\w+)/main\.js"', html)
    assert match is not None
    return match[1]


async def test_the_page_allows_nothing_but_its_own_files(site: LiveService) -> None:
    async with site.client() as client:
        response = await client.get("/")
    policy = dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self' data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert not re.search(r"<script(?![^>]*src)|<style|\son\w+=|\sstyle=|https?://", response.text)


async def test_every_file_is_served_under_an_address_that_may_be_kept_for_ever(site: LiveService) -> None:
    async with site.client() as client:
        html = (await client.get("/")).text
        assert "{{" not in html
        for name in FILES:
            response = await client.get(f"{directory(html)}/{name}")
            assert response.status_code == 200
            assert response.content == (STATIC / name).read_bytes()
            assert response.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_all_modules_are_asked_for_at_once(site: LiveService) -> None:
    """A module that only another one names would cost a round trip of its own."""
    async with site.client() as client:
        html = (await client.get("/")).text
    modules = {name for name in FILES if name.endswith(".js")}
    assert set(re.findall(r'"modulepreload" href="/page/\w+/([\w.]+)"', html)) == modules - {"main.js"}


async def test_the_page_itself_is_asked_for_anew_and_not_sent_twice(site: LiveService) -> None:
    async with site.client() as client:
        first = await client.get("/")
        assert first.headers["cache-control"] == "no-cache"
        second = await client.get("/", headers={"if-none-match": first.headers["etag"]})
        assert (second.status_code, second.content) == (304, b"")
        assert (await client.get("/", headers={"if-none-match": '"other"'})).status_code == 200


async def test_files_are_sent_packed_to_those_who_take_them(site: LiveService) -> None:
    async with site.client() as client:
        packed = await client.get("/", headers={"accept-encoding": "gzip"})
        plain = await client.get("/", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "Accept-Encoding"
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 2


@pytest.mark.parametrize(
    "path", ["/page/0000/main.js", "{}/index.html", "{}/routes.py", "{}/..%2Froutes.py", "{}/none.js"]
)
async def test_nothing_else_is_served(site: LiveService, path: str) -> None:
    async with site.client() as client:
        html = (await client.get("/")).text
        assert (await client.get(path.format(directory(html)))).status_code == 404


@pytest.mark.parametrize(("local", "word"), [(True, "local"), (False, "elsewhere")])
async def test_the_page_knows_where_accounts_are(tmp_path: Path, local: bool, word: str) -> None:
    app = Litestar(page_routes(local_accounts=local, demo=None))
    async with serve_app(app, make_settings(tmp_path)) as service, service.client() as client:
        assert f'data-accounts="{word}"' in (await client.get("/")).text


# --- the demo's session -----------------------------------------------------------------------------------------------


async def test_a_browser_on_this_machine_gets_the_demo_session(demo: Demo) -> None:
    async with demo.service.client() as client:
        session = (await client.get("/demo/session")).json()
        assert session["space_id"] == str(demo.person.space_id)
        assert session["space_title"] == "Sailing"
        assert session["greeting"] == "Ahoy! What shall we practise?"
        assert session["suggested_prompts"] == ["How do I tie a bowline?"]
        assert session["expires_in"] == 3600
        me = await client.get("/api/me", headers={"authorization": f"Bearer {session['access_token']}"})
        assert me.json()["id"] == str(demo.person.id)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:8000", "127.1.2.3"]
)
async def test_names_of_this_machine_are_let_in(demo: Demo, host: str) -> None:
    async with demo.service.client() as client:
        assert (await client.get("/demo/session", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "evil.example:8000"},
        {"host": "localhost.evil.example"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "192.168.1.5"},
        {"host": "0.0.0.0"},
        {"host": "[fe80::1]"},
        {"host": "evil.example:localhost"},
        {"host": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
    ids=str,
)
async def test_nobody_else_gets_a_demo_session(demo: Demo, headers: dict[str, str]) -> None:
    async with demo.service.client() as client:
        response = await client.get("/demo/session", headers=headers)
        assert response.status_code == 404
        assert "access_token" not in response.text


async def test_there_is_no_demo_session_where_there_is_no_demo(offline_service: LiveService) -> None:
    async with offline_service.client() as client:
        assert (await client.get("/demo/session")).status_code == 404
        assert 'data-demo="no"' in (await client.get("/")).text
