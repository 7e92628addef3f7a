"""Question → passages: prepared without a connection, found by one statement as whoever asks."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import numpy as np

from assistant.db.identity import Principal
from assistant.db.session import Database
from assistant.knowledge.followups import Turn, find_context, resume_search
from assistant.knowledge.language import UNKNOWN, detect_language
from assistant.knowledge.lexical import query_lexemes
from assistant.knowledge.search import NO_FLOOR, Floor, Passage, PreparedQuery, search_statement
from assistant.llm.embeddings import Embedder, FloatArray
from assistant.llm.tokens import text_tokens
from assistant.usage.meter import Meter

__all__ = ["RELEVANT", "Passage", "PreparedQuery", "Retriever", "Turn"]

MAX_QUESTION: Final = 8_000
"""Characters of a question that are searched for. More is pasted text, whose beginning says what it is about."""

DENSE_WEIGHT: Final = 0.6
"""The share of the vectors in a passage's score; its words have the rest."""

FOREIGN_DENSE_WEIGHT: Final = 0.2
"""For a question in a language that the embedder does not know: enough to find a text in one that it knows, too little
to put that before a text which has the question's words."""

TAIL_WEIGHT: Final = 0.2
"""Of the words that the last answer ended with, where somebody wants to hear more: it may have offered what comes."""

REWRITTEN_WEIGHT: Final = 1.0
REWRITTEN_SHARE: Final = 0.6
"""Of a question that was put in other words: in its words, and in the vector."""

RELEVANT: Final = Floor(score=0.42, share_weight=0.4, share=0.35, share_unspaced=0.18)
"""Chosen with questions about other subjects: 99 in 100 of a collection's own questions keep a right passage, and 5 to
15 in 100 about something else find one at all (docs/decisions/0009-nothing-relevant.md)."""

PER_DOCUMENT: Final = 3
"""Passages of one document in an answer's context: one long or hostile document must not crowd out the others."""


class Retriever:
    """Searches the documents of one space at a time."""

    def __init__(self, database: Database, embedder: Embedder, meter: Meter | None = None) -> None:
        """`meter` counts what embedding questions takes, where somebody's plan is to pay for it."""
        self._database = database
        self._embedder = embedder
        self._meter = meter

    async def prepare(
        self,
        question: str,
        history: Sequence[Turn] = (),
        *,
        dense_weight: float = DENSE_WEIGHT,
        rewritten: str | None = None,
    ) -> PreparedQuery:
        """Embed the question and what it continues. Takes no connection.

        `history`: the turns before it, oldest first. `rewritten`: the question as it can be understood without them,
        where somebody has put it so; both are searched for. Raises EmbedderUnavailableError.
        """
        question = question[:MAX_QUESTION]
        language = detect_language(question, "en")
        tail = ""
        if (resumed := resume_search(question, history, language)) is not None:
            question, history, tail = resumed
            language = detect_language(question, "en")
        context = find_context(question, history, language)
        vector = await self._embedder.embed_query(question)
        if context is not None:
            summary = await self._embedder.embed_query(context.summary)
            vector = _unit((1 - context.share) * vector + context.share * summary)
        tokens = text_tokens(question) + (text_tokens(context.summary) if context is not None else 0)
        more = [] if context is None else list(context.texts)
        if tail:
            more.append((tail, TAIL_WEIGHT))
        if rewritten is not None:
            rewritten = rewritten[:MAX_QUESTION]
            vector = _unit(
                (1 - REWRITTEN_SHARE) * vector + REWRITTEN_SHARE * await self._embedder.embed_query(rewritten)
            )
            more.append((rewritten, REWRITTEN_WEIGHT))
            tokens += text_tokens(rewritten)
        known = self._embedder.languages
        foreign = known is not None and language not in known
        return PreparedQuery(
            lexemes=query_lexemes([(question, 1.0), *more]),
            vector=vector,
            model=self._embedder.model,
            languages=None if known is None else tuple(sorted({*known, UNKNOWN})),
            dense_weight=FOREIGN_DENSE_WEIGHT if foreign else dense_weight,
            foreign=foreign,
            tokens=tokens,
        )

    async def search(
        self,
        principal: Principal,
        space_id: UUID,
        prepared: PreparedQuery,
        limit: int = 8,
        *,
        per_document: int | None = None,
        floor: Floor = NO_FLOOR,
    ) -> list[Passage]:
        """One statement, with the caller's rights."""
        if self._meter is not None and principal.user_id is not None:
            self._meter.embedded(principal.user_id, space_id, prepared.model, prepared.tokens)
        statement, values = search_statement(space_id, prepared, limit=limit, per_document=per_document, floor=floor)
        return [Passage(*row) for row in await self._database.fetch(principal, statement, values)]

    async def retrieve(
        self,
        principal: Principal,
        space_id: UUID,
        question: str,
        history: Sequence[Turn] = (),
        limit: int = 8,
        *,
        rewritten: str | None = None,
    ) -> list[Passage]:
        """What an answer to `question` may stand on, best first; an empty list means that nothing relevant is there."""
        prepared = await self.prepare(question, history, rewritten=rewritten)
        return await self.search(principal, space_id, prepared, limit, per_document=PER_DOCUMENT, floor=RELEVANT)


def _unit(vector: FloatArray) -> FloatArray:
    unit: FloatArray = vector / np.linalg.norm(vector)
    return unit
