"""Corrections of labels: the file, what it may hold, and the labels of a catalog that they change."""

import multiprocessing
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fashion_keras import InputError, read_catalog
from fashion_keras.catalog.corrected import apply_corrections
from fashion_keras.catalog.corrections import HEADER, Correction, append_corrections, read_corrections

# sku: article_type, master_category, base_colour, price
PRODUCTS = {
    "1": ("Shirts", "Apparel", "Blue", 10),
    "2": ("Shirts", "Apparel", "", 20),
    "3": ("Heels", "Footwear", "Red", 30),
    "4": ("Watches", "Accessories", "Black", 40),
}


def correction(sku, before, after="", action="correct", column="article_type", **values):
    return Correction(sku=sku, column=column, before=before, after=after, action=action, **values)


@pytest.fixture
def frame(tmp_path):
    """Four products, of which the first has two images."""
    rows = []
    for sku, (kind, master, color, price) in PRODUCTS.items():
        for name in (sku, f"{sku}b")[: 2 if sku == "1" else 1]:
            Image.new("RGB", (4, 6)).save(tmp_path / f"{name}.png")
            path = str(tmp_path / f"{name}.png")
            title = f"{kind} no {sku}"
            rows.append((sku, path, kind, master, color, price, title))
    columns = ["sku", "path", "articleType", "master_category", "base_colour", "price", "product_display_name"]
    return pd.DataFrame(rows, columns=columns)


def corrected(frame, path, *corrections):
    append_corrections(path, corrections)
    return read_catalog(frame, allow_outside=True, corrections=path)


def labels(catalog, column="article_type"):
    return dict(zip(catalog.skus.tolist(), catalog.columns[column].tolist(), strict=True))


def test_labels_of_all_images_of_a_product_change(frame, tmp_path):
    catalog = corrected(frame, tmp_path / "c.csv", correction("1", "Shirts", "Tshirts"))
    assert catalog.skus.tolist() == ["1", "1", "2", "3", "4"]
    assert catalog.columns["article_type"].tolist() == ["Tshirts", "Tshirts", "Shirts", "Heels", "Watches"]
    summary = catalog.corrections
    assert (summary.read, summary.changed, summary.products, summary.columns) == (1, 1, 1, {"article_type": 1})
    assert summary.reviewed == {("1", "article_type")}


def test_last_decision_on_a_label_wins_and_everything_is_counted(frame, tmp_path):
    catalog = corrected(
        frame, tmp_path / "c.csv",
        correction("1", "Shirts", "Tshirts"),
        correction("1", "Tshirts", "Tops"),  # made on the corrected catalog
        correction("2", "", "Green", column="base_colour"),
        correction("2", "Green", "", column="base_colour"),  # and taken back
        correction("3", "Heels", action="accept"),
        correction("4", "Watches", action="skip"),
        correction("4", "Clocks", "Belts"),  # not what the catalog has
        correction("9", "Heels", "Flats"),
        correction("4", "Round", "Square", column="shape"),
        correction("4", "40", "cheap", column="price"),
        correction("1", "Shirts no 1", "Blouse", column="product_display_name"),
        correction("1", "Blue", "Red", column="base_colour", image_id="3"),
    )  # fmt: skip
    assert labels(catalog) == {"1": "Tops", "2": "Shirts", "3": "Heels", "4": "Watches"}
    assert labels(catalog, "base_colour")["2"] == ""
    summary = catalog.corrections
    assert (summary.changed, summary.verified, summary.superseded) == (1, 2, 2)
    assert (summary.skipped, summary.conflicts, summary.rejected) == (1, 1, 5)
    assert summary.reviewed == {("1", "article_type"), ("2", "base_colour"), ("3", "article_type")}
    assert list(summary.problems) == [
        "line 8: article_type of product 4 is 'Watches', not 'Clocks'",
        "line 9: no product '9' in the catalog",
        "line 10: no column 'shape' in the catalog",
        "line 11: 'cheap' is no number, as column 'price' has",
        "line 12: column 'product_display_name' is no label: it is changed in the catalog's own table",
        "line 13: image '3' is not of product '1'",
    ]


