"""From files to augmented batches, no network: ours against tf.data and Keras' layers, and large photos against Pillow.

python benchmarks/pipeline.py --data DIR          (of another version with PYTHONPATH=CHECKOUT)
"""

import argparse
import io
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras_baseline
import numpy as np
import tensorflow as tf
from measure import median_seconds, print_table
from PIL import Image

from fashion_keras import datasets, read_catalog
from fashion_keras.catalog.catalog import Catalog
from fashion_keras.images.augment import get_augmentation
from fashion_keras.images.decode import decode
from fashion_keras.images.pipeline import Examples, for_inference, for_training
from fashion_keras.images.spec import ImageSpec
from fashion_keras.support.atomic_files import cache_dir

BATCH = 64
PHOTO, TARGET = (1500, 2000), ImageSpec(224, 224, "stretch")


def main() -> None:
    """Measure decoding alone, from the cache, and with li2020's augmentation; then the decoding of photos."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--images", type=int, default=4096)
    parser.add_argument("--photos", type=int, default=20)
    parser.add_argument("--height", type=int, default=80)
    parser.add_argument("--width", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, metavar="FILE")
    options = parser.parse_args()
    catalog, spec = read_catalog(options.data), ImageSpec(options.height, options.width)
    paths = catalog.paths[np.arange(options.images) % len(catalog)]
    with tempfile.TemporaryDirectory() as folder:
        sharded, reading = _sharded(catalog.take(np.arange(min(options.images, len(catalog)))), Path(folder))
        stored = sharded[np.arange(options.images) % len(sharded)]
        batches = _rates(_batch_sides(paths, stored, spec), len(paths), options.rounds) | reading
    with tempfile.TemporaryDirectory() as folder:
        photos = _write_photos(catalog.paths[: options.photos], Path(folder))
        single = _rates(_photo_sides(photos), len(photos), options.rounds)
    ratio = batches["ours, one warp"] / batches["tf.data and four Keras layers"]
    photo_ratio = single["photos: ours"] / single["photos: Pillow, decoded in full"]
    claim = (
        f"li2020's augmentation at {spec.height}x{spec.width}: ours is {ratio:.1f} times as fast as Keras layers; "
        f"JPEGs of 1500x2000 to 224 pixels, one thread: {photo_ratio:.1f} times as fast as Pillow"
    )
    print_table(claim, [{"pipeline": name, "images/s": rate} for name, rate in (batches | single).items()], options.out)


def _rates(sides: dict[str, Callable[[], None]], count: int, rounds: int) -> dict[str, float]:
    return {name: count / seconds for name, seconds in median_seconds(sides, rounds).items()}


def _sharded(catalog: Catalog, folder: Path) -> tuple[np.ndarray, dict[str, float]]:
    """Store a catalog as ArrayRecord, read it as `--data` does into an empty cache: paths, and images a second."""
    builder = datasets.store_catalog(catalog, folder)
    before = cache_dir()
    os.environ["FASHION_KERAS_CACHE"] = str(folder / "cache")
    began = time.perf_counter()
    paths = read_catalog(builder.data_dir).paths
    seconds = time.perf_counter() - began
    os.environ["FASHION_KERAS_CACHE"] = str(before)
    return paths, {"ArrayRecord into an empty cache, once": len(paths) / seconds}


def _batch_sides(paths: np.ndarray, stored: np.ndarray, spec: ImageSpec) -> dict[str, Callable[[], None]]:
    targets, augmentation = np.zeros(len(paths)), get_augmentation("li2020")
    return {
        "ours, decoding": lambda: _drain(for_inference(paths, spec)),
        "ours, decoding, of files": partial(_drain, _ours(paths, spec, "none")),
        "ours, decoding, of ArrayRecord": partial(_drain, _ours(stored, spec, "none")),
        "ours, from the cache": partial(_drain, _ours(paths, spec, "none", cache=True)),
        "tf.data, decoding": partial(_drain, keras_baseline.batches(paths, targets, spec, BATCH)),
        "ours, one warp": partial(_drain, _ours(paths, spec, "li2020")),
        "tf.data and four Keras layers": partial(
            _drain, keras_baseline.batches(paths, targets, spec, BATCH, augmentation)
        ),
    }


def _photo_sides(photos: list[Path]) -> dict[str, Callable[[], None]]:
    """Return functions that read each photo once, on one thread."""
    size = (TARGET.width, TARGET.height)

    def full(path: Path) -> np.ndarray:
        return np.array(Image.open(path).convert("RGB").resize(size, Image.Resampling.BILINEAR))

    def draft(path: Path) -> np.ndarray:
        image = Image.open(path)
        image.draft("RGB", (2 * size[0], 2 * size[1]))
        return np.array(image.convert("RGB").resize(size, Image.Resampling.BILINEAR))

    def ours(path: Path) -> np.ndarray:
        return decode(path, TARGET)

    sides = {"Pillow, decoded in full": full, "Pillow, draft mode": draft, "ours": ours}
    return {f"photos: {name}": lambda side=side: _drain(map(side, photos)) for name, side in sides.items()}


def _write_photos(paths: np.ndarray, folder: Path) -> list[Path]:
    """Write images enlarged to 1500x2000 with the grain of a camera, as JPEGs of about 280 kB."""
    photos, random = [], np.random.default_rng(0)
    for number, path in enumerate(paths):
        pixels = np.asarray(Image.open(path).convert("RGB").resize(PHOTO, Image.Resampling.BICUBIC), np.float32)
        grain = random.normal(0, 4, pixels.shape[:2]).astype(np.float32)[..., None]
        stored = io.BytesIO()
        grainy = np.clip(pixels + grain * (pixels < 245), 0, 255).astype(np.uint8)
        Image.fromarray(grainy).save(stored, "JPEG", quality=90)
        photos.append(folder / f"{number}.jpg")
        photos[-1].write_bytes(stored.getvalue())
    return photos


def _drain(batches: Iterable[object]) -> None:
    for _ in batches:
        pass


def _ours(paths: np.ndarray, spec: ImageSpec, augmentation: str, cache: bool = False) -> tf.data.Dataset:
    examples, rows = Examples(paths, np.zeros((len(paths), 2), np.float32)), np.arange(len(paths))
    return for_training(examples, spec, get_augmentation(augmentation), lambda _: rows, range(1), BATCH, cache=cache)


if __name__ == "__main__":
    main()
