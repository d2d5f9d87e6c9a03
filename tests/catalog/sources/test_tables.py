"""Product tables as retailers and programs export them."""

import csv
import io
import json
import os
import tarfile
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fashion_keras.catalog.readers import read_catalog
from fashion_keras.support.errors import InputError

NAMES = ("a", "b", "c")


def save(path, color="red"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 8), color).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    """A folder with images/a.jpg, b.jpg, c.jpg."""
    for name in NAMES:
        save(tmp_path / "shop" / "images" / f"{name}.jpg")
    return tmp_path / "shop"


def write(folder, text, name="products.csv", encoding="utf-8"):
    (folder / name).write_bytes(text.encode(encoding))
    return folder


def reasons(catalog):
    return [row.reason for row in catalog.rejected]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_read_table_detects_delimiter_and_encoding(folder, separator, encoding):
    rows = [["sku", "image", "category"], *([f"0{n}", f"images/{n}.jpg", "Chaussures d'été"] for n in NAMES)]
    write(folder, "\r\n".join(separator.join(row) for row in rows), encoding=encoding)
    catalog = read_catalog(folder)
    assert catalog.skus.tolist() == ["0a", "0b", "0c"]
    assert set(catalog.columns["article_type"].tolist()) == {"Chaussures d'été"}


def test_read_table_says_what_it_detected(folder):
    write(folder, "sku;image;category\n1;images/a.jpg;Écharpe\n", encoding="cp1252")
    notes = read_catalog(folder).notes
    assert "products.csv: 1 lines are not UTF-8 and were read as Windows-1252" in notes
    assert "products.csv: cells are separated by semicolon" in notes
    assert "columns: article_type = 'category'" in notes


def test_read_table_takes_the_delimiter_given(folder):
    write(folder, "sku^image\n1^images/a.jpg\n")
    assert read_catalog(folder, delimiter="^").skus.tolist() == ["1"]
    with pytest.raises(InputError, match="give one character"):
        read_catalog(folder, delimiter="||")


def test_read_table_takes_excels_first_line_and_formulas(folder):
    write(folder, 'sep=;\nsku;image;name\n="00123";images/a.jpg;"=""007"""\n')
    catalog = read_catalog(folder)
    assert catalog.skus.tolist() == ["00123"]
    assert catalog.columns["product_display_name"].tolist() == ["007"]


def test_read_table_keeps_line_breaks_in_quoted_cells_beside_a_stray_quote(folder):
    write(folder, 'sku,image,name\n1,images/a.jpg,"two\nlines, ""so"""\n2,images/b.jpg,"stray\n3,images/c.jpg,x\n')
    assert read_catalog(folder).columns["title"].tolist() == ['two\nlines, "so"', "stray", "x"]


def test_read_table_keeps_line_separators_and_drops_nul(folder):
    write(folder, "sku,image,name\n1,images/a.jpg,one\u2028line\n2,images/b.jpg,n\0ul\n")
    assert read_catalog(folder).columns["title"].tolist() == ["one\u2028line", "nul"]


@pytest.mark.parametrize("cell", ["NULL", "n/a", "<NA>", r"\N", "#N/A", "NaN", "None", " NA "])
def test_read_table_reads_missing_values(folder, cell):
    write(folder, f"sku,image,gender\n1,images/a.jpg,{cell}\n2,images/b.jpg,Men\n")
    assert read_catalog(folder).columns["gender"].tolist() == ["", "Men"]


def test_read_table_drops_unnamed_and_empty_columns(folder):
    write(folder, ",sku,image,gender,,\n0,7,images/a.jpg,Men,,\n1,8,images/b.jpg,Women\n2,9,images/c.jpg,Men,,,,\n")
    catalog = read_catalog(folder)
    assert list(catalog.columns) == ["gender"]
    assert catalog.skus.tolist() == ["7", "8", "9"]


def test_read_table_takes_float_ids_and_keeps_other_skus_to_the_letter(folder):
    write(folder, "id,image\n15970.0,images/a.jpg\n39386.0,images/b.jpg\n")
    assert read_catalog(folder).skus.tolist() == ["15970", "39386"]
    write(folder, "id,image\n1.0,images/a.jpg\n1.5,images/b.jpg\n")
    assert read_catalog(folder).skus.tolist() == ["1.0", "1.5"]
    write(folder, "id,image\n007,images/a.jpg\n7,images/b.jpg\nÄ/ß 7,images/c.jpg\n")
    catalog = read_catalog(folder)
    assert catalog.skus.tolist() == ["007", "7", "Ä/ß 7"]
    assert len(set(catalog.product_groups)) == 3