def test_corrections_may_be_applied_to_a_catalog_that_has_them(frame, tmp_path):
    path = tmp_path / "c.csv"
    first = corrected(frame, path, correction("1", "Shirts", "Tshirts"), correction("4", "Watches", "Belts"))
    append_corrections(path, [correction("1", "Tshirts", "Tops"), correction("4", "Watches", "Heels")])
    second = apply_corrections(first, path)  # as a person saw it, and as the source has it
    assert labels(second) == {"1": "Tops", "2": "Shirts", "3": "Heels", "4": "Heels"}
    third = apply_corrections(second, path)
    assert labels(third) == labels(second)
    summary = third.corrections
    assert (summary.changed, summary.verified, summary.superseded, summary.conflicts) == (0, 2, 2, 0)


def test_an_empty_label_is_unknown_and_masked(frame, tmp_path):
    from fashion_keras.catalog.tasks import get_task

    empty = corrected(
        frame, tmp_path / "c.csv", correction("3", "Heels", ""), correction("4", "40", "", column="price")
    )
    assert get_task("article_type").encode(empty.columns).known.tolist() == [True, True, True, False, True]
    assert np.isnan(empty.columns["price"][-1])


def test_numbers_stay_numbers(frame, tmp_path):
    catalog = corrected(frame, tmp_path / "c.csv", correction("4", "40", "45", column="price"))
    assert catalog.columns["price"].dtype == np.int64
    assert catalog.columns["price"].tolist() == [10, 10, 20, 30, 45]


def test_a_new_article_type_takes_its_categories_along(frame, tmp_path):
    """Else "Watches" below Footwear would be a class of its own."""
    catalog = corrected(frame, tmp_path / "c.csv", correction("3", "Heels", "watches"))
    assert labels(catalog) == {"1": "Shirts", "2": "Shirts", "3": "Watches", "4": "Watches"}
    assert labels(catalog, "master_category")["3"] == "Accessories"
    assert catalog.corrections.columns == {"article_type": 1}
    kept = corrected(
        frame, tmp_path / "d.csv", correction("3", "Heels", "Watches"),
        correction("3", "Footwear", action="accept", column="master_category"),
    )  # fmt: skip
    assert labels(kept, "master_category")["3"] == "Footwear"


def test_a_corrected_sku_joins_two_products(frame, tmp_path):
    before = read_catalog(frame, allow_outside=True).product_groups
    catalog = corrected(frame, tmp_path / "c.csv", correction("1", "1", "3", column="sku"))
    assert len(set(before.tolist())) == 4
    assert catalog.product_groups.tolist() == [before[3], before[3], *before[2:]]
    assert catalog.skus.tolist() == ["1", "1", "2", "3", "4"]


def test_columns_may_be_named_as_the_table_does(frame, tmp_path):
    catalog = corrected(frame, tmp_path / "c.csv", correction("1", "Shirts", "Tops", column="articleType"))
    assert labels(catalog)["1"] == "Tops"
    assert catalog.corrections.reviewed == {("1", "article_type")}


FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "'=1", "''-x", "'quoted'", "a=b", 'plain, with "quotes"', "")


@pytest.mark.parametrize("text", FORMULAS)
def test_cells_survive_and_none_is_a_formula(tmp_path, text):
    path = tmp_path / "c.csv"
    append_corrections(path, [correction("1", text, text, who=text)])
    row = pd.read_csv(path, dtype=str, keep_default_na=False).iloc[0]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)
    (read,), malformed = read_corrections(path)
    assert (read.before, read.after, read.who, malformed) == (text, text, text, [])


