"""Rankings and their scores against arithmetic done by hand, at their edges, and against scikit-learn."""

import tracemalloc
from math import log2

import numpy as np
import pytest
import sklearn.metrics as reference

from fashion_keras.evaluation.metrics import retrieval
from fashion_keras.evaluation.metrics.intervals import mean_interval

# Three queries, five ranks: R = 3 at ranks 1, 3, 4; R = 1 at rank 2; nothing relevant.
RELEVANT = [[True, False, True, True, False], [False, True, False, False, False], [False] * 5]
NAN = np.nan


def at_angles(*degrees):
    """Vectors on the unit circle: the nearer in angle, the more similar."""
    angles = np.radians(degrees)
    return np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def random_vectors(count, width, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((count, width), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def random_ranks():
    """40 queries with 0 to 3 for each of 30 ranks; some queries have few items above 0."""
    rng = np.random.default_rng(5)
    return rng.integers(0, 4, (40, 30)) * (rng.random((40, 30)) < rng.random((40, 1)))


def test_nearest_leaves_the_query_out():
    # Gaps of row 2, at 30 degrees: 30 to row 0, 20 to row 1, 40 to row 3.
    assert retrieval.nearest(at_angles(0, 10, 30, 70), 3).tolist() == [[1, 2, 3], [0, 2, 3], [1, 0, 3], [2, 1, 0]]
    assert retrieval.nearest(at_angles(0, 10, 30, 70), 1).tolist() == [[1], [0], [1], [2]]


def test_nearest_of_separate_queries_leaves_nothing_out():
    gallery = at_angles(0, 10, 30, 70)
    assert retrieval.nearest(gallery, 4, at_angles(30, 90)).tolist() == [[2, 1, 0, 3], [3, 2, 1, 0]]


def test_rankings_put_opposite_embeddings_last_but_before_the_query_itself():
    assert retrieval.nearest(at_angles(180, 90, 0), 2).tolist() == [[1, 2], [0, 2], [1, 0]]


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_nearest_breaks_ties_by_the_lower_row(m):
    # From row 1, at 0 degrees: rows 2 and 4 tie at 0, rows 0 and 3 tie at 20 to either side. m cuts through both ties.
    vectors = at_angles(20, 0, 0, -20, 0)
    assert retrieval.nearest(vectors, m)[1].tolist() == [2, 4, 0, 3][:m]
    assert retrieval.nearest(vectors, m)[4].tolist() == [1, 2, 0, 3][:m]


def test_nearest_ranks_identical_embeddings_by_row():
    vectors = np.repeat(random_vectors(1, 333), 70, axis=0)
    expected = [[row for row in range(70) if row != query] for query in range(70)]
    assert retrieval.nearest(vectors, 69).tolist() == expected
    assert retrieval.nearest(vectors, 5).tolist() == [rows[:5] for rows in expected]


def test_nearest_ties_copies_anywhere_in_the_gallery():
    # Copy i of 37 vectors is row i + 37 * copy; matrix products that sum in another order at the edge would part them.
    vectors = np.tile(random_vectors(37, 301), (5, 1))
    ranked = retrieval.nearest(vectors, len(vectors), vectors[:37]).reshape(37, 37, 5)
    np.testing.assert_array_equal(ranked, ranked[:, :, :1] + 37 * np.arange(5))


@pytest.mark.parametrize("m", [None, 3, 80])
def test_rankings_do_not_depend_on_the_block(m, monkeypatch):
    vectors = np.tile(random_vectors(33, 64), (3, 1))
    whole = np.concatenate([ranked for _, ranked in retrieval.rankings(vectors, m=m)])
    assert whole.shape == (99, m or 98)
    for block in (1, 7, 98, 99, 500):
        monkeypatch.setattr(retrieval, "_CELLS", block * 99)
        parts = list(retrieval.rankings(vectors, m=m))
        assert [row for rows, _ in parts for row in range(rows.start, rows.stop)] == list(range(99))
        assert {len(ranked) for _, ranked in parts[:-1]} <= {block}
        np.testing.assert_array_equal(np.concatenate([ranked for _, ranked in parts]), whole)


def test_rankings_agree_with_a_plain_sort():
    vectors = random_vectors(150, 16)
    similarity = vectors.astype(float) @ vectors.T.astype(float)
    np.fill_diagonal(similarity, -np.inf)
    ranked = retrieval.nearest(vectors, 149)
    assert all(sorted([query, *row]) == list(range(150)) for query, row in enumerate(ranked.tolist()))
    returned, best = np.take_along_axis(similarity, ranked, axis=1), -np.sort(-similarity, axis=1)[:, :-1]
    np.testing.assert_allclose(returned, best, rtol=0, atol=2**-24)  # nearer than that is a tie


def test_rankings_memory_does_not_grow_with_the_square_of_the_gallery():
    vectors = random_vectors(4000, 4)
    tracemalloc.start()
    assert sum(len(ranked) for _, ranked in retrieval.rankings(vectors, m=5)) == 4000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4000**2 * 4  # bytes of one n x n matrix in float32


def test_precision_by_hand():
    np.testing.assert_array_equal(retrieval.precision_at(RELEVANT, 1), [1 / 1, 0 / 1, NAN])
    np.testing.assert_array_equal(retrieval.precision_at(RELEVANT, 3), [2 / 3, 1 / 3, NAN])
    np.testing.assert_array_equal(retrieval.precision_at(RELEVANT, 10), [3 / 10, 1 / 10, NAN])  # beyond the gallery


def test_precision_at_of_queries_that_can_reach_one():
    np.testing.assert_array_equal(retrieval.precision_at(RELEVANT, 2, min_relevant=2), [1 / 2, NAN, NAN])
    np.testing.assert_array_equal(retrieval.precision_at(RELEVANT, 3, min_relevant=3), [2 / 3, NAN, NAN])
    np.testing.assert_array_equal(retrieval.precision_at(RELEVANT, 4, min_relevant=4), [NAN, NAN, NAN])


def test_recall_by_hand():
    np.testing.assert_array_equal(retrieval.recall_at(RELEVANT, 1), [1 / 3, 0 / 1, NAN])
    np.testing.assert_array_equal(retrieval.recall_at(RELEVANT, 3), [2 / 3, 1 / 1, NAN])
    np.testing.assert_array_equal(retrieval.recall_at(RELEVANT, 10), [1, 1, NAN])


def test_hits_by_hand():
    np.testing.assert_array_equal(retrieval.hit_at(RELEVANT, 1), [1, 0, NAN])
    np.testing.assert_array_equal(retrieval.hit_at(RELEVANT, 2), [1, 1, NAN])


def test_average_precision_at_r_by_hand():
    # R = 3: rank 1 at precision 1/1, rank 3 at 2/3; rank 4 is beyond R. R = 1: rank 1 is not relevant.
    np.testing.assert_allclose(retrieval.average_precision_at_r(RELEVANT), [(1 / 1 + 2 / 3) / 3, 0, NAN])
    np.testing.assert_array_equal(retrieval.average_precision_at_r([[True] * 4, [False] * 4]), [1, NAN])
    np.testing.assert_array_equal(retrieval.average_precision_at_r(RELEVANT[2:]), [NAN])


def test_average_precision_at_r_agrees_with_scikit_learn(random_ranks):
    relevant = random_ranks > 0
    for ours, row in zip(retrieval.average_precision_at_r(relevant), relevant, strict=True):
        # scikit-learn averages the same precisions over the relevant items of the first R ranks, instead of over R.
        first = row[: row.sum()]
        scores = -np.arange(len(first), dtype=float)
        theirs = reference.label_ranking_average_precision_score([first], [scores])
        assert ours == pytest.approx(theirs * first.sum() / row.sum())


def test_reciprocal_rank_by_hand():
    np.testing.assert_array_equal(retrieval.reciprocal_rank(RELEVANT), [1 / 1, 1 / 2, NAN])


def test_reciprocal_rank_is_scikit_learns_average_precision_of_one_relevant_item():
    relevant = np.eye(12, dtype=bool)[np.random.default_rng(1).integers(0, 12, 50)]
    expected = reference.label_ranking_average_precision_score(relevant, np.tile(-np.arange(12.0), (50, 1)))
    assert retrieval.mean_score(retrieval.reciprocal_rank(relevant))["value"] == pytest.approx(expected)


def test_ndcg_by_hand():
    # Gains 2**grade - 1: 1, 7, 0, 3. The ideal has the 3 at rank 2, though the search had it beyond k = 3.
    dcg, ideal = 1 / log2(2) + 7 / log2(3) + 0 / log2(4), 7 / log2(2) + 3 / log2(3) + 1 / log2(4)
    np.testing.assert_allclose(retrieval.ndcg_at([[1, 3, 0, 2], [0, 0, 0, 0]], 3), [dcg / ideal, NAN])
    assert retrieval.ndcg_at([[0, 2, 0]], 1).tolist() == [0.0]
    assert retrieval.ndcg_at([[3, 3, 2, 1]], 10).tolist() == [1.0]  # k beyond the gallery


@pytest.mark.parametrize("k", [1, 10, 30])
def test_ndcg_agrees_with_scikit_learn(random_ranks, k):
    scores = np.tile(-np.arange(30.0), (40, 1))
    some = random_ranks.any(axis=1)
    expected = reference.ndcg_score(2.0 ** random_ranks[some] - 1, scores[some], k=k)
    for dtype in (np.int64, np.uint8):
        assert np.nanmean(retrieval.ndcg_at(random_ranks.astype(dtype), k)) == pytest.approx(expected)


def test_mean_score_counts_what_it_leaves_out():
    low, high = mean_interval([0.25, 0.75])
    assert retrieval.mean_score([0.25, NAN, 0.75, NAN, NAN]) == {
        "value": 0.5,
        "ci95": [low, high],
        "queries": 2,
        "excluded": 3,
    }
    assert (low, high) == (0.25, 0.75)  # both drawn twice is common among the resamples of two
    assert retrieval.mean_score([0.5]) == {"value": 0.5, "ci95": [0.5, 0.5], "queries": 1, "excluded": 0}
    assert retrieval.mean_score([NAN, NAN]) == {"value": None, "ci95": None, "queries": 0, "excluded": 2}


# Rankings: row 0: 1 2 3; row 1: 0 2 3; row 2: 1 0 3; row 3: 2 1 0.
VECTORS = at_angles(0, 10, 30, 70)
PRODUCTS = {
    "article_type": np.array(["Shirts", "Shoes", "Shirts", ""]),
    "base_colour": np.array(["Red", "Red", "", ""]),
    "gender": np.array(["Men"] * 4),
}
TITLES = np.array([5, 8, 8, 6])


def test_encoder_scores_by_hand():
    scores = retrieval.encoder_scores(VECTORS, PRODUCTS, TITLES)
    # Grades in rank order: 2 2 1 and 2 1 1 and 1 2 1 and 1 1 1; only row 2 is not ideal.
    row_2 = (1 / log2(2) + 3 / log2(3) + 1 / log2(4)) / (3 / log2(2) + 1 / log2(3) + 1 / log2(4))
    assert {name: (score["value"], score["queries"], score["excluded"]) for name, score in scores.items()} == {
        "article_type precision@10": (1 / 10, 2, 2),  # rows 0 and 2 find each other at rank 2; "" asks nothing
        "article_type precision@10 (R >= 10)": (None, 0, 4),
        "base_colour precision@10": (1 / 10, 2, 2),  # two missing colours do not agree
        "gender precision@10": (pytest.approx(3 / 10), 4, 0),
        "article_type recall@10": (1.0, 2, 2),
        "article_type mAP@R": (0.0, 2, 2),  # R = 1, and rank 1 is another type
        "article_type MRR": (1 / 2, 2, 2),
        "graded nDCG@10": (pytest.approx((3 + row_2) / 4), 4, 0),
        "same_title recall@1": (1 / 2, 2, 2),  # row 2 finds row 1 first, row 1 finds row 2 second
        "same_title recall@10": (1.0, 2, 2),
    }
    assert scores["same_title recall@1"]["ci95"] == [0.5, 0.5]  # both queries show one product


def random_products(count, seed=3):
    rng = np.random.default_rng(seed)
    columns = {
        name: rng.choice(["", "a", "b", "c", "d"], count, p=[0.1, 0.5, 0.3, 0.06, 0.04]) for name in retrieval.COLUMNS
    }
    return random_vectors(count, 8), columns, rng.integers(0, count // 2, count)


def test_encoder_scores_agree_with_scikit_learn_one_query_at_a_time():
    vectors, columns, titles = random_products(80)
    scores = retrieval.encoder_scores(vectors, columns, titles)
    ndcg, precision = [], []
    for query in range(80):
        others = np.delete(np.arange(80), query)
        similarity = vectors[others] @ vectors[query]
        grade = sum((c[others] == c[query]) & (c[query] != "") for c in map(columns.get, columns))
        if grade.any():
            ndcg.append(reference.ndcg_score([2.0**grade - 1], [similarity], k=10))
        kind = columns["article_type"]
        if kind[query] and np.sum(kind[others] == kind[query]) >= 10:
            precision.append(np.mean(kind[others[np.argsort(-similarity)[:10]]] == kind[query]))
    name = "article_type precision@10 (R >= 10)"
    assert 0 < len(precision) < scores["article_type precision@10"]["queries"] < 80
    for ours, theirs in (("graded nDCG@10", ndcg), (name, precision)):
        assert (scores[ours]["value"], scores[ours]["queries"]) == (pytest.approx(np.mean(theirs)), len(theirs))


def test_encoder_scores_do_not_depend_on_the_block(monkeypatch):
    products = random_products(50)
    whole = retrieval.encoder_scores(*products)
    monkeypatch.setattr(retrieval, "_CELLS", 7 * 50)
    for name, score in retrieval.encoder_scores(*products).items():
        assert score == whole[name] | {"value": pytest.approx(whole[name]["value"]), "ci95": score["ci95"]}
        assert score["ci95"] == pytest.approx(whole[name]["ci95"])


def test_encoder_scores_of_a_perfect_encoder_are_one():
    kinds = np.repeat(["Shirts", "Shoes"], 12)
    columns = dict.fromkeys(retrieval.COLUMNS, kinds)
    scores = retrieval.encoder_scores(at_angles(*[0] * 12, *[90] * 12), columns, np.repeat([0, 1], 12))
    assert scores.pop("article_type recall@10")["value"] == pytest.approx(10 / 11)
    for score in scores.values():
        # Two products, all right: the lower bound p has p**2 = 0.025.
        assert score == {"value": 1.0, "ci95": [pytest.approx(0.025**0.5), 1.0], "queries": 24, "excluded": 0}


def test_encoder_scores_of_a_constant_encoder_rank_by_row():
    columns = dict.fromkeys(retrieval.COLUMNS, np.array(["Shirts", "Shoes", "Shirts", "Shoes"]))
    scores = retrieval.encoder_scores(np.tile(VECTORS[1], (4, 1)), columns, np.arange(4))
    # The like is at rank 2 for row 0 (1 2 3), 3 for row 1 (0 2 3), 1 for row 2 (0 1 3), 2 for row 3 (0 1 2).
    assert scores["article_type MRR"]["value"] == pytest.approx((1 / 2 + 1 / 3 + 1 / 1 + 1 / 2) / 4)
    assert scores["same_title recall@1"] == {"value": None, "ci95": None, "queries": 0, "excluded": 4}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: retrieval.nearest(VECTORS, 0), "m must be at least 1, got 0"),
        (lambda: retrieval.nearest(VECTORS, 4), "cannot return the 4 best gallery rows: a query has 3 to choose from"),
        (lambda: retrieval.nearest(VECTORS, 5, VECTORS), "a query has 4 to choose from"),
        (lambda: retrieval.rankings(VECTORS[:1]), "a query has 0 to choose from"),
        (lambda: retrieval.nearest(VECTORS, 1, np.eye(3)), "queries have 3 dimensions, the gallery has 2"),
        (lambda: retrieval.nearest(VECTORS[0], 1), r"gallery must have shape \(items, dimensions\), .* got \(2,\)"),
        (
            lambda: retrieval.nearest(VECTORS, 1, VECTORS[:0]),
            r"queries must have .* at least one of each, got \(0, 2\)",
        ),
        (lambda: retrieval.nearest([[1, 0], [NAN, 1]], 1), "gallery has a value that is not finite in row 1"),
        (lambda: retrieval.nearest([[np.inf, 0], [0, 1]], 1), "not finite in row 0"),
        (lambda: retrieval.nearest([[1, 0], [0, 0], [3, 4]], 1), "gallery must have unit norm; that of row 1 is 0"),
        (lambda: retrieval.precision_at(RELEVANT, 0), "k must be at least 1, got 0"),
        (lambda: retrieval.precision_at(RELEVANT, 1, min_relevant=0), "min_relevant must be at least 1"),
        (lambda: retrieval.recall_at(RELEVANT, -1), "k must be at least 1, got -1"),
        (lambda: retrieval.hit_at(RELEVANT, 0), "k must be at least 1"),
        (lambda: retrieval.ndcg_at(RELEVANT, 0), "k must be at least 1"),
        (lambda: retrieval.reciprocal_rank(RELEVANT[0]), r"one row per query .* got shape \(5,\)"),
        (lambda: retrieval.average_precision_at_r(np.zeros((3, 0))), r"one column per rank, got shape \(3, 0\)"),
        (lambda: retrieval.encoder_scores(VECTORS, {"gender": []}, TITLES), "no 'article_type'; it has: gender"),
        (
            lambda: retrieval.encoder_scores(VECTORS, PRODUCTS | {"gender": PRODUCTS["gender"][:3]}, TITLES),
            r"need one value of gender for each of 4 embeddings, got shape \(3,\)",
        ),
        (
            lambda: retrieval.encoder_scores(VECTORS, PRODUCTS, TITLES[1:]),
            "one value of titles for each of 4 embeddings",
        ),
        (
            lambda: retrieval.encoder_scores(VECTORS * NAN, PRODUCTS, TITLES),
            "embeddings has a value that is not finite",
        ),
    ],
)
def test_retrieval_refuses_input_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert isinstance(caught.value, retrieval.InputError)
    assert "\n" not in str(caught.value)
