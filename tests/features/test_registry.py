"""Encoders by name, from a run, from a folder; and found again without TensorFlow."""

import shutil
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest
from PIL import Image

from fashion_keras.features.registry import encoder_network, find_encoder, load_encoder
from fashion_keras.images.decode import ImageError, decode_batch
from fashion_keras.models.builder import load_network, save_network, submodel_until
from fashion_keras.support.errors import InputError

NAME = "custom_cnn"


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(0)
    return list(random.integers(0, 256, (5, 80, 60, 3)).astype(np.uint8))


@pytest.mark.parametrize(
    ("name", "pool"),
    [
        (NAME, lambda features: features.mean(axis=(1, 2))),
        (f"{NAME}:max", lambda features: features.max(axis=(1, 2))),
        (f"{NAME}:gem", lambda features: np.cbrt((np.maximum(features, 1e-6) ** 3).mean(axis=(1, 2)))),
        (f"{NAME}@stage3:max", lambda features: features.max(axis=(1, 2))),
    ],
)
def test_a_backbone_is_pooled_and_scaled_to_length_1(images, name, pool):
    encoder = load_encoder(name, weights="none", precision="float32")
    network = encoder_network(find_encoder(name, "none"))
    end = "stage3_out" if "@" in name else "stage5_out"
    pixels = decode_batch(images, encoder.image_spec).astype(np.float32)
    expected = pool(submodel_until(network, end).predict(pixels, verbose=0))
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder.embed(images), expected, atol=1e-4)
    assert encoder.unit_norm


def test_random_weights_are_the_same_whenever_they_are_drawn(images, tmp_path, monkeypatch):
    first = load_encoder(NAME, weights="none", precision="float32")
    monkeypatch.setenv("FASHION_KERAS_CACHE", str(tmp_path))
    keras.utils.set_random_seed(99)
    second = load_encoder(NAME, weights="none", precision="float32")
    assert first.identity == second.identity
    np.testing.assert_array_equal(first.embed(images), second.embed(images))


def test_precisions_share_an_identity_and_not_a_fingerprint():
    single, half = (load_encoder(NAME, "none", precision=name) for name in ("float32", "bfloat16"))
    assert single.identity == half.identity
    assert single.fingerprint != half.fingerprint


def test_a_run_gives_what_its_logits_are_made_of(run, images):
    encoder = load_encoder(run.folder, precision="float32")
    _, network = load_network(run.folder)
    inside = keras.Model(network.input, network.get_layer("logits").input)
    expected = inside.predict(decode_batch(images, encoder.image_spec).astype(np.float32), verbose=0)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder.embed(images), expected, atol=1e-4)


@pytest.mark.parametrize("storage", ["float32", "float16"])
def test_an_encoder_saved_and_loaded_is_the_same(images, tmp_path, storage):
    source = replace(find_encoder(f"{NAME}:gem", "none"), name="saved")
    save_network(source.spec, encoder_network(source), tmp_path / "encoder", storage)
    saved = load_encoder(tmp_path / "encoder", precision="float32").embed(images)
    before = load_encoder(f"{NAME}:gem", "none", precision="float32").embed(images)
    np.testing.assert_allclose(saved, before, atol=1e-5 if storage == "float32" else 3e-3)
    if storage == "float16":
        assert (tmp_path / "encoder" / "model.weights.h5").stat().st_size < 2.2 * 4_905_440


def test_what_was_compiled_before_needs_no_tensorflow(tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_KERAS_CACHE", str(tmp_path))
    code = (
        "import sys, numpy as np\nfrom fashion_keras import load_encoder\n"
        f"vectors = load_encoder('{NAME}', weights='none', image_size='32x32').embed([np.full((32, 32, 3), 9.0)])\n"
        "print(vectors.shape, 'tensorflow' in sys.modules, vectors[0, :4].tolist())"
    )
    said = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert said[0].startswith("(1, 512) True")
    assert said[1] == said[0].replace("True", "False")


@pytest.mark.slow
def test_an_altered_network_is_compiled_anew(images, tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_KERAS_CACHE", str(tmp_path))
    before = load_encoder(NAME, "none", "32x32", precision="float32").embed(images)
    weights = next((tmp_path / "networks").glob("*/network.bin"))
    weights.write_bytes(bytes(weights.stat().st_size))
    shutil.rmtree(weights.parent)
    np.testing.assert_array_equal(load_encoder(NAME, "none", "32x32", precision="float32").embed(images), before)


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("vgg91", {}, "vgg19"),
        ("vgg19:mean", {}, "avg, max, gem"),
        ("resnet50@conv9", {"weights": "none"}, "conv"),
        ("vgg19", {"image_size": "16x16", "weights": "none"}, "at least 32x32"),
        ("vgg19", {"image_size": "huge"}, "HEIGHTxWIDTH"),
        ("no/such/folder", {}, "no folder with a model"),
        (NAME, {"runtime": "cuda"}, "openvino"),
        (NAME, {"weights": "imagenet"}, "no ImageNet weights"),
    ],
)
def test_what_cannot_be_loaded(name, options, reason):
    with pytest.raises(InputError, match=reason):
        load_encoder(name, **options)


def test_a_run_brings_its_own_weights(run):
    with pytest.raises(InputError, match="its own weights"):
        load_encoder(run.folder, weights="none")


def test_what_is_no_image_is_refused(tmp_path):
    (tmp_path / "page.jpg").write_text("<html>")
    encoder = load_encoder(NAME, "none", precision="float32")
    with pytest.raises(ImageError, match="not an image"):
        encoder.embed([tmp_path / "page.jpg"])
    with pytest.raises(InputError, match="at least one"):
        encoder.embed([])


def test_all_kinds_of_images_are_one(images, tmp_path):
    Image.fromarray(images[0]).save(tmp_path / "one.png")
    encoder = load_encoder(NAME, "none", precision="float32")
    forms = [tmp_path / "one.png", (tmp_path / "one.png").read_bytes(), Image.fromarray(images[0]), images[0]]
    said = encoder.embed(forms)
    np.testing.assert_allclose(said, said[:1].repeat(4, axis=0), atol=1e-6)
