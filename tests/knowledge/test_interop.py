"""LangChain reads a space as one person."""

import asyncio

import pytest
from langchain_core.documents import Document

from assistant.db.session import Database
from assistant.knowledge.indexing import Indexer
from assistant.knowledge.interop import PaddedEmbeddings, SpaceRetriever, open_vector_store, space_filter
from assistant.knowledge.retrieval import Retriever
from assistant.llm.embeddings import Embedder
from tests.knowledge.conftest import Learner, rows, service_rows, write


@pytest.fixture
async def spaces(quiet: Database, ada: Learner, bob: Learner, indexer: Indexer) -> None:
    """Each has one document about a sail, and nobody sees what tests before have made public."""
    await service_rows(quiet, "update spaces set visibility = 'private' where visibility = 'public' returning 1")
    for who, text in ((ada, "The genoa of Ada is a large sail."), (bob, "The genoa of Bob is a small sail.")):
        await write(quiet, who, "Sails", text)
        await indexer.index_space(who.space)


@pytest.mark.usefixtures("spaces")
async def test_the_vector_store_shows_two_people_their_own(
    quiet: Database, embedder: Embedder, ada: Learner, bob: Learner
) -> None:
    stores = [await open_vector_store(quiet, embedder, who.principal) for who in (ada, bob)]
    searches = [store.asimilarity_search("genoa sail", k=10) for store in stores for _ in range(10)]
    found = await asyncio.gather(*searches)
    assert [{document.page_content for document in documents} for documents in found] == (
        [{"The genoa of Ada is a large sail."}] * 10 + [{"The genoa of Bob is a small sail."}] * 10
    )


@pytest.mark.usefixtures("spaces")
async def test_the_vector_store_can_be_narrowed_to_a_space(
    quiet: Database, embedder: Embedder, ada: Learner, bob: Learner
) -> None:
    store = await open_vector_store(quiet, embedder, ada.principal)
    retriever = store.as_retriever(search_kwargs={"k": 3, "filter": space_filter(ada.space, embedder)})
    [document] = await retriever.ainvoke("genoa")
    assert document.metadata["space_id"] == ada.space
    assert document.metadata["start_offset"] == 0
    elsewhere = store.as_retriever(search_kwargs={"k": 3, "filter": space_filter(bob.space, embedder)})
    assert await elsewhere.ainvoke("genoa") == []


@pytest.mark.usefixtures("spaces")
async def test_the_vector_store_does_not_write(quiet: Database, embedder: Embedder, ada: Learner) -> None:
    store = await open_vector_store(quiet, embedder, ada.principal)
    with pytest.raises(Exception, match="permission denied"):
        await store.aadd_documents([Document("Forged.", metadata={"space_id": str(ada.space)})])
    [(chunk,)] = await rows(quiet, ada.principal, "select id from document_embeddings")
    with pytest.raises(Exception, match="permission denied"):
        await store.adelete([str(chunk)])


@pytest.mark.usefixtures("spaces")
async def test_the_retriever_is_the_services_own_search(
    quiet: Database, embedder: Embedder, ada: Learner, bob: Learner
) -> None:
    retriever = SpaceRetriever(retriever=Retriever(quiet, embedder), principal=ada.principal, space_id=ada.space)
    [document] = await retriever.ainvoke("Is the genoa a large sail?")
    assert document.page_content == "The genoa of Ada is a large sail."
    assert (document.metadata["title"], document.metadata["start"]) == ("Sails", 0)
    hers = SpaceRetriever(retriever=Retriever(quiet, embedder), principal=bob.principal, space_id=ada.space)
    assert await hers.ainvoke("Is the genoa a large sail?") == []
    with pytest.raises(NotImplementedError, match="ainvoke"):
        retriever.invoke("genoa")


async def test_zeros_change_no_cosine(embedder: Embedder) -> None:
    padded = PaddedEmbeddings(embedder)
    [one] = await padded.aembed_documents(["The genoa is a sail."])
    other = await padded.aembed_query("genoa")
    assert len(one) == len(other) == 1536
    plain = (await embedder.embed_passages(["The genoa is a sail."]))[0] @ await embedder.embed_query("genoa")
    assert sum(a * b for a, b in zip(one, other, strict=True)) == pytest.approx(float(plain), abs=1e-5)
