"""Exports of a run: parity with Keras, the folder's content, refusals."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from fashion_keras import ExportConfig, InputError, export, load_classifier
from fashion_keras.exports import export as exporting
from fashion_keras.exports.clients import client
from fashion_keras.exports.export import ExportManifest, bundle_hash, hash_files
from fashion_keras.exports.formats import ExportFormat, get_format
from tests.helpers.cli import assert_one_line, run_cli

FORMATS = ("saved_model", "onnx", "openvino", "litert")


@pytest.fixture(scope="module")
def keras_export(run, tmp_path_factory):
    """The tiny run as Keras' own file."""
    return export({"model": str(run.folder), "format": "keras", "out": str(tmp_path_factory.mktemp("export") / "out")})


def run_client(folder, *arguments):
    """Run an export's client in a process that fails where it imports this package."""
    program = (
        f"import runpy, sys\nsys.argv = ['client.py', *{list(map(str, arguments))!r}]\n"
        f"try:\n    runpy.run_path({str(folder / 'client.py')!r}, run_name='__main__')\n"
        "finally:\n    assert 'fashion_keras' not in sys.modules\n"
    )
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=folder)


def test_export_agrees_with_keras_on_the_catalog(keras_export):
    _, manifest = keras_export
    assert manifest.parity["largest_difference"] < 1e-5
    assert manifest.parity["same_prediction"] == 1
    assert 190 <= manifest.parity["images"] <= 200


def test_export_predicts_what_the_run_does(keras_export, run, sample):
    folder, _ = keras_export
    contract = json.loads((folder / "contract.json").read_text())
    path = sorted(sample.glob("images/*"))[3]
    outputs = client.load_network(folder, contract)(client.load_pixels(path, contract)[None].astype(np.float32))
    predictions = load_classifier(run.folder).predict(path)
    np.testing.assert_allclose(outputs, predictions.probabilities, atol=1e-5)
    text = client.describe(np.asarray(outputs)[0], contract)
    assert text.startswith(f"article_type: {predictions.names[0]} {predictions.probabilities.max():.3f}, ")


def test_export_holds_labels_card_and_hashes(keras_export, run):
    folder, manifest = keras_export
    assert (folder / "labels.txt").read_text().splitlines() == list(run.report.classes)
    assert (folder / "requirements.txt").read_text().split() == ["numpy", "pillow", "keras", "tensorflow"]
    assert {"model.keras", "client.py", "README.md", "golden/large.png", "golden/large.rgb"} <= manifest.files.keys()
    assert ExportManifest.read(folder) == manifest
    assert manifest.files == hash_files(folder)
    assert manifest.bundle_sha256 == bundle_hash(manifest.files)


@pytest.mark.slow
def test_client_needs_nothing_of_this_package(keras_export, sample):
    folder, _ = keras_export
    result = run_client(folder, "--check", sorted(sample.glob("images/*"))[0])
    assert result.returncode == 0, result.stderr
    assert "article_type: " in result.stdout
    assert "pixels and outputs of 5 golden images agree" in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_export_in_every_format(run, tmp_path, name):
    folder, manifest = export({"model": str(run.folder), "format": name, "out": str(tmp_path / "out")})
    assert manifest.parity["largest_difference"] < 1e-3
    result = run_client(folder, "--check")
    assert result.stdout == "pixels and outputs of 5 golden images agree\n", result.stderr


@pytest.mark.slow
def test_saved_model_has_the_layout_and_signature_of_tensorflow_serving(run, tmp_path):
    import tensorflow as tf

    folder, _ = export({"model": str(run.folder), "format": "saved_model", "out": str(tmp_path / "out")})
    loaded = tf.saved_model.load(folder / "model" / "1")
    signature = loaded.signatures["serving_default"]
    assert signature.structured_input_signature[1]["pixels"].shape.as_list() == [None, 32, 32, 3]
    assert signature.structured_outputs["probabilities"].shape.as_list() == [None, len(run.report.classes)]


@pytest.mark.slow
def test_export_of_the_shipped_encoder(real, tmp_path):
    result = run_cli(
        "export", "fashion_encoder", "--format", "onnx", "--data", real, "--out", tmp_path / "out", "--json"
    )
    report = json.loads(result.stdout)
    assert report["parity"]["images"] == 200
    assert report["parity"]["largest_difference"] < 1e-3
    assert "Model card: fashion_encoder" in (tmp_path / "out" / "README.md").read_text()


def test_export_that_differs_is_refused_and_leaves_nothing(run, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "OUTPUT_TOLERANCE", -1.0)
    result = run_cli("export", run.folder, "--format", "keras", "--out", tmp_path / "out")
    assert_one_line(result, "keras differs from Keras by", "nothing was exported")
    assert list(tmp_path.iterdir()) == []


def test_export_refuses_a_folder_with_files(run, tmp_path):
    (tmp_path / "old.txt").touch()
    assert_one_line(run_cli("export", run.folder, "--format", "keras", "--out", tmp_path), "not an empty folder")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere", "--format", "keras"), ["unknown encoder", "'nowhere'"]),
        (("nowhere", "--format", "onxx"), ["unknown --format 'onxx'", "'onnx'"]),
    ],
)
def test_export_refuses_unknown_names(arguments, words):
    assert_one_line(run_cli("export", *arguments), *words)


def test_format_whose_library_is_missing_names_the_extra():
    row = ExportFormat("onnx", "onnx", "model.onnx", ("json", "no_such_library"), "onnxruntime")
    with pytest.raises(InputError, match=r"needs no_such_library.*fashion_keras\[export\]"):
        row.check_installed()
    assert get_format("keras").check_installed() is None


def test_export_needs_a_model():
    with pytest.raises(InputError, match="model is missing"):
        ExportConfig(format="keras")


@pytest.mark.slow
def test_portable_network_of_several_heads_and_generalized_mean():
    import keras

    from fashion_keras.catalog.label_groups import LabelGroup
    from fashion_keras.exports.network import portable_network
    from fashion_keras.models.builder import build_network
    from fashion_keras.models.classifier import Classifier, ClassifierSpec
    from fashion_keras.models.heads import Head
    from tests.helpers.specs import classifier_spec

    plain = classifier_spec(size=(32, 32), head=Head("own", pooling="gem"))
    groups = (
        LabelGroup("gender", "single", ("Men", "Women"), (("Men",), ("Women",)), temperature=2.0),
        LabelGroup("material", "multi", ("Cotton", "Silk"), (("Cotton",), ("Silk",)), "sigmoid", temperature=0.5),
    )
    spec = ClassifierSpec(**{**vars(plain), "groups": groups, "scaling": "caffe"})
    network = build_network(spec)
    portable = portable_network(network, spec)
    assert not [layer for layer in portable.layers if type(layer).__module__.startswith("fashion_keras")]
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8))
    expected = Classifier(spec, network.predict_on_batch).predict(image).probabilities
    outputs = portable.predict_on_batch(np.asarray(image, np.float32)[None])["probabilities"]
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    copied = keras.Model.from_config(portable.get_config())
    assert copied.count_params() == network.count_params() - 1  # the power of the mean is a constant now
