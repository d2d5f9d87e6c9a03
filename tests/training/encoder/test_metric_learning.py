"""Metric learning: trainable layers move, the loss falls, an encoder comes out, a killed run is resumed."""

import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest

from fashion_keras.catalog.product_hashes import read_training_products
from fashion_keras.cli import main
from fashion_keras.features.registry import load_encoder
from fashion_keras.models.builder import load_network
from fashion_keras.support.atomic_files import read_json
from fashion_keras.support.errors import InputError
from fashion_keras.training.encoder.config import EncoderConfig
from fashion_keras.training.encoder.metric_learning import resume_encoder, train_encoder
from tests.helpers.runs import flags_of, read_history, start_command, wait_for_epoch

PRECISION = "article_type precision@10"


@pytest.fixture(scope="module")
def config(sample):
    return EncoderConfig(
        data=str(sample), backbone="custom_cnn", image_size="32x32", weights="none", width=32, epochs=3, batch_size=64,
        precision="float32", labels="article_type,base_colour", learning_rate=5e-3,
    )  # fmt: skip


def read_losses(folder):
    return [row["loss"] for row in read_history(folder)]


@pytest.mark.parametrize(
    ("loss", "margin", "learning_rate"),
    [
        pytest.param("supcon", 0.2, 1e-3, marks=pytest.mark.slow),
        pytest.param("triplet", 0.2, 5e-4, marks=pytest.mark.study),
        pytest.param("arcface", 0.3, 5e-3, marks=pytest.mark.study),
    ],
)
def test_train_encoder_trains_a_projection_on_a_frozen_backbone(config, tmp_path, loss, margin, learning_rate):
    changed = replace(config, loss=loss, margin=margin, learning_rate=learning_rate, out=str(tmp_path / "encoder"))
    trained = train_encoder(changed)
    losses = read_losses(tmp_path / "encoder")
    assert losses[-1] < losses[0]
    embeddings = load_encoder(trained.folder).embed([np.full((32, 32, 3), 200, np.uint8)])
    assert embeddings.shape == (1, 32)
    assert np.linalg.norm(embeddings) == pytest.approx(1, abs=1e-4)
    report = read_json(tmp_path / "encoder/report.json")
    assert (
        report["held_out"][PRECISION]["queries"] + report["held_out"][PRECISION]["excluded"]
        == (report["counts"]["held_out"])
    )


@pytest.mark.study
@pytest.mark.slow
def test_train_encoder_from_an_encoder_keeps_its_projection(config, tmp_path):
    first = train_encoder(replace(config, loss="arcface", margin=0.0, out=str(tmp_path / "first")))
    again = replace(config, weights=str(first.folder), strategy="last_block", epochs=1, out=str(tmp_path / "second"))
    second = train_encoder(replace(again, learning_rate=1e-5, seed=1))
    (_, before), (_, after) = load_network(first.folder), load_network(second.folder)
    moved = {
        name: np.abs(before.get_layer(name).get_weights()[0] - after.get_layer(name).get_weights()[0]).max()
        for name in ("stage4_conv1", "stage5_conv1", "projection")
    }
    assert moved["stage4_conv1"] == 0
    assert 0 < moved["stage5_conv1"] < 0.01
    assert 0 < moved["projection"] < 0.01
    assert second.report.weights == str(first.folder)
    # Another seed holds other products out; those that the first was trained on count as trained on.
    products = [read_training_products(run.folder) for run in (first, second)]
    assert products[0] < products[1]


@pytest.mark.study
@pytest.mark.slow
def test_train_encoder_weight_decay_shrinks_the_projection(config, tmp_path):
    runs = [train_encoder(replace(config, weight_decay=x, epochs=2, out=str(tmp_path / str(x)))) for x in (0.0, 0.9)]
    plain, shrunk = (
        np.linalg.norm(load_network(run.folder)[1].get_layer("projection").get_weights()[0]) for run in runs
    )
    assert shrunk < 0.99 * plain


