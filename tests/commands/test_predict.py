"""predict: image files in any number, folders and tables, what is rejected, and calls that are wrong."""

import json
import shutil
import time

import numpy as np
import pytest

from fashion_keras import load_classifier, read_catalog
from tests.helpers.catalogs import read_rows
from tests.helpers.cli import assert_one_line, run_cli


@pytest.fixture(scope="module")
def paths(sample):
    return read_catalog(sample).paths[:4].tolist()


@pytest.fixture
def bad(tmp_path):
    path = tmp_path / "bad.jpg"
    path.write_bytes(b"not an image")
    return path


def test_predict_rejects_bad_images_and_predicts_the_others(run, paths, bad):
    result = run_cli("predict", run.folder, paths[0], bad, "--json")
    report = json.loads(result.stdout)
    assert result.returncode == 0
    assert [row["image"] for row in report["predictions"]] == paths[:1]
    assert report["predictions"][0]["class"] in run.report.classes
    assert np.diff([label["probability"] for label in report["predictions"][0]["top"]]).max() <= 0
    assert [row["image"] for row in report["rejected"]] == [str(bad)]
    text = run_cli("predict", run.folder, paths[0], bad)
    assert text.returncode == 0
    assert "1 of 2 images rejected" in text.stderr
    assert_one_line(run_cli("predict", run.folder, bad), "bad.jpg")


def test_predict_gives_a_row_for_each_argument(run, paths, bad):
    result = run_cli("predict", run.folder, paths[0], paths[1], paths[0], bad, bad, "--json")
    report = json.loads(result.stdout)
    assert [row["image"] for row in report["predictions"]] == [paths[0], paths[1], paths[0]]
    assert [row["image"] for row in report["rejected"]] == [str(bad)] * 2


def test_predict_of_a_folder_writes_a_table(run, paths, tmp_path, bad):
    folder = tmp_path / "images"
    (folder / "more").mkdir(parents=True)
    for path in paths[:2]:
        shutil.copy(path, folder)
    shutil.copy(paths[2], folder / "more")
    shutil.copy(bad, folder)
    out = tmp_path / "out" / "table.csv"
    result = run_cli("predict", run.folder, folder, "--out", out)
    assert result.returncode == 0, result.stderr
    assert dict(line.split()[:2] for line in result.stdout.splitlines()[:3]) == {
        "images": "4", "predicted": "3", "rejected": "1",
    }  # fmt: skip
    rows = read_rows(out)
    assert list(rows[0]) == ["path", "predicted", "confidence", "rejected"]
    assert sorted(row["path"] for row in rows) == sorted(str(path) for path in folder.rglob("*.jpg"))
    predicted = {row["path"]: row["predicted"] for row in rows if not row["rejected"]}
    assert list(predicted.values()) == load_classifier(run.folder).predict(list(predicted)).names
    (rejected,) = (row for row in rows if row["rejected"])
    assert (rejected["path"], rejected["predicted"]) == (str(folder / "bad.jpg"), "")
    assert "not an image" in rejected["rejected"]


def test_predict_of_a_table_accounts_for_every_row(run, paths, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = tmp_path / "shop.csv"
    table.write_text("\n".join(["path", *paths, "gone.jpg"]) + "\n")
    report = json.loads(run_cli("predict", run.folder, table, "--json").stdout)
    assert (report["images"], report["predicted"], report["rejected"]) == (5, 4, 1)
    rows = read_rows(tmp_path / "predictions.csv")
    assert [row["path"] for row in rows if not row["rejected"]] == paths
    assert sum(bool(row["rejected"]) for row in rows) == sum(report["reasons"].values()) == 1


def test_predict_refuses_wrong_calls(run, paths, tmp_path, bad):
    empty, broken = tmp_path / "empty", tmp_path / "broken"
    empty.mkdir()
    broken.mkdir()
    shutil.copy(bad, broken)
    assert_one_line(run_cli("predict", run.folder, empty), "empty: no image files")
    assert_one_line(run_cli("predict", run.folder, broken), "none of 1 images is readable")
    assert_one_line(run_cli("predict", run.folder, tmp_path, "--out", tmp_path / "a.txt"), "ends in .csv")
    assert_one_line(run_cli("predict", run.folder, paths[0], "--out", "a.csv"), "--out", "one folder or table")
    assert_one_line(run_cli("predict", run.folder, tmp_path / "gone.csv"), "gone.csv: no such folder or file")
    assert_one_line(run_cli("predict", tmp_path, paths[0]), "no finished run")
    assert_one_line(run_cli("predict", run.folder), "IMAGE")


@pytest.mark.parametrize(
    "arguments",
    [
        "predict NOWHERE IMAGES", "explain NOWHERE IMAGES", "robustness NOWHERE", "audit --data NOWHERE",
        "probe --backbones vgg19 --data NOWHERE", "evaluate-search --encoder fashion_small --data NOWHERE",
        "evaluate-search --encoder NOWHERE --data IMAGES", "map --data NOWHERE", "map --encoder NOWHERE",
        "audit --encoder NOWHERE",
    ],
)  # fmt: skip
def test_commands_refuse_missing_paths_within_a_second(arguments, sample, tmp_path):
    words = [
        {"NOWHERE": str(tmp_path / "nowhere"), "IMAGES": str(sample)}.get(word, word) for word in arguments.split()
    ]
    run_cli(words[0], "--help")  # the time to import modules is not counted
    began = time.perf_counter()
    assert_one_line(run_cli(*words), "nowhere")
    assert time.perf_counter() - began < 3, "1 s on a machine that does nothing else"
    assert not list(tmp_path.iterdir())
