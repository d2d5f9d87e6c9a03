"""The command line as its users meet it: one line and exit code 2 for what is wrong, results for what is right."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from fashion_keras import read_catalog

HEADER = "id,masterCategory,subCategory,articleType,productDisplayName\n"


def catalogue(folder, rows, broken=False):
    """A catalogue of (article type, count) in a folder."""
    (folder / "images").mkdir(parents=True)
    lines = []
    for name, count in rows:
        for _ in range(count):
            number = len(lines) + 1
            lines.append(f"{number},Apparel,Topwear,{name},{name} number {number}\n")
            path = folder / "images" / f"{number}.jpg"
            if broken:
                path.write_bytes(b"\xff\xd8\xff\xe0 broken")
            else:
                Image.new("RGB", (60, 80), (number % 256, 0, 0)).save(path)
    (folder / "styles.csv").write_text(HEADER + "".join(lines))
    return folder


def assert_one_line(result, *words):
    assert result.returncode == 2, result.stderr
    (last,) = result.stderr.splitlines()
    assert last.startswith("error: ")
    for word in words:
        assert word in last
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--task articletype", ["unknown task 'articletype'", "'article_type'"]),
        ("--backbone vgg91", ["unknown --backbone 'vgg91'", "'vgg19'"]),
        ("--augment lots", ["unknown --augment 'lots'"]),
        ("--epochs few", ["--epochs", "few"]),
        ("--backbone inception_v3 --image-size 60x60", ["at least 75x75", "--image-size 75x75"]),
        ("--recipe li2021", ["unknown recipe", "'li2020'"]),
        ("--resume runs/x --epochs 3", ["--resume takes no other flag"]),
        ("--data /nowhere", ["/nowhere: no such folder"]),
    ],
)
def test_wrong_flags(command, flags, words):
    assert_one_line(command("train", *flags.split()), *words)


def test_empty_folder(command, tmp_path):
    assert_one_line(command("train", "--data", tmp_path), "no styles.csv")


def test_table_without_id(command, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "styles.csv").write_text("gender,articleType\nMen,Shirts\n")
    assert_one_line(command("train", "--data", tmp_path), "styles.csv: no column 'id'")


def test_all_images_broken(command, tmp_path):
    folder = catalogue(tmp_path / "data", [("Tops", 6), ("Shirts", 6)], broken=True)
    result = command("train", "--data", folder, "--min-images", 3, "--out", tmp_path / "run")
    assert_one_line(result, "all 12 images are broken")
    assert not (tmp_path / "run").exists()


def test_a_class_with_one_image(command, tmp_path):
    folder = catalogue(tmp_path / "data", [("Tops", 9), ("Shirts", 9), ("Capes", 1)])
    result = command("train", "--data", folder, "--min-images", 1, "--out", tmp_path / "run")
    assert_one_line(result, "Capes (1 images, 1 titles)", "--min-images 2")


def test_weights_of_another_network(command, sample, run, tmp_path):
    result = command(
        "train", "--backbone", "vgg_like", "--weights", run.folder / "model.weights.h5", "--data", sample,
        "--limit", 300, "--strategy", "frozen", "--out", tmp_path / "run",
    )  # fmt: skip
    assert_one_line(result, "of another network", "the first layer that differs is block2_conv1")

    assert not (tmp_path / "run").exists()


def test_what_cannot_be_written_is_one_line(command, run, sample, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert_one_line(command("data", "describe", sample, "--out", tmp_path / "file" / "x"), "file/x")
    assert_one_line(command("evaluate", run.folder, "--out", tmp_path / "file" / "x"), "file/x")


def test_a_photo_is_no_catalogue(command, sample):
    photo = read_catalog(sample).paths[0]
    assert_one_line(command("train", "--data", photo), "neither a folder nor a CSV file")
    assert_one_line(command("train", "--data", ""), "--data is empty")


def test_out_folder_in_use(command, sample, run):
    assert_one_line(command("train", "--data", sample, "--out", run.folder), "not an empty folder", "--resume")


def test_train_prints_folder_and_accuracy(command, sample, tmp_path):
    result = command(
        "train", "--backbone", "custom_cnn", "--image-size", "32x32", "--limit", 300, "--epochs", 1, "--data", sample,
        "--out", tmp_path / "run",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    folder, accuracy, *per_product = result.stdout.splitlines()
    assert folder.split() == ["run", "folder", str(tmp_path / "run")]
    measured = json.loads((tmp_path / "run" / "report.json").read_text())["test"]["accuracy"]
    assert accuracy.split()[1] == f"{measured:.3f}"
    assert "with several images" in per_product[-1]


def test_evaluate_prints_one_json_object(command, run, sample):
    result = command("evaluate", run.folder, "--data", sample, "--json")
    report = json.loads(result.stdout)
    assert report["test"]["accuracy"] == pytest.approx(run.accuracy, abs=1e-4)
    text = command("evaluate", run.folder).stdout
    assert f"{run.accuracy:.3f}" in text.splitlines()[0]


def test_predict_sets_bad_images_aside(command, run, sample, tmp_path):
    good = read_catalog(sample).paths[0]
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    result = command("predict", run.folder, good, bad, "--json")
    answer = json.loads(result.stdout)
    assert result.returncode == 0
    assert [row["image"] for row in answer["predictions"]] == [good]
    assert answer["predictions"][0]["class"] in run.report.classes
    assert np.diff([one["probability"] for one in answer["predictions"][0]["top"]]).max() <= 0
    assert [row["image"] for row in answer["rejected"]] == [str(bad)]
    assert_one_line(command("predict", run.folder, bad), "bad.jpg")
    assert_one_line(command("predict", tmp_path, good), "no finished run")


def test_describe_counts_and_draws(command, sample, tmp_path):
    result = command("data", "describe", sample, "--out", tmp_path, "--json")
    described = json.loads(result.stdout)
    assert described["products"] + described["rejected"] == described["inputs"]
    assert sum(described["reasons"].values()) == described["rejected"]
    assert sum(described["sizes"].values()) == described["products"]
    article_types = sum(described["tasks"]["article_type"].values())
    assert article_types + described["missing"]["article_type"] == described["products"]
    assert described["shared_titles"] > 0
    with (tmp_path / "rejected.csv").open() as file:
        assert len(list(csv.DictReader(file))) == described["rejected"]
    for name in ("class_counts.png", "samples.png"):
        with Image.open(tmp_path / name) as image:
            assert min(image.size) > 200
    text = command("data", "describe", sample, "--out", tmp_path).stdout
    assert str(described["inputs"]) in text


def test_describe_of_a_tree(command, sample, tmp_path):
    catalog = read_catalog(sample)
    for row in range(6):
        folder = tmp_path / "tree" / ("even" if row % 2 == 0 else "odd")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(catalog.paths[row], folder)
    described = json.loads(command("data", "describe", tmp_path / "tree", "--out", tmp_path / "o", "--json").stdout)
    assert described["tasks"] == {"article_type": {"even": 3, "odd": 3}}


def test_download_without_network_is_one_line_that_says_what_to_do(command, tmp_path):
    result = command("data", "download", cwd=tmp_path)
    assert_one_line(result, "kaggle could not download", "by hand", "fashion-product-images-small.zip")


def test_an_archive_that_was_saved_by_hand_is_unpacked(command, sample, tmp_path):
    (tmp_path / "data" / "downloads").mkdir(parents=True)
    packed = tmp_path / "packed"
    for home in (packed, packed / "myntradataset"):
        shutil.copytree(sample, home, dirs_exist_ok=True)
    archive = tmp_path / "data" / "downloads" / "fashion-product-images-small"
    shutil.make_archive(str(archive), "zip", packed)
    result = command("data", "download", cwd=tmp_path)
    folder = tmp_path / "data" / "fashion-product-images-small"
    assert result.returncode == 0, result.stderr
    assert f"{len(read_catalog(sample))} products" in result.stdout
    assert sorted(path.name for path in folder.iterdir()) == ["images", "styles.csv"]
    assert not archive.with_suffix(".zip").exists()
    assert command("data", "download", cwd=tmp_path).stdout == result.stdout


def test_sample_prints_its_folder(command, sample):
    assert command("data", "sample").stdout.strip() == str(sample)
