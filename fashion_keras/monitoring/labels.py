"""Shift of labels: columns, tags and their states, each compared as a mix of labels."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fashion_keras.catalog.columns import LABEL_SEPARATOR
from fashion_keras.monitoring.config import DriftConfig
from fashion_keras.monitoring.label_mix import LabelShift, holm, label_shift
from fashion_keras.monitoring.measurement import NotMeasuredError
from fashion_keras.monitoring.side import STATES, DriftSide, Texts
from fashion_keras.support.errors import unknown_name_error

MAX_LABELS = 200  # of a column that is compared; titles, URLs and prices have more
_KNOWN, _MISSING = "known", "missing"


@dataclass(frozen=True)
class _Mix:
    """Labels of a column or attribute on both sides: label -> products; None where a side has no such column.

    kind: "column"; "missing": whether products have a label in a column; "tags"; "states": whether and why products
    have no tag.
    """

    name: str
    kind: str
    reference: Counter | None
    new: Counter | None


def measure_labels(reference: DriftSide, new: DriftSide, config: DriftConfig) -> list[dict[str, Any]]:
    """Compare the label mix of each column and attribute, and of the states of tags.

    A row: name, kind ("column", "missing", "tags" or "states"), drift (None where not measured), not_measured: the
    reason, and the fields of `LabelShift` with p_corrected (Holm); of missing labels and states also shares: state ->
    [reference, new].

    InputError for a name in `config.labels` that neither side has.
    """
    names = _names(reference, new, config)
    mixes = [mix for name in names for mix in _mixes(name, reference, new)]
    rows = [_row(mix) for mix in mixes]
    measured = [row for row in rows if row["not_measured"] is None]
    for row, p in zip(measured, holm([row["p"] for row in measured]), strict=True):
        row["p_corrected"] = p
        row["drift"] = p < config.alpha and row["total_variation"] > config.max_total_variation
    return rows


def _names(reference: DriftSide, new: DriftSide, config: DriftConfig) -> Sequence[str]:
    known = list(dict.fromkeys([*reference.columns, *new.columns, *reference.tags, *new.tags]))
    for name in config.label_names:
        if name not in known:
            raise unknown_name_error("column or attribute in --labels", name, known)
    return config.label_names or known


def _mixes(name: str, reference: DriftSide, new: DriftSide) -> Iterator[_Mix]:
    sides = reference, new
    if any(name in side.columns for side in sides):
        cells = [side.columns[name][side.first_rows()] if name in side.columns else None for side in sides]
        yield _Mix(name, "column", *map(_count_labels, cells))
        if all(each is not None for each in cells) and any((each == "").any() for each in cells):
            states = [np.where(each == "", _MISSING, _KNOWN) for each in cells]
            yield _Mix(name, "missing", *(Counter(each.tolist()) for each in states))
    if any(name in side.tags for side in sides):
        tags = [side.tags.get(name) for side in sides]
        labels = [each and each.labels[side.first_rows()] for each, side in zip(tags, sides, strict=True)]
        states = [each and each.states[side.first_rows()] for each, side in zip(tags, sides, strict=True)]
        yield _Mix(name, "tags", *map(_count_labels, labels))
        yield _Mix(name, "states", *(None if each is None else Counter(each.tolist()) for each in states))


def _count_labels(cells: Texts | None) -> Counter | None:
    """Return label -> products of cells [n] with bars between labels; "" has none."""
    if cells is None:
        return None
    return Counter(label for cell in cells.tolist() for label in set(cell.split(LABEL_SEPARATOR)) if label.strip())


def _row(mix: _Mix) -> dict[str, Any]:
    row = {"name": mix.name, "kind": mix.kind, "drift": None, "not_measured": None}
    try:
        shift = _shift(mix)
    except NotMeasuredError as error:
        return {**row, "not_measured": str(error)}
    row |= asdict(shift)
    if mix.kind in ("missing", "states"):
        states = [name for name in (*STATES, _KNOWN, _MISSING) if name in {*mix.reference, *mix.new}]
        row["shares"] = {name: [side[name] / side.total() for side in (mix.reference, mix.new)] for name in states}
    return row


def _shift(mix: _Mix) -> LabelShift:
    for side, missing in (("reference", mix.reference), ("new side", mix.new)):
        if missing is None:
            raise NotMeasuredError(f"the {side} has no such {'column' if mix.kind == 'column' else 'tags'}")
    count = max(map(len, (mix.reference, mix.new)))
    if count > MAX_LABELS:
        raise NotMeasuredError(f"{count:,} labels on a side; columns with at most {MAX_LABELS} are compared")
    return label_shift(mix.reference, mix.new)
