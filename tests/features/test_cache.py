"""The cache of vectors: nothing is encoded twice, and nothing is lost or torn when it is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion_keras.catalog.readers import Catalog
from fashion_keras.features.cache import AugmentedView, LazyArray, clear_cache, encode, list_cache
from fashion_keras.features.encoder import Encoder
from fashion_keras.images.decode import ImageSpec, decode_batch
from fashion_keras.support.errors import InputError

SPEC = ImageSpec(8, 6)


class Counting:
    """A tiny encoder's forward pass, the mean colour and the corner, that counts what it sees."""

    def __init__(self):
        self.seen = 0

    def __call__(self, pixels):
        self.seen += len(pixels)
        return np.concatenate([pixels.mean(axis=(1, 2)), pixels[:, 0, 0]], axis=1)


@pytest.fixture
def encoder(tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_KERAS_CACHE", str(tmp_path / "cache"))
    return Encoder("tiny", SPEC, Counting(), "tensorflow", "float32", "tiny-1")


def picture(path, seed):
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 6, 3), np.uint8)).save(path)
    return str(path)


@pytest.fixture
def paths(tmp_path):
    return [picture(tmp_path / f"{number}.png", number) for number in range(20)]


def catalog(paths):
    return Catalog(Path(), np.arange(len(paths)) + 100, np.array(paths), {}, np.arange(len(paths)), (), len(paths))


def expected(paths):
    return Counting()(decode_batch(paths, SPEC).astype(np.float32))


def test_vectors_are_what_the_network_says_of_each_product(encoder, paths):
    vectors = encode(catalog(paths), encoder)
    np.testing.assert_array_equal(vectors.values, expected(paths))
    np.testing.assert_array_equal(vectors.ids, np.arange(20) + 100)
    assert vectors.values.shape == (20, 6)
    assert not vectors.unit_norm


def test_rows_read_like_an_array():
    array = np.arange(24, dtype=np.float32).reshape(2, 6, 2)
    segments = [array.reshape(12, 2)[:5], array.reshape(12, 2)[5:].astype(np.float16)]
    places = np.array([[(0, row) if row < 5 else (1, row - 5) for row in part] for part in np.arange(12).reshape(2, 6)])
    rows = LazyArray(segments, places)
    assert rows.shape == array.shape
    assert len(rows) == 2
    for index in (0, -1, slice(1, 2), [1, 0, 1], (np.array([0, 1, 1]), np.array([5, 0, 5])), (1, slice(2, 4))):
        np.testing.assert_array_equal(rows[index], array[index])
        assert rows[index].dtype == np.float32
    np.testing.assert_array_equal(np.asarray(rows), array)
    np.testing.assert_array_equal(LazyArray.stack([rows, rows]), np.stack([array, array]))


def test_nothing_is_encoded_twice(encoder, paths):
    assert encode(catalog(paths), encoder).encoded == 20
    again = encode(catalog(paths[::-1]), encoder)
    assert encoder.forward.seen == 20
    assert again.encoded == 0
    np.testing.assert_array_equal(again.values, expected(paths)[::-1])


def test_products_that_share_an_image_share_its_vector(encoder, paths):
    vectors = encode(catalog(paths[:2] * 3), encoder)
    assert (encoder.forward.seen, len(vectors.values)) == (2, 6)
    np.testing.assert_array_equal(vectors.values, expected(paths[:2] * 3))


def test_only_new_and_changed_images_are_encoded(encoder, tmp_path):
    """A catalogue with 50 new, 20 changed and 10 deleted images re-encodes 70."""
    paths = [picture(tmp_path / f"{number}.png", number) for number in range(300)]
    before = encode(catalog(paths), encoder)
    for number in range(20):
        picture(paths[number], seed=1000 + number)
    later = paths[:290] + [picture(tmp_path / f"new{number}.png", 2000 + number) for number in range(50)]
    after = encode(catalog(later), encoder)
    assert after.encoded == 70
    np.testing.assert_array_equal(after.values, expected(later))
    assert after.fingerprint != before.fingerprint
    assert encode(catalog(later), encoder).fingerprint == after.fingerprint


def test_another_network_has_vectors_of_its_own(encoder, paths):
    encode(catalog(paths), encoder)
    other = Encoder("tiny", SPEC, Counting(), "tensorflow", "float32", "tiny-2")
    encode(catalog(paths), other)
    assert other.forward.seen == 20


