"""Evaluations from the command line, through the product's own indexing and search."""

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from assistant.db.session import Database
from tests.cli.conftest import Goalspace, one_line
from tests.fixtures.database import MakePerson

TOPICS = {
    "knots": "A bowline makes a loop in the end of a rope that neither slips nor jams, and it is easy to untie.",
    "tides": "The tide rises and falls twice each day, since the water is drawn by the moon and by the sun.",
    "sails": "The genoa is a large sail in front of the mast, and it is reefed when the wind grows too strong.",
    "rules": "A boat that is on starboard tack has the right of way over one that is on port tack.",
}
QUESTIONS = {
    "knots": "Which knot forms a loop?",
    "tides": "Why does the sea level change?",
    "sails": "What is a genoa?",
}


def collection(folder: Path, documents: Sequence[object], queries: Sequence[object], qrels: str) -> Path:
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text("".join(json.dumps(document) + "\n" for document in documents))
    (folder / "queries.jsonl").write_text("".join(json.dumps(query) + "\n" for query in queries))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + qrels)
    return folder


@pytest.fixture
def sailing(tmp_path: Path) -> Path:
    return collection(
        tmp_path / "sailing",
        [{"_id": f"doc {name}", "title": name, "text": text} for name, text in TOPICS.items()]
        + [{"_id": "empty", "title": "", "text": ""}],
        [{"_id": name, "text": text} for name, text in QUESTIONS.items()],
        "".join(f"{name}\tdoc {name}\t1\n" for name in QUESTIONS),
    )


async def test_figures_and_run(
    goalspace: Goalspace, sailing: Path, tmp_path: Path, database: Database, make_person: MakePerson
) -> None:
    other = await make_person(visibility="public")  # whose documents everybody sees
    async with database.service("maintain") as connection:
        await connection.exec_driver_sql(
            "insert into documents (space_id, title, content) values (%s, 'Other', 'A bowline.')", (other.space_id,)
        )
        await connection.exec_driver_sql(
            "update assistant.document_indexing set status = 'failed', error = 'It failed' where space_id = %s",
            (other.space_id,),
        )
    run = tmp_path / "run.txt"
    result = await asyncio.to_thread(goalspace, "eval", "retrieval", str(sailing), "--run-out", str(run), "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    figures = json.loads(result.stdout)
    assert {name: figures[name] for name in ("nDCG@10", "Recall@10", "Recall@100", "MRR@10")} == dict.fromkeys(
        ("nDCG@10", "Recall@10", "Recall@100", "MRR@10"), 1.0
    )
    assert (figures["queries"], figures["chunks"]) == (3, 4)
    lines = [line.split("\t") for line in run.read_text().splitlines()]
    assert len(lines) == 3 * 4
    assert next(fields[2] for fields in lines if fields[:2] == ["knots", "Q0"]) == "doc knots"
    async with database.service("accounts") as connection:
        left = await connection.exec_driver_sql("select from users where email like '%%@evaluation.invalid'")
        assert left.all() == []


def test_people_get_a_table_and_depth_can_be_chosen(goalspace: Goalspace, sailing: Path, tmp_path: Path) -> None:
    run = tmp_path / "run.txt"
    result = goalspace("eval", "retrieval", str(sailing), "--run-out", str(run), "--limit", "2")
    assert result.stdout.splitlines()[0].split() == ["nDCG@10", "1.0"]
    assert len(run.read_text().splitlines()) == 3 * 2


def test_each_space_and_language_is_searched_alone_and_turns_are_used(goalspace: Goalspace, tmp_path: Path) -> None:
    folder = collection(
        tmp_path / "two",
        [
            {"_id": f"{space}-{name}", "text": text, "metadata": {"space": space}}
            for space in ("red", "blue")
            for name, text in TOPICS.items()
        ],
        [
            {
                "_id": f"q-{space}",
                "text": "How often does it rise?",
                "metadata": {
                    "space": space,
                    "rewrite": "What is a genoa?",
                    "history": [{"speaker": "user", "text": "Tell me about the tide and the moon."}],
                },
            }
            for space in ("red", "blue")
        ],
        "q-red\tred-tides\t1\nq-blue\tblue-tides\t1\n",
    )
    result = goalspace("eval", "retrieval", str(folder), "--json")
    assert json.loads(result.stdout)["nDCG@10"] == 1.0


def test_wrong_collections(goalspace: Goalspace, sailing: Path, tmp_path: Path) -> None:
    (sailing / "corpus.jsonl").write_text("nonsense\n")
    result = goalspace("eval", "retrieval", str(sailing))
    assert result.exit_code == 2
    assert "corpus.jsonl, line 1" in one_line(result)
    result = goalspace("eval", "retrieval", str(tmp_path / "nowhere"))
    assert (result.exit_code, "nowhere" in one_line(result)) == (2, True)


COLLECTIONS = Path(os.environ.get("GOALSPACE_TEST_COLLECTIONS", Path(__file__).parents[3] / "shared/data/retrieval"))


@pytest.mark.skipif(not (COLLECTIONS / "xquad-en").is_dir(), reason="the test collections are not beside the checkout")
def test_a_real_collection_is_searched_well(goalspace: Goalspace, tmp_path: Path) -> None:
    """A part of its queries, so that it takes seconds; all of it reaches 0.98."""
    source = COLLECTIONS / "xquad-en"
    folder = tmp_path / "part"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_bytes((source / "corpus.jsonl").read_bytes())
    (folder / "queries.jsonl").write_bytes((source / "queries.jsonl").read_bytes())
    judged = (source / "qrels" / "test.tsv").read_text().splitlines()[1::8]
    (folder / "qrels" / "test.tsv").write_text("\n".join(judged))
    figures = json.loads(goalspace("eval", "retrieval", str(folder), "--json").stdout)
    assert figures["queries"] > 100
    assert figures["nDCG@10"] >= 0.96
