"""The command `drift`: exit codes, reports, page; what cannot be compared."""

import json
from dataclasses import replace

import numpy as np
import pytest

from fashion_keras import DriftConfig, InputError, drift
from fashion_keras.search.postgres import PostgresIndex
from tests.helpers.cli import assert_one_line, run_cli
from tests.helpers.drift_sides import SPEC, directions, make_index, records
from tests.search.conftest import database, server  # noqa: F401 - fixtures

GENDERS = ("Men", "Women", "Women", "Unisex")


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Indexes: a reference, other products like it, products that look otherwise, and ones with other labels."""
    folder = tmp_path_factory.mktemp("indexes")
    return {
        "reference": make_index(folder / "reference", records(directions(400, 0), GENDERS)),
        "same": make_index(folder / "same", records(directions(300, 1), GENDERS, first=1000)),
        "moved": make_index(folder / "moved", records(directions(300, 2, shift=4), GENDERS, first=2000)),
        "men": make_index(folder / "men", records(directions(300, 3), ("Men",), first=3000)),
        "few": make_index(folder / "few", records(directions(40, 4), GENDERS, first=4000)),
        "tiny": make_index(folder / "tiny", records(directions(5, 5), GENDERS, first=5000)),
    }


def call(places, name, *flags):
    return run_cli("drift", places[name], "--against", places["reference"], *flags)


def test_no_drift_exits_with_0(places):
    result = call(places, "same")
    assert result.returncode == 0
    assert result.stdout.startswith(f"new      {places['same']}: 300 images of 300 products\n")
    assert "no drift      embeddings, classifier: tells new from reference with accuracy 0." in result.stdout
    assert "no drift      labels of gender: total variation 0.000, p 1" in result.stdout
    assert "drift:" not in result.stderr


def test_moved_embeddings_exit_with_3_and_one_line(places):
    result = call(places, "moved")
    assert result.returncode == 3
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("drift: ")]
    for part in ("embeddings, classifier: ", "embeddings, MMD: "):
        assert part in line
    assert "labels of" not in line


def test_other_labels_exit_with_3(places):
    result = call(places, "men", "--json")
    report = json.loads(result.stdout)
    (row,) = report["labels"]
    assert (result.returncode, report["drift"]) == (3, True)
    # A quarter of the reference are men, all of the new products.
    assert (row["name"], row["kind"], row["total_variation"], row["drift"]) == ("gender", "column", 0.75, True)
    assert row["vanished_labels"] == ["Women", "Unisex"]
    assert row["up"] == [{"label": "Men", "reference": 0.25, "new": 1.0}]
    assert report["fired"] == [
        "labels of gender: total variation 0.750, p 3.1e-86 (Men 25.0% to 100.0%; Women 50.0% to 0.0%)"
    ]
    assert not report["classifier"]["drift"]


@pytest.mark.parametrize(
    ("name", "flags"),
    [("men", ["--max-total-variation", "0.8"]), ("moved", ["--max-accuracy", "0.99", "--max-mmd", "2"])],
)
def test_thresholds_decide(places, name, flags):
    assert call(places, name, *flags).returncode == 0


def test_an_index_against_itself(places):
    report = drift({"new": places["same"], "against": places["same"]})
    assert (report["drift"], report["classifier"]["accuracy"]) == (False, 0.5)
    assert report["mmd"]["mmd2"] < 0
    assert report["near_duplicates"]["share"] == 1
    assert report["near_duplicates"]["by"] == "cosine"
    assert report["near_duplicates"]["shared_products"] == 300
    # Distances are to other products, so that the same products are as far out as 5 % of themselves.
    assert report["outliers"]["share"] == pytest.approx(0.05)


def test_products_are_known_by_title(tmp_path, places):
    """The same titles under other SKUs are the same products: the classifier trains and tests on others."""
    titles = np.array([f"Title {number:06d}" for number in range(400)])
    place = make_index(tmp_path / "renamed", records(directions(400, 0), GENDERS, first=7000, titles=titles))
    report = drift({"new": place, "against": places["reference"]})
    assert report["near_duplicates"]["shared_products"] == 400
    assert report["classifier"]["accuracy"] == 0.5


def test_an_index_in_a_database_gives_the_same_report(places, database):  # noqa: F811
    PostgresIndex.create(database, SPEC, records(directions(300, 3), ("Men",), first=3000))
    stored, local = (drift({"new": place, "against": places["reference"]}) for place in (database, places["men"]))
    assert "secret" not in stored["new"]["place"]
    assert stored["labels"] == local["labels"]
    # The server stores embeddings in 16 bits.
    assert stored["mmd"]["mmd2"] == pytest.approx(local["mmd"]["mmd2"], abs=1e-4)


def test_same_seed_same_report(places):
    first, second, other = (
        drift({"new": places["same"], "against": places["reference"], "rows": 200, "seed": seed}) for seed in (1, 1, 2)
    )
    assert first == second
    assert first["classifier"] != other["classifier"]


def test_out_holds_the_report_and_a_page(places, tmp_path):
    result = call(places, "men", "--json", "--out", tmp_path / "out")
    assert json.loads((tmp_path / "out" / "drift.json").read_text()) == json.loads(result.stdout)
    page = (tmp_path / "out" / "drift.html").read_text()
    for part in ("labels of gender", "total variation 0.750", "vanished: Women, Unisex", "max_total_variation"):
        assert part in page
    assert "http" not in page.replace("http-equiv", "")
    assert_one_line(call(places, "men", "--out", tmp_path / "out"), str(tmp_path / "out"))


def test_few_products_are_named_as_not_measured(places):
    report = drift({"new": places["few"], "against": places["reference"]})
    reasons = dict(report["not_measured"])
    assert "products of a side in a half of the data" in reasons["embeddings, classifier"]
    assert report["classifier"] == {"drift": None, "not_measured": reasons["embeddings, classifier"]}
    assert report["labels"][0]["drift"] is False


def test_missing_labels_are_compared(tmp_path, places):
    place = make_index(tmp_path / "gaps", records(directions(300, 8), (*GENDERS, "", ""), first=8000))
    report = drift({"new": place, "against": places["reference"]})
    rows = {row["kind"]: row for row in report["labels"]}
    assert rows["missing"]["shares"] == {"known": [1.0, pytest.approx(2 / 3)], "missing": [0.0, pytest.approx(1 / 3)]}
    assert rows["missing"]["drift"]
    assert rows["column"]["total_variation"] == pytest.approx(0, abs=1e-9)


def test_columns_that_cannot_be_compared_are_named(tmp_path, places):
    spec = replace(SPEC, columns=("code", "product_display_name"))
    products = records(directions(300, 9), GENDERS, first=9000)
    codes = {"code": products.ids, "product_display_name": products.columns["product_display_name"]}
    place = make_index(tmp_path / "other", replace(products, columns=codes), spec)
    report = drift({"new": place, "against": places["reference"]})
    reasons = dict(report["not_measured"])
    assert reasons["labels of gender"] == "the new side has no such column"
    assert reasons["labels of code"] == "the reference has no such column"


def test_columns_of_many_labels_are_named(tmp_path):
    spec = replace(SPEC, columns=("code",))
    sides = [records(directions(300, seed), GENDERS, first=1000 * seed) for seed in (1, 2)]
    places = [
        make_index(tmp_path / str(number), replace(side, columns={"code": side.ids}), spec)
        for number, side in enumerate(sides)
    ]
    report = drift({"new": places[0], "against": places[1]})
    assert report["labels"][0]["not_measured"] == "300 labels on a side; columns with at most 200 are compared"


def test_labels_chooses_columns(places):
    report = drift({"new": places["men"], "against": places["reference"], "labels": "gender"})
    assert [row["name"] for row in report["labels"]] == ["gender"]
    assert_one_line(call(places, "men", "--labels", "gendre"), "'gendre'", "did you mean 'gender'")


def test_other_encoders_are_refused(tmp_path, places):
    products = records(directions(50, 0), GENDERS)
    place = make_index(tmp_path / "other", products, replace(SPEC, encoder="vgg19", encoder_identity="xyz"))
    result = run_cli("drift", place, "--against", places["reference"])
    assert_one_line(result, "embeddings of vgg19 (xyz)", "fashion_small (abc)", "same encoder")


def test_embeddings_from_two_files_are_compared_with_a_warning(tmp_path):
    places = [
        make_index(
            tmp_path / name, records(directions(200, seed), GENDERS, first=1000 * seed),
            replace(SPEC, encoder=f"{name}.npy", encoder_identity=name, image_spec=None),
        )
        for seed, name in enumerate(("a", "b"))
    ]  # fmt: skip
    result = run_cli("drift", places[0], "--against", places[1])
    assert result.returncode == 0
    assert "WARNING  The embeddings come from two files" in result.stdout


def test_an_empty_index_is_refused(tmp_path, places):
    place = make_index(tmp_path / "empty", None)
    assert_one_line(run_cli("drift", place, "--against", places["reference"]), str(place), "holds no images")
    assert_one_line(run_cli("drift", places["reference"], "--against", place), str(place), "holds no images")


def test_nothing_measured_is_refused(places):
    result = run_cli("drift", places["tiny"], "--against", places["tiny"], "--labels", "gender")
    assert_one_line(result, "nothing could be measured", "embeddings, classifier")


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (["/nowhere", "--against", "/nowhere"], ["/nowhere", "no index here"]),
        (["/nowhere"], ["--against"]),
        (["a", "--against", "b", "--alpha", "2"], ["--alpha", "below 1"]),
        (["a", "--against", "b", "--target-precision", "0.9"], ["--corrections"]),
        (["a", "--against", "b", "--max-accuracy", "0.3"], ["--max-accuracy", "at least 0.5"]),
    ],
)
def test_wrong_calls(flags, parts):
    assert_one_line(run_cli("drift", *flags), *parts)


def test_config_is_checked():
    with pytest.raises(InputError, match="rows must be"):
        DriftConfig(new="a", against="b", rows="many")
