"""A catalogue as a map: what an encoder finds alike lies close."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.analysis.retrieval_comparison import cached_features, load_subset
from fashion_keras.catalog.datasets import resolve_dataset
from fashion_keras.catalog.readers import Catalog
from fashion_keras.catalog.splits import subsample
from fashion_keras.catalog.tasks import is_color_column
from fashion_keras.evaluation.metrics.dimension_reduction import METHODS, Projection, project
from fashion_keras.evaluation.plots.embedding_map import plot_embedding_map
from fashion_keras.evaluation.plots.style import short_name
from fashion_keras.images.decode import ImageSpec, decode
from fashion_keras.support.atomic_files import check_png_path, write_csv
from fashion_keras.support.errors import InputError, unknown_name_error

log = logging.getLogger("fashion_keras")

_TITLES = {"pca": "Principal components of {}, {:.0%} of their variance", "tsne": "t-SNE of {}"}
_SHOWN = ImageSpec(height=80, width=60)


def draw_map(
    data: str | None = None,
    encoder: str = "fashion_small",
    out: str | Path = "map.png",
    method: str = "pca",
    label: str = "article_type",
    part: str = "all",
    limit: int | None = None,
    thumbnails: int = 150,
    weights: str = "auto",
    seed: int = 0,
) -> dict[str, Any]:
    """Draw a catalogue's pictures by what an encoder says of them; write the places as a CSV file beside the figure.

    Args:
        data: a catalogue; by default data/ if the Kaggle set is there.
        encoder: as `load_encoder` takes it.
        out: a PNG file; the CSV file, of columns id, x, y, label, has its name.
        method: "pca" or "tsne"; see `project`.
        label: the column that colours the points; if it holds colours, each in its own.
        part: "all", "held_out" or a run's folder; see `evaluate_search`.
        limit: use about so many products, at random.
        thumbnails: how many products to show at their places, at most: none covers another.
        weights: of a bare backbone.
        seed: of part, limit, t-SNE and the choice of thumbnails.

    Returns:
        encoder, method, label, products, beyond_limit (of the part), rejected, kept (the share of the variance, None
        for t-SNE), figure, table.

    Raises:
        InputError: for an unknown method, label or part, too few products, and as `load_encoder`.
    """
    figure = Path(out)
    _check(method, figure, limit, thumbnails)
    catalog, rejected = load_subset(resolve_dataset(data)[0], part, seed)
    if label not in catalog.columns:
        raise unknown_name_error("label", label, catalog.columns)
    whole = len(catalog)
    if limit:
        # One class of all: the map shows what is there.
        catalog = catalog.take(subsample(np.zeros(whole, np.int64), catalog.groups, limit, seed))
    vectors = cached_features(catalog, encoder, weights)
    log.info("laying out %d vectors by %s", len(vectors), method)
    projection = project(vectors, method, seed)
    title = (
        f"{_TITLES[method].format(short_name(Path(encoder).name), projection.kept)}; by {label}, n = {len(catalog):,}"
    )
    _draw(figure, catalog, projection, label, thumbnails, title)
    return {
        "encoder": encoder,
        "method": method,
        "label": label,
        "products": len(catalog),
        "beyond_limit": whole - len(catalog),
        "rejected": rejected,
        "kept": projection.kept,
        "figure": str(figure),
        "table": str(figure.with_suffix(".csv")),
    }


def _draw(figure: Path, catalog: Catalog, projection: Projection, label: str, thumbnails: int, title: str) -> None:
    labels = catalog.columns[label].tolist()

    def picture(row: int) -> NDArray[np.uint8]:
        return decode(str(catalog.paths[row]), _SHOWN)

    plot_embedding_map(
        figure, projection.places, labels, picture, thumbnails, title, label_colors=is_color_column(label)
    )
    columns = ("id", "x", "y", "label")
    points = zip(catalog.ids.tolist(), *projection.places.T.tolist(), labels, strict=True)
    write_csv(figure.with_suffix(".csv"), columns, (dict(zip(columns, point, strict=True)) for point in points))


def _check(method: str, figure: Path, limit: int | None, thumbnails: int) -> None:
    if method not in METHODS:
        raise unknown_name_error("method", method, METHODS)
    check_png_path(figure)
    if (limit is not None and limit < 1) or thumbnails < 0:
        raise InputError(f"--limit is from 1 and --thumbnails from 0, not {limit} and {thumbnails}")
