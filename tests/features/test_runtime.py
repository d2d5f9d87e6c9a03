"""Compiled networks: equal to Keras, started without TensorFlow, checked when loaded."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest

from fashion_keras import InputError, load_classifier, read_catalog
from fashion_keras.features.networks import OpenVINONetwork
from fashion_keras.features.runtime import agrees, min_row_cosine, parity_images, store_network
from fashion_keras.images.spec import ImageSpec
from fashion_keras.images.validation import check_images
from fashion_keras.models.backbones import BACKBONES
from fashion_keras.models.builder import build_network, save_network
from tests.helpers.specs import classifier_spec


def spec(backbone, size=32, scaling="caffe"):
    return replace(classifier_spec(backbone, (size, size), classes=("a", "b", "c")), scaling=scaling)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A VGG16 stored for OpenVINO: its network and its folder."""
    folder = tmp_path_factory.mktemp("stored")
    keras.utils.set_random_seed(3)
    network = build_network(spec("vgg16"))
    save_network(spec("vgg16"), network, folder)
    assert store_network(network, folder)
    return network, folder


@pytest.mark.parametrize("count", [1, 15, 16, 37])
def test_openvino_network_agrees_with_keras_for_any_number_of_images(stored, count):
    network, folder = stored
    pixels = parity_images((32, 32, 3), count)
    ours = OpenVINONetwork(folder / "network.xml")(pixels)
    np.testing.assert_allclose(ours, network.predict_on_batch(pixels), rtol=1e-3, atol=1e-5)


# One of each family; the others are stored by the same code.
USUAL = ("custom_cnn", "vgg19", "resnet50", "efficientnet_lite0", "convnext_tiny", "googlenet", "autoencoder")


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, marks=() if row.name in USUAL else pytest.mark.study) for row in BACKBONES],
    ids=lambda row: row.name,
)
@pytest.mark.slow
def test_store_network_stores_every_backbone(row, tmp_path):
    image = row.image_spec if row.fixed else ImageSpec(row.minimum, row.minimum)
    own = replace(spec(row.name, scaling=row.scaling), image_spec=image)
    network = build_network(own)
    save_network(own, network, tmp_path)
    assert store_network(network, tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_agrees_never_passes_nan_or_infinite_outputs(value):
    reference = np.array([[1.0, 2.0], [3.0, 5.0]], np.float32)
    assert agrees(reference, reference, "float32")
    damaged = reference.copy()
    damaged[1, 0] = value
    assert not agrees(damaged, reference, "float32")
    assert not agrees(damaged, damaged, "float32")


def test_agrees_looks_at_the_spread_where_all_rows_are_nearly_the_same():
    reference = np.array([[1000.0, 1000.0], [1000.0, 1001.0]], np.float32)
    swapped = reference[::-1]
    assert min_row_cosine(swapped, reference) > 0.999999 * 0.9999
    assert not agrees(swapped, reference, "bfloat16")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_store_network_refuses_outputs_that_are_not_finite(stored, tmp_path, monkeypatch, value):
    network, _ = stored
    save_network(spec("vgg16"), network, tmp_path)
    monkeypatch.setattr(
        "fashion_keras.features.runtime.OpenVINONetwork.__call__", lambda self, pixels: np.full((8, 3), value)
    )
    assert not store_network(network, tmp_path)
    assert not (tmp_path / "network.json").exists()


def test_min_row_cosine_by_hand():
    assert min_row_cosine(np.array([[3.0, 4.0]]), np.array([[4.0, 3.0]])) == pytest.approx(24 / 25)


def test_parity_images_are_pixels_on_white():
    images = parity_images((80, 60, 3))
    assert images.shape == (8, 80, 60, 3)
    assert images.min() >= 0
    assert images.max() == 255
    assert (images == 255).all(axis=-1).mean() > 0.2


def test_load_classifier_predicts_the_same_in_both_runtimes(run, sample):
    paths = [path for path in read_catalog(sample).paths[:40] if check_images([path]) == [""]]
    fast, plain = (load_classifier(run.folder, runtime).predict(paths) for runtime in ("openvino", "tensorflow"))
    np.testing.assert_allclose(fast.probabilities, plain.probabilities, atol=1e-4)


def predict_in_a_new_process(run, image, before=""):
    program = (
        f"import sys\n{before}\nfrom fashion_keras.cli import main\n"
        "code = main(['predict', *sys.argv[1:], '--json'])\n"
        "print(code, sorted({'tensorflow', 'keras', 'openvino'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program, run, image], capture_output=True, text=True, timeout=120)
    output, state = result.stdout.splitlines()
    return json.loads(output)["predictions"][0], state


def test_predict_starts_without_tensorflow(run, sample):
    image = read_catalog(sample).paths[0]
    prediction, state = predict_in_a_new_process(run.folder, image)
    assert state == "0 ['openvino']"
    expected = load_classifier(run.folder, "tensorflow").predict([image])
    assert prediction["class"] == expected.names[0]
    assert prediction["confidence"] == pytest.approx(expected.probabilities.max(), abs=1e-4)


@pytest.mark.slow
def test_predict_without_openvino_is_the_same(run, sample):
    image = read_catalog(sample).paths[0]
    hide = (
        "import importlib.util as util\noriginal = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name.startswith('openvino') else original(name, *rest)\n"
        "sys.modules['openvino'] = None"
    )
    prediction, state = predict_in_a_new_process(run.folder, image, hide)
    assert "tensorflow" in state
    assert prediction["confidence"] == pytest.approx(
        load_classifier(run.folder).predict([image]).probabilities.max(), abs=1e-4
    )


def test_load_classifier_names_altered_files(run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    weights = folder / "network.bin"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with pytest.raises(InputError, match=r"network\.bin: missing or altered"):
        load_classifier(folder)
    made = json.loads((folder / "network.json").read_text())
    (folder / "network.json").write_text(json.dumps({**made, "source": "0" * 64}))
    with pytest.raises(InputError, match="made of other weights"):
        load_classifier(folder)
    (folder / "network.json").write_text(json.dumps({"weights": made["source"], "files": made["files"]}))
    with pytest.raises(InputError, match="format None; this version reads"):
        load_classifier(folder)
    (folder / "network.json").unlink()
    with pytest.raises(InputError, match="no network stored"):
        load_classifier(folder, "openvino")
    assert load_classifier(folder).spec == load_classifier(run.folder).spec


def test_store_network_refuses_outputs_that_differ(stored, tmp_path, monkeypatch):
    network, _ = stored
    save_network(spec("vgg16"), network, tmp_path)
    monkeypatch.setattr("fashion_keras.features.runtime.PARITY", {"float32": 1.1})
    assert not store_network(network, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.weights.h5"]


def test_load_classifier_offers_the_nearest_runtime(run):
    with pytest.raises(InputError, match="did you mean 'openvino'"):
        load_classifier(run.folder, "openvin")
