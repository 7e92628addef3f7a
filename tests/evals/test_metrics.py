"""Measures against values worked out by hand, as trec_eval defines them."""

import math

import pytest

from assistant.evals.metrics import ndcg, recall, reciprocal_rank, score


def test_ndcg_discounts_gains_by_rank() -> None:
    judged = {"a": 3, "b": 2, "c": 1, "x": 0}
    ideal = 3 / 1 + 2 / math.log2(3) + 1 / 2
    assert ndcg(["a", "b", "c"], judged, 10) == 1
    assert ndcg(["c", "x", "a"], judged, 10) == pytest.approx((1 + 3 / 2) / ideal)
    assert ndcg(["c", "x", "a"], judged, 1) == pytest.approx(1 / 3)
    assert ndcg(["x", "y"], judged, 10) == 0


def test_ndcg_of_a_single_relevant_document() -> None:
    assert ndcg(["x", "y", "a"], {"a": 1}, 10) == pytest.approx(0.5)
    assert ndcg([*"0123456789", "a"], {"a": 1}, 10) == 0


def test_the_ideal_is_cut_at_the_depth() -> None:
    judged = {str(number): 1 for number in range(20)}
    assert ndcg([str(number) for number in range(10)], judged, 10) == 1


def test_negative_gains_count_as_none() -> None:
    assert ndcg(["bad", "a"], {"bad": -1, "a": 1}, 10) == pytest.approx(1 / math.log2(3))
    assert recall(["bad"], {"bad": -1, "a": 1}, 10) == 0


def test_recall_is_the_share_that_is_found() -> None:
    assert recall(["a", "x", "b"], {"a": 1, "b": 2, "c": 1, "d": 0}, 10) == pytest.approx(2 / 3)
    assert recall(["a", "x", "b"], {"a": 1, "b": 2, "c": 1}, 1) == pytest.approx(1 / 3)


def test_reciprocal_rank_is_that_of_the_first() -> None:
    assert reciprocal_rank(["x", "a", "b"], {"a": 1, "b": 1}, 10) == 0.5
    assert reciprocal_rank([*"0123456789", "a"], {"a": 1}, 10) == 0


def test_every_judged_query_counts() -> None:
    scores = score({"q1": ["a"], "unjudged": ["z"]}, {"q1": {"a": 1}, "q2": {"b": 1}})
    assert (scores.queries, scores.ndcg_10, scores.recall_10, scores.recall_100, scores.mrr_10) == (
        2,
        0.5,
        0.5,
        0.5,
        0.5,
    )
    assert score({}, {"q": {"a": 0}}).ndcg_10 == 0
