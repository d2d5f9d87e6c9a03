"""Accuracy per product, by hand: five products, one of them with three images and one with two labels."""

import numpy as np
import pytest

from fashion_keras import InputError
from fashion_keras.evaluation.metrics.classification import cumulative_maximum, mean_probability, per_product

GROUPS = np.array([7, 7, 7, 3, 3, 5, 9, 9, 4])
TRUTH = np.array([0, 0, 0, 1, 1, 1, 0, 1, 1])
PROBABILITIES = np.array(
    [
        [0.9, 0.1], [0.2, 0.8], [0.4, 0.6],  # 7: wrong twice; the most confident is right, and the mean, a tie
        [0.7, 0.3], [0.4, 0.6],  # 3: the most confident is wrong, and the mean
        [0.1, 0.9],  # 5: one image, right
        [0.5, 0.5], [0.5, 0.5],  # 9: images that disagree in label
        [0.5, 0.5],  # 4: a tie, which the first class wins: wrong
    ]
)  # fmt: skip


def test_cumulative_maximum_and_mean_probability_by_hand():
    products = np.array([1, 0, 1, 1])
    probabilities = np.array([[0.1, 0.6, 0.3], [0.3, 0.3, 0.4], [0.9, 0.0, 0.1], [0.0, 0.8, 0.2]])
    np.testing.assert_allclose(cumulative_maximum(probabilities, products), [[0.3, 0.3, 0.4], [0.9, 0.8, 0.3]])
    np.testing.assert_allclose(mean_probability(probabilities, products), [[0.3, 0.3, 0.4], [1 / 3, 1.4 / 3, 0.2]])
    assert (
        cumulative_maximum(probabilities, products)[1].argmax() != mean_probability(probabilities, products)[1].argmax()
    )


def accuracies(scores):
    return [scores[name]["accuracy"] for name in ("per_image", "cumulative_maximum", "mean_probability")]


def test_per_product_by_hand():
    report = per_product(TRUTH, PROBABILITIES, GROUPS)
    assert (report["products"], report["images"]) == (5, 9)
    assert report["mixed"] == {"products": 1, "images": 2}
    assert (report["all"]["products"], report["all"]["images"]) == (4, 7)
    assert accuracies(report["all"]) == pytest.approx([3 / 7, 2 / 4, 2 / 4])
    assert (report["several_images"]["products"], report["several_images"]["images"]) == (2, 5)
    assert accuracies(report["several_images"]) == pytest.approx([2 / 5, 1 / 2, 1 / 2])


def test_per_product_does_not_depend_on_the_order_of_images():
    order = np.random.default_rng(0).permutation(len(GROUPS))
    report, other = (per_product(TRUTH[o], PROBABILITIES[o], GROUPS[o]) for o in (np.arange(9), order))
    assert accuracies(report["all"]) == accuracies(other["all"])
    assert report["mixed"] == other["mixed"]


def test_per_product_of_one_image_each_is_the_accuracy_per_image():
    report = per_product(TRUTH, PROBABILITIES, np.arange(9))
    assert accuracies(report["all"]) == pytest.approx([4 / 9] * 3)
    assert report["several_images"] == {
        "products": 0, "images": 0, "per_image": None, "cumulative_maximum": None, "mean_probability": None,
    }  # fmt: skip


def test_per_product_without_agreeing_products_has_no_accuracy():
    report = per_product(np.array([0, 1]), np.full((2, 2), 0.5), np.zeros(2, int))
    assert report["mixed"] == {"products": 1, "images": 2}
    assert report["all"]["cumulative_maximum"] is None


def test_per_product_intervals_resample_products():
    """Fifty images of one product that all err together tell as little as a single image."""
    groups = np.array([0] * 50 + list(range(1, 51)))
    truth = np.zeros(100, int)
    probabilities = np.array([[0.0, 1.0]] * 50 + [[1.0, 0.0]] * 50)
    low, high = per_product(truth, probabilities, groups)["all"]["per_image"]["accuracy_ci95"]
    assert low < 0.35 and high == 1.0
    low, high = per_product(truth, probabilities, groups)["all"]["cumulative_maximum"]["accuracy_ci95"]
    assert low == pytest.approx(48 / 51, abs=0.021) and high == 1.0


def test_per_product_refuses_input_that_is_not_finite():
    with pytest.raises(InputError, match="not finite"):
        per_product(TRUTH, np.full((9, 2), np.nan), GROUPS)
