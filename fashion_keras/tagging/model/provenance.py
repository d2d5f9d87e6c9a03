"""Tagger provenance: catalog, taxonomy and split it was trained on."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.taxonomy import Taxonomy
from fashion_keras.support.atomic_files import read_json, write_json
from fashion_keras.support.json_record import dataclass_from_json

PARTS = ("train", "validation", "test")
_FILE = "origin.json"


@dataclass(frozen=True)
class Provenance:
    """What a tagger was trained on.

    Attributes:
        catalog: the fingerprint of the catalog as it was read.
        taxonomy: a digest of product types and attributes.
        parts: each of `PARTS` -> ids of its products.
    """

    catalog: str
    taxonomy: str
    parts: dict[str, tuple[int, ...]]

    def part_of(self, catalog: Catalog) -> NDArray[np.str_]:
        """Return the part [n] str of each product of that same catalog; "" for none."""
        names = np.full(len(catalog), "", np.dtype("<U10"))
        for name, ids in self.parts.items():
            names[np.isin(catalog.ids, ids)] = name
        return names


def taxonomy_digest(taxonomy: Taxonomy) -> str:
    """Return a digest of a taxonomy's content, whatever the layout of its file."""
    return hashlib.sha256(repr(taxonomy).encode()).hexdigest()


def save_provenance(folder: Path, provenance: Provenance) -> None:
    """Write origin.json."""
    write_json(folder / _FILE, asdict(provenance))


def read_provenance(folder: Path, fingerprint: str) -> Provenance | None:
    """Return what a tagger was trained on if it was the catalog of that fingerprint; None otherwise.

    Raises:
        InputError: when origin.json is damaged; names file and key.
    """
    path = folder / _FILE
    if not path.is_file():
        return None
    provenance = dataclass_from_json(Provenance, read_json(path), path)
    # In another catalog the same id may well be another product.
    return provenance if provenance.catalog == fingerprint else None
