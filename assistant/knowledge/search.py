"""The one statement that a search is: dense and lexical leg, fused, as whoever asks and in one space.

A passage's score is `w · cosine / best cosine + (1 - w) · BM25 / best BM25`, each over all candidates: the best of
both legs. A best cosine below FAIR counts as FAIR. Every candidate has both of its scores, also where only one leg
found it. Cosines count where the embedder knows the passage's language; other passages have their words alone, and
come last where they have none.
"""

from dataclasses import dataclass
from typing import Any, Final, LiteralString
from uuid import UUID

from assistant.knowledge.lexical import COUNTED_AS_WORDS, K1, MARK, UNSPACED, B
from assistant.llm.embeddings import FloatArray

LEG: Final = 100
"""Candidates of each leg."""

EXACT_BELOW: Final = 28_000
"""Chunks of a space up to which all are compared: exact, and no slower than the index is. Above, the function
assistant.nearest_chunks weighs the two."""


FAIR: Final = 0.4
"""A best cosine below this is no likeness, only the least unlike: divided by it, an unrelated passage would come before
the one that alone has the question's rare word."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that may answer; `text` is documents.content[start:end], counted in code points.

    `score` is 0…1, comparable within one search only.
    """

    chunk_id: UUID
    document_id: UUID
    title: str
    heading: str | None
    page: int | None
    text: str
    start: int
    end: int
    score: float
    created_by: UUID | None


@dataclass(frozen=True, slots=True)
class PreparedQuery:
    """All that the statement needs of a question."""

    lexemes: dict[str, float]
    """Lexeme → weight."""
    vector: FloatArray
    model: str
    languages: tuple[str, ...] | None
    """Of chunks: those that `model` knows, and what may be one of them; None: any."""
    dense_weight: float
    """0…1: the share of the cosine."""
    foreign: bool
    """The question is in a language that `model` does not know."""
    tokens: int
    """That were embedded for it, by estimate."""


@dataclass(frozen=True, slots=True)
class Floor:
    """What a passage needs to be relevant; below are those that are left when nothing fits.

    `share` is that of the question's words that stand in the passage: 0…1, each weighing as much as it is rare.
    """

    score: float
    """Of cosine + share_weight · share, where the embedder knows the passage's language."""
    share_weight: float
    share: float
    """Alone, where it does not."""
    share_unspaced: float
    """The same for scripts without spaces, whose questions have more pairs of characters that mean nothing."""


NO_FLOOR: Final = Floor(0, 1, 0, 0)


