"""Places → what is to be put in."""

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from assistant.knowledge.fetching import Fetcher
from assistant.knowledge.formats.readers import Readers
from assistant.knowledge.ingestion import Found, Gatherer
from tests.fixtures.files import make_docx, make_zip
from tests.fixtures.website import Website, open_website

MAP = '<?xml version="1.0"?><{0} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{1}</{0}>'


@pytest.fixture
async def site() -> AsyncIterator[Website]:
    async with open_website() as opened:
        yield opened


@pytest.fixture
async def gatherer(site: Website) -> AsyncIterator[Gatherer]:
    async with Readers() as readers:
        yield Gatherer(readers, Fetcher([f"127.0.0.1:{site.port}"]))


async def gather(gatherer: Gatherer, place: object) -> dict[str, str]:
    """What is shown → the text, or what is wrong."""
    return {
        name: found if isinstance(found, str) else (await gatherer.read(found)).content
        async for name, found in gatherer.gather(str(place))
    }


async def test_the_files_of_an_archive_are_taken_one_by_one(gatherer: Gatherer, tmp_path: Path) -> None:
    path = tmp_path / "notes.zip"
    files: dict[str, str | bytes] = {
        "a/knots.md": "# Knots",
        "b.docx": make_docx([("Normal", "Tides")]),
        "inner.zip": make_zip({"a.md": "x"}),
        "broken.docx": b"PK\x03\x04",
        "photo.jpg": b"\xff\xd8\xff",
        ".hidden/a.md": "secret",
        "__MACOSX/a.md": "noise",
        "../../escape.md": "# Only a name",
        "large.txt": b"a" * (20 * 1024 * 1024 + 1),
        "noise.bin": Random(1).randbytes(400_000),
    }
    path.write_bytes(make_zip(files))
    found = await gather(gatherer, path)
    assert found == {
        f"{path}!/a/knots.md": "# Knots",
        f"{path}!/b.docx": "Tides",
        f"{path}!/inner.zip": "An archive inside of an archive is not read.",
        f"{path}!/broken.docx": "The file is damaged: it ends too early, or was changed on its way.",
        f"{path}!/large.txt": "The file is larger than 20 MiB.",
    }
    sources = [each.source async for _, each in gatherer.gather(str(path)) if isinstance(each, Found)]
    assert sources[0] == f"{path.resolve()}!/a/knots.md"
    path.write_bytes(make_zip({"photo.jpg": b"\xff\xd8\xff"}))
    assert await gather(gatherer, path) == {str(path): "There is no file in this archive that can be read."}


async def test_of_a_page_only_the_main_text_is_taken(gatherer: Gatherer, site: Website) -> None:
    text = "The bowline makes a loop at the end of a rope that does not slip and can be untied after a heavy load. " * 3
    around = "<nav><a href='/'>Home</a> <a href='/shop'>Shop</a></nav>"
    page = f"""<!doctype html><html><head><title>Knots</title></head><body>{around}
        <div class="sidebar"><ul><li><a href="/1">Buy a boat today</a></li></ul></div>
        <article><h1>Knots</h1><p>{text}</p><h2>Uses</h2><p>{text}</p><pre><code>tie()</code></pre>
        <table><tr><th>Knot</th><th>Use</th></tr><tr><td>Bowline</td><td>Loop</td></tr></table></article>
        <footer>Copyright and cookies</footer></body></html>"""
    [(name, found)] = [each async for each in gatherer.gather(site.add("/knots", page))]
    assert isinstance(found, Found)
    extracted = await gatherer.read(found)
    assert (name, found.source, extracted.title) == (f"{site.address}/knots", f"{site.address}/knots", "Knots")
    assert "## Uses" in extracted.content
    assert "tie()" in extracted.content
    assert "| Bowline | Loop |" in extracted.content
    for noise in ("Home", "Buy a boat", "cookies"):
        assert noise not in extracted.content


async def test_a_short_page_is_taken_whole(gatherer: Gatherer, site: Website) -> None:
    address = site.add("/", "<html><title>T</title><body><p>A loop.")
    assert await gather(gatherer, address) == {address: "A loop."}


async def test_an_address_may_be_of_a_file(gatherer: Gatherer, site: Website) -> None:
    address = site.add("/a.zip", make_zip({"knots.md": "# Knots"}), kind="application/zip")
    assert await gather(gatherer, address) == {f"{address}!/knots.md": "# Knots"}
    picture = site.add("/a.png", b"\x89PNG", kind="image/png")
    [(_, found)] = [each async for each in gatherer.gather(picture)]
    assert isinstance(found, Found)


async def test_a_site_map_stands_for_the_pages_of_its_site(gatherer: Gatherer, site: Website) -> None:
    one, two = site.add("/1", "<html><p>One."), site.add("/2", "<html><p>Two.")
    links = "".join(
        f"<url><loc>{link}</loc><lastmod>2026-01-01</lastmod></url>"
        for link in (one, two, one, f"{site.address}/gone", "http://localhost/other", "file:///etc/passwd")
    )
    pages = site.add("/pages.xml", MAP.format("urlset", links), kind="application/xml")
    expected = {one: "One.", two: "Two.", f"{site.address}/gone": "The address answers 404 Not Found."}
    assert await gather(gatherer, pages) == expected
    index = site.add("/sitemap.xml", MAP.format("sitemapindex", f"<sitemap><loc>{pages}</loc></sitemap>"))
    assert await gather(gatherer, index) == expected
    gone = f"{site.address}/gone.xml"
    maps = "".join(f"<sitemap><loc>{link}</loc></sitemap>" for link in (gone, pages))
    index = site.add("/sitemap.xml", MAP.format("sitemapindex", maps))
    assert await gather(gatherer, index) == {gone: "The address answers 404 Not Found."} | expected
    empty = site.add("/empty.xml", MAP.format("urlset", ""))
    assert await gather(gatherer, empty) == {empty: "The site map names no page of its own site."}
    bomb = site.add("/bomb.xml", '<!DOCTYPE x [<!ENTITY a "aaa">]>' + MAP.format("urlset", "<url><loc>&a;")[21:])
    assert await gather(gatherer, bomb) == {bomb: "A part of the file is damaged or missing."}


async def test_what_is_not_there_says_so(gatherer: Gatherer, tmp_path: Path) -> None:
    assert await gather(gatherer, tmp_path / "none.md") == {
        str(tmp_path / "none.md"): "there is no such file or folder"
    }
    local = "http://127.0.0.1/"
    assert await gather(gatherer, local) == {local: "The address is not a public one."}
