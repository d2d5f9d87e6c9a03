"""Tags of an image as the web application shows them: released, abstained or gated, with alternatives."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.label_groups import LabelGroup
from fashion_keras.models.classifier import Classifier
from fashion_keras.models.predictions import Predictions
from fashion_keras.tagging.model.heads import HeadOutput, LinearHead
from fashion_keras.tagging.model.tagger import Tagger

_ALTERNATIVES = 3

# An image [h, w, 3] in the size of a network.
Pixels = NDArray[np.uint8]


def tag_image(tagged: tuple[Tagger, Pixels] | None, classified: tuple[Classifier, Pixels] | None) -> dict[str, Any]:
    """Return product type, outlier score and attributes of an image, given to each network in its own size.

    A tagger's labels are "released" where they reach their threshold, "abstained" where none does, "gated" where the
    attribute is of product types that the gate does not accept. Heads of a classifier come after those of the tagger;
    their labels have no thresholds of a target precision: "released", but "abstained" where a multi-valued head
    predicts no label. `product_type` and `outlier` are None without a tagger.
    """
    reply: dict[str, Any] = {"product_type": None, "outlier": None, "attributes": []}
    if tagged is not None:
        tagger, pixels = tagged
        gate, outputs = tagger.predict_heads(tagger.encoder.embed([pixels]))
        reply |= _product_type(tagger.gate, gate)
        for head, output in zip(tagger.heads, outputs, strict=True):
            status = "abstained" if output.accepted[0] else "gated"
            reply["attributes"] += _labels(head, output.probabilities[0], output.predicted[0], status)
    if classified is not None:
        classifier, pixels = classified
        names = {attribute["name"] for attribute in reply["attributes"]}
        heads = [head for head in classifier.predict([pixels]).split() if head.group_names[0] not in names]
        reply["attributes"] += [attribute for head in heads for attribute in _predicted(head)]
    return reply


def _product_type(gate: LinearHead, output: HeadOutput) -> dict[str, Any]:
    """Return the most probable product type, and whether the image is of none; the score is 1 - its probability."""
    best = int(output.probabilities[0].argmax())
    confidence, threshold = float(output.probabilities[0, best]), float(gate.thresholds[best])
    accepted = bool(output.predicted[0].any())
    limit = round(1 - threshold, 4) if np.isfinite(threshold) else None
    return {
        "product_type": {"label": gate.classes[best], "confidence": round(confidence, 4), "accepted": accepted},
        "outlier": {"score": round(1 - confidence, 4), "threshold": limit, "rejected": not accepted},
    }


def _labels(
    head: LinearHead | LabelGroup, probabilities: NDArray[np.float64], predicted: NDArray[np.bool_], otherwise: str
) -> list[dict[str, Any]]:
    """Return each predicted label of a head, or its most probable label with the status `otherwise`."""
    order = np.argsort(-probabilities, kind="stable").tolist()
    chosen = [code for code in order if predicted[code]] or order[:1]
    status = "released" if predicted.any() else otherwise
    listed = [{"label": str(head.classes[code]), "confidence": round(float(probabilities[code]), 4)} for code in order]
    others = [entry for code, entry in zip(order, listed, strict=True) if code not in chosen][:_ALTERNATIVES]
    named = [entry for code, entry in zip(order, listed, strict=True) if code in chosen]
    return [{"name": head.name, **entry, "status": status, "alternatives": others} for entry in named]


def _predicted(head: Predictions) -> list[dict[str, Any]]:
    """Return the labels that one head of a classifier predicts."""
    group = head.groups[0]
    return _labels(group, head.probabilities[0].astype(np.float64), head.predicted_labels[0], "abstained")
