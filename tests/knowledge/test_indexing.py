"""Documents on their way into search: each version whole or not at all, each document for itself."""

import asyncio
from uuid import UUID, uuid4

import pytest

from assistant.db.session import Database
from assistant.errors import ForbiddenError
from assistant.knowledge import indexing, store
from assistant.knowledge.indexing import BATCH, MAX_DEATHS, WAIT_SECONDS, Indexer
from assistant.knowledge.retrieval import Retriever
from assistant.llm.embeddings import Embedder
from tests.fixtures.database import join_space
from tests.knowledge.conftest import Learner, WordVectors, rewrite, rows, service_rows, write

SENTENCE = "The crew eases the main sheet before the boat bears away from the wind. "


def sections(*names: str) -> str:
    return "".join(f"# {name}\n\n{name} {SENTENCE * 7}\n\n" for name in names)


async def state(database: Database, document_id: UUID) -> tuple[str, str | None, int, int]:
    [row] = await service_rows(
        database,
        "select status, error, chunks, attempts from assistant.document_indexing where document_id = %s",
        document_id,
    )
    return row


async def jobs_of(database: Database, space: UUID) -> int:
    [(count,)] = await service_rows(
        database, "select count(*) from jobs.procrastinate_jobs where lock = %s and status = 'todo'", str(space)
    )
    return int(count)


async def due_now(database: Database, document_id: UUID) -> None:
    await service_rows(
        database, "update assistant.document_indexing set next_try_at = null where document_id = %s", document_id
    )


async def chunk_texts(database: Database, document_id: UUID) -> list[str]:
    found = await service_rows(
        database,
        "select chunk_text from document_embeddings where document_id = %s order by chunk_index",
        document_id,
    )
    return [text for (text,) in found]


# --- the job ----------------------------------------------------------------------------------------------------------


async def test_a_job_exists_exactly_if_the_document_does(quiet: Database, ada: Learner) -> None:
    insert = "insert into documents (space_id, title, content) values (%s, 'T', 'x')"
    async with quiet.transaction(ada.principal) as connection:
        await connection.exec_driver_sql(insert, (ada.space,))
        await connection.rollback()
    assert await jobs_of(quiet, ada.space) == 0
    async with quiet.transaction(ada.principal) as connection:
        await connection.exec_driver_sql(insert, (ada.space,))
        assert await jobs_of(quiet, ada.space) == 0
    assert await jobs_of(quiet, ada.space) == 1


async def test_many_changes_are_one_job(quiet: Database, ada: Learner) -> None:
    first = await write(quiet, ada, "One", "one")
    await write(quiet, ada, "Two", "two")
    await rewrite(quiet, ada, first, "changed")
    assert await jobs_of(quiet, ada.space) == 1


async def test_what_changes_nothing_queues_nothing(quiet: Database, ada: Learner, indexer: Indexer) -> None:
    document = await write(quiet, ada, "One", "one")
    await indexer.index_space(ada.space)
    await service_rows(quiet, "delete from jobs.procrastinate_jobs where lock = %s", str(ada.space))
    await rewrite(quiet, ada, document, "one")
    assert await jobs_of(quiet, ada.space) == 0
    assert (await state(quiet, document))[0] == "ready"


async def test_a_worker_cannot_take_a_job_before_the_change_that_it_is_for(quiet: Database, ada: Learner) -> None:
    await write(quiet, ada, "One", "one")
    fetch = "select id from jobs.procrastinate_jobs where lock = %s and status = 'todo' for update skip locked"
    async with quiet.transaction(ada.principal) as connection:
        await connection.exec_driver_sql(
            "insert into documents (space_id, title, content) values (%s, 'Two', 'two')", (ada.space,)
        )
        assert len(await service_rows(quiet, fetch, str(ada.space))) == 1
        await connection.exec_driver_sql("set constraints all immediate")  # what a commit does first
        assert await service_rows(quiet, fetch, str(ada.space)) == []
    assert len(await service_rows(quiet, fetch, str(ada.space))) == 1


# --- what is stored ---------------------------------------------------------------------------------------------------


