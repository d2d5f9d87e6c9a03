"""Each metric against arithmetic done by hand, at its edges, and against scikit-learn on random data."""

import math

import numpy as np
import pytest
import sklearn.metrics as reference

from fashion_keras.evaluation.metrics import classification, multilabel
from fashion_keras.evaluation.metrics.intervals import accuracy_interval

# Five rows, three classes. Predicted (first largest): 0, 1, 1, 2, 0; right in rows 0, 2 and 3.
TRUTH = np.array([0, 0, 1, 2, 2])
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1], [0.2, 0.3, 0.5], [0.9, 0.1, 0.0]])
CONFUSION = [[1, 1, 0], [0, 1, 0], [1, 0, 1]]


@pytest.fixture(params=["distinct scores", "many ties"])
def random_case(request):
    rng = np.random.default_rng(7)
    probabilities = rng.dirichlet(np.ones(6), size=400)
    if request.param == "many ties":
        probabilities = np.round(probabilities, 1)
    return rng.integers(0, 6, 400), probabilities


def test_top_k_counts_a_class_behind_k_others_as_missed():
    # Ranks of the true class: 1, 2, 1, 1, 3.
    assert [classification.top_k_accuracy(TRUTH, PROBABILITIES, k) for k in (1, 2, 3)] == [3 / 5, 4 / 5, 1.0]


def test_top_k_lets_no_tie_help_the_model():
    constant = np.full((2, 4), 0.25)
    assert classification.top_k_accuracy([0, 3], constant, k=3) == 0.0  # three others are as high: not fewer than 3
    assert classification.top_k_accuracy([0, 3], constant, k=4) == 1.0
    assert classification.top_k_accuracy([0], [[0.2, 0.2, 0.6]], k=3) == 1.0  # a tie inside the top 3 does no harm
    assert classification.top_k_accuracy([1], [[0.9, 0.1]], k=3) == 1.0  # fewer classes than k


def test_confusion_matrix_has_the_truth_in_rows_and_keeps_empty_classes():
    assert classification.confusion_matrix(TRUTH, PROBABILITIES.argmax(axis=1), 3).tolist() == CONFUSION
    assert classification.confusion_matrix([0], [2], 4).tolist() == [[0, 0, 1, 0]] + [[0] * 4] * 3


def test_confusion_matrix_does_not_overflow_small_integers():
    codes = np.array([20], dtype=np.uint8)  # 20 * 30 + 20 does not fit in 8 bits
    assert classification.confusion_matrix(codes, codes, 30)[20, 20] == 1


def test_precision_recall_f1_by_hand():
    precision, recall, f1 = classification.precision_recall_f1(CONFUSION)
    assert precision.tolist() == [1 / 2, 1 / 2, 1 / 1]
    assert recall.tolist() == [1 / 2, 1 / 1, 1 / 2]
    # 2 x hits / (support + predicted): 2/(2+2), 2/(1+2), 2/(2+1)
    assert f1.tolist() == [1 / 2, 2 / 3, 2 / 3]
    assert classification.macro_f1(CONFUSION) == pytest.approx((1 / 2 + 2 / 3 + 2 / 3) / 3)


