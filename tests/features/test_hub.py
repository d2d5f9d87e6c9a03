"""Encoders of KerasHub: toy networks that KerasHub itself saves, against their outputs pooled by hand."""

import json
import shutil

import keras
import numpy as np
import pytest

from fashion_keras.analysis.evaluation_subset import encoder_training_products
from fashion_keras.features.compile import network_identity
from fashion_keras.features.registry import encoder_network, load_encoder, resolve_encoder
from fashion_keras.images.decode import decode_batch
from fashion_keras.images.spec import ImageSpec
from fashion_keras.support.errors import InputError
from tests.helpers.catalogs import write_catalog
from tests.helpers.cli import assert_one_line, run_cli

keras_hub = pytest.importorskip("keras_hub")
models, converters = keras_hub.models, keras_hub.layers

SIZE = 32
SCALE, OFFSET = np.array([0.01, 0.02, 0.03]), np.array([-1, 0.5, 2])
VIT = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "image_shape": (SIZE, SIZE, 3)}
TOWER = {**VIT, "patch_size": 16, "intermediate_dim": 32}
TEXT = {key: value for key, value in TOWER.items() if key not in ("image_shape", "patch_size")}
TEXT |= {"vocabulary_size": 64, "embedding_dim": 16}


def vit(**options):
    return models.ViTBackbone(**VIT, patch_size=16, mlp_dim=32, **options)


def dinov2():
    shape = {"image_shape": (28, 28, 3), "position_embedding_shape": (42, 42, 3)}
    return models.DINOV2Backbone(**TOWER | {"patch_size": 14} | shape, num_register_tokens=2)


def resnet():
    return models.ResNetBackbone([64], [7], [64, 64], [1, 1], [1, 2], "basic_block")


def efficientnet():
    ones = {"stackwise_width_coefficients": [1.0, 1.0], "stackwise_depth_coefficients": [1.0, 1.0]}
    return models.EfficientNetBackbone(
        **ones, stackwise_kernel_sizes=[3, 3], stackwise_num_repeats=[1, 2], stackwise_input_filters=[8, 8],
        stackwise_output_filters=[8, 16], stackwise_expansion_ratios=[1, 4], stackwise_strides=[1, 2],
        stackwise_squeeze_and_excite_ratios=[0.25, 0.25], stackwise_block_types=["v1", "v1"],
    )  # fmt: skip


def siglip():
    return models.SigLIPBackbone(models.SigLIPVisionEncoder(**TOWER), models.SigLIPTextEncoder(**TEXT))


def clip():
    return models.CLIPBackbone(models.CLIPVisionEncoder(**TOWER), models.CLIPTextEncoder(**TEXT), projection_dim=8)


# Network, its image converter, and the embeddings of scaled pixels, before they are brought to length 1.
TOYS = {
    "ViT": (vit, converters.ViTImageConverter, lambda toy, x: toy.predict_on_batch(x)[:, 0]),
    "ViT without class token": (
        lambda: vit(use_class_token=False), converters.ViTImageConverter,
        lambda toy, x: toy.predict_on_batch(x).mean(axis=1),
    ),
    "DINOv2": (dinov2, converters.DINOV2ImageConverter, lambda toy, x: toy.predict_on_batch({"images": x})[:, 0]),
    "ResNet": (resnet, converters.ResNetImageConverter, lambda toy, x: toy.predict_on_batch(x).mean(axis=(1, 2))),
    "EfficientNet": (
        efficientnet, converters.EfficientNetImageConverter, lambda toy, x: toy.predict_on_batch(x).mean(axis=(1, 2)),
    ),
    "SigLIP": (
        siglip, converters.SigLIPImageConverter, lambda toy, x: toy.vision_encoder.predict_on_batch({"images": x}),
    ),
    "CLIP": (
        clip, converters.CLIPImageConverter,
        lambda toy, x: toy.vision_encoder.predict_on_batch({"images": x})[:, 0]
        @ toy.vision_projection.kernel.numpy(),
    ),
}  # fmt: skip


