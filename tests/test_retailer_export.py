"""A retailer's export goes through every command: every row and file accounted for, no SKU altered."""

import csv
import json

import numpy as np
import pandas as pd
import pytest

from fashion_keras import read_catalog
from tests.helpers.cli import run_cli
from tests.helpers.retailer import price_of, sku_of, write_export

COLUMNS = ["--column", "sku=Artikelnr", "--column", "article_type=Warengruppe", "--column", "base_colour=Farbe",
           "--column", "gender=Geschlecht", "--column", "price=Preis", "--column", "path=Bilder"]  # fmt: skip
TAXONOMY = """\
product_types:
  - {name: bag, column: article_type, values: [Taschen]}
  - {name: shoe, column: article_type, values: [Schuhe]}
attributes:
  - {name: colour, kind: single, labels: [Rot, Blau, Grün], column: base_colour}
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=[500, pytest.param(2000, marks=pytest.mark.study)])
def shop(request, tmp_path_factory):
    """The folder of the export, and what was written."""
    folder = tmp_path_factory.mktemp("export")
    return folder, write_export(folder, request.param)


@pytest.fixture(scope="module")
def trained(shop, tmp_path_factory):
    """A run on the export."""
    out = tmp_path_factory.mktemp("run") / "run"
    result = run_cli(
        "train", "--data", shop[0], *COLUMNS, "--task", "article_type", "--backbone", "custom_cnn",
        "--strategy", "scratch", "--image-size", "48x36", "--epochs", "3", "--batch-size", "64", "--out", out,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return out


@pytest.fixture(scope="module")
def index(shop, tmp_path_factory):
    """An index of the export."""
    out = tmp_path_factory.mktemp("index") / "index"
    result = run_cli("index", "--data", shop[0], *COLUMNS, "--encoder", "fashion_small", "--out", out)
    assert result.returncode == 0, result.stderr
    return out


def test_describe_accounts_for_every_row_and_file(shop, tmp_path):
    folder, written = shop
    result = run_cli("data", "describe", folder, *COLUMNS, "--out", tmp_path, "--leaks", "--json")
    report = json.loads(result.stdout)
    assert report["inputs"] == written["images"] + written["missing"]
    assert report["images"] == written["images"] - written["broken"]
    assert report["rejected"] == written["broken"] + written["missing"]
    assert report["columns"]["price"] == [price_of(0), price_of(written["products"] - 1)]
    assert report["leaks"]["same_sku"] == {"validation": 0, "test": 0}
    labels = list(written["labels"].values())
    known = {kind for kind, _ in labels} - {""}
    assert set(report["tasks"]["article_type"]) == known
    assert any("Windows-1252" in note for note in report["notes"])


def test_train_keeps_products_apart_and_skus_to_the_letter(shop, trained):
    skus = {sku_of(number) for number in range(shop[1]["products"])}
    with (trained / "split.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["sku"] for row in rows} <= skus
    parts = {(row["sku"], row["part"]) for row in rows}
    assert len(parts) == len({sku for sku, _ in parts})
    report = json.loads((trained / "report.json").read_text())
    assert sum(report["counts"].values()) == shop[1]["images"] + shop[1]["missing"]
    assert report["leaks"]["same_sku"] == {"validation": 0, "test": 0}
    assert report["test"]["accuracy"] > 0.8
    with (trained / "rejected.csv").open(newline="", encoding="utf-8") as file:
        assert {row["sku"] for row in csv.DictReader(file)} <= skus
    predictions = pd.read_parquet(trained / "predictions.parquet")
    assert (
        set(predictions["id"].str.rpartition(":")[0].where(predictions["id"].str.contains(":"), predictions["id"]))
        <= skus
    )


def test_evaluate_uses_the_runs_own_source(trained):
    report = json.loads(run_cli("evaluate", trained, "--json").stdout)
    assert report["part"] == "test"
    assert report["test"]["accuracy"] == json.loads((trained / "report.json").read_text())["test"]["accuracy"]


def test_predict_writes_a_row_for_every_photo(shop, trained, tmp_path):
    folder, written = shop
    result = run_cli("predict", trained, folder / "fotos", "--out", tmp_path / "predictions.csv", "--json")
    assert json.loads(result.stdout)["images"] == written["images"]
    assert json.loads(result.stdout)["rejected"] == written["broken"]


def test_search_filters_by_a_range_of_prices(index, shop):
    photo = shop[0] / "fotos" / "00006-1.jpg"
    arguments = ["--index", index, "--where", "price>=100", "--where", "price<200", "-k", "30", "--json"]
    result = run_cli("search", photo, *arguments, "--group-by-product")
    matches = json.loads(result.stdout)["matches"]
    assert len(matches) == 30
    assert all(100 <= match["attributes"]["price"] < 200 for match in matches)
    skus = [match["sku"] for match in matches]
    assert len(set(skus)) == 30
    assert set(skus) <= {sku_of(number) for number in range(shop[1]["products"])}


def test_tags_have_a_row_per_product(shop, tmp_path):
    folder = shop[0]
    (tmp_path / "taxonomy.yaml").write_text(TAXONOMY, encoding="utf-8")
    arguments = ["--data", folder, *COLUMNS, "--taxonomy", tmp_path / "taxonomy.yaml"]
    result = run_cli("tag", *arguments, "--out", tmp_path / "tags")
    assert result.returncode == 0, result.stderr
    tags = pd.read_csv(tmp_path / "tags" / "tags.csv", dtype=str, keep_default_na=False)
    assert not tags["sku"].duplicated().any()
    assert set(tags["sku"]) == {str(sku) for sku in read_catalog_skus(folder)}


def read_catalog_skus(folder):
    """The SKUs with at least one photo that decodes."""
    from fashion_keras.images.validation import reject_unreadable

    columns = COLUMNS[1::2]
    return np.unique(reject_unreadable(read_catalog(folder, columns=columns)).skus)


def test_audit_runs_and_keeps_skus(shop, tmp_path):
    result = run_cli(
        "audit", "--data", shop[0], *COLUMNS, "--task", "article_type", "--out", tmp_path / "audit", "--json"
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["counts"]["inputs"] == shop[1]["images"] + shop[1]["missing"]