async def test_chunks_are_slices_with_all_that_search_needs(quiet: Database, ada: Learner, indexer: Indexer) -> None:
    content = "# Handbook\n\n" + sections("Knots", "Sails")
    document = await write(quiet, ada, "Handbook", content)
    await indexer.index_space(ada.space)
    assert await state(quiet, document) == ("ready", None, 2, 1)
    found = await rows(
        quiet,
        ada.principal,
        "select chunk_text, start_offset, end_offset, heading, language, model, length, vector_dims(embedding),"
        " vector_dims(search_vector), space_id from document_embeddings where document_id = %s order by chunk_index",
        document,
    )
    assert [content[start:end] for _, start, end, *_ in found] == [text for text, *_ in found]
    assert [row[3:6] for row in found] == [("Knots", "en", "test/words"), ("Sails", "en", "test/words")]
    assert [row[7:] for row in found] == [(1536, 384, ada.space)] * 2
    [(chunks, words)] = await rows(
        quiet,
        ada.principal,
        "select chunks, words from assistant.space_statistics where space_id = %s",
        ada.space,
    )
    assert (chunks, words) == (2, sum(row[6] for row in found))
    [(sum_tf,)] = await rows(
        quiet, ada.principal, "select sum(tf) from assistant.postings where space_id = %s", ada.space
    )
    assert sum_tf == words


async def test_nothing_is_left_of_a_deleted_document(quiet: Database, ada: Learner, indexer: Indexer) -> None:
    document = await write(quiet, ada, "Knots", sections("Knots"))
    kept = await write(quiet, ada, "Sails", sections("Sails", "Masts"))
    await indexer.index_space(ada.space)
    await rows(quiet, ada.principal, "delete from documents where id = %s returning id", document)
    assert len(await chunk_texts(quiet, kept)) == 2
    counts = await service_rows(
        quiet,
        "select (select count(distinct chunk_id) from assistant.postings where space_id = %s),"
        " (select chunks from assistant.space_statistics where space_id = %s)",
        ada.space,
        ada.space,
    )
    assert counts == [(2, 2)]
    await rows(quiet, ada.principal, "delete from spaces where id = %s returning id", ada.space)
    assert await service_rows(quiet, "select from assistant.postings where space_id = %s", ada.space) == []


async def test_a_page_that_was_written_past_the_service_becomes_markdown(
    quiet: Database, ada: Learner, indexer: Indexer
) -> None:
    [(document,)] = await rows(
        quiet,
        ada.principal,
        "insert into documents (space_id, title, content, content_type) values"
        " (%s, 'Page', '<h1>Tides</h1><script>x</script><p>Ebb and flow', 'html') returning id",
        ada.space,
    )
    await indexer.index_space(ada.space)
    found = await rows(quiet, ada.principal, "select content, content_format from documents where id = %s", document)
    assert found == [("# Tides\n\nEbb and flow", "markdown")]
    assert await chunk_texts(quiet, document) == ["Ebb and flow"]


async def test_clients_read_the_index_but_never_write_it(quiet: Database, ada: Learner, indexer: Indexer) -> None:
    await write(quiet, ada, "Knots", sections("Knots"))
    await indexer.index_space(ada.space)
    for statement in (
        "delete from document_embeddings",
        "update document_embeddings set chunk_text = 'x'",
        "delete from assistant.postings",
        "update assistant.space_statistics set chunks = 9",
        "update assistant.document_indexing set status = 'ready'",
        "select from assistant.fresh_vectors",
        "select from jobs.procrastinate_jobs",
        "select private.enqueue_indexing(null)",
    ):
        with pytest.raises(ForbiddenError):
            await rows(quiet, ada.principal, statement)


# --- versions ---------------------------------------------------------------------------------------------------------


async def test_search_sees_the_old_version_until_the_new_one_is_whole(
    quiet: Database, ada: Learner, indexer: Indexer, embedder: Embedder, vectors: WordVectors
) -> None:
    document = await write(quiet, ada, "Knots", "The bowline holds.")
    await indexer.index_space(ada.space)
    await rewrite(quiet, ada, document, "The hitch slips.")
    vectors.gate = asyncio.Event()
    vectors.reached.clear()
    working = asyncio.create_task(indexer.index_space(ada.space))
    await vectors.reached.wait()
    retriever = Retriever(quiet, embedder)

    async def found() -> list[str]:
        prepared = await retriever.prepare("bowline hitch")
        return [passage.text for passage in await retriever.search(ada.principal, ada.space, prepared)]

    assert await found() == ["The bowline holds."]
    vectors.gate.set()
    await working
    assert await found() == ["The hitch slips."]


