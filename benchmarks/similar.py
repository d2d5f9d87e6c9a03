"""search_similar from image file to matches: decoding, encoding and searching, the index open.

python benchmarks/similar.py --data DIR
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from measure import print_table

from fashion_keras import build_index, load_encoder, read_catalog, search_similar
from fashion_keras.images.decode import decode


def main() -> None:
    """Search for a catalog's own images, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--encoder", default="fashion_encoder")
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--out", type=Path, metavar="FILE")
    options = parser.parse_args()
    encoder = load_encoder(options.encoder)
    catalog = read_catalog(options.data)
    paths = catalog.paths[: options.queries].tolist()
    names = [str(name) for name in catalog.columns["title"][: options.queries] if name]
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        index = build_index(options.data, options.encoder, f"{folder}/index")
        built = time.perf_counter() - began
        steps = {
            "search_similar, whole": lambda path: search_similar(path, 5, index=f"{folder}/index"),
            "with a filter": lambda path: search_similar(path, 5, index=f"{folder}/index", where={"gender": "Women"}),
            "of it: decoding": lambda path: decode(path, encoder.image_spec),
            "of it: decoding and encoding": lambda path: encoder.embed([path]),
        }
        rows = [{"step": name, **_milliseconds(step, paths)} for name, step in steps.items()]
        if encoder.text:
            by_text = {
                "by text": lambda name: search_similar(text=name, index=f"{folder}/index"),
                "by text, hybrid": lambda name: search_similar(text=name, index=f"{folder}/index", hybrid=True),
            }
            rows += [{"step": name, **_milliseconds(step, names)} for name, step in by_text.items()]
        claim = f"{options.encoder}, {len(index)} products (index built in {built:.1f} s), {len(paths)} queries"
    print_table(claim, rows, options.out)


def _milliseconds(step: object, queries: list[str]) -> dict[str, float]:
    times = []
    for query in [*queries[:20], *queries]:
        began = time.perf_counter()
        step(query)
        times.append(1000 * (time.perf_counter() - began))
    p50, p99 = np.percentile(times[20:], [50, 99])
    return {"p50, ms": float(p50), "p99, ms": float(p99)}


if __name__ == "__main__":
    main()
