"""HTML → Markdown: what a reader of the page sees."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.errors import InvalidError
from assistant.knowledge.html import html_to_markdown


def markdown(markup: str) -> str:
    return html_to_markdown(markup)[1]


def test_structure_is_kept() -> None:
    page = """<html><head><title>T</title></head><body><h1>Big <em>one</em></h1><p>First<br>line &amp; <b>more</b>
    <code>x = 1</code></p><ul><li>one<li>two<ul><li>inner</li></ul></ul><ol><li>a<li>b</ol>
    <blockquote><p>said</p></blockquote><h3>Code</h3><pre><code>if x:
    y = "```"</code></pre></body></html>"""
    assert html_to_markdown(page) == (
        "T",
        "# Big one\n\nFirst\nline & more `x = 1`\n\n- one\n- two\n  - inner\n\n1. a\n2. b\n\n> said\n\n### Code\n\n"
        '````\nif x:\n    y = "```"\n````',
    )


def test_tables_are_tables_unless_they_arrange_a_page() -> None:
    table = "<table><tr><th>knot<th>use</tr><tr><td>bowline</td><td>a <p>loop</p> | hold</td></tr><tr><td>hitch</table>"
    assert markdown(table) == "| knot | use |\n| --- | --- |\n| bowline | a loop \\| hold |\n| hitch |  |"
    layout = f"<table><tr><td>menu</td><td>{'long text ' * 60}</td></tr></table>"
    assert "|" not in markdown(layout)
    nested = "<table><tr><td>a</td><td><table><tr><td>b</td><td>c</td></tr></table></td></tr></table>"
    assert markdown(nested) == "| a | b c |\n| --- | --- |"


@pytest.mark.parametrize(
    "hidden",
    [
        "<script>HIDDEN</script>",
        "<style>HIDDEN</style>",
        "<!-- HIDDEN -->",
        "<?HIDDEN ?>",
        "<template>HIDDEN</template>",
        "<noscript>HIDDEN</noscript>",
        "<iframe>HIDDEN</iframe>",
        "<svg><text>HIDDEN</text></svg>",
        "<p hidden>HIDDEN</p>",
        '<p hidden=""><span>HIDDEN</span></p>',
        '<div aria-hidden="true"><b>HIDDEN</b></div>',
        '<p style="DISPLAY : none">HIDDEN</p>',
        '<p style="color:red;visibility:hidden">HIDDEN</p>',
        '<p style="font-size: 0px; color: red">HIDDEN</p>',
        '<p style="opacity:0.0">HIDDEN</p>',
        '<input value="HIDDEN">',
        "<select><option>HIDDEN</select>",
        '<a href="HIDDEN" title="HIDDEN" onclick="HIDDEN">seen</a>',
    ],
)
def test_what_nobody_sees_is_left_out(hidden: str) -> None:
    text = markdown(f"<body><p>before</p>{hidden}<p>after</p></body>")
    assert "HIDDEN" not in text
    assert text.startswith("before")
    assert text.endswith("after")


def test_text_of_a_page_is_no_markup_of_ours() -> None:
    assert markdown("<p># not a heading</p><p>```</p><p>&gt; not a quote</p>") == "\\# not a heading\n\n\\> not a quote"


def test_a_files_own_entities_are_not_expanded() -> None:
    bomb = '<!DOCTYPE html [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;"><!ENTITY x SYSTEM "file:///etc/passwd">]>'
    text = markdown(bomb + "<p>&b; &x;</p>")
    assert "lollol" not in text
    assert "root:" not in text


@pytest.mark.parametrize("depth", [1_000, 5_000, 100_000])
def test_nesting_without_end_is_refused(depth: int) -> None:
    with pytest.raises(InvalidError, match="nested deeper"):
        markdown("<div>" * depth + "x")


def test_deep_but_possible_pages_are_read() -> None:
    assert markdown("<div>" * 400 + "x" + "</div>" * 400) == "x"
    assert markdown("<ul><li>" * 150 + "x").strip().endswith("- x")


@given(st.text("<>/ab&;'\"=- \n!phuldivtrsc", max_size=300))
def test_no_markup_fails(markup: str) -> None:
    html_to_markdown(markup)
