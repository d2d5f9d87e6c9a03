"""Folders of images: classes, parts, by-products of programs, and names that carry a SKU."""

import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from fashion_keras.catalog.readers import read_catalog
from fashion_keras.support.errors import InputError


def save(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 8)).save(root / name, "JPEG")
    return root


def test_read_catalog_of_parts_above_classes(tmp_path):
    save(tmp_path, "train/Shirts/1.jpg", "test/Shirts/2.jpg", "val/Bags/3.jpg", "train/Bags/.ipynb_checkpoints/1.jpg")
    catalog = read_catalog(tmp_path)
    assert catalog.columns["article_type"].tolist() == ["Shirts", "Shirts", "Bags"]
    assert catalog.columns["split"].tolist() == ["test", "train", "validation"]
    assert "1 hidden files and folders were skipped" in catalog.notes


def test_read_catalog_keys_a_tree_by_path(tmp_path):
    save(tmp_path, "Shirts/b.jpg", "Bags/Small/c.jpg")
    before = read_catalog(tmp_path)
    assert before.skus.tolist() == ["Bags/Small/c.jpg", "Shirts/b.jpg"]
    assert before.columns["article_type"].tolist() == ["Bags/Small", "Shirts"]
    save(tmp_path, "Bags/a.jpg", "__MACOSX/Shirts/x.jpg", "Shirts/._b.jpg")
    after = read_catalog(tmp_path)
    assert set(after.skus) - set(before.skus) == {"Bags/a.jpg"}


@pytest.mark.parametrize("names", [("a.jpg", "b.JPG"), ("images/a.jpg", "images/b.JPEG")])
def test_read_catalog_makes_no_class_of_a_folder_of_images(tmp_path, names):
    catalog = read_catalog(save(tmp_path, *names))
    assert len(catalog) == 2
    assert list(catalog.columns) == []


def test_read_catalog_descends_into_an_unpacked_set(tmp_path):
    save(tmp_path, "archive/images/1.jpg", "archive/images/2.jpg")
    (tmp_path / "archive" / "styles.csv").write_text("id,gender\n1,Men\n2,Women\n")
    catalog = read_catalog(tmp_path)
    assert catalog.skus.tolist() == ["1", "2"]
    assert catalog.notes[0] == f"{tmp_path}: archive/ is read, the set in it"


def test_read_catalog_never_reads_past_a_table_it_cannot_read(tmp_path):
    save(tmp_path, "images/1.jpg")
    (tmp_path / "products.xlsx").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"products\.xlsx"):
        read_catalog(tmp_path)


@pytest.mark.parametrize(
    ("names", "skus"),
    [
        (("12.jpg", "12_1.jpg", "12_2.jpg", "13.jpg"), {"12": ["12", "12_1", "12_2"], "13": ["13"]}),
        (("12-2.jpg", "12-10.jpg", "13 (1).jpg"), {"12": ["12-2", "12-10"], "13": ["13 (1)"]}),
        (("12/front.jpg", "12/back.jpg", "13.PNG"), {"12": ["back", "front"], "13": ["13"]}),
        (("sub/12_front.jpg", "other/13.jpg"), {"12": ["12_front"], "13": ["13"]}),
    ],
)
def test_read_catalog_finds_images_that_carry_a_sku(tmp_path, names, skus):
    save(tmp_path, *(f"images/{name}" for name in names))
    (tmp_path / "styles.csv").write_text("id,gender\n12,Men\n13,Women\n")
    catalog = read_catalog(tmp_path)
    stems = [path.rpartition("/")[2].rpartition(".")[0] for path in catalog.paths.tolist()]
    assert {sku: [stem for own, stem in zip(catalog.skus, stems, strict=True) if own == sku] for sku in skus} == skus
    assert catalog.rejected == ()


def test_read_catalog_prefers_the_longer_sku(tmp_path):
    save(tmp_path, "images/12.jpg", "images/12_1.jpg")
    (tmp_path / "styles.csv").write_text("id\n12\n12_1\n")
    assert read_catalog(tmp_path).image_ids.tolist() == ["12", "12_1"]


def test_read_catalog_finds_images_of_skus_that_no_file_can_be_named(tmp_path):
    save(tmp_path, "images/AB-1_4.jpg", "images/CD/5.jpg")
    (tmp_path / "styles.csv").write_text("id\nAB-1/4\nCD/5\n")
    assert read_catalog(tmp_path).skus.tolist() == ["AB-1/4", "CD/5"]


@pytest.mark.parametrize(
    ("names", "classes", "rejected"),
    [
        (("train/Shirts/a.jpg", "test/Shirts/b.jpg", "cover.jpg"), {"Shirts"}, 1),
        (("train/Shirts/a.jpg", "train/Hats/c.jpg", "test/b.jpg"), {"Shirts", "Hats", ""}, 0),
        (("data/train/Shirts/a.jpg", "data/train/Hats/b.jpg"), {"Shirts", "Hats"}, 0),
        (("Train/images/Shirts/a.jpg", "TEST/images/Hats/b.jpg"), {"Shirts", "Hats"}, 0),
    ],
)
def test_read_catalog_takes_parts_of_irregular_trees(tmp_path, names, classes, rejected):
    catalog = read_catalog(save(tmp_path, *names))
    assert set(catalog.columns["article_type"].tolist()) == classes
    assert set(catalog.columns["split"].tolist()) <= {"train", "test"}
    assert len(catalog.rejected) == rejected


def test_read_catalog_rejects_links_that_lead_nowhere(tmp_path):
    save(tmp_path, "Shirts/a.jpg", "Hats/b.jpg")
    (tmp_path / "Shirts" / "gone.jpg").symlink_to("/nowhere.jpg")
    (tmp_path / "self").symlink_to("self")
    catalog = read_catalog(tmp_path)
    assert len(catalog) == 2
    assert sorted(row.where for row in catalog.rejected) == ["Shirts/gone.jpg", "self"]


def test_read_catalog_reads_a_table_one_folder_down(tmp_path):
    save(tmp_path, "images/a.jpg", "images/b.jpg")
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "products.csv").write_text("sku,image\n1,images/a.jpg\n2,images/b.jpg\n")
    assert read_catalog(tmp_path).skus.tolist() == ["1", "2"]


def test_read_catalog_refuses_two_sets_by_name(tmp_path):
    for name in ("a", "b"):
        save(tmp_path, f"{name}/images/1.jpg")
        (tmp_path / name / "styles.csv").write_text("id\n1\n")
    with pytest.raises(InputError, match=r"2 tables \(a/styles.csv, b/styles.csv\)"):
        read_catalog(tmp_path)


def test_read_catalog_gives_no_stranger_to_a_sku(tmp_path):
    save(tmp_path, "images/12/12999.jpg", "images/12.jpg")
    (tmp_path / "styles.csv").write_text("id\n12\n")
    catalog = read_catalog(tmp_path)
    assert catalog.image_ids.tolist() == ["12"]
    assert [row.reason for row in catalog.rejected] == ["no row"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_file_name_that_is_not_utf_8_is_rejected(tmp_path):
    save(tmp_path, "Shirts/1.jpg")
    image = (tmp_path / "Shirts/1.jpg").read_bytes()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/Shirts/caf\xe9.jpg")).write_bytes(image)
    catalog = read_catalog(tmp_path)
    (rejected,) = catalog.rejected
    assert (len(catalog), catalog.inputs, rejected.where) == (1, 2, "Shirts/caf?.jpg")
    assert rejected.reason == "a name that is not UTF-8; rename it"
