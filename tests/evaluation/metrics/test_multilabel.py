"""Scores of labels against arithmetic done by hand, at their edges, and against scikit-learn where all is known."""

import math

import numpy as np
import pytest
import sklearn.metrics as reference

from fashion_keras.evaluation.metrics import classification, multilabel

# Four rows, four labels; what is not known holds a 1 that nobody may count, or rubbish.
TARGETS = np.array([[1, 0, 1, 0], [1, 1, 1, 0], [0, 1, 9, 0], [1, 0, 0, -1]])
KNOWN = np.array([[1, 1, 1, 1], [1, 1, 0, 1], [1, 1, 0, 1], [0, 1, 1, 0]], dtype=bool)
SCORES = np.array([[0.9, 0.4, 0.8, 0.1], [0.2, 0.6, 0.9, 0.7], [0.3, 0.6, 0.9, 0.1], [0.9, 0.5, 0.8, 0.9]])
DECISIONS = np.array([[1, 0, 1, 0], [0, 1, 1, 1], [0, 1, 1, 0], [1, 1, 1, 1]], dtype=bool)
# Label 0: true in rows 0, 1, given in 0. Label 1: true in 1, 2, given in 1, 2, 3. Label 2 (known in 0 and 3): true in
# 0, given in both. Label 3: never true, given in row 1.
HITS, POSITIVES, PREDICTED = [1, 2, 1, 0], [2, 2, 1, 0], [1, 3, 2, 1]
ALL = np.ones((2, 2), dtype=bool)


@pytest.fixture
def random_case():
    rng = np.random.default_rng(4)
    targets = rng.integers(0, 2, (120, 6)) * (rng.random(6) < np.array([2, 2, 2, 2, 2, -1]))  # the last has no positive
    return targets, np.ones((120, 6), dtype=bool), np.round(rng.random((120, 6)), 1)


def test_top_n_gives_each_row_that_many_and_ties_go_to_the_first_label():
    scores = np.array([[0.1, 0.5, 0.5, 0.5], [0.9, 0.1, 0.1, 0.8]])
    assert multilabel.top_n(scores, 2).astype(int).tolist() == [[0, 1, 1, 0], [1, 0, 0, 1]]
    assert multilabel.top_n(scores, 4).all()
    assert (
        multilabel.top_n(np.random.default_rng(0).random((5, 228)).astype(np.float32)).sum(axis=1).tolist() == [8] * 5
    )


def test_top_n_ranks_small_unsigned_scores():
    assert multilabel.top_n(np.array([[0, 1]], dtype=np.uint8), 1).tolist() == [[False, True]]


def test_at_least_takes_one_threshold_or_one_per_label():
    scores = np.array([[0.5, 0.5], [0.4, 0.9]])
    assert multilabel.at_least(scores, 0.5).tolist() == [[True, True], [False, True]]
    assert multilabel.at_least(scores, [0.4, math.inf]).tolist() == [[True, False], [True, False]]


def test_best_threshold_by_hand():
    # Given 1, 2, 3, 4 rows: F1 2*1/(1+2), 2*1/(2+2), 2*2/(3+2), 2*2/(4+2)
    assert multilabel.best_threshold([True, False, True, False], [0.9, 0.6, 0.5, 0.1]) == 0.5
    # The first three tie and are given together: 2*2/(3+2) against 2*2/(4+2)
    assert multilabel.best_threshold([True, False, True, False], [0.5, 0.5, 0.5, 0.1]) == 0.5
    # F1 2/3 at one row given, and 2*2/(4+2) = 2/3 at four: the fewest tags
    assert multilabel.best_threshold([True, False, False, True], [0.9, 0.6, 0.5, 0.1]) == 0.9
    assert multilabel.best_threshold([False, False], [0.9, 0.6]) == math.inf


def test_best_thresholds_use_known_cells_only():
    # Label 0, rows 0-2: true 0.9 and 0.2, not 0.3: given 1, 2, 3 -> F1 2/3, 2/4, 4/5. Label 1: true at 0.6, twice.
    # Label 2: rows 0 and 3 tie at 0.8. Label 3 has no positive.
    assert multilabel.best_thresholds(TARGETS, KNOWN, SCORES).tolist() == [0.2, 0.6, 0.8, math.inf]


