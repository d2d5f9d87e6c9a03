"""Precision of tags on reviewed products: by hand, and by the command."""

import json
from dataclasses import replace

import pytest
from scipy.stats import binomtest

from fashion_keras import drift
from fashion_keras.catalog.corrections import Correction, append_corrections
from fashion_keras.monitoring.precision import attribute_columns, reviewed_precision
from fashion_keras.monitoring.side import load_side
from tests.helpers.cli import assert_one_line, run_cli
from tests.helpers.drift_sides import directions, make_index, records, write_batch


@pytest.fixture
def places(tmp_path):
    """Two folders of tags; every product of the second, from SKU 001000 on, is tagged as of men."""
    return [
        write_batch(tmp_path / name, 200, seed, first) for seed, (name, first) in enumerate((("a", 0), ("b", 1000)))
    ]


def decide(path, right, wrong, column="gender"):
    """Write decisions on products: `right` of them are of men, `wrong` ones of women."""
    labels = ["Men"] * right + ["Women"] * wrong
    rows = [
        Correction(sku=f"{1000 + row:06d}", column=column, before="Men", after=label,
                   action="accept" if label == "Men" else "correct")
        for row, label in enumerate(labels)
    ]  # fmt: skip
    append_corrections(path, rows)
    return path


def measure(places, path, target=0.9):
    (row,) = reviewed_precision(load_side(places[1]), path, target, {"gender": "gender"}, 0.01)["attributes"]
    return row


def test_precision_with_its_exact_interval_and_p_value(places, tmp_path):
    row = measure(places, decide(tmp_path / "c.csv", 60, 20))
    test = binomtest(60, 80, 0.9, alternative="less")
    interval = binomtest(60, 80).proportion_ci(0.95, method="exact")
    assert (row["reviewed"], row["given"], row["right"], row["precision"]) == (80, 80, 60, 0.75)
    assert row["precision_ci95"] == pytest.approx([interval.low, interval.high])
    assert row["p"] == row["p_corrected"] == pytest.approx(test.pvalue)
    assert (row["target"], row["drift"]) == ("missed", True)


def test_target_that_is_met_and_target_that_may_be(places, tmp_path):
    row = measure(places, decide(tmp_path / "met.csv", 75, 5))
    assert (row["target"], row["drift"]) == ("met", False)
    row = measure(places, decide(tmp_path / "within.csv", 70, 10))
    assert (row["target"], row["drift"]) == ("within interval", False)


def test_the_last_decision_counts_and_skipped_ones_do_not(places, tmp_path):
    path = decide(tmp_path / "c.csv", 0, 10)
    decide(path, 10, 0)
    append_corrections(path, [Correction(sku="001000", column="Gender", before="Men", after="", action="skip")])
    row = measure(places, path)
    assert (row["given"], row["right"]) == (10, 10)


def test_columns_are_known_by_their_synonyms(places, tmp_path):
    side = load_side(places[1])
    side = replace(side, tags={"colour": side.tags["gender"]})
    path = decide(tmp_path / "c.csv", 10, 0, column="base_colour")
    columns = attribute_columns(side, None)
    (row,) = reviewed_precision(side, path, 0.9, columns, 0.01)["attributes"]
    assert (row["name"], row["given"], row["right"]) == ("colour", 10, 10)


def test_labels_corrected_to_unknown_are_left_out(places, tmp_path):
    path = decide(tmp_path / "c.csv", 10, 0)
    append_corrections(path, [Correction(sku="001000", column="gender", before="Men", after="", action="correct")])
    assert measure(places, path)["reviewed"] == 9


def test_missed_target_exits_with_3(places, tmp_path):
    path = decide(tmp_path / "c.csv", 60, 20)
    result = run_cli("drift", places[1], "--against", places[0], "--corrections", path, "--json")
    report = json.loads(result.stdout)
    assert result.returncode == 3
    assert report["fired"] == [
        "precision of gender: 60 of 80 tags of reviewed products are right: 0.750 (0.641–0.840), target 0.9 missed, "
        f"p {report['precision']['attributes'][0]['p']:.2g}"
    ]
    assert report["precision"]["read"] == 80


def test_target_precision_can_be_given(places, tmp_path):
    path = decide(tmp_path / "c.csv", 60, 20)
    call = {"new": places[1], "against": places[0], "corrections": path}
    assert not drift({**call, "target_precision": 0.8})["drift"]


def test_page_has_the_precision(places, tmp_path):
    path = decide(tmp_path / "c.csv", 60, 20)
    drift({"new": places[1], "against": places[0], "corrections": path, "target_precision": 0.9, "out": tmp_path / "o"})
    page = (tmp_path / "o" / "drift.html").read_text()
    assert "Target precision 0.9" in page
    assert "0.750 (0.641–0.840)" in page


def test_corrections_that_cannot_be_used(places, tmp_path):
    path = decide(tmp_path / "c.csv", 5, 0)
    call = ["drift", places[1], "--against", places[0], "--corrections"]
    assert_one_line(run_cli(*call, tmp_path / "none.csv", "--target-precision", 0.9), "no such file of corrections")
    other = decide(tmp_path / "other.csv", 5, 0, column="usage")
    result = run_cli(*call, other, "--target-precision", 0.9)
    assert_one_line(result, str(other), "none of its 5 rows decides on a tag", "attributes gender")
    index = make_index(tmp_path / "index", records(directions(100, 1), ("Men", "Women"), first=1000))
    result = run_cli("drift", index, "--against", places[0], "--corrections", path, "--target-precision", 0.9)
    assert_one_line(result, "has no tags", "--tagger")