# `limit 1` in a lateral makes the planner look rows up by their id. A plan for any space at all would otherwise read
# the whole space once more, since it takes a space for small.
_SEARCH: Final = """
with size as materialized (
    select chunks, worded_chunks, greatest(words, 1)::float8 / chunks as mean_length
    from assistant.space_statistics where space_id = %(space)s and chunks > 0
),
wanted as (
    select w.*, case when starts_with(w.lexeme, %(mark)s) then chunks - worded_chunks else worded_chunks end as among
    from unnest(%(lexemes)s::text[], %(weights)s::float8[]) with ordinality as w(lexeme, weight, n), size
),
hits as materialized (
    select w.n, p.chunk_id, p.tf::float8, p.length from wanted w, lateral (
        select chunk_id, tf, length from assistant.postings where space_id = %(space)s and lexeme = w.lexeme) p
),
rarity as materialized (
    select w.n, w.lexeme, w.weight * ln(1 + (w.among - coalesce(h.df, 0) + 0.5) / (coalesce(h.df, 0) + 0.5)) as weight
    from wanted w left join (select n, count(*) as df from hits group by n) h using (n)
),
asked as materialized (
    select sum(weight) filter (where not starts_with(lexeme, %(mark)s)) as words,
           sum(weight) filter (where starts_with(lexeme, %(mark)s)) as pieces
    from rarity
),
lexical as materialized (
    select h.chunk_id, sum(r.weight) as matched,
           sum(r.weight * h.tf * (%(k1)s + 1)
               / (h.tf + %(k1)s * (1 - %(b)s + %(b)s * h.length / s.mean_length))) as score
    from hits h join rarity r using (n), size s group by h.chunk_id
),
near as materialized (
    (select e.id as chunk_id
     from public.document_embeddings e
     where e.space_id = %(space)s and e.model = %(model)s and (select chunks from size) < %(exact_below)s
     order by (%(known)s::text[] is null or e.language = any (%(known)s::text[])) desc,
              e.search_vector <#> %(vector)s::halfvec, e.document_id, e.chunk_index
     limit %(leg)s)
    union all
    (select n.chunk_id
     from size, lateral assistant.nearest_chunks(
         %(space)s, %(model)s, case when not %(foreign)s then %(known)s::text[] end, %(vector)s::halfvec, %(leg)s) n
     where size.chunks >= %(exact_below)s)
),
candidates as (
    select chunk_id from near
    union
    (select chunk_id from lexical order by score desc, chunk_id limit %(leg)s)
),
measured as (
    select e.id, e.document_id, e.chunk_index, e.heading, e.page, e.chunk_text, e.start_offset, e.end_offset,
           coalesce(l.score, 0) as words,
           coalesce(l.matched / case when e.language = any (%(as_words)s) then a.words else a.pieces end, 0) as matched,
           case when e.model = %(model)s and (%(known)s::text[] is null or e.language = any (%(known)s::text[]))
                then greatest(-(e.search_vector <#> %(vector)s::halfvec), 0) end as known_cosine,
           e.language = any (%(unspaced)s) as unspaced
    from candidates c left join lexical l using (chunk_id), asked a, lateral (
        select * from public.document_embeddings where id = c.chunk_id and space_id = %(space)s limit 1) e
),
fused as (
    select m.*, coalesce(m.known_cosine, 0) as cosine,
           coalesce(%(dense)s * m.known_cosine / greatest(max(m.known_cosine) over (), %(fair)s), 0)
           + coalesce((1 - %(dense)s) * m.words / nullif(max(m.words) over (), 0), 0) as score
    from measured m
),
ranked as (
    select f.*, row_number() over (partition by document_id order by score desc, cosine desc, chunk_index) as nth
    from fused f
    where case when known_cosine is not null then known_cosine + %(share_weight)s * matched >= %(least_score)s
               when unspaced then matched >= %(least_share_unspaced)s
               else matched >= %(least_share)s end
)
select r.id, r.document_id, d.title, r.heading, r.page, r.chunk_text, r.start_offset, r.end_offset, r.score,
       d.created_by
from (
    select * from ranked where nth <= %(per_document)s
    order by score desc, cosine desc, document_id, chunk_index limit %(limit)s) r, lateral (
        select title, created_by from public.documents where id = r.document_id limit 1) d
order by r.score desc, r.cosine desc, r.document_id, r.chunk_index
"""


def search_statement(
    space_id: UUID,
    query: PreparedQuery,
    *,
    limit: int,
    per_document: int | None = None,
    floor: Floor = NO_FLOOR,
) -> tuple[LiteralString, dict[str, Any]]:
    """The statement and its values; its rows are passages, the best `limit` of those that its caller may read.

    `per_document`: no more than so many of one document. Without `floor` there are fewer than `limit` only where the
    space has no more.
    """
    leg = max(LEG, limit if per_document is None else 4 * limit)
    return _SEARCH, {
        "space": space_id,
        "lexemes": list(query.lexemes),
        "weights": list(query.lexemes.values()),
        "k1": K1,
        "b": B,
        "mark": MARK,
        "unspaced": list(UNSPACED),
        "as_words": list(COUNTED_AS_WORDS),
        "model": query.model,
        "known": None if query.languages is None else list(query.languages),
        "foreign": query.foreign,
        "vector": write_vector(query.vector),
        "dense": query.dense_weight,
        "fair": FAIR,
        "leg": leg,
        "exact_below": EXACT_BELOW,
        "least_score": floor.score,
        "share_weight": floor.share_weight,
        "least_share": floor.share,
        "least_share_unspaced": floor.share_unspaced,
        "per_document": per_document or leg + leg,
        "limit": limit,
    }


def write_vector(vector: FloatArray) -> str:
    """As PostgreSQL reads it."""
    return "[" + ",".join(map(repr, vector.tolist())) + "]"
