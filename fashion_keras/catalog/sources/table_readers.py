"""Readers of tables: CSV, Parquet, JSON or a DataFrame as a `Table`."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fashion_keras.catalog.catalog import Rejected
from fashion_keras.catalog.columns import SKU, TITLE, name_columns, path_columns
from fashion_keras.catalog.sources.csv_reader import TextTable, decode_text, read_text_table, trim
from fashion_keras.catalog.sources.embedded_images import image_bytes
from fashion_keras.catalog.sources.table import Table, make_table
from fashion_keras.support.errors import InputError, reraise_shortage

if TYPE_CHECKING:
    import pandas as pd

TABLE_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".parquet", ".jsonl", ".ndjson", ".json")
FOREIGN_SUFFIXES = (
    ".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers", ".feather", ".arrow", ".orc", ".avro", ".sqlite", ".db",
    ".pkl", ".pickle", ".h5", ".gz", ".xml",
)  # fmt: skip
# What pandas raises on broken Parquet files, beside Arrow's own errors, OSError and ValueError.
_BROKEN = (TypeError, LookupError, AttributeError, RuntimeError, OverflowError, MemoryError)
_IN_FOLDERS = {*FOREIGN_SUFFIXES, *TABLE_SUFFIXES} - {".xml", ".db", ".h5", ".txt", ".json", ".gz"}


def is_table(path: Path) -> bool:
    """Return whether a file in a folder of a catalog is a table: by its suffix, or a .txt or .json by its beginning."""
    suffix, name = path.suffix.lower(), path.name.lower()
    if suffix in _IN_FOLDERS or name.endswith((".csv.gz", ".tsv.gz", ".json.gz", ".jsonl.gz")):
        return path.is_file()
    if suffix not in (".txt", ".json") or not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(2000).lstrip(b"\xef\xbb\xbf \r\n\t")
    if suffix == ".json":
        is_lines = start.startswith(b"{") and start.split(b"\n")[0].rstrip().endswith(b"}") and b"\n{" in start
        return is_lines or (start.startswith(b"[") and start[1:].lstrip().startswith(b"{"))
    header = re.split(rb"[\t;,|]", start.split(b"\n")[0])
    names, _ = name_columns([cell.decode("utf-8", "replace").strip() for cell in header], {})
    return len(header) > 1 and (SKU in names or bool(path_columns(names)))


def read_table(path: Path, mapping: Mapping[str, str], delimiter: str | None = None) -> Table:
    """Read a table by its suffix: .csv, .tsv and .txt as text, .parquet, .jsonl and .ndjson.

    Args:
        path: the file.
        mapping: name -> header, of `--column`.
        delimiter: see `read_text_table`.

    Raises:
        InputError: when the file is of another kind, empty or damaged, or a header of `mapping` is missing.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            import pandas as pd  # noqa: PLC0415 - half a second that help must not wait for

            with explained_parquet(path):
                return table_of_frame(pd.read_parquet(path), mapping, path.name)
        if suffix in (".jsonl", ".ndjson", ".json"):
            return _read_json_lines(path, mapping)
        if suffix in FOREIGN_SUFFIXES:
            raise InputError(f"{path}: tables of this kind are not read; export it as CSV, Parquet or JSON lines")
        return table_of_text(path.name, read_text_table(path, delimiter), mapping)
    except InputError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        reraise_shortage(error)
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise InputError(f"{path}: cannot be read ({reason})") from None


@contextmanager
def explained_parquet(path: object) -> Iterator[None]:
    """Turn whatever pandas and Arrow raise on a broken Parquet file into an InputError that names it."""
    import pyarrow as pa  # noqa: PLC0415 - as pandas

    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError, pa.ArrowException, *_BROKEN) as error:
        reraise_shortage(error)
        raise InputError(f"{path}: cannot be read ({' '.join(str(error).split())[:200]})") from None


def table_of_text(source: str, text: TextTable, mapping: Mapping[str, str]) -> Table:
    """Return the rows of a text table; those that do not fit its header are rejected."""
    names, written = name_columns(text.header, mapping)
    rows, lines, rejected, repaired = [], [], [], []
    for line, cells in text.records:
        fitted, is_repaired = (cells, False) if len(cells) == len(names) else _fit(cells, names)
        if fitted is None:
            reason = f"{len(cells)} fields where the header has {len(names)}"
            rejected.append(Rejected(f"{source} line {line}", cells[0], reason))
            continue
        if is_repaired:
            repaired.append(line)
        rows.append(fitted)
        lines.append(line)
    cells_of = dict(enumerate(zip(*rows, strict=True))) if rows else {place: [] for place in range(len(names))}
    del rows, text.records[:]  # of a million products, the largest part of the memory
    return make_table(source, cells_of, names, written, lines, "line", rejected, repaired, text.notes)


