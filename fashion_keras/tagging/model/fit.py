"""Head fitting: logistic regression with weight decay on frozen features, then calibration.

Weight decay and temperature are chosen on selection products alone, thresholds on proof products: so the order in which
thresholds are tested on the latter is fixed before a label is used.
"""

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fashion_keras.evaluation.metrics.calibration import fit_temperature, temperature_loss
from fashion_keras.evaluation.metrics.selective_prediction import (
    min_samples,
    select_label_thresholds,
    select_pooled_threshold,
)
from fashion_keras.tagging.model.heads import Features, Floats, LinearHead
from fashion_keras.tagging.model.labels import AttributeLabels, Integers, Values

HARD_NEGATIVE_SHARE, HARD_NEGATIVE_WEIGHT = 0.25, 3.0
MIN_PROBABILITY = 0.5
_MAX_STEPS = 500
_OWN_THRESHOLD = 4  # times `min_samples`: predictions of a label that gets a threshold of its own
_PRIOR_ERRORS = 1  # n correct predictions of n then give a confidence of n / (n + 1), not of 1

Layer = tuple[Floats, Floats]


def hard_negative_weights(features: Features, values: Values) -> Floats:
    """Return sample weights [n, t]: how much each training product counts for the validator of each product type.

    The quarter of a type's negatives whose features [n, d] have the largest cosine with the type's mean are its hard
    negatives and count three times: of a shoe, sandals rather than watches. `values` [n, t] are 1, 0 or -1.
    """
    lengths = np.maximum(np.linalg.norm(features, axis=1), 1e-12)
    weights = np.ones(values.shape)
    for column, type_values in enumerate(values.T):
        negatives = np.flatnonzero(type_values == 0)
        similarity = features[negatives] @ features[type_values == 1].mean(axis=0) / lengths[negatives]
        nearest = np.argsort(-similarity, kind="stable")[: round(HARD_NEGATIVE_SHARE * len(negatives))]
        weights[negatives[nearest], column] = HARD_NEGATIVE_WEIGHT
    return weights


def fit_heads(
    labels: AttributeLabels, features: Features, decays: Sequence[float], sample_weights: Floats | None = None
) -> list[LinearHead]:
    """Return one head per weight decay, fitted to training products; their thresholds are still infinite.

    The loss is the mean of -log p over the products with a known label, plus half the decay times the sum of the
    squared weights, on features that are shifted and scaled to a mean of 0 and a mean squared length of 1: so a decay
    means the same for every encoder.

    Args:
        labels, features [n, d]: of n training products.
        decays: the strongest first; each head starts from the one before.
        sample_weights [n, k]: how much each product counts for each label of a multi-valued attribute.
    """
    mean = features.mean(axis=0, dtype=np.float64)
    centered = features - mean
    scale = max(np.sqrt(np.mean(np.sum(centered**2, axis=1))), 1e-12)
    if labels.kind == "single":
        known = (labels.values == 1).any(axis=1)
        layers = _softmax(centered[known] / scale, labels.values[known].argmax(axis=1), decays)
    else:
        sample_weights = np.ones(labels.values.shape) if sample_weights is None else sample_weights
        layers = _sigmoids(centered / scale, labels.values, sample_weights, decays)
    names = (labels.name, labels.kind, labels.classes, labels.applies_to)
    heads = []
    for decay, (weights, bias) in zip(decays, layers, strict=True):
        layer = (weights / scale).astype(np.float32), (bias - weights @ mean / scale).astype(np.float32)
        heads.append(LinearHead(*names, *layer, decay, 1.0, np.full(len(labels.classes), np.inf)))
    return heads