def test_read_table_keeps_headers_of_any_script_and_those_that_look_alike(folder):
    write(folder, "sku,image,カテゴリ,Fit Type,fit_type,Category\n1,images/a.jpg,靴,Slim,Loose,Shoes\n")
    columns = read_catalog(folder).columns
    assert columns["カテゴリ"].tolist() == ["靴"]
    assert (columns["Fit Type"].tolist(), columns["fit_type"].tolist()) == (["Slim"], ["Loose"])
    assert sorted(columns) == ["Fit Type", "article_type", "fit_type", "カテゴリ"]
    assert columns["Category"].tolist() == columns["article_type"].tolist() == ["Shoes"]
    assert "size" not in columns


def test_read_table_takes_cells_of_megabytes(folder):
    write(folder, f"sku,image,description\n1,images/a.jpg,{'x' * 3_000_000}\n2,images/b.jpg,short\n")
    catalog = read_catalog(folder)
    assert [len(text) for text in catalog.columns["description"]] == [3_000_000, 5]
    assert catalog.columns["description"].nbytes < 1000


def test_read_table_maps_columns_that_are_named(folder):
    write(folder, "artikel,foto_datei,warengruppe\n1,images/a.jpg,Hemd\n")
    mapping = ["sku=Artikel", "path=foto_datei", "article_type=Warengruppe"]
    catalog = read_catalog(folder, columns=mapping)
    assert catalog.skus.tolist() == ["1"]
    assert catalog.columns["article_type"].tolist() == ["Hemd"]
    with pytest.raises(InputError, match=r"warengrupe.*warengruppe"):
        read_catalog(folder, columns={"article_type": "warengrupe"})


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["9.5", "12", ""], [9.5, 12.0, np.nan]),
        (["9,50 €", "1.299,00 €", "12 €"], [9.5, 1299.0, 12.0]),
        (["$1,299.00", "$5", "$0.99"], [1299.0, 5.0, 0.99]),
        (["12.00 USD", "3 USD", "4.5 USD"], [12.0, 3.0, 4.5]),
        (["9.5 EUR", "9.5 USD", "1 EUR"], None),
        (["01", "1", "2"], None),
        (["5", "6", "unknown"], None),
    ],
)
def test_read_table_reads_numbers(folder, cells, expected):
    rows = "\n".join(f"{n};images/{n}.jpg;{cell}" for n, cell in zip(NAMES, cells, strict=True))
    write(folder, f"sku;image;price\n{rows}\n")
    values = read_catalog(folder).columns["price"]
    if expected is None:
        assert values.tolist() == cells
    else:
        np.testing.assert_array_equal(values, expected)


def test_read_table_merges_spellings_and_says_so(folder):
    write(folder, "sku,image,gender\n1,images/a.jpg,Men\n2,images/b.jpg, men\n3,images/c.jpg,Men\n")
    catalog = read_catalog(folder)
    assert catalog.columns["gender"].tolist() == ["Men"] * 3
    assert "gender: spellings merged: 'men' -> 'Men' (1)" in catalog.notes


def frame():
    return pd.DataFrame(
        {"sku": ["01", "A/2", "3"], "image": [f"images/{n}.jpg" for n in NAMES], "year": [2012, 2013, 2014],
         "price": [9.5, np.nan, 3.0], "gender": ["Men", None, "Women"]}
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "jsonl", "frame"])
def test_read_catalog_is_the_same_from_every_kind_of_table(folder, kind):
    table = frame()
    path = folder / f"products.{kind}"
    if kind == "frame":
        catalog = read_catalog(table, images=folder)
    else:
        if kind == "parquet":
            table.to_parquet(path)
        elif kind == "jsonl":
            table.to_json(path, orient="records", lines=True)
        else:
            table.to_csv(path, index=False, sep="," if kind == "csv" else "\t")
        catalog = read_catalog(path)
    assert catalog.skus.tolist() == ["01", "A/2", "3"]
    assert catalog.columns["gender"].tolist() == ["Men", "", "Women"]
    assert catalog.columns["year"].tolist() == [2012, 2013, 2014]
    np.testing.assert_array_equal(catalog.columns["price"], [9.5, np.nan, 3.0])
    back = catalog.to_frame()
    assert back["sku"].tolist() == ["01", "A/2", "3"]
    assert back["price"].dtype == np.float64


