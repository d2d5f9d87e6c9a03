"""int8 against float32: images per second of the networks that two runs store, arrays in memory, and their accuracy.

python benchmarks/int8.py --float32 RUN --int8 RUN --data DIR
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from measure import median_seconds, print_table

from fashion_keras import load_classifier, read_catalog
from fashion_keras.images.decode import decode_batch
from fashion_keras.support.atomic_files import read_json


def main() -> None:
    """Measure both runs, side by side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--float32", required=True, type=Path, metavar="RUN")
    parser.add_argument("--int8", required=True, type=Path, metavar="RUN")
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--images", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, metavar="FILE")
    options = parser.parse_args()
    runs = {"float32": options.float32, "int8": options.int8}
    classifiers = {name: load_classifier(run, "openvino") for name, run in runs.items()}
    spec = classifiers["int8"].spec.image_spec
    pixels = decode_batch(read_catalog(options.data).paths[: options.images], spec).astype(np.float32)
    batches = median_seconds({name: partial(row.forward, pixels) for name, row in classifiers.items()}, options.rounds)
    single = {name: partial(_singly, row.forward, pixels[:64]) for name, row in classifiers.items()}
    singly = median_seconds(single, options.rounds)
    rows = [
        {
            "network": name,
            "images/s": round(len(pixels) / batches[name], 1),
            "images/s, one at a time": round(64 / singly[name], 1),
            "times float32": round(batches["float32"] / batches[name], 2),
            "accuracy": round(read_json(run / "report.json")["test"]["accuracy"], 4),
        }
        for name, run in runs.items()
    ]
    print_table("int8 against float32 in OpenVINO", rows, options.out)


def _singly(forward, pixels: np.ndarray) -> None:  # noqa: ANN001 - a network
    for row in range(len(pixels)):
        forward(pixels[row : row + 1])


if __name__ == "__main__":
    main()
