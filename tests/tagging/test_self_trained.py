"""A catalogue that is tagged without a tagger: it teaches its own, which is kept, known again, and honest about it."""

import csv
import json
from pathlib import Path

import pytest

from fashion_keras.support.errors import InputError
from fashion_keras.tagging.tag_catalog import tag_catalog
from tests.helpers.shop import signs_of, write_shop


@pytest.fixture
def taxonomy(shop):
    return str(shop.parent / "shop.yaml")


def rows_of(folder):
    with (folder / "tags.csv").open() as file:
        return list(csv.DictReader(file))


def written(folder):
    """When each file was written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_a_catalogue_teaches_its_own_tagger(shop, toy, taxonomy, tmp_path):
    said = tag_catalog(str(shop), out=tmp_path / "out", taxonomy=taxonomy)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"tagger", "tags.csv", "rejected.csv", "report.json"}
    assert json.loads((tmp_path / "out/report.json").read_text()) == said
    judged = json.loads((tmp_path / "out/tagger/report.json").read_text())
    assert said["parts"] == {name: judged["counts"][name] for name in ("train", "validation", "test")}
    assert sum(said["parts"].values()) == said["products"] == 697
    assert (said["promise"], said["judged"]) == (0.95, judged["together"])
    rows = rows_of(tmp_path / "out")
    tested = [row for row in rows if row["part"] == "test"]
    assert len(tested) == said["parts"]["test"]
    # The tags of test products are those that the promise was judged on.
    given = [row["gender"] == signs_of(int(row["id"]) - 1)[1] for row in tested if row["gender"]]
    (gender,) = (row for row in judged["attributes"] if row["name"] == "gender")
    assert (len(given), sum(given)) == (gender["given"], gender["right"])
    assert len(given) > 50


def test_it_is_taken_again_where_it_fits(shop, toy, taxonomy, tmp_path):
    first = tag_catalog(str(shop), out=tmp_path, taxonomy=taxonomy)
    rows, before = rows_of(tmp_path), written(tmp_path / "tagger")
    assert tag_catalog(str(shop), out=tmp_path, taxonomy=taxonomy) == first
    assert written(tmp_path / "tagger") == before
    assert rows_of(tmp_path) == rows


def test_one_that_was_interrupted_is_begun_again(shop, toy, taxonomy, tmp_path):
    (tmp_path / ".tagger.part").mkdir()
    (tmp_path / ".tagger.part/config.json").write_text("{}")
    tag_catalog(str(shop), out=tmp_path, taxonomy=taxonomy)
    assert not (tmp_path / ".tagger.part").exists()
    assert (tmp_path / "tagger/report.json").is_file()


def test_it_is_refused_where_it_does_not_fit(trained, shop, toy, taxonomy, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/tagger").symlink_to(trained.folder)
    with pytest.raises(InputError, match="not learnt from this catalogue, taxonomy and promise; give another --out"):
        tag_catalog(str(write_shop(tmp_path / "data", 60)), None, tmp_path / "out", taxonomy, 0.8)
    (tmp_path / "other.yaml").write_text(Path(taxonomy).read_text().replace("name: strap", "name: band"))
    with pytest.raises(InputError, match="not learnt from this catalogue, taxonomy and promise"):
        tag_catalog(str(shop), out=tmp_path / "out", taxonomy=str(tmp_path / "other.yaml"), promise=0.8)
    assert tag_catalog(str(shop), None, tmp_path / "out", taxonomy, 0.8)["judged"] == trained.report["together"]


def test_nothing_is_given_where_too_little_is_sure(shop, toy, taxonomy, tmp_path, caplog):
    said = tag_catalog(str(shop), out=tmp_path, taxonomy=taxonomy, promise=0.999)
    assert "no product type is sure enough for --promise 0.999, so no tag is given" in caplog.text
    assert said["rejected"] == said["products"]
    with pytest.raises(InputError, match="not learnt from this catalogue, taxonomy and promise"):
        tag_catalog(str(shop), out=tmp_path, taxonomy=taxonomy, promise=0.9)


def test_a_folder_with_other_files_is_refused(shop, toy, taxonomy, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not an empty folder"):
        tag_catalog(str(shop), out=tmp_path, taxonomy=taxonomy)


def test_products_of_another_catalogue_had_no_part(trained, toy, tmp_path):
    said = tag_catalog(str(write_shop(tmp_path / "data", 60)), trained.folder, tmp_path / "out")
    assert (said["judged"], said["parts"]) == (None, {"train": 0, "validation": 0, "test": 0})
    assert {row["part"] for row in rows_of(tmp_path / "out")} == {""}


def test_the_products_that_taught_a_given_tagger_are_marked(trained, shop, toy, tmp_path):
    said = tag_catalog(str(shop), trained.folder, tmp_path / "out")
    assert said["parts"] == {"train": 348, "validation": 175, "test": 174}
