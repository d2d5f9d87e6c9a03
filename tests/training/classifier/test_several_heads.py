"""Runs with several heads on one backbone: training, evaluation by head, loading."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from fashion_keras import InputError, TrainConfig, load_classifier, read_catalog, train
from fashion_keras.analysis.linear_probe import probe
from fashion_keras.analysis.robustness import robustness
from fashion_keras.catalog.targets import encode_groups
from fashion_keras.training.dataset_prep import prepare
from tests.helpers.cli import assert_one_line
from tests.helpers.runs import evaluate_run, read_history

pytestmark = pytest.mark.slow  # several runs

HEADS = ("article_type", "gender", "master_category", "pattern")


@pytest.fixture(scope="module")
def config(run, tiny_config):
    """Four heads on the features of the tiny run's backbone."""
    return replace(tiny_config, task=",".join(HEADS), weights=str(run.folder), strategy="frozen", min_images=60)


@pytest.fixture(scope="module")
def several(config, tmp_path_factory):
    return train(replace(config, epochs=4, out=str(tmp_path_factory.mktemp("several") / "run")))


def test_report_has_the_required_keys_and_each_head(several):
    report = json.loads((several.folder / "report.json").read_text())
    assert report == several.report.to_dict()
    assert report.keys() >= {
        "task",
        "backbone",
        "strategy",
        "weights",
        "classes",
        "counts",
        "test",
        "per_class",
        "seconds",
    }
    assert report["counts"].keys() == {"train", "validation", "test", "rejected"}
    assert report["test"].keys() >= {"accuracy", "top_3", "macro_f1", "ece", "accuracy_ci95"}
    assert tuple(report["groups"]) == HEADS
    single = [report["groups"][name]["test"]["accuracy"] for name in HEADS[:3]]
    assert report["test"]["accuracy"] == pytest.approx(np.mean(single))
    low, high = report["test"]["accuracy_ci95"]
    assert low < several.accuracy < high
    pattern = report["groups"]["pattern"]
    assert pattern["kind"] == "multi"
    assert pattern["test"]["micro"].keys() >= {"precision", "recall", "f1", "f1_ci95"}
    assert [row["name"] for row in pattern["per_class"]] == pattern["classes"]
    assert report["labels"].keys() == {"mean_average_precision", "given", "top_8"}
    assert (
        len(report["per_class"])
        == len(report["classes"])
        == sum(len(one["classes"]) for one in report["groups"].values())
    )


def test_report_counts_known_labels_of_each_head_alone(several, config):
    prepared = prepare(config)
    counts = several.report.groups["pattern"]["counts"]
    assert 0 < counts["train"] < several.report.counts["train"]
    for name, group in several.report.groups.items():
        for part in ("train", "validation", "test"):
            assert group["counts"][part] == prepared.targets.known_counts(prepared.rows[part])[name]


def test_prepare_keeps_products_of_a_rare_class_for_other_heads(config):
    prepared = prepare(replace(config, min_images=130))
    types = len(prepared.targets.groups[0].classes)
    rare = prepared.targets.strata == types
    assert rare.any()
    assert (prepared.targets.packed[rare, 0] == -1).all()
    assert (prepared.targets.packed[rare, 1:] >= 0).any()


def test_history_holds_loss_and_accuracy(several):
    rows = read_history(several.folder)
    assert rows[-1]["val_loss"] < rows[0]["val_loss"]
    assert all(0 <= row[name] <= 1 for row in rows for name in ("accuracy", "val_accuracy"))


def test_run_folder_has_the_figures_of_each_head(several):
    names = {path.name for path in several.folder.iterdir()}
    assert names >= {"co_occurrence.png", "labels_per_image.png", "predictions.parquet", "network.json", *HEADS}
    figures = {"confusion.png", "precision_recall.png", "class_accuracy.png", "reliability.png"}
    assert {path.name for path in (several.folder / "gender").iterdir()} >= figures
    assert {path.name for path in (several.folder / "pattern").iterdir()} == {"precision_recall.png", "reliability.png"}


def test_predictions_file_gives_the_accuracy_of_each_head(several, config):
    table = pq.read_table(several.folder / "predictions.parquet").to_pydict()
    prepared = prepare(config)
    assert sorted(table["id"]) == sorted(prepared.catalog.image_ids[prepared.rows["test"]].tolist())
    pairs = zip(table["article_type.truth"], table["article_type.predicted"], strict=True)
    right = [truth == predicted for truth, predicted in pairs if truth is not None]
    assert np.mean(right) == pytest.approx(several.report.groups["article_type"]["test"]["accuracy"])
    known = [row is not None for row in table["pattern.truth"]]
    assert sum(known) == several.report.groups["pattern"]["counts"]["test"]


