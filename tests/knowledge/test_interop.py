"""LangChain on a space: the same passages, and nobody else's."""

from uuid import uuid4

import pytest

from assistant.db.session import Database
from assistant.knowledge.indexing import Indexer
from assistant.knowledge.interop import SpaceRetriever, open_vector_store, space_filter
from assistant.knowledge.retrieval import Retriever
from assistant.llm.embeddings import build_embedder
from tests.fixtures.database import MakePerson, Person

KNOT = "The bowline makes a loop that neither slips nor jams."
BREAD = "Knead the dough for ten minutes, then let it rise in a warm place."


async def put_in(database: Database, person: Person, text: str) -> None:
    """A document, searchable."""
    async with database.transaction(person.principal) as connection:
        await connection.exec_driver_sql(
            "insert into documents (id, space_id, title, content) values (%s, %s, 'Notes', %s)",
            (uuid4(), person.space_id, text),
        )
    await Indexer(database, build_embedder("bundled")).index_space(person.space_id)


async def test_a_retriever_finds_what_its_person_may_see(database: Database, make_person: MakePerson) -> None:
    one, two = await make_person(), await make_person()
    await put_in(database, one, KNOT)
    retriever = Retriever(database, build_embedder("bundled"))
    own = SpaceRetriever(retriever=retriever, principal=one.principal, space_id=one.space_id)
    foreign = SpaceRetriever(retriever=retriever, principal=two.principal, space_id=one.space_id)
    (found,) = await own.ainvoke("Which knot makes a loop that does not slip?")
    assert found.page_content == KNOT
    assert found.metadata["title"] == "Notes"
    assert await foreign.ainvoke("Which knot makes a loop that does not slip?") == []
    with pytest.raises(NotImplementedError):
        own.invoke("Which knot?")


async def test_a_store_shows_each_person_their_own(database: Database, make_person: MakePerson) -> None:
    one, two = await make_person(), await make_person()
    await put_in(database, one, KNOT)
    await put_in(database, two, BREAD)
    embedder = build_embedder("bundled")
    for person, text in ((one, KNOT), (two, BREAD)):
        store = await open_vector_store(database, embedder, person.principal)
        found = await store.asimilarity_search("a loop", k=5)
        assert [document.page_content for document in found] == [text]
        assert str(found[0].metadata["space_id"]) == str(person.space_id)
        foreign = two if person is one else one
        assert await store.asimilarity_search("a loop", k=5, filter=space_filter(foreign.space_id, embedder)) == []


async def test_a_store_writes_nothing(database: Database, make_person: MakePerson) -> None:
    person = await make_person()
    store = await open_vector_store(database, build_embedder("bundled"), person.principal)
    with pytest.raises(Exception, match="permission denied"):
        await store.aadd_texts(["Planted."])