def _fit(cells: list[str], names: list[str]) -> tuple[list[str] | None, bool]:
    """Return as many cells as there are columns, None where that is not possible, and whether the title was repaired.

    Empty cells at the end are dropped; up to half of the cells may be missing there, as some programs leave empty
    ones out. Other surplus cells are the commas of an unquoted title, where there is a title.
    """
    missing = names[len(cells) :]
    if missing and (not any(missing) or len(missing) <= len(names) / 2):
        return [*cells, *[""] * (len(names) - len(cells))], False
    if len(cells) > len(names):
        cells = cells[: max(len(names), len(trim(cells)))]
    surplus = len(cells) - len(names)
    if surplus == 0:
        return cells, False
    if surplus < 0 or TITLE not in names:
        return None, False
    start = names.index(TITLE)
    end = start + surplus + 1
    return [*cells[:start], ",".join(cells[start:end]), *cells[end:]], True


def _read_json_lines(path: Path, mapping: Mapping[str, str]) -> Table:
    rows, lines, rejected = [], [], []
    text, notes = decode_text(path.read_bytes(), path.name)
    if text.lstrip().startswith("["):
        rows = [flatten(row) if isinstance(row, dict) else {} for row in json.loads(text)]
        return table_of_rows(path.name, rows, range(len(rows)), "entry", mapping)
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            row = str(error)[:80]
        if isinstance(row, dict):
            rows.append(flatten(row))
            lines.append(number)
        else:
            rejected.append(Rejected(f"{path.name} line {number}", "", f"not a JSON object ({row})"[:200]))
    table = table_of_rows(path.name, rows, lines, "line", mapping, rejected=rejected)
    table.notes += notes
    return table


def flatten(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with the entries of objects as cells of their own: {"a": {"b": 1}} as {"a_b": 1}; not of images."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        inner = value if isinstance(value, Mapping) and not image_bytes(value) else None
        flat |= {key: value} if inner is None else {f"{key}_{name}": part for name, part in inner.items()}
    return flat


def table_of_rows(
    source: str,
    rows: Sequence[Mapping[str, Any]],
    lines: Sequence[int],
    unit: str,
    mapping: Mapping[str, str],
    without: Sequence[str] = (),
    rejected: list[Rejected] | None = None,
) -> Table:
    """Return the table of rows that are mappings, leaving out the keys `without`."""
    headers = [key for key in dict.fromkeys(key for row in rows for key in row) if key not in without]
    names, written = name_columns(headers, mapping)
    cells = {place: [row.get(header) for row in rows] for place, header in enumerate(headers)}
    return make_table(source, cells, names, written, lines, unit, rejected)


def table_of_frame(frame: "pd.DataFrame", mapping: Mapping[str, str], name: str = "DataFrame", first: int = 0) -> Table:
    """Return the rows of a pandas DataFrame, of which the first has the number `first`; a named index is a column, too.

    Raises:
        InputError: as `read_table`.
    """
    import pyarrow as pa  # noqa: PLC0415 - as pandas

    if any(index is not None for index in frame.index.names):
        frame = frame.reset_index(allow_duplicates=True)
    names, written = name_columns([str(header) for header in frame.columns], mapping)
    try:
        cells = {place: _frame_cells(frame.iloc[:, place]) for place in range(frame.shape[1])}
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise InputError(f"{name}: a text in it is no valid Unicode ({' '.join(str(error).split())[:160]})") from None
    return make_table(name, cells, names, written, range(first, first + len(frame)), "row")


def _frame_cells(column: "pd.Series") -> Sequence[Any]:
    """Return numbers as an array, NaN where missing, and everything else as a list."""
    from pandas.api import types  # noqa: PLC0415 - as above

    if types.is_bool_dtype(column) or not types.is_numeric_dtype(column):
        return column.astype(object).where(column.notna(), None).tolist()
    if column.isna().any() or types.is_float_dtype(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return column.to_numpy()
