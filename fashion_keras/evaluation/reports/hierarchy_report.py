"""How well answers on three levels, article type and the categories above it, go together."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np

from fashion_keras.models.classifier import AnyPredictions
from fashion_keras.models.hierarchy import LEVELS, HierarchicalPredictions
from fashion_keras.models.predictions import Predictions
from fashion_keras.support.errors import InputError


def hierarchy_metrics(said: AnyPredictions) -> dict[str, Any]:
    """Return the report's key "hierarchy"; nothing where article types, or the categories above them, are not there.

    contradictions: the share of images of which the separate answers of two heads cannot both be true; None with one
    head. accuracy: level -> rows, and how often the head of that level is right (separate; None without one) and how
    often the joint answer is.

    Args:
        said: of n images, truth included.
    """
    heads = _heads(said)
    if LEVELS[0] not in heads:
        return {}
    try:
        joint = said.joint()
    except InputError:
        return {}
    return {
        "hierarchy": {
            "contradictions": _contradictions(heads),
            "accuracy": {name: _accuracy(name, heads, joint) for name in joint.levels},
        }
    }


def _heads(said: AnyPredictions) -> dict[str, Predictions]:
    if isinstance(said, Predictions):
        return {said.group.name: said}
    names = [group.name for group in said.groups]
    return {name: said.of(name) for name in LEVELS if name in names}


def _contradictions(heads: Mapping[str, Predictions]) -> float | None:
    if len(heads) == 1:
        return None
    # Heads stand from the leaf up: each path begins with those above it, or contradicts them.
    answers = [_paths(one, one.probabilities.argmax(axis=1)) for one in heads.values()]
    images = zip(*answers, strict=True)
    return float(np.mean([any(not low.startswith(f"{high}/") for low, high in combinations(one, 2)) for one in images]))


def _accuracy(name: str, heads: Mapping[str, Predictions], joint: HierarchicalPredictions) -> dict[str, Any]:
    own, leaf = heads.get(name), heads[LEVELS[0]]
    if own is not None:
        truth = _paths(own, own.truth)
    else:
        level = joint.levels[name]
        truth = np.where(leaf.truth >= 0, np.array(level.paths)[level.codes[leaf.truth]], "")
    rows = truth != ""
    answers = {"joint": np.array(joint.said(name))}
    if own is not None:
        answers["separate"] = _paths(own, own.probabilities.argmax(axis=1))
    shares = {kind: float(np.mean(said[rows] == truth[rows])) for kind, said in answers.items() if rows.any()}
    return {"rows": int(rows.sum()), "separate": shares.get("separate"), "joint": shares.get("joint")}


def _paths(said: Predictions, codes: np.ndarray) -> np.ndarray:
    """Return the paths [n] of codes [n], "" for -1."""
    return np.where(codes >= 0, np.array(said.group.paths)[codes], "")
