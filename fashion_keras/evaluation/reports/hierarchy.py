"""Hierarchy scores: how well predictions on three levels, article type and the categories above, fit together."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np

from fashion_keras.catalog.label_groups import ClassPath
from fashion_keras.models.hierarchy import LEVELS, HierarchicalPredictions
from fashion_keras.models.predictions import Predictions
from fashion_keras.support.errors import InputError


def hierarchy_metrics(predictions: Predictions) -> dict[str, Any] | None:
    """Return the report's key "hierarchy"; None where article types, or the categories above them, are not predicted.

    contradictions: the share of images of which the separate predictions of two heads cannot both be true; None with
    one head. accuracy: level -> rows, and the accuracy of the head of that level (separate; None without one) and of
    the joint prediction.

    Args:
        predictions: of n images, truth included.
    """
    heads = {name: predictions.group(name) for name in LEVELS if name in predictions.group_names}
    if LEVELS[0] not in heads:
        return None
    try:
        joint = predictions.joint()
    except InputError:
        return None
    return {
        "contradictions": _contradictions(heads),
        "accuracy": {name: _accuracy(name, heads, joint) for name in joint.levels},
    }


def _contradictions(heads: Mapping[str, Predictions]) -> float | None:
    if len(heads) == 1:
        return None
    # Heads are ordered from the leaf up: each path begins with those above it, or contradicts them.
    paths = [_paths(head, head.codes) for head in heads.values()]
    images = zip(*paths, strict=True)
    return float(np.mean([any(low[: len(high)] != high for low, high in combinations(image, 2)) for image in images]))


def _accuracy(name: str, heads: Mapping[str, Predictions], joint: HierarchicalPredictions) -> dict[str, Any]:
    own, leaf, level = heads.get(name), heads[LEVELS[0]], joint.levels[name]
    if own is not None:
        truth, separate = _paths(own, own.true_codes), _paths(own, own.codes)
    else:
        codes = np.where(leaf.true_codes >= 0, level.codes[leaf.true_codes], -1)
        truth, separate = [level.paths[code] if code >= 0 else () for code in codes], None
    return {
        "rows": sum(path != () for path in truth),
        "separate": None if separate is None else _agreement(separate, truth),
        "joint": _agreement(joint.paths(name), truth),
    }


def _agreement(predicted: list[ClassPath], truth: list[ClassPath]) -> float | None:
    """Return the share of known paths that are predicted; None where none is known."""
    pairs = [(path, true) for path, true in zip(predicted, truth, strict=True) if true]
    return sum(path == true for path, true in pairs) / len(pairs) if pairs else None


def _paths(head: Predictions, codes: np.ndarray) -> list[ClassPath]:
    """Return the class paths of codes [n], () for -1."""
    return [head.groups[0].paths[code] if code >= 0 else () for code in codes]
