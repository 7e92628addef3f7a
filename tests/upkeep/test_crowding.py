"""A document that is shown whatever is asked is marked, and no other."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from assistant.db.session import Database
from assistant.upkeep.crowding import CONVERSATIONS, DOCUMENTS, mark_crowding
from tests.upkeep.conftest import Someone, rows

BLOCKER = DOCUMENTS - 1


@pytest.fixture
async def chunks(own: Database, ada: Someone) -> list[UUID]:
    """One of each document of the space, the blocker's last."""
    made = []
    for number in range(DOCUMENTS):
        document_id, chunk_id = uuid4(), uuid4()
        await rows(
            own,
            "insert into documents (id, space_id, title, content) values (%s, %s, %s, 'x')",
            document_id,
            ada.space,
            str(number),
        )
        await rows(
            own,
            "insert into document_embeddings (id, document_id, chunk_index, chunk_text, embedding, language, length)"
            " values (%s, %s, 0, 'x', array_fill(1, array[1536])::vector, 'en', 2)",
            chunk_id,
            document_id,
        )
        made.append(chunk_id)
    return made


async def shown(database: Database, who: Someone, chunks: Sequence[UUID], thread: str) -> None:
    """A turn of that conversation, before which the model was shown these."""
    await rows(
        database,
        "insert into assistant.runs (user_id, space_id, thread_id, client_run_id, process, lease_until, status,"
        " finished_at, shown) values (%s, %s, %s, %s, gen_random_uuid(), now(), 'completed', now(), %s)",
        who.id,
        who.space,
        thread,
        uuid4().hex,
        list(chunks),
    )


async def marked(database: Database, who: Someone) -> list[int]:
    await mark_crowding(database)
    found = await rows(
        database,
        "select d.title::int from documents d join assistant.document_indexing i on i.document_id = d.id"
        " where i.found_everywhere and d.space_id = %s order by 1",
        who.space,
    )
    return [title for (title,) in found]


async def test_what_is_shown_in_most_conversations_is_marked(own: Database, ada: Someone, chunks: list[UUID]) -> None:
    for number in range(CONVERSATIONS - 1):
        await shown(own, ada, [chunks[number], chunks[BLOCKER]], f"t-{number}")
    assert await marked(own, ada) == []  # one conversation too few to tell
    await shown(own, ada, [chunks[0]], "t-last")
    assert await marked(own, ada) == [BLOCKER]


async def test_one_long_conversation_about_one_thing_marks_nothing(
    own: Database, ada: Someone, chunks: list[UUID]
) -> None:
    for _ in range(2 * CONVERSATIONS):
        await shown(own, ada, [chunks[0]], "t-long")
    for number in range(CONVERSATIONS):
        await shown(own, ada, [chunks[number % BLOCKER]], f"t-{number}")
    assert await marked(own, ada) == []


async def test_the_mark_goes_when_others_are_shown_again(own: Database, ada: Someone, chunks: list[UUID]) -> None:
    for number in range(CONVERSATIONS):
        await shown(own, ada, [chunks[BLOCKER]], f"t-{number}")
    assert await marked(own, ada) == [BLOCKER]
    for number in range(CONVERSATIONS + 1):
        await shown(own, ada, [chunks[number % BLOCKER]], f"t-more-{number}")
    assert await marked(own, ada) == []


async def test_a_handful_of_documents_is_not_judged(own: Database, ada: Someone, chunks: list[UUID]) -> None:
    await rows(own, "delete from documents where space_id = %s and title = '0'", ada.space)
    for number in range(CONVERSATIONS):
        await shown(own, ada, [chunks[BLOCKER]], f"t-{number}")
    assert await marked(own, ada) == []