def test_a_line_break_in_a_cell_cannot_make_a_row(tmp_path):
    path = tmp_path / "c.csv"
    append_corrections(path, [correction("1", "a\r\nb", "c\u2028d", who="e\tf\x00g")])
    (read,), _ = read_corrections(path)
    assert (read.before, read.after, read.who) == ("a b", "c d", "e f g")


def test_malformed_rows_are_rejected_with_their_line(frame, tmp_path):
    path = tmp_path / "c.csv"
    good = "2026-01-31T12:00:00+00:00,me,3,,article_type,Heels,Flats,correct"
    lines = [
        ",".join(HEADER), "too,few", good.replace(",correct", ",change"), good.replace("2026-01-31T12", "yesterday"),
        good.replace(",3,", ",,"), f'{good},"', "", good, f"{good},more", good.replace("2026-01-31T12:00:00+00:00", ""),
    ]  # fmt: skip
    path.write_bytes("\r\n".join(lines).encode() + b"\r\nbad \xff row")
    catalog = read_catalog(frame, allow_outside=True, corrections=path)
    assert labels(catalog)["3"] == "Flats"
    problems = catalog.corrections.problems
    assert [problem.partition(":")[0] for problem in problems] == [f"line {n}" for n in (2, 3, 4, 5, 6, 9, 10, 11)]
    assert "2 cells instead of 8" in problems[0]
    assert "'change': expected one of accept, correct, skip" in problems[1]
    assert catalog.corrections.read == 9


def test_a_torn_row_spoils_no_other(tmp_path):
    path = tmp_path / "c.csv"
    append_corrections(path, [correction("1", "a", "b")])
    with path.open("ab") as file:
        file.write(b'2026-01-31T12:00:00+00:00,"me')
    append_corrections(path, [correction("2", "a", "b")])
    corrections, malformed = read_corrections(path)
    assert [each.sku for each in corrections] == ["1", "2"]
    assert len(malformed) == 1
    assert malformed[0].startswith("line 3:")


@pytest.mark.parametrize("content", ["", "id,articleType\n1,Shirts\n", "\x00\x01"])
def test_another_file_is_refused_and_left_as_it_is(tmp_path, content):
    path = tmp_path / "styles.csv"
    path.write_text(content)
    with pytest.raises(InputError, match="not a file of corrections; its first line must be when,who,sku,image_id"):
        read_corrections(path)
    if content:
        with pytest.raises(InputError, match="not a file of corrections"):
            append_corrections(path, [correction("1", "a", "b")])
        assert path.read_text() == content


def test_a_missing_file_is_one_line(frame, tmp_path):
    with pytest.raises(InputError, match=r"c\.csv: no such file of corrections"):
        read_catalog(frame, allow_outside=True, corrections=tmp_path / "c.csv")


def _append_many(path, who):
    for number in range(25):
        append_corrections(path, [correction(str(number), "a", "b" * 200, who=who)])


def test_several_processes_append_whole_rows(tmp_path):
    path = tmp_path / "c.csv"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_append_many, args=(path, f"p{number}")) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    corrections, malformed = read_corrections(path)
    assert (len(corrections), malformed) == (100, [])
    for number in range(4):
        own = [each.sku for each in corrections if each.who == f"p{number}"]
        assert own == [str(each) for each in range(25)]


def test_a_killed_process_keeps_what_was_acknowledged(tmp_path):
    program = (
        "import os, sys\nfrom fashion_keras.catalog.corrections import *\n"
        "append_corrections(sys.argv[1], [Correction(sku='1', column='c', before='a', after='b', action='correct')])\n"
        "os.kill(os.getpid(), 9)\n"
    )
    path = tmp_path / "c.csv"
    result = subprocess.run([sys.executable, "-c", program, str(path)], env=os.environ, check=False)
    assert result.returncode == -9
    append_corrections(path, [correction("2", "a", "b")])
    assert [each.sku for each in read_corrections(path)[0]] == ["1", "2"]
