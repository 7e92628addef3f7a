"""A page of the web → Markdown of its main text, without what stands around it."""

import logging
from typing import Final

from assistant.knowledge.extraction import clean
from assistant.knowledge.html import html_to_markdown

FEW_WORDS: Final = 25
"""With less than this of a page that has far more, its main text was not found."""


def main_text(markup: str) -> tuple[str | None, str]:
    """Its title and its main text; all of its text where nothing stands out.

    Raises InvalidError where it is nested deeper than any page.
    """
    title, whole = html_to_markdown(markup)
    # Imported here: what finds the text of a page takes 30 MB.
    import trafilatura

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    found = trafilatura.extract(
        clean(markup),
        output_format="html",
        include_comments=False,
        include_tables=True,
        include_formatting=True,
        favor_recall=True,
        deduplicate=False,
    )
    if not found:
        return title, whole
    _, main = html_to_markdown(found)
    is_found = len(main.split()) >= min(FEW_WORDS, len(whole.split()))
    return title, main if is_found else whole
