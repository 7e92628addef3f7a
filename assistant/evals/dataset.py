"""Test collections in BEIR layout: corpus.jsonl, queries.jsonl, qrels/test.tsv."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from assistant.errors import ConfigurationError
from assistant.knowledge.retrieval import Turn

ONE_SPACE: Final = ""


class Metadata(msgspec.Struct, frozen=True):
    """What is read of it. A rewritten question is not: it is what a search has to do without."""

    space: str | None = None
    lang: str | None = None
    history: list[dict[str, Any]] = []


class _Record(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="_id")
    text: str = ""
    title: str = ""
    metadata: Metadata = Metadata()


@dataclass(frozen=True, slots=True)
class CorpusDocument:
    id: str
    space: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Query:
    id: str
    space: str
    text: str
    history: tuple[Turn, ...]
    """Oldest first."""


@dataclass(frozen=True, slots=True)
class Collection:
    """Documents and the judged queries, each in the space that it belongs to."""

    documents: tuple[CorpusDocument, ...]
    queries: tuple[Query, ...]
    judgments: dict[str, dict[str, int]]
    """Query → document → gain."""


def load_collection(folder: Path) -> Collection:
    """Raises ConfigurationError with one line that names the file, and where it can the line, that is wrong."""
    corpus = list(_records(folder / "corpus.jsonl"))
    asked = list(_records(folder / "queries.jsonl"))
    judgments = _judgments(folder / "qrels" / "test.tsv")
    known = {record.id for record in asked}
    if missing := next((query for query in judgments if query not in known), None):
        raise ConfigurationError(f"{folder / 'queries.jsonl'}: the judged query {missing!r} is not there.")
    judged = [record for record in asked if record.id in judgments]
    by = _space_key([*corpus, *judged])
    return Collection(
        tuple(CorpusDocument(record.id, _space(record, by), record.title, record.text) for record in corpus),
        tuple(Query(record.id, _space(record, by), record.text, _history(record)) for record in judged),
        judgments,
    )


def _space_key(records: list[_Record]) -> Literal["space", "lang"] | None:
    """What divides the collection into spaces: only what all of it carries."""
    if all(record.metadata.space is not None for record in records):
        return "space"
    return "lang" if all(record.metadata.lang is not None for record in records) else None


def _space(record: _Record, by: Literal["space", "lang"] | None) -> str:
    return ONE_SPACE if by is None else str(getattr(record.metadata, by))


def _history(record: _Record) -> tuple[Turn, ...]:
    return tuple(
        ("user" if turn.get("speaker", turn.get("role")) == "user" else "assistant", str(turn.get("text", "")))
        for turn in record.metadata.history
    )


def _records(path: Path) -> Iterator[_Record]:
    decoder = msgspec.json.Decoder(_Record, strict=False)
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            yield decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
            raise ConfigurationError(f"{path}, line {number}: {exc}") from exc


def _judgments(path: Path) -> dict[str, dict[str, int]]:
    """`query-id corpus-id score`, separated by tabs, under a line of titles or without one."""
    judgments: dict[str, dict[str, int]] = {}
    for number, line in enumerate(_lines(path), 1):
        fields = line.decode("utf-8", "replace").rstrip("\r\n").split("\t")
        if fields == [""] or (number == 1 and len(fields) == 3 and not _is_number(fields[2])):
            continue
        if len(fields) != 3 or not _is_number(fields[2]):
            raise ConfigurationError(f"{path}, line {number}: expected query, document and score, separated by tabs.")
        judgments.setdefault(fields[0], {})[fields[1]] = int(fields[2])
    if not judgments:
        raise ConfigurationError(f"{path}: there are no judgments in it.")
    return judgments


def _is_number(text: str) -> bool:
    return text.strip().lstrip("+-").isdigit()


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines()
    except OSError as exc:
        raise ConfigurationError(f"{path}: {exc.strerror or 'cannot be read'}") from exc
