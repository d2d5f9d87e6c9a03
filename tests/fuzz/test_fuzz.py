"""Short fuzzing: every target with a fixed seed; inputs of former findings; structured inputs by Hypothesis."""

import csv
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fashion_keras.catalog.sources import csv_reader
from fashion_keras.catalog.sources.csv_reader import read_text_parts, read_text_table
from fashion_keras.images.decode import decode
from fashion_keras.images.raster import ImageError
from fashion_keras.search.filters import parse_conditions, parse_filters
from fashion_keras.support.errors import InputError
from tests.fuzz.runner import Options, run_all
from tests.fuzz.session import Session, fuzz_here
from tests.fuzz.targets import TARGETS
from tests.fuzz.targets.images import bomb, drawn, encoded

QUICK = [target for target in TARGETS if not target.in_child]
IN_CHILD = [target for target in TARGETS if target.in_child]
KEPT = Path(__file__).parent / "kept"
EXACT = settings(
    deadline=None, derandomize=True, database=None, max_examples=150, suppress_health_check=list(HealthCheck)
)


def names(target):
    return target.name


@pytest.mark.parametrize("target", QUICK, ids=names)
def test_mutated_inputs_are_read_or_refused(target):
    assert fuzz_here(target, 150) == {}


@pytest.mark.slow
def test_inputs_of_native_code_are_read_or_refused(tmp_path):
    results = run_all(IN_CHILD, 120, Options(tmp_path, start="spawn"))
    assert [(result.name, result.findings) for result in results if result.findings] == []
    assert sum(result.executions for result in results) >= 120
    assert max(result.mebibytes for result in results) < 1024


