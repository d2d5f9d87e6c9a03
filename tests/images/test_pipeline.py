"""Batches: seeded, whole, and the same wherever training begins."""

import numpy as np
import pytest

from fashion_keras.images.augment import get_augmentation
from fashion_keras.images.decode import ImageError, ImageSpec
from fashion_keras.images.pipeline import Examples, for_inference, for_training

SPEC = ImageSpec(8, 6)


@pytest.fixture
def examples():
    pictures = np.random.default_rng(0).integers(0, 256, (10, 8, 6, 3), np.uint8)
    return Examples(list(pictures), np.eye(3, dtype=np.float32)[np.arange(10) % 3])


def order(epoch):
    return np.random.default_rng(int(epoch)).permutation(10)


def batches(examples, epochs, name="default", seed=0, cache=False):
    data = for_training(examples, SPEC, get_augmentation(name), order, epochs, 4, seed, cache)
    return [tuple(part.numpy() for part in batch) for batch in data]


def test_an_epoch_holds_every_row_once_in_its_order(examples):
    found = batches(examples, range(1), "none")
    assert [len(batch[0]) for batch in found] == [4, 4, 2]
    pixels, targets = (np.concatenate(parts) for parts in zip(*found, strict=True))
    np.testing.assert_array_equal(pixels, np.stack(examples.images)[order(0)])
    np.testing.assert_array_equal(targets, np.eye(3)[examples.codes[order(0)]])
    assert pixels.dtype == np.float32


def test_training_can_go_on_at_any_epoch(examples):
    both, second = batches(examples, range(2)), batches(examples, range(1, 2))
    for first, again in zip(both[3:], second, strict=True):
        for one, other in zip(first, again, strict=True):
            np.testing.assert_array_equal(one, other)


def test_seed_and_epoch_change_the_views(examples):
    base = batches(examples, range(1))[0][0]
    assert (batches(examples, range(1), seed=1)[0][0] != base).any()
    same_rows = for_training(
        examples, SPEC, get_augmentation("default"), lambda _: np.arange(10), range(2), 10
    ).as_numpy_iterator()
    assert (next(same_rows)[0] != next(same_rows)[0]).any()


def test_cached_pixels_are_the_same(examples):
    for plain, cached in zip(batches(examples, range(2)), batches(examples, range(2), cache=True), strict=True):
        np.testing.assert_array_equal(plain[0], cached[0])


def test_inference_sees_every_image_once_tail_included(examples):
    found = list(for_inference(examples.images, SPEC, batch_size=4))
    assert [len(batch) for batch in found] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate(found), np.stack(examples.images))
    assert found[0].dtype == np.float32


def test_a_bad_image_is_an_image_error():
    with pytest.raises(ImageError, match="empty file"):
        list(for_inference([b""], SPEC))
