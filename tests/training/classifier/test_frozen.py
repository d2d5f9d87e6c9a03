"""Runs with a partly frozen network: each image is encoded once, and the results are those of the whole network."""

import csv
import json
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fashion_keras import InputError, TrainConfig, load_classifier, resume, train
from fashion_keras.features.cache import list_cache
from fashion_keras.models.predictions import probabilities
from fashion_keras.support.atomic_files import cache_dir
from fashion_keras.training.dataset_prep import prepare
from fashion_keras.training.feeds import image_feed
from tests.helpers.runs import read_history

pytestmark = pytest.mark.slow  # several runs


@pytest.fixture
def config(run, tiny_config, tmp_path, monkeypatch):
    """Go on from the tiny run, with a cache of its own."""
    monkeypatch.setenv("FASHION_KERAS_CACHE", str(tmp_path / "cache"))
    return replace(tiny_config, weights=str(run.folder), strategy="frozen", epochs=3, out=str(tmp_path / "run"))


def again(config, name, **changes):
    return train(replace(config, **changes, out=config.out + name))


def products(run):
    return sum(run.report.counts[part] for part in ("train", "validation", "test"))


def test_feature_cache_is_reused_by_a_second_run(config):
    first = again(config, "1", augment="none")
    (entry,) = list_cache()
    assert entry["images"] == products(first)
    assert read_history(first.folder)[-1]["val_loss"] < read_history(first.folder)[0]["val_loss"]
    longer = again(config, "2", augment="none", epochs=4)
    assert list_cache() == [entry]
    assert read_history(longer.folder)[:3] == read_history(first.folder)


@pytest.mark.study
def test_feature_cache_views_are_shared_between_tasks(config):
    """Another task divides the products in another way; an image's views stay the image's."""
    again(config, "1", views=3, epochs=3)
    before = {entry["view"]: entry["images"] for entry in list_cache()}
    second = again(config, "2", views=3, epochs=3, task="gender", min_images=50)
    after = {entry["view"]: entry["images"] for entry in list_cache()}
    assert len(before) == 3
    assert before.keys() == after.keys()
    assert all(before[view] < after[view] < before[view] + products(second) for view in after)


@pytest.mark.study
def test_feature_cache_has_at_most_one_view_per_epoch(config):
    first = again(config, "1", views=4, epochs=2)
    entries = {entry["view"]: entry["images"] for entry in list_cache()}
    assert entries == {"plain": products(first), "default, view 1": first.report.counts["train"]}
    assert again(config, "2", views=2, epochs=2, balance="smote").report.counts == first.report.counts
    assert len(list_cache()) == 2


@pytest.mark.parametrize("strategy", ["frozen", "last_block"])
def test_cached_features_train_as_the_whole_network_does(config, strategy):
    """Without augmentation, epochs on cached features equal epochs of the whole network."""
    plain = replace(config, strategy=strategy, augment="none", epochs=2, optimizer="sgd", head="plain")
    cached, ordinary = again(plain, "1"), again(plain, "2", views=0)
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        pairs = [[row[name] for row in read_history(run.folder)] for run in (cached, ordinary)]
        np.testing.assert_allclose(*pairs, rtol=5e-3, atol=5e-3, err_msg=name)
    assert [entry["view"] for entry in list_cache()] == ["plain"]


@pytest.mark.study
def test_saved_network_has_the_validation_loss_of_the_head_on_features(config):
    run = again(config, "1", epochs=2)
    prepared = prepare(config)
    rows = prepared.rows["validation"]
    predicted = probabilities(prepared.targets.groups, load_classifier(run.folder).logits(prepared.catalog.paths[rows]))
    loss = -np.log(predicted[np.arange(len(rows)), prepared.targets.strata[rows]]).mean()
    assert loss == pytest.approx(min(row["val_loss"] for row in read_history(run.folder)), rel=1e-3)


@pytest.mark.study
def test_frozen_full_caches_features_for_its_first_phase_alone(config):
    run = again(config, "1", strategy="frozen+full", epochs=3)
    assert [row["phase"] for row in read_history(run.folder)] == ["head", "all", "all"]
    assert {entry["view"] for entry in list_cache()} == {"plain"}


