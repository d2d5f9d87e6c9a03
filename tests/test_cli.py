"""The command line: one line and exit code 2 for wrong input, results on standard output."""

import json
import shutil

import pytest
from PIL import Image

from fashion_keras import read_catalog
from tests.helpers.catalogs import read_rows
from tests.helpers.cli import assert_one_line, run_cli

HEADER = "id,masterCategory,subCategory,articleType,productDisplayName\n"


def write_classes(folder, rows, broken=False):
    """A catalog of (article type, count) in a folder."""
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
def test_train_refuses_wrong_flags(flags, words):
    assert_one_line(run_cli("train", *flags.split()), *words)


def test_train_refuses_an_empty_folder(tmp_path):
    assert_one_line(run_cli("train", "--data", tmp_path), "no styles.csv")


def test_train_refuses_a_table_without_id(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "styles.csv").write_text("gender,articleType\nMen,Shirts\n")
    assert_one_line(run_cli("train", "--data", tmp_path), "styles.csv: no column 'id'")


def test_train_refuses_a_catalog_of_broken_images(tmp_path):
    folder = write_classes(tmp_path / "data", [("Tops", 6), ("Shirts", 6)], broken=True)
    result = run_cli("train", "--data", folder, "--min-images", 3, "--out", tmp_path / "run")
    assert_one_line(result, "all 12 images are broken")
    assert not (tmp_path / "run").exists()


def test_train_refuses_a_class_with_one_image(tmp_path):
    folder = write_classes(tmp_path / "data", [("Tops", 9), ("Shirts", 9), ("Capes", 1)])
    result = run_cli("train", "--data", folder, "--min-images", 1, "--out", tmp_path / "run")
    assert_one_line(result, "Capes (1 images, 1 products)", "--min-images 2")


def test_train_refuses_weights_of_another_network(sample, run, tmp_path):
    result = run_cli(
        "train", "--backbone", "vgg_like", "--weights", run.folder / "model.weights.h5", "--data", sample,
        "--limit", 300, "--strategy", "frozen", "--out", tmp_path / "run",
    )  # fmt: skip
    assert_one_line(result, "of another network", "the first layer that differs is block2_conv1")
    assert not (tmp_path / "run").exists()


def test_unwritable_output_is_one_line(run, sample, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert_one_line(run_cli("data", "describe", sample, "--out", tmp_path / "file" / "x"), "file/x")
    assert_one_line(run_cli("evaluate", run.folder, "--out", tmp_path / "file" / "x"), "file/x")


def test_train_refuses_an_image_as_catalog(sample):
    photo = read_catalog(sample).paths[0]
    assert_one_line(run_cli("train", "--data", photo), "neither a folder nor a table")
    assert_one_line(run_cli("train", "--data", ""), "--data is empty")


def test_train_refuses_an_output_folder_in_use(sample, run):
    assert_one_line(run_cli("train", "--data", sample, "--out", run.folder), "not an empty folder", "--resume")


@pytest.mark.slow
def test_train_prints_folder_and_accuracy(sample, tmp_path):
    result = run_cli(
        "train", "--backbone", "custom_cnn", "--image-size", "32x32", "--limit", 300, "--epochs", 1, "--data", sample,
        "--out", tmp_path / "run",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    folder, accuracy, *per_product = result.stdout.splitlines()
    assert folder.split() == ["run", "folder", str(tmp_path / "run")]
    measured = json.loads((tmp_path / "run" / "report.json").read_text())["test"]["accuracy"]
    assert accuracy.split()[1] == f"{measured:.3f}"
    assert "with several images" in per_product[-1]


def test_evaluate_prints_one_json_object(run, sample):
    result = run_cli("evaluate", run.folder, "--data", sample, "--json")
    report = json.loads(result.stdout)
    assert report["test"]["accuracy"] == pytest.approx(run.accuracy, abs=1e-4)
    text = run_cli("evaluate", run.folder).stdout
    assert f"{run.accuracy:.3f}" in text.splitlines()[0]


def test_describe_counts_and_draws(sample, tmp_path):
    result = run_cli("data", "describe", sample, "--out", tmp_path, "--json")
    described = json.loads(result.stdout)
    assert described["products"] + described["rejected"] == described["inputs"]
    assert sum(described["reasons"].values()) == described["rejected"]
    assert sum(described["sizes"].values()) == described["products"]
    article_types = sum(described["tasks"]["article_type"].values())
    assert article_types + described["missing"]["article_type"] == described["products"]
    assert described["shared_titles"] > 0
    assert len(read_rows(tmp_path / "rejected.csv")) == described["rejected"]
    for name in ("class_counts.png", "samples.png"):
        with Image.open(tmp_path / name) as image:
            assert min(image.size) > 200
    text = run_cli("data", "describe", sample, "--out", tmp_path).stdout
    assert str(described["inputs"]) in text


def test_describe_of_a_tree(sample, tmp_path):
    catalog = read_catalog(sample)
    for row in range(6):
        folder = tmp_path / "tree" / ("even" if row % 2 == 0 else "odd")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(catalog.paths[row], folder)
    described = json.loads(run_cli("data", "describe", tmp_path / "tree", "--out", tmp_path / "o", "--json").stdout)
    assert described["tasks"] == {"article_type": {"even": 3, "odd": 3}}


def test_download_without_network_is_one_line_with_instructions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run_cli("data", "download")
    assert_one_line(result, "kagglehub could not download", "by hand", "fashion-product-images-small.zip")


def test_download_unpacks_an_archive_saved_by_hand(sample, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "downloads").mkdir(parents=True)
    packed = tmp_path / "packed"
    for home in (packed, packed / "myntradataset"):
        shutil.copytree(sample, home, dirs_exist_ok=True)
    archive = tmp_path / "data" / "downloads" / "fashion-product-images-small"
    shutil.make_archive(str(archive), "zip", packed)
    result = run_cli("data", "download")
    folder = tmp_path / "data" / "fashion-product-images-small"
    assert result.returncode == 0, result.stderr
    assert f"{len(read_catalog(sample))} products" in result.stdout
    assert sorted(path.name for path in folder.iterdir()) == ["images", "styles.csv"]
    assert not archive.with_suffix(".zip").exists()
    assert run_cli("data", "download").stdout == result.stdout


def test_sample_prints_its_folder(sample):
    assert run_cli("data", "sample").stdout.strip() == str(sample)
