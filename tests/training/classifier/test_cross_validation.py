"""Cross-validation: every product is predicted once, by the run that was not trained on it."""

import json
import shutil
import signal
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from fashion_keras import InputError, resume, train
from fashion_keras.features.cache import list_cache
from fashion_keras.training.dataset_prep import prepare
from tests.helpers.runs import evaluate_run, start_training, wait_for_epoch

pytestmark = pytest.mark.slow  # several runs


@pytest.fixture(scope="module")
def config(small_config):
    return replace(
        small_config, task="master_category", strategy="frozen", folds=2, limit=0.1, views=1, epochs=1, seed=77
    )


@pytest.fixture(scope="module")
def kept(config):
    """What the cache held before the folds."""
    return {entry["folder"] for entry in list_cache()}


@pytest.fixture(scope="module")
def whole(config, kept, tmp_path_factory):
    return train(replace(config, out=str(tmp_path_factory.mktemp("folds") / "out")))


def predictions(folder):
    return pq.read_table(folder / "predictions.parquet").to_pydict()


def test_cross_validate_predicts_each_product_by_the_run_not_trained_on_it(whole, config):
    together = predictions(whole.folder)
    assert together["id"] == prepare(config).catalog.image_ids.tolist()
    probabilities_by_id = dict(zip(together["id"], together["probabilities"], strict=True))
    for number in (1, 2):
        parts = json.loads((whole.folder / f"fold{number}" / "origin.json").read_text())["parts"]
        alone = predictions(whole.folder / f"fold{number}")
        assert alone["id"] == parts["test"]
        assert not set(parts["test"]) & {*parts["train"], *parts["validation"]}
        assert [probabilities_by_id[row_id] for row_id in alone["id"]] == alone["probabilities"]


def test_cross_validate_report_is_of_all_folds(whole):
    report = json.loads((whole.folder / "report.json").read_text())
    assert report == whole.report.to_dict()
    together = predictions(whole.folder)
    right = np.array(together["truth"]) == np.array(together["predicted"])
    assert whole.accuracy == pytest.approx(right.mean())
    assert report["counts"]["test"] == len(right) == sum(row["counts"]["test"] for row in report["folds"])
    scores = [resume(whole.folder / row["folder"]).accuracy for row in report["folds"]]
    assert [row["accuracy"] for row in report["folds"]] == scores
    assert report["over_folds"]["accuracy"]["mean"] == pytest.approx(sum(scores) / 2)
    assert report["over_folds"]["accuracy"]["standard_deviation"] == pytest.approx(abs(scores[0] - scores[1]) / 2**0.5)
    assert report["per_product"]["images"] == len(right)


def test_cross_validate_encodes_each_image_once(whole, kept):
    new = [entry for entry in list_cache() if entry["folder"] not in kept]
    assert [entry["images"] for entry in new] == [whole.report.counts["test"]] * len(new)


def test_cross_validate_fold_is_a_run(whole):
    again = evaluate_run(whole.folder / "fold2")
    assert again.test["accuracy"] == pytest.approx(whole.report.folds[1]["accuracy"])
    assert again.per_product["products"] == resume(whole.folder / "fold2").report.per_product["products"]
    with pytest.raises(InputError, match=r"one for each fold: take .*fold1"):
        evaluate_run(whole.folder)


def test_cross_validate_takes_several_heads(config, kept, tmp_path):
    run = train(replace(config, task="master_category,gender", out=str(tmp_path / "out")))
    assert [row["folder"] for row in run.report.folds] == ["fold1", "fold2"]
    assert set(run.report.groups) == {"master_category", "gender"}
    assert run.report.over_folds.keys() == {"accuracy", "macro_f1", "master_category.accuracy", "gender.accuracy"}
    table = predictions(run.folder)
    pairs = zip(table["gender.truth"], table["gender.predicted"], strict=True)
    right = [truth == predicted for truth, predicted in pairs if truth is not None]
    assert run.report.groups["gender"]["test"]["accuracy"] == pytest.approx(np.mean(right))
    assert run.history["fold"].tolist() == [1, 2]
    assert (run.folder / "gender" / "confusion.png").is_file()


def test_cross_validate_refuses_finished_folds_of_another_catalog(whole, tmp_path):
    folder = tmp_path / "out"
    shutil.copytree(whole.folder, folder)
    (folder / "report.json").unlink()
    origin = json.loads((folder / "fold1" / "origin.json").read_text())
    (folder / "fold1" / "origin.json").write_text(json.dumps(origin | {"fingerprint": "other"}))
    with pytest.raises(InputError, match=r"the catalog has changed since .*fold1 was finished"):
        resume(folder)


def test_cross_validate_leaves_no_folder_for_a_class_too_small(config, tmp_path):
    with pytest.raises(InputError, match=r"too few products .* each of 90 folds: Accessories .*fewer --folds"):
        train(replace(config, folds=90, out=str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_train_of_one_fold_equals_that_fold_of_all(whole, config, tmp_path):
    alone = train(replace(config, fold=2, out=str(tmp_path / "out")))
    assert alone.accuracy == whole.report.folds[1]["accuracy"]
    assert alone.report.counts == whole.report.folds[1]["counts"]


@pytest.mark.slow
def test_resume_in_the_second_fold_equals_an_uninterrupted_cross_validation(whole, config, tmp_path):
    folder = tmp_path / "out"
    process = start_training(config, folder)
    wait_for_epoch(folder / "fold2", 1, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    first = (folder / "fold1" / "report.json").stat().st_mtime_ns
    resumed = resume(folder)
    assert (folder / "fold1" / "report.json").stat().st_mtime_ns == first
    assert not (folder / "fold2" / "checkpoint").exists()
    assert resumed.report.test["accuracy"] == pytest.approx(whole.report.test["accuracy"], abs=1e-4)
    assert resumed.report.over_folds["macro_f1"] == pytest.approx(whole.report.over_folds["macro_f1"], abs=1e-4)
