"""Losses of metric learning, against hand arithmetic and loops written from the papers' formulas."""

from math import acos, cos, exp, log

import numpy as np
import pytest

from fashion_keras.training.losses import (
    additive_angular_margin,
    mixed_loss,
    semi_hard_triplet,
    smooth_labels,
    split_groups,
    supervised_contrastive,
)


def unit(*rows):
    values = np.array(rows, np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def numbers(tensor):
    return np.asarray(tensor)


@pytest.fixture
def random_batch():
    random = np.random.default_rng(0)
    return unit(*random.normal(size=(12, 5))), np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 3, -1, -1])


def test_supervised_contrastive_by_hand():
    # Cosines: 0-1 are equal (1), 2 is at a right angle to both (0).
    losses = numbers(supervised_contrastive(unit([1, 0], [1, 0], [0, 1]), np.array([0, 0, 1]), temperature=0.5))
    expected = -log(exp(2) / (exp(2) + exp(0)))
    np.testing.assert_allclose(losses, [expected, expected, 0], rtol=1e-5)


def test_supervised_contrastive_is_the_papers_formula(random_batch):
    vectors, codes = random_batch
    expected = np.zeros(len(codes))
    for i in range(10):
        others = [a for a in range(10) if a != i]
        total = sum(exp(vectors[i] @ vectors[a] / 0.1) for a in others)
        positives = [p for p in others if codes[p] == codes[i]]
        for p in positives:
            expected[i] -= log(exp(vectors[i] @ vectors[p] / 0.1) / total) / len(positives)
    np.testing.assert_allclose(numbers(supervised_contrastive(vectors, codes)), expected, rtol=1e-4, atol=1e-6)


def test_triplet_takes_the_nearest_of_the_farther_negatives():
    # Squared distances from the first: positive 0.4, negatives 0.1 (nearer), 0.5 (semi-hard) and 3.
    angles = np.arccos(1 - np.array([0, 0.4, 0.1, 0.5, 3.0]) / 2)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    losses = numbers(semi_hard_triplet(vectors, np.array([0, 0, 1, 2, 3]), margin=0.2))
    assert losses[0] == pytest.approx(0.4 - 0.5 + 0.2, abs=1e-5)
    # No second image of their class.
    np.testing.assert_array_equal(losses[2:], 0)


def test_triplet_takes_the_farthest_where_no_negative_is_farther():
    angles = np.arccos(1 - np.array([0, 1.0, 0.2, 0.5]) / 2)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    losses = numbers(semi_hard_triplet(vectors, np.array([0, 0, 1, 1]), margin=0.2))
    assert losses[0] == pytest.approx(1.0 - 0.5 + 0.2, abs=1e-5)


def test_triplet_is_the_papers_rule(random_batch):
    vectors, codes = random_batch
    distances = ((vectors[:, None] - vectors) ** 2).sum(axis=2)
    expected = np.zeros(len(codes))
    for a in range(10):
        positives = [p for p in range(10) if p != a and codes[p] == codes[a]]
        negatives = [n for n in range(10) if codes[n] != codes[a]]
        for p in positives:
            farther = [distances[a, n] for n in negatives if distances[a, n] > distances[a, p]]
            chosen = min(farther) if farther else max(distances[a, n] for n in negatives)
            expected[a] += max(distances[a, p] - chosen + 0.2, 0) / len(positives)
    np.testing.assert_allclose(numbers(semi_hard_triplet(vectors, codes)), expected, rtol=1e-4, atol=1e-5)


def dense_angular_margin(cosines, targets, margin, scale):
    """The same from targets [b, k] that add up to 1, or are all 0 where the class is unknown."""
    angles = np.arccos(np.clip(cosines, -1, 1))
    moved = np.where(cosines > -cos(margin), np.cos(angles + margin), cosines - margin * np.sin(margin))
    logits = scale * np.where(targets > 0.5, moved, cosines)
    return -(targets * (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))).sum(axis=1)


def test_angular_margin_is_added_to_the_angle_of_the_target():
    losses = numbers(additive_angular_margin(np.float32([[0.8, 0.3]]), np.array([0]), margin=0.5, scale=4))
    target = cos(acos(0.8) + 0.5)
    assert losses[0] == pytest.approx(-log(exp(4 * target) / (exp(4 * target) + exp(4 * 0.3))), abs=1e-5)


def test_angular_margin_0_is_a_softmax_of_cosines():
    losses = numbers(additive_angular_margin(np.float32([[0.8, 0.3]]), np.array([1]), margin=0.0, scale=2))
    assert losses[0] == pytest.approx(-log(exp(0.6) / (exp(1.6) + exp(0.6))), abs=1e-4)


def test_angular_margin_falls_on_where_the_angle_would_exceed_half_a_turn():
    cosines = np.float32([[-0.9, 0.0], [-0.95, 0.0], [-1.0, 0.0]])
    losses = numbers(additive_angular_margin(cosines, np.zeros(3, np.int64), margin=0.5, scale=4))
    assert losses[0] < losses[1] < losses[2]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_angular_margin_of_codes_equals_that_of_dense_targets(smoothing):
    rng = np.random.default_rng(0)
    cosines, codes = rng.uniform(-0.95, 0.95, (8, 5)).astype(np.float32), np.array([0, 4, 2, -1, 3, 1, 0, -1])
    one_hot = np.eye(6, 5)[codes]
    targets = (1 - smoothing) * one_hot + smoothing * one_hot.mean(axis=1, keepdims=True)
    losses = numbers(additive_angular_margin(cosines, np.float32(codes), 0.3, 16.0, smoothing))
    np.testing.assert_allclose(losses, dense_angular_margin(cosines, targets, 0.3, 16.0), rtol=1e-4, atol=1e-5)
    assert (losses[codes < 0] == 0).all()


def test_smooth_labels_keeps_unknown_rows_at_0():
    np.testing.assert_allclose(
        numbers(smooth_labels(np.float32([[1, 0], [0, 0]]), 0.1)), [[0.95, 0.05], [0, 0]], rtol=1e-6
    )


def test_split_groups_cuts_columns():
    first, second = split_groups(np.arange(10).reshape(2, 5), (2, 3))
    assert numbers(first).tolist() == [[0, 1], [5, 6]]
    assert numbers(second).tolist() == [[2, 3, 4], [7, 8, 9]]


def test_mixed_loss_is_the_cross_entropy_of_shares():
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]], np.float32))
    targets = np.array([[0.6, 0.4, 0.0], [0.0, 0.0, 1.0]], np.float32)
    weights = np.array([1.0, 2.0, 1.0], np.float32)
    # -(0.6 log 0.5 + 0.4 log 0.25) * (0.6 * 1 + 0.4 * 2), and -log 0.7
    expected = [-(0.6 * np.log(0.5) + 0.4 * np.log(0.25)) * 1.4, -np.log(0.7)]
    np.testing.assert_allclose(numbers(mixed_loss(targets, logits, weights)), expected, rtol=1e-5)
