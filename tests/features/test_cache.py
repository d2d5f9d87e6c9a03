"""Feature cache: nothing is encoded twice, and nothing is lost or torn when it is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion_keras.catalog.columns import Columns
from fashion_keras.catalog.readers import Catalog
from fashion_keras.cli import main
from fashion_keras.features import cache
from fashion_keras.features.cache import AugmentedView, clear_cache, encode, list_cache
from fashion_keras.features.encoder import Encoder
from fashion_keras.images.decode import decode_batch
from fashion_keras.images.raster import ImageError
from fashion_keras.images.spec import ImageSpec
from fashion_keras.support.errors import InputError

SPEC = ImageSpec(8, 6)


class Counting:
    """A tiny encoder's forward pass, the mean color and the corner, that counts what it sees."""

    def __init__(self):
        self.seen = 0

    def __call__(self, pixels):
        self.seen += len(pixels)
        return np.concatenate([pixels.mean(axis=(1, 2)), pixels[:, 0, 0]], axis=1)


@pytest.fixture
def encoder(tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_KERAS_CACHE", str(tmp_path / "cache"))
    return Encoder("tiny", SPEC, Counting(), "tensorflow", "float32", "tiny-1")


def write_image(path, seed):
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 6, 3), np.uint8)).save(path)
    return str(path)


@pytest.fixture
def paths(tmp_path):
    return [write_image(tmp_path / f"{row}.png", row) for row in range(20)]


def catalog(paths):
    skus = np.array([str(row + 100) for row in range(len(paths))])
    return Catalog(Path(), skus, skus, np.array(paths), Columns({}), skus, (), len(paths))


def expected(paths):
    return Counting()(decode_batch(paths, SPEC).astype(np.float32))


def test_encode_gives_the_output_of_each_image(encoder, paths):
    features = encode(catalog(paths), encoder)
    np.testing.assert_array_equal(features.values, expected(paths))
    assert features.values.shape == (20, 6)


def test_encode_opens_no_image_twice(encoder, paths):
    assert encode(catalog(paths), encoder).encoded == 20
    again = encode(catalog(paths[::-1]), encoder)
    assert encoder.forward.seen == 20
    assert again.encoded == 0
    np.testing.assert_array_equal(again.values, expected(paths)[::-1])


def test_encode_of_products_that_share_an_image_encodes_it_once(encoder, paths):
    features = encode(catalog(paths[:2] * 3), encoder)
    assert (encoder.forward.seen, len(features.values)) == (2, 6)
    np.testing.assert_array_equal(features.values, expected(paths[:2] * 3))


def test_encode_takes_new_and_changed_images_alone(encoder, tmp_path):
    """A catalog with 50 new, 20 changed and 10 deleted images re-encodes 70."""
    paths = [write_image(tmp_path / f"{row}.png", row) for row in range(300)]
    assert encode(catalog(paths), encoder).encoded == 300
    for row in range(20):
        write_image(paths[row], seed=1000 + row)
    later = paths[:290] + [write_image(tmp_path / f"new{row}.png", 2000 + row) for row in range(50)]
    after = encode(catalog(later), encoder)
    assert after.encoded == 70
    np.testing.assert_array_equal(after.values, expected(later))
    assert encode(catalog(later), encoder).encoded == 0


def test_encode_with_another_network_has_features_of_its_own(encoder, paths):
    encode(catalog(paths), encoder)
    other = Encoder("tiny", SPEC, Counting(), "tensorflow", "float32", "tiny-2")
    encode(catalog(paths), other)
    assert other.forward.seen == 20


def test_encode_in_float16_falls_back_to_float32_where_it_overflows(encoder, paths):
    half = Encoder("tiny", SPEC, Counting(), "tensorflow", "float32", "tiny-half", storage="float16")
    np.testing.assert_allclose(encode(catalog(paths), half).values, expected(paths), rtol=1e-3)
    large = Encoder("tiny", SPEC, lambda pixels: pixels.sum((2, 3)) * 100, "tensorflow", "float32", "l", "float16")
    values = np.asarray(encode(catalog(paths), large).values)
    assert np.isfinite(values).all()
    assert values.max() > 65504


def test_encode_opens_no_image_of_a_cached_catalog(encoder, paths, monkeypatch):
    encode(catalog(paths), encoder)
    monkeypatch.setattr(cache, "decode_batch", lambda *_: pytest.fail("an image was opened"))
    np.testing.assert_array_equal(encode(catalog(paths), encoder).values, expected(paths))


def test_encode_names_an_image_that_is_gone(encoder, paths):
    Path(paths[3]).unlink()
    with pytest.raises(ImageError, match=r"3\.png: no such file"):
        encode(catalog(paths), encoder)


def test_encode_after_a_failure_goes_on_where_it_was_and_leaves_no_thread(encoder, paths, monkeypatch):
    monkeypatch.setattr(cache, "_BATCH", 4)
    threads = set(threading.enumerate())
    broken = Path(paths[13])
    whole = broken.read_bytes()
    broken.write_bytes(b"no image")
    with pytest.raises(ImageError, match="not an image"):
        encode(catalog(paths), encoder)
    assert not [thread for thread in set(threading.enumerate()) - threads if "ThreadPool" not in thread.name]
    seen = encoder.forward.seen
    assert seen >= 8
    broken.write_bytes(whole)
    assert encode(catalog(paths), encoder).encoded == 20 - seen


