"""Documents that are found whatever is asked: one that somebody has made to be found crowds out the others.

In a week's conversations of a space, which ask for unlike things, a document of one subject is shown in some. One that
is shown in most of them is marked, for its owner to look at; it is searched as before.
"""

from typing import Final

from assistant.db.session import Database

CONVERSATIONS: Final = 20
"""In which something was shown, at least: in fewer, many may well be about one thing."""

DOCUMENTS: Final = 20
"""Of the space, at least: with a handful, one that stands in most answers is no wonder."""

SHARE: Final = 0.5
"""Of these conversations, at least."""

# Runs that are not folded yet are those of a week, and have an index of their own.
_MARK: Final = """
with asked as (
    select r.space_id, (r.user_id, r.thread_id)::text as conversation, r.shown from assistant.runs r
    where r.folded_at is null and r.finished_at is not null and r.shown is not null
), spaces as (
    select a.space_id, count(distinct a.conversation) as conversations from asked a group by 1
    having count(distinct a.conversation) >= %(conversations)s
       and (select count(*) from public.documents d where d.space_id = a.space_id) >= %(documents)s
), crowding as (
    select e.document_id from asked a join spaces s using (space_id)
    cross join unnest(a.shown) as shown (chunk_id) join public.document_embeddings e on e.id = shown.chunk_id
    group by e.document_id, s.conversations
    having count(distinct a.conversation) >= %(share)s * s.conversations
)
update assistant.document_indexing i set found_everywhere = not i.found_everywhere
where i.found_everywhere <> (i.document_id in (select c.document_id from crowding c))
returning i.found_everywhere
"""


async def mark_crowding(database: Database) -> tuple[int, int]:
    """How many documents were marked, and from how many the mark was taken."""
    values = {"conversations": CONVERSATIONS, "documents": DOCUMENTS, "share": SHARE}
    marked = [now for (now,) in await database.fetch_as_service("maintain", _MARK, values)]
    return sum(marked), len(marked) - sum(marked)
