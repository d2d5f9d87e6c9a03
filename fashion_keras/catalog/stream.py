"""Catalog streams: a large source as catalogs of some thousand images, one after the other, in constant memory.

Parquet files by row groups, CSV files by parts, tar files by samples, lists by lines; in a folder, or at an address
that fsspec reads. The image ids of a part are relative paths: only all images of a product show what its ids are.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from fashion_keras.catalog.catalog import Catalog, Rejected
from fashion_keras.catalog.sources.assemble import make_catalog
from fashion_keras.catalog.sources.csv_reader import read_text_parts
from fashion_keras.catalog.sources.embedded_images import store_image
from fashion_keras.catalog.sources.image_files import is_image, is_junk
from fashion_keras.catalog.sources.row_images import RowImages, find_row_images, names_images
from fashion_keras.catalog.sources.shards import (
    add_member,
    class_names,
    decode_classes,
    find_shards,
    is_tar,
    new_sample,
    open_tar,
    part_of,
    sample_key,
    table_of_samples,
)
from fashion_keras.catalog.sources.streamed_files import AddressFiles, StreamedFiles
from fashion_keras.catalog.sources.table import Table
from fashion_keras.catalog.sources.table_readers import explained_parquet, is_table, table_of_frame, table_of_text
from fashion_keras.support.errors import InputError
from fashion_keras.support.file_systems import is_address, open_file_system

_ROWS = 8192  # of a part
_PARQUET, _TEXT, LISTS = (".parquet",), (".csv", ".tsv", ".tab"), (".txt", ".lst", ".list")
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ")  # by gzip, bzip2, xz, whatever the file's name is


@dataclass(frozen=True)
class _File:
    """A file of a source: its path or address, and what opens it."""

    name: str
    open: Callable[[], BinaryIO]

    @property
    def path(self) -> Path:
        return Path(self.name)


@dataclass(frozen=True)
class StreamOptions:
    """How a source is read, as `read_catalog` takes it: folder of images, name -> header, delimiter, outer paths."""

    images: Path | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    delimiter: str | None = None
    allow_outside: bool = False


def member_reference(archive: str, offset: int, size: int) -> str:
    """Return where a member of an uncompressed tar file lies: FILE.tar#OFFSET+SIZE."""
    return f"{archive}#{offset}+{size}"


def stream_catalog(source: str, options: StreamOptions) -> Iterator[Catalog] | None:
    """Return the parts of a source that can be read a part at a time; None for one that has to be read as a whole.

    InputError as `read_catalog`, also while the parts are read.
    """
    if is_address(source) and not source.startswith("tfds:"):
        system, path = open_file_system(source)
        root, files = _files_at(source, system, path)
        images: Any = AddressFiles(str(options.images or root), options.allow_outside)
        if not files:
            return _catalogs(root, _path_lists(_walk(system, path, root)), images)
    else:
        root, files = _local_files(Path(source))
        images = StreamedFiles(options.images or Path(root), options.allow_outside)
    return _stream_files(root, files, images, options) if files else None


def _stream_files(root: str, files: Sequence[_File], images: Any, options: StreamOptions) -> Iterator[Catalog] | None:  # noqa: ANN401
    suffix = files[0].path.suffix.lower()
    if is_tar(files[0].path):
        return _catalogs(root, _samples(files, options), images)
    if suffix in LISTS:
        return _catalogs(root, _path_lists(_lines(files[0])), images)
    tables = _parquet_tables(files, options) if suffix in _PARQUET else _text_tables(files, options)
    first = next(tables, None)
    if first is None or not names_images(first, images.reads_addresses):
        return None
    parts = ((table, find_row_images(table, images, is_whole=False)) for table in chain([first], tables))
    return _catalogs(root, parts, images)


def _local_files(source: Path) -> tuple[str, list[_File]]:
    """Return the folder of a source, and its files where all are read alike; [] for another source."""
    if source.is_file():
        root, paths = source.parent, [source]
    elif source.is_dir() and not (source / "styles.csv").is_file():
        entries = sorted(entry for entry in source.iterdir() if not is_junk(entry.name))
        tables = [entry for entry in entries if is_table(entry)]
        root, paths = source, find_shards(source, tables) or tables or [entry for entry in entries if is_tar(entry)]
    else:
        return str(source), []
    kinds = {"tar" if is_tar(path) else path.suffix.lower() for path in paths}
    is_list = kinds <= set(LISTS) and not any(is_table(path) for path in paths)
    one_kind = kinds in ({"tar"}, {".parquet"}) or (len(paths) == 1 and (is_list or kinds <= set(_TEXT)))
    return str(root), [_File(str(path), partial(path.open, "rb")) for path in paths] if one_kind else []


