"""Assembly of a catalog: rows of a table and their images become SKUs, image ids, product groups and columns."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.catalog.catalog import Catalog, Rejected
from fashion_keras.catalog.column_types import as_text, text_array, typed
from fashion_keras.catalog.columns import GROUP, SKU, TITLE, Columns, merge_variants
from fashion_keras.catalog.product_hashes import group_products
from fashion_keras.catalog.sources.row_images import RowImages
from fashion_keras.catalog.sources.table import Table

NameImages = Callable[[Sequence[str], Sequence[str]], list[str]]  # SKUs and relative paths of n images -> their ids
_SHOWN = 3  # merged spellings in a note


def make_catalog(
    folder: Path, table: Table, images: RowImages, notes: Sequence[str] = (), name_images: NameImages | None = None
) -> Catalog:
    """Return the catalog of a table's rows and their images.

    A row without a SKU where others have one, and an image that its product has already, are rejected. In a table
    without SKUs, the name of its first image is a row's SKU. `name_images` makes the ids: `image_ids`, if not given.
    """
    inputs = len(images.rows) + len(images.rejected) + len(images.unused) + len(table.rejected)
    skus = table.columns.pop(SKU, None)
    skus = _skus_of_images(images) if skus is None else [skus[row] for row in images.rows]
    accepted, rejected = _accept(table, images, skus)
    skus = [skus[image] for image in accepted]
    rows = np.array([images.rows[image] for image in accepted], dtype=np.int64)
    columns, merged = _columns(table, rows)
    titles = columns[TITLE].tolist() if TITLE in columns else ()
    groups = as_text(columns[GROUP]).tolist() if GROUP in columns else ()
    return Catalog(
        folder=folder,
        skus=text_array(skus),
        image_ids=text_array((name_images or image_ids)(skus, [images.names[image] for image in accepted])),
        paths=text_array([images.paths[image] for image in accepted]),
        columns=columns,
        product_groups=group_products(skus, titles, groups),
        rejected=(*table.rejected, *rejected, *images.rejected, *images.unused),
        inputs=inputs,
        repaired=tuple(table.repaired),
        notes=(*notes, *table.notes, *images.notes, *merged),
    )


def _skus_of_images(images: RowImages) -> list[str]:
    first: dict[int, str] = {}
    return [first.setdefault(row, name) for row, name in zip(images.rows, images.names, strict=True)]


def _accept(table: Table, images: RowImages, skus: Sequence[str]) -> tuple[list[int], list[Rejected]]:
    """Return the numbers of the images that become rows of the catalog, and the others, rejected."""
    distinct = set(skus)
    if len(distinct) == len(skus) and "" not in distinct:
        return [*range(len(skus))], []
    accepted, rejected = [], []
    first: dict[tuple[str, str], int] = {}
    for image, (sku, path, row) in enumerate(zip(skus, images.paths, images.rows, strict=True)):
        if not sku:
            rejected.append(Rejected(table.where(row), "", "no SKU"))
        elif (sku, path) in first:
            place = f"{table.unit} {table.lines[first[sku, path]]}"
            rejected.append(Rejected(table.where(row), sku, f"the same SKU and image as on {place}"))
        else:
            first[sku, path] = row
            accepted.append(image)
    return accepted, rejected


def _columns(table: Table, rows: np.ndarray) -> tuple[Columns, list[str]]:
    """Return the columns of the images, typed and with spellings merged, and a note for each that was changed."""
    columns: dict[str, Any] = {}
    notes = []
    for name in list(table.columns):
        values = table.columns.pop(name)  # frees the cells of one column after the other
        if not isinstance(values, np.ndarray):
            values, changed = (values, {}) if name in (TITLE, GROUP) else merge_variants(values)
            notes += _merge_notes(name, changed)
        values = values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows.tolist()]
        columns[name] = typed(name, values)
    return Columns(columns, table.written), notes


def _merge_notes(name: str, changed: dict[str, int]) -> list[str]:
    if not changed:
        return []
    shown = ", ".join(f"{text} ({count})" for text, count in list(changed.items())[:_SHOWN])
    return [f"{name}: spellings merged: {shown}{', ...' if len(changed) > _SHOWN else ''}"]


def image_ids(skus: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return unique ids of images by their SKUs and relative paths.

    The id is the SKU of a product with one image, else "SKU:NAME", with the folder where names repeat.
    """
    uses = Counter(skus)
    ids = list(skus)
    if len(uses) == len(ids):
        return ids
    several = [image for image, sku in enumerate(skus) if uses[sku] > 1]
    stems = {image: names[image].rpartition("/")[2].rpartition(".")[0] or names[image] for image in several}
    pairs = Counter((skus[image], stem) for image, stem in stems.items())
    taken = {sku for sku, count in uses.items() if count == 1}
    for image, stem in stems.items():
        sku = skus[image]
        image_id = f"{sku}:{stem if pairs[sku, stem] == 1 else names[image]}"
        while image_id in taken:
            image_id += "'"
        taken.add(image_id)
        ids[image] = image_id
    return ids
