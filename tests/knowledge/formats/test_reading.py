"""One file of each format → text with its structure."""

from random import Random
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_LZMA, ZIP_STORED

import pytest

from assistant.errors import AssistantError, InvalidError, TooLargeError, UnsupportedError
from assistant.knowledge.formats import packages, pdf
from assistant.knowledge.formats.reading import is_plain, read_file
from tests.fixtures.files import (
    make_docx,
    make_epub,
    make_notebook,
    make_pdf,
    make_pptx,
    make_xlsx,
    make_zip,
)

LONG = "The bowline makes a loop that does not slip, and it can be untied after a heavy"
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>'
WORD = make_docx([("Normal", "words")])


def test_a_pdf_has_pages_headings_and_paragraphs() -> None:
    found = read_file(
        make_pdf(
            [
                [(24, 50, 780, "Knots"), (11, 50, 740, LONG), (11, 50, 726, "load."), (11, 50, 690, "# no heading")],
                [(16, 50, 780, "Tides"), (11, 50, 750, "Ebb and flow.")],
            ],
            title="For sailors",
        ),
        "book.pdf",
    )
    assert (found.title, found.content_type, found.content_format) == ("For sailors", "pdf", "markdown")
    first, second = found.content.split("\n\n\f\n\n")
    assert first == f"# Knots\n\n{LONG} load.\n\n\\# no heading"
    assert second == "## Tides\n\nEbb and flow."


@pytest.mark.parametrize(
    ("title", "called"),
    [
        ("Learning Microsoft Excel", "Learning Microsoft Excel"),
        ("The untitled painting", "The untitled painting"),
        *((each, "book") for each in ("Microsoft Word - knots.doc", "untitled", "PowerPoint Presentation", "a.tex")),
    ],
)
def test_a_pdf_is_not_called_what_a_program_suggests(title: str, called: str) -> None:
    assert read_file(make_pdf([[(11, 50, 700, "words")]], title=title), "book.pdf").title == called


def test_what_nobody_sees_in_a_pdf_is_left_out() -> None:
    page = [(11, 50, 700, "seen"), (1, 50, 650, "too small"), (11, 900, 600, "beside the page"), (11, 50, -40, "below")]
    assert read_file(make_pdf([page]), "a.pdf").content == "seen"


def test_running_heads_of_a_pdf_are_left_out() -> None:
    pages = [
        [(9, 50, 820, "The sailor's book"), (11, 50, 700, f"Words of {name}."), (9, 50, 20, f"Page {number}")]
        for number, name in enumerate(("Ada", "Bob", "Cleo", "Dan"), 1)
    ]
    assert read_file(make_pdf(pages), "a.pdf").content.split("\n\n\f\n\n") == [
        f"Words of {name}." for name in ("Ada", "Bob", "Cleo", "Dan")
    ]


def test_a_page_that_was_scanned_says_so_among_others() -> None:
    found = read_file(make_pdf([[(11, 50, 700, "Words.")], []], images=True), "a.pdf")
    assert found.content == f"Words.\n\n\f\n\n{pdf.IMAGE_NOTE}"


def test_a_word_document_keeps_headings_and_tables() -> None:
    paragraphs = [("Title", "Sailing"), ("Heading 1", "Knots"), ("Normal", LONG)]
    found = read_file(make_docx(paragraphs, table=[["Knot", "Use"], ["Bowline", "Loop"]]), "notes.docx")
    assert (found.title, found.content_type) == ("Sailing", "docx")
    assert found.content == f"# Sailing\n\n# Knots\n\n{LONG}\n\n| Knot | Use |\n| --- | --- |\n| Bowline | Loop |"
    assert read_file(make_docx(paragraphs, title="A handbook"), "notes.docx").title == "A handbook"


def test_a_slide_is_a_page() -> None:
    found = read_file(make_pptx([("Knots", ["Bowline", "Hitch"], "Say more."), ("Tides", ["Ebb"], "")]), "talk.pptx")
    assert found.title == "talk"
    assert found.content == "## Knots\n\n- Bowline\n- Hitch\n\nSay more.\n\n\f\n\n## Tides\n\n- Ebb"


def test_the_sheets_of_a_workbook_are_sections() -> None:
    rows: list[list[object]] = [["Knot", "Strength", ""], ["", "", ""], ["Bowline", 60, ""], ["a|b", 0.5, ""]]
    found = read_file(make_xlsx({"Knots": rows, "Empty": []}), "knots.xlsx")
    assert found.content == "## Knots\n\n| Knot | Strength |\n| --- | --- |\n| Bowline | 60 |\n| a\\|b | 0.5 |"


def test_the_columns_of_a_long_table_are_named_again_and_again() -> None:
    text = "knot;use\n" + "".join(f"knot {number};a use of it\n" for number in range(100))
    found = read_file(text.encode(), "knots.csv").content
    parts = found.split("\n\n")
    assert len(parts) > 3
    assert all(part.startswith("| knot | use |\n| --- | --- |\n| knot ") for part in parts)
    assert found.count("a use of it") == 100
    assert read_file(b"a\tb\n1\t2\n", "a.tsv").content == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_a_book_is_read_in_the_order_of_its_chapters() -> None:
    found = read_file(make_epub([("One", "First."), ("Two", "Second.")], title="The book"), "book.epub")
    assert (found.title, found.content) == ("The book", "# One\n\nFirst.\n\n# Two\n\nSecond.")


