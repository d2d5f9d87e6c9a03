"""Indexes of batch folders: made of the shards one after the other, or brought up to date with those that changed."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fashion_keras.batch.plan import shard_of
from fashion_keras.catalog.column_types import text_array
from fashion_keras.catalog.columns import LABEL_SEPARATOR
from fashion_keras.features.batch_folder import COLUMN, BatchFolder, embedding_matrix
from fashion_keras.search.base import Index, IndexSpec, Records
from fashion_keras.search.indexing import UpdateSummary, check_identity, differ, index_location, open_index
from fashion_keras.support.atomic_files import read_json, write_json
from fashion_keras.support.errors import InputError
from fashion_keras.support.file_systems import is_address

log = logging.getLogger("fashion_keras")

TAG = "tag_"  # before the name of an attribute, in the index's column of its released tags
_SYNCED = "index.json"


def sync_index(batch: BatchFolder, place: str | Path) -> UpdateSummary:
    """Make an index of a complete batch folder, or bring one up to date with it; return what changed.

    The columns of the index are those of the catalog, and for each attribute ATTRIBUTE of the tags a text column
    tag_ATTRIBUTE of its released labels. Shards that have not changed since the last time are not opened.

    Raises:
        InputError: when the index is of another encoder or has other columns, or cannot be written.
    """
    kind, location = index_location(place)
    spec = _spec(batch)
    try:
        kind.check_free(location)
    except InputError:
        index = open_index(place)  # raises, in its turn, for what is no index
    else:
        index = kind.create(location, spec, (_records(batch, table) for table in batch.tables()))
        _remember(batch, index, place)
        log.info("%s: %d images", index.name, len(index))
        return UpdateSummary(len(index), 0, 0, 0)
    check_identity(index.spec, batch.manifest.model.identity)
    if (index.spec.columns, index.spec.numbers) != (spec.columns, spec.numbers):
        raise InputError(f"{index.name}: has other columns than {batch.folder}; make another index")
    summary = _update(batch, index, _changed_shards(batch, index, place))
    _remember(batch, index, place)
    return summary


def _update(batch: BatchFolder, index: Index, numbers: list[int]) -> UpdateSummary:
    """Bring the rows of some shards up to date, in one change of each kind."""
    stored = index.select([])
    shard = np.array([shard_of(sku, batch.manifest.shards) for sku in stored["sku"].tolist()], np.int64)
    new, changed, removed = [], [], []
    for number in numbers:
        records, before = _records(batch, batch.table(number)), stored["id"][shard == number]
        known = np.isin(records.ids, before)
        new.append(records.take(np.flatnonzero(~known)))
        common = records.take(np.flatnonzero(known))
        changed.append(common.take(np.flatnonzero(differ(index, common))))
        removed.append(np.setdiff1d(before, records.ids))
    counts = [sum(map(len, parts)) for parts in (new, changed, removed)]
    if counts[0]:
        index.add(_concatenate(new))
    if counts[1]:
        index.update(_concatenate(changed))
    if counts[2]:
        index.delete(np.concatenate(removed))
    return UpdateSummary(*counts, 0)


def _spec(batch: BatchFolder) -> IndexSpec:
    model, columns = batch.manifest.model, batch.manifest.columns
    tags = [TAG + name for name in batch.attributes]
    if taken := set(tags) & set(columns):
        raise InputError(f"{batch.folder}: the catalog's column {min(taken)} is called as that of a tag; rename it")
    return IndexSpec(
        encoder=model.encoder, weights=model.weights, image_size=model.image_size, encoder_identity=model.identity,
        image_spec=model.image_spec, width=model.width, columns=(*columns, *tags),
        numbers=tuple(name for name, kind in columns.items() if kind != "text"),
    )  # fmt: skip


def _records(batch: BatchFolder, table: pa.Table) -> Records:
    """Return a shard as an index holds it."""
    model, kinds = batch.manifest.model, batch.manifest.columns
    references = table["reference"].to_pylist()
    columns: dict[str, NDArray[Any]] = {
        name: _texts(table[COLUMN + name]) if kind == "text" else table[COLUMN + name].to_numpy()
        for name, kind in kinds.items()
    }
    for name in batch.attributes:
        tags = table[name].to_pylist()
        labels = [LABEL_SEPARATOR.join(tag["label"]) if tag["state"] == "released" else "" for tag in tags]
        columns[TAG + name] = text_array(labels)
    paths = [path if is_address(path) else str(Path(path).absolute()) for path in references]
    return Records(
        _texts(table["image_id"]), _texts(table["sku"]),
        embedding_matrix(table).astype(np.float32), text_array(paths), columns, model.identity,
    )  # fmt: skip


def _texts(column: pa.ChunkedArray) -> NDArray[Any]:
    return text_array(column.to_pylist())


def _concatenate(parts: list[Records]) -> Records:
    first = parts[0]
    arrays = [
        np.concatenate([getattr(part, name) for part in parts]) for name in ("ids", "skus", "embeddings", "paths")
    ]
    columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in first.columns}
    return Records(*arrays, columns, first.encoder_identity)


def _changed_shards(batch: BatchFolder, index: Index, place: str | Path) -> list[int]:
    """Return the shards that are not what the index was last made of; all where somebody else has changed it."""
    path = batch.folder / _SYNCED
    synced = read_json(path) if path.is_file() else {}
    known = synced.get("shards", []) if (synced.get("place"), synced.get("state")) == _identity(index, place) else []
    digests = [entry.sha256 for entry in batch.entries()]
    return [number for number, digest in enumerate(digests) if number >= len(known) or known[number] != digest]


def _remember(batch: BatchFolder, index: Index, place: str | Path) -> None:
    where, state = _identity(index, place)
    shards = [entry.sha256 for entry in batch.entries()]
    write_json(batch.folder / _SYNCED, {"place": where, "state": state, "shards": shards})


def _identity(index: Index, place: str | Path) -> tuple[str, str]:
    return (index.name if is_address(str(place)) else str(Path(place).absolute())), index.state()
