"""The files of a local index: segments of vectors and product columns, and one version of all of them as a view."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fashion_keras.search.records import Records, Where, check_where
from fashion_keras.support.errors import InputError
from fashion_keras.support.files import replacing, sha256

# Above so many bytes the checksums are compared when the index is written, not whenever it is opened.
_CHECKED = 256 * 2**20
# Below this share of matching products their vectors are picked out; above it all are multiplied.
_FEW = 0.25
_BLOCK = 8192
# How many scores are held at once.
_SCORES = 2**24


@dataclass(frozen=True)
class Segment:
    """Vectors [n, d] float32, and a table of n products: id, path and the index's columns."""

    vectors: NDArray[np.float32]
    products: pa.Table


@dataclass(frozen=True)
class View:
    """One version of an index, as its manifest says, with its files open; it never changes.

    Attributes:
        manifest: what manifest.json said.
        segments: the open files.
        alive [n] bool: which rows were neither replaced nor removed.
    """

    manifest: Mapping[str, Any]
    segments: tuple[Segment, ...]
    alive: NDArray[np.bool_]

    @classmethod
    def open(cls, folder: Path, manifest: Mapping[str, Any]) -> "View":
        """Open the files that a manifest names; InputError for the first that is missing, truncated or altered."""
        entries = [*manifest["segments"], *([manifest["deleted"]] if manifest["deleted"] else [])]
        small = sum(size for entry in entries for size in entry["bytes"].values()) <= _CHECKED
        for entry in entries:
            for suffix, size in entry["bytes"].items():
                _check(folder / f"{entry['name']}.{suffix}", size, entry["sha256"][suffix] if small else None)
        segments = tuple(_open_segment(folder, entry["name"]) for entry in manifest["segments"])
        alive = np.ones(sum(entry["rows"] for entry in manifest["segments"]), bool)
        if manifest["deleted"]:
            alive[np.load(folder / f"{manifest['deleted']['name']}.deleted.npy", allow_pickle=False)] = False
        return cls(manifest, segments, alive)

    def __len__(self) -> int:
        return int(self.alive.sum())

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """The ids [n] of all rows, dead ones included."""
        return self._products["id"].to_numpy() if self.segments else np.empty(0, np.int64)

    @cached_property
    def _products(self) -> pa.Table:
        return pa.concat_tables([segment.products for segment in self.segments]).unify_dictionaries()

    def positions(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of products; InputError for the first id that is not there."""
        alive = np.flatnonzero(self.alive)
        order = alive[np.argsort(self.ids[alive], kind="stable")]
        places = np.searchsorted(self.ids[order], ids)
        found = np.zeros(len(ids), bool)
        inside = places < len(order)
        found[inside] = self.ids[order[places[inside]]] == ids[inside]
        if not found.all():
            raise InputError(f"id {ids[~found][0]} is not in the index")
        return order[places]

    def take(self, rows: NDArray[np.int64]) -> Records:
        """Return the products of `rows`, in that order."""
        table = self._products.take(pa.array(rows))
        columns = {name: _strings(table[name]) for name in table.column_names if name not in ("id", "path")}
        return Records(self.ids[rows], self.vectors(rows), _strings(table["path"]), columns)

    def blocks(self) -> Iterator[Segment]:
        """Yield what is alive, block by block."""
        rows = np.flatnonzero(self.alive)
        for start in range(0, len(rows), _BLOCK):
            part = rows[start : start + _BLOCK]
            yield Segment(self.vectors(part), self._products.take(pa.array(part)))

    def matching(self, where: Where | None) -> NDArray[np.int64]:
        """Return the rows that are alive and match; InputError for an unknown column or value."""
        values = {
            name: self._values(name) if name in (where or {}) else () for name in self.manifest["spec"]["columns"]
        }
        kept = self.alive
        for name, choices in check_where(where, values).items():
            codes = self._products[name].combine_chunks().indices.to_numpy(zero_copy_only=False)
            kept = kept & np.isin(codes, [values[name].index(choice) for choice in choices])
        return np.flatnonzero(kept)

    def scores(
        self, vectors: NDArray[np.float32], rows: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Yield (rows, their cosines) for each of `vectors` [q, d]."""
        few = len(rows) < _FEW * len(self.alive)
        picked = self.vectors(rows) if few else None
        step = max(1, _SCORES // max(len(self.alive), 1))
        for start in range(0, len(vectors), step):
            part = vectors[start : start + step]
            if few:
                found = part @ picked.T
            else:
                found = np.concatenate([part @ segment.vectors.T for segment in self.segments], axis=1)
                found = found if len(rows) == len(self.alive) else found[:, rows]
            yield from ((rows, one) for one in found)

    def _values(self, name: str) -> list[str]:
        return self._products[name].combine_chunks().dictionary.to_pylist() if self.segments else []

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors [m, d] of `rows`."""
        ends = np.cumsum([len(segment.vectors) for segment in self.segments])
        number = np.searchsorted(ends, rows, side="right")
        values = np.empty((len(rows), self.manifest["spec"]["width"]), np.float32)
        for one in np.unique(number):
            mine = number == one
            values[mine] = self.segments[one].vectors[rows[mine] - ([0, *ends][one])]
        return values


def write_segment(folder: Path, name: str, rows: int, blocks: Iterator[Segment]) -> dict[str, Any]:
    """Write `rows` products as one segment and return its entry for the manifest."""
    vectors, products = folder / f"{name}.vectors.npy", folder / f"{name}.products.arrow"
    first = next(blocks)
    with replacing(vectors) as mapped, replacing(products) as temporary:
        shape = (rows, first.vectors.shape[1])
        values = np.lib.format.open_memmap(mapped, "w+", np.float32, shape)
        tables, start = [], 0
        for block in (first, *blocks):
            values[start : start + len(block.vectors)] = block.vectors
            start += len(block.vectors)
            tables.append(block.products)
        values.flush()
        table = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
        with pa.OSFile(str(temporary), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    return {"name": name, "rows": rows, **_described({"vectors.npy": vectors, "products.arrow": products})}


def write_deleted(folder: Path, name: str, rows: NDArray[np.int64]) -> dict[str, Any]:
    """Write which rows are dead and return their entry for the manifest."""
    path = folder / f"{name}.deleted.npy"
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, rows, allow_pickle=False)
    return {"name": name, **_described({"deleted.npy": path})}


def _described(paths: Mapping[str, Path]) -> dict[str, Any]:
    return {
        "bytes": {suffix: path.stat().st_size for suffix, path in paths.items()},
        "sha256": {suffix: sha256(path) for suffix, path in paths.items()},
    }


def _check(path: Path, size: int, expected: str | None) -> None:
    if not path.is_file():
        raise InputError(f"{path}: missing; the index names it")
    if path.stat().st_size != size:
        raise InputError(f"{path}: truncated or altered: {path.stat().st_size} bytes, not {size}")
    if expected and sha256(path) != expected:
        raise InputError(f"{path}: altered: its content does not match its sha256")


def _open_segment(folder: Path, name: str) -> Segment:
    vectors = np.load(folder / f"{name}.vectors.npy", mmap_mode="r", allow_pickle=False)
    with pa.memory_map(str(folder / f"{name}.products.arrow")) as file:
        return Segment(vectors, pa.ipc.open_file(file).read_all())


def _strings(column: pa.ChunkedArray) -> NDArray[np.str_]:
    return np.array(column.to_pylist(), dtype=np.str_)
