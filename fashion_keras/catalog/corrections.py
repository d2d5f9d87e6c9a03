"""Corrections of labels: the append-only file `corrections.csv` that people write by reviewing a catalog.

A row is one decision: who accepted, corrected or skipped which label of which product, and when. `apply_corrections`
applies them.
"""

import csv
import io
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from fashion_keras.support.errors import InputError

HEADER = ("when", "who", "sku", "image_id", "column", "from", "to", "action")
ACCEPT, CORRECT, SKIP = ACTIONS = ("accept", "correct", "skip")

_FORMULA = re.compile(r"('*)([=+\-@\t\r].*)", re.DOTALL)
_LINE_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_LONGEST_CELL = 1000  # characters
_SHOWN = 20  # problems in a report


@dataclass(frozen=True, kw_only=True)
class Correction:
    """One decision of a person on a label of a product; InputError for a value that a row cannot hold.

    Attributes:
        sku, column: the product and the label's column; it applies to all images of the product.
        before: the label that the person saw.
        after: the label that it should be; "" for unknown. Of accept and skip it is `before` or "".
        action: "accept" when `before` is right, "correct" when it should be `after`, "skip" for no decision.
        image_id, who: the image that was shown, and the person; "" if not known.
        when: UTC, in ISO format; "" for now.
        line: of the file, from 1; 0 where it was not read from one.
    """

    sku: str
    column: str
    before: str
    after: str
    action: str
    image_id: str = ""
    who: str = ""
    when: str = ""
    line: int = 0

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise InputError(f"action {self.action!r}: expected one of {', '.join(ACTIONS)}")
        if not self.sku or not self.column:
            raise InputError(f"no {'column' if self.sku else 'sku'}")
        if not self.when:
            object.__setattr__(self, "when", now())
        try:
            # NUL at its end would pass for a time, and be read back as another.
            datetime.fromisoformat(self.when.replace("\0", "?"))
        except ValueError:
            raise InputError(f"when {self.when!r}: expected a time such as 2026-01-31T12:00:00+00:00") from None
        if longest := max((cell for cell in self.cells if len(cell) > _LONGEST_CELL), default=""):
            raise InputError(f"a cell of {len(longest)} characters; at most {_LONGEST_CELL} are allowed")

    @property
    def cells(self) -> tuple[str, ...]:
        """The values in the order of HEADER."""
        return self.when, self.who, self.sku, self.image_id, self.column, self.before, self.after, self.action

    @property
    def label(self) -> str:
        """The label that is right after it: `after` of a correction, else `before`."""
        return self.after if self.action == CORRECT else self.before


