"""Indexes and batch folders with known labels and embeddings, for the tests of drift."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fashion_keras.features.batch_folder import COLUMN, BatchFolder, BatchManifest, BatchModel, ShardEntry
from fashion_keras.images.spec import ImageSpec
from fashion_keras.search.base import IndexSpec, Records
from fashion_keras.search.local import LocalIndex
from fashion_keras.support.atomic_files import file_sha256

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


def embedding_column(values):
    """Embeddings [n, d] as a shard holds them."""
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])


def write_batch(folder, count, seed=0, first=0, shards=2, shift=0.0, state="released", tagger="t1", **changes):
    """Write a batch folder of products with a tag of gender each; `changes`: columns to replace."""
    ids = [f"{first + number:06d}" for number in range(count)]
    random = np.random.default_rng(seed)
    tag = {"label": [] if state == "gated" else ["Men"], "confidence": 0.9, "margin": 0.5, "state": state}
    columns = {"sku": pa.array(ids), "image_id": pa.array(ids)}
    columns["embedding"] = embedding_column(directions(count, seed, shift).astype(np.float16))
    columns["signature"] = pa.array([random.integers(0, 200, 900, np.uint8).tobytes() for _ in ids], pa.binary(900))
    if tagger:
        columns["outlier_score"] = pa.array(random.random(count), pa.float32())
        columns["gender"] = pa.array([tag] * count)
    own = {"season": "text", "year": "int", "product_display_name": "text"}
    columns[COLUMN + "season"] = pa.array(np.resize(["Summer", "Winter"], count).tolist())
    columns[COLUMN + "year"] = pa.array(np.resize([2011, 2012, 2013], count))
    columns[COLUMN + "product_display_name"] = pa.array([f"Title {name}" for name in ids])
    model = BatchModel(
        encoder="fashion_small", weights="auto", image_size=None, identity="abc", fingerprint="abc-1",
        image_spec=ImageSpec(80, 60), width=WIDTH, tagger=tagger, tagger_sha256=tagger,
        target_precision=0.9 if tagger else None,
        thresholds={"product type": {"shoe": 0.5}, "gender": {"Men": 0.5, "Women": 0.5}} if tagger else {}, version="1",
    )  # fmt: skip
    manifest = BatchManifest(source="toy", model=model, shards=shards, columns=own, is_complete=True)
    _write_shards(BatchFolder(folder, manifest), pa.table(columns | changes))
    return folder


def _write_shards(batch, table):
    (batch.folder / "shards").mkdir(parents=True)
    batch.manifest.write(batch.folder)
    for number, rows in enumerate(np.array_split(np.arange(len(table)), batch.manifest.shards)):
        path = batch.shard(number, "0123456789abcdef")
        pq.write_table(table.take(pa.array(rows)), path)
        entry = ShardEntry(
            plan="0123456789abcdef", model=batch.manifest.model.digest, sha256=file_sha256(path),
            bytes=path.stat().st_size, rows=len(rows), products=len(rows), encoded=len(rows), reused=0,
        )  # fmt: skip
        batch.write_entry(number, entry)