async def test_what_is_indexed_already_is_left_alone(
    quiet: Database, ada: Learner, indexer: Indexer, vectors: WordVectors
) -> None:
    document = await write(quiet, ada, "Knots", "The bowline holds.")
    await indexer.index_space(ada.space)
    before = await service_rows(
        quiet, "select id, created_at from document_embeddings where document_id = %s", document
    )
    await rewrite(quiet, ada, document, "Something else.")
    await rewrite(quiet, ada, document, "The bowline holds.")
    await indexer.index_space(ada.space)
    after = await service_rows(quiet, "select id, created_at from document_embeddings where document_id = %s", document)
    assert (before, len(vectors.embedded)) == (after, 1)


async def test_only_what_changed_is_embedded_and_the_rest_keeps_its_ids(
    quiet: Database, ada: Learner, indexer: Indexer, vectors: WordVectors
) -> None:
    document = await write(quiet, ada, "Handbook", sections("Knots", "Sails", "Masts"))
    await indexer.index_space(ada.space)
    ids = "select id from document_embeddings where document_id = %s order by chunk_index"
    before = await service_rows(quiet, ids, document)
    vectors.embedded.clear()
    await rewrite(quiet, ada, document, sections("Ropes", "Knots", "Oars", "Masts"))
    await indexer.index_space(ada.space)
    assert sorted(text.split("\n")[1] for text in vectors.embedded) == ["Oars", "Ropes"]
    after = await service_rows(quiet, ids, document)
    assert (after[1], after[3]) == (before[0], before[2])
    assert len({*before, *after}) == 5


async def test_a_change_during_the_work_is_not_lost(
    quiet: Database, ada: Learner, indexer: Indexer, vectors: WordVectors
) -> None:
    document = await write(quiet, ada, "Knots", "The bowline holds.")
    vectors.gate = asyncio.Event()
    working = asyncio.create_task(indexer.index_space(ada.space))
    await vectors.reached.wait()
    await rewrite(quiet, ada, document, "The hitch slips.")
    vectors.gate.set()
    await working
    assert await chunk_texts(quiet, document) == ["The hitch slips."]
    assert (await state(quiet, document))[0] == "ready"


async def test_a_document_that_is_deleted_during_the_work_stays_deleted(
    quiet: Database, ada: Learner, indexer: Indexer, vectors: WordVectors
) -> None:
    document = await write(quiet, ada, "Knots", "The bowline holds.")
    vectors.gate = asyncio.Event()
    working = asyncio.create_task(indexer.index_space(ada.space))
    await vectors.reached.wait()
    await rows(quiet, ada.principal, "delete from documents where id = %s returning id", document)
    vectors.gate.set()
    await working
    assert await chunk_texts(quiet, document) == []


async def test_another_model_means_other_vectors(
    quiet: Database, ada: Learner, indexer: Indexer, vectors: WordVectors
) -> None:
    document = await write(quiet, ada, "Knots", "The bowline holds.")
    await indexer.index_space(ada.space)
    other = Indexer(quiet, Embedder("test/other", 384, None, vectors))
    await rewrite(quiet, ada, document, "The bowline holds. ")
    await other.index_space(ada.space)
    models = await service_rows(quiet, "select model from document_embeddings where document_id = %s", document)
    assert models == [("test/other",)]


# --- failures ---------------------------------------------------------------------------------------------------------


