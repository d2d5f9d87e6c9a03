"""Streamed catalogs: the same products, images, columns and rejected rows as those of catalogs read as a whole."""

import io
import json
import sys
import tarfile
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fashion_keras.batch.parts import read_parts
from fashion_keras.batch.plan import make_plan, planned_rejections, read_shard_plan
from fashion_keras.batch.shards import _column
from fashion_keras.catalog import stream
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.catalog.sources import csv_reader
from fashion_keras.catalog.stream import StreamOptions, stream_catalog
from fashion_keras.images.raster import ImageError
from fashion_keras.images.references import read_reference, reference_state
from fashion_keras.support.config_fields import LimitConfig
from fashion_keras.support.errors import InputError
from tests.helpers.batch_shop import COLUMNS, image_names, jpeg, write_products, write_table
from tests.helpers.file_server import file_server


def planned(folder, catalogs, has_final_ids=False):
    """The images of parts by id: (SKU, name of the file, cells of the columns), and what is rejected, sorted."""
    plan = make_plan(folder, catalogs, 3, has_final_ids)
    shards = [read_shard_plan(folder, number, plan) for number in range(3)]
    rows = [image for shard in shards for image in shard.images]
    cells = [_column([row.columns.get(name) for row in rows], kind).to_pylist() for name, kind in plan.columns.items()]
    images = {
        row.image_id: (row.sku, Path(row.reference).name, *("NaN" if cell != cell else cell for cell in own))
        for row, *own in zip(rows, *cells, strict=True)
    }
    assert len(images) == len(rows)
    rejected = [*planned_rejections(folder), *(row for shard in shards for row in shard.rejected)]
    return images, sorted((row.sku, row.reason.partition(" as ")[0]) for row in rejected), plan.columns


def read_whole(folder, source):
    return planned(folder, [read_catalog(source)], has_final_ids=True)


def assert_same(tmp_path, source, **options):
    """A streamed source is what the same source is as a whole."""
    streamed = planned(tmp_path / "streamed", stream_catalog(str(source), StreamOptions(**options)))
    assert streamed == read_whole(tmp_path / "whole", source)
    return streamed


@pytest.fixture
def small_parts(monkeypatch):
    """A part of a source has four rows, or 200 bytes of a CSV file."""
    monkeypatch.setattr(stream, "_ROWS", 4)
    monkeypatch.setattr(csv_reader, "_PART_BYTES", 200)


@pytest.fixture
def shop(tmp_path):
    return write_products(tmp_path / "shop", 12)


