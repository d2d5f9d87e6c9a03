"""From files to augmented batches, no network: ours against the pipeline of Keras tutorials.

python benchmarks/pipeline.py --data DIR
"""

import argparse
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras_baseline
import numpy as np
import tensorflow as tf
from measure import median_seconds, print_table

from fashion_keras import read_catalog
from fashion_keras.images.augment import get_augmentation
from fashion_keras.images.decode import ImageSpec
from fashion_keras.images.pipeline import Examples, for_inference, for_training

BATCH = 64


def main() -> None:
    """Measure decoding alone, and decoding with li2020's augmentation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--images", type=int, default=4096)
    parser.add_argument("--height", type=int, default=80)
    parser.add_argument("--width", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, metavar="FILE")
    options = parser.parse_args()
    catalog, spec = read_catalog(options.data), ImageSpec(options.height, options.width)
    paths = catalog.paths[np.arange(options.images) % len(catalog)]
    targets, augmentation = np.zeros(len(paths)), get_augmentation("li2020")
    sides: dict[str, Callable[[], None]] = {
        "ours, decoding": lambda: _drain(for_inference(paths, spec)),
        "tf.data, decoding": partial(_drain, keras_baseline.batches(paths, targets, spec, BATCH)),
        "ours, one warp": partial(_drain, _ours(paths, spec)),
        "tf.data and four Keras layers": partial(
            _drain, keras_baseline.batches(paths, targets, spec, BATCH, augmentation)
        ),
    }
    took = median_seconds(sides, options.rounds)
    rows = [{"pipeline": name, "images/s": len(paths) / value} for name, value in took.items()]
    ratio = took["tf.data and four Keras layers"] / took["ours, one warp"]
    claim = f"li2020's augmentation at {spec.height}x{spec.width}: ours is {ratio:.1f} times as fast as Keras layers"
    print_table(claim, rows, options.out)


def _drain(batches: Iterable[object]) -> None:
    for _ in batches:
        pass


def _ours(paths: np.ndarray, spec: ImageSpec) -> tf.data.Dataset:
    count = len(paths)
    examples = Examples(paths, np.zeros((count, 2), np.float32))
    return for_training(examples, spec, get_augmentation("li2020"), lambda _: np.arange(count), range(1), BATCH)


if __name__ == "__main__":
    main()
