"""Keyword search: BM25 by hand and by brute force, SKUs, brands, filters, ties; fusion of rankings."""

from collections import Counter
from math import log

import numpy as np
import pytest

from fashion_keras.catalog.words import stem, tokenize
from fashion_keras.search.keywords import KeywordIndex, fuse
from fashion_keras.support.errors import InputError


def make_index(titles, brands=None, skus=None, ids=None):
    ids = [f"i{number}" for number in range(len(titles))] if ids is None else ids
    arrays = ids, skus or ids, titles, brands or [""] * len(titles)
    return KeywordIndex(*(np.array(values, np.str_) for values in arrays))


def search(index, query, k=10, allowed=None):
    return index.nearest(query, k, allowed)[0].tolist()


# Lengths 2, 3, 2: mean 7/3. "red" and "shirt" are in 2 of 3: idf ln(1 + 1.5 / 2.5) = 0.4700036.
TITLES = ["Red Shirt", "Blue Shirts, shirt", "red dress"]


@pytest.mark.parametrize(
    ("query", "scores"),
    [
        # 1 / (1 + 1.2 (0.25 + 0.75 * 6/7)) = 0.4827586 times the idf.
        ("red", {"i0": 0.2268983, "i2": 0.2268983}),
        # Of i1: 2 / (2 + 1.2 (0.25 + 0.75 * 9/7)) = 0.5785124 times the idf.
        ("shirts", {"i1": 0.2719029, "i0": 0.2268983}),
        ("Shirt RED shirt", {"i0": 0.4537966, "i1": 0.2719029, "i2": 0.2268983}),
        # In 1 of 3: ln(1 + 2.5 / 1.5) = 0.9808293.
        ("dresses, unknown", {"i2": 0.4735038}),
    ],
)
def test_scores_are_bm25(query, scores):
    ids, values = make_index(TITLES).nearest(query, 10)
    assert values.dtype == np.float32
    assert ids.tolist() == list(scores)
    assert values.tolist() == pytest.approx(list(scores.values()), rel=1e-5)


def brute_force(titles, query):
    """BM25 of each title, by the formula of Robertson and Zaragoza with Lucene's idf."""
    documents = [[stem(word) for word in tokenize(title)] for title in titles]
    mean = sum(map(len, documents)) / len(documents)
    scores = []
    for document in documents:
        counts, score = Counter(document), 0.0
        for term in {stem(word) for word in tokenize(query)}:
            holders = sum(term in other for other in documents)
            idf = log(1 + (len(documents) - holders + 0.5) / (holders + 0.5))
            score += idf * counts[term] / (counts[term] + 1.2 * (0.25 + 0.75 * len(document) / mean))
        scores.append(score)
    return np.array(scores)


def test_agrees_with_brute_force_on_random_titles():
    random = np.random.default_rng(0)
    words = np.array(["red", "blue", "shirts", "shirt", "dress", "dresses", "नीली", "men", "women", "watch", "2012"])
    titles = [" ".join(random.choice(words, random.integers(0, 9))) for _ in range(300)]
    ids = random.permutation([f"{number:03}" for number in range(300)])
    index = make_index(titles, ids=ids)
    for query in ("shirt", "blue dresses", "men watch 2012 red", "नीली शर्ट women"):
        expected = brute_force(titles, query)
        order = [row for row in np.lexsort((ids, -expected.round(6))) if expected[row]]
        for k in (5, 300):
            nearest, scores = index.nearest(query, k)
            assert nearest.tolist() == ids[order][:k].tolist()
            np.testing.assert_allclose(scores, expected[order][:k], rtol=1e-5)


def test_a_t_shirt_is_no_shirt():
    index = make_index(["Nike T-shirt", "Tshirts by Puma", "Arrow Shirt", "V Neck top", "v-neck dress"])
    assert {*search(index, "t-shirts")} == {*search(index, "tshirt")} == {"i0", "i1"}
    assert search(index, "shirt") == ["i2"]
    assert search(index, "vneck") == ["i3", "i4"]
    assert search(index, "t") == []


def test_unicode_titles():
    index = make_index(["नीली शर्ट", "Größe 42 STRAẞE", "cafe\u0301 noir", "chemise"])
    assert search(index, "शर्ट") == ["i0"]
    assert search(index, "grösse") == ["i1"]
    assert search(index, "strasse") == ["i1"]
    assert search(index, "CAFÉ") == ["i2"]


def test_sku_and_image_id_come_first_in_any_case():
    titles = ["front", "ab-1 back of a shirt", "AB-1 AB-1", "other"]
    index = make_index(titles, skus=["AB-1", "AB-1", "X", "Y"], ids=["p2", "p1", "p0", "p3"])
    ids, scores = index.nearest(" ab-1 ", 10)
    assert ids.tolist() == ["p1", "p2", "p0"]  # p1 has the words as well; p0 only those
    assert scores[1] > scores[2]
    assert search(index, "P3") == ["p3"]
    assert search(index, "AB-1 shirt")[0] == "p1"
    assert "p3" not in search(index, "AB-1 shirt")


def test_image_of_a_sku_that_is_another_images_id():
    index = make_index(["a", "b"], skus=["1", "2"], ids=["2", "3"])
    assert search(index, "2") == ["2", "3"]


