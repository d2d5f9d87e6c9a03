"""Catalog: one row per image of a product, and the rejected rows and files, as every reader returns them."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.attributes import KAGGLE_GROUPS, AttributeGroup
from fashion_keras.catalog.columns import Columns
from fashion_keras.catalog.corrections import CorrectionSummary
from fashion_keras.support.atomic_files import write_csv
from fashion_keras.support.errors import hide_passwords
from fashion_keras.support.notebook_table import Thumbnail, notebook_table

if TYPE_CHECKING:
    import pandas as pd
    import tensorflow as tf

_ROWS_SHOWN, _COLUMNS_SHOWN = 8, 8  # in notebooks


@dataclass(frozen=True)
class Rejected:
    """Rejected table row or file: where it is, its SKU or "", and the reason."""

    where: str
    sku: str
    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", hide_passwords(self.where))
        object.__setattr__(self, "reason", hide_passwords(self.reason))


@dataclass(frozen=True)
class Catalog:
    """Images of products, and the rows and files that were rejected.

    Attributes:
        folder: where the catalog was read from.
        skus [n] str: the product of each image, as the source writes it.
        image_ids [n] str: unique; the SKU of a product with one image, else "SKU:NAME".
        paths [n] str: one image file each, not yet opened.
        columns: name in snake_case -> [n] str, "" where the value is missing, or int64 or float64, NaN where missing.
        product_groups [n] str: hash of the product, see `group_products`: equal for images of one SKU or one title.
        rejected: rejected rows and files, with reasons; accepted + rejected = `inputs`, checked on construction.
        inputs: number of images that table rows name, rows without one, and image files that belong to no row.
        repaired [m] int: line numbers of rows whose surplus commas were returned to the product name.
        notes: what was recognized and changed on reading, a line each.
        attribute_groups: the groups of labels of `--task attributes`: of the Kaggle layout, or of the catalog itself.
        source_ids [m] str: image ids of the catalog as it was read, which `take` and `reject` leave as they are.
        corrections: what became of the corrections that were applied; None without a file of them.
    """

    folder: Path
    skus: NDArray[np.str_]
    image_ids: NDArray[np.str_]
    paths: NDArray[np.str_]
    columns: Columns
    product_groups: NDArray[np.str_]
    rejected: tuple[Rejected, ...]
    inputs: int
    repaired: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    attribute_groups: tuple[AttributeGroup, ...] = field(default=KAGGLE_GROUPS)
    source_ids: NDArray[np.str_] | None = None
    corrections: CorrectionSummary | None = None

    def __post_init__(self) -> None:
        if self.source_ids is None:
            object.__setattr__(self, "source_ids", self.image_ids)
        if len(self.skus) + len(self.rejected) != self.inputs:
            raise AssertionError(f"{len(self.skus)} accepted + {len(self.rejected)} rejected is not {self.inputs}")

    def __len__(self) -> int:
        return len(self.skus)

    def __repr__(self) -> str:
        products = len(np.unique(self.skus))
        return (
            f"Catalog({str(self.folder)!r}: {len(self)} images of {products} products, {len(self.rejected)} rejected, "
            f"columns {', '.join(self.columns)})"
        )

    def _repr_html_(self) -> str:
        """Return the first images as a table with thumbnails, for notebooks."""
        thumbnail_url = import_module("fashion_keras.images.thumbnails").thumbnail_url
        names = list(self.columns)[:_COLUMNS_SHOWN]
        rows = [
            [
                Thumbnail(thumbnail_url(str(self.paths[row])), str(self.image_ids[row])),
                *(values[row] for values in (self.skus, self.image_ids)),
                *(self.columns[name][row] for name in names),
            ]
            for row in range(min(len(self), _ROWS_SHOWN))
        ]
        return notebook_table(["image", "sku", "image_id", *names], rows, repr(self))

    @property
    def fingerprint(self) -> str:
        """SHA-256 over SKUs, image names and every column; equal for equal catalogs."""
        names = [os.path.relpath(path, self.folder) for path in self.paths]
        columns = sorted((name, values.tolist()) for name, values in self.columns.items())
        return hashlib.sha256(repr((self.skus.tolist(), names, columns)).encode()).hexdigest()

    @property
    def correction_counts(self) -> dict[str, Any] | None:
        """The corrections that were applied, as a report holds them; None without a file of them."""
        return self.corrections and self.corrections.to_dict()

    def to_frame(self) -> "pd.DataFrame":
        """Return a DataFrame with a row per image: sku, image_id, path, product_group, columns; NaN if missing."""
        import pandas as pd  # noqa: PLC0415 - half a second that help must not wait for

        own = {"sku": self.skus, "image_id": self.image_ids, "path": self.paths, "product_group": self.product_groups}
        return pd.DataFrame({name: _with_missing(values) for name, values in {**own, **self.columns}.items()})

    def to_tf_dataset(self, task: str, split: str, **options: Any) -> "tf.data.Dataset":  # noqa: ANN401
        """Return a tf.data.Dataset of (image, label); see `images.tf_dataset.to_tf_dataset` for the options."""
        return import_module("fashion_keras.images.tf_dataset").to_tf_dataset(self, task, split, **options)

    def take(self, rows: NDArray[Any]) -> "Catalog":
        """Return the images at `rows`, numbers [m] or a mask [n], as a catalog of their own, without rejected rows."""
        return replace(
            self,
            skus=self.skus[rows],
            image_ids=self.image_ids[rows],
            paths=self.paths[rows],
            columns=self.columns.map(lambda values: values[rows]),
            product_groups=self.product_groups[rows],
            rejected=(),
            inputs=len(self.skus[rows]),
        )

    def reject(self, reasons: Sequence[str]) -> "Catalog":
        """Return the catalog without the images whose entry in `reasons` [n] is not ""; they are then rejected."""
        is_bad = np.array([bool(reason) for reason in reasons], dtype=bool)
        rejected = (
            Rejected(os.path.relpath(self.paths[row], self.folder), str(self.skus[row]), reasons[row])
            for row in np.flatnonzero(is_bad).tolist()
        )
        return replace(self.take(~is_bad), rejected=(*self.rejected, *rejected), inputs=self.inputs)


def _with_missing(values: NDArray[Any]) -> NDArray[Any]:
    """Return text with None, which pandas takes for NaN, in place of ""; numbers as they are."""
    return np.where(values == "", None, values.astype(object)) if values.dtype.kind in "UO" else values


def write_rejected(folder: Path, rejected: Iterable[Rejected]) -> None:
    """Write rejected.csv into `folder`: where each rejected row or file is, its SKU, and why it was rejected."""
    write_csv(folder / "rejected.csv", ("where", "sku", "reason"), map(vars, rejected))
