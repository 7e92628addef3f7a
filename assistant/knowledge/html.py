"""HTML → Markdown: what a reader of the page sees, with its headings, lists, tables and code.

Scripts, styles, comments and hidden elements are left out. The parser loads nothing, knows no entities of a document's
own, and refuses what is nested without end.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from assistant.errors import InvalidError

MAX_DEPTH: Final = 500

LONGEST_CELL: Final = 400
"""Characters. A table with more in one cell arranges a page."""

_LEFT_OUT: Final = frozenset(
    {
        *("audio", "base", "button", "canvas", "datalist", "dialog", "embed", "iframe", "input", "link", "map"),
        *("meta", "nav", "noscript", "object", "script", "select", "style", "svg", "template", "textarea", "title"),
        *("video", "area", "param", "source", "track", "math"),
    }
)
_BLOCKS: Final = frozenset(
    {
        *("address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "div", "dl", "dt"),
        *("fieldset", "figcaption", "figure", "footer", "form", "header", "hr", "legend", "li", "main", "ol", "p"),
        *("pre", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul"),
    }
)
_HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}
_HIDDEN_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|font-size\s*:\s*0(?:px|pt|em|rem|%)?\s*(?:;|$|!)"
    r"|opacity\s*:\s*0?(?:\.0+)?\s*(?:;|$|!)",
    re.IGNORECASE,
)
_SPACES = re.compile(r"[ \t\n\f\r\u00a0\u200b]+")
_MARKDOWN_BLOCK = re.compile(r"^(#{1,6}(?:\s|$)|`{3}|~{3}|>)")


def html_to_markdown(markup: str) -> tuple[str | None, str]:
    """The page's title and its text. Raises InvalidError where it is nested deeper than any page, MemoryError."""
    parser = etree.HTMLParser(
        encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=True, recover=True
    )
    try:
        root = etree.fromstring(markup.encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError:  # not one element in it
        root = None
    faults = {entry.type_name for entry in parser.error_log}
    if "ERR_NO_MEMORY" in faults:
        raise MemoryError
    if "ERR_RESOURCE_LIMIT" in faults:
        raise _too_deep()
    if root is None:
        return None, ""
    title = " ".join("".join(root.xpath("//title[1]//text()")).split()) or None
    writer = _Writer()
    _walk(root, writer)
    return title, writer.text()


def _too_deep() -> InvalidError:
    return InvalidError(f"The page is nested deeper than {MAX_DEPTH} elements.", path="content")


def _walk(root: etree._Element, writer: "_Writer") -> None:
    walker = etree.iterwalk(root, events=("start", "end"))
    depth = 0
    for event, element in walker:
        tag = element.tag if isinstance(element.tag, str) else ""
        if event == "start":
            depth += 1
            if depth > MAX_DEPTH:
                raise _too_deep()
            if tag in _LEFT_OUT or tag == "head" or _is_hidden(element):
                walker.skip_subtree()
                continue
            writer.open(tag, element)
            writer.write(element.text or "")
        else:
            depth -= 1
            if not (tag in _LEFT_OUT or tag == "head" or _is_hidden(element)):
                writer.close(tag)
            if element is not root:
                writer.write(element.tail or "")


def _is_hidden(element: etree._Element) -> bool:
    return (
        element.get("hidden") is not None
        or (element.get("aria-hidden") or "").strip().lower() == "true"
        or _HIDDEN_STYLE.search(element.get("style") or "") is not None
    )


@dataclass(slots=True)
class _List:
    ordered: bool
    count: int = 0


@dataclass(slots=True)
class _Writer:
    """Puts blocks together. Words come in with `write`; where a block begins or ends, they become a line."""

    blocks: list[str] = field(default_factory=list)
    separators: list[str] = field(default_factory=list)
    """What stands before each block."""
    words: list[str] = field(default_factory=list)
    lists: list[_List] = field(default_factory=list)
    item_begins: bool = False
    quotes: int = 0
    code: int = 0
    tables: int = 0
    rows: list[list[str]] = field(default_factory=list)
    """Of the outermost table that is open; tables inside of it are words of its cells."""
    cell: list[str] | None = None

    def text(self) -> str:
        self.end_line()
        return "".join(part for pair in zip(self.separators, self.blocks, strict=True) for part in pair).strip()

    def write(self, text: str) -> None:
        if text:
            self.words.append(text if self.code else _SPACES.sub(" ", text))

    def open(self, tag: str, element: etree._Element) -> None:
        if tag == "br":
            self.words.append("\n")
        elif tag == "img":
            self.write(element.get("alt") or "")
        elif tag == "code" and not self.code:
            self.words.append("`")
        elif tag in _BLOCKS or tag in _HEADINGS:
            self.end_line()
            self._open_block(tag)

    def _open_block(self, tag: str) -> None:
        match tag:
            case "ul" | "ol":
                self.lists.append(_List(tag == "ol"))
            case "li":
                self.item_begins = True
                if self.lists:
                    self.lists[-1].count += 1
            case "blockquote":
                self.quotes += 1
            case "pre":
                self.code += 1
            case "table":
                self.tables += 1
            case "tr" if self.tables == 1:
                self.rows.append([])
            case "td" | "th" if self.tables == 1 and self.rows:
                self.cell = []

    def close(self, tag: str) -> None:
        if tag == "code" and not self.code:
            self.words.append("`")
        elif tag == "pre":
            self._end_code()
        elif tag in _HEADINGS:
            self.end_line("#" * _HEADINGS[tag] + " ")
        elif tag in _BLOCKS:
            self.end_line()
            self._close_block(tag)

    def _close_block(self, tag: str) -> None:
        match tag:
            case "ul" | "ol" if self.lists:
                self.lists.pop()
            case "li":
                self.item_begins = False
            case "blockquote":
                self.quotes -= 1
            case "td" | "th" if self.tables == 1 and self.cell is not None:
                self.rows[-1].append(" ".join(self.cell))
                self.cell = None
            case "table":
                self.tables -= 1
                if not self.tables:
                    self._end_table()

    def end_line(self, mark: str = "") -> None:
        """What was written becomes a paragraph, an item of a list, a heading, or part of a table's cell."""
        lines = (_SPACES.sub(" ", line).strip() for line in "".join(self.words).split("\n"))
        text = "\n".join(line for line in lines if line)
        self.words.clear()
        if not text.strip("`"):
            return
        if self.cell is not None:
            self.cell.append(" ".join(text.split()))
        elif mark:
            self._add(mark + " ".join(text.split()))
        else:
            self._add_paragraph(_MARKDOWN_BLOCK.sub(r"\\\1", text))

    def _add_paragraph(self, text: str) -> None:
        first = rest = "> " * self.quotes
        in_list = bool(self.lists)
        if in_list:
            indent = "  " * (len(self.lists) - 1)
            item = self.lists[-1]
            first += indent + ((f"{item.count}. " if item.ordered else "- ") if self.item_begins else "  ")
            rest += indent + "  "
        self._add(first + text.replace("\n", "\n" + rest), tight=in_list and (item.count > 1 or len(self.lists) > 1))
        self.item_begins = False

    def _end_code(self) -> None:
        code = "".join(self.words).strip("\n")
        self.words.clear()
        self.code -= 1
        if not code.strip():
            return
        if self.cell is not None:
            self.cell.append(" ".join(code.split()))
            return
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", code)), default=0))
        self._add(f"{fence}\n{code}\n{fence}")

    def _end_table(self) -> None:
        rows = [row for row in self.rows if any(row)]
        self.rows = []
        width = max((len(row) for row in rows), default=0)
        if width < 2 or any(len(cell) > LONGEST_CELL for row in rows for cell in row):  # a layout, no table
            for cell in (cell for row in rows for cell in row if cell):
                self._add_paragraph(cell)
            return
        lines = [" | ".join(cell.replace("|", "\\|") for cell in row + [""] * (width - len(row))) for row in rows]
        lines.insert(1, " | ".join(["---"] * width))
        self._add("\n".join(f"| {line} |" for line in lines))

    def _add(self, block: str, *, tight: bool = False) -> None:
        self.separators.append("\n" if tight else "\n\n")
        self.blocks.append(block)
