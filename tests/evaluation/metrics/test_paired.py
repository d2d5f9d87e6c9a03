"""Paired differences against counts by hand, and a bootstrap that copies rows one product after the other."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from fashion_keras.evaluation.metrics.paired import Difference, macro_f1_difference, mean_difference, product_changes


def test_mean_difference_of_a_flip_table_by_hand():
    # 5 of 8 right, then 6 of 8: two images are gained, one is lost.
    first = np.array([1, 1, 1, 1, 1, 0, 0, 0], bool)
    second = np.array([1, 1, 1, 1, 0, 1, 1, 0], bool)
    difference = mean_difference(first, second, np.arange(8))
    assert difference.value == 1 / 8
    low, high = difference.interval
    assert low < 0 < high
    assert not difference.is_clear


def test_mean_difference_is_narrower_than_that_of_unpaired_runs():
    rng = np.random.default_rng(0)
    first = rng.random(2000) < 0.8
    second = first.copy()
    second[np.flatnonzero(~first)[:40]] = True
    low, high = mean_difference(first, second, np.arange(2000)).interval
    # 40 of 2,000 changes of 1: standard deviation of the mean sqrt(0.02 * 0.98 / 2000).
    deviation = np.sqrt(0.02 * 0.98 / 2000)
    np.testing.assert_allclose([low, high], [0.02 - 1.96 * deviation, 0.02 + 1.96 * deviation], atol=5e-4)


def test_mean_difference_draws_products_together():
    # Ten products of ten images each change as one: the interval is that of ten rows, not of a hundred.
    changes = np.repeat([1, 0, 0, 1, 0, 1, 0, 0, 1, 0], 10)
    groups = np.repeat(np.arange(10), 10)
    by_product = mean_difference(np.zeros(100), changes, groups).interval
    assert by_product == mean_difference(np.zeros(10), changes[::10], np.arange(10)).interval
    assert np.ptp(by_product) > 2.5 * np.ptp(mean_difference(np.zeros(100), changes, np.arange(100)).interval)


def test_equal_predictions_do_not_differ():
    right = np.array([True, False, True])
    assert mean_difference(right, right, np.arange(3)) == Difference(0.0, (0.0, 0.0))


def test_macro_f1_difference_equals_scikit_learn_and_a_bootstrap_by_copies():
    rng = np.random.default_rng(1)
    truth, groups = rng.integers(0, 3, 120), rng.integers(0, 60, 120)
    first, second = (np.where(rng.random(120) < share, truth, rng.integers(0, 3, 120)) for share in (0.5, 0.7))

    def macro(rows, predicted):
        return f1_score(truth[rows], predicted[rows], average="macro", labels=np.unique(truth[rows]))

    difference = macro_f1_difference(truth, first, second, 3, groups)
    every = np.arange(120)
    assert difference.value == pytest.approx(macro(every, second) - macro(every, first))
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    drawn = [np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))]) for _ in range(150)]
    expected = np.quantile([macro(rows, second) - macro(rows, first) for rows in drawn], [0.025, 0.975])
    np.testing.assert_allclose(difference.interval, expected, atol=0.05)


def test_product_changes_counts_images_of_a_product():
    first, second = [True, False, False, True], [True, True, True, False]
    assert product_changes(first, second, ["p", "p", "p", "q"]).tolist() == [2, 2, 2, -1]
