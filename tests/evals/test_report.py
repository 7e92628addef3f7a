"""What an evaluation writes."""

from pathlib import Path

from assistant.evals.report import write_run


def test_a_run_file_is_read_as_it_was_ranked(tmp_path: Path) -> None:
    path = tmp_path / "run"
    write_run(path, {"q 1": [("a", 1.0), ("z", 0.5), ("b", 0.5), ("c", 0.5)], "q2": []})
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    assert [fields[:4] for fields in lines] == [["q 1", "Q0", name, str(rank)] for rank, name in enumerate("azbc", 1)]
    scores = [float(fields[4]) for fields in lines]
    assert scores == sorted(set(scores), reverse=True)
    assert {fields[5] for fields in lines} == {"goalspace"}