async def test_a_poisonous_document_fails_alone_and_keeps_its_last_good_chunks(
    quiet: Database, ada: Learner, indexer: Indexer, vectors: WordVectors
) -> None:
    poison = await write(quiet, ada, "Poison", "Harmless so far.")
    await indexer.index_space(ada.space)
    await rewrite(quiet, ada, poison, "POISON")
    others = [await write(quiet, ada, f"Good {number}", "The bowline holds.") for number in range(5)]
    vectors.fails_on = "POISON"
    for attempt in range(1, len(WAIT_SECONDS) + 2):
        await indexer.index_space(ada.space)
        status, error, _, attempts = await state(quiet, poison)
        assert (attempts, error is not None) == (attempt, True)
        assert status == ("queued" if attempt <= len(WAIT_SECONDS) else "failed")
        await due_now(quiet, poison)
    assert [(await state(quiet, other))[0] for other in others] == ["ready"] * 5
    assert await chunk_texts(quiet, poison) == ["Harmless so far."]


async def test_a_failed_document_is_tried_again_when_its_editor_asks(
    quiet: Database, ada: Learner, bob: Learner, indexer: Indexer
) -> None:
    document = await write(quiet, ada, "Too deep", "x")
    await service_rows(
        quiet, "update documents set content_type = 'html', content = %s where id = %s", "<div>" * 900, document
    )
    await indexer.index_space(ada.space)
    status, error, _, _ = await state(quiet, document)
    assert (status, error) == ("failed", "The page is nested deeper than 500 elements.")
    again = "select assistant.index_again(%s)"
    assert await rows(quiet, bob.principal, again, document) == [(False,)]
    assert (await state(quiet, document))[0] == "failed"
    assert await rows(quiet, ada.principal, again, document) == [(True,)]
    assert (await state(quiet, document))[:2] == ("queued", None)


async def test_an_embedder_that_is_away_is_left_alone_for_a_while(
    quiet: Database, ada: Learner, indexer: Indexer, vectors: WordVectors
) -> None:
    documents = [await write(quiet, ada, f"Doc {number}", "The bowline holds.") for number in range(8)]
    await service_rows(quiet, "delete from jobs.procrastinate_jobs where lock = %s", str(ada.space))
    vectors.unavailable = True
    await indexer.index_space(ada.space)
    states = [await state(quiet, document) for document in documents]
    assert sum(attempts for *_, attempts in states) <= indexing.LANES
    assert {status for status, *_ in states} == {"queued"}
    [(waits,)] = await service_rows(
        quiet, "select scheduled_at > now() from jobs.procrastinate_jobs where lock = %s", str(ada.space)
    )
    assert waits
    vectors.unavailable = False
    for document in documents:
        await due_now(quiet, document)
    await indexer.index_space(ada.space)
    assert {(await state(quiet, document))[0] for document in documents} == {"ready"}


async def test_vectors_survive_a_worker_that_is_ended(
    quiet: Database, ada: Learner, indexer: Indexer, vectors: WordVectors
) -> None:
    document = await write(quiet, ada, "Handbook", sections(*(f"Part{number}" for number in range(BATCH + 5))))
    vectors.batches = 1
    working = asyncio.create_task(indexer.index_space(ada.space))
    await vectors.exhausted.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert (await state(quiet, document))[0] == "queued"
    assert await chunk_texts(quiet, document) == []
    vectors.batches = None
    vectors.embedded.clear()
    await indexer.index_space(ada.space)
    assert len(vectors.embedded) == 5
    assert len(await chunk_texts(quiet, document)) == BATCH + 5
    assert await service_rows(quiet, "select from assistant.fresh_vectors where document_id = %s", document) == []


async def test_a_document_that_ends_workers_is_quarantined(quiet: Database, ada: Learner, indexer: Indexer) -> None:
    document = await write(quiet, ada, "Deadly", "The bowline holds.")
    for deaths in range(MAX_DEATHS):
        async with quiet.service("index_document") as connection:  # a worker that takes it up, and is gone
            assert await store.begin(connection, ada.space, suspects=deaths > 0)
    await indexer.index_space(ada.space)
    status, error, _, _ = await state(quiet, document)
    assert (status, error) == ("quarantined", "Indexing this document ended the indexing process twice.")
    await indexer.index_space(ada.space)
    assert (await state(quiet, document))[0] == "quarantined"
    await rewrite(quiet, ada, document, "Harmless now.")
    await indexer.index_space(ada.space)
    assert (await state(quiet, document))[0] == "ready"


