"""Search against what it is defined to be, and against everybody who must not see."""

import math
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import numpy as np
import pytest

from assistant.db.identity import ANONYMOUS, Principal
from assistant.db.session import Database
from assistant.knowledge import search as search_module
from assistant.knowledge.indexing import Indexer
from assistant.knowledge.lexical import K1, B, analyse, query_lexemes
from assistant.knowledge.retrieval import FOREIGN_DENSE_WEIGHT, RELEVANT, Passage, Retriever, Turn
from assistant.knowledge.search import FAIR
from assistant.llm.embeddings import Embedder
from tests.fixtures.database import join_space
from tests.knowledge.conftest import Learner, WordVectors, rows, service_rows, word_vector, write

WORDS = (
    "anchor boat current deck engine fender genoa halyard island jib keel line mast north oar port quay reef sail tide"
)
TOPICS = WORDS.split()


@pytest.fixture
def retriever(quiet: Database, embedder: Embedder) -> Retriever:
    return Retriever(quiet, embedder)


def texts_about(seed: int, count: int) -> list[str]:
    """Texts of 5 to 40 words, some of them common, some rare."""
    chance = np.random.default_rng(seed)
    weights = 1 / np.arange(1, len(TOPICS) + 1)
    return [
        "The " + " ".join(chance.choice(TOPICS, size=chance.integers(5, 40), p=weights / weights.sum())) + f" is no{i}."
        for i in range(count)
    ]


async def fill(database: Database, indexer: Indexer, who: Learner, texts: Sequence[str]) -> None:
    """One document for each text; its title is the text's number."""
    async with database.transaction(who.principal) as connection:
        for number, text in enumerate(texts):
            await connection.exec_driver_sql(
                "insert into documents (space_id, title, content) values (%s, %s, %s)", (who.space, str(number), text)
            )
    waiting = "select from documents d join assistant.document_indexing i on i.document_id = d.id"
    while await rows(database, who.principal, f"{waiting} where d.space_id = %s and i.status = 'queued'", who.space):
        await indexer.index_space(who.space)  # other spaces may have had their turn in between


async def find(
    retriever: Retriever, who: Principal, space: UUID, question: str, limit: int = 8, **options: object
) -> list[Passage]:
    prepared = await retriever.prepare(question)
    return await retriever.search(who, space, prepared, limit, **options)  # type: ignore[arg-type]


def bm25(texts: Sequence[str], question: str) -> list[float]:
    """As the books have it."""
    analysed = [analyse([str(number), text], "en") for number, text in enumerate(texts)]
    mean = sum(a.length for a in analysed) / len(analysed)
    containing = Counter(lexeme for a in analysed for lexeme in a.counts)
    scores = []
    for a in analysed:
        score = 0.0
        for lexeme, weight in query_lexemes([(question, 1.0)]).items():
            if tf := a.counts[lexeme]:
                df = containing[lexeme]
                idf = math.log(1 + (len(texts) - df + 0.5) / (df + 0.5))
                score += weight * idf * tf * (K1 + 1) / (tf + K1 * (1 - B + B * a.length / mean))
        scores.append(score)
    return scores


def expected(texts: Sequence[str], question: str, weight: float = 0.6) -> list[float]:
    words = np.array(bm25(texts, question))
    passages = np.array([word_vector(f"{number}\n{text}") for number, text in enumerate(texts)])
    cosines = np.maximum(passages.astype(np.float16).astype(np.float32) @ word_vector(question), 0)
    scores: list[float] = (
        weight * cosines / max(cosines.max(), FAIR) + (1 - weight) * words / max(words.max(), 1e-9)
    ).tolist()
    return scores


# --- what a search is -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "question", ["reef the genoa", "tide", "quay quay island north", "a boat at anchor", "sextant"]
)
async def test_scores_are_those_of_the_definition(
    question: str, quiet: Database, ada: Learner, indexer: Indexer, retriever: Retriever
) -> None:
    texts = texts_about(1, 90)
    await fill(quiet, indexer, ada, texts)
    found = await find(retriever, ada.principal, ada.space, question, 90)
    assert len(found) == 90
    scores = expected(texts, question)
    assert [passage.score for passage in found] == pytest.approx([scores[int(p.title)] for p in found], abs=2e-3)
    assert [passage.score for passage in found] == sorted((p.score for p in found), reverse=True)