def test_float16_takes_half_the_disk_and_steps_back_where_it_cannot_hold_a_value(encoder, paths):
    half = Encoder("tiny", SPEC, Counting(), "tensorflow", "float32", "tiny-half", storage="float16")
    np.testing.assert_allclose(encode(catalog(paths), half).values, expected(paths), rtol=1e-3)
    large = Encoder("tiny", SPEC, lambda pixels: pixels.sum((2, 3)) * 100, "tensorflow", "float32", "l", "float16")
    values = np.asarray(encode(catalog(paths), large).values)
    assert np.isfinite(values).all()
    assert values.max() > 65504


def test_a_segment_that_was_not_finished_does_not_count(encoder, paths, tmp_path):
    encode(catalog(paths), encoder)
    for path in (tmp_path / "cache").rglob("*.json"):
        if path.name != "about.json":
            path.unlink()
    np.testing.assert_array_equal(encode(catalog(paths), encoder).values, expected(paths))
    assert encoder.forward.seen == 40


def test_a_manifest_that_was_being_written_does_not_count(encoder, paths, tmp_path):
    encode(catalog(paths), encoder)
    (manifest,) = (path for path in (tmp_path / "cache").rglob("*.json") if path.name != "about.json")
    manifest.rename(manifest.with_name(f".123.{manifest.name}")).write_text('["half')
    np.testing.assert_array_equal(encode(catalog(paths), encoder).values, expected(paths))


def test_views_are_kept_apart_and_grow_with_the_catalogue(encoder, paths):
    def brighter(pixels, names):
        return np.minimum(pixels + np.array([len(name) for name in names])[:, None, None, None], 255)

    view = AugmentedView("brighter", "brighter by the length of the name", brighter)
    plain, first = encode(catalog(paths), encoder), encode(catalog(paths[:15]), encoder, view)
    changed = encode(catalog(paths), encoder, view)
    assert (first.encoded, changed.encoded) == (15, 5)
    assert (np.asarray(changed.values) >= plain.values).all()
    assert (np.asarray(changed.values) != plain.values).any()
    assert changed.fingerprint != plain.fingerprint


@pytest.mark.parametrize("harm", [b"", b"no array", None])
def test_a_damaged_segment_is_named(encoder, paths, tmp_path, harm):
    encode(catalog(paths), encoder)
    (segment,) = (tmp_path / "cache").rglob("*.npy")
    segment.write_bytes(segment.read_bytes()[:-8] if harm is None else harm)
    with pytest.raises(InputError, match=rf"{segment.name}: damaged.*features rm"):
        encode(catalog(paths), encoder)


def test_the_cache_can_be_listed_and_cleared(encoder, paths):
    encode(catalog(paths), encoder)
    (entry,) = list_cache()
    assert (entry["network"], entry["vectors"], entry["view"]) == ("tiny", 20, "plain")
    assert clear_cache() == entry["bytes"] > 0
    assert list_cache() == []


SLOWLY = """
import sys, time, numpy as np
from pathlib import Path
from fashion_keras.catalog.readers import Catalog
from fashion_keras.features import vectors
from fashion_keras.catalog.readers import Catalog
from fashion_keras.features.encoder import Encoder
from fashion_keras.images.decode import ImageSpec
vectors._SEGMENT = 2
def forward(pixels):
    time.sleep(float(sys.argv[2]))
    return np.concatenate([pixels.mean(axis=(1, 2)), pixels[:, 0, 0]], axis=1)
print('ready', flush=True)
paths = sorted(map(str, Path(sys.argv[1]).glob('*.png')))
count = np.arange(len(paths))
catalog = Catalog(Path(), count, np.array(paths), {}, count, (), len(paths))
said = vectors.encode(catalog, Encoder('tiny', ImageSpec(8, 6), forward, 'tensorflow', 'float32', 'tiny-1'))
sys.stdout.buffer.write(np.asarray(said.values).tobytes())
"""


@pytest.mark.slow
def test_killed_ten_times_at_random_moments_it_ends_with_the_same_bytes(encoder, paths, tmp_path):
    random = np.random.default_rng(0)
    for _ in range(10):
        process = subprocess.Popen([sys.executable, "-c", SLOWLY, tmp_path, "0.05"], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(random.uniform(0, 0.4))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    result = subprocess.run([sys.executable, "-c", SLOWLY, tmp_path, "0"], stdout=subprocess.PIPE, check=True)
    assert result.stdout.removeprefix(b"ready\n") == expected(sorted(paths)).tobytes()
