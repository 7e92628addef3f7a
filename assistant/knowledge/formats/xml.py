"""XML that others wrote, and the lists of pages that are made of it."""

from typing import Final

from lxml import etree

from assistant.errors import InvalidError

MAX_LINKS: Final = 500
"""Pages of a site map that are taken."""

_MAPS: Final = frozenset({"urlset", "sitemapindex"})


def parse_xml(data: bytes) -> etree._Element:
    """Without entities, and without loading anything. Raises InvalidError."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as exc:
        raise InvalidError("A part of the file is damaged or missing.") from exc


def read_site_map(data: bytes) -> list[str]:
    """The addresses in a site map, or those of the site maps in an index: the first MAX_LINKS. Raises InvalidError."""
    root = parse_xml(data)
    if etree.QName(root).localname not in _MAPS:
        raise InvalidError("This is no site map.")
    places = root.iterfind("./{*}*/{*}loc")
    links = dict.fromkeys(place.text.strip() for place in places if place.text and place.text.strip())
    return list(links)[:MAX_LINKS]
