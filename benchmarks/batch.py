"""Batch runs: speed against the bare network and Keras, memory by catalog size, and a million rows through all steps.

python benchmarks/batch.py speed --data DIR --tagger DIR
python benchmarks/batch.py memory --data DIR --tagger DIR --rows 20000 400000
python benchmarks/batch.py rows --data DIR --tagger DIR --rows 1000000
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measure import print_table

from fashion_keras import open_index, read_catalog, tag_catalog
from fashion_keras.batch.config import EncodeConfig
from fashion_keras.batch.parts import read_parts
from fashion_keras.batch.run import run_batch
from fashion_keras.batch.shards import Job, encoder_model
from fashion_keras.features.encoder import Encoder
from fashion_keras.images.decode import decode_batch
from fashion_keras.images.spec import ImageSpec
from fashion_keras.search.from_batch import sync_index
from fashion_keras.tagging.annotate import TagColumns
from fashion_keras.tagging.config import TagConfig
from fashion_keras.tagging.model.tagger import Tagger, load_tagger
from fashion_keras.tagging.tag_tables import write_tables

_KERAS_IMAGES = 512


def main() -> None:
    """Run one job and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("job", choices=("speed", "memory", "rows"))
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--tagger", required=True, type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000, 400_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--index", default="", help="where `rows` builds its index: a URL of PostgreSQL, or a folder")
    parser.add_argument("--out", type=Path, metavar="FILE")
    options = parser.parse_args()
    claim, rows = {"speed": _speed, "memory": _memory, "rows": _rows}[options.job](options)
    print_table(claim, rows, options.out)


def _speed(options: argparse.Namespace) -> tuple[str, list[dict]]:
    tagger, catalog = load_tagger(options.tagger), read_catalog(options.data)
    paths, encoder = catalog.paths.tolist(), tagger.encoder
    pixels = decode_batch(paths[:2048], encoder.image_spec).astype(np.float32)
    encoder.forward(pixels[:64])
    network = _keras_network(encoder.name)
    network.predict(pixels[:32], verbose=0)
    rows = []
    for number in range(options.rounds):
        bare = len(pixels) / _seconds(lambda: encoder.forward(pixels))
        with tempfile.TemporaryDirectory() as folder:
            config = TagConfig(data=str(options.data), tagger=str(options.tagger), out=f"{folder}/tags")
            ours = len(paths) / _seconds(partial(tag_catalog, config, verbose=0))
        keras = {size: _KERAS_IMAGES / _seconds(partial(_predict_loop, network, tagger, paths[:_KERAS_IMAGES], size))
                 for size in (1, 32)}  # fmt: skip
        rows.append({
            "round": number, "bare network, images/s": bare, "tag, end to end": ours, "tag / bare": ours / bare,
            "Keras predict, one image each": keras[1], "in batches of 32": keras[32],
            "tag / one each": ours / keras[1], "tag / batches": ours / keras[32],
        })  # fmt: skip
    heads = len(tagger.heads)
    return f"{len(paths)} images, {encoder.name}, gate and {heads} heads", rows


def _predict_loop(network: object, tagger: Tagger, paths: list[str], size: int) -> None:
    """Tag images as a tutorial would: `predict` on one batch after the other."""
    import keras  # noqa: PLC0415 - only this job needs it

    spec = tagger.encoder.image_spec
    for start in range(0, len(paths), size):
        images = [
            keras.utils.load_img(path, target_size=(spec.height, spec.width)) for path in paths[start : start + size]
        ]
        features = network.predict(np.stack([keras.utils.img_to_array(image) for image in images]), verbose=0)
        tagger.tag_features(features)


def _keras_network(name: str) -> object:
    from fashion_keras.features.registry import resolve_encoder  # noqa: PLC0415 - starts TensorFlow
    from fashion_keras.models.builder import load_network  # noqa: PLC0415

    return load_network(Path(resolve_encoder(name).folder))[1]


