"""Fixed splits: parts that a file, the catalog or the products' years name."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.column_types import as_text
from fashion_keras.catalog.columns import plain_name
from fashion_keras.catalog.label_sources import get_column
from fashion_keras.catalog.sources.table_readers import read_table
from fashion_keras.catalog.sources.tree import PARTS
from fashion_keras.catalog.splits import SPLITS
from fashion_keras.support.atomic_files import write_csv
from fashion_keras.support.errors import InputError, unknown_name_error

SPLIT_FILE = "split.csv"
_YEAR = re.compile(r"year(?::(\d{4}))?")


def check_recipe(recipe: str) -> str:
    """Return the name of a split, a file by its full path; InputError when it is neither a recipe nor a file."""
    if not isinstance(recipe, str):
        return recipe  # of another type, which the config refuses
    if recipe in SPLITS or recipe == "given" or _YEAR.fullmatch(recipe):
        return recipe
    if os.path.isfile(recipe):  # noqa: PTH113 - no error for a long name
        return str(Path(recipe).resolve())
    if recipe.endswith(".csv"):
        raise InputError(f"--split {recipe}: no such file; expected a CSV of sku, part")
    raise unknown_name_error("split", recipe, [*SPLITS, "year", "year:YYYY", "given", "FILE.csv"])


def fixed_parts(catalog: Catalog, recipe: str) -> NDArray[np.str_] | None:
    """Return the part [n] of each image as a fixed split names it; None for the recipes of `split`.

    - "year": train on even years, test on odd ones, as public notebooks do; "year:2016": test on 2016 and after.
      Images without a year are trained on.
    - "given": the column `split` of the catalog, such as of folders train/ and test/.
    - a CSV file with the columns sku (or image_id) and part: train, validation or test. Images that it does not name
      have the part "".

    Raises:
        InputError: when the column or a part is missing, or the file names another part.
    """
    year = _YEAR.fullmatch(recipe)
    if year:
        years = get_column(catalog.columns, "year", f"--split {recipe}")
        numbers = np.array([int(text) if text.isdecimal() else 0 for text in years.tolist()])
        is_test = numbers >= int(year[1]) if year[1] else numbers % 2 == 1
        return np.where(is_test, "test", "train")
    if recipe == "given":
        return _read_parts(get_column(catalog.columns, "split", "--split given").tolist(), "column split")
    return None if recipe in SPLITS else _parts_of_file(Path(recipe), catalog)


def _parts_of_file(path: Path, catalog: Catalog) -> NDArray[np.str_]:
    columns = {plain_name(name): values for name, values in read_table(path, {}).columns.items()}
    key = "imageid" if "imageid" in columns else "sku"
    if "part" not in columns and "split" in columns:
        columns["part"] = columns["split"]
    if key not in columns or "part" not in columns:
        raise InputError(f"{path}: expected the columns sku (or image_id) and part, not {', '.join(columns)}")
    parts = _read_parts(columns["part"], str(path)).tolist()
    part_of = dict(zip(map(str, columns[key]), parts, strict=True))
    if len(set(zip(columns[key], parts, strict=True))) > len(part_of):
        raise InputError(f"{path}: a product stands in two parts")
    ids = catalog.image_ids if key == "imageid" else catalog.skus
    return np.array([part_of.get(name, "") for name in as_text(ids).tolist()])


def _read_parts(names: Sequence[str], where: str) -> NDArray[np.str_]:
    for name in set(names) - {""}:
        if name.lower() not in PARTS:
            raise unknown_name_error(f"part in {where}", name, ("train", "validation", "test"))
    return np.array([PARTS.get(name.lower(), "") for name in names])


def write_split(folder: Path, catalog: Catalog, rows: Mapping[str, NDArray[np.int64]]) -> None:
    """Write split.csv into `folder`: sku, image_id and part of the images at `rows`, as `--split FILE` reads it."""
    lines = [
        {"sku": catalog.skus[row], "image_id": catalog.image_ids[row], "part": part}
        for part, members in rows.items()
        for row in members.tolist()
    ]
    write_csv(folder / SPLIT_FILE, ("sku", "image_id", "part"), lines)