def test_read_catalog_takes_a_frames_named_index(folder):
    assert read_catalog(frame().set_index("sku"), images=folder).skus.tolist() == ["01", "A/2", "3"]


def test_read_catalog_rejects_lines_that_are_no_json(folder):
    lines = ['{"sku": "1", "image": "images/a.jpg"}', "{broken", "[]"]
    write(folder, "\n".join(lines), "products.jsonl")
    catalog = read_catalog(folder)
    assert catalog.skus.tolist() == ["1"]
    assert [row.where for row in catalog.rejected] == ["products.jsonl line 2", "products.jsonl line 3"]
    assert catalog.notes[-1] == "2 images beside those of the table belong to no row"


def test_read_catalog_of_a_hugging_face_dataset_in_parquet(folder, tmp_path):
    table = pd.DataFrame({"image": [{"bytes": (folder / "images" / f"{n}.jpg").read_bytes(), "path": f"{n}.jpg"}
                                    for n in NAMES], "label": [0, 1, 1]})  # fmt: skip
    import pyarrow as pa
    import pyarrow.parquet as pq

    features = {"info": {"features": {"label": {"names": ["Bag", "Shoe"], "_type": "ClassLabel"}}}}
    for part, rows in (("train", slice(0, 2)), ("test", slice(2, 3))):
        (tmp_path / "set" / "data").mkdir(parents=True, exist_ok=True)
        arrow = pa.Table.from_pandas(table.iloc[rows]).replace_schema_metadata({"huggingface": json.dumps(features)})
        pq.write_table(arrow, tmp_path / "set" / "data" / f"{part}-00000-of-00001.parquet")
    catalog = read_catalog(tmp_path / "set")
    assert catalog.skus.tolist() == ["c.jpg", "a.jpg", "b.jpg"]
    assert catalog.columns["label"].tolist() == ["Shoe", "Bag", "Shoe"]
    assert catalog.columns["split"].tolist() == ["test", "train", "train"]
    assert Path(catalog.paths[1]).read_bytes() == (folder / "images" / "a.jpg").read_bytes()


def test_read_catalog_of_a_tar_in_webdataset_layout(folder, tmp_path):
    with tarfile.open(tmp_path / "shard-0.tar", "w") as archive:
        for name in NAMES:
            archive.add(folder / "images" / f"{name}.jpg", f"{name}.jpg")
            data = json.dumps({"sku": f"00{name}", "gender": "Men"}).encode()
            member = tarfile.TarInfo(f"{name}.json")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    catalog = read_catalog(tmp_path / "shard-0.tar")
    assert catalog.skus.tolist() == ["00a", "00b", "00c"]
    assert Path(catalog.paths[2]).read_bytes() == (folder / "images" / "c.jpg").read_bytes()


@pytest.mark.parametrize(
    ("cell", "file"),
    [
        ("images\\a.jpg", "images/a.jpg"),
        ("images/a", "images/a.jpg"),
        ("IMAGES/A.JPG", "images/a.jpg"),
        ("a.jpg", "images/a.jpg"),
        ("12/d.jpg", "images/12/d.jpg"),
        (unicodedata.normalize("NFD", "images/é.jpg"), unicodedata.normalize("NFC", "images/é.jpg")),
        ("./images/a.jpg", "images/a.jpg"),
        ("C:\\export\\images\\a.jpg", "images/a.jpg"),
        ("https://shop.example/media/a.jpg?v=3", "images/a.jpg"),
    ],
)
def test_read_catalog_finds_paths_as_people_write_them(folder, cell, file):
    save(folder / file)
    write(folder, f"sku,path\n1,{cell}\n")
    assert read_catalog(folder).paths.tolist() == [str(folder / file)]


def test_read_catalog_names_the_path_that_it_tried(folder):
    write(folder, "sku,path\n1,images/a.jpg\n2,images/z.jpg\n3,front.jpg\n")
    for place in ("x", "y"):
        save(folder / place / "front.jpg")
    assert reasons(read_catalog(folder))[:2] == [
        f"no file {folder / 'images/z.jpg'}", "front.jpg could be x/front.jpg or y/front.jpg"
    ]  # fmt: skip


