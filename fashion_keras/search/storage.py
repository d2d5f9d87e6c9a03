"""The files of a local index: segments of vectors and product columns, and one version of all of them as a view."""

import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fashion_keras.search.base import Records, Where, check_where
from fashion_keras.support.atomic_files import atomic_write, file_sha256
from fashion_keras.support.errors import InputError

# Above so many bytes the checksums are compared when the index is written, not whenever it is opened.
CHECKED = 256 * 2**20
# Below this share of matching products their vectors are picked out; above it all are multiplied.
_FEW = 0.25
_BLOCK = 8192
# How many scores are held at once.
_SCORES = 2**24


@dataclass(frozen=True)
class Segment:
    """Vectors [n, d] float32, a table of n products (id, path and the index's columns), the checksum of their files."""

    vectors: NDArray[np.float32]
    products: pa.Table
    digest: str = ""


@dataclass(frozen=True)
class IndexSnapshot:
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
    def open(cls, folder: Path, manifest: Mapping[str, Any], held: "IndexSnapshot | None" = None) -> "IndexSnapshot":
        """Open the files that a manifest names, but for those that `held`, an earlier version, has open already.

        Raises:
            InputError: for the first file that is missing, truncated or altered.
        """
        entries = [*manifest["segments"], *([manifest["deleted"]] if manifest["deleted"] else [])]
        small = sum(size for entry in entries for size in entry["bytes"].values()) <= CHECKED
        known = {segment.digest: segment for segment in (held.segments if held else ())}
        for entry in entries:
            compared = small and _digest(entry) not in known
            for suffix, size in entry["bytes"].items():
                _check(folder / f"{entry['name']}.{suffix}", size, entry["sha256"][suffix] if compared else None)
        segments = tuple(known.get(_digest(entry)) or _open_segment(folder, entry) for entry in manifest["segments"])
        alive = np.ones(sum(entry["rows"] for entry in manifest["segments"]), bool)
        if manifest["deleted"]:
            alive[np.load(folder / f"{manifest['deleted']['name']}.deleted.npy", allow_pickle=False)] = False
        return cls(manifest, segments, alive)

    def __len__(self) -> int:
        return self._size

    @cached_property
    def _size(self) -> int:
        return int(np.count_nonzero(self.alive))

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """The ids [n] of all rows, dead ones included."""
        return self._products["id"].to_numpy() if self.segments else np.empty(0, np.int64)

    @cached_property
    def _products(self) -> pa.Table:
        return pa.concat_tables([segment.products for segment in self.segments]).unify_dictionaries()

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        """The rows that are alive, by ascending id."""
        alive = np.flatnonzero(self.alive)
        return alive[np.argsort(self.ids[alive], kind="stable")]

    @cached_property
    def _sorted(self) -> NDArray[np.int64]:
        return self.ids[self._order]

    def holds(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for each of `ids` whether a product has it."""
        places = np.searchsorted(self._sorted, ids)
        inside = places < len(self)
        inside[inside] = self._sorted[places[inside]] == ids[inside]
        return inside

    def positions(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of products; InputError for the first id that is not there."""
        held = self.holds(ids)
        if not held.all():
            raise InputError(f"id {ids[~held][0]} is not in the index")
        return self._order[np.searchsorted(self._sorted, ids)]

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
        """Return the rows that are alive and match; InputError for a column or value that no product has."""
        kept = self.alive
        if where:
            values = {name: known for name, (_, known) in self._columns.items()}
            for name, choices in check_where(where, values).items():
                codes = self._columns[name][0]
                kept = kept & reduce(operator.or_, (codes == values[name][choice] for choice in choices))
        return np.flatnonzero(kept)

    @cached_property
    def _columns(self) -> dict[str, tuple[NDArray[np.int32], dict[str, int]]]:
        """Of each column the codes [n] of all rows, and the codes of those values that products have."""
        return {name: self._coded(name) for name in self.manifest["spec"]["columns"]}

    def _coded(self, name: str) -> tuple[NDArray[np.int32], dict[str, int]]:
        column = self._products[name].combine_chunks()
        codes, values = column.indices.to_numpy(), column.dictionary.to_pylist()
        held = np.bincount(codes[self.alive], minlength=len(values)) > 0
        return codes, {value: code for code, value in enumerate(values) if held[code]}

    def scores(
        self, vectors: NDArray[np.float32], rows: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Yield (rows, their cosines) for each of `vectors` [q, d]; `rows` in ascending order."""
        few = len(rows) < _FEW * len(self.alive)
        compared = self._picked(rows) if few else [segment.vectors for segment in self.segments]
        step = max(1, _SCORES // max(len(self.alive), 1))
        for start in range(0, len(vectors), step):
            part = vectors[start : start + step]
            found = np.concatenate([part @ values.T for values in compared], axis=1)
            found = found if few or len(rows) == len(self.alive) else found[:, rows]
            yield from ((rows, one) for one in found)

    def _picked(self, rows: NDArray[np.int64]) -> list[NDArray[np.float32]]:
        """Return the vectors of `rows`, in ascending order, segment by segment."""
        starts = np.cumsum([0, *(len(segment.vectors) for segment in self.segments)])
        cuts = np.searchsorted(rows, starts)
        parts = zip(self.segments, starts, cuts, cuts[1:], strict=False)
        return [segment.vectors[rows[first:last] - start] for segment, start, first, last in parts]

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
    first, tables = next(blocks), []
    header = {"descr": "<f4", "fortran_order": False, "shape": (rows, first.vectors.shape[1])}
    with atomic_write(vectors) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        # Written and not mapped: on a full disk a mapped file ends the process.
        for block in (first, *blocks):
            file.write(np.ascontiguousarray(block.vectors, "<f4"))
            tables.append(block.products)
    table = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    with (
        atomic_write(products) as temporary,
        pa.OSFile(str(temporary), "wb") as file,
        pa.ipc.new_file(file, table.schema) as writer,
    ):
        writer.write_table(table)
    return {"name": name, "rows": rows, **_described({"vectors.npy": vectors, "products.arrow": products})}


def write_deleted(folder: Path, name: str, rows: NDArray[np.int64]) -> dict[str, Any]:
    """Write which rows are dead and return their entry for the manifest."""
    path = folder / f"{name}.deleted.npy"
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.save(file, rows, allow_pickle=False)
    return {"name": name, **_described({"deleted.npy": path})}


def _described(paths: Mapping[str, Path]) -> dict[str, Any]:
    return {
        "bytes": {suffix: path.stat().st_size for suffix, path in paths.items()},
        "sha256": {suffix: file_sha256(path) for suffix, path in paths.items()},
    }


def _check(path: Path, size: int, expected: str | None) -> None:
    if not path.is_file():
        raise InputError(f"{path}: missing; the index names it")
    if path.stat().st_size != size:
        raise InputError(f"{path}: truncated or altered: {path.stat().st_size} bytes, not {size}")
    if expected and file_sha256(path) != expected:
        raise InputError(f"{path}: altered: its content does not match its sha256")


def _digest(entry: Mapping[str, Any]) -> str:
    return "".join(entry["sha256"].values())


def _open_segment(folder: Path, entry: Mapping[str, Any]) -> Segment:
    vectors = np.load(folder / f"{entry['name']}.vectors.npy", mmap_mode="r", allow_pickle=False)
    with pa.memory_map(str(folder / f"{entry['name']}.products.arrow")) as file:
        return Segment(np.asarray(vectors), pa.ipc.open_file(file).read_all(), _digest(entry))


def _strings(column: pa.ChunkedArray) -> NDArray[np.str_]:
    return np.array(column.to_pylist(), dtype=np.str_)