@pytest.mark.parametrize("path", sorted(path for path in KEPT.rglob("*") if path.is_file()), ids=lambda path: path.name)
def test_input_of_a_former_finding_is_read_or_refused(path, tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_KERAS_CACHE", str(tmp_path / "root" / "cache"))
    target = next(target for target in TARGETS if target.name == path.parent.name)
    session = Session(target, tmp_path / "root", tmp_path / "crashes", 0)
    session.run(path.read_bytes(), 1)
    assert session.findings == {}


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@EXACT
@given(
    st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=2, max_size=60), st.sampled_from(",;\t|"), st.booleans()
)
def test_table_in_parts_equals_the_whole(tmp_path_factory, rows, separator, windows):
    """Any table that Python's own writer makes, in parts of a few lines."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator="\r\n" if windows else "\n").writerows(rows)
    data, path = (
        b"sku,a,b\n".replace(b",", separator.encode()) + text.getvalue().encode(),
        tmp_path_factory.mktemp("t") / "t.csv",
    )
    path.write_bytes(data)
    whole = read_text_table(path, separator)
    size, csv_reader._PART_BYTES = csv_reader._PART_BYTES, 1100
    try:
        parts = list(read_text_parts(io.BytesIO(data), str(path), separator))
    finally:
        csv_reader._PART_BYTES = size
    assert [record for part in parts for record in part.records] == whole.records
    assert all(part.header == ["sku", "a", "b"] for part in parts)


def test_stray_quote_before_cells_of_several_lines_moves_no_end_of_a_part(tmp_path, monkeypatch):
    lines = ["sku,title", '1,5" screen', *(f'{n},"two\nlines"' for n in range(2, 200))]
    data = "\n".join(lines).encode() + b"\n"
    (tmp_path / "t.csv").write_bytes(data)
    monkeypatch.setattr(csv_reader, "_PART_BYTES", 1000)
    records = [record for part in read_text_parts(io.BytesIO(data), "t.csv", ",") for record in part.records]
    assert [cells for _, cells in records] == [["1", '5" screen'], *([str(n), "two\nlines"] for n in range(2, 200))]
    assert [line for line, _ in records] == [2, *range(3, 399, 2)]


def test_later_part_that_looks_like_another_encoding_is_read_as_the_first(tmp_path, monkeypatch):
    """The second part begins with the mark of UTF-16, or is full of zeros."""
    for second in (b"\xff\xfe,x\n", b"\0a\0b\0c,\0\0\0\0\n" * 3):
        first = b"sku,title\n" + b"1,abcdefgh\n" * 100
        monkeypatch.setattr(csv_reader, "_PART_BYTES", len(first))
        whole_path = tmp_path / "t.csv"
        whole_path.write_bytes(first + second)
        parts = read_text_parts(io.BytesIO(first + second), "t.csv", ",")
        assert [record for part in parts for record in part.records] == read_text_table(whole_path, ",").records


def test_lines_below_a_separator_line_have_their_numbers(tmp_path):
    (tmp_path / "t.csv").write_text("sep=;\nsku;title\n1;One\n")
    assert read_text_table(tmp_path / "t.csv").records == [(3, ["1", "One"])]


@EXACT
@given(st.lists(st.text(max_size=20), max_size=4))
def test_conditions_are_parsed_or_refused(conditions):
    try:
        parse_filters(parse_conditions(conditions))
    except InputError as error:
        assert len(str(error).splitlines()) == 1


@EXACT
@given(
    st.dictionaries(
        st.text(max_size=8),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=6,
        ),
        max_size=3,
    )
)
def test_filters_of_any_json_are_parsed_or_refused(where):
    try:
        parse_filters(where)
    except InputError as error:
        assert len(str(error).splitlines()) == 1


def many_scans(count):
    """A progressive JPEG whose last scan is repeated."""
    data = encoded(drawn((64, 48)), "JPEG", progressive=True)
    start, end = data.rfind(b"\xff\xda"), data.rfind(b"\xff\xd9")
    return data[:end] + data[start:end] * count + data[end:]


def test_tiff_without_some_of_its_strips_is_refused():
    """3 KB that claim 42 million pixels."""
    with pytest.raises(ImageError, match="truncated TIFF"):
        decode((KEPT / "images" / "strips-missing.tif").read_bytes(), None)


def test_jpeg_of_many_scans_is_refused():
    with pytest.raises(ImageError, match=r"a JPEG of 50\d\d scans; at most 100"):
        decode(many_scans(5000), None)


@pytest.mark.parametrize(
    ("color", "depth", "pixel"), [(2, 8, 0), (6, 8, 255), (0, 16, 0), (3, 8, 0), (4, 16, 255), (0, 1, 0)]
)
def test_images_are_converted_in_bands_as_a_whole(monkeypatch, color, depth, pixel):
    """Pixels of every kind: zeros, which are black, or white where they are transparent."""
    monkeypatch.setattr("fashion_keras.images.raster._BAND_PIXELS", 500)
    pixels = decode(bomb(40, 101, color, depth), None)
    assert pixels.shape == (101, 40, 3)
    assert (pixels == pixel).all()


def test_bands_of_deep_and_transparent_images_join_without_a_seam(monkeypatch):
    random = np.random.default_rng(0)
    deep = random.integers(0, 65536, (50, 40), np.uint16)
    alpha = random.integers(0, 256, (50, 40, 4), np.uint8)
    images = [encoded(Image.fromarray(deep), "PNG"), encoded(Image.fromarray(alpha), "PNG")]
    whole = [decode(image, None) for image in images]
    monkeypatch.setattr("fashion_keras.images.raster._BAND_PIXELS", 130)
    assert all((decode(image, None) == pixels).all() for image, pixels in zip(images, whole, strict=True))
    np.testing.assert_array_equal(whole[0][:, :, 0], np.rint(deep * (255 / 65535)).astype(np.uint8))


def test_packed_zeros_are_a_whole_image():
    data = bomb(3, 5, 2, 8)
    body = data[data.index(b"IDAT") + 4 :]
    size = struct.unpack(">I", data[data.index(b"IDAT") - 4 : data.index(b"IDAT")])[0]
    assert zlib.decompress(body[:size]) == bytes(5 * 10)
