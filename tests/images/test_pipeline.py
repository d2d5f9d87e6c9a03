"""Input pipelines: seeded, complete, and the same wherever training resumes."""

import threading

import numpy as np
import pytest
from PIL import Image

from fashion_keras.images.augment import get_augmentation
from fashion_keras.images.pipeline import Examples, for_inference, for_training, prefetch
from fashion_keras.images.raster import ImageError
from fashion_keras.images.spec import ImageSpec

SPEC = ImageSpec(8, 6)


@pytest.fixture
def examples():
    images = np.random.default_rng(0).integers(0, 256, (10, 8, 6, 3), np.uint8)
    return Examples(list(images), np.eye(3, dtype=np.float32)[np.arange(10) % 3])


def order(epoch):
    return np.random.default_rng(int(epoch)).permutation(10)


def batches(examples, epochs, name="default", seed=0, cache=False):
    data = for_training(examples, SPEC, get_augmentation(name), order, epochs, 4, seed, cache)
    return [tuple(part.numpy() for part in batch) for batch in data]


def test_for_training_yields_every_row_once_in_its_order(examples):
    epoch = batches(examples, range(1), "none")
    assert [len(batch[0]) for batch in epoch] == [4, 4, 2]
    pixels, targets = (np.concatenate(parts) for parts in zip(*epoch, strict=True))
    np.testing.assert_array_equal(pixels, np.stack(examples.images)[order(0)])
    np.testing.assert_array_equal(targets, examples.targets[order(0)])
    assert pixels.dtype == np.float32


def test_for_training_resumes_at_any_epoch(examples):
    both, second = batches(examples, range(2)), batches(examples, range(1, 2))
    for first, again in zip(both[3:], second, strict=True):
        for expected, resumed in zip(first, again, strict=True):
            np.testing.assert_array_equal(resumed, expected)


def test_for_training_varies_with_seed_and_epoch(examples):
    base = batches(examples, range(1))[0][0]
    assert (batches(examples, range(1), seed=1)[0][0] != base).any()
    same_rows = for_training(
        examples, SPEC, get_augmentation("default"), lambda _: np.arange(10), range(2), 10
    ).as_numpy_iterator()
    assert (next(same_rows)[0] != next(same_rows)[0]).any()


def test_for_training_from_cached_files_is_the_same(examples, tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_KERAS_CACHE", str(tmp_path / "cache"))
    paths = [tmp_path / f"{row}.png" for row in range(10)]
    for path, pixels in zip(paths, examples.images, strict=True):
        Image.fromarray(pixels).save(path)
    files = Examples(paths, examples.targets)
    for plain, cached in zip(batches(examples, range(2)), batches(files, range(2), cache=True), strict=True):
        np.testing.assert_array_equal(plain[0], cached[0])
    assert list((tmp_path / "cache" / "resized").iterdir())


def test_for_inference_yields_every_image_once_tail_included(examples):
    inferred = list(for_inference(examples.images, SPEC, batch_size=4))
    assert [len(batch) for batch in inferred] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate(inferred), np.stack(examples.images))
    assert inferred[0].dtype == np.float32


def test_for_inference_raises_the_error_of_a_bad_image():
    with pytest.raises(ImageError, match="empty file"):
        list(for_inference([b""], SPEC))


def counted(items, seen, error=None):
    for item in items:
        seen.append(item)
        yield item
    if error:
        raise error


def test_prefetch_yields_every_item_none_included():
    assert list(prefetch(iter([1, None, 2]))) == [1, None, 2]
    assert list(prefetch(iter(()))) == []


def test_prefetch_raises_what_its_source_raises_after_the_items_before():
    seen = []
    with pytest.raises(MemoryError, match="no room"):
        for item in prefetch(counted(range(3), [], MemoryError("no room"))):
            seen.append(item)
    assert seen == [0, 1, 2]


def test_prefetch_is_one_item_ahead_and_ends_its_thread_with_its_caller():
    seen, threads = [], threading.active_count()
    items = prefetch(counted(range(10), seen))
    assert next(items) == 0
    items.close()
    assert seen in ([0], [0, 1])
    assert threading.active_count() == threads
