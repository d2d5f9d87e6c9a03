"""Memory and descriptors of a process that trains, encodes, searches and tags again and again, as one JSON object.

python benchmarks/soak.py [--cycles 200]

The server's are measured under load by `python benchmarks/serve.py --index INDEX --clients 4 --seconds 1800`.
"""

import argparse
import gc
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import psutil
from measure import slope_with_interval

import fashion_keras as fk

SETTINGS = {"backbone": "custom_cnn", "image_size": "32x32", "epochs": 1, "min_images": 20, "limit": 200}


def cycle(data: Path, folder: Path, tagger: fk.Tagger) -> None:
    """Train a classifier and predict with it; build an index; search it by images and words; tag."""
    run = fk.train({"data": str(data), **SETTINGS, "out": str(folder / "run")}, verbose=0)
    catalog = fk.read_catalog(data).take(range(60))
    fk.load_classifier(run.folder).predict(catalog.paths[:20])
    fk.build_index(catalog, out=folder / "index")
    for path in catalog.paths[:20]:
        fk.search_similar(path, k=5, index=folder / "index")
    fk.search_similar(text="blue shirt", k=5, index=folder / "index")
    fk.load_encoder("fashion_encoder").embed(catalog.paths[:20])
    tagger.tag(catalog.paths[:20])
    shutil.rmtree(folder / "run")
    shutil.rmtree(folder / "index")


def main() -> None:
    """Run the cycles; the first fifth, in which libraries load and caches fill, does not count for the slopes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=200)
    options = parser.parse_args()
    data, _ = fk.resolve_dataset("sample")
    process, rows, began = psutil.Process(), [], time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = {"data": str(data), "limit": 900, "target_precision": 0.8, "out": str(folder / "tagger")}
        fk.train_tagger(settings, verbose=0)
        tagger = fk.load_tagger(folder / "tagger")
        for _ in range(options.cycles):
            cycle(data, folder, tagger)
            gc.collect()
            rows.append((process.memory_info().rss / 2**20, process.num_fds(), process.num_threads()))
            print(f"cycle {len(rows)}: {rows[-1][0]:.0f} MiB, {rows[-1][1]} descriptors", file=sys.stderr, flush=True)
    settled = rows[len(rows) // 5 :]
    report = {"cycles": options.cycles, "seconds": round(time.monotonic() - began)}
    for name, values in zip(("rss_mib", "descriptors", "threads"), zip(*settled, strict=True), strict=True):
        report[name] = [round(values[0]), round(values[-1])]
        report[f"{name}_per_100_cycles"] = [
            round(100 * end, 2) for end in slope_with_interval(range(len(values)), values)
        ]
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
