"""Embeddings of other programs (.npy, Parquet), batch folders, and PyTorch's legacy tensors."""

import io
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fashion_keras.catalog.readers import read_catalog
from fashion_keras.features.batch_folder import BatchFolder, BatchManifest, BatchModel, ShardEntry
from fashion_keras.features.embedding_file import read_embeddings
from fashion_keras.features.store import read_rows
from fashion_keras.images.spec import ImageSpec
from fashion_keras.support.atomic_files import file_sha256
from tests.fuzz.target import Check, Target
from tests.fuzz.targets.documents import JSON_TOKENS
from tests.helpers.embedding_files import FIXED, IDS, LISTS, VALUES, write_products

_NPY_TOKENS = (
    b"\x93NUMPY",
    b"'<f4'",
    b"'|O'",
    b"(12, 4)",
    b"(9999999999, 4)",
    b"()",
    b"True",
    b"False",
    b"'descr'",
    b"-1",
    b"'<c8'",
    b"'<f2'",
    b"[('a', '<f4')]",
    b"__import__('os')",
    b"(" * 50,
    b"9" * 30,
    b"\x02\0",
    b"\x03\0",
)


def npy(values: np.ndarray, **options: object) -> bytes:
    """An array as the bytes of a .npy file."""
    sink = io.BytesIO()
    np.save(sink, values, **options)
    return sink.getvalue()


def parquet(table: pa.Table, **options: object) -> bytes:
    """A table as the bytes of a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def _embedding_check(name: str):
    def prepare(folder: Path) -> Check:
        catalog = read_catalog(write_products(folder / "catalog"))

        def check(data: bytes) -> None:
            (folder / name).write_bytes(data)
            values = read_embeddings(folder / name, catalog)
            assert len(values) == len(catalog)
            assert np.isfinite(values).all()

        return check

    return prepare


def _npy_seeds() -> list[bytes]:
    return [
        npy(VALUES),
        npy(VALUES.astype(np.float64)),
        npy(VALUES.astype(np.float16)),
        npy(np.asfortranarray(VALUES)),
        npy(VALUES.astype(">f4")),
    ]


def _parquet_seeds() -> list[bytes]:
    return [
        parquet(pa.table({"image_id": IDS, "embedding": LISTS})),
        parquet(pa.table({"sku": IDS, "embedding": FIXED}), compression="zstd"),
        parquet(pa.table({"image_id": pa.array(IDS).dictionary_encode(), "embedding": LISTS}), compression="none"),
        parquet(pa.table({"image_id": [int(name) for name in IDS], "embedding": LISTS}), row_group_size=5),
    ]


def _batch_model() -> BatchModel:
    return BatchModel(
        encoder="fashion_encoder",
        weights="auto",
        image_size=None,
        identity="i",
        fingerprint="f",
        image_spec=ImageSpec(8, 6),
        width=4,
        tagger=None,
        tagger_sha256=None,
        target_precision=None,
        thresholds={"gender": {"Men": 0.5, "Women": None}},
        version="1",
    )


def _shard() -> pa.Table:
    texts = pa.array(IDS, pa.string())
    return pa.table(
        {"sku": texts, "image_id": texts, "reference": texts, "state": texts, "image_hash": texts, "embedding": FIXED}
    )


def _batch_files() -> dict[str, bytes]:
    data = parquet(_shard(), compression="none")
    model = _batch_model()
    manifest = BatchManifest(source="s", model=model, shards=1, columns={"price": "float"}, is_complete=True)
    entry = ShardEntry(
        plan="0123456789abcdef",
        model=model.digest,
        sha256="",
        bytes=len(data),
        rows=12,
        products=12,
        encoded=12,
        reused=0,
    )
    return {
        "manifest.json": json.dumps(manifest.to_dict()).encode(),
        "shards/00000.json": json.dumps(asdict(entry)).encode(),
        "shards/00000-0123456789abcdef.parquet": data,
    }


def _batch_check(name: str):
    """Return the check of a batch folder, one file of which is the input; its sha256 is right: an attacker's is."""

    def prepare(folder: Path) -> Check:
        catalog, files = read_catalog(write_products(folder / "catalog")), _batch_files()
        (folder / "batch" / "shards").mkdir(parents=True)

        def check(data: bytes) -> None:
            for path, content in (files | {name: data}).items():
                (folder / "batch" / path).write_bytes(content)
            if name != "shards/00000.json":
                shard = folder / "batch" / "shards" / "00000-0123456789abcdef.parquet"
                entry = json.loads(files["shards/00000.json"]) | {
                    "sha256": file_sha256(shard),
                    "bytes": shard.stat().st_size,
                }
                (folder / "batch" / "shards" / "00000.json").write_text(json.dumps(entry))
            opened = BatchFolder.open(folder / "batch")
            _ = opened.attributes, opened.manifest.model.digest
            if opened.manifest.shards < 100:
                list(opened.entries())
            read_embeddings(folder / "batch", catalog)

        return check

    return prepare


def _batch_seeds(name: str):
    return lambda: [_batch_files()[name]]


def _prepare_store(folder: Path) -> Check:
    keys = [f"{n:024d}" for n in range(3)]

    def check(data: bytes) -> None:
        """The first line is the file's name, the rest its keys."""
        name, _, content = data.partition(b"\n")
        store = folder / "store"
        store.mkdir(exist_ok=True)
        for path in store.iterdir():
            path.unlink()
        safe = name.decode("latin-1").replace("/", "").replace("\0", "")[:60] or "x"
        (store / f"{safe}.keys").write_bytes(content)
        (store / f"{safe}.values").write_bytes(bytes(48))
        try:
            read_rows(store, keys)[:]
        except AssertionError as error:  # rows that are missing were asked for: a caller looks first
            assert "are missing" in str(error)

    return check


def _store_seeds() -> list[bytes]:
    content = "".join(f"{n:024d}" for n in range(3)).encode()
    return [b"float32-4\n" + content, b"float16-2x4\n" + content]


TARGETS = (
    Target("embeddings .npy", _npy_seeds, _embedding_check("e.npy"), _NPY_TOKENS, weight=1),
    Target(
        "embeddings Parquet",
        _parquet_seeds,
        _embedding_check("e.parquet"),
        (b"PAR1", b"embedding", b"image_id"),
        weight=1,
        in_child=True,
    ),
    Target(
        "feature store",
        _store_seeds,
        _prepare_store,
        (b"float32", b"object", b"x", b"-", b"O8", b"|V9", b"99999999"),
        weight=2,
    ),
    Target("batch manifest", _batch_seeds("manifest.json"), _batch_check("manifest.json"), JSON_TOKENS, weight=0.5),
    Target(
        "batch entry", _batch_seeds("shards/00000.json"), _batch_check("shards/00000.json"), JSON_TOKENS, weight=0.5
    ),
    Target(
        "batch shard",
        _batch_seeds("shards/00000-0123456789abcdef.parquet"),
        _batch_check("shards/00000-0123456789abcdef.parquet"),
        (b"PAR1", b"embedding"),
        weight=0.6,
        in_child=True,
    ),
)
