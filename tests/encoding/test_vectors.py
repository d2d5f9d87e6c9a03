"""The cache of vectors: nothing is encoded twice, and nothing is lost or torn when it is killed."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from fashion_keras.encoding.encoder import Encoder
from fashion_keras.encoding.vectors import View, clear, encode, stored
from fashion_keras.images.decode import ImageSpec, decode_batch

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


def expected(paths):
    return Counting()(decode_batch(paths, SPEC).astype(np.float32))


def test_vectors_are_what_the_network_says(encoder, paths):
    np.testing.assert_array_equal(encode(paths, encoder), expected(paths))


def test_nothing_is_encoded_twice(encoder, paths):
    encode(paths, encoder)
    encode(paths[::-1], encoder)
    assert encoder.forward.seen == 20
    np.testing.assert_array_equal(encode(paths[::-1], encoder), expected(paths)[::-1])


def test_only_new_and_changed_images_are_encoded(encoder, paths, tmp_path):
    encode(paths, encoder)
    picture(paths[3], seed=300)
    picture(paths[7], seed=700)
    later = paths[:18] + [picture(tmp_path / f"new{number}.png", 100 + number) for number in range(5)]
    np.testing.assert_array_equal(encode(later, encoder), expected(later))
    assert encoder.forward.seen == 20 + 2 + 5


def test_another_network_has_vectors_of_its_own(encoder, paths):
    encode(paths, encoder)
    other = Encoder("tiny", SPEC, Counting(), "tensorflow", "float32", "tiny-2")
    encode(paths, other)
    assert other.forward.seen == 20


def test_a_segment_that_was_not_finished_does_not_count(encoder, paths, tmp_path):
    encode(paths, encoder)
    for path in (tmp_path / "cache").rglob("*.json"):
        if path.name != "about.json":
            path.unlink()
    np.testing.assert_array_equal(encode(paths, encoder), expected(paths))
    assert encoder.forward.seen == 40


def test_views_are_kept_apart_and_know_their_place(encoder, paths):
    view = View("brighter", "brighter with its place", lambda pixels, place: np.minimum(pixels + place + 1, 255))
    changed = encode(paths, encoder, view)
    assert (changed >= encode(paths, encoder)).all()
    assert (changed != encode(paths, encoder)).any()
    encode(paths, encoder, view)
    assert encoder.forward.seen == 40


def test_the_cache_can_be_listed_and_cleared(encoder, paths):
    encode(paths, encoder)
    (entry,) = stored()
    assert (entry["network"], entry["vectors"], entry["view"]) == ("tiny", 20, "plain")
    assert clear() == entry["bytes"] > 0
    assert stored() == []


SLOWLY = """
import sys, time, numpy as np
from pathlib import Path
from fashion_keras.encoding import vectors
from fashion_keras.encoding.encoder import Encoder
from fashion_keras.images.decode import ImageSpec
vectors._SEGMENT = vectors._BATCH = 2
def forward(pixels):
    time.sleep(float(sys.argv[2]))
    return np.concatenate([pixels.mean(axis=(1, 2)), pixels[:, 0, 0]], axis=1)
print('ready', flush=True)
paths = sorted(map(str, Path(sys.argv[1]).glob('*.png')))
values = vectors.encode(paths, Encoder('tiny', ImageSpec(8, 6), forward, 'tensorflow', 'float32', 'tiny-1'))
sys.stdout.buffer.write(values.tobytes())
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
