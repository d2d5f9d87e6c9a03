"""Precision of tags on reviewed products, against the target precision."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.catalog.columns import LABEL_SEPARATOR, SYNONYMS, plain_label, plain_name
from fashion_keras.catalog.corrections import SKIP, read_corrections
from fashion_keras.evaluation.metrics.intervals import clopper_pearson_interval
from fashion_keras.monitoring.label_mix import holm
from fashion_keras.monitoring.side import DriftSide, TagColumn
from fashion_keras.support.errors import InputError
from fashion_keras.tagging.annotate import RELEASED
from fashion_keras.tagging.evaluation.metrics import against_target
from fashion_keras.tagging.model.manifest import TaggerManifest


@dataclass(frozen=True)
class Decisions:
    """The last decision of people on each label: (SKU, standard name of the column) -> right label, "" for unknown.

    `read`, `malformed`: rows of the file.
    """

    labels: Mapping[tuple[str, str], str]
    read: int
    malformed: int

    @classmethod
    def of(cls, path: str | Path) -> "Decisions":
        """Read a file of corrections; InputError when it is none."""
        corrections, malformed = read_corrections(path)
        decided = {(each.sku, standard_name(each.column)): each.label for each in corrections if each.action != SKIP}
        return cls(decided, len(corrections) + len(malformed), len(malformed))


def standard_name(column: str) -> str:
    """Return a column's name as it is compared: the standard name that it is a synonym of, in plain form.

    >>> standard_name("Color") == standard_name("base_colour")
    True
    """
    name = plain_name(column)
    return next((plain_name(known) for known, words in SYNONYMS.items() if name in map(plain_name, words)), name)


def attribute_columns(side: DriftSide, tagger: str | Path | None) -> dict[str, str]:
    """Return attribute -> name of the column of its corrections: that of the taxonomy, or the attribute's own."""
    columns = {name: standard_name(name) for name in side.tags}
    if tagger is not None:
        for attribute in TaggerManifest.read(tagger).taxonomy["attributes"]:
            if attribute["name"] in columns and attribute["column"]:
                columns[attribute["name"]] = standard_name(attribute["column"])
    return columns


def reviewed_precision(
    side: DriftSide, path: str | Path, target: float, columns: Mapping[str, str], alpha: float
) -> dict[str, Any]:
    """Return the precision of the tags of products that people have reviewed.

    corrections, read, malformed, target_precision, and attributes: name, reviewed products, given and right tags,
    precision, precision_ci95 (Clopper & Pearson 1934), target ("met", "within interval" or "missed"), p of so few
    right tags or fewer at the target precision (exact binomial), p_corrected (Holm), and drift: whether that is below
    `alpha`; the last five are None without tags.

    InputError when there is no such file, or nothing in it is about a tag of the side.
    """
    decisions = Decisions.of(path)
    counts = {name: _count(side, tags, decisions, columns[name]) for name, tags in side.tags.items()}
    if not any(reviewed for reviewed, _, _ in counts.values()):
        raise InputError(
            f"{path}: none of its {decisions.read} rows decides on a tag of {side.place} (attributes "
            f"{', '.join(side.tags)}); give decisions on these products"
        )
    p_values = [_p_value(right, given, target) for _, given, right in counts.values() if given]
    corrected = iter(zip(p_values, holm(p_values), strict=True))
    attributes = [
        _attribute(name, reviewed, given, right, target, next(corrected) if given else None, alpha)
        for name, (reviewed, given, right) in counts.items()
    ]
    return {
        "corrections": str(path),
        "read": decisions.read,
        "malformed": decisions.malformed,
        "target_precision": target,
        "attributes": attributes,
    }


def _count(side: DriftSide, tags: TagColumn, decisions: Decisions, column: str) -> tuple[int, int, int]:
    """Return reviewed products, their tags, and those of them that are right, of an attribute."""
    reviewed = given = right = 0
    for row in np.unique(side.skus, return_index=True)[1].tolist():
        truth = _labels(decisions.labels.get((str(side.skus[row]), column), ""))
        if not truth:
            continue
        predicted = _labels(str(tags.labels[row])) if tags.states[row] == RELEASED else set()
        reviewed, given, right = reviewed + 1, given + len(predicted), right + len(predicted & truth)
    return reviewed, given, right


def _labels(cell: str) -> set[str]:
    return {plain_label(label) for label in cell.split(LABEL_SEPARATOR) if label.strip()}


def _p_value(right: int, given: int, target: float) -> float:
    from scipy.special import bdtr  # noqa: PLC0415 - half a second that help must not wait for

    return float(np.clip(bdtr(right, given, target), 0, 1))


def _attribute(
    name: str, reviewed: int, given: int, right: int, target: float, p: tuple[float, float] | None, alpha: float
) -> dict[str, Any]:
    interval = clopper_pearson_interval(right, given).tolist() if given else None
    score = {"precision": right / given if given else None, "precision_ci95": interval}
    return {
        "name": name,
        "reviewed": reviewed,
        "given": given,
        "right": right,
        **against_target(score, target),
        "p": p and p[0],
        "p_corrected": p and p[1],
        "drift": p and p[1] < alpha,
    }
