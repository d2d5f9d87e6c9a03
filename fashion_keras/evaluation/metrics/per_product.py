"""Accuracy per product, where products have several images (schindler2018, section V), as pure functions."""

from typing import Any

import numpy as np

from fashion_keras.evaluation.metrics import validation
from fashion_keras.evaluation.metrics.intervals import accuracy_interval


def cumulative_maximum(probabilities: np.ndarray, products: np.ndarray) -> np.ndarray:
    """Return the highest probability [p, k] of each class over a product's images; `products` [n] int in 0..p-1."""
    highest = np.zeros((products.max() + 1, probabilities.shape[1]))
    np.maximum.at(highest, products, probabilities)
    return highest


def mean_probability(probabilities: np.ndarray, products: np.ndarray) -> np.ndarray:
    """Return the mean probability [p, k] of each class over a product's images; see `cumulative_maximum`."""
    sums = np.zeros((products.max() + 1, probabilities.shape[1]))
    np.add.at(sums, products, probabilities)
    return sums / np.bincount(products)[:, None]


def per_product(truth: np.ndarray, probabilities: np.ndarray, groups: np.ndarray) -> dict[str, Any]:
    """Return accuracies per image and per product of `truth` [n] and `probabilities` [n, k], ready for JSON.

    `groups` [n] int: which images show one product. all: of products whose images agree in their label; several_images:
    of those among them with two images or more; mixed: products whose images disagree, which are left out.

    Returns:
        products, images, mixed {products, images}, all and several_images {products, images, per_image,
        cumulative_maximum, mean_probability}, each of the last three {accuracy, accuracy_ci95}, or None where there is
        no such product. All intervals resample products.
    """
    truth, probabilities = validation.scored(truth, probabilities)
    _, first, products = np.unique(groups, return_index=True, return_inverse=True)
    agreeing = np.bincount(products, truth != truth[first][products]) == 0
    sizes = np.bincount(products)
    return {
        "products": len(sizes),
        "images": len(truth),
        "mixed": {"products": int((~agreeing).sum()), "images": int(sizes[~agreeing].sum())},
        "all": _scores(truth, probabilities, products, agreeing),
        "several_images": _scores(truth, probabilities, products, agreeing & (sizes > 1)),
    }


def _scores(truth: np.ndarray, probabilities: np.ndarray, products: np.ndarray, chosen: np.ndarray) -> dict[str, Any]:
    """Return the accuracies of the products chosen [p] bool."""
    rows = chosen[products]
    counts = {"products": int(chosen.sum()), "images": int(rows.sum())}
    if not rows.any():
        return counts | {"per_image": None, "cumulative_maximum": None, "mean_probability": None}
    truth, probabilities = truth[rows], probabilities[rows]
    _, first, products = np.unique(products[rows], return_index=True, return_inverse=True)
    correct = probabilities.argmax(axis=1) == truth
    interval = list(accuracy_interval(correct, products))
    scores = {"per_image": {"accuracy": float(correct.mean()), "accuracy_ci95": interval}}
    for rule in (cumulative_maximum, mean_probability):
        correct = rule(probabilities, products).argmax(axis=1) == truth[first]
        scores[rule.__name__] = {"accuracy": float(correct.mean()), "accuracy_ci95": list(accuracy_interval(correct))}
    return counts | scores
