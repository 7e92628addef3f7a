"""Word documents, presentations and workbooks → Markdown."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from io import BytesIO
from typing import Any, Final
from zipfile import ZipFile

from lxml import etree

from assistant.errors import InvalidError, TooLargeError
from assistant.knowledge.formats.markdown import escape, heading, tables
from assistant.knowledge.formats.packages import open_package, read_entry, refuse_declarations
from assistant.knowledge.formats.xml import parse_xml
from assistant.knowledge.html import html_to_markdown

MAX_SLIDES: Final = 500
MAX_CELLS: Final = 1_000_000

_WORD_STYLES: Final = """
p[style-name='Title'] => h1:fresh
p[style-name='Subtitle'] => p:fresh
p[style-name='Heading 7'] => h6:fresh
p[style-name='Heading 8'] => h6:fresh
p[style-name='Heading 9'] => h6:fresh
"""
_DC_TITLE: Final = "{http://purl.org/dc/elements/1.1/}title"
_NO_TITLES: Final = frozenset({"", "powerpoint presentation", "word document", "untitled", "presentation"})


def read_word(data: bytes) -> tuple[str | None, str]:
    """A .docx: headings by their styles, lists, tables, footnotes. It has no pages before it is printed."""
    import mammoth

    package = _open(data)
    result = mammoth.convert_to_html(
        BytesIO(data), style_map=_WORD_STYLES, convert_image=mammoth.images.img_element(_no_image)
    )
    _, markdown = html_to_markdown(f"<body>{result.value}</body>")
    return _title(package), markdown


def _no_image(_: object) -> dict[str, str]:
    return {"src": ""}


def read_slides(data: bytes) -> tuple[str | None, str]:
    """A .pptx: a page for each slide, with its title as a heading, and the speaker's notes below."""
    from pptx import Presentation

    package = _open(data)
    slides = list(Presentation(BytesIO(data)).slides)
    if len(slides) > MAX_SLIDES:
        raise TooLargeError(f"The presentation has {len(slides):,} slides; at most {MAX_SLIDES} are read.")
    return _title(package), "\n\n\f\n\n".join("\n\n".join(_slide(slide)) for slide in slides)


def _slide(slide: Any) -> Iterator[str]:
    title = slide.shapes.title
    if title is not None and title.text_frame.text.strip():
        yield heading(2, title.text_frame.text)
    others = (shape for shape in slide.shapes if title is None or shape.shape_id != title.shape_id)
    for shape in sorted(others, key=_place):
        yield from _shape(shape)
    if slide.has_notes_slide and (frame := slide.notes_slide.notes_text_frame) is not None and frame.text.strip():
        yield escape(frame.text.strip())


def _place(shape: Any) -> tuple[int, int]:
    """From top to bottom, and from left to right; one that inherits its place comes first."""
    return shape.top or 0, shape.left or 0


def _shape(shape: Any) -> Iterator[str]:
    if hasattr(shape, "shapes"):
        for inner in sorted(shape.shapes, key=_place):
            yield from _shape(inner)
    elif getattr(shape, "has_table", False):
        yield from tables([[cell.text for cell in row.cells] for row in shape.table.rows])
    elif shape.has_text_frame and shape.text_frame.text.strip():
        yield "\n".join(_paragraphs(shape.text_frame.paragraphs, is_list=shape.is_placeholder))


def _paragraphs(paragraphs: Iterable[Any], *, is_list: bool) -> Iterator[str]:
    for paragraph in paragraphs:
        text = " ".join(paragraph.text.split())
        if text:
            yield f"{'  ' * paragraph.level}- {text}" if is_list else escape(text)


def read_workbook(data: bytes) -> tuple[str | None, str]:
    """A .xlsx, .xls or .ods: a section for each sheet, its rows as tables. Formulas are what came out of them."""
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError

    title = _title(open_package(data)) if data.startswith(b"PK") else None
    try:
        workbook = CalamineWorkbook.from_filelike(BytesIO(data))
        parts: list[str] = []
        cells = 0
        for name in workbook.sheet_names:
            rows = workbook.get_sheet_by_name(name).to_python()
            cells += sum(map(len, rows))
            if cells > MAX_CELLS:
                raise TooLargeError(f"The workbook has more than {MAX_CELLS:,} cells.")
            found = list(tables([[_cell(value) for value in row] for row in rows]))
            if found:
                parts += [heading(2, name), *found]
    except PasswordError as exc:
        raise InvalidError("The workbook is encrypted; save it without its password first.") from exc
    except CalamineError as exc:
        raise InvalidError("The workbook is damaged: it ends too early, or was changed on its way.") from exc
    return title, "\n\n".join(parts)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        return value.isoformat(" ", "minutes") if value.time() != time() else value.date().isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    return "" if value is None else str(value)


def _open(data: bytes) -> ZipFile:
    package = open_package(data)
    refuse_declarations(package)
    return package


def _title(package: ZipFile) -> str | None:
    """What the document's properties say, where that is more than a program's suggestion."""
    if "docProps/core.xml" not in package.namelist():
        return None
    properties: etree._Element = parse_xml(read_entry(package, "docProps/core.xml"))
    title = (properties.findtext(_DC_TITLE) or "").strip()
    return None if title.lower() in _NO_TITLES else title
