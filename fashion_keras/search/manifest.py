"""Folder of a local index: its manifest (version and files), its write lock, the system's errors as one line."""

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from errno import EFBIG, EMFILE, ENFILE, ENOSPC
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_keras.search.base import IndexSpec
from fashion_keras.support.atomic_files import atomic_write, file_sha256, held_lock, parse_json, read_json, write_json
from fashion_keras.support.errors import InputError
from fashion_keras.support.json_record import dataclass_from_json
from fashion_keras.support.safe_paths import check_links

FORMAT = "fashion_keras.index/4"
MANIFEST = "manifest.json"
HNSW_FILE, HNSW_CODES, HNSW_MANIFEST = "hnsw.usearch", "hnsw.codes.npy", "hnsw.json"
_LOCK = "lock"
# With the names of formats 1 and 2, for an index that is overwritten.
_DATA = r"\d{10}\.((embeddings|vectors|deleted|lookup)\.npy|(images|products)\.arrow)|graph\.(usearch|json)"
_DATA_FILE = re.compile(_DATA)
# As `atomic_write` names what it has not finished: a token before the file's own name; formerly a process id.
_TEMPORARY = re.compile(rf"\.(tmp-[0-9a-f]+-|\d+\.)({_DATA}|manifest\.json|hnsw\.(usearch|codes\.npy|json))")
_ADVICE = {
    **dict.fromkeys((ENOSPC, EFBIG), ": make room and try again"),
    **dict.fromkeys((EMFILE, ENFILE), ": close some, or raise the limit with `ulimit -n`"),
}


@contextmanager
def explain_os_errors(folder: Path, state: str = "") -> Iterator[None]:
    """Turn an OSError into an InputError of one line: the file or folder, the system's reason, and what to do."""
    try:
        yield
    except OSError as error:
        where = folder if state else error.filename or folder
        raise InputError(f"{where}: {error.strerror or error}{state}{_ADVICE.get(error.errno, '')}") from None


@contextmanager
def write_lock(folder: Path) -> Iterator[None]:
    """Hold the exclusive write lock of a folder, OSErrors explained; the system releases it when the process dies."""
    busy = f"{folder}: another process is changing this index; try again when it is done"
    with explain_os_errors(folder), held_lock(folder / _LOCK, busy):
        yield


@dataclass(frozen=True)
class StoredFile:
    """A file of an index: its name in the folder, its size and its checksum."""

    name: str
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        if not _DATA_FILE.fullmatch(self.name) and self.name not in (HNSW_FILE, HNSW_CODES):
            raise InputError(f"{self.name!r} is no name of an index file")

    @classmethod
    def of(cls, path: Path) -> "StoredFile":
        """Return the entry of a file that was just written."""
        return cls(path.name, path.stat().st_size, file_sha256(path))

    def check(self, folder: Path, content: bool) -> None:
        """Raise InputError unless the file is there in its size and, if asked for, with its content."""
        path = folder / self.name
        check_links(folder, [self.name])
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            raise InputError(f"{path}: missing; the index names it") from None
        if size != self.bytes:
            raise InputError(f"{path}: truncated or altered: {size} bytes, not {self.bytes}")
        if content and file_sha256(path) != self.sha256:
            raise InputError(f"{path}: altered: its content does not match its sha256")


@dataclass(frozen=True)
class SegmentEntry:
    """A segment: number of images, files of the embeddings, of the table of images, and of the lookup of their ids."""

    rows: int
    embeddings: StoredFile
    table: StoredFile
    lookup: StoredFile

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """All files of the segment."""
        return self.embeddings, self.table, self.lookup


@dataclass(frozen=True)
class IndexManifest:
    """One version of a local index: how many changes were made, its images, and which of their rows are deleted.

    The id is random; all versions of an index share it.
    """

    spec: IndexSpec
    format: str = FORMAT
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    version: int = 0
    segments: tuple[SegmentEntry, ...] = ()
    deleted: StoredFile | None = None

    @property
    def files(self) -> list[StoredFile]:
        """All files of this version."""
        files = [file for segment in self.segments for file in segment.files]
        return [*files, self.deleted] if self.deleted else files

    @classmethod
    def read(cls, folder: Path) -> "IndexManifest":
        """Read an index's manifest; InputError when there is none, of another format, or with a wrong field."""
        path = folder / MANIFEST
        with explain_os_errors(folder):
            if not path.is_file():
                raise InputError(f"{folder}: no index here; `fashion-keras index --data DIR --out {folder}` makes one")
            content = path.read_bytes()
        return _parse(path, content)

    def write(self, folder: Path) -> None:
        """Write the manifest in one step: from then on this version is the index."""
        write_json(folder / MANIFEST, asdict(self))


# Every search looks whether the index has changed, and mostly it has not.
@lru_cache(maxsize=16)
def _parse(path: Path, content: bytes) -> IndexManifest:
    values = parse_json(content, path)
    if values.get("format") != FORMAT:
        raise InputError(
            f"{path}: format {values.get('format')!r}; this version reads {FORMAT!r}: "
            "build the index again with `fashion-keras index --overwrite`"
        )
    for key in ("id", "version", "segments", "deleted"):
        if key not in values:
            raise InputError(f"{path}: key {key!r} is missing")
    return dataclass_from_json(IndexManifest, values, path)


def next_version(folder: Path, overwrite: bool) -> int:
    """Return a new index's version: 0, or after that of the index it overwrites; InputError for a taken folder."""
    if overwrite and (folder / MANIFEST).is_file():
        values = read_json(folder / MANIFEST)
        if str(values.get("format")).startswith("fashion_keras.index/"):
            version = values.get("version")
            return version + 1 if type(version) is int else 0
    leftover = folder.is_dir() and all(_is_data(path) or path.name == _LOCK for path in folder.iterdir())
    if folder.exists() and not leftover:
        raise InputError(
            f"{folder}: not an empty folder; give another --out, or bring an index there up to date with --update "
            "or replace it with --overwrite"
        )
    return 0


def remove_stale(folder: Path, manifest: IndexManifest) -> None:
    """Remove index files that no version names any more, or that a killed writer left; nothing else."""
    named = {entry.name for entry in manifest.files}
    for path in folder.iterdir():
        if _is_data(path) and path.name not in named:
            try:
                path.unlink()
            except PermissionError:
                # Windows keeps a file that a reader has mapped; a later change removes it.
                if os.name != "nt":
                    raise


def _is_data(path: Path) -> bool:
    return bool(_DATA_FILE.fullmatch(path.name) or _TEMPORARY.fullmatch(path.name))


def write_deleted(folder: Path, version: int, rows: NDArray[np.int64]) -> StoredFile:
    """Write which rows are deleted and return the file's entry for the manifest."""
    path = folder / f"{version:010d}.deleted.npy"
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.save(file, rows, allow_pickle=False)
    return StoredFile.of(path)
