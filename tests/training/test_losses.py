"""Losses of metric learning, against arithmetic done by hand and against loops written from the papers' formulas."""

from math import acos, cos, exp, log

import numpy as np
import pytest

from fashion_keras.training.losses import (
    additive_angular_margin,
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
    said = numbers(supervised_contrastive(unit([1, 0], [1, 0], [0, 1]), np.array([0, 0, 1]), temperature=0.5))
    expected = -log(exp(2) / (exp(2) + exp(0)))
    np.testing.assert_allclose(said, [expected, expected, 0], rtol=1e-5)


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
    said = numbers(semi_hard_triplet(vectors, np.array([0, 0, 1, 2, 3]), margin=0.2))
    assert said[0] == pytest.approx(0.4 - 0.5 + 0.2, abs=1e-5)
    # No second image of their class.
    np.testing.assert_array_equal(said[2:], 0)


def test_triplet_takes_the_farthest_where_no_negative_is_farther():
    angles = np.arccos(1 - np.array([0, 1.0, 0.2, 0.5]) / 2)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    said = numbers(semi_hard_triplet(vectors, np.array([0, 0, 1, 1]), margin=0.2))
    assert said[0] == pytest.approx(1.0 - 0.5 + 0.2, abs=1e-5)


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


def test_arcface_adds_the_margin_to_the_angle_of_the_target():
    said = numbers(additive_angular_margin(np.float32([[0.8, 0.3]]), np.float32([[1, 0]]), margin=0.5, scale=4))
    target = cos(acos(0.8) + 0.5)
    assert said[0] == pytest.approx(-log(exp(4 * target) / (exp(4 * target) + exp(4 * 0.3))), abs=1e-5)


def test_arcface_without_margin_is_a_softmax_of_cosines():
    said = numbers(additive_angular_margin(np.float32([[0.8, 0.3]]), np.float32([[0, 1]]), margin=0.0, scale=2))
    assert said[0] == pytest.approx(-log(exp(0.6) / (exp(1.6) + exp(0.6))), abs=1e-4)


def test_arcface_falls_on_where_the_angle_would_exceed_half_a_turn():
    cosines = np.float32([[-0.9, 0.0], [-0.95, 0.0], [-1.0, 0.0]])
    losses = numbers(additive_angular_margin(cosines, np.float32([[1, 0]] * 3), margin=0.5, scale=4))
    assert losses[0] < losses[1] < losses[2]


def test_a_row_without_a_known_label_costs_nothing():
    assert numbers(additive_angular_margin(np.float32([[0.8, 0.3]]), np.float32([[0, 0]])))[0] == 0


def test_smoothing_keeps_what_is_unknown_unknown():
    np.testing.assert_allclose(
        numbers(smooth_labels(np.float32([[1, 0], [0, 0]]), 0.1)), [[0.95, 0.05], [0, 0]], rtol=1e-6
    )


def test_groups_of_columns():
    first, second = split_groups(np.arange(10).reshape(2, 5), (2, 3))
    assert numbers(first).tolist() == [[0, 1], [5, 6]]
    assert numbers(second).tolist() == [[2, 3, 4], [7, 8, 9]]