def test_best_thresholds_find_the_best_f1_of_all(random_case):
    targets, known, scores = random_case
    thresholds = multilabel.best_thresholds(targets, known, scores)
    for label in range(5):
        every = [reference.f1_score(targets[:, label], scores[:, label] >= t) for t in np.linspace(0, 1, 11)]
        assert reference.f1_score(targets[:, label], scores[:, label] >= thresholds[label]) == max(every)


def test_counts_leave_unknown_cells_out():
    assert [part.tolist() for part in multilabel.counts(TARGETS, KNOWN, DECISIONS)] == [HITS, POSITIVES, PREDICTED]


def test_micro_and_macro_by_hand():
    sums = multilabel.counts(TARGETS, KNOWN, DECISIONS)
    # 4 hits, 7 given, 5 true
    assert multilabel.micro(*sums) == {"precision": 4 / 7, "recall": 4 / 5, "f1": 8 / 12}
    # Precision 1/1, 2/3, 1/2; recall 1/2, 2/2, 1/1; F1 2/3, 4/5, 2/3; label 3 has no positive.
    assert multilabel.macro(*sums) == {
        "precision": pytest.approx((1 + 2 / 3 + 1 / 2) / 3),
        "recall": pytest.approx((1 / 2 + 1 + 1) / 3),
        "f1": pytest.approx((2 / 3 + 4 / 5 + 2 / 3) / 3),
        "labels": 3,
        "excluded": 1,
    }


def test_macro_counts_the_precision_of_a_label_that_is_never_predicted_as_zero():
    assert multilabel.macro(np.array([1, 0]), np.array([1, 4]), np.array([1, 0])) == {
        "precision": 1 / 2,
        "recall": 1 / 2,
        "f1": 1 / 2,
        "labels": 2,
        "excluded": 0,
    }


def test_micro_and_macro_agree_with_scikit_learn(random_case):
    targets, known, scores = random_case
    decisions = multilabel.at_least(scores, 0.6)
    sums = multilabel.counts(targets, known, decisions)
    for average, ours in (("micro", multilabel.micro(*sums)), ("macro", multilabel.macro(*sums))):
        labels = range(5) if average == "macro" else None
        theirs = reference.precision_recall_fscore_support(targets, decisions, labels=labels, average=average)
        np.testing.assert_allclose([ours["precision"], ours["recall"], ours["f1"]], theirs[:3])


def test_summary_without_a_positive_is_undefined():
    scores = multilabel.summary(np.zeros((2, 2)), ALL, ALL)
    assert scores["micro"] == {"precision": 0.0, "recall": None, "f1": None, "f1_ci95": None}
    undefined = {"precision": None, "recall": None, "f1": None, "f1_ci95": None}
    assert scores["macro"] == undefined | {"labels": 0, "excluded": 2}
    assert multilabel.summary(np.ones((2, 2)), ~ALL, ALL)["micro"] == undefined  # no cell is known


def test_summary_is_micro_and_macro_with_their_intervals():
    sums, intervals = multilabel.counts(TARGETS, KNOWN, DECISIONS), multilabel.f1_intervals(TARGETS, KNOWN, DECISIONS)
    assert multilabel.summary(TARGETS, KNOWN, DECISIONS) == {
        "micro": multilabel.micro(*sums) | {"f1_ci95": intervals["micro"]},
        "macro": multilabel.macro(*sums) | {"f1_ci95": intervals["macro"]},
    }


def test_summary_resamples_products():
    groups = np.arange(len(TARGETS)) // 2
    scores = multilabel.summary(TARGETS, KNOWN, DECISIONS, groups)
    intervals = multilabel.f1_intervals(TARGETS, KNOWN, DECISIONS, groups)
    assert scores["macro"]["f1_ci95"] == intervals["macro"]
    assert (
        scores["micro"]["f1_ci95"] == intervals["micro"] != multilabel.f1_intervals(TARGETS, KNOWN, DECISIONS)["micro"]
    )


def test_f1_intervals_are_the_bootstrap_over_rows(random_case):
    targets, known, scores = random_case
    known = known & (np.random.default_rng(1).random(known.shape) < 0.8)
    decisions = multilabel.at_least(scores, 0.6)
    rng = np.random.default_rng(5)
    drawn = [multilabel.counts(targets[r], known[r], decisions[r]) for r in rng.integers(0, 120, (1500, 120))]
    intervals = multilabel.f1_intervals(targets, known, decisions, draws=1500)
    for average in ("micro", "macro"):
        expected = np.quantile([getattr(multilabel, average)(*sums)["f1"] for sums in drawn], [0.025, 0.975])
        np.testing.assert_allclose(intervals[average], expected, atol=0.008)


