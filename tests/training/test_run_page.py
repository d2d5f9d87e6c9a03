"""Page of a run: what it shows, that a hostile label or title stays text, that broken runs are refused in one line."""

import re
from dataclasses import replace

import numpy as np
import pytest

from fashion_keras import read_catalog
from fashion_keras.catalog.columns import Columns
from fashion_keras.catalog.corrections import CorrectionSummary
from fashion_keras.evaluation.reports.report import Report
from fashion_keras.training.run_page import write_run_page
from tests.helpers.cli import assert_one_line, run_cli
from tests.helpers.finished_runs import SCRIPT, write_finished_run

HEADINGS = [
    "Data and split", "Training", "Confusion", "Precision and recall", "Calibration", "Per class", "By product",
    "Mistakes", "Grad-CAM", "Search examples", "How to run it again",
]  # fmt: skip


def headings(html):
    return re.findall(r"<h2>(.*?)</h2>", html)


def test_page_of_a_run_by_hand(tmp_path):
    run = write_finished_run(tmp_path / "run", label_smoothing=0.1)
    html = write_run_page(run, images=False).read_text()
    assert SCRIPT not in html and html.count("<script") == 1
    assert "<strong>Warning</strong> DRAWN SAMPLE: &lt;script&gt;" in html
    assert ">0.571<" in html  # 4 of 7 are right
    assert re.search(r"<td.*>train</td>\s*<td.*>60</td>\s*<td.*>1</td>", html)
    assert re.search(r"<td.*>near-duplicate image</td>\s*<td.*>1</td>\s*<td.*>2</td>", html)
    assert re.search(r"<td.*>no image file</td>\s*<td.*>2</td>", html)
    # The best epoch of the phase is the second, of validation loss 0.75.
    assert re.search(r"<td.*>head</td>\s*<td.*>3</td>\s*<td.*>2</td>\s*<td.*>1.000</td>\s*<td.*>0.750</td>", html)
    assert re.search(r"<td.*>1.500</td>\s*<td.*>0.250</td>\s*<td.*>0.125</td>", html)  # calibration
    assert re.search(r"<td.*>Shirts</td>\s*<td.*>Tops</td>\s*<td.*>1</td>\s*<td.*>50.0%</td>", html)  # confusion
    assert "--label-smoothing 0.1" in html and f"--config {run}/config.json --out" in html
    assert "Images are left out of this copy." in html


def test_page_tells_why_there_are_no_images(tmp_path):
    html = write_run_page(write_finished_run(tmp_path / "run")).read_text()
    assert re.search(r"No images: .*no-such-catalog: no such folder", html)


def test_every_run_gets_its_page_with_images(run, sample):
    html = (run.folder / "report.html").read_text()
    assert [name for name in headings(html) if name != "Hierarchy"] == HEADINGS
    assert f"{run.accuracy:.3f}" in html
    assert html.count("data:image/jpeg;base64,") > 20
    assert html.count("data:image/png;base64,") == 5
    assert run.folder.name in html


def test_hostile_titles_stay_text(run, sample, tmp_path):
    catalog = read_catalog(sample)
    titles = {"product_display_name": np.full(len(catalog), SCRIPT)}
    hostile = replace(catalog, columns=Columns({**dict(catalog.columns), **titles}))
    html = write_run_page(run.folder, hostile, path=tmp_path / "page.html").read_text()
    assert SCRIPT not in html and html.count("<script") == 1
    assert "&lt;script&gt;document.title" in html


def test_report_command_writes_where_it_is_told(tmp_path):
    run = write_finished_run(tmp_path / "run")
    out = tmp_path / "page.html"
    result = run_cli("report", run, "--no-images", "--out", out)
    assert (result.returncode, result.stdout) == (0, f"{out}\n")
    assert out.is_file() and not (run / "report.html").exists()


@pytest.mark.parametrize(
    ("break_run", "words"),
    [
        (lambda run: (run / "report.json").unlink(), ["no finished run here"]),
        (lambda run: (run / "report.json").write_text("[]"), ["report.json: expected one JSON object"]),
        (
            lambda run: (run / "report.json").write_text('{"format": "x/1"}'),
            ["not a run of `fashion-keras train`"],
        ),
        (lambda run: (run / "config.json").unlink(), ["config.json: no such file"]),
        (lambda run: (run / "config.json").write_text('{"colour": 1}'), ["config.json: unknown config key 'colour'"]),
        (lambda run: (run / "predictions.parquet").unlink(), ["predictions.parquet: no such file"]),
        (lambda run: (run / "predictions.parquet").write_bytes(b"x"), ["not the predictions of this run"]),
        (lambda run: (run / "origin.json").unlink(), ["origin.json: no such file"]),
        (lambda run: (run / "history.csv").unlink(), ["history.csv: cannot be read"]),
    ],
)
def test_broken_runs_are_refused_in_one_line(tmp_path, break_run, words):
    run = write_finished_run(tmp_path / "run")
    break_run(run)
    assert_one_line(run_cli("report", run), *words)
    assert not (run / "report.html").exists()


def test_page_counts_the_corrections_that_were_applied(tmp_path):
    run = write_finished_run(tmp_path / "run")
    summary = CorrectionSummary("reviews/corrections.csv", 9, 4, 2, 1, 1, 1, 0, 3, {"gender": 1}, (), frozenset())
    replace(Report.read(run), corrections=summary.to_dict()).write(run)
    html = write_run_page(run, images=False).read_text()
    assert "Reviewed labels of corrections.csv: 3 products have other labels" in html
    assert re.search(r"<td.*>changed</td>\s*<td.*>4</td>", html)
    assert re.search(r"<td.*>of them gender</td>\s*<td.*>1</td>", html)
