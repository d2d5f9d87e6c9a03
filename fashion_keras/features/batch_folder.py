"""Batch folder: embeddings, and perhaps tags, of a catalog's images in Parquet shards, with a manifest.

A shard holds all images of its products: its number is a hash of the SKU. Its file and its entry, written after it,
are each complete or absent; a shard whose entry is not there, or of another plan or model, is made again.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Rejected
from fashion_keras.images.spec import ImageSpec
from fashion_keras.support.atomic_files import file_sha256, read_json, write_json
from fashion_keras.support.errors import InputError, reraise_shortage
from fashion_keras.support.json_record import JsonRecord, dataclass_from_json
from fashion_keras.support.safe_paths import check_links

if TYPE_CHECKING:
    import pyarrow as pa

COLUMN = "column_"  # before the names of the catalog's own columns
_SHARDS = "shards"
_DIGEST = re.compile(r"[0-9a-f]{1,64}")


@dataclass(frozen=True)
class BatchModel:
    """What makes the embeddings and tags of a batch folder; equal models make equal ones.

    Attributes:
        encoder, weights, image_size: as `load_encoder` takes them.
        identity, fingerprint, image_spec, width: of the encoder; of its embeddings.
        tagger, tagger_sha256, target_precision: folder of the tagger, and of its content; None without one.
        thresholds: attribute, "product type" included -> label -> lowest probability at which it is released; None:
            never.
        version: of decoding and shards.
    """

    encoder: str
    weights: str
    image_size: str | None
    identity: str
    fingerprint: str
    image_spec: ImageSpec
    width: int
    tagger: str | None
    tagger_sha256: str | None
    target_precision: float | None
    thresholds: dict[str, dict[str, Any]]
    version: str

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that differ where the output could."""
        values = {**asdict(self), "tagger": None}
        return hashlib.sha256(repr(values).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class ShardEntry:
    """A finished shard: digests of its plan and model, its file, counts, and the rejected images.

    Attributes:
        encoded, reused: rows whose image was encoded in the last run, or not opened as it had not changed.
    """

    plan: str
    model: str
    sha256: str
    bytes: int
    rows: int
    products: int
    encoded: int
    reused: int
    rejected: tuple[Rejected, ...] = ()

    def __post_init__(self) -> None:
        if not _DIGEST.fullmatch(self.plan):  # a part of its file's name
            raise InputError(f"plan {self.plan[:100]!r} is no digest")


@dataclass(frozen=True, kw_only=True)
class BatchManifest(JsonRecord):
    """What manifest.json holds.

    Attributes:
        source: name of the catalog.
        shards: number of shards, the same as long as the folder exists.
        columns: of the catalog -> "int", "float" or "text".
        is_complete: whether every shard is of the last plan.
    """

    FORMAT: ClassVar[str] = "fashion_keras.batch/1"
    FILE: ClassVar[str] = "manifest.json"

    source: str
    model: BatchModel
    shards: int
    columns: dict[str, str]
    is_complete: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object, with the keys that are null."""
        return {"format": self.FORMAT, **asdict(self)}


@dataclass(frozen=True)
class BatchFolder:
    """A batch folder and its manifest."""

    folder: Path
    manifest: BatchManifest

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Open a folder; InputError when there is none, of another format, or a run in it has not ended."""
        if not is_batch_folder(folder):
            raise InputError(f"{folder}: no batch folder ({BatchManifest.FILE} and {_SHARDS}/ are needed)")
        opened = cls(Path(folder), BatchManifest.read(folder))
        if not opened.manifest.is_complete:
            raise InputError(f"{folder}: its run has not ended; start it again with the same --out")
        return opened

    @property
    def attributes(self) -> dict[str, tuple[str, ...]]:
        """Attribute of the tags -> its labels; {} without a tagger."""
        thresholds = self.manifest.model.thresholds
        return {name: tuple(labels) for name, labels in thresholds.items() if name != "product type"}

    def shard(self, number: int, plan: str) -> Path:
        """Return the Parquet file of a shard for the digest of its plan; the file of an earlier plan has another."""
        return self.folder / _SHARDS / f"{number:05d}-{plan}.parquet"

    def entry(self, number: int) -> ShardEntry | None:
        """Return the entry of a shard; None where there is none, InputError for a damaged one."""
        path = self._entry(number)
        return dataclass_from_json(ShardEntry, read_json(path), path) if path.is_file() else None

    def write_entry(self, number: int, entry: ShardEntry) -> None:
        """Write the entry of a shard, which thereby is finished, and remove files of earlier plans and killed runs."""
        write_json(self._entry(number), asdict(entry))
        for pattern in (f"{number:05d}-*.parquet", f".tmp-*-{number:05d}[.-]*"):
            for path in (self.folder / _SHARDS).glob(pattern):
                if path != self.shard(number, entry.plan):
                    path.unlink()

    def _entry(self, number: int) -> Path:
        return self.folder / _SHARDS / f"{number:05d}.json"

    def entries(self) -> Iterator[ShardEntry]:
        """Yield the entries of all shards; InputError for one that is missing."""
        for number in range(self.manifest.shards):
            entry = self.entry(number)
            if entry is None:
                raise InputError(f"{self._entry(number)}: missing; start the run again with the same --out")
            yield entry

    def tables(self, columns: Sequence[str] | None = None) -> Iterator["pa.Table"]:
        """Yield each shard as a table, or some columns of it; InputError for a missing or altered file."""
        for number in range(self.manifest.shards):
            yield self.table(number, columns)

    def table(self, number: int, columns: Sequence[str] | None = None) -> "pa.Table":
        """Return a shard as a table; as `tables`."""
        import pyarrow as pa  # noqa: PLC0415 - help must not wait for it
        import pyarrow.parquet as pq  # noqa: PLC0415

        entry = self.entry(number)
        if entry is None:
            raise InputError(f"{self._entry(number)}: missing; start the run again with the same --out")
        path = self.shard(number, entry.plan)
        check_links(self.folder, [path.relative_to(self.folder)])
        if not path.is_file() or path.stat().st_size != entry.bytes or file_sha256(path) != entry.sha256:
            raise InputError(f"{path}: missing or altered; delete {self._entry(number)} and start the run again")
        try:
            if (rows := pq.read_metadata(path).num_rows) != entry.rows:
                raise InputError(f"{path}: {rows} rows, but its entry names {entry.rows}")
            table = pq.read_table(path, columns=columns and list(columns), partitioning=None)
            table.validate(full=True)  # texts that are no Unicode, codes beyond a dictionary
            return table
        except (OSError, UnicodeDecodeError, OverflowError, MemoryError, pa.ArrowException) as error:
            reraise_shortage(error)
            raise InputError(f"{path}: cannot be read ({' '.join(str(error).split())[:200]})") from None

    def complete(self, is_complete: bool) -> "BatchFolder":
        """Write, and return, the folder with its manifest marked."""
        manifest = replace(self.manifest, is_complete=is_complete)
        manifest.write(self.folder)
        return BatchFolder(self.folder, manifest)


def embedding_matrix(table: "pa.Table") -> NDArray[np.floating]:
    """Return the embeddings [n, d] of a shard."""
    array = table["embedding"].combine_chunks()
    return array.flatten().to_numpy(zero_copy_only=False).reshape(len(array), array.type.list_size)


def is_batch_folder(folder: str | Path) -> bool:
    """Return whether a folder looks like a batch folder."""
    return (Path(folder) / BatchManifest.FILE).is_file() and (Path(folder) / _SHARDS).is_dir()