def test_f1_intervals_resample_products(random_case):
    """Copies of every row under its product add no evidence; as products of their own they would."""
    targets, known, scores = (np.repeat(values, 4, axis=0) for values in random_case)
    case = targets, known, multilabel.at_least(scores, 0.6)
    once = multilabel.f1_intervals(*(values[::4] for values in case))
    copies = multilabel.f1_intervals(*case, np.repeat(np.arange(120), 4))
    for average in ("micro", "macro"):
        assert copies[average] == pytest.approx(once[average])
        assert np.ptp(multilabel.f1_intervals(*case)[average]) < 0.7 * np.ptp(once[average])


def test_f1_intervals_are_seeded_and_grow_with_the_level(random_case):
    targets, known, scores = random_case
    case = (targets, known, multilabel.at_least(scores, 0.6))
    assert multilabel.f1_intervals(*case) == multilabel.f1_intervals(*case)
    assert multilabel.f1_intervals(*case, draws=10) != multilabel.f1_intervals(*case, draws=10, seed=1)
    (low, high), wide = (multilabel.f1_intervals(*case, level=level)["macro"] for level in (0.5, 0.99))
    assert wide[0] < low < multilabel.macro(*multilabel.counts(*case))["f1"] < high < wide[1]


def test_f1_intervals_exclude_a_label_that_a_resample_has_no_positive_of():
    # Each row alone: F1 1 of label 0, F1 0 of label 1. A resample has the first, the second, or both: 1, 0 or 1/2.
    intervals = multilabel.f1_intervals(np.eye(2), ALL, np.array([[True, False], [False, False]]))
    assert intervals["macro"] == [0.0, 1.0]
    empty = multilabel.f1_intervals(np.array([[1, 0], [0, 0]]), ALL, ALL, draws=200)
    assert empty["macro"][0] > 0, "a resample without any positive has no F1, and so is no 0"


def test_group_f1_by_hand():
    groups = {"pattern": [0, 1], "rare": (3,), "mixed": np.array([2, 3])}
    assert multilabel.group_f1(TARGETS, KNOWN, DECISIONS, groups) == {
        "pattern": {"labels": 2, "excluded": 0, "macro_f1": pytest.approx((2 / 3 + 4 / 5) / 2), "micro_f1": 6 / 8},
        "rare": {"labels": 0, "excluded": 1, "macro_f1": None, "micro_f1": None},
        "mixed": {"labels": 1, "excluded": 1, "macro_f1": 2 / 3, "micro_f1": 2 / 4},  # label 3 was given once in vain
    }


def test_average_precisions_by_hand_and_over_known_rows():
    # Label 0, ranked: true 0.9, false 0.3, true 0.2. Label 1: both true ones tie at the top. Label 2: true, false tie.
    expected = [1 / 2 * 1 + 1 / 2 * 2 / 3, 1.0, 1 / 2, np.nan]
    np.testing.assert_allclose(multilabel.average_precisions(TARGETS, KNOWN, SCORES), expected)


def test_average_precisions_agree_with_scikit_learn(random_case):
    targets, known, scores = random_case
    ours = multilabel.average_precisions(targets, known, scores)
    np.testing.assert_allclose(ours[:5], reference.average_precision_score(targets[:, :5], scores[:, :5], average=None))
    assert math.isnan(ours[5])


