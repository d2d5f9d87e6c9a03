"""Balance: what each class counts, and which rows an epoch has."""

import numpy as np
import pytest

from fashion_keras.support.errors import InputError
from fashion_keras.training.balance import class_weights, epoch_rows, smote

CODES = np.array([0] * 6 + [1] * 3 + [2])


def test_class_weights_by_hand():
    # n / (k * count) = 10 / (3 * 6), 10 / (3 * 3), 10 / (3 * 1)
    np.testing.assert_allclose(class_weights(CODES, 3), [10 / 18, 10 / 9, 10 / 3], rtol=1e-6)


def test_class_weights_have_a_mean_of_1_over_rows():
    assert class_weights(CODES, 3)[CODES].mean() == np.float32(1)


def test_epoch_rows_has_every_row_once_in_another_order_each_epoch():
    first, second = (epoch_rows(CODES, "none", 5, epoch) for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(10))
    assert first.tolist() != second.tolist()
    assert epoch_rows(CODES, "none", 5, 0).tolist() == first.tolist()


def test_epoch_rows_oversamples_to_the_largest_class():
    rows = epoch_rows(CODES, "oversample", 0, 0)
    assert np.bincount(CODES[rows]).tolist() == [6, 6, 6]
    assert set(rows) == set(range(10))


def test_epoch_rows_undersamples_to_the_smallest_class():
    rows = epoch_rows(CODES, "undersample", 0, 0)
    assert np.bincount(CODES[rows]).tolist() == [1, 1, 1]
    assert len({tuple(sorted(epoch_rows(CODES, "undersample", 0, epoch))) for epoch in range(9)}) > 1


def test_smote_adds_features_between_those_of_a_class():
    codes = np.array([0] * 6 + [1] * 2)
    plain = np.concatenate([np.zeros((6, 2)), [[1.0, 3.0], [2.0, 5.0]]]).astype(np.float32)
    views, balanced = smote(np.stack([plain, plain + 10]), codes, seed=0)
    assert np.bincount(balanced).tolist() == [6, 6]
    np.testing.assert_array_equal(views[:, :8], np.stack([plain, plain + 10]))
    for view, offset in zip(views, (0, 10), strict=True):
        added = view[8:] - offset
        assert (balanced[8:] == 1).all()
        # On the line from (1, 3) to (2, 5).
        np.testing.assert_allclose(added[:, 1], 2 * added[:, 0] + 1, rtol=1e-5)
        assert ((added[:, 0] >= 1) & (added[:, 0] <= 2)).all()


def test_smote_refuses_a_class_of_one_row():
    with pytest.raises(InputError, match="two training images in every class"):
        smote(np.zeros((1, 4, 2), np.float32), np.array([0, 0, 0, 1]), seed=0)
