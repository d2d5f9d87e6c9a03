"""Kaggle's layout, and what every catalog must hold: nothing is dropped without a reason."""

import csv
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from fashion_keras.catalog.catalog import write_rejected
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.support.errors import InputError

HEADER = "id,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage,productDisplayName"
ROW = "{id},Men,Apparel,Topwear,Shirts,Blue,Fall,2011,Casual,{name}"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    return tmp_path


def image(folder, name):
    path = folder / "images" / name
    Image.new("RGB", (6, 8), "red").save(path)
    return path


def table(folder, *lines, header=HEADER, encoding="utf-8"):
    (folder / "styles.csv").write_text("\n".join([header, *lines]) + "\n", encoding=encoding)


def reasons(catalog):
    return {row.where: row.reason for row in catalog.rejected}


def test_read_catalog_returns_rows_and_columns(folder):
    image(folder, "7.jpg")
    table(folder, ROW.format(id=7, name="Puma Men Shirt"))
    catalog = read_catalog(folder)
    assert catalog.skus.tolist() == ["7"]
    assert catalog.paths.tolist() == [str(folder / "images" / "7.jpg")]
    assert {name: values.item() for name, values in catalog.columns.items()} == {
        "gender": "Men",
        "master_category": "Apparel",
        "sub_category": "Topwear",
        "article_type": "Shirts",
        "base_colour": "Blue",
        "season": "Fall",
        "year": 2011,
        "usage": "Casual",
        "product_display_name": "Puma Men Shirt",
    }


def test_read_table_returns_surplus_commas_to_the_title(folder):
    image(folder, "1.jpg")
    table(folder, ROW.format(id=1, name="Boss Perfume, After Shave, and Gel"))
    catalog = read_catalog(folder)
    assert catalog.columns["product_display_name"].item() == "Boss Perfume, After Shave, and Gel"
    assert catalog.repaired == (2,)


def test_read_table_repairs_a_title_in_the_middle_of_the_table(folder):
    image(folder, "1.jpg")
    table(folder, "1,Pen, red,Blue", header="id,productDisplayName,baseColour")
    columns = read_catalog(folder).columns
    assert columns["product_display_name"].item() == "Pen, red"
    assert columns["base_colour"].item() == "Blue"


def test_read_catalog_counts_what_it_rejects_and_why(folder):
    for name in ("1.jpg", "2.png", "2.jpg", "99.jpg", "notes.txt", "x.jpg"):
        (folder / "images" / name).write_bytes(b"") if name == "notes.txt" else image(folder, name)
    table(
        folder,
        ROW.format(id=1, name="kept"),
        ROW.format(id=1, name="same id again"),
        ROW.format(id="", name="no id"),
        ROW.format(id=5, name="no image"),
        "6,Men,Apparel",
        ROW.format(id=2, name="kept, too"),
    )
    catalog = read_catalog(folder)
    assert catalog.skus.tolist() == ["1", "2", "2"]
    assert catalog.image_ids.tolist() == ["1", "2:images/2.jpg", "2:images/2.png"]
    assert reasons(catalog) == {
        "styles.csv line 3": "SKU 1 is on line 2 already",
        "styles.csv line 4": "no SKU",
        "styles.csv line 5": "no image file",
        "styles.csv line 6": "3 fields where the header has 10",
        "images/99.jpg": "no row",
        "images/notes.txt": "not an image",
        "images/x.jpg": "no row",
    }
    assert catalog.inputs == 6 + 4 == len(catalog) + len(catalog.rejected)


