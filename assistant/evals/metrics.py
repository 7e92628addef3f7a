"""Measures of a ranking, as trec_eval computes them; each is averaged over all judged queries."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

Judgments = Mapping[str, int]
"""Document → gain; 0 and less: not relevant."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over queries, 0…1."""

    queries: int
    ndcg_10: float
    recall_10: float
    recall_100: float
    mrr_10: float


ZERO: Final = 0.0


def ndcg(ranking: Sequence[str], judgments: Judgments, depth: int) -> float:
    """Gains as judged, discounted by log2(rank + 1), over those of the best ranking there can be."""
    ideal = _discounted(sorted((gain for gain in judgments.values() if gain > 0), reverse=True)[:depth])
    return _discounted([judgments.get(document, 0) for document in ranking[:depth]]) / ideal if ideal else ZERO


def recall(ranking: Sequence[str], judgments: Judgments, depth: int) -> float:
    """Share of the relevant documents that stand among the first `depth`."""
    relevant = {document for document, gain in judgments.items() if gain > 0}
    return len(relevant.intersection(ranking[:depth])) / len(relevant) if relevant else ZERO


def reciprocal_rank(ranking: Sequence[str], judgments: Judgments, depth: int) -> float:
    """1 / rank of the first relevant document; 0 where there is none among the first `depth`."""
    for rank, document in enumerate(ranking[:depth], 1):
        if judgments.get(document, 0) > 0:
            return 1 / rank
    return ZERO


def score(rankings: Mapping[str, Sequence[str]], judgments: Mapping[str, Judgments]) -> Scores:
    """A judged query without a ranking counts as one that found nothing."""
    pairs = [(rankings.get(query, ()), judged) for query, judged in judgments.items()]
    count = len(pairs)
    return Scores(
        queries=count,
        ndcg_10=math.fsum(ndcg(*pair, 10) for pair in pairs) / count,
        recall_10=math.fsum(recall(*pair, 10) for pair in pairs) / count,
        recall_100=math.fsum(recall(*pair, 100) for pair in pairs) / count,
        mrr_10=math.fsum(reciprocal_rank(*pair, 10) for pair in pairs) / count,
    )


def _discounted(gains: Sequence[int]) -> float:
    return math.fsum(max(gain, 0) / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))
