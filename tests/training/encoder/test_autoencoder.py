"""Autoencoder training: the loss falls, the run folder is an encoder's, an interrupted run is resumed."""

import csv
from dataclasses import replace

import keras
import numpy as np
import pytest

from fashion_keras import InputError, read_catalog
from fashion_keras.cli import main
from fashion_keras.features.registry import load_encoder
from fashion_keras.images.augment import Augmentation
from fashion_keras.images.pipeline import Examples
from fashion_keras.models.backbones import get_backbone
from fashion_keras.models.builder import load_network
from fashion_keras.models.serialization import load_spec
from fashion_keras.support.atomic_files import read_json
from fashion_keras.training.encoder.autoencoder import ReconstructionFeed, resume_autoencoder, train_autoencoder
from fashion_keras.training.encoder.config import AutoencoderConfig


@pytest.fixture(scope="module")
def trained(sample, tmp_path_factory):
    """li2020's autoencoder after three quick epochs."""
    return train_autoencoder(
        AutoencoderConfig(
            network="li2020_autoencoder", data=str(sample), epochs=3, batch_size=16, learning_rate=1e-2, limit=300,
            out=str(tmp_path_factory.mktemp("runs") / "tiny"),
        )
    )  # fmt: skip


@pytest.mark.slow
def test_autoencoder_loss_falls(trained):
    with (trained.folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[2]["loss"]) < 0.95 * float(rows[0]["loss"])
    loss = trained.report.held_out["binary_crossentropy"]
    # The history's is in the machine's fastest precision, the report's in float32.
    assert loss == pytest.approx(float(rows[2]["val_loss"]), abs=0.01)


@pytest.mark.slow
def test_autoencoder_weight_decay_shrinks_kernels(trained, tmp_path):
    config = AutoencoderConfig(**read_json(trained.folder / "config.json"))
    decayed = train_autoencoder(replace(config, epochs=1, weight_decay=2.0, out=str(tmp_path / "decayed")))
    assert decayed.report.recipe.weight_decay == 2.0
    plain, shrunk = (
        np.linalg.norm(load_network(run.folder)[1].get_layer("conv2").get_weights()[0]) for run in (trained, decayed)
    )
    assert shrunk < 0.8 * plain


@pytest.mark.slow
def test_autoencoder_folder_has_every_file(trained, sample):
    files = {path.name for path in trained.folder.iterdir()}
    whole = {"config.json", "history.csv", "log.txt", "model.json", "model.weights.h5", "reconstructions.png"}
    whole |= {"rejected.csv", "split.csv", "report.json", "report.html", "manifest.json", "training_products.txt"}
    assert files == whole
    assert read_json(trained.folder / "report.json") == trained.report.to_dict()
    assert AutoencoderConfig(**read_json(trained.folder / "config.json")).learning_rate == 1e-2
    counts = trained.report.counts
    assert sum(counts.values()) == read_catalog(sample).inputs
    assert counts["train"] + counts["held_out"] == pytest.approx(300, abs=30)


@pytest.mark.slow
def test_autoencoder_folder_loads_as_an_encoder(trained, sample):
    spec, _ = load_spec(trained.folder)
    assert (spec.image_spec.height, spec.image_spec.width, spec.image_spec.fit) == (60, 60, "stretch")
    paths = read_catalog(sample).paths[:10]
    embeddings = load_encoder(trained.folder).embed(paths)
    assert embeddings.shape == (10, 512)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-3)
    with pytest.raises(InputError, match="its own weights and image size"):
        load_encoder(trained.folder, image_size="80x60")


def test_reconstruction_feed_mirrors_input_and_target():
    image = np.zeros((80, 60, 3), np.uint8)
    image[:, :30] = 200
    feed = ReconstructionFeed(
        train=Examples([image] * 40, np.empty((40, 0))), held_out=Examples([image], np.empty((1, 0))),
        order=lambda _: np.arange(40), batch_size=40, image_spec=get_backbone("autoencoder").image_spec,
        augmentation=Augmentation("flips", flip=True),
    )  # fmt: skip
    pixels, targets = next(iter(feed.training(range(1)).as_numpy_iterator()))
    np.testing.assert_allclose(targets, pixels / 255, atol=1e-6)
    left = pixels[:, 40, 10, 0]
    assert set(left) == {0, 200}


@pytest.mark.slow
def test_autoencode_trains_the_default_network(sample, tmp_path, capsys):
    out = tmp_path / "better"
    flags = ["--data", str(sample), "--limit", "60", "--epochs", "1", "--batch-size", "20", "--out", str(out)]
    assert main(["autoencode", *flags]) == 0
    assert "binary_crossentropy" in capsys.readouterr().out
    assert load_spec(out)[0].backbone == "autoencoder"
    assert main(["autoencode", *flags]) == 2
    assert "not an empty folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"network": "vgg19"}, "unknown --network 'vgg19'"),
        ({"epochs": 0}, "--epochs must be a whole number at least 1"),
        ({"learning_rate": 0.0}, "--learning-rate must be above 0"),
        ({"weight_decay": -1.0}, "--weight-decay must be at least 0"),
        ({"hold_out": 1.0}, "--hold-out must be above 0 and below 1"),
        ({"seed": -1}, "--seed must be a whole number"),
        ({"seed": 2**32}, "--seed must be a whole number"),
    ],
)
def test_autoencoder_config_refuses(values, message):
    with pytest.raises(InputError, match=message):
        AutoencoderConfig(**values)


def test_autoencoder_recipe_of_li2020_is_the_papers():
    recipe = AutoencoderConfig(network="li2020_autoencoder").recipe
    assert (recipe.loss, recipe.learning_rate, recipe.batch_size, recipe.epochs) == (
        "binary_crossentropy",
        1e-5,
        128,
        50,
    )
    assert not recipe.flip
    assert not recipe.cosine


class Interrupt(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_resume_autoencoder_equals_an_uninterrupted_run(trained, tmp_path):
    config = AutoencoderConfig.from_dict(read_json(trained.folder / "config.json"))
    with pytest.raises(KeyboardInterrupt):
        train_autoencoder(replace(config, out=str(tmp_path / "run")), callbacks=[Interrupt()])
    resumed = resume_autoencoder(tmp_path / "run")
    for name, value in trained.report.held_out.items():
        assert resumed.report.held_out[name] == pytest.approx(value, abs=1e-4)
    ours, theirs = (load_network(run.folder)[1].get_layer("conv2").get_weights()[0] for run in (resumed, trained))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
