"""Batch runs in this process: what is stored, what an interruption leaves, what a changed catalog costs."""

import csv
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fashion_keras.batch import encode
from fashion_keras.batch.plan import shard_of
from fashion_keras.features.batch_folder import BatchFolder
from fashion_keras.images.decode import decode
from fashion_keras.images.near_duplicates import THUMBNAIL
from fashion_keras.images.spec import ImageSpec
from fashion_keras.support.errors import InputError
from tests.helpers.batch_shop import (
    image_names,
    jpeg,
    product,
    shard_bytes,
    stored,
    write_products,
    write_table,
)
from tests.helpers.shop import toy_encoder


@pytest.fixture
def own(tmp_path):
    """A catalog of 12 products with 24 images that a test may change: its folder and rows."""
    return write_products(tmp_path / "own", 12)


def read_rows(path):
    with Path(path).open(newline="", encoding="utf-8") as file:
        return [*csv.DictReader(file)]


def interrupted(monkeypatch, error, after):
    """The toy encoder, which raises an error in its forward pass number `after` + 1."""
    passes = []

    def forward(pixels):
        passes.append(len(pixels))
        if len(passes) > after:
            raise error
        return toy_encoder().forward(pixels)

    monkeypatch.setattr(encode, "load_encoder", lambda *_: replace(toy_encoder(), forward=forward))
    return passes


def test_each_image_is_one_row(run_encode, catalog, tmp_path):
    folder, rows = catalog
    report = run_encode(folder, tmp_path / "out")
    names = image_names(rows)
    assert (report.read, report.accepted, report.rejected, report.encoded) == (79, 79, 0, 79)
    table = stored(tmp_path / "out")
    assert sorted(row["reference"] for row in table) == sorted(f"{folder}/{name}" for name in names)
    encoder = toy_encoder()
    for row in table:
        data = Path(row["reference"]).read_bytes()
        assert row["image_hash"] == hashlib.sha256(data).hexdigest()[:16]
        np.testing.assert_array_equal(row["embedding"], encoder.embed(row["reference"])[0])
    columns = {f"p{number:03d}": product(number) for number in range(40)}
    for row in table:
        assert row["column_gender"] == columns[row["sku"]]["gender"]
        assert row["column_price"] == columns[row["sku"]]["price"]
    assert {row["image_id"] for row in table if row["sku"] == "p003"} == {"p003"}
    assert {row["image_id"] for row in table if row["sku"] == "p002"} == {"p002:2_0", "p002:2_1", "p002:2_2"}


def test_signatures_are_thumbnails(run_encode, own, tmp_path, monkeypatch):
    larger = replace(toy_encoder(), image_spec=ImageSpec(32, 24), forward=lambda pixels: pixels.mean(axis=(1, 2)))
    monkeypatch.setattr(encode, "load_encoder", lambda *_: larger)
    run_encode(own[0], tmp_path / "out")
    for row in stored(tmp_path / "out"):
        assert row["signature"] == decode(row["reference"], THUMBNAIL).tobytes()
        mean = decode(row["reference"], None).mean(axis=(0, 1))
        np.testing.assert_allclose(row["embedding"], mean, atol=2)


def test_a_shard_holds_whole_products_in_order(run_encode, catalog, tmp_path):
    run_encode(catalog[0], tmp_path / "out")
    batch = BatchFolder.open(tmp_path / "out")
    seen = set()
    for number, table in enumerate(batch.tables(["sku", "image_id"])):
        keys = [(row["sku"], row["image_id"]) for row in table.to_pylist()]
        skus = {sku for sku, _ in keys}
        assert keys == sorted(keys)
        assert {shard_of(sku, 4) for sku in skus} == {number}
        assert not skus & seen
        seen |= skus
    assert seen == {f"p{number:03d}" for number in range(40)}


def test_rejected_images_are_counted_once(run_encode, own, tmp_path):
    folder, rows = own
    (folder / "images/2_1.jpg").write_bytes(jpeg(3)[:200])
    (folder / "images/3_0.jpg").write_bytes(b"")
    (folder / "images/4_0.jpg").unlink()
    write_table(folder, [*rows, rows[5], {**rows[6], "sku": ""}])
    report = run_encode(folder, tmp_path / "out")
    # The row that is there twice names three images, and the one without a SKU one.
    assert (report.read, report.accepted, report.rejected) == (28, 21, 7)
    reasons = {(row["sku"], row["reason"]) for row in read_rows(tmp_path / "out/rejected.csv")}
    assert {sku for sku, _ in reasons} == {"p002", "p003", "p004", "p005", ""}
    assert ("", "no SKU") in reasons


