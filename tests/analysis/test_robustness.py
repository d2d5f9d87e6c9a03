"""Robustness of runs: scores are those of the changed images, on the right products."""

import csv
import json
import shutil
from io import BytesIO

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fashion_keras import EvaluateConfig, InputError, evaluate, load_classifier, read_catalog
from fashion_keras.analysis import robustness as robustness_module
from fashion_keras.analysis.robustness import COLUMNS, robustness
from fashion_keras.cli import main
from fashion_keras.evaluation.metrics.intervals import accuracy_interval
from fashion_keras.images.corruptions import CORRUPTIONS
from fashion_keras.images.decode import decode_batch
from tests.helpers.cli import run_cli

NAMES = [condition.name for condition in CORRUPTIONS]


@pytest.fixture(scope="module")
def report(run, tmp_path_factory):
    """A report on the whole test part of the tiny run, and where it was written."""
    out = tmp_path_factory.mktemp("robustness")
    return robustness({"runs": run.folder, "out": out}), out


@pytest.fixture(scope="module")
def larger(run, sample, tmp_path_factory):
    """The run's products twice as large, under other file names."""
    folder = tmp_path_factory.mktemp("larger")
    (folder / "images").mkdir()
    parts = json.loads((run.folder / "origin.json").read_text())["parts"]
    catalog = read_catalog(sample)
    for row in np.flatnonzero(np.isin(catalog.ids, [*parts["test"], *parts["train"][:5]])):
        with Image.open(catalog.paths[row]) as image:
            image.resize((120, 160)).save(folder / "images" / f"{catalog.ids[row]}.png")
    shutil.copy(sample / "styles.csv", folder)
    return folder


