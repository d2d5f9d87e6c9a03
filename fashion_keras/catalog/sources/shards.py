"""Datasets in several files: Parquet files of Hugging Face, and tar files in webdataset layout."""

import json
import re
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.catalog.catalog import Rejected
from fashion_keras.catalog.columns import SKU
from fashion_keras.catalog.sources.embedded_images import store_image
from fashion_keras.catalog.sources.image_files import is_image
from fashion_keras.catalog.sources.row_images import RowImages
from fashion_keras.catalog.sources.table import Table, table_of_frame, table_of_rows
from fashion_keras.support.errors import InputError

PARTS = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "dev": "validation", "test": "test", "testing": "test",
}  # fmt: skip
_MAX_BYTES = 2**28  # of one member of an archive
_SHARD = re.compile(r"(?P<part>.+?)(?P<number>-\d{5}-of-\d{5})?\.parquet", re.IGNORECASE)


def find_shards(folder: Path, tables: Sequence[Path]) -> list[Path]:
    """Return the Parquet files of a Hugging Face dataset, in `folder` or its data/; [] where other tables are there."""
    shards = [path for path in (*tables, *sorted(folder.glob("data/*.parquet"))) if path.suffix.lower() == ".parquet"]
    is_dataset = len(shards) > 1 or (shards and _SHARD.fullmatch(shards[0].name)["number"]) or shards != list(tables)
    return shards if is_dataset and set(tables) <= set(shards) else []


def read_parquet_shards(folder: Path, paths: Sequence[Path], mapping: Mapping[str, str]) -> Table:
    """Read Parquet files as one table; codes become the class names that they declare, parts in their names `split`."""
    import pandas as pd  # noqa: PLC0415 - half a second that help must not wait for

    frames = []
    for path in paths:
        try:
            frame = pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read ({str(error).splitlines()[0][:200]})") from None
        for name, names in class_names(path).items():
            frame[name] = decode_classes(frame[name], names)
        part = PARTS.get(_SHARD.fullmatch(path.name)["part"].lower())
        frames.append(frame.assign(split=part) if part and "split" not in frame else frame)
    return table_of_frame(pd.concat(frames, ignore_index=True), mapping, folder.name)


def read_webdataset(paths: Sequence[Path], mapping: Mapping[str, str]) -> tuple[Table, RowImages]:
    """Read tar files: a row for each sample, with its images; without a SKU its key is that.

    A sample is all members whose name up to the first dot is equal: its images, the keys of its .json, and .txt, .cls
    and other short texts under their ending.

    Raises:
        InputError: when a file is no tar, or damaged.
    """
    samples = _read_samples(paths)
    table = table_of_rows(paths[0].name, samples, range(len(samples)), "sample", mapping, ("__key__", "images"))
    table.columns.setdefault(SKU, [sample["__key__"] for sample in samples])
    images = RowImages()
    for row, sample in enumerate(samples):
        for name, path in sample["images"]:
            images.add(row, path, name)
        if not sample["images"]:
            images.rejected.append(Rejected(table.where(row), sample["__key__"], "no image in the sample"))
    return table, images


def class_names(path: Path) -> dict[str, list[str]]:
    """Return column -> names of its codes, as a Parquet file of Hugging Face declares them."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    declared = (pq.read_schema(path).metadata or {}).get(b"huggingface", b"{}")
    try:
        features = json.loads(declared).get("info", {}).get("features", {})
        return {name: row["names"] for name, row in features.items() if isinstance(row, dict) and row.get("names")}
    except (ValueError, AttributeError):
        return {}


def decode_classes(codes: Iterable[Any], names: list[str]) -> list[str]:
    """Return class codes as names; "" for a code that is none."""
    return [
        "" if code is None or not 0 <= code < len(names) else names[int(code)] for code in np.asarray(codes).tolist()
    ]


def _read_samples(paths: Iterable[Path]) -> list[dict[str, Any]]:
    samples: dict[str, dict[str, Any]] = {}
    for path in paths:
        try:
            with tarfile.open(path, "r|*") as archive:
                for member in archive:
                    if member.isfile() and not Path(member.name).name.startswith("."):
                        _add_member(samples, member, archive)
        except (tarfile.TarError, EOFError, OSError) as error:
            raise InputError(f"{path}: not a complete tar file ({error})") from None
    return list(samples.values())


def _add_member(samples: dict[str, dict[str, Any]], member: tarfile.TarInfo, archive: tarfile.TarFile) -> None:
    folder, slash, name = member.name.removeprefix("./").rpartition("/")
    stem, _, ending = name.partition(".")
    key = folder + slash + stem
    row = samples.setdefault(key, {"__key__": key, "images": []})
    if member.size > _MAX_BYTES:
        raise InputError(f"{archive.name}: {member.name} has {member.size} bytes, above the cap of {_MAX_BYTES}")
    data = archive.extractfile(member).read()
    if is_image(name):
        row["images"].append((member.name, store_image(data)))
    elif ending == "json":
        try:
            fields = json.loads(data)
        except ValueError:
            raise InputError(f"{archive.name}: {member.name} is not JSON") from None
        row.update(fields if isinstance(fields, dict) else {})
    else:
        row[{"cls": "article_type", "txt": "title"}.get(ending, ending)] = data.decode("utf-8", "replace").strip()