def test_undefined_scores_are_nan():
    # Class 0: two rows, one found. Class 1: no row, predicted once. Class 2: a row, never predicted. Class 3: nothing.
    confusion = [[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    precision, recall, f1 = classification.precision_recall_f1(confusion)
    np.testing.assert_array_equal(precision, [1 / 2, 0, np.nan, np.nan])
    np.testing.assert_array_equal(recall, [1 / 2, np.nan, 0, np.nan])
    np.testing.assert_array_equal(f1, [2 / 4, np.nan, 0, np.nan])
    assert classification.macro_f1(confusion) == (1 / 2 + 0) / 2
    assert math.isnan(classification.macro_f1(np.zeros((2, 2), int)))


def test_precision_recall_f1_agree_with_scikit_learn(random_case):
    truth, probabilities = random_case
    predicted = probabilities.argmax(axis=1)
    confusion = classification.confusion_matrix(truth, predicted, 6)
    np.testing.assert_array_equal(confusion, reference.confusion_matrix(truth, predicted))
    expected = reference.precision_recall_fscore_support(truth, predicted)[:3]
    np.testing.assert_allclose(classification.precision_recall_f1(confusion), expected)
    assert classification.macro_f1(confusion) == pytest.approx(reference.f1_score(truth, predicted, average="macro"))


def test_average_precision_by_hand():
    # Relevant at ranks 1 and 3: half of the recall at precision 1/1, half at 2/3.
    assert classification.average_precision([True, False, True, False], [4, 3, 2, 1]) == pytest.approx(
        1 / 2 + 1 / 2 * 2 / 3
    )
    # The first three tie and enter together: half of the recall at 1/3; then half at 2/4.
    tied = classification.average_precision([True, False, False, True], [0.9, 0.9, 0.9, 0.1])
    assert tied == pytest.approx(1 / 2 * 1 / 3 + 1 / 2 * 2 / 4)


def test_average_precision_at_the_edges():
    assert math.isnan(classification.average_precision([False, False], [0.1, 0.2]))
    assert classification.average_precision([True], [0.0]) == 1.0
    assert classification.average_precision([True, False, False, False], [0.5] * 4) == 1 / 4  # all tied: the base rate


def test_average_precision_ranks_small_unsigned_scores():
    scores = np.array([0, 1], dtype=np.uint8)  # negated, 0 would stay in front of 255
    assert classification.average_precision([False, True], scores) == 1.0


def test_precision_recall_curve_by_hand():
    precision, recall, thresholds = classification.precision_recall_curve([True, False, True], [0.9, 0.5, 0.5])
    assert precision.tolist() == [2 / 3, 1.0, 1.0]
    assert recall.tolist() == [1.0, 1 / 2, 0.0]
    assert thresholds.tolist() == [0.5, 0.9]


def test_curve_and_average_precision_agree_with_scikit_learn(random_case):
    truth, probabilities = random_case
    relevant, scores = truth == 2, probabilities[:, 2]
    curves = classification.precision_recall_curve(relevant, scores), reference.precision_recall_curve(relevant, scores)
    for ours, theirs in zip(*curves, strict=True):
        np.testing.assert_allclose(ours, theirs)
    expected = reference.average_precision_score(relevant, scores)
    assert classification.average_precision(relevant, scores) == pytest.approx(expected)
    expected = reference.average_precision_score(np.eye(6)[truth], probabilities, average="micro")
    assert classification.micro_average_precision(truth, probabilities) == pytest.approx(expected)


def test_micro_average_precision_by_hand():
    # Pairs by score: 0.7 right, 0.6 wrong, 0.4 right, 0.3 wrong -> 1/2 * 1/1 + 1/2 * 2/3
    assert classification.micro_average_precision([0, 0], [[0.7, 0.3], [0.4, 0.6]]) == pytest.approx(5 / 6)


def test_calibration_error_by_hand():
    # Two bins. (0, 0.5]: 0.4 and 0.5, one right: |0.45 - 0.5| over 2 rows. (0.5, 1]: 0.9 and 0.7, both right:
    # |0.8 - 1| over 2 rows. (2 * 0.05 + 2 * 0.2) / 4 = 0.125
    error = classification.expected_calibration_error([0.4, 0.5, 0.9, 0.7], [True, False, True, True], bins=2)
    assert error == pytest.approx(0.125)


def test_calibration_bins_are_closed_on_the_right():
    # 0.5 belongs to (0, 0.5], where it cancels against 0.3: |0.8 - 1| / 3, and |0.6 - 0| / 3 in the upper bin.
    error = classification.expected_calibration_error([0.3, 0.5, 0.6], [False, True, False], bins=2)
    assert error == pytest.approx((0.2 + 0.6) / 3)


def test_calibration_error_at_the_edges():
    assert classification.expected_calibration_error([0.0, 1.0], [False, True]) == 0.0
    assert classification.expected_calibration_error([1.0], [False]) == 1.0


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([30, 20, 20, 10, 10, 10], "head head mid mid tail tail"),  # before: 0 30 50 70 80 90 of 100
        ([10, 10, 20, 20, 30, 10], "mid tail head mid head tail"),  # the same line; ties go by index
        ([100, 0], "head tail"),  # the empty class has all images before it
        ([5], "head"),
        ([0, 0], "tail tail"),
        ([90, 10], "head tail"),
        ([51, 49], "head mid"),  # 49 % is more than the tail may hold
        ([4, 3, 3], "head head mid"),  # before: 0 40 70 %
    ],
)
def test_head_mid_tail(sizes, expected):
    assert classification.head_mid_tail(sizes) == expected.split()
    assert classification.head_mid_tail(np.array(sizes, dtype=np.uint8)) == expected.split()


def test_most_confident_mistakes_come_first_and_ties_keep_their_order():
    truth = [0, 0, 0, 0]
    probabilities = [[0.4, 0.6], [0.1, 0.9], [0.8, 0.2], [0.1, 0.9]]
    assert classification.most_confident_mistakes(truth, probabilities, 9).tolist() == [1, 3, 0]
    assert classification.most_confident_mistakes(truth, probabilities, 1).tolist() == [1]
    assert classification.most_confident_mistakes([1], [[0.0, 1.0]], 5).tolist() == []


def test_summary_holds_the_single_metrics_as_plain_numbers():
    scores = classification.summary(TRUTH, PROBABILITIES)
    correct = np.array([True, False, True, True, False])
    assert scores == {
        "accuracy": 0.6,
        "accuracy_ci95": list(accuracy_interval(correct)),
        "top_3": 1.0,
        "macro_f1": pytest.approx(11 / 18),
        "micro_average_precision": classification.micro_average_precision(TRUTH, PROBABILITIES),
        "ece": classification.expected_calibration_error(np.array([0.7, 0.6, 0.8, 0.5, 0.9]), correct),
    }
    assert {type(value) for key, value in scores.items() if key != "accuracy_ci95"} == {float}


