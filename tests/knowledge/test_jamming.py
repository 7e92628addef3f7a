"""One document that is made to be found for everything leaves the answers of the others as they are."""

from assistant.db.session import Database
from assistant.knowledge.indexing import Indexer
from assistant.knowledge.retrieval import PER_DOCUMENT, Retriever
from assistant.llm.embeddings import Embedder
from tests.knowledge.conftest import Learner, rows, write
from tests.knowledge.test_search import fill

SUBJECTS = [f"{kind}{number}" for kind in ("anchor", "compass", "halyard") for number in range(100)]
BLOCKER = "Where is it kept?"


async def test_a_blocker_among_300_leaves_nine_answers_of_ten_as_they_were(
    quiet: Database, embedder: Embedder, indexer: Indexer, ada: Learner
) -> None:
    retriever = Retriever(quiet, embedder)
    await fill(quiet, indexer, ada, [f"The {subject} is kept in locker no{n}." for n, subject in enumerate(SUBJECTS)])
    before = await contexts(retriever, ada)
    assert [titles[0] for titles in before] == [str(number) for number in range(len(SUBJECTS))]

    paragraphs = [f"Where is the {subject} kept? Ask nobody." for subject in SUBJECTS]
    blocker = await write(quiet, ada, BLOCKER, "\n\n".join(paragraphs))
    await indexer.index_space(ada.space)
    jammed = await contexts(retriever, ada)
    assert sum(BLOCKER in titles for titles in jammed) == len(jammed)  # it does what it was made for
    assert max(titles.count(BLOCKER) for titles in jammed) <= PER_DOCUMENT == 3
    answered = [
        was[:1] == [title for title in now if title != BLOCKER][:1] for was, now in zip(before, jammed, strict=True)
    ]
    assert sum(answered) >= 0.9 * len(answered)

    await rows(quiet, ada.principal, "delete from documents where id = %s returning id", blocker)
    assert await contexts(retriever, ada) == before


async def contexts(retriever: Retriever, who: Learner) -> list[list[str]]:
    """For each subject the titles of what a question about it is answered from, best first."""
    found = [
        await retriever.retrieve(who.principal, who.space, f"Where is the {subject} kept?") for subject in SUBJECTS
    ]
    return [[passage.title for passage in passages] for passages in found]
