"""How well encoders find alike products: one table for indexes, encoders and what needs no learning."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.analysis.test_subset import select_rows
from fashion_keras.catalog.datasets import resolve_dataset
from fashion_keras.catalog.readers import Catalog, read_catalog
from fashion_keras.catalog.splits import hold_out
from fashion_keras.evaluation.reports.single_head import retrieval_scores
from fashion_keras.features.cache import encode
from fashion_keras.features.registry import load_encoder
from fashion_keras.images.decode import ImageSpec
from fashion_keras.images.pipeline import for_inference
from fashion_keras.images.validation import reject_unreadable
from fashion_keras.search.indexing import open_index
from fashion_keras.support.atomic_files import read_json
from fashion_keras.support.errors import InputError, unknown_name_error

log = logging.getLogger("fashion_keras")

PARTS = ("held_out", "all")
HELD_OUT = 0.265
_BINS = 8


def evaluate_search(
    data: str | Path | None = None,
    indexes: Sequence[str] = (),
    encoders: Sequence[str] = (),
    part: str = "held_out",
    weights: str = "auto",
    seed: int = 0,
) -> dict[str, Any]:
    """Score indexes and encoders on a catalogue, each product a query to all others; two baselines beside them.

    Args:
        data: a catalogue; by default data/ if the Kaggle set is there.
        indexes: folders or postgresql://...; their own vectors are judged.
        encoders: as `load_encoder` takes them.
        part: "held_out": the products, by title, that encoders are not trained on; "all"; or a run's folder: its test
            part, which alone is fair to the run's penultimate layer.
        weights: of bare backbones.
        seed: of the part and of the bootstrap; that of the encoders' training.

    Returns:
        data, part, products, rejected, and rows: name, width, seconds, scores (see `encoder_scores`).

    Raises:
        InputError: for an unknown part, a run whose test products are not all in the catalogue, an index without one
            of the products, and as `load_encoder`.
    """
    source, _ = resolve_dataset(None if data is None else str(data))
    catalog, rejected = load_subset(source, part, seed)
    makers = {
        **{name: lambda name=name: open_index(name).lookup(catalog.ids).embeddings for name in indexes},
        **{name: lambda name=name: cached_features(catalog, name, weights) for name in encoders},
        "colour histogram": lambda: colour_histograms(catalog.paths.tolist()),
        "random": lambda: _random(len(catalog), seed),
    }
    rows = [_row(name, make, catalog, seed) for name, make in makers.items()]
    return {"data": str(source), "part": part, "products": len(catalog), "rejected": rejected, "rows": rows}


def load_subset(source: Path, part: str, seed: int) -> tuple[Catalog, int]:
    """Return the products of a part that have a whole picture, and how many rows and files were set aside."""
    catalog = read_catalog(source)
    whole = reject_unreadable(catalog)
    if part == "all":
        rows = np.arange(len(whole))
    elif part == "held_out":
        rows = hold_out(whole, HELD_OUT, seed)[1]
    else:
        # Of the catalogue as read: a test product whose picture is broken is no sign of another catalogue.
        rows = np.flatnonzero(np.isin(whole.ids, _tested(catalog, part)))
    return whole.take(rows), len(whole.rejected)


def _tested(catalog: Catalog, part: str) -> NDArray[np.int64]:
    """Return the ids of the test part of the run whose folder `part` is."""
    origin = Path(part) / "origin.json"
    if not origin.is_file():
        raise InputError(f"{unknown_name_error('part', part, PARTS)}, or a run's folder")
    rows, _ = select_rows(catalog, read_json(origin), "test")
    return catalog.ids[rows]


def colour_histograms(images: Sequence[Any]) -> NDArray[np.float32]:
    """Return [n, 512] float32 of length 1: square roots of the shares of 8x8x8 RGB bins, at 80x60 pixels.

    The cosine of two is then the Bhattacharyya coefficient of their histograms.
    """
    found = []
    for pixels in for_inference(images, ImageSpec(80, 60)):
        levels = (pixels / 256 * _BINS).astype(np.int64)
        bins = (levels @ [_BINS**2, _BINS, 1]).reshape(len(pixels), -1)
        found += [np.bincount(row, minlength=_BINS**3) / bins.shape[1] for row in bins]
    return np.sqrt(np.array(found, np.float32))


def _row(name: str, make: Any, catalog: Catalog, seed: int) -> dict[str, Any]:  # noqa: ANN401 - a function
    began = time.perf_counter()
    vectors = make()
    seconds = time.perf_counter() - began
    scores = retrieval_scores(vectors, catalog, seed)
    log.info("%s: %d vectors of %d numbers", name, *vectors.shape)
    return {"name": name, "width": vectors.shape[1], "seconds": round(seconds, 2), "scores": scores}


def cached_features(catalog: Catalog, name: str, weights: str) -> NDArray[np.float32]:
    """Return the vectors [n, d] of a catalogue's pictures, kept or new, by an encoder as `load_encoder` takes it."""
    # Bare backbones have weights from elsewhere; what was trained brings its own.
    own = weights if weights == "auto" or not Path(name).exists() else "auto"
    return np.asarray(encode(catalog, load_encoder(name, own)).values)


def _random(count: int, seed: int) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).normal(size=(count, 64)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
