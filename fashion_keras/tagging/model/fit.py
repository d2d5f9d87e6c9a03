"""How heads are learnt: logistic regression with weight decay, on vectors that stay as they are."""

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fashion_keras.tagging.model.heads import LinearHead
from fashion_keras.tagging.model.labels import AttributeLabels

NEAR, NEAR_WEIGHT = 0.25, 3.0
_STEPS = 500

Floats = NDArray[np.float64]
Layer = tuple[Floats, Floats]


def hard_negative_weights(vectors: NDArray[np.float32], values: NDArray[np.int8]) -> Floats:
    """Return weights [n, t]: how much each training product counts to the validator of each product type.

    All other products are a type's negatives. The quarter of them (NEAR) whose vectors [n, d] have the largest cosine
    with the type's mean vector are its near misses and count three times (NEAR_WEIGHT): of a shoe, sandals and flip-
    flops rather than watches. `values` [n, t] are 1, 0 or -1.
    """
    lengths = np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)
    weights = np.ones(values.shape)
    for column, answers in enumerate(values.T):
        others = np.flatnonzero(answers == 0)
        likeness = vectors[others] @ vectors[answers == 1].mean(axis=0) / lengths[others]
        near = np.argsort(-likeness, kind="stable")[: round(NEAR * len(others))]
        weights[others[near], column] = NEAR_WEIGHT
    return weights


def fit_heads(
    question: AttributeLabels,
    vectors: NDArray[np.float32],
    decays: Sequence[float],
    importance: Floats | None = None,
) -> list[LinearHead]:
    """Learn one head per weight decay from training products; none of them gives a label yet.

    What is minimised is the mean of -log p over the products with a known label, plus half the decay times the sum of
    the squared weights, on vectors that are moved and scaled to a mean of 0 and a mean squared length of 1: so a decay
    means the same for every encoder. Only products that have the attribute have a known label.

    Args:
        question: to n training products.
        vectors [n, d]: theirs.
        decays: the strongest first; each head starts from the one before.
        importance [n, k]: how much each product counts for each label of a multi-valued question.
    """
    middle = vectors.mean(axis=0, dtype=np.float64)
    moved = vectors - middle
    scale = max(np.sqrt(np.mean(np.sum(moved**2, axis=1))), 1e-12)
    if question.kind == "single":
        known = (question.values == 1).any(axis=1)
        layers = _softmax(moved[known] / scale, question.values[known].argmax(axis=1), decays)
    else:
        weights = np.ones(question.values.shape) if importance is None else importance
        layers = _sigmoids(moved / scale, question.values, weights, decays)
    back = [(weights / scale, bias - weights @ middle / scale) for weights, bias in layers]
    return [_head(question, decay, *layer) for decay, layer in zip(decays, back, strict=True)]


def _head(question: AttributeLabels, decay: float, weights: Floats, bias: Floats) -> LinearHead:
    about = (question.name, question.kind, question.classes, question.applies_to)
    never = np.full(len(question.classes), np.inf)
    return LinearHead(*about, weights.astype(np.float32), bias.astype(np.float32), decay, 1.0, never)


def _softmax(vectors: Floats, codes: NDArray[np.int64], decays: Sequence[float]) -> list[Layer]:
    layers = _logistic(vectors, codes, np.ones(len(codes)), decays)
    if len(layers[0][0]) > 1:
        return layers
    # Of two classes there is one row, the logit of the second: half of it for the one, half against the other.
    return [(np.vstack([-row, row]) / 2, np.append(-bias, bias) / 2) for row, bias in layers]


def _sigmoids(vectors: Floats, values: NDArray[np.int8], weights: Floats, decays: Sequence[float]) -> list[Layer]:
    labels = []
    for column in range(values.shape[1]):
        known = values[:, column] >= 0
        labels.append(_logistic(vectors[known], values[known, column], weights[known, column], decays))
    return [tuple(np.concatenate(parts) for parts in zip(*layers, strict=True)) for layers in zip(*labels, strict=True)]


def _logistic(vectors: Floats, codes: NDArray[np.int64], weights: Floats, decays: Sequence[float]) -> list[Layer]:
    # Imported here: scikit-learn takes a second, for which help and errors must not wait.
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    learner = LogisticRegression(warm_start=True, max_iter=_STEPS)
    layers = []
    with warnings.catch_warnings():
        # A head that is stopped early is one with a little more weight decay; validation judges it as it is.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for decay in decays:
            learner.set_params(C=1 / (decay * weights.sum())).fit(vectors, codes, weights)
            layers.append((learner.coef_.copy(), learner.intercept_.copy()))
    return layers
