"""The newest posts as an Atom feed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from assistant.blog.schemas import PostItem

ATOM: Final = "http://www.w3.org/2005/Atom"
MEDIA_TYPE: Final = "application/atom+xml"
ENTRIES: Final = 20

_UNPRINTABLE: Final = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF])
"""What XML can not hold, not even escaped."""


def write_feed(posts: Sequence[PostItem], base: str) -> bytes:
    """`base`: the address of the service, which the links begin with."""
    feed = Element("feed", xmlns=ATOM)
    _add(feed, "title", "GoalSpace")
    _add(feed, "id", f"{base}/api/blog/feed.xml")
    SubElement(feed, "link", rel="self", type=MEDIA_TYPE, href=f"{base}/api/blog/feed.xml")
    _add(feed, "updated", _moment(max((post.updated_at for post in posts), default=datetime.fromtimestamp(0, UTC))))
    for post in posts:
        _add_entry(feed, post, base)
    document: bytes = tostring(feed, encoding="utf-8", xml_declaration=True)
    return document


def _add_entry(feed: Element, post: PostItem, base: str) -> None:
    entry = SubElement(feed, "entry")
    _add(entry, "title", post.title)
    _add(entry, "id", f"urn:uuid:{post.id}")  # stays when the slug changes
    SubElement(entry, "link", rel="alternate", href=f"{base}/api/blog/posts/{post.slug}")
    _add(entry, "published", _moment(post.published_at or post.created_at))
    _add(entry, "updated", _moment(post.updated_at))
    _add(entry, "summary", post.excerpt)
    author = SubElement(entry, "author")
    _add(author, "name", (post.author and post.author.full_name) or "GoalSpace")


def _add(parent: Element, name: str, value: str) -> None:
    SubElement(parent, name).text = value.translate(_UNPRINTABLE)


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