def test_encode_of_a_view_is_separate_and_grows_with_the_catalog(encoder, paths):
    def brighter(pixels, names):
        return np.minimum(pixels + np.array([len(name) for name in names])[:, None, None, None], 255)

    view = AugmentedView("brighter", "brighter by the length of the name", brighter)
    plain, first = encode(catalog(paths), encoder), encode(catalog(paths[:15]), encoder, view)
    changed = encode(catalog(paths), encoder, view)
    assert (first.encoded, changed.encoded) == (15, 5)
    assert (np.asarray(changed.values) >= plain.values).all()
    assert (np.asarray(changed.values) != plain.values).any()


def test_encode_of_a_view_depends_on_the_version_of_the_augmentation(encoder, paths, monkeypatch):
    view = AugmentedView("same", "same", lambda pixels, names: pixels)
    assert [encode(catalog(paths), encoder, view).encoded for _ in range(2)] == [20, 0]
    monkeypatch.setattr(cache, "AUGMENTATION_VERSION", 99)
    assert encode(catalog(paths), encoder, view).encoded == 20
    assert encode(catalog(paths), encoder).encoded == 20
    monkeypatch.setattr(cache, "DECODING_VERSION", 99)
    assert encode(catalog(paths), encoder).encoded == 20


@pytest.mark.parametrize("harm", [b"", b"no array", None])
def test_encode_names_damaged_features(encoder, paths, tmp_path, harm):
    encode(catalog(paths), encoder)
    (values,) = (tmp_path / "cache").rglob("*.values")
    values.write_bytes(values.read_bytes()[:-8] if harm is None else harm)
    with pytest.raises(InputError, match=rf"{values.name}: damaged.*features rm"):
        encode(catalog(paths), encoder)


def test_features_rm_removes_those_of_one_network_or_all(encoder, paths, capsys):
    encode(catalog(paths), encoder)
    encode(catalog(paths), Encoder("other", SPEC, Counting(), "tensorflow", "float32", "other-1"))
    assert main(["features", "rm", "tiny"]) == 0
    assert [entry["network"] for entry in list_cache()] == ["other"]
    assert main(["features", "rm", "othr"]) == 2
    assert "did you mean 'other'" in capsys.readouterr().err
    assert main(["features", "ls"]) == 0
    assert capsys.readouterr().out.split()[:2] == ["20", "images"]
    assert main(["features", "rm"]) == 2  # nobody can be asked here
    assert "would be removed: name a network, or give --yes" in capsys.readouterr().err
    assert len(list_cache()) == 1
    assert main(["features", "rm", "--yes"]) == 0
    assert list_cache() == []


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
@pytest.mark.parametrize(("reply", "count"), [("\n", 1), ("no\n", 1), ("y\n", 0)])
def test_features_rm_of_everything_asks_on_a_terminal(encoder, paths, reply, count):
    encode(catalog(paths), encoder)
    leader, terminal = os.openpty()
    os.write(leader, reply.encode())
    command = [sys.executable, "-m", "fashion_keras", "features", "rm"]
    result = subprocess.run(command, stdin=terminal, capture_output=True, text=True, timeout=120, check=False)
    os.close(leader)
    os.close(terminal)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("Remove everything cached (0.0 MB in ")
    assert len(list_cache()) == count


def test_list_cache_and_clear_cache(encoder, paths):
    encode(catalog(paths), encoder)
    (entry,) = list_cache()
    assert (entry["network"], entry["images"], entry["view"]) == ("tiny", 20, "plain")
    assert clear_cache() == entry["bytes"] > 0
    assert list_cache() == []


@pytest.mark.parametrize("content", ["", "{}", "[]"])
def test_list_cache_names_damaged_settings_and_clear_cache_removes_them(encoder, paths, content):
    encode(catalog(paths), encoder)
    (path,) = Path(os.environ["FASHION_KERAS_CACHE"]).rglob("settings.json")
    path.write_text(content)
    for call in (list_cache, lambda: clear_cache("tiny")):
        with pytest.raises(InputError, match=r"settings.json: .*features rm` without a name"):
            call()
    assert clear_cache() > 0
    assert list_cache() == []


SLOWLY = """
import sys, time, numpy as np
from pathlib import Path
from fashion_keras.catalog.readers import Catalog
from fashion_keras.features import cache
from fashion_keras.features.encoder import Encoder
from fashion_keras.images.spec import ImageSpec
cache._BATCH = 2
def forward(pixels):
    time.sleep(float(sys.argv[2]))
    return np.concatenate([pixels.mean(axis=(1, 2)), pixels[:, 0, 0]], axis=1)
print('ready', flush=True)
paths = sorted(map(str, Path(sys.argv[1]).glob('*.png')))
skus = np.array(list(map(str, range(len(paths)))))
catalog = Catalog(Path(), skus, skus, np.array(paths), {}, skus, (), len(paths))
features = cache.encode(catalog, Encoder('tiny', ImageSpec(8, 6), forward, 'tensorflow', 'float32', 'tiny-1'))
sys.stdout.buffer.write(np.asarray(features.values).tobytes())
"""


@pytest.mark.slow
def test_encode_killed_ten_times_at_random_moments_ends_with_the_same_bytes(encoder, paths, tmp_path):
    random = np.random.default_rng(0)
    for _ in range(10):
        process = subprocess.Popen([sys.executable, "-c", SLOWLY, tmp_path, "0.05"], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(random.uniform(0, 0.4))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    result = subprocess.run([sys.executable, "-c", SLOWLY, tmp_path, "0"], stdout=subprocess.PIPE, check=True)
    assert result.stdout.removeprefix(b"ready\n") == expected(sorted(paths)).tobytes()
