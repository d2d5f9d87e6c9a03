"""Head fitting: what heads and validators predict, and which products they are fitted to."""

import numpy as np
import pytest

from fashion_keras.tagging.model.fit import HARD_NEGATIVE_WEIGHT, fit_heads, hard_negative_weights
from fashion_keras.tagging.model.labels import AttributeLabels

DECAYS = (1e-1, 1e-3)


def attribute_labels(values, kind="multi"):
    values = np.array(values, np.int8)
    names = tuple("abcdefgh"[: values.shape[1]])
    return AttributeLabels("colour", kind, names, ("shoe",), values, np.ones(len(values), bool))


def corners(count, classes, seed=0):
    """Codes [n] and features [n, classes] near the corner that each code has."""
    random = np.random.default_rng(seed)
    codes = np.arange(count) % classes
    return codes, (np.eye(classes)[codes] + random.normal(0, 0.1, (count, classes))).astype(np.float32)


@pytest.mark.parametrize("classes", [2, 4])
def test_fit_heads_fits_a_softmax_to_known_labels(classes):
    codes, features = corners(80, classes)
    values = np.eye(classes, dtype=np.int8)[codes]
    values[::5] = -1  # not known
    values[1::5] = 0  # another label, which is no class
    features[::5] = features[1::5] = 9
    (head,) = fit_heads(attribute_labels(values, "single"), features, [1e-4])
    fresh, unseen = corners(40, classes, seed=1)
    assert (head.logits(unseen).argmax(axis=1) == fresh).all()
    np.testing.assert_allclose(head.probabilities(head.logits(unseen)).sum(axis=1), 1)


def test_fit_heads_fits_each_sigmoid_to_its_known_cells():
    codes, features = corners(90, 3)
    values = np.eye(3, dtype=np.int8)[codes]
    values[:, 2] = np.where(np.arange(90) < 60, values[:, 0] | values[:, 1], -1)
    head = fit_heads(attribute_labels(values), features, DECAYS)[-1]
    fresh, unseen = corners(30, 3, seed=1)
    predicted = head.logits(unseen) > 0
    np.testing.assert_array_equal(predicted, np.stack([fresh == 0, fresh == 1, fresh < 2], axis=1))


def test_weight_decay_shrinks_weights_and_confidence():
    codes, features = corners(60, 3)
    strong, weak = fit_heads(attribute_labels(np.eye(3, dtype=np.int8)[codes], "single"), features, DECAYS)
    assert (strong.weight_decay, weak.weight_decay) == DECAYS
    assert np.abs(strong.weights).max() < np.abs(weak.weights).max() / 2
    means = [head.probabilities(head.logits(features)).max(axis=1).mean() for head in (strong, weak)]
    assert means[0] < means[1] - 0.2


def test_fit_heads_penalizes_the_mean_loss():
    """Twice the same products give equal heads."""
    codes, features = corners(40, 2)
    values = np.eye(2, dtype=np.int8)[codes]
    (once,) = fit_heads(attribute_labels(values), features, [1e-2])
    (twice,) = fit_heads(attribute_labels(np.tile(values, (2, 1))), np.tile(features, (2, 1)), [1e-2])
    np.testing.assert_allclose(once.weights, twice.weights, atol=1e-3)


def test_hard_negative_weights_triple_the_most_similar_quarter_of_the_negatives():
    angles = np.radians([0, 5, 10, 20, 30, 40, 60, 80, 100, 120])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    values = np.array([[1], [1]] + [[0]] * 4 + [[-1]] + [[0]] * 3, np.int8)
    weights = hard_negative_weights(features, values)[:, 0]
    assert np.flatnonzero(weights == HARD_NEGATIVE_WEIGHT).tolist() == [2, 3]
    assert (np.delete(weights, [2, 3]) == 1).all()


def test_validator_accepts_less_with_hard_negatives():
    """With them over-represented, it accepts less of what lies between its products and them."""
    random = np.random.default_rng(0)
    positives, negatives = random.normal(1, 0.7, (60, 1)), random.normal(-1, 0.7, (60, 1))
    features = np.hstack(
        [np.vstack([positives, negatives, np.full((180, 1), -0.5)]), np.repeat([[1], [1], [-9]], [60, 60, 180], 0)]
    )
    values = np.repeat([1, 0, 0], [60, 60, 180])[:, None].astype(np.int8)
    features = features.astype(np.float32)
    (plain,) = fit_heads(attribute_labels(values), features, [1e-3])
    (weighted,) = fit_heads(attribute_labels(values), features, [1e-3], hard_negative_weights(features, values))
    between = np.array([[0.0, 1.0]], np.float32)
    assert weighted.logits(between) < plain.logits(between) - 0.5