def test_read_table_confines_a_stray_quote_to_its_row(folder):
    for number in (1, 2, 3):
        image(folder, f"{number}.jpg")
    table(folder, ROW.format(id=1, name='"Open'), ROW.format(id=2, name="Next"), ROW.format(id=3, name='"a, b"'))
    assert read_catalog(folder).columns["product_display_name"].tolist() == ["Open", "Next", "a, b"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_read_table_takes_utf8_with_and_without_byte_order_mark(folder, encoding):
    image(folder, "1.jpg")
    table(folder, ROW.format(id=1, name="Crème"), encoding=encoding)
    catalog = read_catalog(folder)
    assert catalog.columns["product_display_name"].item() == "Crème"


def test_read_table_takes_windows_line_ends_and_empty_lines(folder):
    image(folder, "1.jpg")
    (folder / "styles.csv").write_bytes(f"{HEADER}\r\n{ROW.format(id=1, name='A')}\r\n\r\n".encode())
    assert read_catalog(folder).columns["product_display_name"].tolist() == ["A"]


def test_read_table_takes_a_header_in_any_case_and_order(folder):
    image(folder, "4.jpg")
    table(folder, "Heels,4,Red", header="ARTICLE_TYPE,Id,basecolour")
    columns = read_catalog(folder).columns
    assert columns["article_type"].item() == "Heels"
    assert columns["base_colour"].item() == "Red"


def test_read_table_makes_missing_values_empty(folder):
    for number in (1, 2, 3):
        image(folder, f"{number}.jpg")
    table(folder, "1,NA", "2,", "3,Casual", header="id,usage")
    assert read_catalog(folder).columns["usage"].tolist() == ["", "", "Casual"]


def test_read_catalog_takes_images_of_any_suffix(folder):
    for name in ("1.jpg", "2.JPEG", "3.png", "4.webp"):
        image(folder, name)
    table(folder, "1", "2", "3", "4", header="id")
    assert read_catalog(folder).skus.tolist() == ["1", "2", "3", "4"]


def test_read_catalog_of_a_folder_per_class(tmp_path):
    for name in ("Heels/a.jpg", "Heels/b.png", "Watches/c.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (6, 8)).save(tmp_path / name)
    (tmp_path / "Heels" / "readme.md").write_text("no picture")
    catalog = read_catalog(tmp_path)
    assert Counter(catalog.columns["article_type"].tolist()) == {"Heels": 2, "Watches": 1}
    assert reasons(catalog) == {"Heels/readme.md": "not an image"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "no styles.csv"),
        (lambda folder: table(folder, "Men", header="gender"), "no column 'id'"),
        (lambda folder: (folder / "styles.csv").write_text(""), "empty file"),
        (lambda folder: table(folder, ROW.format(id=1, name="x")), "none of 1 rows"),
    ],
)
def test_read_catalog_refuses_what_is_no_catalog(tmp_path, make, message):
    if message != "no styles.csv":
        (tmp_path / "images").mkdir()
    make(tmp_path)
    with pytest.raises(InputError, match=message):
        read_catalog(tmp_path)


def test_read_catalog_of_a_missing_folder_names_the_download():
    with pytest.raises(InputError, match="fashion-keras data download"):
        read_catalog("/nowhere/at/all")


def test_reject_keeps_the_count_of_inputs(folder):
    for number in (1, 2):
        image(folder, f"{number}.jpg")
    table(folder, ROW.format(id=1, name="a"), ROW.format(id=2, name="b"))
    catalog = read_catalog(folder).reject(["", "broken"])
    assert catalog.skus.tolist() == ["1"]
    assert reasons(catalog) == {"images/2.jpg": "broken"}
    assert catalog.inputs == 2


def test_fingerprint_follows_the_content(folder):
    image(folder, "1.jpg")
    table(folder, ROW.format(id=1, name="a"))
    before = read_catalog(folder).fingerprint
    assert read_catalog(folder).fingerprint == before
    table(folder, ROW.format(id=1, name="b"))
    assert read_catalog(folder).fingerprint != before


def test_read_catalog_accounts_for_the_real_catalog(real):
    catalog = read_catalog(real)
    assert (len(catalog), catalog.inputs, len(catalog.repaired)) == (9_382, 44_446, 22)
    assert Counter(row.reason for row in catalog.rejected) == {"no image file": 44_446 - 9_382}
    assert len(np.unique(catalog.product_groups)) < len(catalog)


def test_write_rejected_lists_every_rejected_row(folder, tmp_path):
    image(folder, "7.jpg")
    table(folder, ROW.format(id=7, name="a"), ROW.format(id="x", name="b"), ROW.format(id=8, name='"'))
    catalog = read_catalog(folder)
    write_rejected(tmp_path / "out", catalog.rejected)
    with (tmp_path / "out" / "rejected.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows == [vars(row) for row in catalog.rejected]
    assert len(rows) == len(catalog.rejected) == 2
