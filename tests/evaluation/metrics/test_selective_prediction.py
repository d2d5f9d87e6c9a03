"""Selective thresholds by hand, and a target precision that is missed no more often than stated."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from fashion_keras.evaluation.metrics import selective_prediction
from fashion_keras.evaluation.metrics.intervals import proportion_lower_bound
from fashion_keras.evaluation.metrics.selective_prediction import ABSTAIN, SelectiveThreshold


def ranked(pattern):
    """Distinct falling scores, and a correct item for each "1" of the pattern."""
    return np.linspace(0.9, 0.1, len(pattern)), np.array([mark == "1" for mark in pattern])


def test_min_samples_is_where_all_correct_first_reaches_the_target():
    for target in (0.5, 0.9, 0.95, 0.99):
        n = selective_prediction.min_samples(target)
        assert 0.05 ** (1 / n) >= target > 0.05 ** (1 / (n - 1))
    assert selective_prediction.min_samples(0.5, confidence=1 - 1 / 32) == 5  # exactly: (1/32)^(1/5) = 1/2


def test_select_threshold_by_hand():
    # For a target of 0.5, five must be correct: 0.05^(1/5) = 0.55. A wrong sixth takes the bound to 0.42.
    scores, correct = ranked("111110000")
    assert selective_prediction.select_threshold(scores, correct, 0.5) == SelectiveThreshold(
        scores[4], 5, 5, pytest.approx(0.05 ** (1 / 5))
    )
    assert selective_prediction.select_threshold(*ranked("111110"), target_precision=0.5).n_released == 5
    assert selective_prediction.select_threshold(*ranked("11110"), target_precision=0.5) == ABSTAIN
    assert selective_prediction.select_threshold(*ranked("1111"), target_precision=0.5) == ABSTAIN  # too few to show it


def test_select_threshold_goes_down_as_far_as_the_bound_holds():
    scores, correct = ranked("1111111101")  # 8 of 9 and 9 of 10: bounds 0.57 and 0.61
    bound = binomtest(9, 10, alternative="greater").proportion_ci(0.95, method="exact").low
    assert selective_prediction.select_threshold(scores, correct, 0.5) == SelectiveThreshold(
        scores[9], 10, 9, pytest.approx(bound)
    )


def test_select_threshold_stops_at_the_first_failure():
    # 10 of 11 correct would do (bound 0.64), but the way down leads through 5 of 6 (0.42).
    assert selective_prediction.select_threshold(*ranked("11111011111"), target_precision=0.5).n_released == 5


def test_select_threshold_starts_again_at_twice_the_size():
    # 12 items fit two starts, 6 and 12, each at 0.025. The first item is wrong: 5 of 6 fails, 11 of 12 does not.
    scores, correct = ranked("011111111111")
    bound = binomtest(11, 12, alternative="greater").proportion_ci(0.975, method="exact").low
    assert selective_prediction.select_threshold(scores, correct, 0.5) == SelectiveThreshold(
        scores[11], 12, 11, pytest.approx(bound)
    )
    assert (
        selective_prediction.select_threshold(scores[:11], correct[:11], 0.5) == ABSTAIN
    )  # one start only, at 5: 4 of 5 are correct


def test_select_threshold_takes_tied_scores_together_and_any_order_of_rows():
    correct = np.array([True] * 5 + [False] * 4)
    tied = np.array([0.9, 0.9, 0.9, 0.9, 0.5, 0.5, 0.1, 0.1, 0.1])  # the fifth ties with a wrong one: 5 of 6
    assert selective_prediction.select_threshold(tied, correct, 0.5) == ABSTAIN
    tied[4] = 0.9
    order = np.random.default_rng(0).permutation(9)
    assert selective_prediction.select_threshold(tied[order], correct[order], 0.5) == SelectiveThreshold(
        0.9, 5, 5, pytest.approx(0.05 ** (1 / 5))
    )


def test_select_threshold_counts_what_reaches_it():
    scores, correct = ranked("1" * 70 + "10" * 20)
    threshold = selective_prediction.select_threshold(scores, correct, 0.9)
    assert (threshold.n_released, threshold.n_correct) == (
        np.sum(scores >= threshold.threshold),
        np.sum(correct[scores >= threshold.threshold]),
    )
    assert threshold.lower_bound >= 0.9
    assert threshold.n_released > 70


def test_select_threshold_misses_the_target_no_more_often_than_stated():
    """On a plateau just below the target, any release misses it: at most 5 % of draws may have one."""
    rng = np.random.default_rng(1)
    n, draws = 400, 600
    released = np.arange(1, n + 1)
    ours = lucky = 0
    for _ in range(draws):
        scores, correct = rng.random(n), rng.random(n) < 0.89
        ours += selective_prediction.select_threshold(scores, correct, 0.9).n_released > 0
        bounds = proportion_lower_bound(np.cumsum(correct[np.argsort(-scores)]), released)
        lucky += np.any(bounds >= 0.9)
    assert 0 < ours / draws <= 0.05
    assert lucky / draws > 0.08, "the lowest threshold whose own bound holds would miss it more often"


def test_select_threshold_releases_nearly_all_where_the_target_is_easy():
    rng = np.random.default_rng(3)
    scores = rng.random(3000)
    correct = rng.random(3000) < np.where(scores > 0.3, 0.97, 0.5)
    threshold = selective_prediction.select_threshold(scores, correct, 0.9)
    assert (
        0.1 < threshold.threshold < 0.3
    )  # 0.9 is reached where (0.97 x 0.7 + 0.5 x (0.3 - t)) / (1 - t) is: at t = 0.18


def test_select_label_thresholds_use_the_known_rows_of_each_label():
    scores = np.tile(np.linspace(0.9, 0.1, 8)[:, None], 3)
    targets = np.array([[1, 1, 1]] * 5 + [[0, 1, 0]] * 3)
    known = np.ones((8, 3), dtype=bool)
    known[5:, 1] = known[:, 2] = False
    expected = SelectiveThreshold(scores[4, 0], 5, 5, pytest.approx(0.05 ** (1 / 5)))
    assert selective_prediction.select_label_thresholds(scores, targets, known, 0.5) == [expected, expected, ABSTAIN]


def test_select_pooled_threshold_reaches_a_target_that_no_label_reaches_alone():
    scores = np.array([[0.9, 0.8, 0.4], [0.7, 0.6, 0.4], [0.5, 0.2, 0.4]])
    targets = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 0]])
    known = np.ones((3, 3), dtype=bool)
    assert selective_prediction.select_label_thresholds(scores, targets, known, 0.5) == [ABSTAIN] * 3
    pool = np.array([True, True, False])
    together = SelectiveThreshold(0.5, 5, 5, pytest.approx(0.05 ** (1 / 5)))
    assert selective_prediction.select_pooled_threshold(scores, targets, known, pool, 0.5) == together
    assert selective_prediction.select_pooled_threshold(scores, targets, ~known, pool, 0.5) == ABSTAIN
    known[1, 0] = False
    assert selective_prediction.select_pooled_threshold(scores, targets, known, pool, 0.5) == ABSTAIN, (
        "four known ones are too few"
    )
    known[1, 0] = True
    assert selective_prediction.select_pooled_threshold(scores, targets, known, ~pool, 0.5) == ABSTAIN


def test_coverage_risk_by_hand():
    coverage, risk, thresholds = selective_prediction.coverage_risk(
        np.array([0.2, 0.9, 0.7, 0.7]), np.array([False, True, False, True])
    )
    assert coverage.tolist() == [1 / 4, 3 / 4, 1.0]
    assert risk.tolist() == [0, 1 / 3, 2 / 4]
    assert thresholds.tolist() == [0.9, 0.7, 0.2]


def test_area_under_coverage_risk_by_hand():
    # 1/4 at 0, 2/4 at 1/3, 1/4 at 2/4
    tied = selective_prediction.area_under_coverage_risk(
        np.array([0.2, 0.9, 0.7, 0.7]), np.array([False, True, False, True])
    )
    assert tied == pytest.approx(2 / 4 / 3 + 1 / 4 / 2)
    assert selective_prediction.area_under_coverage_risk(np.ones(4), np.array([True, False, True, True])) == 1 / 4
    assert selective_prediction.area_under_coverage_risk(np.array([0.1]), np.array([True])) == 0.0


def test_area_under_coverage_risk_is_the_mean_risk_over_the_rows_as_they_are_released():
    rng = np.random.default_rng(8)
    confidence, correct = rng.random(200), rng.random(200) < 0.7
    order = sorted(range(200), key=lambda row: -confidence[row])
    risks = [sum(not correct[row] for row in order[:count]) / count for count in range(1, 201)]
    assert selective_prediction.area_under_coverage_risk(confidence, correct) == pytest.approx(sum(risks) / 200)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: selective_prediction.min_samples(1.0), "target precision must be between 0 and 1, got 1"),
        (
            lambda: selective_prediction.select_threshold([0.5], [True], 0),
            "target precision must be between 0 and 1, got 0",
        ),
        (
            lambda: selective_prediction.select_threshold([0.5], [True], 0.9, confidence=math.nan),
            "confidence must be between 0 and 1",
        ),
        (lambda: selective_prediction.select_threshold([], [], 0.9), "scores is empty"),
        (lambda: selective_prediction.select_threshold([1.5], [True], 0.9), r"scores must be in 0\.\.1"),
        (
            lambda: selective_prediction.select_label_thresholds(np.eye(2), np.eye(3), np.eye(3) > 0, 0.9),
            r"scores of shape \(3, 3\)",
        ),
        (
            lambda: selective_prediction.select_pooled_threshold(
                np.eye(2), np.eye(2), np.eye(2) > 0, np.array([0, 1]), 0.9
            ),
            r"pool must be bool, one for each of 2 labels, got int64 \(2,\)",
        ),
        (
            lambda: selective_prediction.coverage_risk([0.5, np.nan], [True, True]),
            "has a value that is not finite in row 1",
        ),
    ],
)
def test_selective_prediction_refuses_input_in_one_line(call, message):
    with pytest.raises(selective_prediction.InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
