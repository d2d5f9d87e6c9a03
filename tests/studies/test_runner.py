"""The study runner: steps one after the other, continued where a study was interrupted."""

import csv
from dataclasses import replace

import pytest

from fashion_keras.studies.report import write_report
from fashion_keras.studies.runner import run_study
from fashion_keras.studies.study import CatalogSubset, Finding, ResultRow, Score, Step, StepReport, Study
from fashion_keras.support.atomic_files import read_json
from fashion_keras.support.errors import InputError


def products(report):
    return Score(report.values["products"], (1, 2000), 7, "products")


def run(steps, out, data="sample", **options):
    return run_study(make(steps), {"data": data, "out": out, **options})


def make(steps):
    return Study(
        name="counting",
        title="Counting",
        columns=("article_type",),
        parts=(
            CatalogSubset("shoes", {"master_category": "Footwear"}),
            CatalogSubset("first", share=(0, 2)),
            CatalogSubset("second", share=(1, 2)),
        ),
        steps=steps,
        rows=tuple(ResultRow("Counts", f"all of {step.name}", 0.5, step.name, products) for step in steps),
        deviations=("Nothing is trained.",),
        findings=(
            Finding(("a",), lambda reports: f"{reports['a'].values['products']} products."),
            Finding(("a", "gone"), lambda reports: "A step that is not there."),
        ),
    )


COUNT = "data describe {%s} --allow-outside --out {here}"
STEPS = (Step("a", COUNT % "data"), Step("b", compute=lambda folders: {"products": len(folders)}))
# Of 1,800 drawings two files are broken on purpose, which shows when they are opened.
DRAWN = 1798
RESNET = "resnet50"


def test_runner_does_not_repeat_finished_steps(tmp_path):
    first = run(STEPS, tmp_path / "out")
    # The catalog, three parts, two steps.
    assert (first["a"].values["products"], first["b"].values["products"]) == (DRAWN, 6)
    steps = tmp_path / "out" / "steps"
    times = {path.name: path.stat().st_mtime_ns for path in steps.glob("*.json")}
    assert run(STEPS, tmp_path / "out")["b"].values["products"] == first["b"].values["products"]
    again = {path.name: path.stat().st_mtime_ns for path in steps.glob("*.json")}
    # Only what is a function, which takes no time.
    assert {name for name in times if times[name] != again[name]} == {"b.json"}


@pytest.mark.slow
def test_runner_repeats_a_changed_step_and_those_that_need_it(tmp_path):
    needs, other = Step("c", "data describe {shoes} --allow-outside --out {a}/more"), Step("a", COUNT % "shoes")
    run((STEPS[0], needs), tmp_path / "out")
    report = tmp_path / "out" / "steps" / "c.json"
    before = report.stat().st_mtime_ns
    assert run((other, needs), tmp_path / "out")["a"].values["products"] < DRAWN
    assert report.stat().st_mtime_ns > before


def test_catalog_subsets_have_no_common_products(sample, tmp_path):
    from fashion_keras import read_catalog

    run((), tmp_path / "out")
    shoes, first, second = (
        read_catalog(tmp_path / "out" / "parts" / f"{n}.csv", allow_outside=True) for n in ("shoes", "first", "second")
    )
    assert set(shoes.columns["master_category"]) == {"Footwear"}
    assert sorted([*first.image_ids, *second.image_ids]) == sorted(read_catalog(sample).image_ids)
    assert not set(first.columns["product_display_name"]) & set(second.columns["product_display_name"])
    assert abs(len(first) - len(second)) < 200


def test_write_report_shows_the_papers_numbers_beside_ours(tmp_path):
    run(STEPS[:1], tmp_path / "out", quick=True)
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "| all of a | products | 0.500 | **1798.000** | 1.000–2000.000 | 7 |" in text
    assert "`fashion-keras study counting --quick --data DIR`" in text
    assert text.index("- 1798 products.") < text.index("## Counts") < text.index("Nothing is trained.")
    assert "A step that is not there." not in text
    assert "drawn" in text
    with (tmp_path / "out" / "results.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["system"], row["paper"], row["ours"]) == ("all of a", "0.500", "1798.000")
    assert row["command"] == "fashion-keras data describe DIR --allow-outside --out OUT"


def test_runner_refuses_the_folder_of_another_study(tmp_path):
    run((), tmp_path / "out")
    with pytest.raises(InputError, match="another --out"):
        run((), tmp_path / "out", quick=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    with pytest.raises(InputError, match="not an empty folder"):
        run((), tmp_path / "mine")


def test_runner_ends_with_one_line_at_a_failed_step_and_keeps_the_others(tmp_path):
    steps = (STEPS[0], Step("bad", "train --task colour_of_the_moon --data {data}"))
    with pytest.raises(InputError, match=r"step bad ended with 2: .*colour_of_the_moon"):
        run(steps, tmp_path / "out")
    assert read_json(tmp_path / "out" / "steps" / "a.json")["products"] == DRAWN
    assert "1 of 2 steps" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_runner_skips_a_step_whose_imagenet_weights_cannot_be_had(tmp_path, monkeypatch):
    import keras

    # No weights of an earlier download; the tests' proxy lets none through.
    monkeypatch.setattr(keras.src.backend.config, "_KERAS_DIR", str(tmp_path / "keras"), raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    needy = Step("gone", "train --backbone resnet50 --weights imagenet --data {data}", imagenet=RESNET)
    reports = run((STEPS[0], needy), tmp_path / "out")
    assert reports["gone"].skipped == "no ImageNet weights of resnet50"
    assert not (tmp_path / "out" / "steps" / "gone.json").exists()
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "| all of gone | – | 0.500 | not run: no weights | – | – | – | – |" in text
    assert "| gone | not run: no ImageNet weights of resnet50 | `fashion-keras train" in text
    assert "1 steps not run" in text
    assert "A step that is not there." not in text
    with (tmp_path / "out" / "results.csv").open(encoding="utf-8") as file:
        rows = {row["system"]: row for row in csv.DictReader(file)}
    assert (rows["all of gone"]["ours"], rows["all of gone"]["note"]) == ("", "not run: no weights")
    assert rows["all of a"]["note"] == ""


def test_report_marks_random_weights_and_does_not_draw_them(tmp_path):
    def trained(accuracy, weights, *warnings):
        test = {"accuracy": accuracy, "accuracy_ci95": [0.1, 0.2]}
        return StepReport({"test": test, "counts": {"test": 9}, "weights": weights, "warnings": list(warnings)})

    names = ("random", "scratch")
    study = replace(
        make(()), rows=tuple(ResultRow("Table 1", name, 0.9, name) for name in names), findings=(), parts=()
    )
    random = trained(0.15, "none", "RANDOM WEIGHTS: no ImageNet weights for vgg19")
    write_report(study, tmp_path / "one", {"random": random}, 9, sample=False, quick=False)
    text = (tmp_path / "one" / "README.md").read_text(encoding="utf-8")
    assert "| random | accuracy | 0.900 | 0.150 (random weights: not a result) |" in text
    assert not (tmp_path / "one" / "results.png").exists()
    write_report(study, tmp_path / "two", {"scratch": trained(0.15, "none")}, 9, sample=False, quick=False)
    assert "**0.150**" in (tmp_path / "two" / "README.md").read_text(encoding="utf-8")
    assert (tmp_path / "two" / "results.png").is_file()
