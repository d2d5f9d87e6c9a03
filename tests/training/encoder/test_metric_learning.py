"""Metric learning, whole: what is thawed learns, what is learnt is better, and an encoder comes out."""

from dataclasses import replace

import numpy as np
import pytest

from fashion_keras.features.registry import load_encoder
from fashion_keras.models.builder import load_network
from fashion_keras.support.atomic_files import read_json
from fashion_keras.support.errors import InputError
from fashion_keras.training.encoder.config import EncoderConfig
from fashion_keras.training.encoder.metric_learning import train_encoder

PRECISION = "article_type precision@10"


@pytest.fixture(scope="module")
def config(sample):
    return EncoderConfig(
        data=str(sample), backbone="custom_cnn", image_size="32x32", weights="none", width=32, epochs=3, batch_size=64,
        precision="float32", labels="article_type,base_colour", learning_rate=5e-3,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("loss", "margin"),
    [("supcon", 0.2), *(pytest.param(*row, marks=pytest.mark.slow) for row in (("triplet", 0.2), ("arcface", 0.3)))],
)
def test_a_projection_learns_on_a_frozen_backbone(config, tmp_path, loss, margin):
    trained = train_encoder(replace(config, loss=loss, margin=margin, out=str(tmp_path / "encoder")))
    losses = [float(line.split(",")[1]) for line in (tmp_path / "encoder/history.csv").read_text().splitlines()[1:]]
    assert losses[-1] < losses[0]
    vectors = load_encoder(trained.folder).embed([np.full((32, 32, 3), 200, np.uint8)])
    assert vectors.shape == (1, 32)
    assert np.linalg.norm(vectors) == pytest.approx(1, abs=1e-4)
    report = read_json(tmp_path / "encoder/report.json")
    assert (
        report["held_out"][PRECISION]["queries"] + report["held_out"][PRECISION]["excluded"]
        == (report["counts"]["held_out"])
    )


@pytest.mark.slow
def test_thawed_from_an_encoder_it_goes_on_with_its_projection(config, tmp_path):
    first = train_encoder(replace(config, loss="arcface", margin=0.0, out=str(tmp_path / "first")))
    again = replace(config, weights=str(first.folder), strategy="last_block", epochs=1, out=str(tmp_path / "second"))
    second = train_encoder(replace(again, learning_rate=1e-5))
    (_, before), (_, after) = load_network(first.folder), load_network(second.folder)
    moved = {
        name: np.abs(before.get_layer(name).get_weights()[0] - after.get_layer(name).get_weights()[0]).max()
        for name in ("stage4_conv1", "stage5_conv1", "projection")
    }
    assert moved["stage4_conv1"] == 0
    assert 0 < moved["stage5_conv1"] < 0.01
    assert 0 < moved["projection"] < 0.01
    assert second.report["weights"] == str(first.folder)


@pytest.mark.slow
def test_weight_decay_shrinks_the_projection(config, tmp_path):
    runs = [train_encoder(replace(config, weight_decay=x, epochs=2, out=str(tmp_path / str(x)))) for x in (0.0, 0.9)]
    plain, shrunk = (
        np.linalg.norm(load_network(run.folder)[1].get_layer("projection").get_weights()[0]) for run in runs
    )
    assert shrunk < 0.99 * plain


@pytest.mark.slow
def test_the_same_seed_gives_the_same_encoder(config, tmp_path):
    runs = [train_encoder(replace(config, epochs=1, out=str(tmp_path / name))) for name in ("a", "b")]
    values = [load_network(run.folder)[1].get_layer("projection").get_weights()[0] for run in runs]
    np.testing.assert_allclose(values[0], values[1], atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"strategy": "frozen+full"}, "several phases"),
        ({"batch_size": 30}, "multiple of --images-per-class"),
        ({"hold_out": 0.0}, "hold-out"),
        ({"temperature": 0.0}, "above 0"),
        ({"loss": "contrastive"}, "supcon"),
        ({"backbone": "vgg91"}, "vgg19"),
        ({"epochs": 0}, "from 1"),
        ({"width": "many"}, "of type int"),
        ({"labels": "colour"}, "base_colour"),
    ],
)
def test_wrong_options_are_refused(changes, reason):
    with pytest.raises(InputError, match=reason):
        EncoderConfig(**changes)


def test_a_folder_in_use_is_left_alone(config, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not an empty folder"):
        train_encoder(replace(config, out=str(tmp_path)))
    assert (tmp_path / "notes.txt").read_text() == "mine"
