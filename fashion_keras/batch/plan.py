"""Batch plan: which images belong to which shard, on disk, however many they are.

plan/NNNNN.jsonl has a line per image of shard NNNNN, in any order: SKU, image id (of a stream: relative path),
reference, state, and the catalog's columns. plan/rejected.jsonl has what was rejected.
plan/plan.json, written last, means that it is complete.
"""

import hashlib
import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.catalog.catalog import Catalog, Rejected
from fashion_keras.catalog.column_types import as_text
from fashion_keras.catalog.sources.assemble import image_ids
from fashion_keras.features.batch_folder import BatchFolder
from fashion_keras.images.decode import parallel_map
from fashion_keras.images.references import reference_state
from fashion_keras.support.atomic_files import read_json, write_json
from fashion_keras.support.errors import InputError
from fashion_keras.support.json_record import dataclass_from_json
from fashion_keras.support.progress import ProgressBar

SHARD_ROWS = 4096
_FOLDER, _UNFINISHED, _MANIFEST, _REJECTED = "plan", ".plan.part", "plan.json", "rejected.jsonl"
_MISSING = "missing"
PLANS = (_FOLDER, _UNFINISHED)
_KINDS = (_MISSING, "int", "float", "text")


@dataclass(frozen=True)
class PlannedImage:
    """An image to process: its product, its id, where it lies, what changes when it does, and the columns' cells."""

    sku: str
    image_id: str
    reference: str
    state: str
    columns: dict[str, Any]


@dataclass(frozen=True)
class ShardPlan:
    """The images of a shard by SKU and id, and a digest of them all."""

    images: tuple[PlannedImage, ...]
    rejected: tuple[Rejected, ...]
    digest: str


@dataclass(frozen=True)
class Plan:
    """A complete plan: rows and rejected rows that were read, number of shards, columns, whether ids are final."""

    rows: int
    rejected: int
    shards: int
    columns: dict[str, str]
    has_final_ids: bool


@dataclass
class _Writer:
    """Rows on their way into the files of a plan."""

    folder: Path
    shards: int
    rows: int = 0
    rejected: int = 0
    kinds: dict[str, str] = field(default_factory=dict)

    def add(self, catalog: Catalog) -> None:
        """Append the images of a catalog to the files of their shards, and its rejected rows."""
        lines: dict[int, list[str]] = defaultdict(list)
        states = parallel_map(reference_state, catalog.paths.tolist())
        own = {name: _cells(values) for name, values in catalog.columns.items()}
        for row, (sku, image_id, path) in enumerate(
            zip(catalog.skus.tolist(), catalog.image_ids.tolist(), catalog.paths.tolist(), strict=True)
        ):
            cells = {name: values[row] for name, values in own.items()}
            text = json.dumps([sku, image_id, path, states[row], cells])
            lines[shard_of(sku, self.shards)].append(text + "\n")
        for number, texts in lines.items():
            _append(self.folder / f"{number:05d}.jsonl", texts)
        _append(self.folder / _REJECTED, [json.dumps(asdict(row)) + "\n" for row in catalog.rejected])
        for name, values in catalog.columns.items():
            self._note_kind(name, values)
        self.rows += len(catalog)
        self.rejected += len(catalog.rejected)

    def _note_kind(self, name: str, values: np.ndarray) -> None:
        kind = {"i": "int", "f": "float"}.get(values.dtype.kind, "text")
        if kind == "text" and not any(values.tolist()):
            kind = _MISSING
        self.kinds[name] = max(self.kinds.get(name, kind), kind, key=_KINDS.index)

    @property
    def columns(self) -> dict[str, str]:
        """Column -> kind; one without a value in any part is text."""
        return {name: "text" if kind == _MISSING else kind for name, kind in self.kinds.items()}


def shard_of(sku: str, shards: int) -> int:
    """Return the shard of a product, which depends on its SKU and their number alone."""
    digest = hashlib.blake2b(sku.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) % shards


def make_plan(folder: Path, catalogs: Iterable[Catalog], shards: int, has_final_ids: bool) -> Plan:
    """Write the plan of a batch folder from the parts of a catalog, in one step, and return it.

    InputError when no part has an image.
    """
    unfinished = folder / _UNFINISHED
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    writer = _Writer(unfinished, shards)
    with ProgressBar("reading the catalog", None, "images") as bar:
        for catalog in catalogs:
            writer.add(catalog)
            bar.advance(len(catalog))
    if not writer.rows:
        raise InputError(f"none of {writer.rejected} rows and files is a product with an image")
    plan = Plan(writer.rows, writer.rejected, shards, writer.columns, has_final_ids)
    write_json(unfinished / _MANIFEST, asdict(plan))
    shutil.rmtree(folder / _FOLDER, ignore_errors=True)
    unfinished.rename(folder / _FOLDER)
    return plan


def read_plan(folder: Path) -> Plan | None:
    """Return the complete plan in a batch folder; None where there is none."""
    path = folder / _FOLDER / _MANIFEST
    return dataclass_from_json(Plan, read_json(path), path) if path.is_file() else None


def remove_plan(folder: Path) -> None:
    """Remove the plan of a run that has ended."""
    shutil.rmtree(folder / _FOLDER, ignore_errors=True)


def read_shard_plan(folder: Path, number: int, plan: Plan) -> ShardPlan:
    """Return the images of a shard; an image that its product has already is rejected."""
    path = folder / _FOLDER / f"{number:05d}.jsonl"
    lines = sorted(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else []
    settings = json.dumps([plan.columns, plan.has_final_ids])
    digest = hashlib.sha256("\n".join([settings, *lines]).encode("utf-8", "surrogatepass")).hexdigest()
    images, rejected = [], []
    for sku, rows in groupby(map(json.loads, lines), key=lambda row: row[0]):
        product, others = _product(sku, list(rows), plan.has_final_ids)
        images += product
        rejected += others
    images.sort(key=lambda image: (image.sku, image.image_id))
    return ShardPlan(tuple(images), tuple(rejected), digest[:16])


def read_rejections(batch: BatchFolder) -> Iterator[Rejected]:
    """Yield what was rejected when the catalog was read, then what the finished shards of a batch folder rejected."""
    yield from planned_rejections(batch.folder)
    for entry in batch.entries():
        yield from entry.rejected


def planned_rejections(folder: Path) -> Iterator[Rejected]:
    """Yield the rows and files that were rejected when the catalog was read."""
    with (folder / _FOLDER / _REJECTED).open(encoding="utf-8") as lines:
        for line in lines:
            yield Rejected(**json.loads(line))


def _product(sku: str, rows: Sequence[list[Any]], has_final_ids: bool) -> tuple[list[PlannedImage], list[Rejected]]:
    """Return the images of a product with their ids, and those that it has twice."""
    first: dict[str, list[Any]] = {}
    rejected = []
    for row in rows:
        if first.setdefault(row[2], row) is not row:
            rejected.append(Rejected(row[2], sku, "the same SKU and image as in another row"))
    names = [row[1] for row in first.values()]
    ids = names if has_final_ids else image_ids([sku] * len(names), names)
    rows = zip(ids, first.values(), strict=True)
    return [PlannedImage(sku, image_id, *row[2:]) for image_id, row in rows], rejected


def _cells(values: np.ndarray) -> list[Any]:
    """Return the cells of a column as JSON holds them; None for NaN."""
    if values.dtype.kind == "f":
        return [None if value != value else value for value in values.tolist()]
    return values.tolist() if values.dtype.kind in "iu" else as_text(values).tolist()


def _append(path: Path, texts: Sequence[str]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(texts)
