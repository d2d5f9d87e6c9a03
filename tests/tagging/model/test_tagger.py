"""A tagger as its users meet it: what it says of pictures, what it keeps to itself, what it refuses."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from fashion_keras.catalog.readers import read_catalog
from fashion_keras.catalog.splits import hold_out
from fashion_keras.images.decode import ImageError
from fashion_keras.support.errors import InputError
from fashion_keras.tagging.config import TaggerConfig
from fashion_keras.tagging.leakage import leakage_warning
from fashion_keras.tagging.model.tagger import load_tagger
from fashion_keras.tagging.tag_catalog import tag_catalog
from fashion_keras.tagging.train_tagger import split_for_tagger, train_tagger
from tests.helpers.shop import PLACES, picture, signs_of, toy_encoder, write_shop

CAKE = picture("Cakes", ["Dark", "Canvas", "Men"], 9001)
WATCH = picture("Watches", ["Dark", "Men"], 9002)
SHOE = picture("Shoes", ["Canvas", "Suede", "Women"], 9003)


def said(tags):
    return {(tag.name, tag.label) for tag in tags.attributes}


def test_pictures_get_their_types_and_the_attributes_of_those(trained):
    watch, shoe = load_tagger(trained.folder, toy_encoder()).tag([WATCH, SHOE])
    assert [tag.label for tag in watch.types] == ["watch"]
    assert said(watch) == {("dial", "Dark"), ("gender", "Men")}
    assert [tag.label for tag in shoe.types] == ["shoe"]
    assert said(shoe) == {("cloth", "Canvas"), ("cloth", "Suede"), ("gender", "Women")}
    assert all(0.5 < tag.confidence <= 1 for tag in (*watch.attributes, *watch.types, *shoe.attributes, *shoe.types))


def test_a_rejected_picture_has_no_attribute(trained):
    """A cake that shows all the signs of a dark dial, of canvas and of men is still a cake."""
    cake, nothing = load_tagger(trained.folder, toy_encoder()).tag([CAKE, np.full((8, 6, 3), 90, np.uint8)])
    for tags in (cake, nothing):
        assert tags.rejected
        assert (tags.types, tags.attributes, tags.abstained) == ((), (), ())


def test_it_abstains_where_it_is_not_sure(trained):
    tagger = load_tagger(trained.folder, toy_encoder())
    (unclear,) = tagger.tag([picture("Watches", ["Dark", "Light", "Men"], 9004)])
    wary = [replace(head, thresholds=head.thresholds + 1) if head.name == "dial" else head for head in tagger.heads]
    (silent,) = replace(tagger, heads=tuple(wary)).tag([WATCH])
    assert unclear.types
    assert said(silent) == {("gender", "Men")}
    assert silent.abstained == ("dial",)


def test_what_is_saved_says_the_same(trained, shop):
    tagger = load_tagger(trained.folder, toy_encoder())
    paths = sorted(shop.glob("images/1??.png"))
    vectors = tagger.encoder.embed(paths)
    assert tagger.tag(paths) == tagger.tag_vectors(vectors)
    kept = json.loads((trained.folder / "tagger.json").read_text())
    assert kept["encoder"] == {"name": "toy", "weights": "auto", "identity": "toy-1"}
    assert kept["taxonomy"]["attributes"][0]["labels"] == ["Dark", "Light"]
    assert [head["name"] for head in kept["heads"]] == ["dial", "cloth", "gender"]


def test_another_encoder_is_refused(trained):
    with pytest.raises(InputError, match=r"another encoder.*toy-1, now toy-2.*train-tagger"):
        load_tagger(trained.folder, toy_encoder("toy-2"))


def test_a_damaged_tagger_is_refused(trained, tmp_path):
    with pytest.raises(InputError, match="no tagger here"):
        load_tagger(tmp_path)
    for name in ("tagger.json", "heads.npz"):
        (tmp_path / name).write_bytes((trained.folder / name).read_bytes())
    (tmp_path / "heads.npz").write_bytes((trained.folder / "heads.npz").read_bytes()[:-1])
    with pytest.raises(InputError, match=r"heads.npz: missing or damaged"):
        load_tagger(tmp_path, toy_encoder())
    (tmp_path / "tagger.json").write_text('{"format": "fashion_keras.tagger/9"}')
    with pytest.raises(InputError, match=r"tagger/9.*tagger/1"):
        load_tagger(tmp_path, toy_encoder())


def test_pictures_that_cannot_be_used_are_named(trained, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    tagger = load_tagger(trained.folder, toy_encoder())
    with pytest.raises(ImageError, match=r"bad\.jpg"):
        tagger.tag([tmp_path / "bad.jpg"])
    with pytest.raises(InputError, match="at least one"):
        tagger.tag([])


def test_the_report_adds_up(trained):
    report = trained.report
    assert report["counts"] == {"train": 348, "validation": 175, "test": 174, "rejected": 3}
    assert list(report["left_out"]) == ["strap"]
    assert report["warnings"] == []
    for row in report["attributes"]:
        assert row["right"] <= row["given"]
        assert row["covered"] <= row["known"]
        assert row["given"] == sum(one["given"] for one in row["classes"])
        assert row["promise"] == "kept"
        assert row["coverage"] > 0.75
    assert report["together"]["given"] == sum(row["given"] for row in report["attributes"])
    gate = report["gate"]
    assert gate["of_no_type_rejected"] == gate["of_no_type"] > 20
    assert all(row["precision"] > 0.95 and row["accepted"] > 0.95 for row in gate["types"])


def test_the_gate_keeps_strangers_out(trained):
    table = trained.report["table_4"]
    assert table["equal_coverage"]["cut"] > 0.8
    rows = {(row["model"], row["validator"]): row for row in table["rows"]}
    assert {name for name, _ in rows} == {"weight decay 0.01", "weight decay 0.0001", "tagger"}
    assert rows["tagger", False]["outlier_errors"] > rows["tagger", True]["outlier_errors"]
    assert set(trained.report["outlier_scores"]) == {"dial", "cloth"}
    assert trained.report["outlier_scores"]["dial"]["validator"]["auroc"] > 0.99


def test_a_tagger_has_its_folder(trained):
    names = {path.name for path in trained.folder.iterdir()}
    assert names == {
        "config.json", "origin.json", "log.txt", "rejected.csv", "heads.npz", "tagger.json", "report.json", "gate.png",
        "coverage_risk.png", "reliability_01_dial.png", "reliability_02_cloth.png", "reliability_03_gender.png",
    }  # fmt: skip
    for path in trained.folder.glob("*.png"):
        with Image.open(path) as image:
            assert min(image.size) > 200
    with (trained.folder / "rejected.csv").open() as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["4", "11", "12"]


def test_the_same_seed_gives_the_same_tagger(trained, shop, toy, tmp_path):
    config = TaggerConfig(**json.loads((trained.folder / "config.json").read_text()) | {"out": str(tmp_path / "two")})
    again = train_tagger(config)
    assert (again.folder / "heads.npz").read_bytes() == (trained.folder / "heads.npz").read_bytes()
    assert (again.folder / "tagger.json").read_bytes() == (trained.folder / "tagger.json").read_bytes()
    assert {**again.report, "seconds": 0} == {**trained.report, "seconds": 0}


def test_a_catalogue_is_tagged_and_nothing_is_lost(trained, toy, tmp_path):
    data = write_shop(tmp_path / "data", 60, broken=(7, 8))
    said = tag_catalog(str(data), trained.folder, tmp_path / "out")
    assert (said["inputs"], said["products"], said["set_aside"]) == (60, 58, 2)
    with (tmp_path / "out/tags.csv").open() as file:
        rows = list(csv.DictReader(file))
    with (tmp_path / "out/rejected.csv").open() as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["8", "9"]
    assert len(rows) == 58
    assert said["rejected"] == sum(row["product_types"] == "" for row in rows)
    assert said["tags"]["dial"] == sum(row["dial"] != "" for row in rows) > 15
    for row in rows:
        kind, gender, dial, cloths = signs_of(int(row["id"]) - 1)
        assert row["product_types"] == {"Watches": "watch", "Shoes": "shoe", "Cakes": ""}[kind]
        assert row["gender"] in ("", gender if kind != "Cakes" else "")
        assert row["dial"] in ("", dial)
        assert set(row["cloth"].split("|")) <= {*cloths, ""}
        assert (row["dial_confidence"] == "") == (row["dial"] == "")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("labels: [Dark]", r"shop.yaml:5: attribute 'dial' has one label only"),
        ("labels: [Dark, Light], column: dial, applies_to: [clock]", r"shop.yaml:5: unknown product type .*shoe"),
        ("labels: [Dark, Light", r"shop.yaml:\d+: not YAML"),
    ],
)  # fmt: skip
def test_a_malformed_taxonomy_is_refused_with_its_line(shop, toy, tmp_path, change, reason):
    text = (shop.parent / "shop.yaml").read_text()
    (tmp_path / "shop.yaml").write_text(
        text.replace("labels: [Dark, Light], column: dial, applies_to: [watch]", change)
    )
    config = TaggerConfig(data=str(shop), taxonomy=str(tmp_path / "shop.yaml"), out=str(tmp_path / "out"))
    with pytest.raises(InputError, match=reason):
        train_tagger(config)
    assert not (tmp_path / "out").exists()


def test_all_images_broken(toy, shop, tmp_path):
    data = write_shop(tmp_path / "data", 5, broken=range(5))
    with pytest.raises(InputError, match="no product with a usable image"):
        train_tagger(TaggerConfig(data=str(data), taxonomy=str(shop.parent / "shop.yaml"), out=str(tmp_path / "out")))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"promise": 1.0}, "--promise must be above 0 and below 1"),
        ({"hold_out": 0.0}, "--hold-out must be above"),
        ({"min_images": 0}, "--min-images must be a whole number at least 1"),
        ({"weight_decays": "0.1,much"}, "--weight-decays is up to 12 numbers above 0"),
        ({"weight_decays": "0"}, "--weight-decays is up to 12 numbers above 0"),
        ({"seed": -1}, "--seed"),
    ],
)
def test_wrong_options_are_refused(changes, reason):
    with pytest.raises(InputError, match=reason):
        TaggerConfig(**changes)


def test_every_type_has_its_place():
    assert {signs_of(number)[0] for number in range(5)} == set(PLACES)


def test_it_is_said_when_the_encoder_has_learnt_from_what_judges_it(tmp_path):
    judges = np.arange(10)
    assert leakage_warning("fashion_small", 0.265, 0, judges) == ""
    (tmp_path / "config.json").write_text('{"hold_out": 0.265, "seed": 0}')
    assert leakage_warning(str(tmp_path), 0.265, 0, judges) == ""
    assert "--hold-out 0.265 --seed 0" in leakage_warning(str(tmp_path), 0.265, 1, judges)
    (tmp_path / "origin.json").write_text('{"parts": {"train": [8, 9, 10, 11]}}')
    assert "trained on 2 of the 10 products" in leakage_warning(str(tmp_path), 0.265, 0, judges)


def test_what_judges_was_never_seen_and_shares_no_title(shop):
    """Validation and test are the products that hold_out keeps from an encoder's training."""
    catalog = read_catalog(shop)
    parts = split_for_tagger(catalog, 0.3, 0)
    train, held_out = hold_out(catalog, 0.3, 0)
    assert parts.train.tolist() == train.tolist()
    assert sorted([*parts.validation, *parts.test]) == held_out.tolist()
    assert abs(len(parts.validation) - len(parts.test)) <= 3
    titles = [set(catalog.product_groups[rows].tolist()) for rows in (parts.train, parts.validation, parts.test)]
    assert not titles[0] & titles[1] and not titles[0] & titles[2] and not titles[1] & titles[2]
