"""From a catalogue to an index, and from an index to one that is up to date with its catalogue."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.readers import Catalog
from fashion_keras.features.cache import encode
from fashion_keras.features.encoder import Encoder
from fashion_keras.features.registry import DEFAULT_ENCODER, load_encoder
from fashion_keras.images.validation import load_catalog
from fashion_keras.search.base import Index, IndexSpec, Records
from fashion_keras.search.local import LocalIndex
from fashion_keras.support.errors import InputError

log = logging.getLogger("fashion_keras")

DEFAULT_INDEX = "data/index"
_SERVER = ("postgresql://", "postgres://")


@dataclass(frozen=True)
class UpdateSummary:
    """What was done to an index: how many products came, were replaced, went; and how many were set aside."""

    added: int
    updated: int
    deleted: int
    rejected: int


def build_index(
    data: str | Path | None = None,
    encoder: str | Path = DEFAULT_ENCODER,
    out: str | Path = DEFAULT_INDEX,
    weights: str = "auto",
    image_size: str | None = None,
) -> Index:
    """Encode a catalogue's images and make an index of them.

    Args:
        data: a catalogue, or "sample"; by default data/ if the Kaggle set is there.
        encoder, weights, image_size: as `load_encoder` takes them.
        out: a new folder, or postgresql://USER@HOST/DATABASE[?index=NAME].

    Raises:
        InputError: when there is an index already, or catalogue, encoder or server cannot be used.
    """
    catalog = _read(data)
    coder = load_encoder(encoder, weights, image_size)
    records = _records(catalog, coder)
    spec = IndexSpec(
        encoder=str(encoder),
        weights=weights,
        image_size=image_size,
        fingerprint=coder.identity,
        image_spec=coder.image_spec,
        width=records.vectors.shape[1],
        columns=tuple(catalog.columns),
    )
    index = _create(str(out), spec)
    index.add(records)
    log.info("%s: %d products, %d rows and files set aside", out, len(index), len(catalog.rejected))
    return index


def update_index(index: Index, data: str | Path | None = None) -> UpdateSummary:
    """Bring an index up to date with its catalogue: add, replace and remove what differs.

    Raises:
        InputError: as `build_index`, and when the catalogue has other columns.
    """
    spec = index.spec
    catalog = _read(data)
    coder = load_encoder(spec.encoder, spec.weights, spec.image_size)
    if coder.identity != spec.fingerprint:
        raise InputError(f"the index was made by another {spec.encoder}; make a new one with `fashion-keras index`")
    records = _records(catalog, coder)
    records.check(spec)
    before = index.ids()
    known = np.isin(records.ids, before)
    changed = np.flatnonzero(known)[_differ(index, records, np.flatnonzero(known))]
    gone = before[~np.isin(before, records.ids)]
    new = np.flatnonzero(~known)
    for rows, change in ((new, index.add), (changed, index.update)):
        if len(rows):
            change(_take(records, rows))
    if len(gone):
        index.delete(gone)
    return UpdateSummary(len(new), len(changed), len(gone), len(catalog.rejected))


def open_index(where: str | Path) -> Index:
    """Open the index in a folder or a database; InputError when there is none."""
    if str(where).startswith(_SERVER):
        return _postgres()(str(where))
    return LocalIndex(where)


def _create(where: str, spec: IndexSpec) -> Index:
    return (_postgres() if where.startswith(_SERVER) else LocalIndex).create(where, spec)


def _postgres() -> type:
    try:
        from fashion_keras.search.postgres import PostgresIndex  # noqa: PLC0415 - an extra, not installed by all
    except ModuleNotFoundError as error:
        raise InputError(f"an index in PostgreSQL needs {error.name}: pip install 'fashion_keras[postgres]'") from None
    return PostgresIndex


def _read(data: str | Path | None) -> Catalog:
    return load_catalog(data)


def _records(catalog: Catalog, encoder: Encoder) -> Records:
    vectors = np.asarray(encode(catalog, encoder).values)
    paths = np.array([str(Path(path).absolute()) for path in catalog.paths.tolist()])
    return Records(catalog.ids, vectors, paths, dict(catalog.columns), encoder.identity)


def _take(records: Records, rows: NDArray[np.int64]) -> Records:
    columns = {name: values[rows] for name, values in records.columns.items()}
    return Records(records.ids[rows], records.vectors[rows], records.paths[rows], columns, records.fingerprint)


def _differ(index: Index, records: Records, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return [len(rows)]: whether the index holds another vector, path or attribute for a row's product."""
    kept = index.lookup(records.ids[rows])
    # The server keeps vectors in 16 bits.
    differ = np.abs(kept.vectors - records.vectors[rows]).max(axis=1, initial=0) > 1e-3
    differ |= kept.paths != records.paths[rows]
    for name, values in records.columns.items():
        differ |= kept.columns[name] != values[rows]
    return differ
