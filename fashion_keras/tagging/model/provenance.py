"""What a tagger was learnt from, so that it is known again: the catalogue, the taxonomy, each product's part in it."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.readers import Catalog
from fashion_keras.catalog.taxonomy import Taxonomy
from fashion_keras.support.atomic_files import read_json, write_json

PARTS = ("train", "validation", "test")
_FILE = "origin.json"


@dataclass(frozen=True)
class Provenance:
    """What a tagger was learnt from.

    Attributes:
        catalog: the fingerprint of the catalogue as it was read.
        taxonomy: a digest of what was asked.
        parts: each of `PARTS` -> ids of its products.
    """

    catalog: str
    taxonomy: str
    parts: Mapping[str, list[int]]

    def part_of(self, catalog: Catalog) -> NDArray[np.str_]:
        """Return the part [n] str that each product of that same catalogue had; "" for none."""
        found = np.full(len(catalog), "", np.dtype("<U10"))
        for name, ids in self.parts.items():
            found[np.isin(catalog.ids, ids)] = name
        return found


def taxonomy_digest(taxonomy: Taxonomy) -> str:
    """Return what tells a taxonomy from all others, however its file is written."""
    return hashlib.sha256(repr(taxonomy).encode()).hexdigest()


def save_provenance(folder: Path, origin: Provenance) -> None:
    """Write origin.json."""
    write_json(folder / _FILE, asdict(origin))


def read_provenance(folder: Path, fingerprint: str) -> Provenance | None:
    """Return what a tagger was learnt from, where its folder says so and it is the catalogue of that fingerprint."""
    path = folder / _FILE
    origin = Provenance(**read_json(path)) if path.is_file() else None
    # In another catalogue the same number may well be another product.
    return origin if origin and origin.catalog == fingerprint else None