def _memory(options: argparse.Namespace) -> tuple[str, list[dict]]:
    rows = []
    for count in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            table = _repeat(options.data, count, Path(folder))
            began = time.perf_counter()
            command = [sys.executable, __file__, "rows", "--data", str(table), "--tagger", str(options.tagger)]
            subprocess.run([*command, "--rows", "0"], check=True, stdout=subprocess.DEVNULL)
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10
            rows.append({"images": count, "peak MiB": peak, "seconds": time.perf_counter() - began})
    return "peak resident memory of reading, decoding, inference, tags and tables (children's maximum so far)", rows


def _rows(options: argparse.Namespace) -> tuple[str, list[dict]]:
    """Take rows through all steps; the network is a projection of small pixels, as its speed is another question."""
    tagger = _projected(load_tagger(options.tagger))
    rows = []
    for count in options.rows:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            data = _repeat(options.data, count, folder) if count else options.data
            rows.append(_steps(data, tagger, folder, options.index or str(folder / "index") if count else ""))
    return "rows through all steps", rows


def _steps(data: Path, tagger: Tagger, folder: Path, index: str) -> dict:
    config = EncodeConfig(data=str(data), allow_outside=True)
    model = encoder_model(tagger.encoder, "projection", "auto")
    thresholds = {head.name: dict.fromkeys(head.classes, 0.5) for head in tagger.heads}
    model = replace(model, thresholds=thresholds)
    row: dict = {}
    timed = partial(_timed, row)
    job = Job(tagger.encoder, TagColumns(tagger))
    batch, plan = timed("shards, s", lambda: run_batch(config, folder / "out", model, read_parts(config), lambda: job))
    row = {"rows": plan.rows, **row}
    timed = partial(_timed, row)
    timed("tags.csv and review.csv, s", lambda: write_tables(batch, {}, {}))
    row["shards, MiB"] = sum(file.stat().st_size for file in (folder / "out/shards").iterdir()) / 2**20
    row["peak MiB before the index"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    if index:
        timed("index, s", lambda: sync_index(batch, index))
        opened = timed("open, s", lambda: open_index(index))
        query = opened.lookup(opened.ids()[:1]).embeddings
        for name, where in (
            ("search, ms", None),
            ("filter, ms", {"gender": "Women"}),
            ("range, ms", {"price": {"gte": 50}}),
        ):
            times = [_seconds(lambda where=where: opened.nearest(query, 10, where)) for _ in range(20)]
            row[name] = 1000 * float(np.median(times))
        row["peak MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return row


def _projected(tagger: Tagger) -> Tagger:
    spec, width = ImageSpec(20, 15), tagger.gate.weights.shape[1]
    matrix = np.random.default_rng(0).normal(size=(spec.height * spec.width * 3, width)).astype(np.float32)

    def forward(pixels: np.ndarray) -> np.ndarray:
        values = (pixels.reshape(len(pixels), -1) - 200) @ matrix
        return values / np.linalg.norm(values, axis=1, keepdims=True)

    return replace(tagger, encoder=Encoder("projection", spec, forward, "numpy", "float32", "projection"))


def _repeat(data: Path, count: int, folder: Path) -> Path:
    """Write a Parquet file of `count` rows with new SKUs: the same images again and again."""
    catalog = read_catalog(data)
    random = np.random.default_rng(0)
    path = folder / "rows.parquet"
    writer = None
    for start in range(0, count, 65_536):
        rows = np.arange(start, min(start + 65_536, count))
        own = rows % len(catalog)
        table = pa.table({
            "sku": [f"SKU-{row:09d}" for row in rows.tolist()], "path": catalog.paths[own].tolist(),
            "gender": catalog.columns["gender"][own].tolist(), "price": random.integers(1, 100, len(rows)),
        })  # fmt: skip
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    writer.close()
    return path


def _timed(row: dict, name: str, function: Callable) -> object:
    began = time.perf_counter()
    result = function()
    row[name] = time.perf_counter() - began
    return result


def _seconds(function: Callable) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