def test_read_catalog_refuses_paths_that_lead_out_of_the_folder(folder, tmp_path):
    outside = save(tmp_path / "other" / "z.jpg")
    write(folder, f"sku,path\n1,images/a.jpg\n2,../other/z.jpg\n3,{outside}\n")
    refused = reasons(read_catalog(folder))
    assert refused[:2] == [
        f"{cell} leads out of {folder}; --allow-outside reads it" for cell in ("../other/z.jpg", outside)
    ]
    assert read_catalog(folder, allow_outside=True).skus.tolist() == ["1", "2", "3"]


def test_read_catalog_follows_symbolic_links_and_says_so(folder, tmp_path):
    (folder / "images" / "a.jpg").rename(tmp_path / "a.jpg")
    (folder / "images" / "a.jpg").symlink_to(tmp_path / "a.jpg")
    (folder / "images" / "loop").symlink_to(folder, target_is_directory=True)
    write(folder, "id\na\nb\nc\n", "styles.csv")
    catalog = read_catalog(folder)
    assert catalog.skus.tolist() == ["a", "b", "c"]
    assert "2 symbolic links were followed, such as images/a.jpg" in catalog.notes


def test_read_catalog_reads_paths_on_standard_input(folder, monkeypatch):
    lines = [*(str(folder / "images" / f"{n}.jpg") for n in NAMES), str(folder / "none.jpg")]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    catalog = read_catalog("-")
    assert catalog.paths.tolist() == lines[:3]
    assert reasons(catalog) == [f"no file {lines[3]}"]


SEVERAL = {
    "repeated rows": "sku,image\nP,images/a.jpg\nP,images/b.jpg\nQ,images/c.jpg\n",
    "columns": "sku,image_1,image_2\nP,images/a.jpg,images/b.jpg\nQ,images/c.jpg,\n",
    "bars": "sku,images\nP,images/a.jpg|images/b.jpg\nQ,images/c.jpg\n",
    "json": 'sku,images\nP,"[""images/a.jpg"", ""images/b.jpg""]"\nQ,images/c.jpg\n',
    "python": "sku,images\nP,\"['images/a.jpg', 'images/b.jpg']\"\nQ,images/c.jpg\n",
    "merchant": "id,image_link,additional_image_link\nP,https://x.example/a.jpg,https://x.example/b.jpg\nQ,a/c.jpg,\n",
}


@pytest.mark.parametrize("table", SEVERAL.values(), ids=SEVERAL)
def test_read_catalog_takes_several_images_of_a_product(folder, table):
    if "merchant" in table or "image_link" in table:
        table = table.replace("a/c.jpg", "https://x.example/c.jpg")
        table = table.replace("id,image_link", "id,title,image_link").replace("P,https", "P,One,https", 1)
        table = table.replace("Q,https", "Q,Two,https", 1)
        for n, sku in zip(NAMES, ("P", "P_2", "Q"), strict=True):
            (folder / "images" / f"{n}.jpg").rename(folder / "images" / f"{sku}.jpg")
        write(folder, table)
        assert read_catalog(folder).skus.tolist() == ["P", "P", "Q"]
        return
    write(folder, table)
    catalog = read_catalog(folder)
    assert catalog.skus.tolist() == ["P", "P", "Q"]
    assert catalog.image_ids.tolist() == ["P:a", "P:b", "Q"]
    assert [Path(path).name for path in catalog.paths] == ["a.jpg", "b.jpg", "c.jpg"]
    assert catalog.product_groups[0] == catalog.product_groups[1] != catalog.product_groups[2]
    assert (catalog.inputs, catalog.rejected) == (3, ())


def test_read_catalog_counts_images_that_a_row_names_and_are_missing(folder):
    write(folder, "sku,image_1,image_2\nP,images/a.jpg,images/z.jpg\n")
    catalog = read_catalog(folder)
    assert catalog.skus.tolist() == ["P"]
    assert reasons(catalog) == [f"no file {folder / 'images/z.jpg'}"]
    assert catalog.inputs == 2


def test_read_catalog_rejects_the_same_image_twice_and_rows_without_sku(folder):
    write(folder, "sku,image\nP,images/a.jpg\nP,images/a.jpg\nQ,images/a.jpg\n,images/b.jpg\n")
    catalog = read_catalog(folder)
    assert catalog.skus.tolist() == ["P", "Q"]
    assert reasons(catalog)[:2] == ["the same SKU and image as on line 2", "no SKU"]


