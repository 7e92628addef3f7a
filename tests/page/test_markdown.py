"""Markdown of the page: what it draws, and that a text which grows ends as a whole one does."""

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from litestar import Litestar
from playwright.async_api import Browser, Page

from assistant.page.routes import page_routes
from tests.fixtures.database import make_settings
from tests.fixtures.http import serve_app

pytestmark = pytest.mark.browser

DRAW = """
async ([source, options]) => {
    const { render } = await import(document.querySelector('script').src.replace('main.js', 'markdown.js'));
    const box = document.createElement('div');
    box.append(render(source, options));
    return box.innerHTML;
}
"""

GROW = """
async ([source, steps]) => {
    const address = document.querySelector('script').src.replace('main.js', 'markdown.js');
    const { StreamingMarkdown, render } = await import(address);
    const [grown, whole] = [document.createElement('div'), document.createElement('div')];
    const streaming = new StreamingMarkdown(grown, { marks: true });
    let before = [];
    for (const end of steps) {
        streaming.update(source.slice(0, end), true);
        const kept = before.slice(0, -2).filter((node) => !grown.contains(node));
        if (kept.length) return [`a finished block was drawn anew at ${end}`, ''];
        before = [...grown.children];
    }
    streaming.update(source, false);
    whole.append(render(source, { marks: true }));
    return [grown.innerHTML, whole.innerHTML];
}
"""


@pytest.fixture(scope="module")
async def blank(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Page]:
    """A page that has nobody to talk to, for its modules alone."""
    app = Litestar(page_routes(local_accounts=True, demo=None))
    async with serve_app(app, make_settings(tmp_path_factory.mktemp("page"))) as service:
        page = await browser.new_page()
        await page.goto(service.address)
        yield page
        await page.close()


async def draw(page: Page, source: str, **options: Any) -> str:
    """The HTML of what is drawn, without what only decorates it."""
    html: str = await page.evaluate(DRAW, [source, options])
    html = re.sub(r"<figcaption>.*?</figcaption>", "", html)
    return re.sub(r' (?:target|rel|tabindex|dir|role|aria-label|scope)="[^"]*"', "", html)


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("Hello *there*, **you**.", "<p>Hello <em>there</em>, <strong>you</strong>.</p>"),
        ("***both***", "<p><em><strong>both</strong></em></p>"),
        ("**a *b* c**", "<p><strong>a <em>b</em> c</strong></p>"),
        ("snake_case_name and 2 * 3 * 4", "<p>snake_case_name and 2 * 3 * 4</p>"),
        ("~~gone~~ ~not~", "<p><del>gone</del> ~not~</p>"),
        (r"\*plain\* \[1\]", "<p>*plain* [1]</p>"),
        ("`a *b*` and ``c ` d``", "<p><code>a *b*</code> and <code>c ` d</code></p>"),
        ("a `b", "<p>a `b</p>"),
        ("one\ntwo  \nthree\\\nfour", "<p>one\ntwo<br>three<br>four</p>"),
        ("a &lt;b&gt; &amp; &#8364; &copy;", "<p>a &lt;b&gt; &amp; € &amp;copy;</p>"),
        ("# One\n\n### Three ###\nText", "<h1>One</h1><h3>Three</h3><p>Text</p>"),
        ("Title\n=====\n\nSub\n---", "<h1>Title</h1><h2>Sub</h2>"),
        ("#no heading", "<p>#no heading</p>"),
        ("a\n\n---\n\nb", "<p>a</p><hr><p>b</p>"),
        ("> quoted\nlazily\n\nnot", "<blockquote><p>quoted\nlazily</p></blockquote><p>not</p>"),
        ("- a\n- b\n  - c\n- d", "<ul><li>a</li><li>b<ul><li>c</li></ul></li><li>d</li></ul>"),
        ("1. a\n  - b\n2. c", "<ol><li>a<ul><li>b</li></ul></li><li>c</li></ol>"),
        ("3) a\n4) b", '<ol start="3"><li>a</li><li>b</li></ol>'),
        ("- a\n\n- b", "<ul><li><p>a</p></li><li><p>b</p></li></ul>"),
        (
            "- [x] a\n- [ ] b",
            '<ul><li class="task"><span class="box">☑</span> a</li>'
            '<li class="task"><span class="box">☐</span> b</li></ul>',
        ),
        ("- 5 apples", "<ul><li>5 apples</li></ul>"),
        ("text\n- item", "<p>text</p><ul><li>item</li></ul>"),
        ("in 1999. There", "<p>in 1999. There</p>"),
        (
            "```py\na = *b*\n<i>\n```\nafter",
            '<figure class="code"><pre><code>a = *b*\n&lt;i&gt;</code></pre></figure><p>after</p>',
        ),
        ("~~~\nopen", '<figure class="code"><pre><code>open</code></pre></figure>'),
        ("    indented\n      more", '<figure class="code"><pre><code>indented\n  more</code></pre></figure>'),
        (
            "| a | b |\n|:-:|--:|\n| 1 | `x` |\n| 2 |\n\nafter",
            '<div class="table"><table><thead><tr><th class="to-center">a</th><th class="to-end">b</th></tr></thead>'
            '<tbody><tr><td class="to-center">1</td><td class="to-end"><code>x</code></td></tr>'
            '<tr><td class="to-center">2</td><td class="to-end"></td></tr></tbody></table></div><p>after</p>',
        ),
        ("a | b\nno table", "<p>a | b\nno table</p>"),
        (
            "[x](https://example.org/a)",
            '<p><a href="https://example.org/a">x<span class="host"> (example.org)</span></a></p>',
        ),
        (
            "[https://a.org](https://b.org)",
            '<p><a href="https://b.org/">https://a.org<span class="host"> (b.org)</span></a></p>',
        ),
        ("https://example.org/a_b_c.", '<p><a href="https://example.org/a_b_c">https://example.org/a_b_c</a>.</p>'),
        ("<https://example.org/>", '<p><a href="https://example.org/">https://example.org/</a></p>'),
        (
            "[mail](mailto:a@example.org)",
            '<p><a href="mailto:a@example.org">mail<span class="host"> (a@example.org)</span></a></p>',
        ),
        (
            "[*x* [y]](https://e.org)",
            '<p><a href="https://e.org/"><em>x</em> [y]<span class="host"> (e.org)</span></a></p>',
        ),
        (
            '[a](<https://e.org/x y> "t")',
            '<p><a href="https://e.org/x%20y">a<span class="host"> (e.org)</span></a></p>',
        ),
        ("[no](javascript:x)", "<p>no</p>"),
        ("a[0] and [b] [c](d", "<p>a[0] and [b] [c](d</p>"),
        ("line<br>break", "<p>line<br>break</p>"),
        ("<b>bold</b>", "<p>&lt;b&gt;bold&lt;/b&gt;</p>"),
    ],
)
async def test_markdown_is_drawn(blank: Page, source: str, html: str) -> None:
    assert await draw(blank, source) == html


