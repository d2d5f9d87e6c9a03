"""A product table and its images become a `Catalog`: repaired where possible, set aside with a reason where not."""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.tables import PATH_COLUMNS, TITLE, Rejected, read_table
from fashion_keras.support.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True)
class Catalog:
    """Products that have an image, and everything that was set aside on the way to them.

    Attributes:
        folder: where the catalogue was read from.
        ids [n] int64: product ids, unique.
        paths [n] str: one image file each, not yet opened.
        columns: name -> [n] str, snake_case; "" where the value is missing.
        groups [n] int64: equal for products that share their normalised title; own group where there is no title.
        rejected: the rows and files set aside; kept + set aside = `inputs`, checked on construction.
        inputs: number of table rows plus image files that belong to no row.
        repaired [m] int: line numbers of rows whose surplus commas were put back into the product name.
    """

    folder: Path
    ids: NDArray[np.int64]
    paths: NDArray[np.str_]
    columns: Mapping[str, NDArray[np.str_]]
    groups: NDArray[np.int64]
    rejected: tuple[Rejected, ...]
    inputs: int
    repaired: tuple[int, ...] = field(default=())

    def __post_init__(self) -> None:
        if len(self.ids) + len(self.rejected) != self.inputs:
            raise AssertionError(f"{len(self.ids)} kept + {len(self.rejected)} set aside is not {self.inputs}")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over ids, image names and every column: equal catalogues have equal fingerprints."""
        names = [os.path.relpath(path, self.folder) for path in self.paths]
        parts = (self.ids.tolist(), names, sorted((name, values.tolist()) for name, values in self.columns.items()))
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def take(self, rows: NDArray[np.int64]) -> "Catalog":
        """Return the products at `rows` [m] as a catalogue of their own, with nothing set aside."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        return replace(
            self,
            ids=self.ids[rows],
            paths=self.paths[rows],
            columns=columns,
            groups=self.groups[rows],
            rejected=(),
            inputs=len(rows),
        )

    def set_aside(self, reasons: Sequence[str]) -> "Catalog":
        """Return the catalogue without the products whose entry in `reasons` [n] is not ""; those are listed."""
        bad = np.array([bool(reason) for reason in reasons], dtype=bool)
        names = [os.path.relpath(self.paths[row], self.folder) for row in np.flatnonzero(bad)]
        listed = (
            Rejected(name, str(self.ids[row]), reasons[row])
            for name, row in zip(names, np.flatnonzero(bad), strict=True)
        )
        return replace(
            self.take(np.flatnonzero(~bad)), rejected=(*self.rejected, *listed), inputs=self.inputs, folder=self.folder
        )


def read_catalog(source: str | Path) -> Catalog:
    """Read a catalogue in any of three layouts.

    - a folder in Kaggle's layout: `styles.csv` and `images/ID.jpg` (or .jpeg, .png, .webp);
    - a CSV file, or a folder with exactly one, that has a path column (`path`, `image`, `filename`, ...) relative to
      it and any label columns; products without an `id` column are numbered from 1;
    - a tree with one folder per class, whose names become `article_type`.

    No image is opened here. Rows and files that cannot be used are set aside with their reason, never dropped.

    Raises:
        InputError: when nothing of the kind is there, or the table has no id, or no product has an image.
    """
    source = Path(source)
    if not source.exists():
        raise InputError(f"{source}: no such folder or file; `fashion-keras data download` gets the Kaggle set")
    catalog = _read_any(source)
    if not len(catalog):
        raise InputError(f"{source}: none of {catalog.inputs} rows and files is a product with an image{_why(catalog)}")
    return catalog


def title_groups(titles: Iterable[str]) -> NDArray[np.int64]:
    """Number the titles so that those equal up to case, punctuation and spacing share a number; "" never shares.

    >>> title_groups(["Puma Men  Shoe", "puma men shoe!", "", ""]).tolist()
    [0, 0, 1, 2]
    """
    numbers: dict[object, int] = {}
    keys = (re.sub(r"[\W_]+", " ", title.casefold()).strip() or row for row, title in enumerate(titles))
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _read_any(source: Path) -> Catalog:
    if source.is_file() and source.suffix.lower() != ".csv":
        raise InputError(f"{source}: neither a folder nor a CSV file")
    if source.is_file():
        return _read_paths(source)
    if (source / "styles.csv").is_file():
        return _read_kaggle(source)
    tables = sorted(source.glob("*.csv"))
    if len(tables) == 1:
        return _read_paths(tables[0])
    if any(entry.is_dir() for entry in source.iterdir()):
        return _read_tree(source)
    raise InputError(f"{source}: no styles.csv, no single CSV file with a path column, no folder per class")


