"""Segments of a local index: embeddings and product columns, written to and read from files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fashion_keras.search.base import Records
from fashion_keras.search.manifest import SegmentEntry, StoredFile
from fashion_keras.support.atomic_files import atomic_write


@dataclass(frozen=True)
class Segment:
    """Embeddings [n, d] float32 and a table of n products: id, path and the index's columns."""

    embeddings: NDArray[np.float32]
    products: pa.Table
    digest: str = ""


def product_table(records: Records) -> pa.Table:
    """Return ids, paths and columns of products as a table with dictionary-encoded columns."""
    columns = {name: _dictionary(values.tolist()) for name, values in records.columns.items()}
    return pa.table({"id": records.ids, "path": pa.array(records.paths.tolist(), pa.string()), **columns})


def empty_table(columns: tuple[str, ...]) -> pa.Table:
    """Return the table of an index without products."""
    names = {name: _dictionary([]) for name in columns}
    return pa.table({"id": pa.array([], pa.int64()), "path": pa.array([], pa.string()), **names})


def strings(column: pa.ChunkedArray) -> NDArray[np.str_]:
    """Return a column of text as an array."""
    return np.array(column.to_pylist(), dtype=np.str_)


def write_segment(folder: Path, version: int, rows: int, blocks: Iterator[Segment]) -> SegmentEntry:
    """Write `rows` products, at least one, as one segment and return its entry for the manifest."""
    embeddings, products = (folder / f"{version:010d}.{suffix}" for suffix in ("embeddings.npy", "products.arrow"))
    first, tables = next(blocks), []
    header = {"descr": "<f4", "fortran_order": False, "shape": (rows, first.embeddings.shape[1])}
    with atomic_write(embeddings) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        # Written and not mapped: on a full disk a mapped file ends the process.
        for block in (first, *blocks):
            file.write(np.ascontiguousarray(block.embeddings, "<f4"))
            tables.append(block.products)
    table = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    with (
        atomic_write(products) as temporary,
        pa.OSFile(str(temporary), "wb") as file,
        pa.ipc.new_file(file, table.schema) as writer,
    ):
        writer.write_table(table)
    return SegmentEntry(rows, StoredFile.of(embeddings), StoredFile.of(products))


def write_deleted(folder: Path, version: int, rows: NDArray[np.int64]) -> StoredFile:
    """Write which rows are deleted and return the file's entry for the manifest."""
    path = folder / f"{version:010d}.deleted.npy"
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.save(file, rows, allow_pickle=False)
    return StoredFile.of(path)


def read_deleted(folder: Path, entry: StoredFile) -> NDArray[np.int64]:
    """Return which rows are deleted."""
    return np.load(folder / entry.name, allow_pickle=False)


def open_segment(folder: Path, entry: SegmentEntry) -> Segment:
    """Map the embeddings of a segment into memory and read its product columns."""
    embeddings = np.load(folder / entry.embeddings.name, mmap_mode="r", allow_pickle=False)
    with pa.memory_map(str(folder / entry.products.name)) as file:
        return Segment(np.asarray(embeddings), pa.ipc.open_file(file).read_all(), entry.digest)


def _dictionary(values: list[str]) -> pa.DictionaryArray:
    return pa.array(values, pa.string()).dictionary_encode()