@pytest.mark.parametrize(
    ("error", "after"), [(KeyboardInterrupt(), 0), (InputError("gone"), 1), (OSError(5, "gone"), 5), (MemoryError(), 9)]
)
def test_interrupted_runs_end_with_the_same_bytes(run_encode, catalog, tmp_path, monkeypatch, error, after):
    run_encode(catalog[0], tmp_path / "whole")
    with monkeypatch.context() as patch:
        passes = interrupted(patch, error, 1 + after)  # the first tells the width of the embeddings
        with pytest.raises(type(error)):
            run_encode(catalog[0], tmp_path / "out")
    with pytest.raises(InputError, match="its run has not ended"):
        BatchFolder.open(tmp_path / "out")
    done = [json.loads(path.read_text()) for path in (tmp_path / "out/shards").glob("*.json")]
    run_encode(catalog[0], tmp_path / "out")
    assert shard_bytes(tmp_path / "out") == shard_bytes(tmp_path / "whole")
    assert sum(entry["rows"] for entry in done) <= sum(passes[1:-1])
    entries = [*BatchFolder.open(tmp_path / "out").entries()]
    assert all(entry.encoded == entry.rows for entry in entries)  # each image was encoded in its shard's one run


def test_images_whose_disk_goes_away_are_not_rejected(run_encode, own, tmp_path, monkeypatch):
    images, away = own[0] / "images", own[0] / "away"

    def forward(pixels):
        if len(pixels) > 1 and images.is_dir():  # not when the width is asked for
            images.rename(away)
        return toy_encoder().forward(pixels)

    with monkeypatch.context() as patch:
        patch.setattr(encode, "load_encoder", lambda *_: replace(toy_encoder(), forward=forward))
        with pytest.raises(InputError, match=r"gone since the catalog was read; .*run again when it is back"):
            run_encode(own[0], tmp_path / "out")
    away.rename(images)
    report = run_encode(own[0], tmp_path / "out")
    assert (report.accepted, report.rejected) == (24, 0)
    run_encode(own[0], tmp_path / "whole")
    assert shard_bytes(tmp_path / "out") == shard_bytes(tmp_path / "whole")


