"""Comparison of runs written by hand: the flip table, the settings that differ, what is refused."""

import json
from dataclasses import replace

import pytest

from fashion_keras import InputError, compare_runs
from fashion_keras.analysis.run_comparison import compare, compare_finished
from fashion_keras.cli import main
from fashion_keras.training.finished_run import FinishedRun
from tests.helpers.cli import assert_one_line, run_cli
from tests.helpers.finished_runs import SCRIPT, write_finished_run

# Truth 0 0 0 1 1 2 2; the first run predicts 0 0 1 1 0 2 0 (4 right), the second 0 1 0 1 1 0 2 (5 right).
SECOND = (0, 1, 0, 1, 1, 0, 2)


@pytest.fixture
def runs(tmp_path):
    first = write_finished_run(tmp_path / "first")
    return first, write_finished_run(tmp_path / "second", SECOND, label_smoothing=0.1, seed=1)


def test_scores_differences_and_flips_by_hand(runs):
    comparison = compare({"runs": runs})
    assert (comparison.images, comparison.products, comparison.truth_differs) == (7, 5, 0)
    first, second = comparison.scores
    assert (first.accuracy, second.accuracy) == (4 / 7, 5 / 7)
    assert first.differences == {}
    assert second.differences["accuracy"].value == pytest.approx(1 / 7)
    assert not second.differences["accuracy"].is_clear
    assert second.differences["top_3"].value == 0  # of three classes
    # Image a2 is lost and a3 gained: product p1 has as many right images as before. c and e are gained, d is lost.
    assert (second.gained, second.lost) == (2, 1)
    changes = {flip.image_id: (flip.change, flip.truth, flip.first, flip.second) for flip in comparison.flips}
    assert changes == {
        "c": ("gained", "Shirts", "Tops", "Shirts"),
        "e": ("gained", SCRIPT, "Tops", SCRIPT),
        "d": ("lost", SCRIPT, SCRIPT, "Tops"),
    }
    settings = {row["setting"]: row["values"] for row in comparison.settings}
    assert settings == {"seed": [0, 1], "label_smoothing": [None, 0.1]}


def test_compare_runs_returns_a_row_for_each_run(runs):
    frame = compare_runs(*runs)
    assert frame["accuracy"].tolist() == [4 / 7, 5 / 7]
    assert frame["gained"].tolist() == [0, 2]
    assert frame["accuracy_low"].notna().tolist() == [False, True]
    assert set(frame["products"]) == {5}


def test_only_shared_images_of_equal_truth_count(runs):
    first, second = map(FinishedRun.read, runs)
    rows = second.rows["article_type"]
    rows.truth[rows.ids == "b"] = "Tops"
    parts = {**second.manifest.parts, "test": ["a1", "a2", "a3", "b", "c", "other", "another"]}
    second.__dict__["manifest"] = replace(second.manifest, parts=parts)
    comparison = compare_finished([first, second])
    assert (comparison.images, comparison.products, comparison.truth_differs) == (4, 2, 1)
    assert [score.accuracy for score in comparison.scores] == [2 / 4, 3 / 4]


def test_runs_without_common_products_or_heads_are_refused(runs):
    first, second = map(FinishedRun.read, runs)
    hashes = {**second.manifest.part_hashes, "test": list("1234567")}
    second.__dict__["manifest"] = replace(second.manifest, part_hashes=hashes)
    with pytest.raises(InputError, match="no test image in common"):
        compare_finished([first, second])
    second.__dict__["rows"] = {"gender": second.rows["article_type"]}
    with pytest.raises(InputError, match="no single-valued head in common"):
        compare_finished([first, second])


def test_wrong_calls_are_one_line(runs, tmp_path):
    first, second = runs
    assert_one_line(run_cli("compare", first), "two or more runs")
    assert_one_line(run_cli("compare", first, first), "given twice")
    assert_one_line(run_cli("compare", first, tmp_path / "none"), "none: no finished run here")
    assert_one_line(run_cli("compare", first, second, "--out", "x.pdf"), "ends in .html")
    (second / "predictions.parquet").write_bytes(b"PAR1 broken")
    assert_one_line(run_cli("compare", first, second), "predictions.parquet: not the predictions of this run")
    report = json.loads((second / "report.json").read_text())
    (second / "report.json").write_text(json.dumps(report | {"format": "fashion_keras.report/1"}))
    assert_one_line(run_cli("compare", first, second), "report.json: format 'fashion_keras.report/1'")


def test_command_prints_and_writes_a_page(runs, tmp_path, capsys):
    assert main(["compare", *map(str, runs), "--out", str(tmp_path / "c.html")]) == 0
    printed = capsys.readouterr().out
    assert "7 test images of 5 products are in all runs" in printed
    assert "2 products gained, 1 lost" in printed
    html = (tmp_path / "c.html").read_text()
    assert SCRIPT not in html and "&lt;script&gt;document.title" in html
    assert "label_smoothing" in html
    assert "no-such-catalog: no such folder" in html  # why there are no images
    assert main(["compare", *map(str, runs), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["products"] == 5


def test_equal_runs_do_not_flip(tmp_path, capsys):
    runs = [str(write_finished_run(tmp_path / name)) for name in ("a", "b")]
    assert main(["compare", *runs, "--out", str(tmp_path / "c.html")]) == 0
    capsys.readouterr()
    html = (tmp_path / "c.html").read_text()
    assert "the runs predict the same images right" in html
    assert "Nothing: settings, catalog, weights, device and versions are equal." in html
