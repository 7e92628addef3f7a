"""What is fetched, and what nobody can have fetched."""

import gzip
import ssl
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import httpx2
import pytest

from assistant.errors import AssistantError, InvalidError, TooLargeError
from assistant.knowledge import fetching
from assistant.knowledge.fetching import Fetcher, is_public
from tests.fixtures.certificates import make_certificate, serving
from tests.fixtures.website import Website, open_website

PACKED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"


@pytest.fixture
async def site() -> AsyncIterator[Website]:
    async with open_website() as opened:
        yield opened


@pytest.fixture
def fetcher(site: Website) -> Fetcher:
    return Fetcher([f"127.0.0.1:{site.port}"])


@pytest.mark.parametrize(
    ("address", "public"),
    [
        *((each, True) for each in ("93.184.216.34", "2606:2800:220:1::1")),
        *((each, False) for each in ("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254")),
        *((each, False) for each in ("100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "192.0.2.1")),
        *((each, False) for each in ("240.0.0.1", "198.18.0.1", "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1")),
        *((each, False) for each in ("::ffff:127.0.0.1", "::ffff:93.184.216.34", "2002:7f00:1::", "64:ff9b::7f00:1")),
        *((each, False) for each in ("2001:0:1::1", "2001:db8::1", "fec0::1")),
    ],
)
def test_only_what_anybody_could_reach_is_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("address", "says"),
    [
        *((f"http://{host}/", "not a public") for host in ("127.0.0.1", "localhost", "2130706433", "0")),
        *((f"http://{host}/", "not a public") for host in ("0x7f000001", "127.1", "[::1]", "0x7f.1")),
        *((f"http://{host}/", "not a public") for host in ("[::ffff:127.0.0.1]", "169.254.169.254", "127.0.0.1:80")),
        *((f"http://{host}/", "") for host in ("localhost.", "0177.0.0.1", "１２７.0.0.1", "[64:ff9b::7f00:1]")),
        ("http://127.0.0.1:8000/", "unusual port"),
        ("http://93.184.216.34:22/", "unusual port"),
        ("file:///etc/passwd", "begins with"),
        ("gopher://example.org/", "begins with"),
        ("//example.org/", "begins with"),
        ("", "begins with"),
        ("http://", "begins with"),
        ("http://ada:secret@example.org/", "name and password"),
        ("http://example.org@127.0.0.1/", "name and password"),
        ("http://127.0.0.1\\@example.org/", ""),
        ("http://127.0.0.1#@example.org/", "not a public"),
        ("http://[fe80::1%25lo]/", ""),
        ("http://exa mple.org/", ""),
        ("http://example.org/" + "a" * 2_000, "2,000 characters"),
    ],
)
async def test_addresses_that_are_not_asked(address: str, says: str) -> None:
    with pytest.raises(InvalidError) as caught:
        await Fetcher().fetch(address)
    assert says in caught.value.detail
    assert (caught.value.code, caught.value.extra["errors"][0]["path"]) == ("not_fetched", "url")


async def test_a_page_is_fetched(site: Website, fetcher: Fetcher) -> None:
    page = await fetcher.fetch(site.add("/knots/?a=1", "<p>Bowline") + "#part")
    assert (page.address, page.name, page.data) == (f"{site.address}/knots/?a=1", "knots.html", b"<p>Bowline")
    assert site.asked == [f"/knots/?a=1 127.0.0.1:{site.port}"]
    assert (await fetcher.fetch(site.add("/a.pdf", b"%PDF", kind="application/pdf"))).name == "a.pdf"
    packed = site.add("/packed", gzip.compress(b"words"), Content_Encoding="gzip")
    assert (await fetcher.fetch(packed)).data == b"words"
    foreign = site.add("/foreign", "Łódź".encode("iso-8859-2"), kind="text/plain; charset=iso-8859-2")
    assert (await fetcher.fetch(foreign)).data == "Łódź".encode()


async def test_what_was_checked_is_connected_to_and_the_name_is_kept(site: Website) -> None:
    """A name that is another machine's the second time it is asked for is asked for once."""
    answers = [["127.0.0.1"], ["10.0.0.1"]]

    async def resolve(host: str, port: int) -> Collection[str]:
        assert (host, port) == ("wiki.test", site.port)
        return answers.pop(0)

    site.add("/", "words")
    page = await Fetcher([f"wiki.test:{site.port}"], resolve=resolve).fetch(f"http://wiki.test:{site.port}/")
    assert page.data == b"words"
    assert site.asked == [f"/ wiki.test:{site.port}"]
    assert answers == [["10.0.0.1"]]


async def on_loopback(host: str, port: int) -> Collection[str]:
    return ["127.0.0.1"]


@pytest.mark.parametrize(
    ("proves_to_be", "asked", "fetched"),
    [
        ("wiki.test", "wiki.test", True),
        ("wiki.test", "127.0.0.1", False),
        ("wiki.test", "other.test", False),
        ("127.0.0.1", "wiki.test", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("xn--strae-oqa.test", "straße.test", True),
        ("strasse.test", "straße.test", False),
    ],
)
async def test_the_certificate_has_to_be_that_of_the_name(
    proves_to_be: str, asked: str, fetched: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although it is an address that is connected to."""
    certificate = make_certificate(proves_to_be, tmp_path)
    paths = ssl.get_default_verify_paths()._replace(openssl_cafile=str(certificate), openssl_capath="")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    async with open_website(serving(certificate)) as site:
        site.add("/", "words")
        url = httpx2.URL(f"https://{asked}:{site.port}/")
        fetcher = Fetcher([f"{url.raw_host.decode()}:{site.port}"], resolve=on_loopback)
        if fetched:
            assert (await fetcher.fetch(str(url))).data == b"words"
            monkeypatch.undo()
            fetcher = Fetcher([f"{url.raw_host.decode()}:{site.port}"], resolve=on_loopback)
            site.asked.clear()
        with pytest.raises(InvalidError, match="cannot be reached"):
            await fetcher.fetch(str(url))
        assert site.asked == []


async def test_a_name_is_resolved_as_it_goes_over_the_wire() -> None:
    asked = []

    async def resolve(host: str, port: int) -> Collection[str]:
        asked.append(host)
        return ["127.0.0.1"]

    with pytest.raises(InvalidError, match="not a public"):
        await Fetcher(resolve=resolve).fetch("https://straße.test/")
    assert asked == ["xn--strae-oqa.test"]


async def test_a_name_with_one_private_address_is_private() -> None:
    async def resolve(host: str, port: int) -> Collection[str]:
        return ["93.184.216.34", "127.0.0.1"]

    with pytest.raises(InvalidError, match="not a public"):
        await Fetcher(resolve=resolve).fetch("https://example.org/")


async def test_each_redirection_is_checked(site: Website, fetcher: Fetcher) -> None:
    site.add("/end", "words")
    site.redirect("/second", "/end")
    assert (await fetcher.fetch(site.redirect("/first", "second"))).address == f"{site.address}/first"
    for to in ("http://169.254.169.254/latest/meta-data", "http://localhost/", "file:///etc/passwd"):
        with pytest.raises(InvalidError, match=r"not a public|begins with"):
            await fetcher.fetch(site.redirect("/away", to))
    with pytest.raises(InvalidError, match="more than 5 times"):
        await fetcher.fetch(site.redirect("/round", "/round"))


def test_nothing_leads_from_https_to_http() -> None:
    with pytest.raises(InvalidError, match="from https to http"):
        fetching._next(httpx2.URL("https://example.org/"), "http://example.org/")


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", InvalidError, "answers 404 Not Found"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", TooLargeError, "10 MiB"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * (10 * 1024 * 1024 + 1), TooLargeError, "10 MiB"),
        (PACKED + gzip.compress(bytes(50_000_000)), TooLargeError, "10 MiB"),
        (PACKED + b"no gzip", InvalidError, "damaged"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\nbrotli", InvalidError, "not asked for"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", InvalidError, "breaks off"),
        (b"SSH-2.0-OpenSSH\r\n", InvalidError, "breaks off"),
        (None, InvalidError, "silent for 0.2 s"),
    ],
)  # fmt: skip
async def test_answers_that_are_none(
    answer: bytes | None,
    error: type[AssistantError],
    says: str,
    site: Website,
    fetcher: Fetcher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetching, "SILENT_SECONDS", 0.2 if answer is None else 5.0)
    site.pages["/"] = answer
    with pytest.raises(error, match=says):
        await fetcher.fetch(site.address + "/")


async def test_an_answer_that_drips_is_given_up(
    site: Website, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "SECONDS", 0.2)
    site.pages["/"] = None
    with pytest.raises(InvalidError, match=r"longer than 0\.2 s"):
        await fetcher.fetch(site.address + "/")