@pytest.mark.slow
def test_train_encoder_is_the_same_for_the_same_seed(config, tmp_path):
    runs = [train_encoder(replace(config, epochs=1, out=str(tmp_path / name))) for name in ("a", "b")]
    values = [load_network(run.folder)[1].get_layer("projection").get_weights()[0] for run in runs]
    np.testing.assert_allclose(values[0], values[1], atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"strategy": "frozen+full"}, "several phases"),
        ({"batch_size": 30}, "must be a multiple of --images-per-class"),
        ({"hold_out": 0.0}, "hold-out"),
        ({"temperature": 0.0}, "above 0"),
        ({"loss": "contrastive"}, "supcon"),
        ({"backbone": "vgg91"}, "vgg19"),
        ({"epochs": 0}, "at least 1"),
        ({"seed": 2**32}, "--seed must be a whole number"),
        ({"image_size": (224,) * 3}, "image size is HEIGHTxWIDTH"),
        ({"width": "many"}, "of type int"),
        ({"labels": "colour"}, "base_colour"),
    ],
)
def test_encoder_config_refuses(changes, reason):
    with pytest.raises(InputError, match=reason):
        EncoderConfig(**changes)


def test_train_encoder_leaves_a_folder_in_use_alone(config, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not an empty folder"):
        train_encoder(replace(config, out=str(tmp_path)))
    assert (tmp_path / "notes.txt").read_text() == "mine"


class Interrupt(keras.callbacks.Callback):
    """Raise KeyboardInterrupt in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch + 1 == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("loss", [pytest.param("supcon", marks=pytest.mark.study), "arcface"])
@pytest.mark.slow
def test_resume_encoder_equals_an_uninterrupted_run(config, tmp_path, loss):
    config = replace(config, loss=loss, dropout=0.2, labels="article_type,title")
    whole = train_encoder(replace(config, out=str(tmp_path / "whole")))
    with pytest.raises(KeyboardInterrupt):
        train_encoder(replace(config, out=str(tmp_path / "run")), callbacks=[Interrupt(3)])
    assert len(read_losses(tmp_path / "run")) == 2
    resumed = resume_encoder(tmp_path / "run")
    np.testing.assert_allclose(read_losses(resumed.folder), read_losses(whole.folder), rtol=1e-5)
    for ours, theirs in zip(*(load_network(run.folder)[1].get_weights() for run in (resumed, whole)), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert not (resumed.folder / "checkpoint").exists()
    assert resume_encoder(resumed.folder).report == resumed.report
    assert 0 < len(read_training_products(resumed.folder)) <= resumed.report.counts["train"]


@pytest.mark.slow
def test_resume_encoder_refuses_another_catalog(config, sample, tmp_path):
    with pytest.raises(InputError, match="no run was begun here"):
        resume_encoder(tmp_path)
    data = shutil.copytree(sample, tmp_path / "data")
    with pytest.raises(KeyboardInterrupt):
        train_encoder(replace(config, data=data, out=tmp_path / "run"), callbacks=[Interrupt(2)])
    table = data / "styles.csv"
    table.write_text(table.read_text().replace("Casual", "Formal", 1))
    with pytest.raises(InputError, match="the catalog has changed since the run"):
        resume_encoder(tmp_path / "run")


def test_train_encoder_removes_a_folder_in_which_nothing_was_trained(config, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        train_encoder(replace(config, weights=str(tmp_path / "none.h5"), out=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", ["train-encoder", "autoencode"])
def test_resume_takes_no_other_flag(command, tmp_path, capsys):
    assert main([command, "--resume", str(tmp_path), "--epochs", "3"]) == 2
    assert "--resume takes no other flag" in capsys.readouterr().err
    assert main([command, "--resume", str(tmp_path)]) == 2
    assert "no run was begun here" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train", "train-encoder", "autoencode"])
def test_seed_above_32_bits_is_refused_in_one_line(command, capsys):
    assert main([command, "--seed", "4294967296"]) == 2
    assert (
        capsys.readouterr().err
        == "error: --seed must be a whole number at least 0 and at most 4294967295, not 4294967296\n"
    )


@pytest.mark.slow
def test_train_encoder_killed_and_resumed_equals_an_uninterrupted_run(config, tmp_path):
    config = replace(config, epochs=30, dropout=0.2, out=str(tmp_path / "run"))
    whole = train_encoder(replace(config, out=str(tmp_path / "whole")))
    process = start_command("train-encoder", *flags_of(config))
    wait_for_epoch(tmp_path / "run", 1, process)
    process.kill()
    process.communicate()
    assert 1 <= len(read_losses(tmp_path / "run")) < 30
    resumed = resume_encoder(tmp_path / "run")
    np.testing.assert_allclose(read_losses(resumed.folder), read_losses(whole.folder), rtol=1e-4)
    for ours, theirs in zip(*(load_network(run.folder)[1].get_weights() for run in (resumed, whole)), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
