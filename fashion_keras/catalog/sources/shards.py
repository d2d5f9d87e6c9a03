"""Datasets in several files: Parquet files of Hugging Face, and tar files in webdataset layout."""

import json
import re
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fashion_keras.catalog.catalog import Rejected
from fashion_keras.catalog.columns import SKU, clean_cells
from fashion_keras.catalog.sources.embedded_images import store_image
from fashion_keras.catalog.sources.image_files import is_image, is_junk
from fashion_keras.catalog.sources.row_images import RowImages
from fashion_keras.catalog.sources.table import Table
from fashion_keras.catalog.sources.table_readers import explained_parquet, flatten, table_of_frame, table_of_rows
from fashion_keras.catalog.sources.tree import PARTS
from fashion_keras.support.errors import InputError, reraise_shortage

if TYPE_CHECKING:
    import pyarrow as pa

_OWN = ("__key__", "images", "__error__")  # of a sample, beside its fields
_MAX_BYTES = 2**28  # of one member of an archive
_MAX_TEXT = 2**24  # of one that is no image
_NUMBERED = re.compile(r"(.+[-_])?\d{4,}(-of-\d+)?\.parquet", re.IGNORECASE)


def is_tar(path: Path) -> bool:
    """Return whether a file is a tar archive, by its name."""
    return path.name.lower().endswith((".tar", ".tar.gz", ".tgz"))


def find_shards(folder: Path, tables: Sequence[Path]) -> list[Path]:
    """Return the Parquet files of a Hugging Face dataset, in `folder` or up to two folders down; [] for other tables.

    Their names are numbered, or they or their folders are named after parts: train-00000-of-00002.parquet,
    train.parquet, default/train/0000.parquet.
    """
    if any(path.suffix.lower() != ".parquet" for path in tables):
        return []
    below = [path for depth in ("*/*.parquet", "*/*/*.parquet") for path in sorted(folder.glob(depth))]
    shards = [*tables, *([] if tables else below)]
    return shards if all(part_of(path) or _NUMBERED.fullmatch(path.name) for path in shards) else []


def part_of(path: Path) -> str:
    """Return the part that a file is named after, or its folder; "" for none."""
    words = [*re.split(r"[-_.]", path.name.lower()), path.parent.name.lower()]
    return next((PARTS[word] for word in words if word in PARTS), "")


def read_parquet_shards(folder: Path, paths: Sequence[Path], mapping: Mapping[str, str]) -> Table:
    """Read Parquet files as one table; codes become the class names that they declare, parts in their names `split`."""
    import pandas as pd  # noqa: PLC0415 - half a second that help must not wait for
    import pyarrow.parquet as pq  # noqa: PLC0415

    frames = []
    for path in paths:
        with explained_parquet(path):
            frame = pd.read_parquet(path)
            for name, names in class_names(pq.read_schema(path)).items():
                frame[name] = decode_classes(frame[name], names)
        part = part_of(path)
        frames.append(frame.assign(split=part) if part and "split" not in frame else frame)
    return table_of_frame(pd.concat(frames, ignore_index=True), mapping, folder.name)


def read_webdataset(paths: Sequence[Path], mapping: Mapping[str, str]) -> tuple[Table, RowImages]:
    """Read tar files: a row for each sample, with its images; without a SKU its key is that.

    A sample is all members whose name up to the first dot is equal: its images, the keys of its .json, and .txt, .cls
    and other short texts under their ending.

    Raises:
        InputError: when a file is no tar, or damaged.
    """
    return table_of_samples(_read_samples(paths), paths[0].name, mapping)


def table_of_samples(
    samples: Sequence[dict[str, Any]], source: str, mapping: Mapping[str, str], first: int = 0
) -> tuple[Table, RowImages]:
    """Return the table of samples, of which the first has the number `first`, and their images."""
    table = table_of_rows(source, samples, range(first, first + len(samples)), "sample", mapping, _OWN)
    table.columns.setdefault(SKU, clean_cells(sample["__key__"] for sample in samples))
    images = RowImages()
    for row, sample in enumerate(samples):
        error = sample["__error__"] or ("" if sample["images"] else "no image in the sample")
        if error:
            images.rejected.append(Rejected(table.where(row), sample["__key__"], error))
        for name, path in [] if error else sample["images"]:
            images.add(row, path, name)
    return table, images


