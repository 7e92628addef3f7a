"""What an evaluation says: a table for people, JSON for programs, a run file for trec_eval."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from assistant.evals.metrics import Scores
from assistant.evals.runner import Run

TAG: Final = "goalspace"


def figures(scores: Scores, run: Run) -> dict[str, float]:
    """Name → value, in the order in which they are shown."""
    return {
        "nDCG@10": round(scores.ndcg_10, 4),
        "Recall@10": round(scores.recall_10, 4),
        "Recall@100": round(scores.recall_100, 4),
        "MRR@10": round(scores.mrr_10, 4),
        "queries": scores.queries,
        "queries/s": round(scores.queries / run.seconds, 1),
        "chunks": run.chunks,
        "chunks/s": round(run.chunks / run.index_seconds, 1),
    }


def write_table(values: Mapping[str, float]) -> str:
    width = max(map(len, values))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in values.items())


def write_run(path: Path, rankings: Mapping[str, Sequence[tuple[str, float]]]) -> None:
    """In TREC format, separated by tabs, since ids may hold spaces.

    trec_eval sorts by score and, where two are equal, by document: so equal ones are pulled apart, in the order found.
    """
    with path.open("w", encoding="utf-8") as file:
        for query, ranking in rankings.items():
            above = math.inf
            for rank, (document, score) in enumerate(ranking, 1):
                above = min(score, above - 1e-9)
                file.write(f"{query}\tQ0\t{document}\t{rank}\t{above:.9f}\t{TAG}\n")
