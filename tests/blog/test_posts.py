"""Posts: drafts for their authors, what is published for everybody."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree

import pytest

from assistant.blog.excerpts import EXCERPT_CHARACTERS, make_excerpt
from assistant.blog.slugs import make_slug
from tests.fixtures.api import Caller, errors_of

POSTS = "/api/blog/posts"


async def write(author: Caller, title: str | None = None, **values: object) -> dict[str, Any]:
    return await author.make(POSTS, {"title": title or f"Post {uuid4().hex}", "content": "Text.", **values})


async def slugs(caller: Caller, **query: object) -> list[str]:
    answer = await caller.get(POSTS, params=query)
    assert answer.status_code == 200, answer.text
    return [item["slug"] for item in answer.json()["items"]]


async def test_a_post_through_its_life(ada: Caller, bob: Caller, anybody: Caller) -> None:
    await ada.call("PATCH", "/api/me", {"full_name": "Ada"})
    draft = await write(
        ada, f"How to tie {uuid4().hex}", content="# Knots\n\nThe *bowline* is a [loop](https://x.org)."
    )
    assert draft == {
        "id": draft["id"], "author_id": str(ada.id), "title": draft["title"], "slug": draft["slug"],
        "excerpt": "Knots The bowline is a loop.", "published": False, "published_at": None,
        "content": draft["content"], "created_at": draft["created_at"], "updated_at": draft["updated_at"],
        "author": {"id": str(ada.id), "full_name": "Ada", "avatar_url": None},
    }  # fmt: skip
    path = f"{POSTS}/{draft['slug']}"
    for caller in (bob, anybody):
        assert (await caller.get(path)).status_code == 404
    assert (await ada.get(path)).json() == draft
    assert await slugs(ada, mine=True) == [draft["slug"]]
    assert await slugs(ada, author_id=str(ada.id)) == []

    published = (await ada.call("PATCH", path, {"published": True})).json()
    assert published["published_at"] is not None
    for caller in (bob, anybody):
        assert (await caller.get(path)).json() == published
        assert await slugs(caller, author_id=str(ada.id)) == [draft["slug"]]
    [item] = (await anybody.get(POSTS, params={"author_id": str(ada.id)})).json()["items"]
    assert item == {name: value for name, value in published.items() if name != "content"}

    renamed = (await ada.call("PATCH", path, {"title": "Another title", "excerpt": "Short."})).json()
    assert (renamed["slug"], renamed["excerpt"]) == (draft["slug"], "Short.")
    assert (await ada.call("PATCH", path, {"excerpt": None})).json()["excerpt"] == draft["excerpt"]
    taken_back = (await ada.call("PATCH", path, {"published": False})).json()
    assert taken_back["published_at"] == published["published_at"]
    assert (await anybody.get(path)).status_code == 404
    again = (await ada.call("PATCH", path, {"published": True})).json()
    assert again["published_at"] == published["published_at"]
    assert (await ada.call("DELETE", path)).status_code == 204
    assert (await anybody.get(path)).status_code == 404


async def test_nobody_changes_anothers(ada: Caller, bob: Caller, anybody: Caller) -> None:
    draft, public = await write(ada), await write(ada, published=True)
    for post, refused in ((draft, 404), (public, 403)):
        path = f"{POSTS}/{post['slug']}"
        for method, body in (("PATCH", {"title": "Mine"}), ("DELETE", None)):
            assert (await bob.call(method, path, body)).status_code == refused
            assert (await anybody.call(method, path, body)).status_code == 401
        assert (await ada.get(path)).json() == post
    assert (await anybody.call("POST", POSTS, {"title": "T", "content": "C"})).status_code == 401
    assert (await anybody.get(POSTS, params={"mine": True})).status_code == 401
    for field in ("author_id", "id", "created_at", "author"):
        answer = await bob.call("POST", POSTS, {"title": "T", "content": "C", field: str(ada.id)})
        assert (answer.status_code, errors_of(answer)) == (422, [field])


async def test_what_is_dated_in_the_future_is_hidden_until_then(ada: Caller, anybody: Caller) -> None:
    later = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    post = await write(ada, published=True, published_at=later)
    path = f"{POSTS}/{post['slug']}"
    assert (await anybody.get(path)).status_code == 404
    for caller in (ada, anybody):
        assert await slugs(caller, author_id=str(ada.id)) == []
    assert await slugs(ada, mine=True, published=True) == [post["slug"]]
    before = (datetime.now(UTC) - timedelta(days=3)).isoformat()
    changed = await ada.call("PATCH", path, {"published_at": before})
    assert changed.status_code == 200
    assert (await anybody.get(path)).status_code == 200
    dateless = (await ada.call("PATCH", path, {"published_at": None})).json()
    assert dateless["published_at"] is not None, "what is published has a date"


async def test_a_slug_is_the_authors_or_made_from_the_title(ada: Caller, bob: Caller) -> None:
    word = uuid4().hex
    first = await write(ada, f"{word}: Über Knoten!")
    second = await write(bob, f"{word} über Knoten")
    assert [first["slug"], second["slug"]] == [f"{word}-ueber-knoten", f"{word}-ueber-knoten-2"]
    own = await write(ada, slug=f"own-{word}")
    assert own["slug"] == f"own-{word}"
    for method, path, body in (
        ("POST", POSTS, {"title": "T", "content": "C", "slug": own["slug"]}),
        ("PATCH", f"{POSTS}/{second['slug']}", {"slug": own["slug"]}),
    ):
        answer = await bob.call(method, path, body)
        assert (answer.status_code, answer.json()["code"]) == (409, "slug_taken")
    moved = await bob.call("PATCH", f"{POSTS}/{second['slug']}", {"slug": f"moved-{word}"})
    assert moved.json()["slug"] == f"moved-{word}"
    assert (await bob.get(f"{POSTS}/{second['slug']}")).status_code == 404
    assert (await bob.get(f"{POSTS}/moved-{word}")).status_code == 200


async def test_many_posts_of_one_title_at_once(ada: Caller, bob: Caller) -> None:
    title = f"Same {uuid4().hex}"
    made = await asyncio.gather(*(write(caller, title) for caller in (ada, bob) * 6))
    found = {post["slug"] for post in made}
    assert len(found) == 12
    assert all(slug.startswith(make_slug(title)) for slug in found)


@pytest.mark.parametrize(
    ("title", "slug"),
    [("How to tie a bowline", "how-to-tie-a-bowline"), ("  ¿Qué?  Año-nuevo! ", "que-ano-nuevo"),
     ("Größe & Maß", "groesse-mass"), ("Ada's knots", "adas-knots"), ("Привет, мир", "privet-mir"),
     ("日本語", "ribenyu"), ("!!!", "post"), ("🎉", "tada"), ("a" * 300, "a" * 80),
     ("word " * 60, "-".join(["word"] * 16))],
)  # fmt: skip
def test_slugs_are_made_of_plain_letters(title: str, slug: str) -> None:
    assert make_slug(title) == slug


@pytest.mark.parametrize("slug", ["", "A", "a b", "-a", "a-", "a--b", "ä", "a/b", "..", "x" * 201, None, 5])
async def test_malformed_slugs(slug: object, ada: Caller) -> None:
    answer = await ada.call("POST", POSTS, {"title": "T", "content": "C", "slug": slug})
    assert (answer.status_code, errors_of(answer)) == (422, ["slug"])


@pytest.mark.parametrize(
    ("field", "value"),
    [("title", ""), ("title", " "), ("title", "x" * 301), ("content", ""), ("content", "\0"), ("excerpt", ""),
     ("excerpt", "x" * 2001), ("published", None), ("published", "yes"), ("published_at", "2027-01-01T00:00:00"),
     ("published_at", "yesterday"), ("slug", None)],
)  # fmt: skip
async def test_malformed_posts(field: str, value: object, ada: Caller) -> None:
    post = await write(ada)
    for method, path, body in (
        ("POST", POSTS, {"title": "T", "content": "C", field: value}),
        ("PATCH", f"{POSTS}/{post['slug']}", {field: value}),
    ):
        answer = await ada.call(method, path, body)
        assert (answer.status_code, errors_of(answer)) == (422, [field]), method


async def test_a_date_that_no_column_holds(ada: Caller) -> None:
    body = {"title": "T", "content": "C", "published_at": "9999-01-01T00:00:00Z"}
    answer = await ada.call("POST", POSTS, body)
    assert (answer.status_code, errors_of(answer)) == (422, ["published_at"])


@pytest.mark.parametrize("slug", ["nothing", "%00", "a%2Fb", "%E4", "x" * 500, "'; drop table blog_posts; --"])
async def test_there_is_no_such_post(slug: str, ada: Caller) -> None:
    for method, body in (("GET", None), ("PATCH", {"title": "T"}), ("DELETE", None)):
        answer = await ada.call(method, f"{POSTS}/{slug}", body)
        assert answer.status_code in (400, 404), (method, answer.text)


async def test_lists_are_searched_and_sorted(ada: Caller, anybody: Caller) -> None:
    word = uuid4().hex
    made = [
        await write(ada, f"{title} {word}", published=True, published_at=f"2026-01-0{day}T00:00:00Z", excerpt=excerpt)
        for title, day, excerpt in (("B", 2, "one"), ("A", 3, "100 % two"), ("C", 1, "three"))
    ]
    b, a, c = (post["slug"] for post in made)
    assert await slugs(anybody, q=word.upper()) == [a, b, c]
    assert await slugs(anybody, q=word, order="published") == [c, b, a]
    assert await slugs(anybody, q=word, order="title") == [a, b, c]
    assert await slugs(ada, mine=True, order="created") == [b, a, c]
    assert await slugs(anybody, q="100 %", author_id=str(ada.id)) == [a]
    assert await slugs(ada, q="three", author_id=str(ada.id), mine=True, published=True) == [c]
    assert await slugs(ada, author_id=str(uuid4()), mine=True) == []
    first = (await anybody.get(POSTS, params={"q": word, "limit": 2})).json()
    rest = (await anybody.get(POSTS, params={"q": word, "cursor": first["next_cursor"]})).json()
    assert [item["slug"] for item in first["items"] + rest["items"]] == [a, b, c]


async def test_of_two_who_change_a_post_one_is_told(ada: Caller) -> None:
    post = await write(ada)
    path = f"{POSTS}/{post['slug']}"
    tag = (await ada.get(path)).headers["etag"]
    assert (await ada.call("PATCH", path, {"title": "One"}, headers={"If-Match": tag})).status_code == 200
    assert (await ada.call("PATCH", path, {"title": "Two"}, headers={"If-Match": tag})).status_code == 412
    assert (await ada.call("DELETE", path, headers={"If-Match": tag})).status_code == 412
    assert (await ada.get(path)).json()["title"] == "One"


async def test_the_same_request_writes_one_post(ada: Caller) -> None:
    body = {"title": "Once", "content": "C"}
    answers = [await ada.call("POST", POSTS, body, headers={"Idempotency-Key": "one"}) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert len(await slugs(ada, mine=True)) == 1


async def test_an_author_has_so_many_posts(ada: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.blog.service.MAX_POSTS", 1)
    await write(ada)
    answer = await ada.call("POST", POSTS, {"title": "T", "content": "C"})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_posts")


async def test_a_feed_of_what_is_published(ada: Caller, anybody: Caller) -> None:
    await ada.call("PATCH", "/api/me", {"full_name": "Ada & Co"})
    post = await write(ada, "Knots <b> & \x0b", content="Text.", published=True)
    hidden = await write(ada, "Hidden")
    answer = await anybody.get("/api/blog/feed.xml")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/atom+xml")
    feed = ElementTree.fromstring(answer.content)
    names = {"a": "http://www.w3.org/2005/Atom"}
    entries = {entry.findtext("a:id", None, names): entry for entry in feed.findall("a:entry", names)}
    entry = entries[f"urn:uuid:{post['id']}"]
    assert entry.findtext("a:title", None, names) == "Knots <b> & "
    assert entry.findtext("a:author/a:name", None, names) == "Ada & Co"
    link = entry.find("a:link", names)
    assert link is not None
    assert link.get("href") == f"{anybody.http.base_url!s}".rstrip("/") + f"{POSTS}/{post['slug']}"
    assert f"urn:uuid:{hidden['id']}" not in entries
    assert len(entries) <= 20


@pytest.mark.parametrize(
    ("content", "excerpt"),
    [("# Title\n\nA *b* `c` **d**.", "Title A b c d."), ("![a cat](x.png) and [a link](y)", "a cat and a link"),
     ("```\ncode\n```\nAfter", "After"), ("```\nnever closed", ""), ("<b>bold</b> &amp;", "bold &amp;"),
     ("> quote\n- item\n1. first\n\n---\n", "quote item first"), ("a * b", "a b"), ("", "")],
)  # fmt: skip
def test_an_excerpt_is_plain(content: str, excerpt: str) -> None:
    assert make_excerpt(content) == excerpt


def test_an_excerpt_ends_after_a_word() -> None:
    excerpt = make_excerpt("word " * 500)
    assert len(excerpt) <= EXCERPT_CHARACTERS + 1
    assert excerpt.endswith("word…")
