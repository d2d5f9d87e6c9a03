"""Two-sample tests: the discrepancy by hand, and classifiers on separable and on equal data."""

from itertools import combinations
from math import exp, sqrt

import numpy as np
import pytest
from scipy.stats import norm

from fashion_keras.monitoring.measurement import NotMeasuredError
from fashion_keras.monitoring.two_sample import chance_p_value, classifier_two_sample_test, mmd_test


def column(*values):
    return np.array(values, np.float32)[:, None]


def hashes(count):
    return np.array([f"{number:016x}" for number in range(count)])


def normal(count, mean, seed, width=4):
    return np.random.default_rng(seed).normal(mean, 1, (count, width)).astype(np.float32)


def mmd2_by_hand(reference, new, bandwidth2):
    def kernel(a, b):
        return exp(-((a - b) ** 2) / (2 * bandwidth2))

    within = [np.mean([kernel(a, b) for a, b in combinations(side, 2)]) for side in (reference, new)]
    return sum(within) - 2 * np.mean([kernel(a, b) for a in reference for b in new])


def test_mmd_of_four_numbers_by_hand():
    # Squared distances 1, 1, 4, 4, 9, 16: their median is 4.
    test = mmd_test(column(0, 1), column(2, 4))
    between = (exp(-4 / 8) + exp(-16 / 8) + exp(-1 / 8) + exp(-9 / 8)) / 4
    assert test.bandwidth == pytest.approx(2)
    assert test.mmd2 == pytest.approx(exp(-1 / 8) + exp(-4 / 8) - 2 * between, abs=1e-6)
    assert (test.reference, test.new) == (2, 2)


def test_mmd_with_sides_of_different_size():
    reference, new = (0.0, 0.5, 3.0), (1.0, 2.5, 2.0, 7.0)
    test = mmd_test(column(*reference), column(*new))
    assert test.mmd2 == pytest.approx(mmd2_by_hand(reference, new, test.bandwidth**2), abs=1e-6)


def test_mmd_p_value_is_the_share_of_relabelings():
    values = (0, 1, 2, 10, 11, 13)
    test = mmd_test(column(*values[:3]), column(*values[3:]), permutations=2000)
    every = [
        mmd2_by_hand(chosen, [value for value in values if value not in chosen], test.bandwidth**2)
        for chosen in combinations(values, 3)
    ]
    # Of the 20 relabelings two are as extreme: the one at hand and its mirror image.
    assert sum(value >= test.mmd2 - 1e-6 for value in every) == 2
    assert test.p == pytest.approx(2 / 20, abs=0.02)


def test_mmd_tells_shifted_data_from_equal_data():
    assert mmd_test(normal(100, 0, 1), normal(100, 1, 2)).p == 1 / 500
    assert mmd_test(normal(100, 0, 1), normal(100, 0, 2)).p > 0.05


@pytest.mark.parametrize("sides", [(1, 5), (5, 0)])
def test_mmd_needs_two_rows_of_either_side(sides):
    with pytest.raises(NotMeasuredError, match="needs two of each"):
        mmd_test(*(normal(count, 0, 0) for count in sides))


def test_mmd_of_one_point_is_not_measured():
    with pytest.raises(NotMeasuredError, match="are the same"):
        mmd_test(np.ones((5, 3), np.float32), np.ones((5, 3), np.float32))


def test_classifier_separates_separable_sides():
    embeddings, is_new = np.concatenate([normal(200, 0, 1), normal(200, 8, 2)]), np.arange(400) >= 200
    test = classifier_two_sample_test(embeddings, is_new, hashes(400))
    assert test.accuracy == 1
    assert test.accuracy_ci95[0] > 0.97
    assert test.p < 1e-20
    assert test.trained + test.tested <= 400
    assert test.tested % 2 == 0


def test_classifier_cannot_tell_the_same_products_apart():
    """Every test image is on both sides, so that one of the two predictions is right."""
    rows = normal(200, 0, 1)
    test = classifier_two_sample_test(np.concatenate([rows, rows]), np.arange(400) >= 200, np.tile(hashes(200), 2))
    assert (test.accuracy, test.p) == (0.5, 1)


def test_classifier_is_at_chance_on_random_halves():
    accuracies = [
        classifier_two_sample_test(normal(600, 0, seed), np.arange(600) >= 300, hashes(600), seed).accuracy
        for seed in range(5)
    ]
    assert all(0.4 < accuracy < 0.6 for accuracy in accuracies)


def test_classifier_keeps_the_images_of_a_product_together():
    """Images of a product are nearly equal, and its side is random: memorized products would be told apart."""
    random = np.random.default_rng(0)
    product = np.repeat(np.arange(200), 5)
    embeddings = normal(200, 0, 1, 100)[product] + random.normal(0, 0.01, (1000, 100)).astype(np.float32)
    test = classifier_two_sample_test(embeddings, product >= 100, hashes(200)[product])
    assert test.accuracy < 0.65
    assert test.p > 0.01


def test_classifier_needs_products_of_either_side():
    with pytest.raises(NotMeasuredError, match=r"\d+ products of a side"):
        classifier_two_sample_test(normal(400, 0, 0), np.arange(400) >= 380, hashes(400))


def test_chance_p_value_of_single_images_is_that_of_the_normal_approximation():
    correct = np.arange(100) < 60
    assert chance_p_value(correct, hashes(100)) == pytest.approx(norm.sf((60 - 50) / sqrt(100 * 0.25)))


def test_chance_p_value_counts_images_of_a_product_as_hit_together():
    # 60 of 100 products, ten images each: the same evidence as one image each.
    correct, products = np.repeat(np.arange(100) < 60, 10), np.repeat(hashes(100), 10)
    assert chance_p_value(correct, products) == pytest.approx(norm.sf(2))