def test_report_calibrates_every_head(several):
    for name in HEADS:
        calibration = several.report.calibration[name]
        assert calibration["temperature"] > 0
        assert 0 <= calibration["ece_after"] <= 1
    assert several.report.calibration["gender"]["ece_after"] == pytest.approx(
        several.report.groups["gender"]["test"]["ece"], abs=1e-6
    )
    pattern = load_classifier(several.folder).spec.groups[3]
    assert len(pattern.thresholds) == len(pattern.classes)


def test_report_hierarchy_has_separate_and_joint_accuracies(several):
    hierarchy = several.report.hierarchy
    assert 0 <= hierarchy["contradictions"] <= 1
    accuracy = hierarchy["accuracy"]
    heads = several.report.groups
    assert accuracy["article_type"]["separate"] == pytest.approx(heads["article_type"]["test"]["accuracy"])
    assert accuracy["master_category"]["separate"] == pytest.approx(heads["master_category"]["test"]["accuracy"])
    assert accuracy["sub_category"]["separate"] is None
    assert accuracy["article_type"]["joint"] <= accuracy["sub_category"]["joint"] <= 1


def test_evaluate_equals_the_report_of_the_run(several, sample, tmp_path):
    again = evaluate_run(several.folder, data=str(sample), out=tmp_path / "evaluation")
    assert again.part == "test"
    assert again.counts["test"] == several.report.counts["test"]
    assert again.trained_on_left_out == 0
    for name, group in several.report.groups.items():
        assert again.groups[name]["counts"] == group["counts"]
        assert again.groups[name]["test"]["accuracy"] == pytest.approx(group["test"]["accuracy"], abs=0.02)
    assert (tmp_path / "evaluation" / "gender" / "confusion.png").is_file()


def test_robustness_scores_each_single_valued_head(several):
    report = robustness({"runs": several.folder})
    reference = {row["head"]: row for row in report["rows"] if row["condition"] == "reference"}
    assert tuple(reference) == HEADS[:3]
    assert report["runs"][0]["heads_left_out"] == ["pattern"]
    for name, row in reference.items():
        assert row["accuracy"] == pytest.approx(several.report.groups[name]["test"]["accuracy"], abs=0.02)
        assert row["products"] == several.report.groups[name]["counts"]["test"]


def test_predictions_group_is_a_head_of_the_loaded_classifier(several, config):
    classifier = load_classifier(several.folder)
    paths = read_catalog(config.data).paths[:4]
    predictions = classifier.predict(paths)
    assert set(predictions.group("gender").names) <= set(classifier.spec.groups[1].classes)
    with pytest.raises(InputError, match="unknown head of this run 'colour'"):
        predictions.group("colour")
    plain = load_classifier(several.folder, "tensorflow").predict(paths)
    np.testing.assert_allclose(predictions.probabilities, plain.probabilities, atol=1e-4)


def test_predict_and_evaluate_print_each_head(several, sample, command):
    path = read_catalog(sample).paths[0]
    lines = command("predict", several.folder, path).stdout.splitlines()
    assert lines[0] == path
    assert [line.split()[0] for line in lines[1:]] == list(HEADS)
    answer = json.loads(command("predict", several.folder, path, "--json").stdout)["predictions"][0]
    assert answer["image"] == path
    assert answer["heads"]["gender"]["class"] in several.report.groups["gender"]["classes"]
    assert isinstance(answer["heads"]["pattern"]["labels"], list)
    text = command("evaluate", several.folder).stdout
    assert all(any(line.split()[0] == name for line in text.splitlines()) for name in HEADS)
    assert "contradict" in text


def test_evaluate_skips_heads_whose_columns_a_catalog_lacks(several, sample, tmp_path):
    shutil.copytree(sample, tmp_path / "data")
    table = tmp_path / "data" / "styles.csv"
    table.write_text(table.read_text().replace("gender", "for whom", 1))
    report = evaluate_run(several.folder, data=str(tmp_path / "data"))
    assert report.groups["gender"]["test"] is None
    assert report.groups["article_type"]["test"]["accuracy"] > 0


