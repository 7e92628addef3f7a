"""A file → what a document holds. What a file is, its content says; its name is a hint."""

import re
from collections.abc import Callable
from pathlib import PurePath
from typing import Final
from zipfile import ZipFile

from assistant.errors import UnsupportedError
from assistant.knowledge.extraction import Extracted, Format, build, check_size, decode, read_text
from assistant.knowledge.formats.packages import open_package, read_entry

READABLE: Final = (
    "PDF, Word, PowerPoint and Excel files, CSV, EPUB, HTML, Markdown, notebooks, subtitles, source code and plain"
    " text can"
)

_MARKDOWN: Final = frozenset({".md", ".markdown", ".mdown", ".mkd"})
_HTML: Final = frozenset({".html", ".htm", ".xhtml"})
_SUBTITLES: Final = frozenset({".vtt", ".srt"})
_TABLES: Final = {".csv": None, ".tsv": "\t", ".tab": "\t"}
_CODE: Final = frozenset(
    {
        *(".py", ".pyi", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".vue", ".svelte", ".css", ".scss", ".less"),
        *(".java", ".kt", ".kts", ".scala", ".groovy", ".gradle", ".cs", ".fs", ".vb", ".swift", ".dart", ".go", ".rs"),
        *(".c", ".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".m", ".mm", ".d", ".zig", ".nim", ".asm", ".v", ".vhd"),
        *(".rb", ".php", ".pl", ".pm", ".lua", ".r", ".jl", ".f", ".f90", ".pas", ".ex", ".exs", ".erl", ".hs", ".ml"),
        *(".clj", ".lisp", ".scm", ".el", ".sh", ".bash", ".zsh", ".fish", ".ps1", ".bat", ".sql", ".cmake", ".tf"),
        *(".json", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".proto", ".graphql", ".nix", ".diff", ".patch"),
        *(".tex", ".bib", ".rst", ".adoc"),
    }
)
_PACKAGES: Final = {".pdf", ".docx", ".pptx", ".xlsx", ".xls", ".ods", ".epub", ".ipynb"}
SUFFIXES: Final = frozenset({*_MARKDOWN, *_HTML, *_SUBTITLES, *_TABLES, *_CODE, *_PACKAGES, ".txt", ".text", ".zip"})
"""What is taken from a folder. A file that is named itself may be called anything."""

_REFUSED: Final = (
    (b"{\\rtf", "An RTF document"),
    (b"\x1f\x8b", "A gzip archive"),
    (b"BZh", "A bzip2 archive"),
    (b"7z\xbc\xaf", "A 7z archive"),
    (b"Rar!", "A RAR archive"),
    (b"\xfd7zXZ", "An xz archive"),
    (b"\x89PNG", "A PNG image"),
    (b"\xff\xd8\xff", "A JPEG image"),
    (b"GIF8", "A GIF image"),
    (b"RIFF", "A media file"),
    (b"ID3", "An MP3 file"),
    (b"OggS", "An Ogg file"),
    (b"\x7fELF", "A program"),
    (b"MZ\x90", "A program"),
    (b"SQLite format 3", "A database"),
)
ZIP: Final = b"PK\x03\x04"
EMPTY_ZIP: Final = b"PK\x05\x06"
MAX_MIMETYPE: Final = 200
_OLE: Final = b"\xd0\xcf\x11\xe0"
_PDF: Final = b"%PDF-"
_PDF_WITHIN: Final = 1_024
"""Bytes that may stand in front of a PDF."""

_HTML_BEGINS = re.compile(
    r"(?:<\?xml[^>]{0,500}\?>)?\s{0,1000}(?:<!--.{0,10000}?-->\s{0,1000}){0,10}<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_XML_BEGINS = re.compile(r"\s{0,1000}<(?:\?xml|svg|!doctype\s+svg)\b", re.IGNORECASE)
_SRT_BEGINS = re.compile(r"\s{0,100}\d{1,6}[ \t]*\r?\n\d{1,4}:\d\d:\d\d,\d{3}[ \t]+-->")

Read = tuple[str | None, str]


def is_plain(data: bytes, name: str) -> bool:
    """Whether it takes no parser to read it, at a glance: in doubt it does."""
    head = data[:4_096].lstrip(b"\xef\xbb\xbf \t\r\n")
    return (
        _suffix(name) not in {*_HTML, *_PACKAGES, *_TABLES, *_SUBTITLES, ".zip"}
        and b"\0" not in head
        and not head.startswith((b"<", b"{", b"WEBVTT", ZIP, EMPTY_ZIP, _OLE))
        and _PDF not in head
    )


def is_archive(data: bytes) -> bool:
    """A ZIP file that is no document in itself. Raises InvalidError where it is damaged."""
    return data.startswith((ZIP, EMPTY_ZIP)) and _package_kind(data) is None


def read_file(data: bytes, name: str) -> Extracted:
    """The text of a file. Its title is what it calls itself, else its name.

    Raises InvalidError (empty, damaged), TooLargeError, UnsupportedError (nothing that can be read).
    """
    check_size(data)
    reader = _parser(data)
    if reader is not None:
        kind, read = reader
        title, content = read(data)
        return build(content, kind, own_title=title, fallback_title=_stem(name))
    for signature, what in _REFUSED:
        if data.startswith(signature):
            raise UnsupportedError(f"{what} cannot be read; {READABLE}.")
    return _read_text(decode(data), name)


def read_web_page(data: bytes, name: str) -> Extracted:
    """The same of something that was fetched: of a page, only the main text."""
    check_size(data)
    if _parser(data) is None:
        text = decode(data)
        if _HTML_BEGINS.match(text) or _suffix(name) in _HTML:
            from assistant.knowledge.formats.web import main_text

            title, content = main_text(text)
            return build(content, "html", own_title=title, fallback_title=_stem(name))
    return read_file(data, name)


def _read_text(text: str, name: str) -> Extracted:
    suffix = _suffix(name)
    title = _stem(name)
    if _HTML_BEGINS.match(text) or suffix in _HTML:
        return read_text(text, "html", fallback_title=title)
    if _XML_BEGINS.match(text):
        raise UnsupportedError(f"XML cannot be read; {READABLE}.")
    if suffix == ".ipynb":
        from assistant.knowledge.formats.plain import read_notebook

        own_title, content = read_notebook(text)
        return build(content, "notebook", own_title=own_title, fallback_title=title)
    if suffix in _SUBTITLES or text.startswith("WEBVTT") or _SRT_BEGINS.match(text):
        from assistant.knowledge.formats.plain import read_subtitles

        return build(read_subtitles(text.replace("\r\n", "\n")), "subtitles", fallback_title=title)
    if suffix in _TABLES:
        from assistant.knowledge.formats.plain import read_table

        return build(read_table(text, delimiter=_TABLES[suffix]), "table", fallback_title=title)
    kind: Format = "markdown" if suffix in _MARKDOWN else "code" if suffix in _CODE else "text"
    return read_text(text, kind, fallback_title=PurePath(name).name if kind == "code" else title)


def _parser(data: bytes) -> tuple[Format, Callable[[bytes], Read]] | None:
    """What reads a file that is no text. Imported late: each parser takes memory that a process may never need."""
    if _PDF in data[:_PDF_WITHIN]:
        from assistant.knowledge.formats.pdf import read_pdf

        return "pdf", read_pdf
    if data.startswith(_OLE):
        return _old_office(data)
    if not data.startswith((ZIP, EMPTY_ZIP)):
        return None
    kind = _package_kind(data)
    if kind is None:
        raise UnsupportedError("A ZIP archive is no document; `goalspace ingest` puts in each of its files.")
    if kind == "epub":
        from assistant.knowledge.formats.book import read_book

        return kind, read_book
    from assistant.knowledge.formats import office

    readers = {"docx": office.read_word, "pptx": office.read_slides, "xlsx": office.read_workbook}
    return kind, readers[kind]


def _package_kind(data: bytes) -> Format | None:
    """None: an archive of files. Raises InvalidError, TooLargeError, UnsupportedError."""
    package = open_package(data)
    names = set(package.namelist())
    mimetype = _mimetype(package) if "mimetype" in names else b""
    if mimetype == b"application/epub+zip" or "META-INF/container.xml" in names:
        return "epub"
    if "word/document.xml" in names:
        return "docx"
    if "ppt/presentation.xml" in names:
        return "pptx"
    if names & {"xl/workbook.xml", "xl/workbook.bin"} or mimetype.endswith(b"opendocument.spreadsheet"):
        return "xlsx"
    if mimetype.startswith(b"application/vnd.oasis.opendocument"):
        raise UnsupportedError(f"An OpenDocument file cannot be read; {READABLE}.")
    return None


def _mimetype(package: ZipFile) -> bytes:
    is_short = package.getinfo("mimetype").file_size <= MAX_MIMETYPE
    return read_entry(package, "mimetype").strip() if is_short else b""


def _old_office(data: bytes) -> tuple[Format, Callable[[bytes], Read]]:
    if "EncryptedPackage".encode("utf-16-le") in data:
        raise UnsupportedError("The document is encrypted; save it without its password first.")
    if "Workbook".encode("utf-16-le") not in data:
        raise UnsupportedError(
            "A Word or PowerPoint document of the old kind cannot be read; save it as .docx or .pptx."
        )
    from assistant.knowledge.formats.office import read_workbook

    return "xlsx", read_workbook


def _suffix(name: str) -> str:
    return PurePath(name.replace("\\", "/")).suffix.lower()


def _stem(name: str) -> str:
    path = PurePath(name.replace("\\", "/"))
    return path.stem or path.name or "Untitled"
