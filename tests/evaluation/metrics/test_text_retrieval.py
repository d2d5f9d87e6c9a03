"""Text-to-image retrieval metrics on rankings written by hand."""

import numpy as np
import pytest

from fashion_keras.evaluation.metrics.text_retrieval import TextQueries, name_queries, text_scores, value_queries


def test_value_queries_are_the_combinations_that_occur():
    colors, types = np.array(["Red", "Blue", "Red", ""]), np.array(["Shirts", "Bags", "Shirts", "Bags"])
    queries = value_queries([colors, types])
    assert queries.texts == ("blue bags", "red shirts")
    assert queries.codes.tolist() == [1, 0, 1, -1]
    assert queries.relevant_counts.tolist() == [1, 2]


def test_name_queries_ask_once_for_each_product_and_skip_those_without_a_name():
    queries = name_queries(np.array(["Blue Bag", "", "Blue Bag", "Red Cap"]), np.array(["b", "x", "b", "c"]))
    assert queries.texts == ("Blue Bag", "Red Cap")
    assert queries.codes.tolist() == [0, -1, 0, 1]


def test_text_scores_of_a_ranking_by_hand():
    codes = np.array([0] * 12 + [1] * 3)
    kinds = TextQueries(("shirts", "bags"), codes)
    names = TextQueries(("a", "b"), np.array([0, 1, *[-1] * 13]))
    # shirts: 7 of the first ten; bags: fewer than ten relevant images. Name a is second, b is not among ten.
    found = {
        "shirts": [0, 1, 2, 3, 4, 5, 6, 12, 13, 14], "bags": [12, 13, 14, 0, 1, 2, 3, 4, 5, 6],
        "a": [5, 0, 6, 7, 8, 9, 10, 11, 12, 13], "b": [5, -1, -1, -1, -1, -1, -1, -1, -1, -1],
    }  # fmt: skip
    scores = text_scores({"kind": kinds}, names, lambda texts: np.array([found[text] for text in texts]))
    precision = scores["text to kind precision@10 (R >= 10)"]
    assert (precision["value"], precision["queries"], precision["excluded"]) == (pytest.approx(0.7), 1, 1)
    assert scores["text to product name recall@1"]["value"] == 0
    assert scores["text to product name recall@10"]["value"] == 0.5


def test_text_scores_count_a_query_with_exactly_ten_relevant_images():
    queries = TextQueries(("shirts", "bags"), np.array([0] * 10 + [1] * 9))
    nothing = TextQueries((), np.full(19, -1))
    scores = text_scores({"kind": queries}, nothing, lambda texts: np.array([np.arange(5, 15)] * 2))
    precision = scores["text to kind precision@10 (R >= 10)"]
    assert (precision["value"], precision["queries"], precision["excluded"]) == (0.5, 1, 1)


def test_text_scores_without_any_query_have_no_value():
    empty = TextQueries((), np.full(3, -1))
    scores = text_scores({"kind": empty}, empty, lambda texts: pytest.fail("nothing to search"))
    assert {score["value"] for score in scores.values()} == {None}
