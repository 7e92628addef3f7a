"""The page for everybody: axe-core's rules for WCAG 2.2 AA, the keyboard alone, what is said aloud, large text."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from assistant.db.session import Database
from tests.page.conftest import Demo, OpenPage, add_document
from tests.page.test_page import HANDBOOK, ask, tool

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[1] / "js/node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

RICH = """# Knots

The **bowline** [1] and `code`, see [a guide](https://example.org/knots).

1. One
2. Two

> Quoted [1].

| Knot | Use |
|---|---|
| Bowline | loop |

```text
a very long line of code, which has to be scrolled to be read, since it does not fit into the column on any screen
```

- [x] done
- [ ] open
"""


async def violations(page: Page) -> list[str]:
    """What axe-core finds, with the elements at fault."""
    await page.evaluate(AXE.read_text())
    found: dict[str, Any] = await page.evaluate(
        "(tags) => axe.run({ runOnly: { type: 'tag', values: tags }, rules: { 'target-size': { enabled: true } } })",
        RULES,
    )
    return [
        f"{fault['id']}: {node['html']} {node.get('failureSummary', '')}"
        for fault in found["violations"]
        for node in fault["nodes"]
    ]


@pytest.fixture
async def rich(demo: Demo, database: Database) -> Demo:
    document = await add_document(database, demo.person, HANDBOOK)
    demo.mentor.says(
        *tool("search_documents", '{"query": "knots"}', {"status": "done"}, "1"),
        *tool("create_task", '{"title": "Tie it"}', {"status": "failed", "code": "invalid"}, "2"),
        RICH,
        citations=[document.cite(1, "The *bowline* makes a loop that does not slip.", heading="Knots")],
        rounds=2,
    )
    return demo


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1300, 360])
async def test_axe_finds_no_fault(rich: Demo, open_page: OpenPage, scheme: str, width: int) -> None:
    if not AXE.exists():
        pytest.skip("needs `npm ci` in tests/js")
    # Its own script is no part of the page, and the page's policy would keep it out.
    page = await open_page(
        rich.service.address,
        color_scheme=scheme,
        viewport={"width": width, "height": 800},
        bypass_csp=True,
        reduced_motion="reduce",
    )
    await expect(page.locator("#connection")).to_have_text("Connected")
    assert await violations(page) == []
    await ask(page, "Which knot?")
    await expect(page.locator(".sources")).to_be_visible()
    assert await violations(page) == []
    await page.locator(".source").click()
    await expect(page.locator("#source-body .document mark").first).to_be_visible()
    assert await violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_no_fault_while_an_answer_grows_or_fails(demo: Demo, open_page: OpenPage, scheme: str) -> None:
    if not AXE.exists():
        pytest.skip("needs `npm ci` in tests/js")
    page = await open_page(demo.service.address, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce")
    await expect(page.locator("#connection")).to_have_text("Connected")
    demo.mentor.says("Some text, ", asyncio.Event())
    await ask(page, "Which knot?")
    await expect(page.locator(".prose")).to_have_text("Some text,")
    assert await violations(page) == []
    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_text("You stopped this answer.")).to_be_visible()
    assert await violations(page) == []


async def test_the_keyboard_is_enough(rich: Demo, page: Page) -> None:
    await expect(page.get_by_role("textbox")).to_be_focused()
    await page.keyboard.press("Shift+Tab")
    await expect(page.get_by_role("button", name="How do I tie a bowline?")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("textbox")).to_be_focused()
    await expect(page.locator(".sources")).to_be_visible()
    await page.keyboard.press("Shift+Tab")
    if await page.get_by_role("button", name="Copy", exact=True).last.is_visible():
        await page.keyboard.press("Shift+Tab")
    await expect(page.locator(".source")).to_be_focused()
    await page.keyboard.press("Space")
    panel = page.get_by_role("dialog")
    await expect(panel.locator(".document mark").first).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(panel.get_by_role("button", name="Close")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(panel).to_be_hidden()
    await expect(page.locator(".source")).to_be_focused()
    await page.keyboard.press("Tab")
    for _ in range(2):
        if not await page.get_by_role("textbox").evaluate("(box) => box === document.activeElement"):
            await page.keyboard.press("Tab")
    await expect(page.get_by_role("textbox")).to_be_focused()
    gate = asyncio.Event()
    rich.mentor.says("One, ", gate, "two.")
    await page.keyboard.type("Count")
    await page.keyboard.press("Enter")
    await expect(page.locator(".prose").last).to_have_text("One,")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Stop")).to_be_focused()
    await page.keyboard.press("Space")
    await expect(page.get_by_text("You stopped this answer.")).to_be_visible()
    await expect(page.get_by_role("textbox")).to_be_focused()


RECORD = """
window.__said = [];
document.addEventListener('DOMContentLoaded', () => {
    const live = [...document.querySelectorAll('[aria-live]:not([aria-live=off]), [role=status], [role=alert]')];
    for (const region of live) {
        new MutationObserver(() => region.textContent && window.__said.push(region.textContent))
            .observe(region, { childList: true, characterData: true, subtree: true });
    }
});
"""


async def test_an_answer_is_said_aloud_once_and_whole(demo: Demo, open_page: OpenPage) -> None:
    page = await open_page("about:blank")
    await page.add_init_script(RECORD)
    await page.goto(demo.service.address)
    await expect(page.locator("#connection")).to_have_text("Connected")
    gate = asyncio.Event()
    demo.mentor.says("One, **two", gate, "**, three.")
    await ask(page, "Count")
    await expect(page.locator(".prose")).to_have_text("One, two")
    gate.set()
    await expect(page.locator("#announcer")).not_to_be_empty()
    assert await page.evaluate("window.__said.map((text) => text.trim())") == ["Answer ready. One, two, three."]
    await expect(page.get_by_role("log")).to_have_attribute("aria-live", "off")


async def test_all_that_can_be_pressed_is_large_enough_to_be_hit(rich: Demo, page: Page) -> None:
    await ask(page, "Which knot?")
    await expect(page.locator(".sources")).to_be_visible()
    await page.locator(".source").click()
    for button in await page.locator("button:visible").all():
        box = await button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 24, await button.inner_text()


@pytest.mark.parametrize("height", [800, 400])
async def test_large_text_and_narrow_screens_need_no_sideways_scrolling(
    rich: Demo, open_page: OpenPage, height: int
) -> None:
    """320 pixels wide, and text twice as large."""
    page = await open_page(rich.service.address, viewport={"width": 320, "height": height})
    await page.evaluate("document.documentElement.style.fontSize = '200%'")
    await ask(page, "Which knot?")
    await expect(page.locator(".sources")).to_be_visible()
    for selector in ("html", "#log"):
        assert await page.locator(selector).evaluate("(box) => box.scrollWidth <= box.clientWidth")
    await expect(page.get_by_role("textbox")).to_be_in_viewport(ratio=0.9)


async def test_dark_follows_the_system(demo: Demo, open_page: OpenPage) -> None:
    shades = {}
    for scheme in ("light", "dark"):
        page = await open_page(demo.service.address, color_scheme=scheme)
        color = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        shades[scheme] = sum(int(part) for part in color.removeprefix("rgb(").removesuffix(")").split(","))
    assert shades["dark"] < 150 < 600 < shades["light"]


async def test_nothing_moves_for_those_who_asked_for_that(demo: Demo, open_page: OpenPage) -> None:
    page = await open_page(demo.service.address, reduced_motion="reduce")
    await expect(page.locator("#connection")).to_have_text("Connected")
    demo.mentor.says("One, ", asyncio.Event())
    await ask(page, "Count")
    await expect(page.locator(".prose")).to_have_text("One,")
    assert await page.evaluate("document.getAnimations().length") == 0


async def test_chosen_colours_keep_all_borders(demo: Demo, open_page: OpenPage) -> None:
    page = await open_page(demo.service.address, forced_colors="active")
    await ask(page, "Count")
    await expect(page.locator(".prose")).to_have_text("Hello.")
    for selector in (".bubble", ".composer", "#send"):
        assert await page.locator(selector).evaluate("(box) => parseFloat(getComputedStyle(box).borderTopWidth) >= 1")