TEXTS = {
    "line breaks in quotes": b'sku,image,title\n' + b"".join(
        b'%d,images/%d.jpg,"A ""fine"" shirt\nof cotton,\n\nline %d"\n' % (row, row, row) for row in range(20)
    ),
    "Windows-1252 lines": b"sku,image,title\n" + b"".join(
        f"{row},images/{row}.jpg,Größe {row} für Mädchen\n".encode("cp1252" if row % 3 else "utf-8")
        for row in range(30)
    ),
    "semicolons": b"sku;image;title\r\n" + b"".join(b'%d;a.jpg;"1,5\r\n;2,5"\r\n' % row for row in range(30)),
    "a hint": b"sep=;\nsku;image;title\n" + b"".join(b"%d;a.jpg;x\n" % row for row in range(30)),
    "a mark, no line break at the end": b"\xef\xbb\xbfsku,image\n" + b"\n".join(b"%d,a.jpg" % row for row in range(40)),
    "UTF-16": "sku,image\n".encode("utf-16") + "".join(f"{row},ä.jpg\n" for row in range(40)).encode("utf-16-le"),
    "stray quotes": b"sku,image,title\n" + b"".join(
        b'%d,a.jpg,5" heel\n%d,b.jpg,"two\nlines, and ""quotes"""\n' % (row, 100 + row) for row in range(20)
    ),
    "short rows": b"sku,image,title,gender\n" + b"".join(
        b'%d,a.jpg\n%d,b.jpg,"two\nlines",Men\n' % (row, 100 + row) for row in range(20)
    ),
    "blank lines": b"sku,image\n\n" + b"".join(b"%d,a.jpg\n\n" % row for row in range(30)),
    "a header alone": b"sku,image\n",
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_parts_of_a_text_are_its_rows(tmp_path, monkeypatch, name):
    data = TEXTS[name]
    (tmp_path / "table.csv").write_bytes(data)
    whole = csv_reader.read_text_table(tmp_path / "table.csv")
    sizes = {len(data), len(data) - 1, len(data) + 1, len(data) // 2, *range(60, 460, 9)}
    for size in sorted(sizes - {0}):
        monkeypatch.setattr(csv_reader, "_PART_BYTES", size)
        parts = [*csv_reader.read_text_parts(io.BytesIO(data), "table.csv")]
        assert {tuple(part.header) for part in parts} == {tuple(whole.header)}
        assert [record for part in parts for record in part.records] == whole.records, size
    if len(data) > 300 and name != "UTF-16":
        monkeypatch.setattr(csv_reader, "_PART_BYTES", 100)
        assert len([*csv_reader.read_text_parts(io.BytesIO(data), "table.csv")]) > 2


def test_an_empty_text_is_one_line():
    with pytest.raises(InputError, match=r"t.csv: empty file; expected a header"):
        [*csv_reader.read_text_parts(io.BytesIO(b"\n\n"), "t.csv")]


def test_csv(small_parts, shop, tmp_path):
    folder, rows = shop
    (folder / rows[4]["image"].split("|")[0]).unlink()
    write_table(folder, [*rows, {**rows[2], "price": 1}, {**rows[3], "sku": ""}])
    images, rejected, columns = assert_same(tmp_path, folder / "table.csv")
    assert (len(images), columns) == (23, {"gender": "text", "price": "int"})
    assert images["p002:2_1"] == ("p002", "2_1.jpg", "", 12)
    assert [sku for sku, _ in rejected] == ["", "p002", "p002", "p002", "p004"]


def test_a_folder_with_a_table(small_parts, shop, tmp_path):
    assert_same(tmp_path, shop[0])


def test_numbers_that_become_texts_in_a_later_part(small_parts, shop, tmp_path):
    folder, rows = shop
    sizes = ["38", "39.5", "", "40", "41", "M", "42", "L", "43", "44", "45", "46"]
    write_table(folder, [row | {"price": size} for row, size in zip(rows, sizes, strict=True)])
    _images, _, columns = assert_same(tmp_path, folder / "table.csv")
    assert columns["price"] == "text"


def parquet(folder, rows, name="train-00000-of-00001.parquet"):
    """A Parquet file as Hugging Face writes it: bytes in cells, codes with their names in the schema, small groups."""
    features = {"category": {"names": ["Shirt", "Shoe"], "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    schema = pa.schema(
        [
            pa.field("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            pa.field("sku", pa.string()),
            pa.field("category", pa.int64()),
        ],
        metadata,
    )
    pq.write_table(pa.Table.from_pylist(rows, schema), folder / name, row_group_size=3)


def test_parquet_with_bytes_and_codes(small_parts, tmp_path):
    (tmp_path / "set").mkdir()
    rows = [
        {"image": {"bytes": jpeg(row), "path": f"{row}.jpg"}, "sku": f"s{row // 2}", "category": (0, 1, None)[row % 3]}
        for row in range(11)
    ]
    rows[5]["image"] = None
    parquet(tmp_path / "set", rows[:6], "train-00000-of-00002.parquet")
    parquet(tmp_path / "set", rows[6:], "train-00001-of-00002.parquet")
    images, rejected, columns = assert_same(tmp_path, tmp_path / "set")
    assert [sku for sku, _ in rejected] == ["s2"]
    assert columns == {"article_type": "text", "split": "text"}
    assert images["s0:1"][2:] == ("Shoe", "train")
    (catalog, *_) = stream_catalog(str(tmp_path / "set"), StreamOptions())
    assert read_reference(str(catalog.paths[0])) == jpeg(0)


def test_parquet_with_paths(small_parts, shop, tmp_path):
    folder, rows = shop
    pd.DataFrame(rows).to_parquet(folder / "table.parquet")
    (folder / "table.csv").unlink()
    assert_same(tmp_path, folder / "table.parquet")


def test_a_damaged_parquet_file_is_one_line(shop):
    (shop[0] / "table.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match=r"table.parquet: cannot be read"):
        stream_catalog(str(shop[0] / "table.parquet"), StreamOptions())


def write_tar(path, first, count, mode="w", extra=()):
    """Samples of a webdataset from a number on, each with an image and its fields."""
    members = [(f"{row:04d}.{ending}", data) for row in range(first, first + count) for ending, data in
               (("jpg", jpeg(row)), ("json", json.dumps({"gender": "Men", "price": row}).encode()))]  # fmt: skip
    with tarfile.open(path, mode) as archive:
        for name, data in [*members, *extra]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize("name", ["shop.tar", "shop.tar.gz", "shop.tgz"])
def test_tar(small_parts, tmp_path, name):
    (tmp_path / "set").mkdir()
    extra = [("0010.txt", b"no image"), (f"{'x' * 150}.jpg", jpeg(99)), ("0012.jpg", jpeg(12)), ("0012.json", b"{")]
    write_tar(tmp_path / "set" / name, 0, 10, "w" if name.endswith("tar") else "w:gz", extra)
    catalogs = [*stream_catalog(str(tmp_path / "set" / name), StreamOptions())]
    assert len(catalogs) > 2
    references = {str(sku): str(path) for part in catalogs for sku, path in zip(part.skus, part.paths, strict=True)}
    for row in range(10):
        assert read_reference(references[f"{row:04d}"]) == jpeg(row)
    assert read_reference(references["x" * 150]) == jpeg(99)
    streamed, whole = planned(tmp_path / "streamed", catalogs), read_whole(tmp_path / "whole", tmp_path / "set" / name)
    assert streamed[1:] == whole[1:]
    assert {key: (sku, cells) for key, (sku, _, *cells) in streamed[0].items()} == {
        key: (sku, cells) for key, (sku, _, *cells) in whole[0].items()
    }
    assert [sku for sku, _ in streamed[1]] == ["0010", "0012"]


def test_two_archives_that_count_from_0(small_parts, tmp_path):
    write_tar(tmp_path / "a.tar", 0, 5)
    write_tar(tmp_path / "b.tar", 0, 5)
    parts = [*stream_catalog(str(tmp_path), StreamOptions())]
    references = {str(sku): str(path) for part in parts for sku, path in zip(part.skus, part.paths, strict=True)}
    skus = {f"a/{row:04d}" for row in range(5)} | {f"b/{row:04d}" for row in range(5)}
    assert references.keys() == skus == set(read_catalog(tmp_path).skus.tolist())
    assert read_reference(references["b/0002"]) == jpeg(2)


def test_a_compressed_archive_named_as_if_it_were_not(small_parts, tmp_path):
    write_tar(tmp_path / "a.tar", 0, 3, "w:gz")
    (catalog,) = stream_catalog(str(tmp_path / "a.tar"), StreamOptions())
    assert [read_reference(str(path)) for path in catalog.paths] == [jpeg(0), jpeg(1), jpeg(2)]


def test_an_archive_that_breaks_off_is_one_line(tmp_path):
    write_tar(tmp_path / "a.tar", 0, 3)
    (tmp_path / "a.tar").write_bytes((tmp_path / "a.tar").read_bytes()[:3000])
    with pytest.raises(InputError, match=r"a.tar: not a complete tar file"):
        [*stream_catalog(str(tmp_path / "a.tar"), StreamOptions())]


@pytest.mark.parametrize("suffix", [".txt", ".lst", ".list"])
def test_a_list_of_paths(small_parts, shop, tmp_path, monkeypatch, suffix):
    folder, rows = shop
    paths = [str(folder / name) for name in image_names(rows)]
    text = "\ufeff" + "\r\n".join([*paths[:5], "", str(folder / "missing.jpg"), *paths[5:]])
    (tmp_path / f"list{suffix}").write_text(text, encoding="utf-8")
    source = str(tmp_path / f"list{suffix}")
    images, rejected, _ = planned(tmp_path / "streamed", stream_catalog(source, StreamOptions()))
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert (images, rejected) == read_whole(tmp_path / "whole", "-")[:2]
    assert len(images) == 24
    assert rejected == [("", f"no file {folder}/missing.jpg")]


def test_a_short_list_is_read_as_a_long_one(shop, tmp_path):
    folder, rows = shop
    (tmp_path / "list.txt").write_text("".join(f"{folder / name}\n" for name in image_names(rows)))
    parts = read_parts(LimitConfig(data=str(tmp_path / "list.txt")))
    assert sum(map(len, parts.catalogs)) == 24


def test_sources_that_are_read_as_a_whole(shop, tmp_path):
    folder, rows = shop
    assert stream_catalog(str(folder / "images"), StreamOptions()) is None
    (folder / "table.csv").write_text("sku,price\n0_0,3\n")
    assert stream_catalog(str(folder / "table.csv"), StreamOptions()) is None
    addresses = [row | {"image": f"https://shop.example/{row['image'].partition('|')[0]}x"} for row in rows]
    write_table(folder, addresses)
    assert stream_catalog(str(folder / "table.csv"), StreamOptions()) is None  # by their SKUs, too


@pytest.fixture(params=["memory", "http"])
def address(request, shop):
    """The address of the shop's folder."""
    folder, _rows = shop
    if request.param == "memory":
        system = fsspec.filesystem("memory")
        system.put(str(folder), "/shop", recursive=True)
        yield "memory://shop"
        system.rm("/shop", recursive=True)
    else:
        with file_server(folder) as server:
            yield server.url


def test_a_table_at_an_address(small_parts, shop, tmp_path, address):
    folder, _rows = shop
    for source in (f"{address}/table.csv", address):
        streamed = planned(tmp_path / "streamed", stream_catalog(source, StreamOptions()))
        assert streamed == read_whole(tmp_path / "whole", folder / "table.csv")
    parts = [*stream_catalog(f"{address}/table.csv", StreamOptions())]
    for reference in [str(path) for part in parts for path in part.paths]:
        assert reference.startswith(f"{address}/images/")
        assert read_reference(reference) == (folder / "images" / Path(reference).name).read_bytes()


def test_images_below_an_address(small_parts, shop, tmp_path, address):
    _folder, rows = shop
    images, rejected, _ = planned(tmp_path / "streamed", stream_catalog(f"{address}/images", StreamOptions()))
    assert sorted(images) == sorted(name.removeprefix("images/") for name in image_names(rows))
    assert rejected == []


def test_other_kinds_at_an_address(small_parts, shop, tmp_path, address):
    folder, rows = shop
    write_tar(folder / "a.tar", 0, 6)
    pd.DataFrame(rows).to_parquet(folder / "b.parquet")
    (folder / "c.txt").write_text("".join(f"{address}/{name}\n" for name in image_names(rows)))
    if address.startswith("memory"):
        fsspec.filesystem("memory").put([str(folder / name) for name in ("a.tar", "b.parquet", "c.txt")], "/shop/")
    parts = [*stream_catalog(f"{address}/a.tar", StreamOptions())]
    data = [read_reference(str(path)) for part in parts for path in part.paths]
    assert data == [jpeg(row) for row in range(6)]
    streamed = planned(tmp_path / "streamed", stream_catalog(f"{address}/b.parquet", StreamOptions()))
    assert streamed == read_whole(tmp_path / "whole", folder / "b.parquet")
    images, rejected, _ = planned(tmp_path / "list", stream_catalog(f"{address}/c.txt", StreamOptions()))
    assert (len(images), rejected) == (24, [])


def test_cells_that_lead_out_of_an_address(small_parts, shop, tmp_path, address):
    folder, _rows = shop
    outside = ["https://other.example/1.jpg", "../secret.jpg", "/etc/secret.jpg", "images/../../x.jpg", f"{address}/a"]
    table = "sku,image\n" + "".join(f"{row},{cell}\n" for row, cell in enumerate([*outside, "images/0_0.jpg"]))
    system = fsspec.filesystem("memory")
    (folder / "out.csv").write_text(table)
    if address.startswith("memory"):
        system.pipe("/shop/out.csv", table.encode())
    images, rejected, _ = planned(tmp_path / "plan", stream_catalog(f"{address}/out.csv", StreamOptions()))
    assert sorted(images) == ["4", "5"]
    assert [sku for sku, _ in rejected] == ["0", "1", "2", "3"]
    for (_, reason), cell in zip(rejected, outside, strict=False):
        assert reason == f"{cell} leads out of {address}; --allow-outside reads it"
    options = StreamOptions(allow_outside=True)
    (part, *_) = stream_catalog(f"{address}/out.csv", options)
    assert "https://other.example/1.jpg" in part.paths


def test_a_table_of_outer_addresses_alone(small_parts, shop, tmp_path, address):
    """Every row is refused, each with its reason."""
    folder, _ = shop
    table = "sku,image\n" + "".join(f"{row},https://other.example/{row}.jpg\n" for row in range(9))
    (folder / "out.csv").write_text(table)
    fsspec.filesystem("memory").pipe("/shop/out.csv", table.encode())
    parts = [*stream_catalog(f"{address}/out.csv", StreamOptions())]
    assert sum(map(len, parts)) == 0
    assert {row.sku for part in parts for row in part.rejected} == {str(row) for row in range(9)}
    assert all("leads out of" in row.reason for part in parts for row in part.rejected)


def test_addresses_that_cannot_be_read(tmp_path):
    (tmp_path / "table.json").write_text("{}")
    with file_server(tmp_path) as server:
        url = server.url
        with pytest.raises(InputError, match=r"none.csv: no such folder or file"):
            stream_catalog(f"{url}/none.csv", StreamOptions())
        with pytest.raises(InputError, match=r"table.json: neither Parquet, CSV, tar nor a list of paths"):
            stream_catalog(f"{url}/table.json", StreamOptions())
    with pytest.raises(InputError, match=url):
        stream_catalog(f"{url}/table.csv", StreamOptions())
    with pytest.raises(InputError, match="gone://"):
        stream_catalog("gone://x/table.csv", StreamOptions())


def test_a_server_without_parts_of_files(small_parts, shop, tmp_path):
    """Python's own: a table is read from its beginning; what is not is refused in one line."""
    folder, rows = shop
    write_tar(folder / "a.tar", 0, 6)
    pd.DataFrame(rows).to_parquet(folder / "b.parquet")
    with file_server(folder, has_parts=False) as server:
        streamed = planned(tmp_path / "streamed", stream_catalog(f"{server.url}/table.csv", StreamOptions()))
        assert streamed == read_whole(tmp_path / "whole", folder / "table.csv")
        parts = [*stream_catalog(f"{server.url}/a.tar", StreamOptions())]
        with pytest.raises(InputError, match=r"a.tar: .* parts of files"):
            read_reference(str(parts[0].paths[0]))


def test_column_names_of_tables(small_parts, shop):
    folder, _rows = shop
    (catalog, *_) = stream_catalog(str(folder / "table.csv"), StreamOptions(mapping={"title": "gender"}))
    assert list(catalog.columns) == ["title", "price"]
    assert list(COLUMNS)[2:] == ["gender", "price"]
    np.testing.assert_array_equal(catalog.columns["price"][:2], [10, 11])


@pytest.fixture
def bucket(shop, monkeypatch):
    """The shop's folder in a bucket of a server that speaks S3."""
    moto = pytest.importorskip("moto.server")
    s3fs = pytest.importorskip("s3fs")
    server = moto.ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in (("ACCESS_KEY_ID", "key"), ("SECRET_ACCESS_KEY", "secret"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    s3fs.S3FileSystem.clear_instance_cache()
    system = s3fs.S3FileSystem()
    system.mkdir("shop")
    system.put(str(shop[0]), "shop/spring", recursive=True)
    yield "s3://shop/spring"
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.mark.slow
def test_s3(small_parts, shop, tmp_path, bucket):
    folder, rows = shop
    system = fsspec.filesystem("s3")
    write_tar(folder / "a.tar", 0, 6)
    pd.DataFrame(rows).to_parquet(folder / "b.parquet")
    for source in (f"{bucket}/table.csv", bucket):
        streamed = planned(tmp_path / "streamed", stream_catalog(source, StreamOptions()))
        assert streamed == read_whole(tmp_path / "whole", folder / "table.csv")
    images, _, _ = planned(tmp_path / "images", stream_catalog(f"{bucket}/images", StreamOptions()))
    assert sorted(images) == sorted(name.removeprefix("images/") for name in image_names(rows))
    system.put([str(folder / "a.tar"), str(folder / "b.parquet")], "shop/spring/")
    parts = [*stream_catalog(f"{bucket}/a.tar", StreamOptions())]
    assert [read_reference(str(path)) for part in parts for path in part.paths] == [jpeg(row) for row in range(6)]
    streamed = planned(tmp_path / "parquet", stream_catalog(f"{bucket}/b.parquet", StreamOptions()))
    assert streamed == read_whole(tmp_path / "whole", folder / "table.csv")
    assert read_reference(f"{bucket}/images/0_0.jpg") == (folder / "images/0_0.jpg").read_bytes()
    before = reference_state(f"{bucket}/images/0_0.jpg")
    system.pipe("shop/spring/images/0_0.jpg", b"another")
    system.invalidate_cache()
    assert reference_state(f"{bucket}/images/0_0.jpg") != before
    assert reference_state(f"{bucket}/images/none.jpg") == ""
    with pytest.raises(ImageError, match="no such file"):
        read_reference(f"{bucket}/images/none.jpg")
    with pytest.raises(InputError, match=r"s3://nobody/table.csv: (no such folder or file|cannot be read)"):
        stream_catalog("s3://nobody/table.csv", StreamOptions())
