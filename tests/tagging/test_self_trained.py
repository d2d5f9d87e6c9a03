"""Self-trained taggers: trained on the catalog that they tag, used again, evaluated on its test part."""

import csv
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from fashion_keras.support.errors import InputError
from fashion_keras.tagging.config import TagConfig
from fashion_keras.tagging.tag_catalog import tag_catalog as tag_with_config
from tests.helpers.shop import signs_of, write_shop


@pytest.fixture
def taxonomy(shop):
    return str(shop.parent / "shop.yaml")


def tag_catalog(data, **options):
    return tag_with_config(TagConfig(data=data, **options))


def rows_of(folder):
    with (folder / "tags.csv").open() as file:
        return list(csv.DictReader(file))


def written(folder):
    """When each file was written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_tag_catalog_trains_a_tagger_on_the_catalog(shop, toy, taxonomy, tmp_path):
    report = tag_catalog(shop, out=tmp_path / "out", taxonomy=taxonomy, target_precision=0.9)
    files = {path.name for path in (tmp_path / "out").iterdir() if not path.name.endswith(".lock")}
    tables = {"tags.csv", "rejected.csv", "review.csv"}
    assert files == {"tagger", *tables, "report.json", "report.html", "manifest.json", "progress.json", "shards"}
    assert json.loads((tmp_path / "out/report.json").read_text()) == json.loads(json.dumps(asdict(report)))
    trained = json.loads((tmp_path / "out/tagger/report.json").read_text())
    assert report.parts == {name: trained["counts"][name] for name in ("train", "validation", "test")}
    assert sum(report.parts.values()) == report.accepted == 697
    assert (report.target_precision, json.loads(json.dumps(asdict(report.test)))) == (0.9, trained["together"])
    tested = [row for row in rows_of(tmp_path / "out") if row["part"] == "test"]
    assert len(tested) == report.parts["test"]
    # The tags of test products are those that the precision was measured on.
    correct = [row["gender"] == signs_of(int(row["sku"]) - 1)[1] for row in tested if row["gender"]]
    (gender,) = (row for row in trained["attributes"] if row["name"] == "gender")
    assert (len(correct), sum(correct)) == (gender["given"], gender["right"])
    assert len(correct) > 50


def test_tag_catalog_uses_its_tagger_again(shop, toy, taxonomy, tmp_path):
    first = tag_catalog(shop, out=tmp_path, taxonomy=taxonomy)
    rows, before = rows_of(tmp_path), written(tmp_path / "tagger")
    assert (first.encoded, tag_catalog(shop, out=tmp_path, taxonomy=taxonomy)) == (697, replace(first, encoded=0))
    assert written(tmp_path / "tagger") == before
    assert rows_of(tmp_path) == rows


def test_tag_catalog_starts_an_interrupted_training_again(shop, toy, taxonomy, tmp_path):
    (tmp_path / ".tagger.part").mkdir()
    (tmp_path / ".tagger.part/config.json").write_text("{}")
    tag_catalog(shop, out=tmp_path, taxonomy=taxonomy)
    assert not (tmp_path / ".tagger.part").exists()
    assert (tmp_path / "tagger/report.json").is_file()


def test_tag_catalog_refuses_a_tagger_of_something_else(trained, shop, toy, taxonomy, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/tagger").symlink_to(trained.folder)
    with pytest.raises(InputError, match="not trained on this catalog, taxonomy and target precision; give another"):
        tag_catalog(write_shop(tmp_path / "data", 60), out=tmp_path / "out", taxonomy=taxonomy, target_precision=0.8)
    (tmp_path / "other.yaml").write_text(Path(taxonomy).read_text().replace("name: strap", "name: band"))
    with pytest.raises(InputError, match="not trained on this catalog, taxonomy and target precision"):
        tag_catalog(shop, out=tmp_path / "out", taxonomy=tmp_path / "other.yaml", target_precision=0.8)
    report = tag_catalog(shop, out=tmp_path / "out", taxonomy=taxonomy, target_precision=0.8)
    assert json.loads(json.dumps(asdict(report.test))) == trained.report["together"]


def test_tag_catalog_gives_no_tag_where_no_type_reaches_the_target(shop, toy, taxonomy, tmp_path, caplog):
    report = tag_catalog(shop, out=tmp_path, taxonomy=taxonomy, target_precision=0.999)
    assert "no product type reaches --target-precision 0.999" in caplog.text
    assert report.without_type == report.accepted
    with pytest.raises(InputError, match="not trained on this catalog, taxonomy and target precision"):
        tag_catalog(shop, out=tmp_path, taxonomy=taxonomy, target_precision=0.9)


def test_tag_catalog_refuses_a_folder_with_other_files(shop, toy, taxonomy, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not an empty folder"):
        tag_catalog(shop, out=tmp_path, taxonomy=taxonomy)


def test_tag_catalog_of_another_catalog_has_no_parts(trained, toy, tmp_path):
    report = tag_catalog(write_shop(tmp_path / "data", 60), tagger=trained.folder, out=tmp_path / "out")
    assert (report.test, report.parts) == (None, {"train": 0, "validation": 0, "test": 0})
    assert {row["part"] for row in rows_of(tmp_path / "out")} == {""}


def test_tag_catalog_marks_the_training_products_of_a_given_tagger(trained, shop, toy, tmp_path):
    report = tag_catalog(shop, tagger=trained.folder, out=tmp_path / "out")
    assert report.parts == {name: trained.report["counts"][name] for name in ("train", "validation", "test")}
