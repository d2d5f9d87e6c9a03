"""The products of a catalogue whose pictures can be read."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.datasets import resolve_dataset
from fashion_keras.catalog.readers import Catalog, read_catalog
from fashion_keras.images.decode import check_images
from fashion_keras.support.atomic_files import file_sha256
from fashion_keras.support.errors import InputError


def reject_unreadable(catalog: Catalog) -> Catalog:
    """Open every picture of a catalogue and set the products aside whose picture does not decode.

    Raises:
        InputError: when none is left.
    """
    reasons = check_images(catalog.paths)
    left = catalog.reject(reasons)
    if not len(left):
        first = f"the first, {catalog.paths[0]}: {reasons[0]}" if reasons else "the catalogue is empty"
        raise InputError(
            f"{catalog.folder}: no product with a usable image: all {len(reasons)} images are broken; {first}"
        )
    return left


def load_catalog(data: str | Path | None) -> Catalog:
    """Read a catalogue (see `resolve_dataset`, `read_catalog`) and reject the products whose image is unreadable."""
    return reject_unreadable(read_catalog(resolve_dataset(None if data is None else str(data))[0]))


def image_hashes(paths: Sequence[str | Path]) -> NDArray[np.str_]:
    """Return [n] str, the first 16 hex digits of the sha256 of each image file's content."""
    return np.array([file_sha256(Path(path))[:16] for path in paths], np.dtype("<U16"))
