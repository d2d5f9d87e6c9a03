"""A user's own backbone, loss and metrics, and the plain Keras models of a run."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from fashion_keras import InputError, TrainConfig, load_classifier, train
from fashion_keras.models.own_backbone import save_backbone
from tests.helpers.runs import read_history
from tests.helpers.specs import two_convolutions

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def own_run(tiny_config, tmp_path_factory):
    """A frozen run on a backbone, with the backbone and the losses that were called."""
    backbone = two_convolutions()
    config = replace(
        tiny_config, backbone="custom_cnn", strategy="frozen", image_size=None, views=1, limit=300,
        out=str(tmp_path_factory.mktemp("own") / "run"), log="none",
    )  # fmt: skip
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    metric = keras.metrics.SparseTopKCategoricalAccuracy(3, name="top_3")
    return backbone, train(config, backbone=backbone, loss=loss, metrics=[metric])


def test_run_keeps_the_weights_of_a_frozen_backbone(own_run):
    backbone, run = own_run
    for layer in backbone.layers[1:]:
        for weight, expected in zip(run.model.get_layer(layer.name).get_weights(), layer.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, expected)
    assert run.model.get_layer("last").get_weights()


def test_run_and_classifier_are_plain_keras_models(own_run, sample):
    _, run = own_run
    classifier = load_classifier(run.folder)
    assert isinstance(run.model, keras.Model)
    assert isinstance(classifier.model, keras.Model)
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 32, 24, 3)).astype(np.float32)
    np.testing.assert_allclose(classifier.model.predict_on_batch(pixels), classifier.forward(pixels), atol=1e-4)


def test_run_reports_the_metrics_and_the_loss_of_the_user(own_run):
    _, run = own_run
    rows = read_history(run.folder)
    assert all(row["top_3"] >= row["accuracy"] for row in rows)
    # No label smoothing and 14 classes: the loss of the first epoch is near log 14.
    assert abs(rows[0]["val_loss"] - np.log(len(run.report.classes))) < 1


def test_run_is_loaded_without_the_file_of_its_backbone(own_run, tmp_path, monkeypatch):
    _, run = own_run
    monkeypatch.setenv("FASHION_KERAS_CACHE", str(tmp_path))
    moved = load_classifier(run.folder, runtime="tensorflow")
    assert moved.spec.backbone.endswith(".keras")
    assert moved.predict(np.full((32, 24, 3), 200, np.uint8)).probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_file_is_a_backbone_on_the_command_line(tmp_path):
    path = tmp_path / "net.keras"
    two_convolutions().save(path)
    config = TrainConfig(backbone=str(path))
    assert (config.image_spec.height, config.image_spec.width, config.strategy_name) == (32, 24, "frozen")
    with pytest.raises(InputError, match="takes images of 32x24 only"):
        TrainConfig(backbone=str(path), image_size="64x64")


def test_models_that_are_no_backbones_are_refused(tmp_path):
    with pytest.raises(InputError, match="layer name 'pool' is one of this package"):
        save_backbone(two_convolutions(last="pool"))
    gray = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3)])
    with pytest.raises(InputError, match=r"fixed size \(height, width, 3\), not \[\(8, 8, 1\)\]"):
        save_backbone(gray)
    (tmp_path / "net.keras").write_text("no zip")
    with pytest.raises(InputError, match="not a Keras file"):
        TrainConfig(backbone=str(tmp_path / "net.keras"))
    with pytest.raises(InputError, match=r"missing\.keras: not a Keras file"):
        TrainConfig(backbone="missing.keras")


def test_code_in_a_keras_file_is_not_run(tmp_path, tiny_config):
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Lambda(lambda pixels: pixels / 2)(inputs)
    path = tmp_path / "net.keras"
    keras.Model(inputs, keras.layers.Conv2D(2, 3)(x)).save(path)
    config = replace(tiny_config, backbone=str(path), image_size=None, out=str(tmp_path / "run"), strategy="full")
    with pytest.raises(InputError, match=r"net\.keras: keras\.layers\.Lambda is code"):
        train(config)


def test_classifier_without_a_folder_has_no_model():
    from fashion_keras import Classifier
    from tests.helpers.specs import classifier_spec

    with pytest.raises(InputError, match="not loaded from a run folder"):
        _ = Classifier(classifier_spec(), lambda pixels: pixels).model
