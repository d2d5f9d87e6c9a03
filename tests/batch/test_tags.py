"""Tagging of catalogs that change, and of output folders of others."""

import csv
import shutil
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image

from fashion_keras.support.errors import InputError
from fashion_keras.tagging.model.manifest import TaggerManifest
from fashion_keras.tagging.model.tagger import load_tagger
from tests.helpers.batch_shop import shard_bytes, stored
from tests.helpers.cli import assert_one_line, run_cli
from tests.helpers.shop import picture


def read_rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return [*csv.DictReader(file)]


def tables(out):
    """The rows of a folder's tables, but for the time at which a review was asked for."""
    rows = {name: read_rows(out / name) for name in ("tags.csv", "rejected.csv", "review.csv")}
    assert all(rows.values())
    return {name: [{**row, "when": ""} for row in part] for name, part in rows.items()}


def change(shop):
    """Change an image and add a product; remove one, and give another a label; return the number of new images."""
    Image.fromarray(picture("Watches", ("Light", "Women"), 1000)).save(shop / "images/6.png")
    Image.fromarray(picture("Shoes", ("Suede", "Men"), 1001)).save(shop / "images/61.png")
    (shop / "images/8.png").unlink()
    header, *lines = (shop / "styles.csv").read_text().splitlines(keepends=True)
    lines = [line for line in lines if not line.startswith("8,")]
    lines[0] = lines[0].replace("Dark", "Light").replace(",Men,", ",Women,")
    (shop / "styles.csv").write_text("".join([header, *lines[::-1], "61,Shoes,Shoes number 60,Men,,Suede\n"]))
    return 2


def test_tables_of_a_changed_catalog_are_those_of_a_fresh_run(run_tag, shop, tmp_path):
    first = run_tag(shop, tmp_path / "out")
    assert (first.read, first.accepted, first.rejected, first.encoded) == (60, 58, 2, 58)
    count = change(shop)
    report = run_tag(shop, tmp_path / "out")
    assert report.encoded == count
    fresh = run_tag(shop, tmp_path / "fresh")
    assert tables(tmp_path / "out") == tables(tmp_path / "fresh")
    assert shard_bytes(tmp_path / "out") == shard_bytes(tmp_path / "fresh")
    assert asdict(report) | {"out": "", "encoded": 0} == asdict(fresh) | {"out": "", "encoded": 0}
    tags = {row["sku"]: row for row in read_rows(tmp_path / "out/tags.csv")}
    assert len(tags) == report.products == 58
    assert {"8", "4", "11"}.isdisjoint(tags)
    # As the new pictures of these products show; their dial and cloth may be abstained from.
    assert (tags["6"]["product_types"], tags["6"]["gender"]) == ("watch", "Women")
    assert (tags["61"]["product_types"], tags["61"]["gender"]) == ("shoe", "Men")
    assert tags["6"]["dial"] in ("", "Light")
    assert tags["61"]["cloth"] in ("", "Suede")


def test_stored_tags_are_those_of_the_tagger(run_tag, shop, tagger, tmp_path):
    run_tag(shop, tmp_path / "out")
    rows = stored(tmp_path / "out")
    loaded = load_tagger(tagger)
    embeddings = loaded.encoder.embed([row["reference"] for row in rows])
    np.testing.assert_array_equal(np.array([row["embedding"] for row in rows]), embeddings)
    types, outputs = loaded.predict_heads(embeddings)
    for number, row in enumerate(rows):
        released = [loaded.gate.classes[code] for code in np.flatnonzero(types.predicted[number])]
        assert row["product_types"] == released
        for head, output in zip(loaded.heads, outputs, strict=True):
            labels = [head.classes[code] for code in np.flatnonzero(output.predicted[number])]
            is_released = row[head.name]["state"] == "released"
            assert (row[head.name]["label"] if is_released else []) == labels
            assert (row[head.name]["state"] == "gated") == (not output.accepted[number])


def test_a_column_that_is_empty_is_filled(run_tag, shop, tmp_path):
    header, *lines = (shop / "styles.csv").read_text().splitlines(keepends=True)
    # sku, type, title, gender, dial, cloth
    rows = [line.rstrip("\n").split(",") for line in lines]
    (shop / "styles.csv").write_text(header + "".join(",".join([*row[:4], "", row[5]]) + "\n" for row in rows))
    report = run_tag(shop, tmp_path / "out")
    (dial,) = (row for row in report.updates if row.attribute == "dial")
    assert dial.tagged > 10
    assert (dial.filled, dial.same, dial.changed) == (dial.tagged, 0, 0)


def test_parts_write_the_tables_of_one_run(run_tag, shop, tmp_path):
    run_tag(shop, tmp_path / "whole")
    assert run_tag(shop, tmp_path / "out", shard="2/2") is None
    assert run_tag(shop, tmp_path / "out", shard="1/2").products == 58
    assert tables(tmp_path / "out") == tables(tmp_path / "whole")


def test_another_tagger_is_refused_by_name(run_tag, shop, tagger, tmp_path):
    run_tag(shop, tmp_path / "out")
    with pytest.raises(InputError, match=r"out: its output is of another model \(another thresholds\)"):
        run_tag(shop, tmp_path / "out", attributes="gender")
    copy = shutil.copytree(tagger, tmp_path / "copy")
    assert run_tag(shop, tmp_path / "out", tagger=str(copy)).encoded == 0  # the same one elsewhere
    with (copy / TaggerManifest.FILE).open("a") as file:
        file.write("\n")
    with pytest.raises(InputError, match=r"out: its output is of another model \(another tagger\); give another --out"):
        run_tag(shop, tmp_path / "out", tagger=str(copy))


def test_unknown_attributes_are_one_line(run_tag, shop, tagger, tmp_path):
    result = run_cli("tag", "--data", shop, "--tagger", tagger, "--attributes", "gendre", "--out", tmp_path / "out")
    assert_one_line(result, "unknown attribute of the tagger 'gendre'; did you mean 'gender'?")
    result = run_cli("tag", "--data", tmp_path / "none", "--tagger", tagger, "--out", tmp_path / "out")
    assert_one_line(result, str(tmp_path / "none"), "no such folder or file")
    assert not (tmp_path / "out").exists()
