"""First weights: official files, our files, runs, and what is none of them."""

from dataclasses import replace

import h5py
import keras
import numpy as np
import pytest

from fashion_keras.models.backbones import get_backbone
from fashion_keras.models.builder import backbone_of, save_network
from fashion_keras.models.pretrained_weights import initialize
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


def test_initialize_auto_warns_of_random_weights_without_a_download(unreachable):
    spec = classifier_spec("vgg16")
    _, origin = initialize(spec, "auto")
    assert origin.source == "none"
    assert not origin.pretrained
    assert "RANDOM WEIGHTS" in origin.warning


def test_initialize_refuses_weights_that_were_never_published():
    with pytest.raises(InputError, match="none are published for custom_cnn"):
        initialize(COMPACT, "imagenet")
    with pytest.raises(InputError, match="no fashion weights"):
        initialize(COMPACT, "fashion")
