"""Cards with images: a run's most confident mistakes, Grad-CAM of some images, and search examples."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.columns import TITLE
from fashion_keras.catalog.label_groups import group_slices
from fashion_keras.evaluation.heat_maps import class_heat_maps, select_maps, select_stages
from fashion_keras.evaluation.metrics.retrieval import nearest
from fashion_keras.evaluation.pages.page import Card
from fashion_keras.evaluation.plots.style import overlay_heatmap
from fashion_keras.evaluation.reports.prediction_rows import PredictionRows
from fashion_keras.images.decode import decode_batch
from fashion_keras.images.pipeline import for_inference
from fashion_keras.images.thumbnails import pixels_url, thumbnail_url
from fashion_keras.models.classifier import ClassifierSpec
from fashion_keras.models.serialization import load_classifier_spec
from fashion_keras.support.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    from keras import Model

MISTAKES, EXPLAINED, QUERIES, GALLERY, SHOWN = 24, 4, 5, 300, 5


def mistake_cards(rows: PredictionRows, catalog: Catalog) -> list[Card]:
    """Return a card for each of the most confident wrong predictions whose image the catalog has."""
    paths, cards = paths_by_id(catalog), []
    for row in rows.worst(MISTAKES):
        lines = [f"true: {rows.truth[row]}", f"predicted: {rows.predicted[row]} ({rows.confidence[row]:.0%})"]
        if rows.ids[row] in paths:
            cards.append(Card([(thumbnail_url(paths[rows.ids[row]]), rows.ids[row])], lines))
    return cards


def load_classifier_network(run: Path) -> "tuple[ClassifierSpec, Model]":
    """Load the spec and the Keras network of a run; InputError where there is none."""
    load_classifier_spec(run)
    import_tensorflow()
    from fashion_keras.models.builder import load_network  # noqa: PLC0415 - imports TensorFlow

    return load_network(run)


def grad_cam_cards(
    spec: ClassifierSpec, network: "Model", head: str, rows: PredictionRows, catalog: Catalog
) -> list[Card]:
    """Return cards of the most confident mistakes, with heat for the predicted and the true class, and of right images.

    InputError where the network's feature maps are a single place.
    """
    stage, maps = select_maps(network, select_stages(spec, ""))
    rows = rows.take(np.isin(rows.ids, catalog.image_ids.astype(object)))
    right = np.flatnonzero(rows.right)
    chosen = np.concatenate([rows.worst(EXPLAINED), _spread(right, EXPLAINED)]).astype(np.int64)
    if not len(chosen):
        return []
    rows, paths = rows.take(chosen), paths_by_id(catalog)
    batch = decode_batch([paths[name] for name in rows.ids], spec.image_spec)
    first = group_slices(spec.groups)[head].start
    heats = [
        class_heat_maps(network, maps, batch.astype(np.float32), first + _codes(rows.classes, names))
        for names in (rows.predicted, rows.truth)
    ]
    return [_grad_cam_card(rows, row, batch[row], [heat[row] for heat in heats], stage) for row in range(len(rows))]


def _grad_cam_card(
    rows: PredictionRows, row: int, pixels: NDArray[np.uint8], heats: Sequence[NDArray[np.float32]], stage: str
) -> Card:
    names = [f"predicted: {rows.predicted[row]} ({rows.confidence[row]:.0%})", f"true: {rows.truth[row]}"]
    count = 1 if rows.right[row] else 2
    shown = [(pixels, rows.ids[row])]
    shown += [(overlay_heatmap(pixels, heat), name) for heat, name in zip(heats[:count], names[:count], strict=True)]
    verdict = "right" if rows.right[row] else "wrong"
    return Card([(pixels_url(image), caption) for image, caption in shown], [f"{verdict}; heat at {stage}"])


def search_cards(spec: ClassifierSpec, network: "Model", rows: PredictionRows, catalog: Catalog) -> list[Card]:
    """Return a card for each of some test images: the image, and the nearest of other products.

    At most 300 test images are embedded, by the network's penultimate layer.
    """
    from fashion_keras.models.builder import embedding_model  # noqa: PLC0415 - imports TensorFlow

    test = np.flatnonzero(np.isin(catalog.image_ids.astype(object), rows.ids))
    test = _spread(test, GALLERY)
    if len(test) < 2:
        return []
    gallery = catalog.take(test)
    embed = embedding_model(network)
    batches = for_inference(gallery.paths, spec.image_spec)
    embeddings = np.concatenate([np.asarray(embed(pixels, training=False)) for pixels in batches])
    labels = dict(zip(rows.ids.tolist(), rows.truth.tolist(), strict=True))
    titles = gallery.columns[TITLE].tolist() if TITLE in gallery.columns else [""] * len(gallery)
    captions = [
        f"{labels[name]} · {title or name}" for name, title in zip(gallery.image_ids.tolist(), titles, strict=True)
    ]
    neighbors = nearest(embeddings, len(gallery), embeddings)
    cards = []
    for query in _spread(np.arange(len(gallery)), QUERIES):
        others = [row for row in neighbors[query] if gallery.product_groups[row] != gallery.product_groups[query]]
        shown = [query, *others[:SHOWN]]
        texts = [f"query: {captions[query]}", *(captions[row] for row in shown[1:])]
        images = [(thumbnail_url(gallery.paths[row]), text) for row, text in zip(shown, texts, strict=True)]
        same = sum(labels[gallery.image_ids[row]] == labels[gallery.image_ids[query]] for row in shown[1:])
        cards.append(Card(images, [f"{same} of {len(shown) - 1} have the label of the query"]))
    return cards


def paths_by_id(catalog: Catalog) -> dict[str, str]:
    """Return image id -> path of the images of a catalog."""
    return dict(zip(catalog.image_ids.tolist(), catalog.paths.tolist(), strict=True))


def _spread(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return at most `count` of the rows, evenly spaced."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64))] if len(rows) else rows


def _codes(classes: Sequence[str], names: NDArray[np.object_]) -> NDArray[np.int64]:
    code = {name: number for number, name in enumerate(classes)}
    return np.array([code[name] for name in names], np.int64)
