"""Cache of resized images: equal to decoding, used again, bounded, and never in the way."""

import multiprocessing
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from fashion_keras.images import resized_cache
from fashion_keras.images.decode import decode, decode_batch
from fashion_keras.images.raster import ImageError
from fashion_keras.images.resized_cache import ResizedCache
from fashion_keras.images.spec import ImageSpec

SPEC = ImageSpec(16, 12)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_KERAS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def paths(tmp_path):
    names = [str(tmp_path / f"{row}.png") for row in range(10)]
    for row, name in enumerate(names):
        Image.fromarray(np.random.default_rng(row).integers(0, 256, (40, 30, 3), np.uint8)).save(name)
    return names


@pytest.fixture
def decoded(monkeypatch):
    """Paths that were decoded, in order."""
    seen = []

    def recorded(images, spec):
        seen.extend(images)
        return decode_batch(images, spec)

    monkeypatch.setattr(resized_cache, "decode_batch", recorded)
    return seen


def test_cache_decodes_each_image_once_and_gives_its_pixels(paths, decoded):
    rows, expected = np.array([3, 0, 3, 9]), decode_batch(paths, SPEC)
    cache = ResizedCache(paths, SPEC)
    np.testing.assert_array_equal(cache(rows), expected[rows])
    np.testing.assert_array_equal(cache(np.arange(10)), expected)
    assert sorted(set(decoded)) == paths
    decoded.clear()
    np.testing.assert_array_equal(ResizedCache(paths[::-1], SPEC)(np.arange(10)), expected[::-1])
    assert decoded == []


def test_cache_follows_the_content_of_a_file_and_not_its_name(tmp_path, paths, decoded):
    ResizedCache(paths, SPEC)(np.arange(10))
    decoded.clear()
    copy = shutil.copy(paths[0], tmp_path / "copy.jpg")
    Image.new("RGB", (30, 40), "red").save(paths[1])
    pixels = ResizedCache([copy, paths[1]], SPEC)(np.arange(2))
    assert decoded == [paths[1]]
    np.testing.assert_array_equal(pixels, [decode(paths[0], SPEC), np.full((16, 12, 3), (255, 0, 0))])


@pytest.mark.parametrize("other", [ImageSpec(12, 16), ImageSpec(16, 12, "crop"), ImageSpec(16, 12, "pad", "lanczos")])
def test_cache_keeps_sizes_apart(paths, other):
    ResizedCache(paths, SPEC)(np.arange(10))
    np.testing.assert_array_equal(ResizedCache(paths, other)(np.arange(10)), decode_batch(paths, other))


def test_cache_deletes_the_size_that_was_not_used_for_longest(paths, monkeypatch):
    old, new = ResizedCache(paths, ImageSpec(80, 60)), ResizedCache(paths, ImageSpec(64, 48))
    old(np.arange(10))
    new(np.arange(10))
    os.utime(new.file, (1, 1))
    ResizedCache(paths, ImageSpec(64, 48))  # is in use again
    os.utime(old.file, (2, 2))
    monkeypatch.setattr(resized_cache, "MAX_CACHE_BYTES", old.file.stat().st_size + new.file.stat().st_size)
    ResizedCache(paths, SPEC)(np.arange(10))
    assert not old.file.exists()
    assert new.file.exists()


def test_cache_that_is_full_warns_once_and_decodes(paths, monkeypatch, caplog):
    monkeypatch.setattr(resized_cache, "MAX_CACHE_BYTES", 1000)
    cache = ResizedCache(paths, SPEC)
    for _ in range(2):
        np.testing.assert_array_equal(cache(np.arange(10)), decode_batch(paths, SPEC))
    (record,) = caplog.records
    assert f"{cache.file}: full, 0 GiB: other images are decoded in every epoch" in record.message


def test_cache_that_is_no_database_warns_once_and_decodes(paths, caplog):
    cache = ResizedCache(paths, SPEC)
    cache.file.parent.mkdir(parents=True)
    cache.file.write_bytes(b"no database at all" * 100)
    for _ in range(2):
        np.testing.assert_array_equal(cache(np.arange(10)), decode_batch(paths, SPEC))
    (record,) = caplog.records
    assert f"{cache.file}: cannot be used" in record.message


def test_cache_names_an_image_that_cannot_be_used(tmp_path, paths):
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"broken\.jpg: not an image"):
        ResizedCache([*paths, str(tmp_path / "broken.jpg")], SPEC)(np.arange(11))


def fill(paths):
    return int(ResizedCache(paths, SPEC)(np.arange(10)).sum())


def test_cache_is_shared_by_processes(paths):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        sums = pool.map(fill, [paths] * 6)
    assert sums == [int(decode_batch(paths, SPEC).sum())] * 6
