"""Catalogs as data frames: one row per image."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog

if TYPE_CHECKING:
    import pandas as pd


def to_frame(catalog: Catalog) -> "pd.DataFrame":
    """Return the n images of a catalog as a pandas DataFrame, in order.

    Columns: `sku` (the product) and `image_id` (unique), str, to the letter; `path`, str; and those of the catalog:
    text, where a missing value is NaN, or numbers. Rejected rows are in `catalog.rejected`, not here.
    """
    import pandas as pd  # noqa: PLC0415 - readers must not wait for it

    ids = catalog.ids.astype(np.str_)
    columns = {name: _with_nan(values) for name, values in catalog.columns.items()}
    return pd.DataFrame({"sku": ids, "image_id": ids, "path": catalog.paths, **columns})


def _with_nan(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return text with None, which pandas takes for NaN, in place of ""; numbers as they are."""
    return np.where(values == "", None, values.astype(object)) if values.dtype.kind == "U" else values