async def test_a_document_that_a_worker_left_is_done_by_the_next_one(
    quiet: Database, ada: Learner, indexer: Indexer
) -> None:
    document = await write(quiet, ada, "Unlucky", "The bowline holds.")
    async with quiet.service("index_document") as connection:
        await store.begin(connection, ada.space, suspects=False)
    await indexer.index_space(ada.space)
    assert (await state(quiet, document))[0] == "ready"


# --- spaces -----------------------------------------------------------------------------------------------------------


async def test_a_job_with_a_forged_space_does_nothing(
    quiet: Database, ada: Learner, bob: Learner, indexer: Indexer
) -> None:
    document = await write(quiet, ada, "Knots", "The bowline holds.")
    await indexer.index_space(uuid4())
    await indexer.index_space(bob.space)
    assert await state(quiet, document) == ("queued", None, 0, 0)


async def test_spaces_take_turns(
    quiet: Database, ada: Learner, bob: Learner, indexer: Indexer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "TURN_SECONDS", -1.0)
    mine = [await write(quiet, ada, f"Doc {number}", "The bowline holds.") for number in range(5)]
    await write(quiet, bob, "Other", "The hitch slips.")
    await indexer.index_space(ada.space)
    assert "queued" in {(await state(quiet, document))[0] for document in mine}
    assert await jobs_of(quiet, ada.space) == 1
    await service_rows(quiet, "delete from jobs.procrastinate_jobs where lock <> %s", str(ada.space))
    await indexer.index_space(ada.space)
    assert {(await state(quiet, document))[0] for document in mine} == {"ready"}


# --- who pays ---------------------------------------------------------------------------------------------------------

EMBEDDED = """
    select user_id, tokens_used, details ->> 'provider', details ->> 'model', (details ->> 'input_tokens')::int,
           details ->> 'outcome'
    from usage_logs where action = 'embed' and resource_id = %s order by created_at
"""


async def test_embedding_is_logged_for_who_added_the_document(
    quiet: Database, ada: Learner, bob: Learner, indexer: Indexer
) -> None:
    await service_rows(quiet, "update spaces set visibility = 'shared' where id = %s returning id", ada.space)
    await join_space(quiet, ada.space, bob.id, "editor")
    document = await write(quiet, bob, "Knots", "The bowline holds.", ada.space)
    await indexer.index_space(ada.space)
    [row] = await service_rows(quiet, EMBEDDED, ada.space)
    assert row == (bob.id, 0, "bundled", "test/words", row[4], "ok")
    assert row[4] > 0
    await service_rows(quiet, "update documents set created_by = null where id = %s returning id", document)
    await rewrite(quiet, ada, document, "The sheet bend holds as well.")
    await indexer.index_space(ada.space)
    assert [row[0] for row in await service_rows(quiet, EMBEDDED, ada.space)] == [bob.id, ada.id]


async def test_a_hosted_embedder_is_paid_before_it_is_asked(
    quiet: Database, ada: Learner, vectors: WordVectors
) -> None:
    hosted = Indexer(quiet, Embedder("acme:words", 384, None, vectors))
    await write(quiet, ada, "Knots", "The bowline holds.")
    await hosted.index_space(ada.space)
    [row] = await service_rows(quiet, EMBEDDED, ada.space)
    assert row == (ada.id, row[4], "acme", "acme:words", row[4], "ok")
    asked = len(vectors.embedded)
    limit = (
        "insert into assistant.plans (tier, tokens) values ('free', %s) on conflict (tier) do update set tokens = %s"
    )
    await service_rows(quiet, f"{limit} returning tier", row[4] + 1, row[4] + 1)
    try:
        document = await write(quiet, ada, "Sails", "The jib is in front.")
        await hosted.index_space(ada.space)
    finally:
        await service_rows(quiet, "delete from assistant.plans returning tier")
    status, error, _, _ = await state(quiet, document)
    assert status == "failed"
    assert "tokens a month" in str(error)
    assert len(vectors.embedded) == asked
    vectors.unavailable = True
    other = await write(quiet, ada, "Ropes", "Hemp.")
    await hosted.index_space(ada.space)
    assert (await state(quiet, other))[0] == "queued"
    assert [row[5] for row in await service_rows(quiet, EMBEDDED, ada.space)] == ["ok", "failed"]