def printed(capsys, *arguments):
    """What the command prints on standard output."""
    assert main(["robustness", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def row_of(report, name):
    return next(row for row in report["rows"] if row["condition"] == name)


def test_robustness_reference_equals_the_run_report(report, run, sample):
    reference = row_of(report[0], "reference")
    assert reference["accuracy"] == pytest.approx(run.accuracy)
    assert reference["products"] == run.report.counts["test"]
    table = pq.read_table(run.folder / "predictions.parquet").to_pydict()
    catalog = read_catalog(sample)
    groups = dict(zip(catalog.ids.tolist(), catalog.product_groups.tolist(), strict=True))
    correct = np.array(table["truth"]) == np.array(table["predicted"])
    # Products are resampled: shuffling the rows, or counting them alone, would give other bounds.
    expected = accuracy_interval(correct, [groups[number] for number in table["id"]])
    assert (reference["low"], reference["high"]) == pytest.approx(expected, abs=0.02)
    changes = ("accuracy_change", "confidence_change", "pixel_change")
    assert [reference[name] for name in (*changes, "agreement")] == [0, 0, 0, 1]


def test_robustness_scores_a_condition_as_its_changed_images(report, run, sample):
    table = pq.read_table(run.folder / "predictions.parquet").to_pydict()
    catalog = read_catalog(sample)
    paths = dict(zip(catalog.ids.tolist(), catalog.paths, strict=True))
    classifier = load_classifier(run.folder)
    usual = decode_batch([paths[number] for number in table["id"]], classifier.spec.image_spec)
    files = [BytesIO() for _ in usual]
    for pixels, file in zip(usual, files, strict=True):
        Image.fromarray(pixels).save(file, "JPEG", quality=30)
    then = classifier.predict([file.getvalue() for file in files])
    row = row_of(report[0], "jpeg_30")
    assert row["accuracy"] == pytest.approx(np.mean(np.array(then.names) == table["truth"]))
    assert row["agreement"] == pytest.approx(np.mean(np.array(then.names) == table["predicted"]))
    before = np.array(table["probabilities"]).max(axis=1)
    assert row["confidence_change"] == pytest.approx(np.mean(then.probabilities.max(axis=1) - before), abs=1e-4)
    assert row["accuracy_change"] == pytest.approx(row["accuracy"] - run.accuracy)
    shown = np.stack([np.asarray(Image.open(file)) for file in files])
    assert row["pixel_change"] == pytest.approx(np.abs(shown - usual.astype(float)).mean())


def test_robustness_files_equal_the_report(report):
    report, out = report
    assert json.loads((out / "robustness.json").read_text()) == report
    with (out / "robustness.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["condition"] for row in rows] == list(report["conditions"]) == NAMES
    assert [float(row["accuracy"]) for row in rows] == [row["accuracy"] for row in report["rows"]]
    for name in ("robustness.png", "worst.png"):
        with Image.open(out / name) as image:
            assert min(image.size) > 200


def test_robustness_reports_whether_resizing_changed_images(report, run, tmp_path, sample, capsys):
    assert report[0]["runs"][0]["resized"]
    assert row_of(report[0], "nearest")["pixel_change"] > row_of(report[0], "area")["pixel_change"] > 0
    catalog, folder = read_catalog(sample), tmp_path / "Watches"
    folder.mkdir()
    for path in catalog.paths[catalog.columns["article_type"] == "Watches"][:3]:
        with Image.open(path) as image:
            image.resize((32, 32)).save(folder / f"{len(list(folder.iterdir()))}.png")
    text = printed(capsys, run.folder, "--data", tmp_path, "--out", tmp_path / "out")
    assert "resizing changed nothing" in text
    assert len([line for line in text.splitlines() if line.split()[0] in NAMES]) == len(NAMES)
    rows = json.loads((tmp_path / "out" / "robustness.json").read_text())["rows"]
    still = [row["condition"] for row in rows if row["pixel_change"] == 0]
    assert still == ["reference", *(condition.name for condition in CORRUPTIONS if condition.resizes)]


def test_robustness_of_the_same_products_in_larger_images(run, larger):
    test = run.report.counts["test"]
    assert evaluate(EvaluateConfig(run=run.folder, data=larger, part="test")).counts["test"] == test
    everything = robustness({"runs": run.folder, "data": larger, "part": "all", "limit": 10})["runs"][0]
    assert everything["counts"]["trained_on"] == 5
    own = robustness({"runs": run.folder, "data": larger, "limit": 10})["runs"][0]
    assert (own["part"], own["counts"]["trained_on"], own["resized"]) == ("test", 0, True)
    assert own["counts"]["test"] == 10
    assert own["counts"]["beyond_limit"] == test - 10
    assert own["counts"]["other_parts"] == 5
    assert sum(own["counts"].values()) == read_catalog(larger).inputs


def test_robustness_counts_the_test_products_that_a_catalog_lacks(run, larger, tmp_path):
    lacking = shutil.copytree(larger, tmp_path / "lacking")
    gone = json.loads((run.folder / "origin.json").read_text())["parts"]["test"][0]
    (lacking / "images" / f"{gone}.png").unlink()
    text = run_cli("robustness", run.folder, "--data", lacking, "--limit", 3, "--out", tmp_path / "out").stdout
    assert "1 products of the run's test part are not in the catalog" in text


def test_robustness_compares_each_run_with_its_own_reference(run, tmp_path, capsys):
    other = shutil.copytree(run.folder, tmp_path / "other")
    out = tmp_path / "both"
    lines = printed(capsys, run.folder, other, "--limit", 12, "--out", out).splitlines()
    assert f"[2] {other}, article_type: 12 products" in lines
    assert not [line for line in lines if "differ" in line]
    rows = json.loads((out / "robustness.json").read_text())["rows"]
    first, second = rows[: len(NAMES)], rows[len(NAMES) :]
    assert [{**row, "run": ""} for row in first] == [{**row, "run": ""} for row in second]
    (noise,) = (line.split() for line in lines if line.startswith("noise_10"))
    assert noise[1:] == [f"{row_of({'rows': first}, 'noise_10')['accuracy_change']:+.3f}"] * 2
    assert {path.name for path in out.glob("worst*")} <= {"worst-1.png", "worst-2.png"}


def test_robustness_reports_runs_scored_on_different_products(run, tmp_path, capsys):
    other = shutil.copytree(run.folder, tmp_path / "other")
    origin = json.loads((other / "origin.json").read_text())
    for name in ("parts", "part_hashes", "image_hashes"):
        del origin[name]["test"][3:]
    (other / "origin.json").write_text(json.dumps(origin))
    lines = printed(capsys, run.folder, other, "--limit", 12, "--out", tmp_path / "both").splitlines()
    assert f"[2] {other}, article_type: 3 products" in lines
    assert "the runs differ in products: their accuracies cannot be compared" in lines


def test_robustness_draws_flips_as_pairs_of_images(run, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        robustness_module, "contact_sheet", lambda _, *sheet, **more: drawn.extend(zip(*sheet, strict=True))
    )
    robustness({"runs": run.folder, "out": tmp_path})
    assert drawn
    for pixels, caption in drawn:
        assert pixels.shape == (32, 64, 3)
        (truth, reference, corrupted) = caption.splitlines()
        assert " true " in truth
        assert reference.startswith("reference: ")
        assert corrupted.split(":")[0] in NAMES


def test_robustness_refuses_an_out_folder_with_files(run, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    for name in ("robustness", "evaluate"):
        assert main([name, str(run.folder), "--out", str(tmp_path)]) == 2
        assert capsys.readouterr().err == f"error: {tmp_path}: not an empty folder; give another --out\n"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_robustness_json_is_the_only_standard_output(run, tmp_path, capsys):
    text = printed(capsys, run.folder, "--limit", 5, "--out", tmp_path / "out", "--json")
    assert len(json.loads(text)["rows"]) == len(NAMES)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--limit", "0"], "error: --limit must be a whole number at least 1, not 0"),
        (["--part", "tets"], "error: unknown --part 'tets'; did you mean 'test'"),
        (["--data", "/nowhere"], "error: /nowhere: no such folder"),
    ],
)
def test_robustness_refuses_wrong_flags(run, flags, words, capsys, tmp_path):
    assert main(["robustness", str(run.folder), *flags, "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith(words)
    assert not (tmp_path / "out").exists()


def test_robustness_refuses_wrong_runs(run, tmp_path):
    with pytest.raises(InputError, match="no finished run here"):
        robustness({"runs": tmp_path})
    with pytest.raises(InputError, match="a run is named twice"):
        robustness({"runs": [run.folder, str(run.folder)]})
