"""Loss and accuracy of several heads, against arithmetic done by hand."""

from dataclasses import replace
from math import log

import keras
import numpy as np
import pytest

from fashion_keras.catalog.label_groups import LabelGroup
from fashion_keras.training.balance import label_weights
from fashion_keras.training.losses import GroupAccuracy, multihead_loss

KIND = LabelGroup("kind", "single", ("a", "b"), (("a",), ("b",)))
MARKS = LabelGroup("marks", "multi", ("x", "y"), (("x",), ("y",)), "sigmoid")
GROUPS = (KIND, MARKS)
# Softmax 3/4 and 1/4; sigmoid 1/2 and 3/4.
LOGITS = np.array([[log(3), 0, 0, log(3)]], np.float32)
EVEN = np.ones(4, np.float32)


def loss(targets, groups=GROUPS, weights=EVEN, logits=LOGITS, smoothing=0.0):
    targets = np.array(targets)
    logits = np.broadcast_to(logits, (len(targets), logits.shape[1]))
    values = multihead_loss(
        keras.ops.convert_to_tensor(targets), keras.ops.convert_to_tensor(logits), groups, weights, smoothing
    )
    return keras.ops.convert_to_numpy(values)


def test_multihead_loss_is_the_cross_entropy_of_a_single_valued_group():
    values = loss([[0, 0, 1], [1, 1, 0]])
    expected = [-log(3 / 4) - log(1 / 2) - log(3 / 4), -log(1 / 4) - log(1 / 2) - log(1 / 4)]
    np.testing.assert_allclose(values, np.array(expected) / 2, rtol=1e-6)


def test_multihead_loss_masks_unknown_labels():
    values = loss([[-1, -1, -1], [-1, 0, 1], [0, -1, -1], [-1, -1, 1]])
    expected = [0, -log(1 / 2) - log(3 / 4), -log(3 / 4), -log(3 / 4)]
    np.testing.assert_allclose(values, np.array(expected) / 2, rtol=1e-6, atol=1e-7)


def test_multihead_loss_has_no_gradient_of_unknown_labels():
    import tensorflow as tf

    logits = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(multihead_loss(tf.constant([[-1, 1, -1]]), logits, GROUPS, EVEN, 0.1))
    gradient = tape.gradient(total, logits).numpy()[0]
    assert gradient[[0, 1, 3]].tolist() == [0, 0, 0]
    assert gradient[2] < 0


def test_multihead_loss_counts_every_known_cell_with_sigmoids():
    groups = (replace(KIND, activation="sigmoid"), MARKS)
    values = loss([[0, 0, 1], [-1, 0, -1]], groups)
    np.testing.assert_allclose(values, [(-2 * log(3 / 4) - 2 * log(1 / 2)) / 2, -log(1 / 2) / 2], rtol=1e-6)


def test_multihead_loss_weights_the_rows_of_a_label():
    weights = np.array([2, 1, 5, 7], np.float32)
    values = loss([[0, 0, 1], [1, 1, 0]], weights=weights)
    expected = [-2 * log(3 / 4) - log(1 / 2) - 7 * log(3 / 4), -log(1 / 4) - 5 * log(1 / 2) - log(1 / 4)]
    np.testing.assert_allclose(values, np.array(expected) / 2, rtol=1e-6)


def test_multihead_loss_smooths_by_hand():
    # 0.9 of the target on class a, 0.1 spread over both: 0.95 and 0.05 of -log 3/4 and -log 1/4.
    weights = np.array([2, 1, 1, 1], np.float32)
    values = loss([[0, -1, -1], [-1, -1, -1]], weights=weights, smoothing=0.1)
    np.testing.assert_allclose(values, [2 * (-0.95 * log(3 / 4) - 0.05 * log(1 / 4)) / 2, 0], rtol=1e-6)


def test_multihead_loss_of_one_task_equals_keras():
    group = (LabelGroup("task", "single", tuple("abc"), tuple((name,) for name in "abc")),)
    logits = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    codes = np.arange(8) % 3
    usual = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1, reduction=None)
    values = loss(codes[:, None], group, np.ones(3, np.float32), logits, smoothing=0.1)
    np.testing.assert_allclose(values, usual(np.eye(3, dtype=np.float32)[codes], logits), rtol=1e-5)


def test_multihead_loss_of_huge_logits_is_finite():
    assert np.isfinite(loss([[0, 0, 1]], logits=np.array([[-1e4, 1e4, 1e4, -1e4]], np.float32))).all()


def test_group_accuracy_is_the_mean_over_groups_of_known_labels():
    metric = GroupAccuracy(GROUPS)
    # kind: right, wrong, not known. marks: 3 of 4 cells right, then one wrong, then nothing known.
    targets = np.array([[0, 1, 0], [1, 1, 0], [-1, -1, -1]])
    logits = np.array([[2, 1, 3, -1], [2, 1, 3, 1], [0, 9, 1, 1]], np.float32)
    metric.update_state(targets[:2], logits[:2])
    assert float(metric.result()) == pytest.approx((1 / 2 + 3 / 4) / 2)
    metric.update_state(targets[2:], logits[2:])
    metric.update_state(np.array([[0, -1, 0]]), np.array([[1, 0, 0, 1]], np.float32))
    assert float(metric.result()) == pytest.approx((2 / 3 + 3 / 5) / 2)
    metric.reset_state()
    metric.update_state(np.array([[0, -1, -1]]), logits[:1])
    assert float(metric.result()) == 1


def test_label_weights_are_larger_for_rare_labels():
    kinds = np.repeat([0, 1], [4, 2])[:, None]
    marks = np.array([[1, 0], [1, 0], [1, 0], [0, -1], [-1, -1], [1, 0]], np.int8)
    # 6 / (2 * 4), 6 / (2 * 2); one without x to four with it; none has y, four have not.
    assert label_weights(GROUPS, np.hstack([kinds, marks])).tolist() == [0.75, 1.5, 0.5, 2.0]
    rare = np.zeros((101, 2), np.int8)
    rare[0, 0] = 1
    rare[:, 1] = 1
    # A label that all have still counts.
    assert label_weights((MARKS,), rare)[0] == 10
    assert label_weights((MARKS,), rare)[1] == pytest.approx(101**-0.5)