def save(toy, converter, folder, **options):
    """Save a toy as KerasHub does, with its image converter."""
    toy.save_to_preset(folder, **options)
    size = (28, 28) if toy.__class__.__name__.startswith("DINO") else (SIZE, SIZE)
    scaling = {"scale": SCALE.tolist(), "offset": OFFSET.tolist()}
    converter(image_size=size, interpolation="bicubic", **scaling).save_to_preset(folder)
    return folder


@pytest.fixture(scope="module")
def images():
    return list(np.random.default_rng(0).integers(0, 256, (3, 80, 60, 3)).astype(np.uint8))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Name -> folder of a preset; each is made once."""
    presets = {}

    def folder(name):
        if name not in presets:
            keras.utils.set_random_seed(1)
            make, converter, _ = TOYS[name]
            toy = make()
            presets[name] = toy, save(toy, converter, tmp_path_factory.mktemp("presets") / "toy")
        return presets[name]

    return folder


def by_hand(name, toy, images, size):
    """The embeddings of images by a toy, its scaling and pooling done here."""
    pixels = decode_batch(images, ImageSpec(size, size, interpolation="bicubic"))
    values = TOYS[name][2](toy, (pixels * SCALE + OFFSET).astype(np.float32))
    return values / np.linalg.norm(values, axis=1, keepdims=True)


@pytest.mark.parametrize("name", TOYS)
def test_load_encoder_pools_a_preset_as_by_hand(name, folders, images):
    toy, folder = folders(name)
    encoder = load_encoder(f"hub:{folder}", runtime="tensorflow", precision="float32")
    size = 28 if name == "DINOv2" else SIZE
    assert encoder.image_spec == ImageSpec(size, size, "pad", "bicubic")
    np.testing.assert_allclose(encoder.embed(images), by_hand(name, toy, images, size), atol=1e-5)
    assert encoder.name == f"hub:{folder}"
    assert encoder.unit_norm


@pytest.mark.slow
@pytest.mark.parametrize("name", TOYS)
def test_load_encoder_compiles_a_preset_for_openvino(name, folders, images):
    _, folder = folders(name)
    compiled = load_encoder(f"hub:{folder}", runtime="openvino", precision="float32")
    assert (compiled.runtime, compiled.precision) == ("openvino", "float32")
    plain = load_encoder(f"hub:{folder}", runtime="tensorflow", precision="float32")
    np.testing.assert_allclose(compiled.embed(images), plain.embed(images), atol=1e-5)


def test_load_encoder_takes_another_size_where_the_network_does(folders, images):
    toy, folder = folders("ResNet")
    encoder = load_encoder(f"hub:{folder}", image_size="48x48", runtime="tensorflow", precision="float32")
    np.testing.assert_allclose(encoder.embed(images), by_hand("ResNet", toy, images, 48), atol=1e-5)
    _, folder = folders("DINOv2")
    assert encoder_network(resolve_encoder(f"hub:{folder}", image_size=56)).input.shape == (None, 56, 56, 3)


def test_identity_is_that_of_the_weights_not_of_the_folder(folders, tmp_path):
    _, folder = folders("ViT")
    moved = shutil.copytree(folder, tmp_path / "moved")
    first, second = (resolve_encoder(f"hub:{path}") for path in (folder, moved))
    assert first.key == second.key
    networks = [network_identity(encoder_network(source), source.spec.image_spec) for source in (first, second)]
    assert networks[0] == networks[1]
    vit().save_to_preset(moved)
    other = resolve_encoder(f"hub:{moved}")
    assert other.key != first.key
    assert network_identity(encoder_network(other), other.spec.image_spec) != networks[0]


def test_weights_in_several_files_are_read(tmp_path, images):
    toy = resnet()
    folder = save(toy, converters.ResNetImageConverter, tmp_path, max_shard_size=2e-4)
    assert not (folder / "model.weights.h5").exists()
    encoder = load_encoder(f"hub:{folder}", runtime="tensorflow", precision="float32")
    np.testing.assert_allclose(encoder.embed(images), by_hand("ResNet", toy, images, SIZE), atol=1e-5)


def test_preset_by_name_is_taken_from_the_cache_of_kagglehub(folders, tmp_path, monkeypatch, images):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    toy, folder = folders("DINOv2")
    home = tmp_path / "models/keras/dinov2/keras/dinov2_small"
    shutil.copytree(folder, home / "1")
    (home / "1.complete").touch()
    encoder = load_encoder("hub:dinov2_small", runtime="tensorflow", precision="float32")
    np.testing.assert_allclose(encoder.embed(images), by_hand("DINOv2", toy, images, 28), atol=1e-5)
    assert encoder_training_products("hub:dinov2_small") == frozenset()


def test_preset_without_a_network_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "empty"))
    data = write_catalog(tmp_path / "catalog", {1: "Shirt"})
    for command in (
        ("index", "--out", tmp_path / "index"), ("evaluate-search",), ("map",), ("audit", "--out", tmp_path / "audit"),
    ):  # fmt: skip
        result = run_cli(*command, "--data", data, "--encoder", "hub:dinov2_small")
        assert_one_line(result, "could not download keras/dinov2/keras/dinov2_small/1", "name it here as hub:DIR")
    assert not (tmp_path / "index").exists()
    assert not (tmp_path / "audit").exists()


def edited(folder, name, **changes):
    """Change keys of a JSON file."""
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("change", "options", "reason"),
    [
        (lambda folder: None, {"weights": "none"}, "a preset has its own weights"),
        (lambda folder: None, {"image_size": 48}, "cannot load it for images of 48x48"),
        (lambda folder: (folder / "config.json").unlink(), {}, r"config.json: no such file"),
        (lambda folder: (folder / "config.json").write_text("{"), {}, "config.json: not JSON"),
        (lambda folder: (folder / "image_converter.json").unlink(), {}, "the scaling of pixels is not known"),
        (lambda folder: (folder / "model.weights.h5").unlink(), {}, r"no model\*.weights"),
        (lambda folder: (folder / "model.weights.h5").write_bytes(b"damaged"), {}, "KerasHub cannot load it"),
        (lambda folder: edited(folder, "config.json", registered_name="keras_hub>BertBackbone"), {}, "no image enc"),
        (lambda folder: edited(folder, "config.json", registered_name="Functional"), {}, "Functional, which is no"),
        (lambda folder: edited(folder, "config.json", registered_name=None), {}, "a model of another library"),
        (lambda folder: edited(folder, "image_converter.json", config={"interpolation": "lanczos5"}), {}, "lanczos5"),
    ],
)
def test_load_encoder_refuses_presets(folders, tmp_path, change, options, reason):
    folder = shutil.copytree(folders("ViT")[1], tmp_path / "preset")
    change(folder)
    with pytest.raises(InputError, match=reason) as raised:
        load_encoder(f"hub:{folder}", runtime="tensorflow", **options)
    assert "\n" not in str(raised.value)


def test_load_encoder_refuses_unknown_presets_and_sizes(folders):
    with pytest.raises(InputError, match=r"unknown KerasHub preset .* 'dinov2_smal'; did you mean 'dinov2_small'"):
        load_encoder("hub:dinov2_smal")
    with pytest.raises(InputError, match="its images are 32x32, not 48x48"):
        load_encoder(f"hub:{folders('CLIP')[1]}", image_size=48)


def test_probe_and_evaluate_search_take_presets(folders, sample, tmp_path):
    _, folder = folders("ResNet")
    name = f"hub:{folder}"
    probe = ("probe", "--data", sample, "--backbones", name, "--limit", 400, "--runtime", "tensorflow", "--json")
    (row,) = json.loads(run_cli(*probe).stdout)["backbones"]
    assert (row["backbone"], row["image"], row["width"], row["weights"]) == (name, "32x32", 64, "preset")
    assert 0 <= row["linear"] <= 1
    assert_one_line(run_cli("probe", "--backbones", name, "--pooling", "max"), "--pooling are not for presets")
    assert_one_line(run_cli("whiten", name, "--data", sample), "only pooled features")
    index = tmp_path / "index"
    data = write_catalog(tmp_path / "catalog", {number: f"Shirt {number}" for number in range(1, 13)})
    built = run_cli("index", "--data", data, "--encoder", name, "--out", index)
    assert built.returncode == 0, built.stderr
    report = json.loads(
        run_cli("evaluate-search", "--data", data, "--encoder", name, "--index", index, "--json").stdout
    )
    assert [row["width"] for row in report["rows"]][:2] == [64, 64]