async def test_a_passage_is_the_slice_of_its_document(
    quiet: Database, ada: Learner, indexer: Indexer, retriever: Retriever
) -> None:
    content = (
        "# Über Bord\n\n"
        + "The crew throws a line — at once! " * 12
        + "\n\n## Quay\n\n"
        + "Ships moor at a quay. " * 30
    )
    document = await write(quiet, ada, "Rescue", content)
    await indexer.index_space(ada.space)
    found = await find(retriever, ada.principal, ada.space, "quay")
    assert {passage.document_id for passage in found} == {document}
    assert all(content[passage.start : passage.end] == passage.text for passage in found)
    assert (found[0].heading, found[0].title, found[0].created_by) == ("Über Bord › Quay", "Rescue", ada.id)


@pytest.mark.parametrize(("count", "limit"), [(1, 8), (5, 8), (8, 8), (30, 8), (150, 100), (150, 150)])
async def test_as_many_passages_come_as_are_asked_for_and_there(
    count: int, limit: int, quiet: Database, ada: Learner, indexer: Indexer, retriever: Retriever
) -> None:
    await fill(quiet, indexer, ada, texts_about(count, count))
    for question in ("reef the genoa", "nothing of this occurs", "???"):
        found = await find(retriever, ada.principal, ada.space, question, limit)
        assert len(found) == len({passage.chunk_id for passage in found}) == min(count, limit)


async def test_the_same_question_has_the_same_answer(
    quiet: Database, ada: Learner, indexer: Indexer, retriever: Retriever
) -> None:
    await fill(quiet, indexer, ada, ["The same text about a boat."] * 20)
    first = await find(retriever, ada.principal, ada.space, "boat", 7)
    for _ in range(3):
        assert await find(retriever, ada.principal, ada.space, "boat", 7) == first


async def test_no_more_of_one_document_than_wanted(
    quiet: Database, ada: Learner, indexer: Indexer, retriever: Retriever
) -> None:
    long = "".join(f"# Part {number}\n\n" + "Reef the genoa before the tide turns. " * 20 for number in range(8))
    await write(quiet, ada, "Long", long)
    await write(quiet, ada, "Short", "A genoa is a sail.")
    await indexer.index_space(ada.space)
    found = await find(retriever, ada.principal, ada.space, "reef the genoa", 8, per_document=3)
    assert Counter(passage.title for passage in found) == {"Long": 3, "Short": 1}
    assert len(await find(retriever, ada.principal, ada.space, "reef the genoa", 8)) == 8


