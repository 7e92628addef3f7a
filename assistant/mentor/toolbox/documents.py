"""Tools that read the space's documents."""

from typing import Annotated, Any, Final

from msgspec import Meta

from assistant.knowledge.search import Passage
from assistant.mentor.briefing import is_own, write_passages
from assistant.mentor.context import MentorContext, fit_passages
from assistant.mentor.policies import LISTED, PASSAGES
from assistant.mentor.repository import newest_documents, parts_of_document
from assistant.mentor.toolbox.arguments import DocumentId, read_id, short
from assistant.mentor.toolspec import Arguments, Numbered, ReadTool, ToolOutcome, ToolRefusal, outcome


class SearchDocuments(Arguments, frozen=True):
    query: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=1000,
            description="What to look for, as a question or a few words in the language of the documents.",
        ),
    ]
    limit: Annotated[int, Meta(ge=1, le=PASSAGES, description="At most so many passages.")] = PASSAGES


async def search_documents(context: MentorContext, arguments: SearchDocuments) -> ToolOutcome | Numbered:
    found = await context.retriever.retrieve(
        context.principal,
        context.space_id,
        arguments.query,
        limit=arguments.limit,
    )
    passages = fit_passages(found)
    if not passages:
        nothing = "Nothing relevant was found in the space's documents with these words."
        return ToolOutcome(nothing, {"status": "done", "passages": []})
    return lambda first: _show(context, passages, first)


class ListDocuments(Arguments, frozen=True):
    """None: it lists all that there are, as far as they fit."""


async def list_documents(context: MentorContext, arguments: ListDocuments) -> ToolOutcome:
    async with context.database.transaction(context.principal) as connection:
        documents = await newest_documents(connection, context.space_id, LISTED)
    learner = context.principal.user_id
    listed = [
        {"id": each.id, "title": short(context, each.title)}
        | ({} if is_own(each.created_by, learner) else {"author": "other"})
        for each in documents
    ]
    return outcome("done", documents=listed, total=documents[0].total if documents else 0)


class ReadDocument(Arguments, frozen=True):
    document_id: DocumentId
    part: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Where to begin: a number that an earlier reading gave. First: 1.")
    ] = 1


async def read_document(context: MentorContext, arguments: ReadDocument) -> ToolOutcome | Numbered:
    document_id = read_id(arguments.document_id, "document_id", "list_documents or search_documents")
    async with context.database.transaction(context.principal) as connection:
        rows = await parts_of_document(connection, context.space_id, document_id, arguments.part, PASSAGES)
    if not rows:
        raise ToolRefusal(
            "This space has no readable document of that id. List the documents to find it."
            if arguments.part == 1
            else "The document has no such part, or is not in this space. Begin with part 1."
        )
    passages = fit_passages([Passage(*tuple(row)[:-2]) for row in rows])
    shown = rows[: len(passages)]
    first, last, parts = shown[0].part, shown[-1].part, shown[0].parts
    facts = {
        "document_id": str(document_id),
        "title": shown[0].title,
        "first_part": first,
        "last_part": last,
        "parts": parts,
    }
    told = [f"Parts {first} to {last} of {parts}."]
    told += [
        f"Part {row.part} is long: only its beginning is shown."
        for row, passage in zip(shown, passages, strict=True)
        if passage.end < row.end_offset
    ]
    if last < parts:
        told.append(f"Read on with part {last + 1}.")
    return lambda first_passage: _show(context, passages, first_passage, " ".join([*told, ""]), facts)


def _passage_facts(passages: list[Passage], first: int) -> list[dict[str, Any]]:
    return [
        {"index": number, "document_id": str(each.document_id), "title": each.title, "heading": each.heading}
        for number, each in enumerate(passages, first)
    ]


def _show(
    context: MentorContext, passages: list[Passage], first: int, told: str = "", facts: dict[str, Any] | None = None
) -> ToolOutcome:
    """The passages, numbered from `first`, after what is `told` of them."""
    shown = write_passages(passages, context.marker, context.principal.user_id, first)
    return ToolOutcome(
        f"{told}Passages, numbered on from those shown before:\n{shown}",
        {"status": "done", **(facts or {}), "passages": _passage_facts(passages, first)},
        passages=passages,
    )


SEARCH_DOCUMENTS: Final = ReadTool(
    "search_documents",
    "Search this space's documents. Returns the passages that fit best, numbered, for you to cite. Use it when the"
    " passages you were shown do not answer the question and other words may find better ones.",
    SearchDocuments,
    search_documents,
)

READ_DOCUMENT: Final = ReadTool(
    "read_document",
    "Read a document of this space in its order, some parts at a time, as numbered passages for you to cite. Use it"
    " when the learner asks about a document as a whole, or when a passage is not enough without its surroundings.",
    ReadDocument,
    read_document,
)

LIST_DOCUMENTS: Final = ReadTool(
    "list_documents",
    "List the titles of this space's documents, the newest first. Use it when the learner asks which there are.",
    ListDocuments,
    list_documents,
)
