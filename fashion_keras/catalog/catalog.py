"""The one value that every reader of a catalogue makes: products with an image, and what was set aside."""

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
    """Products that have an image, and everything that was set aside on the way to them.

    Attributes:
        folder: where the catalogue was read from.
        ids [n] int64: product ids, unique.
        paths [n] str: one image file each, not yet opened.
        columns: name -> [n] str, snake_case; "" where the value is missing.
        product_groups [n] int64: equal for rows that share their normalised title; a group of its own without a title.
        rejected: the rows and files set aside; kept + set aside = `inputs`, checked on construction.
        inputs: number of table rows plus image files that belong to no row.
        repaired [m] int: line numbers of rows whose surplus commas were put back into the product name.
        attribute_groups: the groups of labels of `--task attributes`: of the Kaggle layout, or of the catalogue itself.
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
            product_groups=self.product_groups[rows],
            rejected=(),
            inputs=len(rows),
        )

    def reject(self, reasons: Sequence[str]) -> "Catalog":
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


def write_rejected(folder: Path, catalog: Catalog) -> None:
    """Write rejected.csv into `folder`: where each rejected row or file is, its id, and why it was rejected."""
    write_csv(folder / "rejected.csv", ("where", "id", "reason"), map(vars, catalog.rejected))