def test_per_label_rows_and_their_sum_by_frequency():
    rows = multilabel.per_label(TARGETS, KNOWN, SCORES, DECISIONS, ["a", "b", "c", "d"], [900, 80, 7, 0])
    first = {"precision": 1.0, "recall": 0.5, "f1": 2 / 3, "average_precision": pytest.approx(5 / 6)}
    assert rows[0] == {"name": "a", "support": 2, **first, "frequency": "head"}
    last = {"precision": 0.0, "recall": None, "f1": None, "average_precision": None}
    assert rows[3] == {"name": "d", "support": 0, **last, "frequency": "tail"}
    assert [row["frequency"] for row in rows] == ["head", "head", "mid", "tail"]
    assert classification.by_class_frequency(rows)["head"] == {
        "classes": 2,
        "support": 4,
        "balanced_accuracy": 3 / 4,
        "macro_f1": pytest.approx((2 / 3 + 4 / 5) / 2),
    }


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([30, 20, 10], "head mid tail"),
        ([10, 30, 20], "tail head mid"),
        ([6, 5, 4, 3, 2, 1], "head head mid mid tail tail"),
        ([9, 9, 9], "mid mid mid"),
        ([9, 9, 9, 1, 1, 1], "head head head tail tail tail"),  # middle ranks 1 and 4 of 0..5
        ([7, 3, 3, 0], "head mid mid tail"),  # ranks 0, 1.5, 1.5, 3
        ([5], "head"),
        ([1_000_000, 500, 499], "head mid tail"),  # by rank, not by images
    ],
)
def test_terciles(sizes, expected):
    assert multilabel.terciles(sizes) == expected.split()


def test_co_occurrence_by_hand():
    # Known positives by row: {0, 2}, {0, 1}, {1}, {}.
    expected = [[2, 1, 1, 0], [1, 2, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
    assert multilabel.co_occurrence(TARGETS, KNOWN).tolist() == expected


def test_co_occurrence_adds_up_over_blocks(monkeypatch, random_case):
    targets, known, _ = random_case
    monkeypatch.setattr(multilabel, "_BLOCK", 50)
    counts = multilabel.co_occurrence(targets, known)
    np.testing.assert_array_equal(counts, targets.T @ targets)
    assert counts.dtype == np.int64


def test_labels_per_image_counts_known_labels():
    assert multilabel.labels_per_image(TARGETS, KNOWN).tolist() == [1, 1, 2]
    assert multilabel.labels_per_image(np.ones((3, 2)), np.zeros((3, 2), dtype=bool)).tolist() == [3]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: multilabel.counts(TARGETS, KNOWN[:3], DECISIONS), r"got \(4, 4\) and bool \(3, 4\)"),
        (lambda: multilabel.counts(TARGETS, KNOWN.astype(int), DECISIONS), "a bool mask known"),
        (lambda: multilabel.counts(TARGETS[:0], KNOWN[:0], DECISIONS), "at least one of each"),
        (lambda: multilabel.counts(TARGETS, np.ones((4, 4), bool), DECISIONS), "that of row 2, label 2 is 9"),
        (lambda: multilabel.counts([[0.5]], [[True]], [[True]]), "must be 0 or 1; that of row 0, label 0 is 0.5"),
        (lambda: multilabel.counts(TARGETS, KNOWN, DECISIONS[:, :3]), r"decisions of shape \(4, 4\), .* got \(4, 3\)"),
        (lambda: multilabel.counts(TARGETS, KNOWN, SCORES), "decisions must be bool, not float64"),
        (lambda: multilabel.best_thresholds(TARGETS, KNOWN, SCORES * 2), r"scores must be in 0\.\.1, not 0\.2\.\.1\.8"),
        (lambda: multilabel.average_precisions(TARGETS, KNOWN, SCORES * np.nan), "scores has values .* not finite"),
        (lambda: multilabel.top_n(SCORES), "cannot predict 8 of 4 labels"),
        (lambda: multilabel.top_n(SCORES, 0), "cannot predict 0 of 4 labels"),
        (lambda: multilabel.at_least(SCORES[:, :3], np.zeros(4)), r"one for each of 3 labels, got \(4,\)"),
        (
            lambda: multilabel.group_f1(TARGETS, KNOWN, DECISIONS, {"a": [4]}),
            r"group 'a' must be .* 0\.\.3, got 4\.\.4",
        ),
        (lambda: multilabel.group_f1(TARGETS, KNOWN, DECISIONS, {"a": []}), "group 'a' has no labels"),
        (
            lambda: multilabel.per_label(TARGETS, KNOWN, SCORES, DECISIONS, ["a"], [1] * 4),
            "4 columns of targets, 1 labels, 4 train_positives",
        ),
        (lambda: multilabel.terciles([]), "train_positives is empty"),
    ],
)
def test_multilabel_refuses_input_in_one_line(call, message):
    with pytest.raises(multilabel.InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