@pytest.mark.study
def test_train_last_block_of_several_heads_caches_features(config, tmp_path):
    run = train(
        replace(config, strategy="last_block", task="article_type,base_colour", epochs=1, out=str(tmp_path / "r"))
    )
    assert tuple(run.report.groups) == ("article_type", "base_colour")
    assert "features of custom_cnn:stage4_out take" in (run.folder / "log.txt").read_text()


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "weighted_bce"},
        pytest.param({"loss": "bce"}, marks=pytest.mark.study),
        pytest.param({"balance": "class_weight"}, marks=pytest.mark.study),
        pytest.param({"tune": 2}, marks=pytest.mark.study),
    ],
)
def test_train_takes_all_attributes_with_every_loss(config, tmp_path, changes):
    run = train(replace(config, task="attributes", epochs=2, out=str(tmp_path / "run"), **changes))
    assert {"article_type", "gender", "pattern", "neck"} <= set(run.report.groups)
    left_out = [warning for warning in run.report.warnings if "task fit" in warning]
    assert left_out
    kinds = {group.activation for group in load_classifier(run.folder).spec.groups if group.kind == "single"}
    assert kinds == ({"sigmoid"} if "loss" in changes else {"softmax"})


def test_train_takes_one_multi_valued_attribute(config, tmp_path):
    run = train(replace(config, task="pattern", epochs=2, out=str(tmp_path / "run")))
    assert list(run.report.groups) == ["pattern"]
    assert run.accuracy == pytest.approx(run.report.groups["pattern"]["test"]["accuracy"])
    assert run.report.test["top_3"] is None


def test_prepare_splits_rows_without_a_class_of_the_first_head(config, sample):
    prepared = prepare(replace(config, task="gender,base_colour", min_images=130))
    unlabeled = prepared.targets.strata == prepared.targets.strata.max()
    assert unlabeled.any()
    parts = (prepared.rows["train"], prepared.rows["validation"], prepared.rows["test"])
    shares = [unlabeled[rows].sum() / unlabeled.sum() for rows in parts]
    np.testing.assert_allclose(shares, [0.64, 0.16, 0.2], atol=0.08)


def test_report_of_one_head_has_calibration_and_hierarchy(run):
    calibration = run.report.calibration["article_type"]
    assert load_classifier(run.folder).spec.groups[0].temperature == pytest.approx(calibration["temperature"])
    assert calibration["ece_after"] == pytest.approx(run.report.test["ece"], abs=1e-6)
    accuracy = run.report.hierarchy["accuracy"]
    assert accuracy["article_type"]["joint"] == pytest.approx(run.accuracy)
    assert run.accuracy <= accuracy["sub_category"]["joint"] <= accuracy["master_category"]["joint"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"task": "gender,patern"}, "unknown task 'patern'; did you mean 'pattern'"),
        ({"task": "gender,gender"}, "named twice"),
        ({"task": "atributes"}, "unknown task 'atributes'; did you mean 'attributes'"),
        ({"task": "gender", "loss": "bce"}, "--loss needs several heads"),
        ({"task": "attributes", "loss": "bse"}, "unknown --loss 'bse'; did you mean 'bce'"),
        (
            {"task": "gender,pattern", "balance": "smote", "strategy": "frozen"},
            "--balance smote needs a single head",
        ),
        ({"task": "gender,pattern", "loss": "bce", "balance": "class_weight"}, "weighted_bce has label weights"),
        ({"task": "gender,pattern", "loss": "bce", "label_smoothing": 0.1}, "needs --loss grouped"),
    ],
)
def test_train_config_refuses_wrong_values_with_several_heads(wrong, words):
    with pytest.raises(InputError) as error:
        TrainConfig(**wrong)
    assert words in str(error.value)


def test_train_refuses_several_heads_of_which_one_is_left(command, config, sample, tmp_path):
    result = command("train", "--task", "gender,fit", "--data", sample, "--out", tmp_path / "run")
    assert_one_line(result, "only gender is left, which --task gender trains", "task fit", "lower --min-images")
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match=r"task fit: .*; task heel: "):
        prepare(replace(config, task="fit,heel", min_images=500))


def test_probe_takes_one_task(config):
    with pytest.raises(InputError, match=r"compared on one task.*name one of them"):
        probe({"task": config.task, "backbones": "vgg19", "data": config.data})


def test_report_counts_the_rejected_rows(several, sample):
    with (several.folder / "rejected.csv").open() as file:
        rejected = list(csv.DictReader(file))
    assert len(rejected) == several.report.counts["rejected"]
    assert sum(several.report.counts.values()) == read_catalog(sample).inputs


def test_report_classes_are_those_of_the_whole_catalog(several, config):
    catalog = read_catalog(config.data)
    targets = encode_groups(config.label_spec, catalog.columns, config.min_images)
    assert [tuple(group["classes"]) for group in several.report.groups.values()] == [
        group.classes for group in targets.groups
    ]
