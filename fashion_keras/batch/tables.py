"""Tables of a batch folder, written row by row."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fashion_keras.batch.plan import planned_rejections
from fashion_keras.catalog.catalog import Rejected
from fashion_keras.features.batch_folder import BatchFolder
from fashion_keras.support.atomic_files import atomic_write


def write_rejections(batch: BatchFolder) -> int:
    """Write rejected.csv: what the catalog's reader and the shards rejected; return how many rows it has."""
    count = 0
    with csv_writer(batch.folder / "rejected.csv", ["where", "sku", "reason"]) as write:
        for row in read_rejections(batch):
            write(vars(row))
            count += 1
    return count


def read_rejections(batch: BatchFolder) -> Iterator[Rejected]:
    """Yield what the catalog's reader and the shards rejected."""
    yield from planned_rejections(batch.folder)
    for entry in batch.entries():
        yield from entry.rejected


@contextmanager
def csv_writer(path: Path, columns: Sequence[str]) -> Iterator[Callable[[Mapping[str, Any]], Any]]:
    """Yield what writes a row of a CSV file, which is there in one step when the block ends."""
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        yield writer.writerow
