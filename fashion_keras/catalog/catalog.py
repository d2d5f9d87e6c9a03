"""Catalog: products with an image, and the rejected rows and files, as every reader returns them."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.attributes import KAGGLE_GROUPS, AttributeGroup
from fashion_keras.catalog.csv_reader import Rejected
from fashion_keras.support.atomic_files import write_csv

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True)
class Catalog:
    """Products that have an image, and the rows and files that were rejected.

    Attributes:
        folder: where the catalog was read from.
        ids [n] int64: product ids, unique.
        paths [n] str: one image file each, not yet opened.
        columns: name in snake_case -> [n] str; "" where the value is missing.
        product_groups [n] int64: equal for rows that share their normalized title; a group of its own without a title.
        rejected: rejected rows and files, with reasons; accepted + rejected = `inputs`, checked on construction.
        inputs: number of table rows plus image files that belong to no row.
        repaired [m] int: line numbers of rows whose surplus commas were returned to the product name.
        attribute_groups: the groups of labels of `--task attributes`: of the Kaggle layout, or of the catalog itself.
    """

    folder: Path
    ids: NDArray[np.int64]
    paths: NDArray[np.str_]
    columns: Mapping[str, NDArray[np.str_]]
    product_groups: NDArray[np.int64]
    rejected: tuple[Rejected, ...]
    inputs: int
    repaired: tuple[int, ...] = ()
    attribute_groups: tuple[AttributeGroup, ...] = KAGGLE_GROUPS

    def __post_init__(self) -> None:
        if len(self.ids) + len(self.rejected) != self.inputs:
            raise AssertionError(f"{len(self.ids)} accepted + {len(self.rejected)} rejected is not {self.inputs}")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over ids, image names and every column; equal for equal catalogs."""
        names = [os.path.relpath(path, self.folder) for path in self.paths]
        parts = (self.ids.tolist(), names, sorted((name, values.tolist()) for name, values in self.columns.items()))
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def take(self, rows: NDArray[np.int64]) -> "Catalog":
        """Return the products at `rows` [m] as a catalog of their own, without rejected rows."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        return replace(
            self,
            ids=self.ids[rows],
            paths=self.paths[rows],
            columns=columns,
            product_groups=self.product_groups[rows],
            rejected=(),
            inputs=len(rows),
        )

    def reject(self, reasons: Sequence[str]) -> "Catalog":
        """Return the catalog without the products whose entry in `reasons` [n] is not ""; they are then rejected."""
        is_bad = np.array([bool(reason) for reason in reasons], dtype=bool)
        rejected = (
            Rejected(os.path.relpath(self.paths[row], self.folder), str(self.ids[row]), reasons[row])
            for row in np.flatnonzero(is_bad).tolist()
        )
        return replace(self.take(np.flatnonzero(~is_bad)), rejected=(*self.rejected, *rejected), inputs=self.inputs)


def write_rejected(folder: Path, catalog: Catalog) -> None:
    """Write rejected.csv into `folder`: where each rejected row or file is, its id, and why it was rejected."""
    write_csv(folder / "rejected.csv", ("where", "id", "reason"), map(vars, catalog.rejected))
