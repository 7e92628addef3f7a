"""Files and posted texts → what a document holds."""

import pytest

from assistant.errors import InvalidError, TooLargeError, UnsupportedError
from assistant.knowledge import extraction
from assistant.knowledge.extraction import decode, parse_format, read_text
from assistant.knowledge.formats.reading import read_file


def test_a_document_is_called_what_it_calls_itself() -> None:
    assert read_file(b"# Knots #\n\nBowline.", "notes.md").title == "Knots"
    assert read_file(b"\n\n# \n\nBowline.", "notes.md").title == "notes"
    assert read_file(b"# not a title\nBowline.", "todo.txt").title == "todo"
    assert read_file(b"<html><title> Knots\n and more</title><p>Bowline.", "x.html").title == "Knots and more"
    assert read_text("# Knots", "markdown", title="Mine").title == "Mine"


def test_the_content_decides_what_a_file_is() -> None:
    page = b"<!-- saved --><!DOCTYPE html><p>Bowline.</p>"
    for name in ("page.html", "page.txt", "page"):
        found = read_file(page, name)
        assert (found.content, found.content_type, found.content_format) == ("Bowline.", "html", "markdown")
    assert read_file(b"a <html> tag", "notes.txt").content_type == "text"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "Böen 帆"),
        ("utf-8-sig", "Böen"),
        ("utf-16", "Böen 帆"),
        ("utf-32", "Böen"),
        ("cp1252", "Böen – “Flaute”"),
        ("cp1251", "Ветер усиливается к вечеру, и лодка возвращается в гавань под зарифленным парусом. " * 3),
        (
            "cp932",
            "風が強くなると、船は港に戻ります。帆を縮めることを忘れないでください。夕方までに港へ入り、錨を下ろし、"
            "明日の天気を確かめます。船長は航海日誌を書きます。",
        ),
    ],
)
def test_encodings_are_recognised(encoding: str, text: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_a_page_says_its_encoding() -> None:
    page = '<html><head><meta charset="iso-8859-2"></head><p>Łódź</p></html>'.encode("iso-8859-2")
    assert read_file(page, "a.html").content == "Łódź"
    page = b'<html><meta charset="no-such"><p>\xe9t\xe9</p></html>'
    assert read_file(page, "a.html").content == "été"


def test_line_breaks_and_characters_that_nobody_sees() -> None:
    found = read_file("\ufeffone\r\ntwo\rthree\x0b\x1b[1m\u2028\tfour".encode(), "a.txt")
    assert found.content == "one\ntwo\nthree[1m\u2028\tfour"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", InvalidError),
        (b" \r\n ", InvalidError),
        (b"\x01\x02", InvalidError),
        (b"%PDF-1.4", InvalidError),
        (b"PK\x03\x04rest", InvalidError),
        (b"text\0text", UnsupportedError),
        (b"\xff\xfea", UnsupportedError),
        (b"<svg xmlns='x'/>", UnsupportedError),
        (b"<?xml version='1.0'?><feed/>", UnsupportedError),
        (b"<html><body><script>x</script></body></html>", InvalidError),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        read_file(data, "file.txt")
    assert str(caught.value).endswith(".")


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "MAX_BYTES", 1024 * 1024)
    monkeypatch.setattr(extraction, "MAX_CHARACTERS", 1_000)
    with pytest.raises(TooLargeError, match="1 MiB"):
        read_file(b"a" * (1024 * 1024 + 1), "a.txt")
    with pytest.raises(TooLargeError, match="1,000 characters"):
        read_file(b"a" * 1_001, "a.txt")
    assert len(read_file("ü".encode() * 1_000, "a.txt").content) == 1_000


def test_formats_have_several_names() -> None:
    assert [parse_format(name) for name in ("md", "text/plain; charset=utf-8", "HTML")] == ["markdown", "text", "html"]
    with pytest.raises(UnsupportedError):
        parse_format("application/pdf")