def class_names(schema: "pa.Schema") -> dict[str, list[str]]:
    """Return column -> names of its codes, as the schema of a Parquet file of Hugging Face declares them."""
    declared = (schema.metadata or {}).get(b"huggingface", b"{}")
    try:
        features = json.loads(declared).get("info", {}).get("features", {})
        return {name: row["names"] for name, row in features.items() if isinstance(row, dict) and row.get("names")}
    except (ValueError, AttributeError, RecursionError):
        return {}


def decode_classes(codes: Iterable[Any], names: list[str]) -> list[str]:
    """Return class codes as names; "" for a code that is none."""
    return [
        "" if code is None or not 0 <= code < len(names) else names[int(code)] for code in np.asarray(codes).tolist()
    ]


def _read_samples(paths: Iterable[Path]) -> list[dict[str, Any]]:
    samples: dict[tuple[Path, str], dict[str, Any]] = {}
    for path in paths:
        with open_tar(path, str(path)) as archive:
            for member in archive:
                if key := sample_key(member):
                    row = samples.setdefault((path, key), new_sample(key))
                    add_member(row, member, archive, lambda _, data: store_image(data))
    uses = Counter(key for _, key in samples)
    for (path, key), row in samples.items():
        if uses[key] > 1:  # archives that each count from 0
            row["__key__"] = f"{path.stem}/{key}"
    return list(samples.values())


@contextmanager
def open_tar(file: Any, name: str) -> Iterator[tarfile.TarFile]:  # noqa: ANN401 - a path or an open file
    """Open a tar file, to be read from its beginning to its end; InputError, which names it, where it is damaged."""
    try:
        where = {"name": file} if isinstance(file, Path) else {"fileobj": file}
        with _open_stream(where) as archive:
            yield archive
    except (tarfile.TarError, EOFError, OSError) as error:
        reraise_shortage(error)
        raise InputError(f"{name}: not a complete tar file ({error})") from None


def _open_stream(where: dict[str, Any]) -> tarfile.TarFile:
    try:
        return tarfile.open(**where, mode="r|*")
    except TypeError:  # of `ord`, where a gzip header ends early
        raise EOFError("its gzip header is cut off") from None


def sample_key(member: tarfile.TarInfo) -> str:
    """Return the key of the sample that a member belongs to: its name up to the first dot; "" for none."""
    folder, slash, name = member.name.removeprefix("./").rpartition("/")
    is_part = member.isfile() and not is_junk(name)
    return folder + slash + name.partition(".")[0] if is_part else ""


def new_sample(key: str) -> dict[str, Any]:
    """Return a sample without members."""
    return {"__key__": key, "images": [], "__error__": ""}


def add_member(
    row: dict[str, Any],
    member: tarfile.TarInfo,
    archive: tarfile.TarFile,
    store: Callable[[tarfile.TarInfo, bytes], str],
) -> None:
    """Add a member of a tar file to its sample; `store` returns where its bytes are found again."""
    name = member.name.rpartition("/")[2]
    ending = name.partition(".")[2]
    if member.size > _MAX_BYTES:
        raise InputError(f"{archive.name}: {member.name} has {member.size} bytes, above the cap of {_MAX_BYTES}")
    if member.size > _MAX_TEXT and not is_image(name):
        row["__error__"] = f"{member.name} has {member.size} bytes, above the cap of {_MAX_TEXT} for what is no image"
        return
    data = archive.extractfile(member).read()
    if is_image(name):
        row["images"].append((member.name, store(member, data)))
    elif ending == "json":
        try:
            fields = json.loads(data)
        except (ValueError, RecursionError):
            row["__error__"] = f"{member.name} is not JSON"
            return
        flat = flatten(fields) if isinstance(fields, dict) else {}
        row |= {name: value for name, value in flat.items() if name not in _OWN}
    elif ending not in _OWN:
        row[{"cls": "article_type", "txt": "title"}.get(ending, ending)] = data.decode("utf-8", "replace").strip()
