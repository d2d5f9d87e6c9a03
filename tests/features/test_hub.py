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


def metaclip2():
    towers = models.MetaCLIP2VisionEncoder(**TOWER), models.MetaCLIP2TextEncoder(**TEXT)
    return models.MetaCLIP2Backbone(*towers, projection_dim=8)


def cspnet():
    return models.CSPNetBackbone(8, 3, 1, [1, 1], [1, 2], [8, 16], block_type="dark_block", stage_type="dark")


def mobilenet():
    return models.MobileNetBackbone(
        [[16, 16]], [2], [[16, 16]], [[3, 3]], [[2, 1]], [[None, 0.25]], [["relu", "hard_swish"]], [[1, 1]], 64,
        depthwise_filters=8, depthwise_stride=2, depthwise_residual=False, last_layer_filter=64,
    )  # fmt: skip


def first_token(toy, x):
    return toy.predict_on_batch(dict.fromkeys(toy.input, x) if isinstance(toy.input, dict) else x)[:, 0]


def mean(toy, x):
    features = toy.predict_on_batch(x)
    return features.reshape(len(x), -1, features.shape[-1]).mean(axis=1)


def image_tower(toy, x):
    return toy.vision_encoder.predict_on_batch({"images": x})


def clip_embedding(toy, x):
    return image_tower(toy, x)[:, 0] @ toy.vision_projection.kernel.numpy()


def metaclip2_embedding(toy, x):
    norm = toy.vision_post_layer_norm
    token = image_tower(toy, x)[:, 0]
    token = (token - token.mean(axis=1, keepdims=True)) / np.sqrt(token.var(axis=1, keepdims=True) + norm.epsilon)
    return (token * norm.gamma.numpy() + norm.beta.numpy()) @ toy.vision_projection.kernel.numpy()


# Network, its image converter, and the embeddings of scaled pixels, before they are brought to length 1.
TOYS = {
    "ViT": (vit, converters.ViTImageConverter, first_token),
    "ViT without class token": (lambda: vit(use_class_token=False), converters.ViTImageConverter, mean),
    "DINOv2": (dinov2, converters.DINOV2ImageConverter, first_token),
    "ResNet": (resnet, converters.ResNetImageConverter, mean),
    "EfficientNet": (efficientnet, converters.EfficientNetImageConverter, mean),
    "SigLIP": (siglip, converters.SigLIPImageConverter, image_tower),
    "CLIP": (clip, converters.CLIPImageConverter, clip_embedding),
}
MORE_TOYS = {
    "DeiT": (lambda: models.DeiTBackbone(**TOWER), converters.DeiTImageConverter, first_token),
    "DINOv3": (lambda: models.DINOV3Backbone(**TOWER), converters.DINOV3ImageConverter, first_token),
    "MetaCLIP2": (metaclip2, converters.MetaCLIP2ImageConverter, metaclip2_embedding),
    "CSPNet": (cspnet, converters.CSPNetImageConverter, mean),
    "DenseNet": (lambda: models.DenseNetBackbone([1, 1], growth_rate=4), converters.DenseNetImageConverter, mean),
    "MobileNet": (mobilenet, converters.MobileNetImageConverter, mean),
    "VGG": (lambda: models.VGGBackbone([1, 1], [8, 16]), converters.VGGImageConverter, mean),
    "Xception": (
        lambda: models.XceptionBackbone([[8, 8], [16, 16], [16, 16]], [True, True, False]),
        converters.XceptionImageConverter, mean,
    ),
}  # fmt: skip
ALL_TOYS = TOYS | MORE_TOYS


def save(toy, converter, folder, **options):
    """Save a toy as KerasHub does, with its image converter."""
    toy.save_to_preset(folder, **options)
    size = (28, 28) if toy.__class__.__name__.startswith("DINOV2") else (SIZE, SIZE)
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
            make, converter, _ = ALL_TOYS[name]
            toy = make()
            presets[name] = toy, save(toy, converter, tmp_path_factory.mktemp("presets") / "toy")
        return presets[name]

    return folder


def by_hand(name, toy, images, size):
    """The embeddings of images by a toy, its scaling and pooling done here."""
    pixels = decode_batch(images, ImageSpec(size, size, interpolation="bicubic"))
    values = ALL_TOYS[name][2](toy, (pixels * SCALE + OFFSET).astype(np.float32))
    return values / np.linalg.norm(values, axis=1, keepdims=True)