async def test_the_way_of_large_spaces_finds_the_same(
    quiet: Database, ada: Learner, indexer: Indexer, retriever: Retriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(quiet, indexer, ada, texts_about(2, 220))
    exact = await find(retriever, ada.principal, ada.space, "reef the genoa at the quay", 20)
    monkeypatch.setattr(search_module, "EXACT_BELOW", 1)
    assert await find(retriever, ada.principal, ada.space, "reef the genoa at the quay", 20) == exact
    by_index = "select * from assistant.nearest_chunks(%s, 'test/words', array['en'], %s::halfvec, 50)"
    vector = search_module.write_vector(word_vector("reef the genoa at the quay"))
    near = await rows(quiet, ada.principal, by_index, ada.space, vector)
    # A space that says that it is huge is searched by the index.
    await service_rows(quiet, "update assistant.space_statistics set chunks = 1e9 where space_id = %s", ada.space)
    assert len(near) == 50
    assert {chunk for chunk, _ in await rows(quiet, ada.principal, by_index, ada.space, vector)} == {c for c, _ in near}


async def test_an_index_that_finds_too_few_is_not_believed(
    quiet: Database, ada: Learner, bob: Learner, indexer: Indexer
) -> None:
    await fill(quiet, indexer, ada, ["An oar.", "A mast.", "A keel."])
    await service_rows(quiet, "update assistant.space_statistics set chunks = 1e9 where space_id = %s", ada.space)
    by_index = "select chunk_id from assistant.nearest_chunks(%s, 'test/words', null, %s::halfvec, 50)"
    vector = search_module.write_vector(word_vector("mast"))
    assert len(await rows(quiet, ada.principal, by_index, ada.space, vector)) == 3
    assert await rows(quiet, bob.principal, by_index, ada.space, vector) == []


# --- languages and models ---------------------------------------------------------------------------------------------


async def test_other_languages_are_found_by_their_words(
    quiet: Database, ada: Learner, indexer: Indexer, retriever: Retriever
) -> None:
    german = "Das Großsegel wird gerefft, bevor der Wind zu stark wird. Dann hält man das Boot im Hafen fest."
    await fill(quiet, indexer, ada, [german, "Die Ebbe kommt zweimal am Tag, und mit ihr der Strom in der Bucht."])
    [(language,)] = set(await rows(quiet, ada.principal, "select language from document_embeddings"))
    assert language == "de"
    prepared = await retriever.prepare("Wann refft man die Segel?")
    assert (prepared.dense_weight, prepared.foreign) == (FOREIGN_DENSE_WEIGHT, True)
    found = await retriever.search(ada.principal, ada.space, prepared, 8)
    assert found[0].text == german
    assert found[0].score == pytest.approx(1 - FOREIGN_DENSE_WEIGHT)


async def test_the_one_text_with_a_rare_word_comes_before_those_that_are_like_nothing(
    quiet: Database, ada: Learner, indexer: Indexer, retriever: Retriever
) -> None:
    german = "Samstags trifft sich der Verein am Müggelsee. Das Wasser ist dort flach, und man bringt eine Pfeife mit."
    others = ["The mast is made of wood.", "A boat in the bay keeps clear.", "The crew throws a line at once."]
    await fill(quiet, indexer, ada, [*others, german])
    prepared = await retriever.prepare("Müggelsee")
    assert (prepared.foreign, prepared.dense_weight) == (False, 0.6)
    found = await retriever.search(ada.principal, ada.space, prepared, 8)
    assert found[0].text == german
    assert found[0].score == pytest.approx(0.4)
    assert 0.4 > found[1].score > 0


async def test_a_question_in_another_language_still_finds_english(
    quiet: Database, ada: Learner, indexer: Indexer, retriever: Retriever
) -> None:
    await fill(
        quiet, indexer, ada, ["The tide comes in twice each day, and it goes out twice.", "The mast is of wood."]
    )
    found = await find(retriever, ada.principal, ada.space, "¿Cuándo sube la marea, tide?")
    assert found[0].title == "0"
    assert len(found) == 2


async def test_one_text_in_another_language_does_not_come_first_for_being_alone(
    quiet: Database, ada: Learner, indexer: Indexer, retriever: Retriever
) -> None:
    texts = [f"The genoa number {number} is a sail of the boat, and it has been reefed." for number in range(20)]
    await fill(
        quiet, indexer, ada, [*texts, "Die Genua ist ein Segel, das vor dem Mast steht, und man nennt sie genoa."]
    )
    found = await find(retriever, ada.principal, ada.space, "Is the genoa a sail?", 5)
    assert "20" not in {passage.title for passage in found}


async def test_vectors_of_another_model_are_never_compared(
    quiet: Database, ada: Learner, vectors: WordVectors, indexer: Indexer, retriever: Retriever
) -> None:
    await Indexer(quiet, Embedder("test/other", 384, None, vectors)).index_space(ada.space)
    await write(quiet, ada, "Old", "A sloop has one mast and a genoa.")
    await Indexer(quiet, Embedder("test/other", 384, None, vectors)).index_space(ada.space)
    await write(quiet, ada, "New", "A ketch has two masts.")
    await indexer.index_space(ada.space)
    assert [p.title for p in await find(retriever, ada.principal, ada.space, "sextant")] == ["New"]
    by_words = await find(retriever, ada.principal, ada.space, "genoa")
    assert {p.title for p in by_words} == {"Old", "New"}
    assert next(p.score for p in by_words if p.title == "Old") == pytest.approx(0.4)


# --- relevance --------------------------------------------------------------------------------------------------------


async def test_nothing_relevant_is_an_empty_list(
    quiet: Database, ada: Learner, indexer: Indexer, retriever: Retriever
) -> None:
    await fill(quiet, indexer, ada, texts_about(3, 40))
    assert await retriever.retrieve(ada.principal, ada.space, "Who painted the ceiling of the chapel?") == []
    assert await retriever.retrieve(ada.principal, ada.space, "hello") == []
    found = await retriever.retrieve(ada.principal, ada.space, "reef the genoa at the quay")
    assert found
    assert all("genoa" in p.text or "quay" in p.text or "reef" in p.text for p in found)


async def test_the_floor_for_languages_without_vectors_is_their_words(
    quiet: Database, ada: Learner, indexer: Indexer, retriever: Retriever
) -> None:
    german = "Das Großsegel wird gerefft, bevor der Wind zu stark wird, und dann ist das Boot wieder ruhig."
    await fill(quiet, indexer, ada, [german])
    assert len(await retriever.retrieve(ada.principal, ada.space, "Wann wird das Großsegel gerefft?")) == 1
    assert await retriever.retrieve(ada.principal, ada.space, "Wer malte die Kapelle?") == []
    assert RELEVANT.share > 0


async def test_a_follow_up_is_searched_for_with_what_it_continues(
    quiet: Database, ada: Learner, indexer: Indexer, retriever: Retriever
) -> None:
    await fill(quiet, indexer, ada, ["To tie a bowline, make a loop.", "To tie a tie, stand at a mirror."])
    history: list[Turn] = [("user", "Is the bowline useful?"), ("assistant", "Yes, the bowline holds.")]
    alone = await retriever.prepare("How do I tie it?")
    assert (await retriever.search(ada.principal, ada.space, alone))[0].title == "1"
    continued = await retriever.prepare("How do I tie it?", history)
    assert (await retriever.search(ada.principal, ada.space, continued))[0].title == "0"
    assert np.linalg.norm(continued.vector) == pytest.approx(1)


# --- who may see ------------------------------------------------------------------------------------------------------

READS = (
    "select id from documents where space_id = %s",
    "select id from document_embeddings where space_id = %s",
    "select chunk_id from assistant.postings where space_id = %s",
    "select space_id from assistant.space_statistics where space_id = %s",
    "select document_id from assistant.document_indexing where space_id = %s",
    "select chunk_id from assistant.nearest_chunks("
    "%s, 'test/words', null, ('[' || repeat('1,', 383) || '1]')::halfvec, 5)",
)


async def test_only_members_find_and_read_anything(
    quiet: Database, ada: Learner, bob: Learner, indexer: Indexer, retriever: Retriever
) -> None:
    await fill(quiet, indexer, ada, ["The genoa is reefed."])

    async def sees(who: Principal) -> bool:
        seen = {bool(await rows(quiet, who, statement, ada.space)) for statement in READS}
        seen.add(bool(await find(retriever, who, ada.space, "genoa")))
        seen.add(bool(await retriever.retrieve(who, ada.space, "Is the genoa reefed?")))
        assert len(seen) == 1, "one way shows what another one hides"
        return seen.pop()

    assert await sees(ada.principal)
    assert not await sees(bob.principal)
    assert not await sees(ANONYMOUS)
    await rows(quiet, ada.principal, "update spaces set visibility = 'shared' where id = %s returning id", ada.space)
    await join_space(quiet, ada.space, bob.id, "viewer", accepted=False)
    assert not await sees(bob.principal)
    await service_rows(quiet, "update space_collaborators set accepted_at = now() where space_id = %s", ada.space)
    assert await sees(bob.principal)
    await service_rows(quiet, "delete from space_collaborators where space_id = %s", ada.space)
    assert not await sees(bob.principal)
    await rows(quiet, ada.principal, "update spaces set visibility = 'public' where id = %s returning id", ada.space)
    assert await sees(bob.principal)
    assert await sees(ANONYMOUS)


async def test_what_others_store_changes_no_score(
    quiet: Database, ada: Learner, bob: Learner, indexer: Indexer, retriever: Retriever
) -> None:
    await fill(quiet, indexer, ada, texts_about(4, 30))
    before = await find(retriever, ada.principal, ada.space, "reef the genoa", 30)
    await fill(quiet, indexer, bob, [f"Reef the genoa, number {number}." for number in range(60)])
    assert await find(retriever, ada.principal, ada.space, "reef the genoa", 30) == before


async def test_a_document_cannot_be_moved_or_forged_into_another_space(
    quiet: Database, ada: Learner, bob: Learner
) -> None:
    document = await write(quiet, ada, "Knots", "The bowline holds.")
    for statement, values in (
        ("update documents set space_id = %s where id = %s", (bob.space, document)),
        ("insert into documents (space_id, title, content) values (%s, 'T', 'x')", (bob.space,)),
        ("insert into documents (space_id, title, content, created_by) values (%s, 'T', 'x', %s)", (ada.space, bob.id)),
        ("update documents set created_by = null where id = %s", (document,)),
    ):
        with pytest.raises(Exception, match="may not"):
            await rows(quiet, ada.principal, statement, *values)


@pytest.mark.parametrize("vector", ["zero", "nan", "infinite"])
async def test_vectors_without_a_direction_are_refused(vector: str, quiet: Database, ada: Learner) -> None:
    document = await write(quiet, ada, "Knots", "x")
    number = {"zero": "0", "nan": "NaN", "infinite": "Infinity"}[vector]
    with pytest.raises(Exception, match=r"allowed|NaN|infinite"):
        await service_rows(
            quiet,
            "insert into document_embeddings (document_id, chunk_index, chunk_text, embedding)"
            " values (%s, 0, 'x', array_fill(%s::real, array[1536])::vector)",
            document,
            number,
        )


async def test_a_chunk_of_the_seeds_columns_alone_belongs_to_its_documents_space(quiet: Database, ada: Learner) -> None:
    document = await write(quiet, ada, "Knots", "x")
    await service_rows(
        quiet,
        "insert into document_embeddings (document_id, chunk_index, chunk_text, embedding)"
        " values (%s, 0, 'x', array_fill(1::real, array[1536])::vector)",
        document,
    )
    found = await rows(
        quiet, ada.principal, "select space_id from document_embeddings where document_id = %s", document
    )
    assert found == [(ada.space,)]
