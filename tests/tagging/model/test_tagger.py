"""Taggers: the tags of images, abstention and rejection, files that are refused."""

import csv
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from fashion_keras.images.raster import ImageError
from fashion_keras.support.errors import InputError
from fashion_keras.tagging.annotate import TagColumns, product_means
from fashion_keras.tagging.config import TagConfig, TaggerConfig
from fashion_keras.tagging.model.heads import LinearHead
from fashion_keras.tagging.model.manifest import EncoderReference, TaggerManifest
from fashion_keras.tagging.model.tagger import Tagger, load_tagger
from fashion_keras.tagging.tag_catalog import tag_catalog
from fashion_keras.tagging.train_tagger import train_tagger
from tests.helpers.shop import PLACES, picture, signs_of, toy_encoder, write_shop

CAKE = picture("Cakes", ["Dark", "Canvas", "Men"], 9001)
WATCH = picture("Watches", ["Dark", "Men"], 9002)
SHOE = picture("Shoes", ["Canvas", "Suede", "Women"], 9003)


def labels_of(tags):
    return {(tag.name, tag.label) for tag in tags.attributes}


def test_tag_predicts_types_and_their_attributes(trained):
    watch, shoe = load_tagger(trained.folder, toy_encoder()).tag([WATCH, SHOE])
    assert [tag.label for tag in watch.types] == ["watch"]
    assert labels_of(watch) == {("dial", "Dark"), ("gender", "Men")}
    assert [tag.label for tag in shoe.types] == ["shoe"]
    assert labels_of(shoe) == {("cloth", "Canvas"), ("cloth", "Suede"), ("gender", "Women")}
    assert all(0.5 < tag.confidence <= 1 for tag in (*watch.attributes, *watch.types, *shoe.attributes, *shoe.types))


def test_tag_of_a_rejected_image_has_no_attribute(trained):
    """A cake that shows all the signs of a dark dial, of canvas and of men is still a cake."""
    cake, plain = load_tagger(trained.folder, toy_encoder()).tag([CAKE, np.full((8, 6, 3), 90, np.uint8)])
    for tags in (cake, plain):
        assert tags.rejected
        assert (tags.types, tags.attributes, tags.abstained) == ((), (), ())


def test_tag_abstains_below_the_threshold(trained):
    tagger = load_tagger(trained.folder, toy_encoder())
    (unclear,) = tagger.tag([picture("Watches", ["Dark", "Light", "Men"], 9004)])
    strict = [replace(head, thresholds=head.thresholds + 1) if head.name == "dial" else head for head in tagger.heads]
    (watch,) = replace(tagger, heads=tuple(strict)).tag([WATCH])
    assert unclear.types
    assert labels_of(watch) == {("gender", "Men")}
    assert watch.abstained == ("dial",)


def test_tag_takes_one_image_or_many(trained, tmp_path):
    tagger = load_tagger(trained.folder, toy_encoder())
    (expected,) = tagger.tag([WATCH])
    Image.fromarray(WATCH).save(tmp_path / "watch.png")
    path = tmp_path / "watch.png"
    for one_image in (WATCH, path, str(path), path.read_bytes(), Image.fromarray(WATCH)):
        assert tagger.tag(one_image) == [expected]
    assert tagger.tag(image for image in (WATCH, SHOE)) == tagger.tag([WATCH, SHOE])
    assert tagger.tag([]) == []


def test_tag_from_16_threads_equals_serial_tags(trained):
    tagger = load_tagger(trained.folder, toy_encoder())
    images = [WATCH, SHOE, CAKE] * 40
    with ThreadPoolExecutor(16) as pool:
        tags = list(pool.map(tagger.tag, images))
    assert tags == [tagger.tag(image) for image in images]


