"""Encoder registry: by name, from a run, from a folder; loaded again without TensorFlow."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import keras
import numpy as np
import pytest
from PIL import Image

from fashion_keras.features import hub, registry
from fashion_keras.features.registry import encoder_network, load_encoder, resolve_encoder
from fashion_keras.images.decode import decode_batch
from fashion_keras.images.raster import ImageError
from fashion_keras.models.builder import build_network, load_network, save_network, submodel_until
from fashion_keras.models.pretrained_weights import WeightsSource
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
        pytest.param(f"{NAME}:max", lambda features: features.max(axis=(1, 2)), marks=pytest.mark.slow),
        (f"{NAME}:gem", lambda features: np.cbrt((np.maximum(features, 1e-6) ** 3).mean(axis=(1, 2)))),
        (f"{NAME}@stage3:max", lambda features: features.max(axis=(1, 2))),
    ],
)
def test_load_encoder_pools_a_backbone_and_scales_to_length_1(images, name, pool):
    encoder = load_encoder(name, weights="none", precision="float32")
    network = encoder_network(resolve_encoder(name, "none"))
    end = "stage3_out" if "@" in name else "stage5_out"
    pixels = decode_batch(images, encoder.image_spec).astype(np.float32)
    expected = pool(submodel_until(network, end).predict(pixels, verbose=0))
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder.embed(images), expected, atol=1e-4)
    assert encoder.unit_norm


def test_load_encoder_draws_the_same_random_weights_every_time(images, tmp_path, monkeypatch):
    first = load_encoder(NAME, weights="none", precision="float32")
    monkeypatch.setenv("FASHION_KERAS_CACHE", str(tmp_path))
    keras.utils.set_random_seed(99)
    second = load_encoder(NAME, weights="none", precision="float32")
    assert first.identity == second.identity
    np.testing.assert_array_equal(first.embed(images), second.embed(images))


def test_identity_is_shared_by_precisions_and_the_fingerprint_is_not():
    single, half = (load_encoder(NAME, "none", precision=name) for name in ("float32", "bfloat16"))
    assert single.identity == half.identity
    assert single.fingerprint != half.fingerprint


def test_load_encoder_of_a_run_takes_its_penultimate_layer(run, images):
    encoder = load_encoder(run.folder, precision="float32")
    _, network = load_network(run.folder)
    inside = keras.Model(network.input, network.get_layer("logits").input)
    expected = inside.predict(decode_batch(images, encoder.image_spec).astype(np.float32), verbose=0)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder.embed(images), expected, atol=1e-4)


@pytest.mark.parametrize("storage", [pytest.param("float32", marks=pytest.mark.slow), "float16"])
def test_load_encoder_of_a_saved_encoder_is_the_same(images, tmp_path, storage):
    source = replace(resolve_encoder(f"{NAME}:gem", "none"), name="saved")
    save_network(source.spec, encoder_network(source), tmp_path / "encoder", storage)
    saved = load_encoder(tmp_path / "encoder", precision="float32").embed(images)
    before = load_encoder(f"{NAME}:gem", "none", precision="float32").embed(images)
    np.testing.assert_allclose(saved, before, atol=1e-5 if storage == "float32" else 3e-3)
    if storage == "float16":
        assert (tmp_path / "encoder" / "model.weights.h5").stat().st_size < 2.2 * 4_905_440


@pytest.mark.slow
def test_load_encoder_of_a_compiled_network_needs_no_tensorflow(tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_KERAS_CACHE", str(tmp_path))
    code = (
        "import sys, numpy as np\nfrom fashion_keras import load_encoder\n"
        f"embeddings = load_encoder('{NAME}', weights='none', image_size='32x32').embed([np.full((32, 32, 3), 9.0)])\n"
        "print(embeddings.shape, 'tensorflow' in sys.modules, embeddings[0, :4].tolist())"
    )
    outputs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert outputs[0].startswith("(1, 512) True")
    assert outputs[1] == outputs[0].replace("True", "False")


@pytest.mark.slow
def test_load_encoder_compiles_an_altered_network_again(images, tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_KERAS_CACHE", str(tmp_path))
    before = load_encoder(NAME, "none", "32x32", precision="float32").embed(images)
    weights = next((tmp_path / "networks").glob("*/network.bin"))
    weights.write_bytes(bytes(weights.stat().st_size))
    shutil.rmtree(weights.parent)
    np.testing.assert_array_equal(load_encoder(NAME, "none", "32x32", precision="float32").embed(images), before)


@pytest.mark.slow
def test_load_encoder_compiles_again_where_its_records_are_damaged(images, tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_KERAS_CACHE", str(tmp_path))
    before = load_encoder(NAME, "none", "32x32", precision="float32").embed(images)
    (record,), (manifest,) = tmp_path.glob("encoders/*.json"), tmp_path.glob("networks/*/network.json")
    for path in (record, manifest):
        whole = path.read_bytes()
        for content in (b"", b"{}", b"[]", whole[: len(whole) // 2], b"\xff"):
            path.write_bytes(content)
            assert registry._load_compiled(record) is None, content
        path.write_bytes(whole)
        assert registry._load_compiled(record)
    record.write_bytes(b"{}")
    manifest.write_bytes(b"{}")
    np.testing.assert_array_equal(load_encoder(NAME, "none", "32x32", precision="float32").embed(images), before)
    assert registry._load_compiled(record)


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
def test_load_encoder_refuses(name, options, reason):
    with pytest.raises(InputError, match=reason):
        load_encoder(name, **options)


def test_load_encoder_names_the_extra_that_brings_kerashub(monkeypatch):
    monkeypatch.setattr(hub, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"KerasHub is not installed: pip install 'fashion_keras\[hub\]'"):
        load_encoder("hub:dinov2_small")


def test_load_encoder_refuses_other_weights_for_a_run(run):
    with pytest.raises(InputError, match="its own weights"):
        load_encoder(run.folder, weights="none")


def test_embed_refuses_files_that_are_no_images(tmp_path):
    (tmp_path / "page.jpg").write_text("<html>")
    encoder = load_encoder(NAME, "none", precision="float32")
    with pytest.raises(ImageError, match="not an image"):
        encoder.embed([tmp_path / "page.jpg"])


def test_embed_takes_one_image_many_and_none(images, tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(images[0]).save(path)
    encoder = load_encoder(NAME, "none", precision="float32")
    forms = [path, path.read_bytes(), Image.fromarray(images[0]), images[0]]
    embeddings = encoder.embed(forms)
    np.testing.assert_allclose(embeddings, embeddings[:1].repeat(4, axis=0), atol=1e-6)
    for form in (str(path), *forms):
        np.testing.assert_array_equal(encoder.embed(form), encoder.embed([path]))
    assert encoder.embed([]).shape == (0, 512)
    assert encoder.embed([]).dtype == np.float32


def test_embed_matches_the_rows_of_a_series_in_any_order(images):
    import pandas as pd

    encoder = load_encoder(NAME, "none", precision="float32")
    shuffled = pd.Series(images, index=[3, 1, 4, 0, 2])
    np.testing.assert_array_equal(encoder.embed(shuffled), encoder.embed(images))


@pytest.mark.parametrize("size", ["40x32", (40, 32), [40, 32], np.array([40, 32]).tolist()])
def test_load_encoder_takes_image_sizes_in_every_form(size):
    assert resolve_encoder(NAME, "none", size).spec.image_spec == resolve_encoder(NAME, "none", "40x32").spec.image_spec
    assert resolve_encoder(NAME, "none", 32).spec.image_spec.height == 32


def test_load_encoder_takes_weights_as_a_path(run):
    with pytest.raises(InputError, match="of another network"):
        load_encoder("vgg19", weights=run.folder / "model.weights.h5")


class Downloads:
    """Stand-in for `initialize`: random weights until the machine is online."""

    def __init__(self):
        self.online = False

    def __call__(self, spec, weights, policy="float32"):
        keras.utils.set_random_seed(1 if self.online else 0)
        warning = "" if self.online else "RANDOM WEIGHTS: they could not be downloaded"
        return build_network(spec, policy), WeightsSource("imagenet" if self.online else "none", warning)


@pytest.mark.slow
def test_load_encoder_fetches_weights_once_the_machine_is_online(images, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("FASHION_KERAS_CACHE", str(tmp_path))
    downloads = Downloads()
    monkeypatch.setattr("fashion_keras.models.pretrained_weights.initialize", downloads)
    name = "mobilenet_v3_large"
    offline = [load_encoder(name, image_size=32, precision="float32") for _ in range(2)]
    assert caplog.text.count("RANDOM WEIGHTS") == 2
    downloads.online = True
    online = load_encoder(name, image_size=32, precision="float32")
    assert offline[0].identity == offline[1].identity != online.identity
    assert load_encoder(name, image_size=32, precision="float32").identity == online.identity
    assert caplog.text.count("RANDOM WEIGHTS") == 2


def test_load_encoder_repeats_a_stored_warning(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("FASHION_KERAS_CACHE", str(tmp_path))
    for _ in range(3):
        load_encoder(NAME, image_size=32)
    assert caplog.text.count("RANDOM WEIGHTS: no ImageNet weights for custom_cnn") == 3


def test_load_encoder_compiles_once_for_many_threads(tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_KERAS_CACHE", str(tmp_path))
    from fashion_keras.features import compile as compilation

    compiled = []

    def counted(*arguments):
        compiled.append(arguments)
        return compile_encoder(*arguments)

    compile_encoder = compilation.compile_encoder
    monkeypatch.setattr(compilation, "compile_encoder", counted)
    with ThreadPoolExecutor(8) as pool:
        encoders = list(pool.map(lambda _: load_encoder(NAME, "none", 32, precision="float32"), range(8)))
    assert len(compiled) == 1
    assert len({encoder.fingerprint for encoder in encoders}) == 1