def _files_at(source: str, system: Any, path: str) -> tuple[str, list[_File]]:  # noqa: ANN401
    """Return the address of a source's folder, and its tables, tar files or list; [] for a folder of images."""
    try:
        is_folder = system.isdir(path)
        names = sorted(system.ls(path, detail=False)) if is_folder else [path]
        if not is_folder and not system.exists(path):
            raise InputError(f"{source}: no such folder or file")
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({' '.join(str(error).split())[:200]})") from None
    root = source.rstrip("/") if is_folder else source.rpartition("/")[0]
    for fits in (lambda name: name.suffix.lower() in _PARQUET, is_tar, lambda name: name.suffix.lower() in _TEXT):
        if chosen := [name for name in names if fits(Path(name))]:
            return root, [_File(f"{root}/{Path(name).name}", partial(system.open, name, "rb")) for name in chosen]
    if is_folder:
        return root, []
    if Path(path).suffix.lower() not in LISTS:
        raise InputError(f"{source}: neither Parquet, CSV, tar nor a list of paths (.txt)")
    return root, [_File(source, partial(system.open, path, "rb"))]


def _walk(system: Any, path: str, root: str) -> Iterator[tuple[str, str, str]]:  # noqa: ANN401
    """Yield the images below an address, folder by folder: address, relative path, and where it is named."""
    for folder, _, names in system.walk(path):
        below = folder.removeprefix(path.rstrip("/")).strip("/")
        for name in sorted(name for name in names if is_image(name) and not is_junk(name)):
            relative = f"{below}/{name}" if below else name
            yield f"{root}/{relative}", relative, relative


def _lines(file: _File) -> Iterator[tuple[str, str, str]]:
    """Yield the paths of a list: path, its name, which is the same, and the line."""
    with _explained(file), file.open() as lines:
        for number, line in enumerate(lines, 1):
            text = line.decode("utf-8", "replace").removeprefix("\ufeff").strip()
            if text:
                yield text, text, f"{file.path.name} line {number}"


def _path_lists(entries: Iterable[tuple[str, str, str]]) -> Iterator[tuple[Table, RowImages]]:
    """Yield tables without columns: the images of a list, some thousand at a time."""
    for part in _parts(entries):
        table, images = Table({}, "list", range(1, len(part) + 1), "line"), RowImages()
        for row, (reference, name, where) in enumerate(part):
            if is_address(reference) or os.path.isfile(reference):  # noqa: PTH113 - no error for a long name
                images.add(row, reference, name)
            else:
                images.rejected.append(Rejected(where, "", f"no file {reference[:300]}"))
        yield table, images


def _text_tables(files: Sequence[_File], options: StreamOptions) -> Iterator[Table]:
    for file in files:
        with _explained(file), file.open() as opened:
            for part in read_text_parts(opened, file.name, options.delimiter):
                yield table_of_text(file.path.name, part, options.mapping)


def _parquet_tables(files: Sequence[_File], options: StreamOptions) -> Iterator[Table]:
    import pyarrow.parquet as pq  # noqa: PLC0415

    for file in files:
        first = 0
        with (
            explained_parquet(file.name),
            _explained(file),
            file.open() as opened,
            pq.ParquetFile(opened) as parquet,
        ):
            names, part = class_names(parquet.schema_arrow), part_of(file.path)
            for batch in parquet.iter_batches(_ROWS):
                frame = batch.to_pandas()
                for name, labels in names.items():
                    frame[name] = decode_classes(frame[name], labels)
                if part and "split" not in frame:
                    frame = frame.assign(split=part)
                yield table_of_frame(frame, options.mapping, file.path.name, first)
                first += len(frame)


def _samples(files: Sequence[_File], options: StreamOptions) -> Iterator[tuple[Table, RowImages]]:
    for file in files:
        first = 0
        # Keys of several archives may each count from 0.
        prefix = f"{file.path.stem}/" if len(files) > 1 else ""
        for part in _parts(_tar_samples(file, prefix)):
            yield table_of_samples(part, file.path.name, options.mapping, first)
            first += len(part)


def _tar_samples(file: _File, prefix: str) -> Iterator[dict[str, Any]]:
    """Yield the samples of a tar file, whose members stand next to each other."""
    with _explained(file), file.open() as opened:
        stays = file.name.lower().endswith(".tar") and not opened.read(6).startswith(_COMPRESSED)

    def store(member: Any, data: bytes) -> str:  # noqa: ANN401
        return member_reference(file.name, member.offset_data, member.size) if stays else store_image(data)

    with _explained(file), file.open() as opened, open_tar(opened, file.name) as archive:
        sample = None
        for member in archive:
            key = sample_key(member)
            if not key:
                continue
            key = prefix + key
            if sample and sample["__key__"] != key:
                yield sample
                sample = None
            sample = sample or new_sample(key)
            add_member(sample, member, archive, store)
        if sample:
            yield sample


@contextmanager
def _explained(file: _File) -> Iterator[None]:
    """Raise InputError, which names it, where a file at an address cannot be read."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if not is_address(file.name):
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{file.name}: cannot be read ({reason}); run again to go on") from None


def _parts(items: Iterable[Any]) -> Iterator[list[Any]]:
    part = []
    for item in items:
        part.append(item)
        if len(part) == _ROWS:
            yield part
            part = []
    if part:
        yield part


def _catalogs(root: str, parts: Iterable[tuple[Table, RowImages]], files: Any) -> Iterator[Catalog]:  # noqa: ANN401
    for table, images in parts:
        yield make_catalog(Path(root), table, images, getattr(files, "notes", ()), lambda _, names: list(names))
