"""iMaterialist-Fashion through the main door: train, evaluate, predict, describe, index."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from fashion_keras import TrainConfig, read_catalog
from fashion_keras.training.targets import build_targets, model_spec

LABELS = {
    "category": ("Jeans", "Hosiery, Stockings, Tights", "Heels"),
    "color": ("Black", "Blue", "Gold"),
    "gender": ("Female", "Male"),
    "sleeve": ("Long Sleeved", "Sleeveless"),
}
IDS = {label: str(100 + at) for at, label in enumerate(label for labels in LABELS.values() for label in labels)}
COUNT, ABSENT, BROKEN, STRANGE = 60, (3, 4), 9, 7


def labels_of(image):
    """Every image has a category, a gender and one color or two; four of five a sleeve."""
    colors = {LABELS["color"][image // 3 % 3], LABELS["color"][(image // 3 + (image % 4 == 0)) % 3]}
    sleeve = [LABELS["sleeve"][image // 2 % 2]] if image % 5 else []
    return [LABELS["category"][image % 3], *sorted(colors), LABELS["gender"][image % 2], *sleeve]


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """A set in the official format: two images that were not downloaded, a broken one, one with an unknown label."""
    folder = tmp_path_factory.mktemp("imaterialist")
    (folder / "images").mkdir()
    rows = [(IDS[label], task, label, name) for task, name in enumerate(LABELS) for label in LABELS[name]]
    with (folder / "iMat_fashion_2018_label_map_228.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("labelId", "taskId", "labelName", "taskName"), *rows])
    images = range(1, COUNT + 1)
    notes = {image: [IDS[label] for label in labels_of(image)] for image in images}
    notes[STRANGE].append("999")
    document = {
        "images": [{"url": f"https://example.org/{image}", "imageId": str(image)} for image in images],
        "annotations": [{"imageId": str(image), "labelId": labels} for image, labels in notes.items()],
    }
    (folder / "train.json").write_text(json.dumps(document))
    for image in images:
        if image not in ABSENT:
            pixels = np.random.default_rng(image).integers(0, 256, (40, 30, 3), np.uint8)
            Image.fromarray(pixels).save(folder / "images" / f"{image}.jpg")
    (folder / "images" / f"{BROKEN}.jpg").write_bytes(b"no image")
    return folder


def config(data, task="attributes"):
    return TrainConfig(task=task, data=str(data), backbone="custom_cnn", min_images=5)


def test_build_targets_of_attributes_has_the_groups_of_the_set(official):
    catalog = read_catalog(official)
    built, warnings = build_targets(config(official), catalog)
    assert [(group.name, group.kind, group.activation) for group in built.groups] == [
        ("column:category", "single", "softmax"),
        ("labels:color", "multi", "sigmoid"),
        ("labels:gender", "multi", "sigmoid"),
        ("column:sleeve", "single", "softmax"),
    ]
    assert [group.classes for group in built.groups] == [tuple(sorted(labels)) for labels in LABELS.values()]
    assert (built.is_color, warnings, built.known.all()) == (True, (), True)
    names = [label for group in built.groups for label in group.classes]
    for image, values in zip(map(int, catalog.image_ids), built.values, strict=True):
        assert {names[at] for at in np.flatnonzero(values == 1)} == set(labels_of(image))
        assert (values[-2:] == -1).all() == (image % 5 == 0)


def test_build_targets_takes_named_groups(official):
    built, *_ = build_targets(config(official, "column:category,labels:color"), read_catalog(official))
    assert [group.name for group in built.groups] == ["column:category", "labels:color"]


def test_encode_with_the_spec_of_a_run_gives_the_same_targets(official):
    catalog = read_catalog(official)
    settings = config(official)
    built, *_ = build_targets(settings, catalog)
    again = model_spec(settings, built.groups).encode(catalog.columns)
    np.testing.assert_array_equal(again.packed, built.packed)
    assert again.known.all()


@pytest.mark.slow
def test_train_and_evaluate_commands_take_annotations(official, command, tmp_path):
    settings = "--backbone custom_cnn --image-size 32x32 --epochs 2 --batch-size 16 --min-images 5 --precision float32"
    run = tmp_path / "run"
    trained = command("train", "--task", "attributes", "--data", official, "--out", run, *settings.split())
    assert trained.returncode == 0, trained.stderr
    report = json.loads((run / "report.json").read_text())
    # Not downloaded, broken, unknown label.
    assert sum(report["counts"].values()) == COUNT
    assert report["counts"]["rejected"] == 4
    with (run / "rejected.csv").open() as file:
        rejected = {row["sku"]: row["reason"] for row in csv.DictReader(file)}
    assert set(rejected) == {"3", "4", "7", "9"}
    assert rejected["3"].startswith("not downloaded")
    assert rejected["7"] == "annotations[6]: label '999' is not in iMat_fashion_2018_label_map_228.csv"

    evaluated = command("evaluate", run, "--data", official, "--part", "all", "--json")
    evaluation = json.loads(evaluated.stdout)
    seen = evaluation["trained_on_left_out"]
    assert seen > COUNT / 2
    assert evaluation["counts"] == {"test": COUNT - 4 - seen, "rejected": 4, "trained_on": seen, "other_parts": 0}
    # Eight of the ten labels are the prediction (guo2019): at most two of an image's are missed.
    assert evaluation["labels"]["top_8"]["micro"]["recall"] > 0.5

    predicted = command("predict", run, official / "images" / "1.jpg", "--json")
    (answer,) = json.loads(predicted.stdout)["predictions"]
    assert set(answer["heads"]) == {"column:category", "labels:color", "labels:gender", "column:sleeve"}

    described = command("data", "describe", official, "--out", tmp_path / "about", "--json")
    tasks = json.loads(described.stdout)["tasks"]
    assert sum(tasks["column:category"].values()) == COUNT - 4
    assert sum(tasks["labels:color"].values()) > COUNT - 4

    indexed = command("index", "--data", official, "--encoder", run, "--out", tmp_path / "index")
    assert indexed.returncode == 0, indexed.stderr
    found = command("search", official / "images" / "1.jpg", "--index", tmp_path / "index", "-k", 2,
                    "--where", "category=Jeans", "--json")  # fmt: skip
    assert [match["attributes"]["category"] for match in json.loads(found.stdout)["matches"]] == ["Jeans"] * 2