def test_load_tagger_predicts_as_the_saved_one(trained, shop):
    tagger = load_tagger(trained.folder, toy_encoder())
    paths = sorted(shop.glob("images/1??.png"))
    assert tagger.tag(paths) == tagger.tag_features(tagger.encoder.embed(paths))
    manifest = TaggerManifest.read(trained.folder)
    assert manifest.encoder == EncoderReference("toy", "auto", "toy-1")
    assert manifest.target_precision == tagger.target_precision == 0.8
    assert manifest.taxonomy["attributes"][0] == {
        "name": "dial", "kind": "single", "labels": ["Dark", "Light"], "applies_to": ["watch"], "rules": None,
        "column": "dial",
    }  # fmt: skip
    assert [head.name for head in manifest.heads] == ["dial", "cloth", "gender"]


def test_load_tagger_refuses_another_encoder(trained):
    with pytest.raises(InputError, match=r"another encoder.*toy-1, now toy-2.*train-tagger"):
        load_tagger(trained.folder, toy_encoder("toy-2"))


def test_load_tagger_refuses_missing_or_damaged_files(trained, tmp_path):
    with pytest.raises(InputError, match="no tagger here"):
        load_tagger(tmp_path)
    for name in ("tagger.json", "heads.npz"):
        (tmp_path / name).write_bytes((trained.folder / name).read_bytes())
    (tmp_path / "heads.npz").write_bytes((trained.folder / "heads.npz").read_bytes()[:-1])
    with pytest.raises(InputError, match=r"heads.npz: missing or damaged"):
        load_tagger(tmp_path, toy_encoder())


def test_load_tagger_refuses_format_1_by_name(tmp_path):
    (tmp_path / "tagger.json").write_text('{"format": "fashion_keras.tagger/1"}')
    with pytest.raises(
        InputError, match=r"tagger.json: format 'fashion_keras.tagger/1'; .* reads fashion_keras.tagger/2"
    ):
        load_tagger(tmp_path, toy_encoder())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda values: values.pop("target_precision"), "key 'target_precision' is missing"),
        (lambda values: values.update(target_precision="high"), "'target_precision' must be a number, not 'high'"),
        (lambda values: values["heads"][1].update(classes="Canvas"), r"'heads\[1\].classes' must be a list"),
        (lambda values: values["heads"][1].pop("thresholds"), r"key 'heads\[1\].thresholds' is missing"),
        (lambda values: values.update(promise=0.95), "unknown key 'promise'"),
    ],
)
def test_tagger_manifest_names_file_and_key(trained, tmp_path, change, words):
    values = json.loads((trained.folder / "tagger.json").read_text())
    change(values)
    (tmp_path / "tagger.json").write_text(json.dumps(values))
    with pytest.raises(InputError, match=rf"tagger\.json: .*{words}") as caught:
        TaggerManifest.read(tmp_path)
    assert "\n" not in str(caught.value)


def test_tag_names_an_image_that_does_not_decode(trained, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"bad\.jpg"):
        load_tagger(trained.folder, toy_encoder()).tag([tmp_path / "bad.jpg"])


def test_report_adds_up(trained):
    report = trained.report
    counts = report["counts"]
    assert (counts["rejected"], sum(counts.values())) == (3, 700)
    assert all(abs(counts[part] - 697 * share) < 40 for part, share in (("train", 0.5), ("validation", 0.25)))
    assert report["validation"]["selection"] + report["validation"]["proof"] == counts["validation"]
    assert report["trained_images"] == {"catalog": 0, "evaluated": 0}
    assert (report["target_precision"], "one in 20 may miss" in report["statement"]) == (0.8, True)
    assert list(report["left_out"]) == ["strap"]
    assert report["warnings"] == []
    for row in report["attributes"]:
        assert row["right"] <= row["given"]
        assert row["covered"] <= row["known"]
        assert row["given"] == sum(label["given"] for label in row["classes"])
        assert row["target"] == "met"
        assert row["coverage"] > 0.7
    assert report["together"]["given"] == sum(row["given"] for row in report["attributes"])
    gate = report["gate"]
    assert gate["of_no_type_rejected"] == gate["of_no_type"] > 20
    assert all(row["precision"] > 0.95 and row["accepted"] > 0.95 for row in gate["types"])