def test_files_that_a_killed_run_left_are_removed(run_encode, catalog, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        interrupted(patch, KeyboardInterrupt(), 1)
        with pytest.raises(KeyboardInterrupt):
            run_encode(catalog[0], tmp_path / "out")
    for name in (".tmp-0123456789abcdef-00000-9.parquet", ".tmp-0123456789abcdef-00000.json", "00000-9.parquet"):
        (tmp_path / "out/shards" / name).write_bytes(b"PAR1")
    run_encode(catalog[0], tmp_path / "out")
    assert len([*(tmp_path / "out/shards").iterdir()]) == 8


def test_a_run_that_ended_while_it_read_the_catalog_goes_on(run_encode, catalog, tmp_path, monkeypatch):
    def broken(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("fashion_keras.batch.plan.reference_state", broken)
        with pytest.raises(KeyboardInterrupt):
            run_encode(catalog[0], tmp_path / "out")
    assert run_encode(catalog[0], tmp_path / "out").encoded == 79


def test_another_folder_is_not_written_into(run_encode, catalog, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/notes.txt").write_text("mine")
    with pytest.raises(InputError, match="out: not an empty folder"):
        run_encode(catalog[0], tmp_path / "out")


def test_parts_make_what_one_run_makes(run_encode, catalog, tmp_path):
    run_encode(catalog[0], tmp_path / "whole")
    out = tmp_path / "out"
    assert run_encode(catalog[0], out, shard="1/3") is None
    assert run_encode(catalog[0], out, shard="3/3") is None
    assert not (out / "rejected.csv").exists()
    report = run_encode(catalog[0], out, shard="2/3")
    assert (report.accepted, report.rejected) == (79, 0)
    assert (out / "rejected.csv").is_file()
    assert shard_bytes(out) == shard_bytes(tmp_path / "whole")
    assert not (out / "plan").exists()


def test_a_second_run_encodes_nothing(run_encode, own, tmp_path):
    folder, rows = own
    run_encode(folder, tmp_path / "out")
    before = shard_bytes(tmp_path / "out")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out/shards").glob("*.parquet")}
    write_table(folder, rows[::-1])
    report = run_encode(folder, tmp_path / "out")
    assert report.encoded == 0
    assert report.accepted == 24
    assert shard_bytes(tmp_path / "out") == before
    assert {path: path.stat().st_mtime_ns for path in times} == times


def change_file(folder, rows):
    path = folder / "images/5_1.jpg"
    path.write_bytes(jpeg(1000))
    return rows, 1


def add_product(folder, rows):
    new = product(12) | {"image": "images/12_0.jpg|images/12_1.jpg"}
    for seed, name in enumerate(image_names([new])):
        (folder / name).write_bytes(jpeg(2000 + seed))
    return [*rows, new], 2


def add_second_image(folder, rows):
    # The id of the first image changes with it, its embedding does not.
    (folder / "images/3_9.jpg").write_bytes(jpeg(3000))
    return [row | {"image": "images/3_0.jpg|images/3_9.jpg"} if row["sku"] == "p003" else row for row in rows], 1


def remove_product(folder, rows):
    return [row for row in rows if row["sku"] != "p007"], 0


def change_cell(folder, rows):
    return [row | {"gender": "Boys"} if row["sku"] == "p008" else row for row in rows], 0


@pytest.mark.parametrize("change", [change_file, add_product, add_second_image, remove_product, change_cell])
def test_only_what_changed_is_encoded(run_encode, own, tmp_path, change):
    folder, rows = own
    run_encode(folder, tmp_path / "out")
    rows, count = change(folder, rows)
    write_table(folder, rows)
    assert run_encode(folder, tmp_path / "out").encoded == count
    fresh = run_encode(folder, tmp_path / "fresh")
    assert stored(tmp_path / "out") == stored(tmp_path / "fresh")
    assert shard_bytes(tmp_path / "out") == shard_bytes(tmp_path / "fresh")
    assert len(stored(tmp_path / "out")) == len(image_names(rows)) == fresh.accepted
    assert run_encode(folder, tmp_path / "out").encoded == 0


def test_rejections_agree_with_a_fresh_run(run_encode, own, tmp_path):
    folder, _rows = own
    (folder / "images/2_1.jpg").write_bytes(b"")
    run_encode(folder, tmp_path / "out")
    (folder / "images/2_1.jpg").write_bytes(jpeg(77))
    (folder / "images/8_0.jpg").write_bytes(jpeg(78)[:100])
    assert run_encode(folder, tmp_path / "out").encoded == 1
    run_encode(folder, tmp_path / "fresh")
    rejected = read_rows(tmp_path / "out/rejected.csv")
    assert rejected == read_rows(tmp_path / "fresh/rejected.csv")
    assert [row["sku"] for row in rejected] == ["p008"]
    assert shard_bytes(tmp_path / "out") == shard_bytes(tmp_path / "fresh")


def test_columns_come_and_go(run_encode, own, tmp_path):
    folder, rows = own
    write_table(folder, [row | {"gender": ""} for row in rows])
    run_encode(folder, tmp_path / "out")
    assert {row["column_gender"] for row in stored(tmp_path / "out")} == {""}
    write_table(folder, rows)
    assert run_encode(folder, tmp_path / "out").encoded == 0
    assert {row["column_gender"] for row in stored(tmp_path / "out")} == {"Men", "Women", ""}
    assert BatchFolder.open(tmp_path / "out").manifest.columns == {"gender": "text", "price": "int"}


def test_missing_numbers(run_encode, own, tmp_path):
    folder, rows = own
    write_table(folder, [row | {"price": "" if row["sku"] == "p003" else 2.5} for row in rows])
    run_encode(folder, tmp_path / "out")
    prices = {row["sku"]: row["column_price"] for row in stored(tmp_path / "out")}
    assert np.isnan(prices.pop("p003"))
    assert set(prices.values()) == {2.5}


def test_another_encoder_is_refused_by_name(run_encode, own, tmp_path):
    run_encode(own[0], tmp_path / "out")
    with pytest.raises(InputError, match=r"out: its output is of another model \(another encoder\); give another"):
        run_encode(own[0], tmp_path / "out", encoder="toy-2")
    with pytest.raises(InputError, match="out: has 4 shards, which cannot be changed to 5"):
        run_encode(own[0], tmp_path / "out", shards=5)


def damage_entry(out):
    path = next((out / "shards").glob("*.json"))
    path.write_text('{"plan": 3}')
    return path.name


def damage_shard(out):
    path = next((out / "shards").glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-10])
    return path.name


def damage_manifest(out):
    path = out / "manifest.json"
    path.write_bytes(path.read_bytes()[:100])
    return path.name


def damage_plan(out):
    (out / "plan").mkdir()
    (out / "plan/plan.json").write_text('{"rows": "many"}')
    return "plan.json"


@pytest.mark.parametrize("damage", [damage_entry, damage_shard, damage_manifest, damage_plan])
def test_a_damaged_folder_names_the_file(run_encode, own, tmp_path, damage):
    folder, rows = own
    run_encode(folder, tmp_path / "out")
    name = damage(tmp_path / "out")
    for row in image_names(rows):
        (folder / row).touch()
    with pytest.raises(InputError) as raised:
        run_encode(folder, tmp_path / "out")
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("damage", [damage_entry, damage_shard])
def test_a_damaged_shard_is_made_again_where_its_entry_is_deleted(run_encode, own, tmp_path, damage):
    run_encode(own[0], tmp_path / "out")
    whole = shard_bytes(tmp_path / "out")
    number = damage(tmp_path / "out")[:5]
    (tmp_path / f"out/shards/{number}.json").unlink()
    run_encode(own[0], tmp_path / "out")
    assert shard_bytes(tmp_path / "out") == whole


def test_what_is_no_catalog_is_one_line(run_encode, tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder or file"):
        run_encode(tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "table.csv").write_text("sku,image\n1,missing.jpg\n")
    with pytest.raises(InputError, match="none of 1 rows and files is a product with an image"):
        run_encode(tmp_path / "table.csv", tmp_path / "out")
