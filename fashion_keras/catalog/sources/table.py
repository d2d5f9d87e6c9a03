"""Product tables: CSV, Parquet, JSON lines or a DataFrame as named columns of cleaned cells."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fashion_keras.catalog.catalog import Rejected
from fashion_keras.catalog.columns import (
    LABEL_SEPARATOR,
    SKU,
    TITLE,
    clean_cells,
    clean_skus,
    name_columns,
    path_columns,
)
from fashion_keras.catalog.sources.csv_reader import read_text_table, trim
from fashion_keras.support.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".jsonl", ".ndjson")
FOREIGN_SUFFIXES = (".xlsx", ".xls", ".ods", ".xlsm", ".feather", ".xml", ".sqlite", ".db", ".pkl", ".pickle", ".h5")


@dataclass
class Table:
    """Rows of a product table.

    Attributes:
        columns: name -> n cells: texts, numbers of a typed source, or lists; "" where missing.
        source: name of the file.
        lines: n numbers of lines or rows in it.
        unit: "line" or "row".
        written: header as written -> name, where they differ.
        rejected: rows that could not be read.
        repaired: line numbers of rows whose surplus commas were returned to the title.
        notes: what was detected, a line each.
    """

    columns: dict[str, Sequence[Any]]
    source: str
    lines: Sequence[int]
    unit: str
    written: dict[str, str] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    repaired: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.lines)

    def where(self, row: int) -> str:
        """Return the place of a row, such as "products.csv line 7"."""
        return f"{self.source} {self.unit} {self.lines[row]}"


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

            return table_of_frame(pd.read_parquet(path), mapping, path.name)
        if suffix in (".jsonl", ".ndjson"):
            return _read_json_lines(path, mapping)
        if suffix in FOREIGN_SUFFIXES:
            raise InputError(f"{path}: tables of this kind are not read; export it as CSV, Parquet or JSON lines")
        return _read_csv(path, mapping, delimiter)
    except InputError:
        raise
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise InputError(f"{path}: cannot be read ({reason})") from None


def _read_csv(path: Path, mapping: Mapping[str, str], delimiter: str | None) -> Table:
    text = read_text_table(path, delimiter)
    names, written = name_columns(text.header, mapping)
    rows, lines, rejected, repaired = [], [], [], []
    for line, cells in text.records:
        fitted, is_repaired = _fit(cells, names)
        if fitted is None:
            reason = f"{len(cells)} fields where the header has {len(names)}"
            rejected.append(Rejected(f"{path.name} line {line}", cells[0], reason))
            continue
        if is_repaired:
            repaired.append(line)
        rows.append(fitted)
        lines.append(line)
    cells_of = dict(enumerate(zip(*rows, strict=True))) if rows else {place: [] for place in range(len(names))}
    del rows, text.records[:]  # of a million products, the largest part of the memory
    return _make_table(path.name, cells_of, names, written, lines, "line", rejected, repaired, text.notes)


def _fit(cells: list[str], names: list[str]) -> tuple[list[str] | None, bool]:
    """Return as many cells as there are columns, None where that is not possible, and whether the title was repaired.

    Empty cells at the end are dropped or added where the header has no name for them; other surplus cells are the
    commas of an unquoted title, where there is a title.
    """
    if len(cells) < len(names) and not any(names[len(cells) :]):
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
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            row = str(error)[:80]
        if isinstance(row, dict):
            rows.append(row)
            lines.append(number)
        else:
            rejected.append(Rejected(f"{path.name} line {number}", "", f"not a JSON object ({row})"[:200]))
    return table_of_rows(path.name, rows, lines, "line", mapping, rejected=rejected)


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
    return _make_table(source, cells, names, written, lines, unit, rejected)


def table_of_frame(frame: "pd.DataFrame", mapping: Mapping[str, str], name: str = "DataFrame") -> Table:
    """Return the rows of a pandas DataFrame; a named index is a column, too.

    Raises:
        InputError: as `read_table`.
    """
    if any(index is not None for index in frame.index.names):
        frame = frame.reset_index(allow_duplicates=True)
    names, written = name_columns([str(header) for header in frame.columns], mapping)
    cells = {place: _frame_cells(frame.iloc[:, place]) for place in range(frame.shape[1])}
    return _make_table(name, cells, names, written, range(len(frame)), "row")


def _frame_cells(column: "pd.Series") -> Sequence[Any]:
    """Return numbers as an array, NaN where missing, and everything else as a list."""
    from pandas.api import types  # noqa: PLC0415 - as above

    if types.is_bool_dtype(column) or not types.is_numeric_dtype(column):
        return column.astype(object).where(column.notna(), None).tolist()
    if column.isna().any() or types.is_float_dtype(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return column.to_numpy()


def _make_table(
    source: str,
    cells: dict[int, Sequence[Any]],
    names: list[str],
    written: dict[str, str],
    lines: Sequence[int],
    unit: str,
    rejected: list[Rejected] | None = None,
    repaired: list[int] | None = None,
    notes: list[str] | None = None,
) -> Table:
    """Make a table of cells by column number, cleaning one column after the other; unnamed columns are dropped."""
    columns: dict[str, Sequence[Any]] = {}
    notes = [*(notes or [])]
    for place, name in enumerate(names):
        values = cells.pop(place)
        if name:
            columns[name] = _clean_column(name, values)
        elif any(value not in ("", None) for value in values):
            notes.append(f"column {place + 1} has no name and was left out")
    if SKU in columns:
        columns[SKU] = clean_skus(columns[SKU])
    mapped = [f"{name} = {header!r}" for header, name in written.items() if header.lower() != "id"]
    if mapped:
        notes.append(f"columns: {', '.join(mapped)}")
    return Table(columns, source, lines, unit, written, rejected or [], repaired or [], notes)


def _clean_column(name: str, values: Sequence[Any]) -> Sequence[Any]:
    if isinstance(values, np.ndarray) and name not in (SKU, TITLE):
        return values
    if isinstance(values, tuple) or all(isinstance(value, str) for value in values):
        return clean_cells(values)
    if any(isinstance(value, Mapping | bytes) for value in values):
        return list(values)  # images
    cells = [_cell(value) for value in values]
    return (
        cells
        if path_columns([name])
        else [LABEL_SEPARATOR.join(cell) if isinstance(cell, list) else cell for cell in cells]
    )


def _cell(value: Any) -> str | list[str]:  # noqa: ANN401 - of any source
    """Return a cell of a typed source as text; a list as a list of texts."""
    if isinstance(value, list | tuple | np.ndarray):
        return [text for text in (_cell(part) for part in value) if isinstance(text, str) and text]
    if isinstance(value, str):
        return clean_cells([value])[0]
    if value is None or value != value:
        return ""
    if isinstance(value, float | np.floating) and value == int(value):
        return str(int(value))
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return clean_cells([str(value)])[0]
