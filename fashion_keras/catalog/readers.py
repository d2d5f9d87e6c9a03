"""A product table and its images become a `Catalog`: repaired where possible, set aside with a reason where not."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from fashion_keras.catalog.catalog import IMAGE_SUFFIXES, Catalog
from fashion_keras.catalog.csv_reader import PATH_COLUMNS, TITLE, Rejected, read_table
from fashion_keras.catalog.imaterialist import find_imaterialist, read_imaterialist
from fashion_keras.catalog.product_hashes import group_by_title
from fashion_keras.support.errors import InputError


def read_catalog(source: str | Path) -> Catalog:
    """Read a catalogue in any of four layouts.

    - a folder in Kaggle's layout: `styles.csv` and `images/ID.jpg` (or .jpeg, .png, .webp);
    - a CSV file, or a folder with exactly one, that has a path column (`path`, `image`, `filename`, ...) relative to
      it and any label columns; products without an `id` column are numbered from 1;
    - a tree with one folder per class, whose names become `article_type`;
    - iMaterialist-Fashion 2018: see `find_imaterialist`.

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


def _read_any(source: Path) -> Catalog:
    if source.is_file() and source.suffix.lower() == ".csv":
        return _read_paths(source)
    if (source / "styles.csv").is_file():
        return _read_kaggle(source)
    found = find_imaterialist(source)
    if found:
        return read_imaterialist(*found)
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
    good = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
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
        product_groups=group_by_title(kept.get(TITLE, np.full(len(keep), ""))),
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
        if file.suffix.lower() not in IMAGE_SUFFIXES or not file.stem.isdecimal():
            extra.append(Rejected(f"images/{file.name}", "", f"not named ID{'|'.join(IMAGE_SUFFIXES)}"))
        elif found.setdefault(int(file.stem), path) != path:
            extra.append(Rejected(f"images/{file.name}", file.stem, f"second image of id {int(file.stem)}"))
    return found, extra


def _why(catalog: Catalog) -> str:
    return f" (first: {catalog.rejected[0].where}: {catalog.rejected[0].reason})" if catalog.rejected else ""