def test_phase_feed_logs_disk_use_and_caches_nothing_on_a_full_disk(config, monkeypatch):
    run = again(config, "1", strategy="last_block", epochs=1)
    (entry,) = list_cache()
    counts = run.report.counts
    needed = (counts["train"] + counts["validation"]) * 2 * 2 * 2 * 256
    size = f"features of custom_cnn:stage4_out take {needed / 1e6:,.1f} MB"
    assert size in (run.folder / "log.txt").read_text()
    assert needed < entry["bytes"] < 1.1 * needed
    usage = namedtuple("usage", "total used free")
    cache, real = cache_dir(), shutil.disk_usage

    def disk_usage(path):
        return usage(10**6, 10**6, 1000) if cache in (path, *Path(path).parents) else real(path)

    monkeypatch.setattr("fashion_keras.training.feeds.shutil.disk_usage", disk_usage)
    poor = again(config, "2", strategy="last_block", epochs=1, seed=1)
    assert "too little free disk space" in (poor.folder / "log.txt").read_text()
    assert len(list_cache()) == 1


@pytest.fixture(scope="module")
def tuned(run, tiny_config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuned") / "run"
    changes = {"weights": str(run.folder), "strategy": "frozen", "out": str(folder), "tune": 3, "epochs": 2}
    return train(replace(tiny_config, **changes))


def rows_of(run):
    with (run.folder / "tune.csv").open() as file:
        return list(csv.DictReader(file))


def test_search_heads_trains_the_best_head(tuned):
    rows = rows_of(tuned)
    assert [row["trial"] for row in rows] == ["0", "1", "2"]
    assert (rows[0]["learning_rate"], rows[0]["dense"]) == ("", "")
    assert len({row["learning_rate"] for row in rows}) == 3
    best = max(rows, key=lambda row: float(row["val_accuracy"]))
    final = min(read_history(tuned.folder), key=lambda row: row["val_loss"])
    assert final["val_accuracy"] == pytest.approx(float(best["val_accuracy"]))
    chosen = tuned.report.tuned
    assert chosen["trials"] == 3
    assert str(chosen["learning_rate"] or "") == best["learning_rate"]
    head = json.loads((tuned.folder / "model.json").read_text())["head"]
    assert head["dense"] == [int(width) for width in best["dense"].split(",") if width]
    assert not (tuned.folder / "tune").exists()


def test_search_heads_resumes_after_the_last_finished_trial(tuned, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(tuned.folder, folder)
    (folder / "report.json").unlink()
    lines = (folder / "tune.csv").read_text().splitlines()
    (folder / "tune.csv").write_text("\n".join(lines[:-1]) + "\n")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "out": str(folder)}))
    resumed = resume(folder)
    assert rows_of(resumed) == rows_of(tuned)
    assert resumed.report.test == tuned.report.test


@pytest.mark.study
def test_search_heads_leaves_given_options_alone(config):
    run = again(config, "1", tune=3, epochs=1, dropout=0.25, learning_rate=0.002)
    assert {(row["dropout"], row["learning_rate"]) for row in rows_of(run)} == {("0.25", "0.002")}
    assert run.report.tuned["dropout"] == 0.25


@pytest.mark.parametrize("wrong", [{"strategy": "full"}, {"views": 0}])
def test_train_config_refuses_tune_and_smote_without_cached_features(wrong):
    for option in ({"tune": 3}, {"balance": "smote"}):
        with pytest.raises(InputError, match="needs --strategy frozen, and --views above 0"):
            TrainConfig(strategy=wrong.get("strategy", "frozen"), views=wrong.get("views", 4), **option)


def test_image_feed_has_the_parts_of_the_split(tiny_config):
    prepared = prepare(tiny_config)
    feed = image_feed(tiny_config, prepared)
    np.testing.assert_array_equal(feed.train.images, prepared.catalog.paths[prepared.rows["train"]])
    np.testing.assert_array_equal(feed.held_out.codes, prepared.targets.strata[prepared.rows["validation"]])