def select_head(heads: Sequence[LinearHead], features: Features, values: Values) -> LinearHead:
    """Return the head with the least calibrated loss, with its temperature; the first where nothing is known.

    The temperature is fitted to the predictions that are used: the top label of a softmax, each label of sigmoids.
    `heads` differ in weight decay; `features` [n, d] and `values` [n, k] are of n >= 0 products.
    """
    known, targets = values >= 0, values == 1
    if not known.any():
        return replace(heads[0], temperature=1.0)
    losses, fitted = [], []
    for head in heads:
        cells = head.logits(features), targets, known
        objective = "top_label" if head.kind == "single" else "sigmoid"
        temperature = fit_temperature(*cells, objective, _PRIOR_ERRORS)
        fitted.append(replace(head, temperature=temperature))
        losses.append(temperature_loss(temperature, *cells, objective, _PRIOR_ERRORS))
    return fitted[int(np.argmin(losses))]


def calibrate(
    heads: Sequence[LinearHead],
    features: Features,
    values: Values,
    selection: Integers,
    proof: Integers,
    target_precision: float,
    pooled: bool = False,
) -> LinearHead:
    """Return the head that `select_head` takes, with the thresholds that `select_thresholds` finds.

    `selection` and `proof` are the rows of features [n, d] and values [n, k] for the one and for the other; without a
    row the head never predicts a label.
    """
    head = select_head(heads, features[selection], values[selection])
    probabilities = head.probabilities(head.logits(features[proof]))
    return replace(head, thresholds=select_thresholds(head, probabilities, values[proof], target_precision, pooled))


def select_thresholds(
    head: LinearHead, probabilities: Floats, values: Values, target_precision: float, pooled: bool = False
) -> Floats:
    """Return [k]: the lowest probability at which each label reaches the target precision; infinite where none does.

    Each label has its own threshold (see `select_threshold`), and its own chance of 5 % to miss the target. Labels that
    are predicted fewer than four times `min_samples` times, too few to show it beside an error or two, share one, at
    which they reach the target together; so do all labels if `pooled`. A label with a probability below 0.5 is never
    predicted. `probabilities` and `values` (1, 0, or -1 for not known) are [n, k], of products that head and
    temperature were not chosen on.
    """
    known, positive = (values >= 0) & head.candidates(probabilities), values == 1
    if not known.any():
        return np.full(len(head.classes), np.inf)
    own = select_label_thresholds(probabilities, positive, known, target_precision)
    lowest = np.array([label.threshold for label in own])
    likely = (known & (probabilities >= MIN_PROBABILITY)).sum(axis=0)
    shared = (likely < _OWN_THRESHOLD * min_samples(target_precision)) | pooled
    if shared.any():
        pool = select_pooled_threshold(probabilities, positive, known, shared, target_precision)
        lowest[shared] = pool.threshold
    return np.maximum(lowest, MIN_PROBABILITY)


def _softmax(features: Floats, codes: Integers, decays: Sequence[float]) -> list[Layer]:
    layers = _logistic(features, codes, np.ones(len(codes)), decays)
    if len(layers[0][0]) > 1:
        return layers
    # Two classes have a single row, the logit of the second: half of it for that class, half against the first.
    return [(np.vstack([-row, row]) / 2, np.append(-bias, bias) / 2) for row, bias in layers]


def _sigmoids(features: Floats, values: Values, weights: Floats, decays: Sequence[float]) -> list[Layer]:
    columns = []
    for labels, label_weights in zip(values.T, weights.T, strict=True):
        known = labels >= 0
        columns.append(_logistic(features[known], labels[known], label_weights[known], decays))
    return [tuple(map(np.concatenate, zip(*layers, strict=True))) for layers in zip(*columns, strict=True)]


def _logistic(features: Floats, codes: Integers, weights: Floats, decays: Sequence[float]) -> list[Layer]:
    # Imported here: scikit-learn takes a second, for which help and errors must not wait.
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    regression = LogisticRegression(warm_start=True, max_iter=_MAX_STEPS)
    layers = []
    with warnings.catch_warnings():
        # A fit that stops early acts like a little more weight decay; validation scores it as it is.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for decay in decays:
            regression.set_params(C=1 / (decay * weights.sum())).fit(features, codes, weights)
            layers.append((regression.coef_.copy(), regression.intercept_.copy()))
    return layers