def test_read_catalog_groups_variants_of_google_merchant(folder):
    write(folder, "id,item_group_id,image\n1,G,images/a.jpg\n2,G,images/b.jpg\n3,H,images/c.jpg\n")
    groups = read_catalog(folder).product_groups
    assert groups[0] == groups[1] != groups[2]


def test_read_catalog_keys_a_table_without_skus_by_path(folder):
    write(folder, "image,category\nimages/b.jpg,Bag\nimages/c.jpg,Shoe\n")
    before = read_catalog(folder)
    assert before.skus.tolist() == ["images/b.jpg", "images/c.jpg"]
    write(folder, "image,category\nimages/a.jpg,Bag\nimages/b.jpg,Bag\nimages/c.jpg,Shoe\n")
    assert read_catalog(folder).skus.tolist()[1:] == before.skus.tolist()


def test_read_catalog_reads_the_columns_of_kaggles_full_set(folder):
    write(folder, "id,gender\na,Men\nb,Women\nc,Men\n", "styles.csv")
    (folder / "styles").mkdir()
    data = {"price": 799, "discountedPrice": 599, "brandName": "Puma", "ageGroup": "Adults-Men", "fashionType": "Core",
            "articleAttributes": {"Neck": "Round Neck", "Sleeve Length": "Short Sleeves"},
            "styleImages": {"back": {"imageURL": "http://x.example/v1/back-7f3.jpg"}, "front": {}}}  # fmt: skip
    save(folder / "images" / "back-7f3.jpg")
    (folder / "styles" / "a.json").write_text(json.dumps({"data": data}))
    (folder / "styles" / "b.json").write_text("{broken")
    catalog = read_catalog(folder)
    assert catalog.image_ids.tolist() == ["a:a", "a:back-7f3", "b", "c"]
    np.testing.assert_array_equal(catalog.columns["price"], [799, 799, np.nan, np.nan])
    assert catalog.columns["sleeve_length"].tolist() == ["Short Sleeves", "Short Sleeves", "", ""]
    assert [row.where for row in catalog.rejected] == ["styles/b.json"]
    assert [group.name for group in catalog.attribute_groups] == ["gender", "column:neck", "column:sleeve_length"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("products.xlsx", b"PK", "products.xlsx: tables of this kind are not read; export it as CSV"),
        ("products.parquet", b"PAR1", "products.parquet: cannot be read"),
        ("products.csv", b"\xff\xfea\0b", "UTF-16 that breaks off"),
        ("products.csv", b"gender\nMen\n", r"no column with a SKU .* or a path .*; columns: gender"),
        ("products.csv", b"", "empty file"),
    ],
)
def test_read_catalog_names_a_table_that_it_cannot_read(folder, name, content, message):
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_catalog(folder)


def test_read_catalog_refuses_two_tables_by_name(folder):
    write(folder, "sku,image\n1,images/a.jpg\n", "old.csv")
    write(folder, "sku,image\n1,images/a.jpg\n", "new.csv")
    with pytest.raises(InputError, match=r"2 tables \(new.csv, old.csv\)"):
        read_catalog(folder)


def test_read_catalog_writes_what_it_read(folder, tmp_path):
    write(folder, 'sku,image\n"AB-1/2, x",images/a.jpg\n')
    frame = read_catalog(folder).to_frame()
    frame.to_csv(tmp_path / "back.csv", index=False)
    with (tmp_path / "back.csv").open(newline="") as file:
        assert [row["sku"] for row in csv.DictReader(file)] == ["AB-1/2, x"]


def test_read_catalog_takes_paths_below_the_current_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    table = pd.DataFrame({"sku": ["1", "2"], "image": ["images/a.jpg", "./images/b.jpg"]})
    assert read_catalog(table).skus.tolist() == ["1", "2"]


