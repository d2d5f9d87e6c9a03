"""Checks of a segment's files as they are opened: no table in them can crash what reads it, whoever wrote it."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fashion_keras.search.base import IndexSpec
from fashion_keras.search.manifest import SegmentEntry
from fashion_keras.support.array_files import map_array
from fashion_keras.support.errors import InputError

_TEXTS = ("id", "sku", "path")


def open_lookup(path: Path, rows: int) -> NDArray[np.uint64]:
    """Return the lookup [2, rows] of a segment, mapped into memory; InputError for one of another."""
    lookup = np.asarray(map_array(path))
    if lookup.dtype != np.uint64 or lookup.shape != (2, rows):
        raise InputError(f"{path}: {lookup.dtype} {list(lookup.shape)}; not the lookup of {rows} rows")
    if rows and lookup[1].max() >= rows:
        raise InputError(f"{path}: names row {lookup[1].max()} of {rows}")
    if (lookup[0][1:] < lookup[0][:-1]).any():
        raise InputError(f"{path}: its hashes do not ascend")
    return lookup


def open_table(path: Path, entry: SegmentEntry, columns: dict[str, bool]) -> pa.Table:
    """Return the table of a segment, mapped into memory.

    Args:
        path: of the file.
        entry: of the segment.
        columns: name in the table -> whether it holds numbers.

    Raises:
        InputError: for a file that is no whole table, or one with other columns, types or rows.
    """
    try:
        with pa.memory_map(str(path)) as file:
            table = pa.ipc.open_file(file).read_all()
        table.validate(full=True)
        names = sorted(table.column_names)
    except (pa.ArrowException, UnicodeDecodeError, MemoryError, OverflowError) as error:
        raise InputError(f"{path}: not a whole Arrow file ({' '.join(str(error).split())[:160]})") from None
    if len(table) != entry.rows or names != sorted((*_TEXTS, *columns)):
        raise InputError(f"{path}: {len(table)} rows of {', '.join(names)[:200]}; the manifest names others")
    for name in names:
        if not _is_valid(table[name], columns.get(name, False)):
            raise InputError(f"{path}: column {name} has {table[name].type} or missing values")
    return table


def table_columns(spec: IndexSpec, prefix: str) -> dict[str, bool]:
    """Return the columns of an index as its tables name them -> whether they hold numbers."""
    return {prefix + name: name in spec.numbers for name in spec.columns}


def _is_valid(column: pa.ChunkedArray, is_number: bool) -> bool:
    """Return whether a column is of the type that `write_segment` gives it, with no value missing."""
    kind = column.type
    if is_number:
        return (pa.types.is_integer(kind) or pa.types.is_floating(kind)) and not column.null_count
    if pa.types.is_dictionary(kind):
        nulls = sum(chunk.null_count + chunk.dictionary.null_count for chunk in column.chunks)
        return pa.types.is_string(kind.value_type) and not nulls
    return pa.types.is_string(kind) and not column.null_count
