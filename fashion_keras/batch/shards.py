"""Shard processing: each image is read and decoded once, and passes the network once, for all that is stored of it.

Reading and decoding, inference, and writing overlap; each waits for the next when it is a batch ahead.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fashion_keras.batch.plan import Plan, PlannedImage, ShardPlan, read_shard_plan
from fashion_keras.catalog.catalog import Rejected
from fashion_keras.catalog.column_types import as_text
from fashion_keras.features.batch_folder import COLUMN, BatchFolder, BatchModel, ShardEntry, embedding_matrix
from fashion_keras.features.encoder import Encoder
from fashion_keras.images.decode import DECODING_VERSION, decode_views, parallel_map
from fashion_keras.images.near_duplicates import THUMBNAIL
from fashion_keras.images.pipeline import prefetch
from fashion_keras.images.raster import ImageError
from fashion_keras.images.references import read_reference, reference_state
from fashion_keras.support.atomic_files import atomic_write, file_sha256
from fashion_keras.support.errors import InputError

_BATCH = 128
_SIGNATURE_BYTES = THUMBNAIL.height * THUMBNAIL.width * 3
# Embeddings [n, d] of a shard's images, and the product of each [n], 0.. -> columns of n rows.
Annotate = Callable[[NDArray[np.float32], NDArray[np.int64]], dict[str, pa.Array]]


@dataclass(frozen=True)
class Job:
    """What is done with images: an encoder, and what is made of the embeddings; `annotate` None for nothing more."""

    encoder: Encoder
    annotate: Annotate | None


@dataclass(frozen=True)
class _Encoded:
    """What is known of one image: its hash, thumbnail and embedding."""

    image_hash: str
    signature: bytes
    embedding: NDArray[np.floating]


@dataclass
class _OpenShard:
    """A shard in work: its plan, the images that are known, and those that are still to be encoded."""

    number: int
    plan: ShardPlan
    known: dict[str, _Encoded]
    missing: int
    encoded: int = 0
    rejected: list[Rejected] = field(default_factory=list)


@dataclass(frozen=True)
class _Batch:
    """Some images of a shard: those that decode with their hashes and thumbnails, and pixels [b, h, w, 3]."""

    shard: _OpenShard
    images: Sequence[PlannedImage]
    parts: Sequence[tuple[str, bytes] | str]
    pixels: NDArray[np.float32]


def process_shards(
    folder: BatchFolder, plan: Plan, numbers: Iterable[int], job: Job
) -> Iterator[tuple[int, int, ShardEntry | None]]:
    """Process shards; yield (shard, images done since the last one, its entry or None while it is in work).

    InputError when a file system does not reply; OSError on a full disk.
    """
    model, spec = folder.manifest.model, job.encoder.image_spec
    if job.encoder.fingerprint != model.fingerprint:
        raise InputError(
            f"the encoder here ({job.encoder.fingerprint}) is not that of the run ({model.fingerprint}): another file, "
            "runtime or precision"
        )
    shards = (_open(folder, number, read_shard_plan(folder.folder, number, plan)) for number in numbers)
    batches = prefetch(_decode(batch, spec) for shard in shards for batch in _batches(shard))
    outputs = prefetch((batch, _forward(job.encoder, batch.pixels)) for batch in batches)
    with closing(batches), closing(outputs):
        for batch, embeddings in outputs:
            shard = batch.shard
            _take(shard, batch, embeddings)
            entry = None if shard.missing else _write(folder, plan, shard, job)
            yield shard.number, len(batch.images), entry


def is_finished(folder: BatchFolder, number: int, shard: ShardPlan) -> bool:
    """Return whether a shard's file is of this plan and of the folder's model."""
    entry, path = folder.entry(number), folder.shard(number, shard.digest)
    return (
        entry is not None
        and (entry.plan, entry.model) == (shard.digest, folder.manifest.model.digest)
        and path.is_file()
        and path.stat().st_size == entry.bytes
    )


def _open(folder: BatchFolder, number: int, shard: ShardPlan) -> _OpenShard:
    """Return a shard with what its file knows of images that have not changed."""
    known = _known(folder, number, shard)
    return _OpenShard(number, shard, known, len(shard.images) - len(known), rejected=list(shard.rejected))


def _known(folder: BatchFolder, number: int, shard: ShardPlan) -> dict[str, _Encoded]:
    if folder.entry(number) is None:
        return {}
    names = ["reference", "state", "image_hash", "signature", "embedding"]
    table = folder.table(number, names)
    values = [table[name].to_pylist() for name in names[:-1]]
    embeddings = embedding_matrix(table)
    stored = {row[:2]: _Encoded(*row[2:], embeddings[at]) for at, row in enumerate(zip(*values, strict=True))}
    planned = {image.image_id: stored.get((image.reference, image.state)) for image in shard.images if image.state}
    return {image_id: encoded for image_id, encoded in planned.items() if encoded is not None}


def _batches(shard: _OpenShard) -> Iterator[tuple[_OpenShard, list[PlannedImage]]]:
    """Yield the images to encode; once none, where all are known."""
    images = [image for image in shard.plan.images if image.image_id not in shard.known]
    for start in range(0, max(len(images), 1), _BATCH):
        yield shard, images[start : start + _BATCH]


def _decode(batch: tuple[_OpenShard, list[PlannedImage]], spec: Any) -> _Batch:  # noqa: ANN401
    shard, images = batch
    pixels = np.empty((len(images), spec.height, spec.width, 3), np.float32)
    is_whole = np.zeros(len(images), bool)

    def read(row: int) -> tuple[str, bytes] | str:
        try:
            data = read_reference(images[row].reference)
            view, thumbnail = decode_views(data, [spec, THUMBNAIL])
        except ImageError as error:
            image = images[row]
            if image.state and not reference_state(image.reference):
                raise InputError(
                    f"{image.reference}: gone since the catalog was read; is its disk away? run again when it is back"
                ) from None
            return str(error)
        pixels[row], is_whole[row] = view, True
        return hashlib.sha256(data).hexdigest()[:16], thumbnail.tobytes()

    parts = parallel_map(read, range(len(images)))
    return _Batch(shard, images, parts, pixels[is_whole])


def _forward(encoder: Encoder, pixels: NDArray[np.float32]) -> NDArray[np.floating]:
    return encoder.forward(pixels).astype(encoder.storage) if len(pixels) else np.empty((0, 0), encoder.storage)


def _take(shard: _OpenShard, batch: _Batch, embeddings: NDArray[np.floating]) -> None:
    rows = iter(embeddings)
    for image, part in zip(batch.images, batch.parts, strict=True):
        if isinstance(part, str):
            shard.rejected.append(Rejected(image.reference, image.sku, part))
        else:
            shard.known[image.image_id] = _Encoded(*part, next(rows))
            shard.encoded += 1
    shard.missing -= len(batch.images)


def _write(folder: BatchFolder, plan: Plan, shard: _OpenShard, job: Job) -> ShardEntry:
    """Write the file of a shard, then its entry."""
    images = [image for image in shard.plan.images if image.image_id in shard.known]
    table = _table(folder, plan, images, [shard.known[image.image_id] for image in images], job)
    path = folder.shard(shard.number, shard.plan.digest)
    with atomic_write(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", use_dictionary=True)
    entry = ShardEntry(
        plan=shard.plan.digest,
        model=folder.manifest.model.digest,
        sha256=file_sha256(path),
        bytes=path.stat().st_size,
        rows=len(images),
        products=len({image.sku for image in images}),
        encoded=shard.encoded,
        reused=len(images) - shard.encoded,
        rejected=tuple(sorted(shard.rejected, key=lambda row: (row.where, row.sku, row.reason))),
    )
    folder.write_entry(shard.number, entry)
    return entry


def _table(
    folder: BatchFolder, plan: Plan, images: Sequence[PlannedImage], encoded: Sequence[_Encoded], job: Job
) -> pa.Table:
    width, storage = folder.manifest.model.width, job.encoder.storage
    embeddings = np.array([each.embedding for each in encoded], storage).reshape(len(encoded), width)
    values = pa.array(embeddings.reshape(-1))
    columns = {name: pa.array([getattr(image, name) for image in images], pa.string())
               for name in ("sku", "image_id", "reference", "state")}  # fmt: skip
    columns["image_hash"] = pa.array([each.image_hash for each in encoded], pa.string())
    columns["signature"] = pa.array([each.signature for each in encoded], pa.binary(_SIGNATURE_BYTES))
    columns["embedding"] = pa.FixedSizeListArray.from_arrays(values, width)
    if job.annotate:
        product = np.cumsum([i > 0 and image.sku != images[i - 1].sku for i, image in enumerate(images)], dtype=int)
        columns |= job.annotate(embeddings.astype(np.float32), product)
    for name, kind in plan.columns.items():
        columns[COLUMN + name] = _column([image.columns.get(name) for image in images], kind)
    return pa.table(columns)


def _column(cells: list[Any], kind: str) -> pa.Array:
    if kind == "text":
        texts = ["" if cell is None else cell if isinstance(cell, str) else _number_text(cell) for cell in cells]
        return pa.array(texts, pa.string())
    cells = [None if cell == "" else cell for cell in cells]
    if kind == "int" and None not in cells:
        return pa.array(cells, pa.int64())
    return pa.array([np.nan if cell is None else float(cell) for cell in cells], pa.float64())


def _number_text(number: float) -> str:
    return str(as_text(np.array([number]))[0])


def encoder_model(encoder: Encoder, name: str, weights: str, image_size: str | None = None) -> BatchModel:
    """Return the model of a batch folder with embeddings alone; arguments as `load_encoder` takes them."""
    return BatchModel(
        encoder=name, weights=weights, image_size=image_size, identity=encoder.identity,
        fingerprint=encoder.fingerprint, image_spec=encoder.image_spec, width=encoder.embed([]).shape[1], tagger=None,
        tagger_sha256=None, target_precision=None, thresholds={}, version=f"decoding {DECODING_VERSION}",
    )  # fmt: skip