def test_gate_cuts_outlier_errors(trained):
    table = trained.report["table_4"]
    assert table["equal_coverage"]["cut"] > 0.8
    rows = {(row["model"], row["validator"]): row for row in table["rows"]}
    assert {name for name, _ in rows} == {"weight decay 0.01", "weight decay 0.0001", "tagger"}
    assert rows["tagger", False]["outlier_errors"] > rows["tagger", True]["outlier_errors"]
    assert set(trained.report["outlier_scores"]) == {"dial", "cloth"}
    assert trained.report["outlier_scores"]["dial"]["validator"]["auroc"] > 0.99


def test_tagger_folder_has_its_files(trained):
    names = {path.name for path in trained.folder.iterdir()}
    assert names == {
        "config.json", "origin.json", "log.txt", "rejected.csv", "heads.npz", "tagger.json", "report.json", "gate.png",
        "report.html",
        "coverage_risk.png", "reliability_01_dial.png", "reliability_02_cloth.png", "reliability_03_gender.png",
    }  # fmt: skip
    for path in trained.folder.glob("*.png"):
        with Image.open(path) as image:
            assert min(image.size) > 200
    with (trained.folder / "rejected.csv").open() as file:
        assert [row["sku"] for row in csv.DictReader(file)] == ["4", "11", "12"]


def test_train_tagger_with_the_same_seed_gives_the_same_tagger(trained, shop, toy, tmp_path):
    config = json.loads((trained.folder / "config.json").read_text())
    again = train_tagger({**config, "out": tmp_path / "two"}, verbose=0)
    assert (again.folder / "heads.npz").read_bytes() == (trained.folder / "heads.npz").read_bytes()
    assert (again.folder / "tagger.json").read_bytes() == (trained.folder / "tagger.json").read_bytes()
    assert {**again.report, "seconds": 0} == {**trained.report, "seconds": 0}


def test_tag_catalog_tags_or_rejects_every_row(trained, toy, tmp_path):
    data = write_shop(tmp_path / "data", 60, broken=(7, 8))
    report = tag_catalog(TagConfig(data=data, tagger=trained.folder, out=tmp_path / "out"))
    assert (report.read, report.accepted, report.rejected) == (60, 58, 2)
    with (tmp_path / "out/tags.csv").open() as file:
        rows = list(csv.DictReader(file))
    with (tmp_path / "out/rejected.csv").open() as file:
        assert [row["sku"] for row in csv.DictReader(file)] == ["8", "9"]
    assert len(rows) == 58
    assert report.without_type == sum(row["product_types"] == "" for row in rows)
    assert report.tags["dial"] == sum(row["dial"] != "" for row in rows) > 15
    for row in rows:
        kind, gender, dial, cloths = signs_of(int(row["sku"]) - 1)
        assert row["product_types"] == {"Watches": "watch", "Shoes": "shoe", "Cakes": ""}[kind]
        assert row["gender"] in ("", gender if kind != "Cakes" else "")
        assert row["dial"] in ("", dial)
        assert set(row["cloth"].split("|")) <= {*cloths, ""}
        assert (row["dial_confidence"] == "") == (row["dial"] == "")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("labels: [Dark]", r"shop.yaml:5: attribute 'dial' has a single label"),
        ("labels: [Dark, Light], column: dial, applies_to: [clock]", r"shop.yaml:5: unknown product type .*shoe"),
        ("labels: [Dark, Light", r"shop.yaml:\d+: not YAML"),
    ],
)  # fmt: skip
def test_train_tagger_refuses_a_malformed_taxonomy_with_its_line(shop, toy, tmp_path, change, reason):
    text = (shop.parent / "shop.yaml").read_text()
    (tmp_path / "shop.yaml").write_text(
        text.replace("labels: [Dark, Light], column: dial, applies_to: [watch]", change)
    )
    config = TaggerConfig(data=str(shop), taxonomy=str(tmp_path / "shop.yaml"), out=str(tmp_path / "out"))
    with pytest.raises(InputError, match=reason):
        train_tagger(config)
    assert not (tmp_path / "out").exists()


