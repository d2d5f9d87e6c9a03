"""Two-dimensional projection of a catalog's embeddings: a figure and a table of the points."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.analysis.config import ProjectionConfig
from fashion_keras.analysis.evaluation_subset import encoder_training_products
from fashion_keras.analysis.retrieval_comparison import cached_features, load_part
from fashion_keras.catalog.column_types import as_text
from fashion_keras.catalog.readers import Catalog
from fashion_keras.catalog.sampling import subsample
from fashion_keras.catalog.tasks import is_color_column
from fashion_keras.evaluation.plots.embedding_map import plot_embedding_map
from fashion_keras.evaluation.plots.style import context, short_name
from fashion_keras.images.decode import decode
from fashion_keras.images.spec import ImageSpec
from fashion_keras.support.atomic_files import check_png_path, write_csv
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.errors import InputError, unknown_name_error
from fashion_keras.support.verbose_argument import takes_verbose

log = logging.getLogger("fashion_keras")

_TITLES = {"pca": "Principal components of {}, {:.0%} of their variance", "tsne": "t-SNE of {}"}
_THUMBNAIL = ImageSpec(height=80, width=60)
_PERPLEXITY = 30


@takes_verbose
def draw_map(config: ProjectionConfig | Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Plot a catalog's embeddings in two dimensions; write the points (id, x, y, label) as a CSV file beside it.

    A label column of color names gives each point its own color.

    Returns:
        encoder, method, label, products, beyond_limit (of the part), rejected, explained_variance (of the two axes;
        None for t-SNE), figure, table.

    Raises:
        InputError: for an unknown label or part, too few products, and as `embedding_source`.
    """
    config = as_config(ProjectionConfig, config)
    figure = Path(config.out)
    check_png_path(figure)
    part = load_part(config, config.part, encoder_training_products(config.encoder, config.weights))
    catalog, total = part.catalog, len(part.catalog)
    if config.label not in catalog.columns:
        raise unknown_name_error("label", config.label, catalog.columns)
    if config.limit:
        # All products as one class: the sample keeps the proportions of the part.
        catalog = catalog.take(subsample(np.zeros(total, np.int64), catalog.product_groups, config.limit, config.seed))
    embeddings = cached_features(catalog, config.encoder, config.weights)
    log.info("projecting %d embeddings by %s", len(embeddings), config.method)
    places, explained = project(embeddings, config.method, config.seed)
    title = _TITLES[config.method].format(short_name(Path(config.encoder).name), explained)
    _draw(figure, catalog, places, title, config)
    return {
        "encoder": config.encoder,
        "method": config.method,
        "label": config.label,
        "products": len(catalog),
        "beyond_limit": total - len(catalog),
        "rejected": part.rejected,
        "explained_variance": explained,
        "figure": str(figure),
        "table": str(figure.with_suffix(".csv")),
    }


def project(
    features: NDArray[np.float32], method: str = "pca", seed: int = 0
) -> tuple[NDArray[np.float64], float | None]:
    """Return coordinates [n, 2] of `features` [n, d], and the share of their variance along both; None for t-SNE.

    method: "pca": the two directions of largest variance; "tsne": neighbors stay neighbors (van der Maaten & Hinton
    2008, JMLR 9), by cosine, initialized with the principal components. Raises InputError for less than 3 rows, or
    rows that do not vary.
    """
    if len(features) < 3:
        raise InputError(f"a map needs at least 3 products, not {len(features)}")
    if not np.ptp(features, axis=0).any():
        raise InputError(f"the features of all {len(features)} products are equal: there is nothing to map")
    # Imported here: a second and a half that help must not wait for.
    from sklearn.decomposition import PCA  # noqa: PLC0415
    from sklearn.manifold import TSNE  # noqa: PLC0415

    if method == "pca":
        axes = PCA(2, random_state=seed)
        return axes.fit_transform(features.astype(np.float64)), float(axes.explained_variance_ratio_.sum())
    perplexity = min(_PERPLEXITY, (len(features) - 1) / 3)
    places = TSNE(perplexity=perplexity, metric="cosine", init="pca", random_state=seed).fit_transform(features)
    return places.astype(np.float64), None


def _draw(figure: Path, catalog: Catalog, places: NDArray[np.float64], title: str, config: ProjectionConfig) -> None:
    def thumbnail(row: int) -> NDArray[np.uint8]:
        return decode(str(catalog.paths[row]), _THUMBNAIL)

    labels = as_text(catalog.columns[config.label]).tolist()
    note = f"colored by {config.label}  ·  {context(images=len(catalog), data=str(catalog.folder))}"
    by_color = is_color_column(config.label)
    plot_embedding_map(figure, places, labels, thumbnail, config.thumbnails, title, note, by_color)
    columns = ("id", "x", "y", "label")
    points = zip(catalog.image_ids.tolist(), *places.T.tolist(), labels, strict=True)
    write_csv(figure.with_suffix(".csv"), columns, (dict(zip(columns, point, strict=True)) for point in points))