def _read_kaggle(folder: Path) -> Catalog:
    table = folder / "styles.csv"
    columns, lines, rejected, repaired = read_table(table)
    if "id" not in columns:
        raise InputError(f"{table}: no column 'id'; found: {', '.join(columns)}")
    files = _image_files(folder / "images")
    found, extra = _by_id(files)
    paths = [found.get(int(value), "") if value.isdecimal() else "" for value in columns["id"]]
    catalog = _assemble(folder, table, columns, lines, paths, [*rejected, *extra], repaired)
    used = set(catalog.paths.tolist())
    spare = [
        Rejected(f"images/{Path(path).name}", str(key), "no row") for key, path in found.items() if path not in used
    ]
    return replace(catalog, rejected=(*catalog.rejected, *spare), inputs=catalog.inputs + len(spare))


def _read_paths(table: Path) -> Catalog:
    columns, lines, rejected, repaired = read_table(table)
    column = next((name for name in PATH_COLUMNS if name in columns), None)
    if column is None:
        raise InputError(f"{table}: no path column ({', '.join(PATH_COLUMNS)}); found: {', '.join(columns)}")
    paths = [str(table.parent / value) if value else "" for value in columns.pop(column)]
    paths = [path if Path(path).is_file() else "" for path in paths]
    columns.setdefault("id", [str(number) for number in range(1, len(lines) + 1)])
    return _assemble(table.parent, table, columns, lines, paths, rejected, repaired)


def _read_tree(folder: Path) -> Catalog:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.parent != folder)
    good = [path for path in files if path.suffix.lower() in SUFFIXES]
    bad = [Rejected(str(path.relative_to(folder)), "", "not an image") for path in files if path not in set(good)]
    columns = {
        "id": [str(number) for number in range(1, len(good) + 1)],
        "article_type": [path.parent.relative_to(folder).as_posix() for path in good],
    }
    return _assemble(folder, folder, columns, list(range(1, len(good) + 1)), [str(path) for path in good], bad, [])


def _assemble(
    folder: Path,
    table: Path,
    columns: dict[str, list[str]],
    lines: list[int],
    paths: list[str],
    rejected: list[Rejected],
    repaired: list[int],
) -> Catalog:
    reasons = _row_reasons(columns["id"], lines, paths)
    keep = [row for row, reason in enumerate(reasons) if not reason]
    listed = [
        Rejected(f"{table.name} line {lines[row]}", columns["id"][row], reason)
        for row, reason in enumerate(reasons)
        if reason
    ]
    kept = {name: np.array([values[row] for row in keep], dtype=np.str_) for name, values in columns.items()}
    ids = kept.pop("id").astype(np.int64)
    return Catalog(
        folder=folder,
        ids=ids,
        paths=np.array([paths[row] for row in keep], dtype=np.str_),
        columns=kept,
        groups=title_groups(kept.get(TITLE, np.full(len(keep), ""))),
        rejected=(*rejected, *listed),
        inputs=len(lines) + len(rejected),
        repaired=tuple(repaired),
    )


def _row_reasons(ids: list[str], lines: list[int], paths: list[str]) -> list[str]:
    first: dict[int, int] = {}
    reasons = []
    for value, line, path in zip(ids, lines, paths, strict=True):
        if not value.isdecimal() or int(value) > np.iinfo(np.int64).max:
            reasons.append(f"id {value!r} is not a whole number")
        elif first.setdefault(int(value), line) != line:
            reasons.append(f"id {value} stands on line {first[int(value)]} already")
        else:
            reasons.append("" if path else "no image file")
    return reasons


def _image_files(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected one image per product, named ID.jpg")
    return sorted(entry.path for entry in os.scandir(folder) if entry.is_file())


def _by_id(files: list[str]) -> tuple[dict[int, str], list[Rejected]]:
    found: dict[int, str] = {}
    extra = []
    for path in files:
        file = Path(path)
        if file.suffix.lower() not in SUFFIXES or not file.stem.isdecimal():
            extra.append(Rejected(f"images/{file.name}", "", f"not named ID{'|'.join(SUFFIXES)}"))
        elif found.setdefault(int(file.stem), path) != path:
            extra.append(Rejected(f"images/{file.name}", file.stem, f"second image of id {int(file.stem)}"))
    return found, extra


def _why(catalog: Catalog) -> str:
    return f" (first: {catalog.rejected[0].where}: {catalog.rejected[0].reason})" if catalog.rejected else ""