def test_train_tagger_refuses_a_catalog_without_a_usable_image(toy, shop, tmp_path):
    data = write_shop(tmp_path / "data", 5, broken=range(5))
    with pytest.raises(InputError, match="no product with a usable image"):
        train_tagger(TaggerConfig(data=str(data), taxonomy=str(shop.parent / "shop.yaml"), out=str(tmp_path / "out")))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"target_precision": 1.0}, "--target-precision must be above 0 and below 1"),
        ({"hold_out": 0.0}, "--hold-out must be above"),
        ({"min_images": 0}, "--min-images must be a whole number at least 1"),
        ({"weight_decays": "0.1,much"}, "--weight-decays is up to 12 numbers above 0"),
        ({"weight_decays": "0"}, "--weight-decays is up to 12 numbers above 0"),
        ({"seed": -1}, "--seed"),
    ],
)
def test_tagger_config_refuses_values_out_of_range(changes, reason):
    with pytest.raises(InputError, match=reason):
        TaggerConfig(**changes)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, "give one of --taxonomy .* and --tagger"),
        ({"taxonomy": "kaggle", "tagger": "x"}, "give one of"),
        ({"tagger": "x", "target_precision": 0.9}, "--target-precision applies to a tagger trained here"),
        ({"taxonomy": "kaggle", "target_precision": 95.0}, "--target-precision must be above 0 and below 1, not 95"),
    ],
)
def test_tag_config_refuses_contradictions(values, reason):
    with pytest.raises(InputError, match=reason):
        TagConfig(**values)


def test_shop_shows_every_type():
    assert {signs_of(number)[0] for number in range(5)} == set(PLACES)


def axes_of(scale):
    weights = np.eye(2, dtype=np.float32) * scale
    return {"weights": weights, "bias": np.zeros(2, np.float32), "weight_decay": 0.0, "temperature": 1.0}


def test_products_are_tagged_by_the_mean_of_their_images():
    """Two classes along two axes; the second image of product 0 would be another one by itself."""
    axes = axes_of(4)
    gate = LinearHead("product type", "multi", ("x", "y"), ("x", "y"), thresholds=np.array([0.6, 0.6]), **axes)
    head = LinearHead("color", "single", ("red", "blue"), ("x",), thresholds=np.array([0.9, 0.9]), **axes)
    features = np.array([[3, 0], [1, 2], [-2, -1], [0.1, 0.05]], np.float32)
    assert product_means(features, np.array([0, 0, 1, 2])).tolist() == [[2, 1], [-2, -1], [0.1, 0.05]][:2] + [
        pytest.approx([0.1, 0.05])
    ]
    columns = TagColumns(Tagger(None, gate, (head,), 0.9))(features, np.array([0, 0, 1, 2]))
    assert columns["product_types"].to_pylist() == [["x", "y"], ["x", "y"], [], []]
    assert columns["disagrees"].to_pylist() == [True, True, False, False]
    # 1 - sigmoid(8), 1 - sigmoid(-4), 1 - sigmoid(0.4)
    expected = [0.000335, 0.000335, 0.982014, 0.401312]
    assert columns["outlier_score"].to_numpy() == pytest.approx(expected, abs=1e-5)
    color = columns["color"].to_pylist()
    assert color[0] == color[1]
    # A softmax of logits 8 and 4: 0.982 and 0.018.
    assert (color[0]["label"], color[0]["state"]) == (["red"], "released")
    assert (color[0]["confidence"], color[0]["margin"]) == pytest.approx((0.98201, 0.96403), abs=1e-4)
    assert color[2] == color[3] == {"label": [], "confidence": None, "margin": None, "state": "gated"}


def test_an_abstained_attribute_shows_its_most_probable_label():
    axes = axes_of(1)
    gate = LinearHead("product type", "multi", ("x", "y"), ("x", "y"), thresholds=np.array([0.5, 0.5]), **axes)
    head = LinearHead("color", "single", ("red", "blue"), ("x",), thresholds=np.array([0.9, np.inf]), **axes)
    columns = TagColumns(Tagger(None, gate, (head,), 0.9))(np.array([[1, 2]], np.float32), np.array([0]))
    (color,) = columns["color"].to_pylist()
    assert (color["label"], color["state"]) == (["blue"], "abstained")
    assert color["confidence"] == pytest.approx(0.73106, abs=1e-4)  # sigmoid(1)
