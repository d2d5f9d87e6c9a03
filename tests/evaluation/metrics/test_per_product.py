"""Accuracy per product, by hand: five products, of which one is photographed three times and one is mislabelled."""

import numpy as np
import pytest

from fashion_keras import InputError
from fashion_keras.evaluation.metrics.per_product import cumulative_maximum, mean_probability, per_product

GROUPS = np.array([7, 7, 7, 3, 3, 5, 9, 9, 4])
TRUTH = np.array([0, 0, 0, 1, 1, 1, 0, 1, 1])
PROBABILITIES = np.array(
    [
        [0.9, 0.1], [0.2, 0.8], [0.4, 0.6],  # 7: wrong twice; the surest image is right, and so is the mean, a tie
        [0.7, 0.3], [0.4, 0.6],  # 3: the surest image is wrong, and so is the mean
        [0.1, 0.9],  # 5: one image, right
        [0.5, 0.5], [0.5, 0.5],  # 9: images that disagree in label
        [0.5, 0.5],  # 4: a tie, which the first class wins: wrong
    ]
)  # fmt: skip


def test_the_surest_image_decides_by_the_maximum_and_all_images_by_the_mean():
    products = np.array([1, 0, 1, 1])
    said = np.array([[0.1, 0.6, 0.3], [0.3, 0.3, 0.4], [0.9, 0.0, 0.1], [0.0, 0.8, 0.2]])
    np.testing.assert_allclose(cumulative_maximum(said, products), [[0.3, 0.3, 0.4], [0.9, 0.8, 0.3]])
    np.testing.assert_allclose(mean_probability(said, products), [[0.3, 0.3, 0.4], [1 / 3, 1.4 / 3, 0.2]])
    assert cumulative_maximum(said, products)[1].argmax() != mean_probability(said, products)[1].argmax()


def accuracies(scores):
    return [scores[name]["accuracy"] for name in ("per_image", "cumulative_maximum", "mean_probability")]


def test_by_hand():
    report = per_product(TRUTH, PROBABILITIES, GROUPS)
    assert (report["products"], report["images"]) == (5, 9)
    assert report["mixed"] == {"products": 1, "images": 2}
    assert (report["all"]["products"], report["all"]["images"]) == (4, 7)
    assert accuracies(report["all"]) == pytest.approx([3 / 7, 2 / 4, 2 / 4])
    assert (report["several_images"]["products"], report["several_images"]["images"]) == (2, 5)
    assert accuracies(report["several_images"]) == pytest.approx([2 / 5, 1 / 2, 1 / 2])


def test_the_order_of_the_images_does_not_matter():
    order = np.random.default_rng(0).permutation(len(GROUPS))
    report, other = (per_product(TRUTH[o], PROBABILITIES[o], GROUPS[o]) for o in (np.arange(9), order))
    assert accuracies(report["all"]) == accuracies(other["all"])
    assert report["mixed"] == other["mixed"]


def test_one_image_each_is_the_accuracy_per_image():
    report = per_product(TRUTH, PROBABILITIES, np.arange(9))
    assert accuracies(report["all"]) == pytest.approx([4 / 9] * 3)
    assert report["several_images"] == {
        "products": 0, "images": 0, "per_image": None, "cumulative_maximum": None, "mean_probability": None,
    }  # fmt: skip


def test_products_that_all_disagree_have_no_accuracy():
    report = per_product(np.array([0, 1]), np.full((2, 2), 0.5), np.zeros(2, int))
    assert report["mixed"] == {"products": 1, "images": 2}
    assert report["all"]["cumulative_maximum"] is None


def test_intervals_draw_products_not_images():
    """Fifty images of one product that all err together tell as little as one."""
    groups = np.array([0] * 50 + list(range(1, 51)))
    truth = np.zeros(100, int)
    said = np.array([[0.0, 1.0]] * 50 + [[1.0, 0.0]] * 50)
    low, high = per_product(truth, said, groups)["all"]["per_image"]["accuracy_ci95"]
    assert low < 0.35 and high == 1.0
    low, high = per_product(truth, said, groups)["all"]["cumulative_maximum"]["accuracy_ci95"]
    assert low == pytest.approx(48 / 51, abs=0.021) and high == 1.0


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(InputError, match="not finite"):
        per_product(TRUTH, np.full((9, 2), np.nan), GROUPS)