def test_a_notebook_has_words_code_and_what_was_printed() -> None:
    found = read_file(make_notebook([("markdown", "# Tides\n\nWhen?", ""), ("code", "print(7)", "7\n")]), "tides.ipynb")
    assert found.title == "Tides"
    assert found.content == "# Tides\n\nWhen?\n\n```python\nprint(7)\n```\n\n```\n7\n```"


def test_subtitles_stand_under_their_times() -> None:
    srt = (
        b"1\r\n00:00:01,000 --> 00:00:02,000\r\nHello <i>there</i>\r\n\r\n2\r\n01:02:03,500 --> 01:02:05,000\r\nBye\r\n"
    )
    assert read_file(srt, "talk.txt").content == "## 00:00:01\n\nHello there\n\n## 01:02:03\n\nBye"
    vtt = b"WEBVTT\n\nNOTE nobody says this\n\nintro\n00:01.000 --> 00:02.000 align:start\n<v Ada>Hello\n"
    assert read_file(vtt, "talk.vtt").content == "## 00:00:01\n\nAda: Hello"


def test_source_code_stays_as_it_is() -> None:
    found = read_file(b"# no heading\ndef f():\n    return 1\n", "knots.py")
    assert (found.title, found.content_type, found.content_format) == ("knots.py", "code", None)
    assert found.content == "# no heading\ndef f():\n    return 1\n"


def test_the_pages_of_a_text_are_those_between_its_form_feeds() -> None:
    assert read_file(b"one\ntwo\fthree", "rfc.txt").content == "one\ntwo\n\n\f\n\nthree"


@pytest.mark.parametrize(
    ("data", "name", "error", "says"),
    [
        (make_pdf([[]], images=True), "scan.pdf", InvalidError, "only images"),
        (make_pdf([[]]), "blank.pdf", InvalidError, "no text"),
        (make_pdf([[(11, 50, 50, "x")]], encrypted=True), "a.pdf", UnsupportedError, "encrypted"),
        (make_pdf([[(11, 50, 50, "x")]])[:200], "a.pdf", InvalidError, "damaged"),
        (make_pdf([[]] * 501), "long.pdf", TooLargeError, "501 pages; at most 500"),
        (WORD[: len(WORD) // 2], "a.docx", InvalidError, "damaged"),
        (make_zip({"word/document.xml": BOMB}), "a.docx", UnsupportedError, "entities"),
        (make_zip({"word/document.xml": b"\0" * 30_000_000}), "a.docx", TooLargeError, "Unpacked"),
        (make_zip({str(number): "" for number in range(5_001)}), "a.zip", TooLargeError, "5,001 files"),
        (make_zip({"notes.md": "x"}), "a.zip", UnsupportedError, "archive"),
        (make_zip({"mimetype": "application/vnd.oasis.opendocument.text"}), "a.odt", UnsupportedError, "OpenDocument"),
        (make_epub([], title="x", extra={"META-INF/encryption.xml": "<EncryptionMethod/>"}), "a.epub",
         UnsupportedError, "protected"),
        (make_epub([], title="x", extra={"META-INF/container.xml": BOMB}), "a.epub", InvalidError, "damaged"),
        (b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"), "a.docx", UnsupportedError, "encrypted"),
        (b"\xd0\xcf\x11\xe0 WordDocument", "a.doc", UnsupportedError, "save it as .docx"),
        (b"\xd0\xcf\x11\xe0" + "Workbook".encode("utf-16-le"), "a.xls", InvalidError, "damaged"),
        (b"{\"cells\": 3}", "a.ipynb", InvalidError, "notebook"),
        (b"[" * 100_000, "a.ipynb", InvalidError, "notebook"),
        (b"WEBVTT\n\nnothing", "a.vtt", InvalidError, "no subtitles"),
        (b"\x89PNG", "a.pdf", UnsupportedError, "A PNG image cannot be read; PDF"),
    ],
)  # fmt: skip
def test_each_bad_file_says_what_is_wrong(data: bytes, name: str, error: type[AssistantError], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        read_file(data, name)
    assert caught.value.detail.endswith(".")


def test_what_needs_a_parser_is_never_taken_for_plain() -> None:
    for data in (b"x %PDF-1.4", b"PK\x03\x04", b"  <p>", b"{", b"a\0b", b"\xef\xbb\xbfWEBVTT"):
        assert not is_plain(data, "notes.md")
    assert not is_plain(b"a,b", "a.csv")
    assert is_plain(b"# Knots", "notes.md")
    assert is_plain(b"print()", "knots.py")


def test_a_package_that_lies_about_its_size_is_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(make_zip({"word/document.xml": b"a" * 50_000}))
    for place in (data.find(b"PK\x01\x02") + 24, 22):  # both of the sizes that are written down
        data[place : place + 4] = (10).to_bytes(4, "little")
    package = packages.open_package(bytes(data))
    with pytest.raises(InvalidError):
        packages.read_entry(package, "word/document.xml")


@pytest.mark.parametrize("packing", [ZIP_STORED, ZIP_DEFLATED, ZIP_BZIP2, ZIP_LZMA])
def test_whatever_is_damaged_in_a_package_it_says_so(packing: int) -> None:
    chance = Random(packing)
    whole = make_zip({"knöten.md": "# Knots " * 20, "b.md": "words " * 20}, packing)
    said = set()
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(3):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            package = packages.open_package(bytes(data))
            for entry in package.infolist():
                packages.read_entry(package, entry)
        except AssistantError as exc:
            said.add(exc.detail)
    assert len(said) > 1
