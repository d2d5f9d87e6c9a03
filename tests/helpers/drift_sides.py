"""Indexes and batch folders with known labels and embeddings, for the tests of drift."""

import json
import sys
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fashion_keras.images.spec import ImageSpec
from fashion_keras.search.base import IndexSpec, Records
from fashion_keras.search.local import LocalIndex

WIDTH = 8
SPEC = IndexSpec("fashion_small", "abc", ImageSpec(80, 60), WIDTH, ("gender", "product_display_name"))


def directions(count, seed, shift=0.0):
    """Random embeddings of length 1; `shift` moves them all along the first axis."""
    values = np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)
    values[:, 0] += shift
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def records(embeddings, genders, first=0, titles=None):
    """Images of a product each, from SKU `first` on; `genders` are repeated."""
    count = len(embeddings)
    ids = np.array([f"{first + number:06d}" for number in range(count)])
    titles = np.array([f"Title {name}" for name in ids]) if titles is None else titles
    columns = {"gender": np.resize(np.array(genders), count), "product_display_name": titles}
    return Records(ids, ids, embeddings, np.array([f"{name}.jpg" for name in ids]), columns)


def make_index(folder, images, spec=SPEC):
    LocalIndex.create(folder, spec, images)
    return folder


def write_batch(folder, count, seed=0, first=0, shards=2, shift=0.0, state="released", **changes):
    """Write a batch folder of products with a tag of gender each; `changes`: columns to replace, None to leave out."""
    (folder / "shards").mkdir(parents=True)
    manifest = {"format": "fashion_keras.batch/1", "encoder": "fashion_small", "encoder_identity": "abc",
                "width": WIDTH, "attributes": {"gender": ["Men", "Women"]}}  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    ids = [f"{first + number:06d}" for number in range(count)]
    random = np.random.default_rng(seed)
    tag = {"label": ["Men"] if state == "released" else [], "confidence": 0.9, "state": state}
    columns = {
        "sku": pa.array(ids),
        "image_id": pa.array(ids),
        "embedding": pa.array(list(directions(count, seed, shift).astype(np.float16)), pa.list_(pa.float16())),
        "signature": pa.array([random.integers(0, 200, 900, np.uint8).tobytes() for _ in ids], pa.binary(900)),
        "product_types": pa.array([["shoe"]] * count),
        "outlier_score": pa.array(random.random(count), pa.float32()),
        "gender": pa.array([tag] * count),
        "column_season": pa.array(np.resize(["Summer", "Winter"], count).tolist()),
        "column_year": pa.array(np.resize([2011, 2012, 2013], count)),
        "column_product_display_name": pa.array([f"Title {name}" for name in ids]),
    } | changes  # fmt: skip
    table = pa.table({name: values for name, values in columns.items() if values is not None})
    for number, rows in enumerate(np.array_split(np.arange(count), shards)):
        pq.write_table(table.take(pa.array(rows)), folder / "shards" / f"{number:05d}.parquet")
    return folder


@dataclass(frozen=True)
class _Manifest:
    encoder: str
    encoder_identity: str
    width: int
    attributes: dict


@dataclass(frozen=True)
class _BatchFolder:
    """The reading interface of batch folders, over the files above."""

    folder: object
    manifest: _Manifest

    @classmethod
    def open(cls, path):
        values = json.loads((path / "manifest.json").read_text())
        values.pop("format")
        return cls(path, _Manifest(**values))

    def tables(self, columns):
        for path in sorted((self.folder / "shards").glob("*.parquet")):
            yield pq.read_table(path, columns=columns)


def install_batch_reader(monkeypatch):
    """Let `fashion_keras.batch.folder` be the reader above."""
    for name in ("fashion_keras.batch", "fashion_keras.batch.folder"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["fashion_keras.batch.folder"].BatchFolder = _BatchFolder
