"""Tables of products: named columns of cleaned cells, from any source."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fashion_keras.catalog.catalog import Rejected
from fashion_keras.catalog.columns import LABEL_SEPARATOR, SKU, TITLE, clean_cells, clean_skus, path_columns, snake_case
from fashion_keras.catalog.sources.embedded_images import image_bytes


@dataclass
class Table:
    """Rows of a product table.

    Attributes:
        columns: name -> n cells: texts, numbers of a typed source, or lists; "" where missing.
        source: name of the file.
        lines: n numbers of lines or rows in it.
        unit: "line" or "row".
        written: header as written -> name.
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


def make_table(
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
    renamed = ((header, name) for header, name in written.items() if snake_case(header) != name)
    mapped = sorted(f"{name} = {header!r}" for header, name in renamed if header.lower() != "id")
    if mapped:
        notes.append(f"columns: {', '.join(mapped)}")
    return Table(columns, source, lines, unit, written, rejected or [], repaired or [], notes)


def _clean_column(name: str, values: Sequence[Any]) -> Sequence[Any]:
    if (
        isinstance(values, np.ndarray)
        and name not in (SKU, TITLE)
        and (not path_columns([name]) or not np.isnan(values).all())
    ):
        return values
    if isinstance(values, tuple) or all(isinstance(value, str) for value in values):
        return clean_cells(values)
    if any(image_bytes(value) for value in values):
        return list(values)
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
    if isinstance(value, Mapping):
        if value.keys() <= {"bytes", "path"}:  # an image of Hugging Face without its bytes
            return _cell(value.get("path"))
        return clean_cells([json.dumps(value, ensure_ascii=False, default=str)])[0]
    if value is None or value != value:
        return ""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return clean_cells([str(value)])[0]