@dataclass(frozen=True)
class CorrectionSummary:
    """What became of the corrections in a file; all counts but `products` add up to `read`.

    Attributes:
        file: that was read.
        read: rows of the file below its header.
        changed: labels of products that were changed.
        verified: labels that were accepted, or that are as they were corrected already.
        skipped: rows that change nothing.
        superseded: decisions that a later one on the same label replaced.
        conflicts: rows whose `from` is not the label in the catalog.
        rejected: rows that are malformed, or name a product or column that the catalog lacks.
        products: that have a changed label.
        columns: column -> products whose label in it was changed.
        problems: one line for each conflict and rejected row.
        reviewed: (sku, column) of each label that is changed or verified.
    """

    file: str
    read: int
    changed: int
    verified: int
    skipped: int
    superseded: int
    conflicts: int
    rejected: int
    products: int
    columns: dict[str, int]
    problems: tuple[str, ...]
    reviewed: frozenset[tuple[str, str]]

    def __post_init__(self) -> None:
        used = self.changed + self.verified + self.skipped + self.superseded + self.conflicts + self.rejected
        if used != self.read:
            raise AssertionError(f"{used} corrections used or rejected of {self.read} read")

    def __str__(self) -> str:
        columns = ", ".join(f"{name} {count}" for name, count in self.columns.items())
        return (
            f"{self.file}: {self.read} corrections read: {self.changed} labels of {self.products} products changed"
            f"{f' ({columns})' if columns else ''}, {self.verified} verified, {self.skipped} skipped, "
            f"{self.superseded} superseded, {self.conflicts} in conflict with the catalog, {self.rejected} rejected"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what report.json holds: the counts, the file, and the first 20 problems."""
        values = {name: value for name, value in vars(self).items() if name != "reviewed"}
        return {**values, "problems": list(self.problems[:_SHOWN])}


def now() -> str:
    """Return the time as a correction has it: UTC, in ISO format."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def append_corrections(path: str | Path, corrections: Iterable[Correction]) -> None:
    """Append rows to a corrections file, which is made with its header when missing.

    When this returns, they are on the disk. Several threads and processes may append to one file. Cells that a
    spreadsheet would run as formulas get an apostrophe in front, which `read_corrections` removes.

    Raises:
        InputError: when the file is not a file of corrections.
        OSError: when it cannot be written.
    """
    path = Path(path)
    rows = "".join(_line(escape_cell(cell) for cell in correction.cells) for correction in corrections)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"), path.open("a+b") as file:
        if os.fstat(file.fileno()).st_size == 0:
            rows = _line(HEADER) + rows
        else:
            if _check_header(path, _first_line(file)) != HEADER:
                raise InputError(f"{path}: has columns beside {', '.join(HEADER)}, so nothing is appended")
            file.seek(-1, os.SEEK_END)
            # The rest of a row of a killed process becomes a row of its own, which is rejected.
            rows = rows if file.read(1) == b"\n" else f"\n{rows}"
        file.write(rows.encode())
        file.flush()
        os.fsync(file.fileno())


def read_corrections(path: str | Path) -> tuple[list[Correction], list[str]]:
    """Return the corrections of a file in its order, and a line "line N: REASON" for each malformed row.

    Other columns than those of HEADER are ignored, and rows without an action, which nobody has filled in yet.

    InputError when there is no such file, or it is not a file of corrections.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file of corrections")
    first, *lines = path.read_bytes().split(b"\n")
    names = _check_header(path, first)
    corrections, malformed = [], []
    for number, line in enumerate(lines, 2):
        if not line.strip():
            continue
        try:
            if correction := _correction(line, number, names):
                corrections.append(correction)
        except (InputError, UnicodeDecodeError, csv.Error) as error:
            malformed.append(f"line {number}: {'not UTF-8' if isinstance(error, UnicodeDecodeError) else error}")
    return corrections, malformed


def reviewed_labels(path: str | Path) -> set[tuple[str, str]]:
    """Return the (sku, column) of every correction of a file, skipped ones too; none where the file is missing."""
    return {(each.sku, each.column) for each in read_corrections(path)[0]} if Path(path).is_file() else set()


def _correction(line: bytes, number: int, names: Sequence[str]) -> Correction | None:
    """Return the correction of a row with these columns; None without an action."""
    cells = [_unescape(cell) for cell in _cells(line.decode())]
    if len(cells) != len(names):
        raise InputError(f"{len(cells)} cells instead of {len(names)}")
    row = dict(zip(names, cells, strict=True))
    if names != HEADER and not row["action"]:
        return None
    if not row["when"]:
        raise InputError("no time in column 'when'")
    values = {name: row[name] for name in ("sku", "column", "action", "image_id", "who", "when")}
    return Correction(**values, before=row["from"], after=row["to"], line=number)


def _first_line(file: io.BufferedRandom) -> bytes:
    file.seek(0)
    return file.readline(_LONGEST_CELL)


def _check_header(path: Path, line: bytes) -> tuple[str, ...]:
    """Return the columns of a file; InputError unless those of HEADER are among them, each once."""
    try:
        names = tuple(_cells(line.decode("utf-8-sig")))
    except (UnicodeDecodeError, csv.Error):
        names = ()
    if any(names.count(name) != 1 for name in HEADER):
        raise InputError(f"{path}: not a file of corrections; its first line must be {','.join(HEADER)}")
    return names


def _cells(line: str) -> Sequence[str]:
    """Return the cells of one row; a row is one line, so that a torn one cannot swallow the next."""
    return next(csv.reader([line.rstrip("\r\n")], strict=True), [])


def _line(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def escape_cell(cell: str) -> str:
    """Return a cell as a CSV file has it: line breaks and control characters are spaces, formulas get an apostrophe."""
    cell = _LINE_BREAKS.sub(" ", cell.encode("utf-8", "replace").decode())
    return f"'{cell}" if _FORMULA.fullmatch(cell) else cell


def _unescape(cell: str) -> str:
    match = _FORMULA.fullmatch(cell)
    return cell.removeprefix("'") if match else cell
