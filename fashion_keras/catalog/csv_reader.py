"""CSV reader: product tables with their usual faults; repaired rows, and rejected rows with reasons."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from fashion_keras.support.errors import InputError

COLUMNS = (
    "gender",
    "master_category",
    "sub_category",
    "article_type",
    "base_colour",
    "season",
    "year",
    "usage",
    "product_display_name",
)
TITLE = "product_display_name"
PATH_COLUMNS = ("path", "image_path", "image", "filename", "file")
MISSING = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "None"})

_CANONICAL = {name.replace("_", ""): name for name in ("id", *COLUMNS, *PATH_COLUMNS)}


@dataclass(frozen=True)
class Rejected:
    """Rejected table row or image file: where it is, its id or "", and the reason."""

    where: str
    id: str
    reason: str


def read_table(table: Path) -> tuple[dict[str, list[str]], list[int], list[Rejected], list[int]]:
    """Read a CSV file into (columns, line number of each row, rejected rows, repaired line numbers).

    A row is one physical line, so that a stray quote spoils its own row only. UTF-8 with or without BOM; column names
    in any case and order; `NA` and empty cells become "". A row with too many fields is repaired when the table has a
    product name: the surplus commas belong to it.

    Raises:
        InputError: when the file is empty or not UTF-8, or the header names a column twice.
    """
    rows = _lines(table)
    if not rows:
        raise InputError(f"{table}: empty file; expected a header such as id,gender,masterCategory,...")
    header = [_column_name(name) for name in rows[0][1]]
    if len(set(header)) < len(header):
        raise InputError(f"{table}: the header names a column twice: {', '.join(header)}")
    accepted, lines, rejected, repaired = [], [], [], []
    for line, fields in rows[1:]:
        cells = _repair(fields, header)
        if len(cells) != len(header):
            reason = f"{len(fields)} fields where the header has {len(header)}"
            rejected.append(Rejected(f"{table.name} line {line}", fields[0], reason))
            continue
        if len(fields) != len(header):
            repaired.append(line)
        accepted.append(cells)
        lines.append(line)
    values = [[_clean(value) for value in column] for column in zip(*accepted, strict=True)] or [[] for _ in header]
    return dict(zip(header, values, strict=True)), lines, rejected, repaired


def _lines(table: Path) -> list[tuple[int, list[str]]]:
    """Return (line number, fields) of each line that is not blank."""
    try:
        text = table.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{table}: not UTF-8 (byte {error.start}); save the file as UTF-8") from None
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                rows.append((number, next(csv.reader([line]))))
            except csv.Error as error:
                raise InputError(f"{table}:{number}: not CSV ({error}); correct or remove the line") from None
    return rows


def _repair(fields: list[str], header: list[str]) -> list[str]:
    """Return the fields with surplus commas inside the title."""
    surplus = len(fields) - len(header)
    if surplus <= 0 or TITLE not in header:
        return fields
    start = header.index(TITLE)
    end = start + surplus + 1
    return [*fields[:start], ",".join(fields[start:end]), *fields[end:]]


def _column_name(name: str) -> str:
    snake = re.sub(r"[^0-9a-z]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip()).lower()).strip("_")
    return _CANONICAL.get(snake.replace("_", ""), snake)


def _clean(value: str) -> str:
    value = value.strip()
    return "" if value in MISSING else value
