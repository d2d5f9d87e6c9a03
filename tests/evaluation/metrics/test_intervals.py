"""Intervals against arithmetic by hand, SciPy, and a bootstrap that copies rows one product after the other."""

import numpy as np
import pytest
from scipy.stats import binomtest

from fashion_keras.evaluation.metrics.intervals import (
    accuracy_interval,
    bootstrap_interval,
    clopper_pearson_interval,
    mean_interval,
    proportion_lower_bound,
    sum_by_product,
)
from fashion_keras.support.errors import InputError


def resampled_means(values, groups, draws, seed):
    """The definition: draw products with replacement, take all their rows, average."""
    rng, members = np.random.default_rng(seed), [np.flatnonzero(groups == group) for group in np.unique(groups)]
    drawn = rng.integers(len(members), size=(draws, len(members)))
    return [values[np.concatenate([members[index] for index in row])].mean() for row in drawn]


def test_accuracy_interval_is_the_bootstrap_over_rows_when_each_is_a_product():
    rng = np.random.default_rng(3)
    correct = rng.random(300) < 0.8
    expected = np.quantile(correct[rng.integers(0, 300, size=(20_000, 300))].mean(axis=1), [0.025, 0.975])
    np.testing.assert_allclose(accuracy_interval(correct, draws=20_000), expected, atol=0.005)


def test_accuracy_interval_resamples_products_of_unequal_size():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), rng.integers(1, 8, 60))
    correct = rng.random(len(groups)) < rng.random(60)[groups]
    expected = np.quantile(resampled_means(correct, groups, 4000, seed=1), [0.025, 0.975])
    order = rng.permutation(len(groups))
    interval = accuracy_interval(correct[order], groups[order], draws=4000)
    np.testing.assert_allclose(interval, expected, atol=0.01)
    assert np.ptp(interval) > 1.3 * np.ptp(accuracy_interval(correct)), (
        "rows of one product are no independent evidence"
    )


def test_mean_interval_resamples_products_of_unequal_size():
    rng = np.random.default_rng(5)
    groups = np.array([f"product {number}" for number in rng.integers(0, 400, 1500)])  # many distinct sums
    values = rng.gamma(2.0, size=1500)
    expected = np.quantile(resampled_means(values, groups, 2000, seed=1), [0.025, 0.975])
    np.testing.assert_allclose(mean_interval(values, groups), expected, atol=0.1 * np.ptp(expected))


def test_copies_of_every_row_under_its_product_change_nothing():
    correct = np.arange(40) % 3 > 0
    groups = np.arange(40)
    assert accuracy_interval(np.repeat(correct, 5), np.repeat(groups, 5)) == pytest.approx(accuracy_interval(correct))


def test_accuracy_interval_at_0_and_1_is_exact_over_products():
    # All 4 right: the lower bound p has p**4 = 0.025.
    assert accuracy_interval([True] * 4) == pytest.approx((0.025**0.25, 1.0))
    assert accuracy_interval([False] * 4) == pytest.approx((0.0, 1 - 0.025**0.25))
    assert accuracy_interval([True] * 4, [1, 1, 2, 2]) == pytest.approx((0.025**0.5, 1.0))  # two products
    assert accuracy_interval([True] * 4, level=0.9) == pytest.approx((0.05**0.25, 1.0))
    assert mean_interval([1.0, 1.0], ["a", "a"]) == pytest.approx((0.025, 1.0))
    assert mean_interval([0.25, 0.25]) == (0.25, 0.25)  # no proportion: no binomial bound


def test_mean_interval_is_that_of_the_normal_approximation_for_many_rows():
    values = np.random.default_rng(2).gamma(2.0, size=2000)
    expected = values.mean() + np.array([-1.96, 1.96]) * values.std() / np.sqrt(2000)
    np.testing.assert_allclose(mean_interval(values), expected, atol=0.05 * np.ptp(expected))


@pytest.mark.parametrize("values", [np.arange(50) % 3 > 0, np.linspace(0, 1, 50), np.linspace(0, 1, 400)])
def test_mean_interval_is_seeded_and_grows_with_the_level(values):
    assert mean_interval(values) == mean_interval(values)
    assert mean_interval(values, seed=1, draws=10) != mean_interval(values, seed=2, draws=10)
    (low, high), wide = mean_interval(values, level=0.5), mean_interval(values, level=0.99)
    assert wide[0] < low < values.mean() < high < wide[1]


def test_bootstrap_interval_leaves_undefined_resamples_out():
    counted = np.array([[1, 1], [0, 0]])  # a resample of only the second row has no denominator

    def ratio(sums):
        return np.divide(sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] > 0)

    assert bootstrap_interval(counted, ratio) == (1.0, 1.0)
    assert bootstrap_interval(counted[1:], ratio) is None


def test_sum_by_product():
    assert sum_by_product(np.array([[1, 2], [3, 4], [5, 6]]), ["b", "a", "b"]).tolist() == [[3, 4], [6, 8]]
    assert sum_by_product(np.array([[1, 2]]), None).tolist() == [[1, 2]]


@pytest.mark.parametrize(("hits", "trials"), [(0, 5), (5, 5), (59, 60), (180, 200), (1, 1)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_one_sided_bounds_are_those_of_scipy(hits, trials, confidence):
    low = binomtest(hits, trials, alternative="greater").proportion_ci(confidence, method="exact").low
    assert proportion_lower_bound(hits, trials, confidence) == pytest.approx(low)


def test_clopper_pearson_interval_is_that_of_scipy():
    hits, trials = np.array([0, 5, 9, 180]), np.array([5, 5, 10, 200])
    expected = [binomtest(*pair).proportion_ci(0.95, method="exact") for pair in zip(hits, trials, strict=True)]
    np.testing.assert_allclose(clopper_pearson_interval(hits, trials).T, expected)
    assert clopper_pearson_interval(0, 0).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: accuracy_interval([]), "correct is empty"),
        (lambda: mean_interval([]), "values is empty"),
        (lambda: mean_interval([0.5, np.nan]), "not finite in row 1"),
        (lambda: mean_interval([0.5, 0.2], [1]), r"one value per row, got shapes rows \(2,\), product_groups \(1,\)"),
        (lambda: mean_interval([1, 1], [1]), r"one value per row"),
    ],
)
def test_intervals_refuse_input_in_one_line(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