def test_read_catalog_of_a_tar_keeps_its_own_images_beside_fields_of_that_name(folder, tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.add(folder / "images" / "a.jpg", "a.jpg")
        data = json.dumps({"images": ["b.jpg"], "__key__": "z", "gender": "Men"}).encode()
        member = tarfile.TarInfo("a.json")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    catalog = read_catalog(tmp_path / "x.tar")
    assert (catalog.skus.tolist(), catalog.columns["gender"].tolist()) == (["a"], ["Men"])


def test_read_catalog_of_a_tar_that_is_none(tmp_path):
    (tmp_path / "x.tar").write_bytes(os.urandom(2000))
    with pytest.raises(InputError, match=r"x\.tar: not a complete tar file"):
        read_catalog(tmp_path / "x.tar")


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        (["$1,299", "$999"], [1299, 999]),
        (["$1,299.50", "$9.99"], [1299.5, 9.99]),
        (["1 299,00 €", "5,50 €"], [1299, 5.5]),
        (["CHF 1'299.00", "CHF 3.50"], [1299, 3.5]),
        (["₹1,29,900", "₹500"], [129900, 500]),
        (["1.299 €", "899 €"], ["1.299 €", "899 €"]),
    ],
)
def test_read_table_reads_thousands_of_prices(folder, prices, expected):
    rows = "\n".join(f'{n},images/{n}.jpg,"{price}"' for n, price in zip(NAMES[:2], prices, strict=True))
    write(folder, f"sku,image,price\n{rows}\n")
    assert read_catalog(folder, delimiter=",").columns["price"].tolist() == expected


@pytest.mark.parametrize(
    "cell",
    [
        "https://x.example/a.jpg,https://x.example/b.jpg", "images/a.jpg images/b.jpg", "[images/a.jpg, images/b.jpg]",
        "('images/a.jpg', 'images/b.jpg')", "C:\\x\\a.jpg;C:\\x\\b.jpg", "a.jpg\nb.jpg",
    ],
)  # fmt: skip
def test_read_catalog_takes_lists_of_any_notation(folder, cell):
    write(folder, f'sku,image\nP,"{cell}"\n')
    assert [Path(path).name for path in read_catalog(folder).paths] == ["a.jpg", "b.jpg"]


def test_read_catalog_keeps_products_without_a_group_apart(folder):
    write(folder, "id,item_group_id,image\n1,100,images/a.jpg\n2,100,images/b.jpg\n3,,images/c.jpg\n4,,images/a.jpg\n")
    assert len(set(read_catalog(folder).product_groups)) == 3


def test_read_catalog_keeps_archives_apart_that_count_alike(folder, tmp_path):
    for number, name in enumerate(NAMES[:2]):
        with tarfile.open(tmp_path / f"train-{number}.tar", "w") as archive:
            archive.add(folder / "images" / f"{name}.jpg", "000.jpg")
            member = tarfile.TarInfo("000.cls")
            member.size = 1
            archive.addfile(member, io.BytesIO(str(number).encode()))
    (tmp_path / "set").mkdir()
    for path in tmp_path.glob("*.tar"):
        path.rename(tmp_path / "set" / path.name)
    catalog = read_catalog(tmp_path / "set")
    assert catalog.skus.tolist() == ["train-0/000", "train-1/000"]
    assert catalog.columns["article_type"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("rows", "cells"),
    [
        ({"id": [0], "image": ["images/a.jpg"], "image_2": [float("nan")]}, {}),
        ({"id": [0], "image": ["images/a.jpg"], "more": [{"neck": "V"}]}, {"more": '{"neck": "V"}'}),
        ({"id": [0], "image": ["images/a.jpg"], "weight": [float("inf")]}, {"weight": float("inf")}),
    ],
)
def test_read_catalog_takes_frames_with_odd_cells(folder, rows, cells):
    catalog = read_catalog(pd.DataFrame(rows), images=folder)
    assert len(catalog) == 1
    assert {name: catalog.columns[name].item() for name in cells} == cells


def test_read_catalog_takes_a_path_that_no_system_could_open(folder):
    write(folder, f"sku,image\n1,images/a.jpg\n2,{'x' * 5000}\n")
    catalog = read_catalog(folder)
    assert catalog.skus.tolist() == ["1"]
    assert "\n" not in reasons(catalog)[0]


def test_read_catalog_keeps_titles_in_scripts_with_vowel_signs_apart(folder):
    write(folder, "sku,image,title\n1,images/a.jpg,काला जूता\n2,images/b.jpg,कोला जूता\n3,images/c.jpg,किला जूता\n")
    assert len(set(read_catalog(folder).product_groups)) == 3


def test_read_catalog_refuses_two_parquet_tables_that_are_no_shards(folder):
    for name in ("products", "stock"):
        frame().to_parquet(folder / f"{name}.parquet")
    with pytest.raises(InputError, match=r"2 tables \(products.parquet, stock.parquet\)"):
        read_catalog(folder)