def test_summary_counts_a_truth_in_fourth_place_as_missed_by_top_3():
    assert classification.summary([3, 2], [[0.4, 0.3, 0.2, 0.1]] * 2)["top_3"] == 0.5


def test_summary_resamples_products():
    groups = np.array([0, 0, 1, 2, 2])
    correct = np.array([True, False, True, True, False])
    interval = classification.summary(TRUTH, PROBABILITIES, groups)["accuracy_ci95"]
    assert interval == list(accuracy_interval(correct, groups)) != list(accuracy_interval(correct))


def test_precision_recall_curve_without_a_relevant_row_has_no_recall():
    precision, recall, thresholds = classification.precision_recall_curve([False, False], [0.2, 0.1])
    np.testing.assert_array_equal(precision, [0, 0, 1])
    np.testing.assert_array_equal(recall, [np.nan, np.nan, 0])
    assert thresholds.tolist() == [0.1, 0.2]


def test_summary_of_one_row():
    scores = classification.summary([1], [[1.0, 0.0]])
    assert (scores["accuracy"], scores["macro_f1"], scores["ece"]) == (0.0, 0.0, 1.0)
    assert not any(math.isnan(value) for key, value in scores.items() if key != "accuracy_ci95")


def per_class(truth, probabilities, classes, train_counts):
    """Rows of a single-label task: every cell is known, and the first largest class is predicted."""
    one_hot = np.eye(probabilities.shape[1], dtype=bool)
    cells = one_hot[truth], np.ones(probabilities.shape, bool), probabilities, one_hot[probabilities.argmax(axis=1)]
    return multilabel.per_label(*cells, classes, train_counts, classification.head_mid_tail)


def test_per_class_rows_have_none_where_a_score_is_undefined():
    rows = per_class([0, 0], np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]]), ["Shoes", "Belts", "Socks"], [70, 20, 10])
    # Class 0: one of two rows found, never given wrongly; both its rows outrank nothing else, so its AP is 1.
    shoes = {"precision": 1.0, "recall": 0.5, "f1": 2 / 3, "average_precision": 1.0}
    assert rows[0] == {"name": "Shoes", "support": 2, **shoes, "frequency": "head"}
    belts = {"precision": 0.0, "recall": None, "f1": None, "average_precision": None}
    assert rows[1] == {"name": "Belts", "support": 0, **belts, "frequency": "mid"}
    assert rows[2] == {"name": "Socks", "support": 0, **belts, "precision": None, "frequency": "tail"}


def test_by_frequency_averages_the_classes_that_have_rows():
    def row(frequency, support, recall, f1):
        return {"frequency": frequency, "support": support, "recall": recall, "f1": f1}

    rows = [row("head", 8, 1.0, 0.5), row("head", 2, 0.5, 0.0), row("head", 0, None, None), row("tail", 0, None, None)]
    empty = {"support": 0, "balanced_accuracy": None, "macro_f1": None}
    assert classification.by_class_frequency(rows) == {
        "head": {"classes": 3, "support": 10, "balanced_accuracy": 0.75, "macro_f1": 0.25},
        "mid": {"classes": 0, **empty},
        "tail": {"classes": 1, **empty},
    }


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: classification.confusion_matrix([], [], 2), "truth is empty"),
        (
            lambda: classification.confusion_matrix([0], [0, 1], 2),
            r"one value per row, got shapes truth \(1,\), predicted \(2,\)",
        ),
        (lambda: classification.summary([], np.zeros((0, 2))), "truth is empty"),
        (lambda: classification.summary([0], [[0.5, 0.5]] * 2), r"shape \(1, classes\), got \(2, 2\)"),
        (lambda: classification.summary([0], [0.5]), r"shape \(1, classes\), got \(1,\)"),
        (lambda: classification.summary([0], [[np.nan, 1.0]]), "not finite; did training diverge"),
        (lambda: classification.top_k_accuracy([0], [[np.inf, 1.0]]), "not finite"),
        (lambda: classification.summary([2], [[0.5, 0.5]]), r"truth must be whole numbers in 0\.\.1, got 2\.\.2"),
        (lambda: classification.summary([-1], [[0.5, 0.5]]), r"got -1\.\.-1"),
        (lambda: classification.confusion_matrix([0], [3], 2), r"predicted must be whole numbers in 0\.\.1"),
        (lambda: classification.confusion_matrix([0.5], [1], 2), "truth must be whole numbers"),
        (lambda: classification.average_precision([True, False], [0.5, np.nan]), "scores has .* not finite in row 1"),
        (lambda: classification.expected_calibration_error([3.0], [True]), r"confidence must be in 0\.\.1, not 3\.\.3"),
        (lambda: per_class([0], np.array([[1.0, 0.0]]), ["a"], [1, 2]), "2 columns of targets, 1 labels"),
        (lambda: classification.head_mid_tail([]), "support_train is empty"),
    ],
)
def test_classification_refuses_input_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
