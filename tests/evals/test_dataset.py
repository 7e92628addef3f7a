"""Collections in BEIR layout."""

import json
from pathlib import Path

import pytest

from assistant.errors import ConfigurationError
from assistant.evals.dataset import load_collection


def write(folder: Path, corpus: list[object], queries: list[object], qrels: str) -> Path:
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    for name, records in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (folder / "qrels" / "test.tsv").write_text(qrels)
    return folder


def test_documents_queries_and_judgments(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        [{"_id": "d 1", "title": "T", "text": "x", "metadata": {"url": "u"}}, {"_id": "d2", "text": "y"}],
        [{"_id": "q1", "text": "a"}, {"_id": "q2", "text": "not judged"}],
        "query-id\tcorpus-id\tscore\nq1\td 1\t2\nq1\td2\t0\n",
    )
    found = load_collection(folder)
    assert [(d.id, d.title, d.text, d.space) for d in found.documents] == [("d 1", "T", "x", ""), ("d2", "", "y", "")]
    assert [query.id for query in found.queries] == ["q1"]
    assert found.judgments == {"q1": {"d 1": 2, "d2": 0}}


def test_judgments_need_no_titles(tmp_path: Path) -> None:
    folder = write(tmp_path, [{"_id": "d", "text": "x"}], [{"_id": "q", "text": "a"}], "q\td\t1\n")
    assert load_collection(folder).judgments == {"q": {"d": 1}}


@pytest.mark.parametrize(
    ("document", "query", "space"),
    [
        ({"space": "s", "lang": "de"}, {"space": "s", "lang": "de"}, "s"),
        ({"lang": "de"}, {"lang": "de"}, "de"),
        ({"space": "s", "lang": "de"}, {"lang": "de"}, "de"),
        ({"lang": "de"}, {}, ""),
    ],
)
def test_a_space_for_each_value_that_all_carry(
    document: dict[str, str], query: dict[str, str], space: str, tmp_path: Path
) -> None:
    folder = write(
        tmp_path,
        [{"_id": "d", "text": "x", "metadata": document}],
        [{"_id": "q", "text": "a", "metadata": query}],
        "q\td\t1\n",
    )
    found = load_collection(folder)
    assert (found.documents[0].space, found.queries[0].space) == (space, space)


def test_earlier_turns_are_read_and_rewrites_are_not(tmp_path: Path) -> None:
    metadata = {
        "history": [{"speaker": "user", "text": "one"}, {"speaker": "agent", "text": "two"}],
        "rewrite": "never read",
        "about": ["x", "y"],
    }
    folder = write(
        tmp_path, [{"_id": "d", "text": "x"}], [{"_id": "q", "text": "a", "metadata": metadata}], "q\td\t1\n"
    )
    [query] = load_collection(folder).queries
    assert query.history == (("user", "one"), ("assistant", "two"))
    assert "never" not in repr(query)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("corpus.jsonl", "{}\n", "corpus.jsonl, line 1"),
        ("corpus.jsonl", '{"_id": "d"}\nnot json\n', "corpus.jsonl, line 2"),
        ("queries.jsonl", '{"_id": "other", "text": "a"}\n', "'q' is not there"),
        ("qrels/test.tsv", "q d 1\n", "separated by tabs"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\n", "no judgments"),
        ("qrels/test.tsv", "q\td\t1\nq\td\tmany\n", "line 2"),
    ],
)
def test_a_file_that_is_wrong_is_named(name: str, content: str, message: str, tmp_path: Path) -> None:
    folder = write(tmp_path, [{"_id": "d", "text": "x"}], [{"_id": "q", "text": "a"}], "q\td\t1\n")
    (folder / name).write_text(content)
    with pytest.raises(ConfigurationError, match=message):
        load_collection(folder)
    (folder / name).unlink()
    with pytest.raises(ConfigurationError, match="No such file"):
        load_collection(folder)