# Two in the default tests: a class token, and an average.
@pytest.mark.parametrize(
    "name", [name if name in ("ViT", "ResNet") else pytest.param(name, marks=pytest.mark.slow) for name in ALL_TOYS]
)
def test_load_encoder_pools_a_preset_as_by_hand(name, folders, images):
    toy, folder = folders(name)
    encoder = load_encoder(f"hub:{folder}", runtime="tensorflow", precision="float32")
    size = 28 if name == "DINOv2" else SIZE
    assert encoder.image_spec == ImageSpec(size, size, "pad", "bicubic")
    np.testing.assert_allclose(encoder.embed(images), by_hand(name, toy, images, size), atol=1e-5)
    assert encoder.name == f"hub:{folder}"
    assert encoder.unit_norm


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL_TOYS)
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_weights_in_several_files_are_read(tmp_path, images):
    toy = resnet()
    folder = save(toy, converters.ResNetImageConverter, tmp_path, max_shard_size=2e-4)
    assert not (folder / "model.weights.h5").exists()
    encoder = load_encoder(f"hub:{folder}", runtime="tensorflow", precision="float32")
    np.testing.assert_allclose(encoder.embed(images), by_hand("ResNet", toy, images, SIZE), atol=1e-5)


@pytest.mark.slow
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
        (lambda folder: edited(folder, "config.json", config=[]), {}, "is not as KerasHub writes it"),
        (lambda folder: edited(folder, "image_converter.json", config={"interpolation": 5}), {}, "not as KerasHub"),
        (lambda folder: edited(folder, "image_converter.json", config={"interpolation": "lanczos5"}), {}, "lanczos5"),
    ],
)
def test_load_encoder_refuses_presets(folders, tmp_path, change, options, reason):
    folder = shutil.copytree(folders("ViT")[1], tmp_path / "preset")
    change(folder)
    with pytest.raises(InputError, match=reason) as raised:
        load_encoder(f"hub:{folder}", runtime="tensorflow", **options)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "part",
    [
        {"module": "os", "class_name": "system", "registered_name": None, "config": {"command": "touch ran"}},
        {"module": "keras.layers", "class_name": "Lambda", "registered_name": None, "config": {
            "function": {"class_name": "__lambda__", "config": {"code": "4wAAAAA=", "defaults": None, "closure": None}},
        }},
    ],
    ids=["function", "code"],
)  # fmt: skip
def test_preset_that_would_run_code_is_refused(part, folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = shutil.copytree(folders("CLIP")[1], tmp_path / "preset")
    settings = json.loads((folder / "config.json").read_text())["config"]
    edited(folder, "config.json", config=settings | {"text_encoder": part})
    with pytest.raises(InputError, match="KerasHub cannot load it"):
        load_encoder(f"hub:{folder}", runtime="tensorflow")
    assert [path.name for path in tmp_path.iterdir()] == ["preset"]


def test_load_encoder_refuses_unknown_presets_and_sizes(folders):
    with pytest.raises(InputError, match=r"unknown KerasHub preset .* 'dinov2_smal'; did you mean 'dinov2_small'"):
        load_encoder("hub:dinov2_smal")
    with pytest.raises(InputError, match="its images are 32x32, not 48x48"):
        load_encoder(f"hub:{folders('CLIP')[1]}", image_size=48)


@pytest.mark.slow
def test_probe_takes_presets(folders, sample):
    name = f"hub:{folders('ResNet')[1]}"
    probe = ("probe", "--data", sample, "--backbones", name, "--limit", 400, "--runtime", "tensorflow", "--json")
    (row,) = json.loads(run_cli(*probe).stdout)["backbones"]
    assert (row["backbone"], row["image"], row["width"], row["weights"]) == (name, "32x32", 64, "preset")
    assert 0 <= row["linear"] <= 1


def test_commands_refuse_options_that_presets_do_not_have(folders, tmp_path):
    name = f"hub:{folders('ResNet')[1]}"
    assert_one_line(run_cli("probe", "--backbones", name, "--pooling", "max"), "--pooling are not for presets")
    assert_one_line(run_cli("whiten", name, "--data", tmp_path), "only pooled features")


@pytest.mark.slow
def test_index_and_evaluate_search_take_presets(folders, tmp_path):
    name, index = f"hub:{folders('ResNet')[1]}", tmp_path / "index"
    data = write_catalog(tmp_path / "catalog", {number: f"Shirt {number}" for number in range(1, 13)})
    built = run_cli("index", "--data", data, "--encoder", name, "--out", index)
    assert built.returncode == 0, built.stderr
    evaluated = run_cli("evaluate-search", "--data", data, "--encoder", name, "--index", index, "--json")
    assert [row["width"] for row in json.loads(evaluated.stdout)["rows"]][:2] == [64, 64]
    searched = run_cli("search", data / "images" / "1.jpg", "--index", index, "--keep-duplicates", "--json")
    assert len(json.loads(searched.stdout)["matches"]) == 5
