"""Signing in, choosing a space, signing out."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, Route, expect

from assistant.app import create_app
from assistant.identity import build_issuer
from assistant.page.routes import page_routes
from assistant.settings import Settings
from tests.fixtures.database import MakePerson
from tests.fixtures.http import LiveService, serve_app
from tests.page.conftest import OpenPage, ScriptedMentor, Watch

pytestmark = pytest.mark.browser

PASSWORD = "correct horse battery"


@pytest.fixture
async def service(settings: Settings, server: object) -> AsyncIterator[LiveService]:
    app = create_app(settings)
    async with serve_app(app, settings) as live:
        app.state.services.runs.mentor = ScriptedMentor()
        yield live


async def sign_up(service: LiveService, email: str) -> str:
    """A new account; its token."""
    async with service.client() as client:
        response = await client.post("/auth/signup", json={"email": email, "password": PASSWORD})
        assert response.status_code == 201
        token: str = response.json()["access_token"]
        return token


async def open_spaces(service: LiveService, token: str, *titles: str) -> None:
    async with service.client(token) as client:
        goal = (await client.post("/api/goals", json={"title": "A goal"})).json()
        for title in titles:
            response = await client.post("/api/spaces", json={"goal_id": goal["id"], "title": title})
            assert response.status_code == 201


async def sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()


async def test_with_a_password_one_reaches_ones_spaces_and_stays_over_a_reload(
    service: LiveService, open_page: OpenPage, watch: Watch
) -> None:
    watch.expected = lambda fault: "401" in fault
    await open_spaces(service, await sign_up(service, "entering@example.org"), "Knots", "Stars")
    page = await open_page(service.address)
    await expect(page.get_by_label("E-mail")).to_be_focused()
    await sign_in(page, "entering@example.org", "a wrong one")
    await expect(page.get_by_role("alert")).not_to_be_empty()
    await expect(page.get_by_label("E-mail")).to_have_value("entering@example.org")
    await expect(page.get_by_label("Password")).to_be_focused()
    await sign_in(page, "entering@example.org")
    await page.get_by_role("button", name="Stars").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Stars")
    await page.get_by_role("textbox", name="Message").fill("Hello")
    await page.keyboard.press("Enter")
    await expect(page.locator(".prose")).to_have_text("Hello.")
    await page.reload()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Stars")
    await expect(page.locator(".prose")).to_have_text("Hello.")
    await page.get_by_role("button", name="Spaces").click()
    await page.get_by_role("button", name="Knots").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Knots")
    await expect(page.locator(".bubble")).to_have_count(0)


async def test_the_link_of_an_invitation_leads_into_the_space_once(
    service: LiveService, open_page: OpenPage, watch: Watch
) -> None:
    watch.expected = lambda fault: "404" in fault
    token = await sign_up(service, "inviting@example.org")
    await open_spaces(service, token, "Knots")
    async with service.client(token) as client:
        space = (await client.get("/api/spaces")).json()["items"][0]
        path = f"/api/spaces/{space['id']}/collaborators"
        link = (await client.post(path, json={"email": "invited@example.org"})).json()["link"]
    assert link.startswith(f"{service.address}/#invitation=")
    page = await open_page(link)
    await expect(page.get_by_text("You are invited to a learning space.")).to_be_visible()
    assert page.url == f"{service.address}/"
    await page.get_by_role("button", name="No account yet? Create one").click()
    await page.get_by_label("E-mail").fill("another@example.org")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Create account").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Knots")
    await page.goto(link)
    await expect(page.locator("#banner")).to_have_text("There is no such invitation, or it is no longer good.")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Knots")
    assert page.url == f"{service.address}/"


async def test_no_token_is_ever_part_of_an_address(service: LiveService, open_page: OpenPage, watch: Watch) -> None:
    await open_spaces(service, await sign_up(service, "secret@example.org"), "Knots")
    page = await open_page(service.address)
    await sign_in(page, "secret@example.org")
    await expect(page.locator("#connection")).to_have_text("Connected")
    token = await page.evaluate("JSON.parse(sessionStorage.getItem('goalspace.session')).token")
    assert len(token) > 100
    assert not [url for url in watch.requests if token in url or PASSWORD in url]
    assert await page.evaluate("[document.cookie, JSON.stringify(localStorage).includes('eyJ')]") == ["", False]


async def test_signing_out_leaves_nothing_behind(service: LiveService, open_page: OpenPage) -> None:
    await open_spaces(service, await sign_up(service, "leaving@example.org"), "Knots")
    page = await open_page(service.address)
    await sign_in(page, "leaving@example.org")
    await page.get_by_role("textbox", name="Message").fill("Tell")
    await page.keyboard.press("Enter")
    await expect(page.locator("#announcer")).to_contain_text("Hello.")
    await page.get_by_role("textbox", name="Message").fill("a draft")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Password")).to_be_visible()
    await expect(page.locator("#connection")).to_have_text("Signed out")
    assert not {"Hello.", "Tell", "Knots"} & set((await page.locator("body").text_content() or "").split())
    assert await page.evaluate("sessionStorage.length + localStorage.length") == 0
    await page.reload()
    await expect(page.get_by_label("Password")).to_be_visible()


async def test_who_signs_out_while_the_history_loads_is_not_connected_after_all(
    service: LiveService, open_page: OpenPage
) -> None:
    await open_spaces(service, await sign_up(service, "hasty@example.org"), "Knots")
    page = await open_page(service.address)
    asked, answered = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        asked.set()
        await answered.wait()
        await route.continue_()

    await page.route("**/messages?*", hold)
    await sign_in(page, "hasty@example.org")
    await asked.wait()
    await page.get_by_role("button", name="Sign out").click()
    async with page.expect_request_finished(lambda request: "/messages?" in request.url):
        answered.set()
    await page.evaluate("fetch('/').then((answer) => answer.text())")  # by then the page has dealt with the history
    await expect(page.get_by_label("Password")).to_be_visible()
    await expect(page.get_by_role("alert")).to_be_empty()
    await expect(page.locator("#connection")).to_have_attribute("data-state", "signed-out")


async def test_an_account_can_be_made(service: LiveService, open_page: OpenPage, watch: Watch) -> None:
    watch.expected = lambda fault: "409" in fault
    page = await open_page(service.address)
    for title in ("new here", "once more"):
        await page.get_by_role("button", name="No account yet?").click()
        await page.get_by_label("Name").fill(title)
        await page.get_by_label("E-mail").fill("fresh@example.org")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Create account").click()
        if title == "new here":
            await expect(page.get_by_text("You have no space yet.")).to_be_visible()
            await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
            await expect(page.locator("#connection")).to_be_hidden()
            await page.evaluate("sessionStorage.clear()")
            await page.reload()
    await expect(page.get_by_role("alert")).not_to_be_empty()
    await expect(page.get_by_label("E-mail")).to_be_focused()


async def test_a_session_that_ends_asks_again_and_keeps_the_draft(
    service: LiveService, open_page: OpenPage, watch: Watch
) -> None:
    watch.expected = lambda fault: "401" in fault
    await open_spaces(service, await sign_up(service, "ending@example.org"), "Knots")
    page = await open_page(service.address)
    await sign_in(page, "ending@example.org")
    await page.get_by_role("textbox", name="Message").fill("half a tho")
    await page.evaluate("""() => {
        const stored = JSON.parse(sessionStorage.getItem('goalspace.session'));
        stored.token = stored.token.slice(0, -4) + 'AAAA';
        sessionStorage.setItem('goalspace.session', JSON.stringify(stored));
    }""")
    await page.reload()
    await expect(page.get_by_text("Your session has ended.")).to_be_visible()
    await sign_in(page, "ending@example.org")
    await expect(page.get_by_role("textbox", name="Message")).to_have_value("half a tho")


async def test_where_accounts_are_elsewhere_a_token_lets_one_in(
    settings: Settings, server: object, open_page: OpenPage, make_person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with an identity provider; its keys are stood in for by our own."""
    person = await make_person()
    issuer = build_issuer(settings)
    assert issuer is not None
    monkeypatch.setattr("assistant.app.page_routes", lambda **_: page_routes(local_accounts=False, demo=None))
    async with serve_app(create_app(settings), settings) as live:
        page = await open_page(live.address)
        await expect(page.get_by_label("E-mail")).to_have_count(0)
        await page.get_by_label("Access token").fill(issuer.issue(person.id, person.email, 600))
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Sailing")
        await expect(page.locator("#connection")).to_have_text("Connected")
