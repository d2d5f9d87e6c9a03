"""Catalog readers: a product table and its images, in any of four layouts, as a `Catalog`."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from fashion_keras.catalog.catalog import IMAGE_SUFFIXES, Catalog
from fashion_keras.catalog.csv_reader import PATH_COLUMNS, TITLE, Rejected, read_table
from fashion_keras.catalog.imaterialist import find_imaterialist, read_imaterialist
from fashion_keras.catalog.product_hashes import group_by_title
from fashion_keras.support.errors import InputError

_LARGEST_ID = 2**63 - 1  # of int64


def read_catalog(source: str | Path) -> Catalog:
    """Read a catalog in any of four layouts.

    - a folder in Kaggle's layout: `styles.csv` and `images/ID.jpg` (or .jpeg, .png, .webp);
    - a CSV file, or a folder with exactly one, that has a path column (`path`, `image`, `filename`, ...) relative to
      it and any label columns; without an `id` column the rows are numbered from 1;
    - a tree with one folder per class, whose names become `article_type`;
    - iMaterialist-Fashion 2018: see `find_imaterialist`.

    No image is opened. Rows and files that cannot be used are rejected with a reason, never dropped.

    Raises:
        InputError: when there is no such layout, the table has no id column, or no product has an image.
    """
    source = Path(source)
    if not source.exists():
        raise InputError(f"{source}: no such folder or file; `fashion-keras data download` gets the Kaggle set")
    catalog = _read_any(source)
    if not len(catalog):
        raise InputError(f"{source}: none of {catalog.inputs} rows and files is a product with an image{_why(catalog)}")
    return catalog


def _read_any(source: Path) -> Catalog:
    if source.is_file() and source.suffix.lower() == ".csv":
        return _read_paths(source)
    if (source / "styles.csv").is_file():
        return _read_kaggle(source)
    imaterialist = find_imaterialist(source)
    if imaterialist:
        return read_imaterialist(*imaterialist)
    if source.is_file():
        raise InputError(f"{source}: neither a folder nor a CSV file, nor annotations in JSON")
    tables = sorted(source.glob("*.csv"))
    if len(tables) == 1:
        return _read_paths(tables[0])
    if any(entry.is_dir() for entry in source.iterdir()):
        return _read_tree(source)
    raise InputError(
        f"{source}: no styles.csv, no single CSV file with a path column, no folder per class, no train.json"
    )


def _read_kaggle(folder: Path) -> Catalog:
    table = folder / "styles.csv"
    columns, lines, rejected, repaired = read_table(table)
    if "id" not in columns:
        raise InputError(f"{table}: no column 'id'; columns: {', '.join(columns)}")
    path_of_id, other_files = _paths_by_id(_image_files(folder / "images"))
    paths = [path_of_id.get(_parse_id(value), "") for value in columns["id"]]
    catalog = _assemble(folder, table, columns, lines, paths, [*rejected, *other_files], repaired)
    used = set(catalog.paths.tolist())
    unused = [
        Rejected(f"images/{Path(path).name}", str(key), "no row")
        for key, path in path_of_id.items()
        if path not in used
    ]
    return replace(catalog, rejected=(*catalog.rejected, *unused), inputs=catalog.inputs + len(unused))


def _read_paths(table: Path) -> Catalog:
    columns, lines, rejected, repaired = read_table(table)
    column = next((name for name in PATH_COLUMNS if name in columns), None)
    if column is None:
        raise InputError(f"{table}: no path column ({', '.join(PATH_COLUMNS)}); columns: {', '.join(columns)}")
    paths = [str(table.parent / value) if value else "" for value in columns.pop(column)]
    paths = [path if Path(path).is_file() else "" for path in paths]
    columns.setdefault("id", [str(number) for number in range(1, len(lines) + 1)])
    return _assemble(table.parent, table, columns, lines, paths, rejected, repaired)


def _read_tree(folder: Path) -> Catalog:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.parent != folder)
    images = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    others = [path for path in files if path.suffix.lower() not in IMAGE_SUFFIXES]
    rejected = [Rejected(str(path.relative_to(folder)), "", "not an image") for path in others]
    numbers = list(range(1, len(images) + 1))
    columns = {
        "id": [str(number) for number in numbers],
        "article_type": [path.parent.relative_to(folder).as_posix() for path in images],
    }
    return _assemble(folder, folder, columns, numbers, [str(path) for path in images], rejected, [])


def _assemble(
    folder: Path,
    table: Path,
    columns: dict[str, list[str]],
    lines: list[int],
    paths: list[str],
    rejected: list[Rejected],
    repaired: list[int],
) -> Catalog:
    """Return the catalog of the rows that have an id of their own and a path; the others are rejected."""
    reasons = _row_reasons(columns["id"], lines, paths)
    accepted = [row for row, reason in enumerate(reasons) if not reason]
    rejected_rows = [
        Rejected(f"{table.name} line {lines[row]}", columns["id"][row], reason)
        for row, reason in enumerate(reasons)
        if reason
    ]
    arrays = {name: np.array([values[row] for row in accepted], dtype=np.str_) for name, values in columns.items()}
    ids = arrays.pop("id").astype(np.int64)
    return Catalog(
        folder=folder,
        ids=ids,
        paths=np.array([paths[row] for row in accepted], dtype=np.str_),
        columns=arrays,
        product_groups=group_by_title(arrays.get(TITLE, np.full(len(accepted), ""))),
        rejected=(*rejected, *rejected_rows),
        inputs=len(lines) + len(rejected),
        repaired=tuple(repaired),
    )


def _row_reasons(ids: list[str], lines: list[int], paths: list[str]) -> list[str]:
    """Return for each row why it is rejected, or ""."""
    first_line: dict[int, int] = {}
    reasons = []
    for value, line, path in zip(ids, lines, paths, strict=True):
        number = _parse_id(value)
        if number < 0:
            reasons.append(f"id {value[:40]!r} is not a whole number")
        elif first_line.setdefault(number, line) != line:
            reasons.append(f"id {value} is on line {first_line[number]} already")
        else:
            reasons.append("" if path else "no image file")
    return reasons


def _parse_id(value: str) -> int:
    """Return an id as a number; -1 where it is no whole number that int64 holds."""
    # Python refuses to convert more than 4,300 digits.
    number = int(value) if value.isdecimal() and len(value) < 100 else -1
    return number if number <= _LARGEST_ID else -1


def _image_files(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected one image per product, named ID.jpg")
    return sorted(entry.path for entry in os.scandir(folder) if entry.is_file())


def _paths_by_id(files: list[str]) -> tuple[dict[int, str], list[Rejected]]:
    """Return the first image file of each id, and the other files, rejected."""
    path_of_id: dict[int, str] = {}
    rejected = []
    for path in files:
        file = Path(path)
        number = _parse_id(file.stem)
        if file.suffix.lower() not in IMAGE_SUFFIXES or number < 0:
            rejected.append(Rejected(f"images/{file.name}", "", f"not named ID{'|'.join(IMAGE_SUFFIXES)}"))
        elif path_of_id.setdefault(number, path) != path:
            rejected.append(Rejected(f"images/{file.name}", file.stem, f"second image of id {number}"))
    return path_of_id, rejected


def _why(catalog: Catalog) -> str:
    return f" (first: {catalog.rejected[0].where}: {catalog.rejected[0].reason})" if catalog.rejected else ""
