"""Images of table rows: which files each row names, or its SKU does, or its cells hold."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.catalog.catalog import Rejected
from fashion_keras.catalog.columns import SKU, path_columns
from fashion_keras.catalog.sources.embedded_images import image_bytes, store_image
from fashion_keras.catalog.sources.image_files import ImageFiles, is_image, is_junk
from fashion_keras.catalog.sources.table import Table
from fashion_keras.support.errors import InputError

_PLAIN = re.compile(r"[\w./\\-]*\.\w+")  # one path
# Between the paths of a cell: bars, semicolons, line breaks, and commas before another path or at its end.
_SEPARATORS = r"[|;\n]|,(?=\s*\S)"


@dataclass
class RowImages:
    """The images of the rows of a table.

    Attributes:
        rows, paths, names: row, file and relative name of each of n images.
        rejected: rows without an image, and images that are not there.
        unused: files that belong to no row.
        notes: other facts about them, a line each.
    """

    rows: list[int] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    unused: list[Rejected] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, row: int, path: str, name: str) -> None:
        """Add an image of a row."""
        self.rows.append(row)
        self.paths.append(path)
        self.names.append(name)


def find_row_images(table: Table, files: ImageFiles, is_whole: bool = True) -> RowImages:
    """Return the images of each row, and take the columns that name or hold them out of the table.

    Of a whole table, the images that belong to none of its rows are counted.

    Raises:
        InputError: when the table has neither a column of images or paths nor one of SKUs.
    """
    for name, values in table.columns.items():
        if any(image_bytes(value) for value in values[:100]):
            return _embedded(table, name)
    named = path_columns([name for name, values in table.columns.items() if not isinstance(values, np.ndarray)])
    columns = {name: table.columns.pop(name) for name in named}
    if not columns and SKU not in table.columns:
        raise InputError(
            f"{table.source}: no column with a SKU (sku, product_id, id, ...) or a path (path, image, filename, ...); "
            f"columns: {', '.join(table.columns)}; name one with --column sku=HEADER or --column path=HEADER"
        )
    named = _named(table, list(zip(*columns.values(), strict=True)), files) if columns else RowImages()
    if unused := _count_unused(named.paths) if is_whole else 0:
        named.notes.append(f"{unused} images beside those of the table belong to no row")
    is_elsewhere = is_whole and not named.rows and SKU in table.columns and _only_addresses(columns.values())
    return images_by_sku(table, files) if is_elsewhere else named


def names_images(table: Table, reads_addresses: bool) -> bool:
    """Return whether the cells of a table hold images or their paths; its rows can then be read a part at a time.

    Images whose addresses are not read may be found by their SKUs.
    """
    if any(any(image_bytes(value) for value in values[:100]) for values in table.columns.values()):
        return True
    texts = {name: values for name, values in table.columns.items() if not isinstance(values, np.ndarray)}
    paths = [texts[name] for name in path_columns(list(texts))]
    return bool(paths) and (reads_addresses or not _only_addresses(paths))


def _only_addresses(columns: Any) -> bool:  # noqa: ANN401 - values of a dict
    cells = [cell for values in columns for cell in values[:1000] if isinstance(cell, str) and cell]
    return all("://" in cell for cell in cells)


def _embedded(table: Table, column: str) -> RowImages:
    images, cells = RowImages(), table.columns.pop(column)
    for row, cell in enumerate(cells):
        data = image_bytes(cell)
        if data:
            path = store_image(data)
            name = cell.get("path") if isinstance(cell, dict) else None
            images.add(row, path, name or Path(path).name)
        else:
            images.rejected.append(_reject(table, row, "no image in the cell"))
    return images


def _named(table: Table, rows: Sequence[tuple[Any, ...]], files: ImageFiles) -> RowImages:
    """Return the images that the cells of the path columns name."""
    images, root = RowImages(), str(files.root)
    for row, cells in enumerate(rows):
        missing = []
        before = len(images.rows)
        for cell in cells:
            paths, reasons = _find_cell(cell, files)
            missing += reasons
            for path in paths:
                images.add(row, path, path.removeprefix(root).lstrip("/\\"))
        if len(images.rows) == before:
            images.rejected.append(_reject(table, row, missing[0] if missing else "no image path"))
        else:
            images.rejected += [_reject(table, row, reason) for reason in missing]
    for folder in {path.rpartition("/")[0] for path in images.paths}:
        files.note_link(folder)
    return images


def _find_cell(cell: str | list[str], files: ImageFiles) -> tuple[list[str], list[str]]:
    """Return the images of a cell with a path or several, and why others are missing."""
    if isinstance(cell, str) and files.has(cell):
        return [files.path(cell)], []
    parts = cell if isinstance(cell, list) else _split_paths(cell)
    results = [files.find(part) for part in parts if part]
    return [path for paths, _ in results for path in paths], [reason for _, reason in results if reason]


def _split_paths(cell: str) -> list[str]:
    """Return the paths in a cell such as "a.jpg|b.jpg", "a.jpg, b.jpg", '["a.jpg", "b.jpg"]' or "['a.jpg' 'b.jpg']"."""
    if not cell or _PLAIN.fullmatch(cell):
        return [cell]
    if cell[0] + cell[-1] in ("[]", "()", "{}"):
        try:
            return [str(part) for part in json.loads(cell)]
        except (ValueError, RecursionError):
            quoted = re.findall(r"'([^']*)'|\"([^\"]*)\"", cell)
            cell = "|".join(first or second for first, second in quoted) or cell[1:-1]
    parts = [part.strip(" \t\r\"'") for part in re.split(_SEPARATORS, cell)]
    words = cell.split()
    return words if len(parts) == 1 and len(words) > 1 and all(map(is_image, words)) else parts


def _count_unused(paths: Sequence[str]) -> int:
    """Count the images in the folders of `paths` that are not among them."""
    used = set(paths)
    files = (file for folder in {path.rpartition("/")[0] for path in used} for file in Path(folder or ".").iterdir())
    return sum(is_image(file.name) and not is_junk(file.name) and str(file) not in used for file in files)


def images_by_sku(
    table: Table, files: ImageFiles, folder: str = "", sku_of_file: Mapping[str, str] | None = None
) -> RowImages:
    """Return the images whose file or folder is named by a row's SKU; see `ImageFiles.by_sku`."""
    images, row_of = RowImages(), {}
    root = str(files.root)
    paths_of, unknown = files.by_sku(table.columns[SKU], folder, sku_of_file or {})
    for row, sku in enumerate(table.columns[SKU]):
        first = row_of.setdefault(sku, row)
        if first != row and sku:
            images.rejected.append(_reject(table, row, f"SKU {sku} is on {table.unit} {table.lines[first]} already"))
        elif (paths := paths_of.get(sku)) is None:
            images.rejected.append(_reject(table, row, "no image file" if sku else "no SKU"))
        elif first == row:
            for path in paths:
                images.add(row, path, path.removeprefix(root).lstrip("/\\"))
    images.unused = [Rejected(name, "", "no row") for name in unknown]
    images.unused += [Rejected(name, "", reason) for name, reason in files.broken.items()]
    others = [name for name in files.names if not is_image(name) and folder and name.startswith(folder)]
    images.unused += [Rejected(name, "", "not an image") for name in others]
    return images


def _reject(table: Table, row: int, reason: str) -> Rejected:
    sku = table.columns[SKU][row] if SKU in table.columns else ""
    return Rejected(table.where(row), sku, reason)