async def test_a_picture_becomes_a_link_that_is_not_followed_by_itself(blank: Page) -> None:
    html = await draw(blank, "![a cat](https://example.org/cat.png)")
    assert "<img" not in html
    assert 'href="https://example.org/cat.png"' in html
    assert "a cat" in html


async def test_marks_are_set_apart_from_text_code_and_links(blank: Page) -> None:
    html = await draw(blank, "So it is [1, 2][3]. `[4]` \\[5] [6](https://e.org) [x]", marks=True)
    assert re.findall(r'data-number="(\d+)"', html) == ["1", "2", "3"]
    assert "<code>[4]</code> [5]" in html
    assert ">6<" in html


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("some **bold", "<p>some <strong>bold</strong></p>"),
        ("some **", "<p>some </p>"),
        ("some **bold*", "<p>some <strong>bold</strong></p>"),
        ("some `code", "<p>some <code>code</code></p>"),
        ("see [the guide](https://exam", "<p>see the guide</p>"),
        ("see [1", "<p>see </p>"),
        (
            "| a | b |",
            '<div class="table"><table><thead><tr><th>a</th><th>b</th></tr></thead><tbody></tbody></table></div>',
        ),
        ("text\n--", "<p>text\n--</p>"),
    ],
)
async def test_what_is_not_finished_yet_looks_as_it_will(blank: Page, source: str, html: str) -> None:
    assert await draw(blank, source, streaming=True, marks=True) == html


PIECES = (
    "# Title\n", "\n", "\n\n", "some text ", "**bold** ", "*it*", "`code` ", "[1]", "[2, 3]", "- item\n",
    "  - nested\n", "1. one\n", "2. two\n", "> quote\n", "```js\n", "let a;\n", "```\n", "| a | b |\n", "|---|---|\n",
    "| 1 | 2 |\n", "[link](https://e.org) ", "![p](https://e.org/p)", "---\n", "===\n", "    four\n", "\\*",
    "<br>", "~~x~~", "&amp;", "\r\n", "\t", "_", "*", "`", "[", "]", "(", "!", "\u202edir", "😀",
)  # fmt: skip


async def test_a_text_that_grows_ends_as_the_whole_does(blank: Page) -> None:
    chance = random.Random(7)  # the same texts each time
    for _ in range(250):
        source = "".join(chance.choices(PIECES, k=chance.randint(1, 30)))
        steps = sorted(chance.sample(range(len(source) + 1), k=min(len(source), 12)))
        grown, whole = await blank.evaluate(GROW, [source, steps])
        assert grown == whole, json.dumps(source)


@pytest.mark.parametrize(
    "source",
    [
        "[" * 20_000,
        "*a " * 8_000,
        "a* " * 8_000,
        "**a*" * 5_000,
        "`" * 9_000 + "x",
        "> " * 5_000 + "x",
        "- " * 5_000 + "x",
        "# " + " " * 20_000 + "x",
        "[a](" * 5_000,
        "![" * 9_000,
        "|" * 9_000 + "\n" + "|-" * 9_000,
        "<" * 9_000,
        "&" * 9_000,
        "http://" + "." * 9_000,
        "_a" * 9_000,
        "~~" * 9_000,
        "\\" * 9_000,
        "[1,1,1" * 5_000,
        "(" * 9_000,
    ],
    ids=lambda source: source[:6],
)
async def test_hostile_markup_is_drawn_in_linear_time(blank: Page, source: str) -> None:
    """Far from it, the browser would be busy for minutes."""
    async with asyncio.timeout(20):
        await blank.evaluate(DRAW, [source, {"marks": True}])
        await blank.evaluate(DRAW, [source, {"marks": True, "streaming": True}])