def test_brands_in_a_query_come_first():
    titles = ["running shoes", "running shoes shoes", "green jacket", "french jacket", "jacket"]
    brands = ["", "Puma", "French Connection", "French", "Connection"]
    index = make_index(titles, brands)
    assert search(index, "running shoes PUMA") == ["i1", "i0"]
    assert search(index, "puma jacket")[0] == "i1"  # though only its brand is in the query
    # The longest brand; "French" and "Connection" are no brands of the query then.
    assert search(index, "French Connection jacket") == ["i2", "i3", "i4"]
    assert search(index, "connection french jacket")[:2] == ["i3", "i4"]
    scores = index.nearest("puma running shoes", 10)[1]
    assert scores[0] > 1 + sum(log(1 + (5 - 2 + 0.5) / 2.5) for _ in range(2)) > scores[1]


def test_brand_is_compared_as_it_is():
    assert search(make_index(["shoe", "x"], ["", "Levi's"]), "levis shoe") == ["i1", "i0"]
    assert search(make_index(["shoe", "x"], ["", "Vans"]), "van shoe") == ["i0"]


@pytest.mark.parametrize("query", ["", "   ", "-!-", "nothing of it"])
def test_no_word_no_images(query):
    ids, scores = make_index([*TITLES, ""], ["", "", "", "!"], skus=["", "a", "b", "c"]).nearest(query, 10)
    assert ids.tolist() == scores.tolist() == []


def test_allowed_rows_are_ranked_alone():
    titles = ["shirt", "shirt shirt", "shirt", "shirt red", "dress"]
    index = make_index(titles, skus=["s", "s", "t", "u", "v"], ids=["e", "d", "c", "b", "a"])
    assert search(index, "shirt", k=2) == ["d", "c"]
    assert search(index, "shirt", k=2, allowed=np.array([True, False, False, True, True])) == ["e", "b"]
    assert search(index, "s", k=2, allowed=np.array([False, True, True, True, True])) == ["d"]
    assert search(index, "shirt", allowed=np.zeros(5, bool)) == []


def test_equal_scores_are_in_order_of_ids():
    ids = ["10", "9", "b", "a", "2"]
    index = make_index(["shirt"] * 4 + ["shirt shirt"], ids=ids)
    assert search(index, "shirt") == ["2", "10", "9", "a", "b"]
    assert search(index, "shirt", k=3) == ["2", "10", "9"]
    assert search(index, "shirt", k=1) == ["2"]


def test_empty_index():
    index = make_index([])
    assert len(index) == 0
    assert search(index, "shirt") == search(index, "") == []
    assert search(make_index(["", ""]), "shirt") == []


def test_wrong_arguments_are_refused():
    index = make_index(TITLES)
    assert len(index) == 3
    with pytest.raises(InputError, match="k is a whole number of at least 1"):
        index.nearest("shirt", 0)
    with pytest.raises(InputError, match="allowed has 2 values for 3 images"):
        index.nearest("shirt", 1, np.ones(2, bool))
    with pytest.raises(InputError, match="3 ids, 3 SKUs, 2 titles and 3 brands"):
        KeywordIndex(*(np.array(values) for values in (["a", "b", "c"],) * 2), np.array(["", ""]), np.array([""] * 3))


def test_fuse_adds_reciprocal_ranks():
    ids, scores = fuse([["a", "b", "c"], ["c", "d"]], k=10)
    assert ids == ["c", "a", "b", "d"]  # b and d are both second; b is in the first ranking
    assert scores == pytest.approx([1 / 63 + 1 / 61, 1 / 61, 1 / 62, 1 / 62])
    assert fuse([["a", "b", "c"], ["c", "d"]], k=1)[0] == ["c"]


def test_fuse_weighs_rankings():
    ids, scores = fuse([["a"], ["b", "a"]], k=5, weights=[1, 3], constant=0)
    assert (ids, scores) == (["b", "a"], pytest.approx([3, 2.5]))
    assert fuse([["a"], ["b"]], k=1, weights=[1, 2])[0] == ["b"]


def test_fuse_ties():
    assert fuse([["x", "b"], ["b", "x"]], k=2)[0] == ["x", "b"]
    assert fuse([[], ["z"], ["y"]], k=2)[0] == ["y", "z"]
    # Sums of the same three parts in another order are the same.
    assert fuse([["p", "q", "r"], ["q", "r", "p"], ["r", "p", "q"]], k=3)[0] == ["p", "q", "r"]


def test_fuse_edge_cases():
    assert fuse([], k=3) == fuse([[], []], k=3) == ([], [])
    # An id that a ranking has twice counts where it stands first.
    assert fuse([["a", "a", "b"]], k=3)[1] == pytest.approx([1 / 61, 1 / 62])
    assert fuse([np.array(["a", "b"])], k=3)[0] == ["a", "b"]
    for weights in ([1], [1, 0], [1, -1], [1, float("nan")]):
        with pytest.raises(InputError, match="needs one positive weight for each"):
            fuse([["a"], ["b"]], k=1, weights=weights)
    with pytest.raises(InputError, match="k is a whole number"):
        fuse([["a"]], k=0)
