"""What a run with several heads is judged by, as values, a Parquet file and figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fashion_keras.evaluation.metrics import classification, intervals, multilabel, validation
from fashion_keras.evaluation.plots import charts, labels
from fashion_keras.evaluation.reports import single_head
from fashion_keras.evaluation.reports.multihead_calibration import confidence_and_correct
from fashion_keras.images.decode import ImageSpec
from fashion_keras.models.predictions import AttributePredictions, LabelGroup, group_slices
from fashion_keras.support.atomic_files import atomic_write

_MEANS = ("accuracy", "top_3", "macro_f1", "micro_average_precision", "ece")
_DRAWS = 1000


def compute_metrics(
    said: AttributePredictions, positives: NDArray[np.int64], known: Mapping[str, Mapping[str, int]]
) -> dict[str, Any]:
    """Return the report's keys "test", "groups", "labels", "per_class" and "by_frequency".

    test: means over the single-valued groups, or over the multi-valued ones where there is no other. groups: each by
    itself, as `reports.scores` or `multilabel` has it. labels: all K as one multi-label task, by the labels that the
    run gives or, as guo2019 does, the eight most probable. per_class: each of the K labels as it is given.

    Args:
        said: of n images, truth included.
        positives [K] int64: training images of each label.
        known: part -> group -> images of that part of which it is known.
    """
    groups = {group.name: _group(said, group.name, positives, known) for group in said.groups}
    rows = _label_rows(said, [f"{group.name}: {name}" for group in said.groups for name in group.classes], positives)
    return {
        "test": _overall(said, groups),
        "groups": groups,
        "labels": _labels(said),
        "per_class": rows,
        "by_frequency": classification.by_class_frequency(rows),
    }


def write_predictions(path: Path, said: AttributePredictions) -> None:
    """Write one row per image: id, and of each group truth, predicted and probabilities [k].

    Truth and prediction of a multi-valued group are lists of labels; a truth that is not known is null.
    """
    columns: dict[str, Any] = {"id": said.ids}
    for group in said.groups:
        part = said.part(group.name)
        if group.kind == "single":
            one = said.of(group.name)
            names = {"truth": _chosen(group, one.truth), "predicted": one.names}
        else:
            everywhere = np.full_like(part.known, True)
            names = {
                "truth": _listed(group, part.truth == 1, part.known),
                "predicted": _listed(group, part.given, everywhere),
            }
        columns |= {f"{group.name}.{name}": values for name, values in names.items()}
        columns[f"{group.name}.probabilities"] = list(part.probabilities)
    with atomic_write(path) as temporary:
        pq.write_table(pa.table(columns), temporary)


def plot_report(folder: Path, said: AttributePredictions, paths: Sequence[str], spec: ImageSpec) -> None:
    """Draw co_occurrence.png and labels_per_image.png (guo2019, figs. 3 and 2), and each group in a folder of its own.

    Args:
        folder: receives the figures.
        said: of n images, truth included.
        paths: n image files.
        spec: how they are shown.
    """
    names = [name for group in said.groups for name in group.classes]
    labels.co_occurrence(folder / "co_occurrence.png", multilabel.co_occurrence(said.truth, said.known), names)
    decisions = {"known to be there": said.truth, "given by the run": said.given}
    counts = {name: multilabel.labels_per_image(values, said.known) for name, values in decisions.items()}
    labels.labels_per_image(folder / "labels_per_image.png", counts)
    for group in said.groups:
        home, part = folder / group.name.replace(":", "_"), said.part(group.name)
        rows = part.known.any(axis=1)
        if rows.any() and group.kind == "single":
            single_head.plot_report(home, said.of(group.name).take(rows), np.asarray(paths)[rows], spec)
        elif rows.any():
            _draw_labels(home, part)


def grouped_accuracy_interval(right: NDArray[np.int64], known: NDArray[np.int64], seed: int = 0) -> list[float]:
    """Return [low, high], the 95 % bootstrap interval of the mean over groups of right / known, resampling images.

    `right` and `known` [n, g] int: how many answers in each group are right, and how many could be judged.
    """

    def mean_share(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        shares = validation.ratio(*np.split(sums, 2, axis=1))
        return validation.ratio(np.nansum(shares, axis=1), (~np.isnan(shares)).sum(axis=1))

    return list(intervals.bootstrap_interval(np.hstack([right, known]), mean_share, draws=_DRAWS, seed=seed))


def _group(
    said: AttributePredictions, name: str, positives: NDArray[np.int64], known: Mapping[str, Mapping[str, int]]
) -> dict[str, Any]:
    part, positives = said.part(name), positives[group_slices(said.groups)[name]]
    group, rows = part.groups[0], part.known.any(axis=1)
    counts = {where: groups[name] for where, groups in known.items()} | {"test": int(rows.sum())}
    about = {"kind": group.kind, "classes": list(group.classes), "counts": counts}
    if not rows.any():
        return about | {"test": None, "per_class": [], "by_frequency": {}}
    if group.kind == "single":
        return about | single_head.compute_metrics(said.of(name).take(rows), positives)
    return about | _multi_valued(part, positives)


def _multi_valued(part: AttributePredictions, positives: NDArray[np.int64]) -> dict[str, Any]:
    group, known = part.groups[0], part.known
    rows = _label_rows(part, group.classes, positives)
    found = multilabel.summary(part.truth, known, part.given)
    test = {
        "accuracy": float(np.mean(part.given[known] == part.truth[known])),
        "macro_f1": found["macro"]["f1"],
        "ece": classification.expected_calibration_error(
            *confidence_and_correct(group, part.probabilities, part.truth)
        ),
        "mean_average_precision": _mean([row["average_precision"] for row in rows]),
        **found,
    }
    return {"test": test, "per_class": rows, "by_frequency": classification.by_class_frequency(rows)}


def _label_rows(said: AttributePredictions, names: Sequence[str], positives: NDArray[np.int64]) -> list[dict[str, Any]]:
    return multilabel.per_label(said.truth, said.known, said.probabilities, said.given, names, positives)


def _labels(said: AttributePredictions) -> dict[str, Any]:
    known, count = said.known, said.truth.shape[1]
    top = multilabel.top_n(said.probabilities, min(multilabel.GUO2019_LABELS, count))
    columns = {name: np.arange(count)[part] for name, part in group_slices(said.groups).items()}
    areas = multilabel.average_precisions(said.truth, known, said.probabilities)
    return {"mean_average_precision": _mean(areas)} | {
        name: multilabel.summary(said.truth, known, given)
        | {"groups": multilabel.group_f1(said.truth, known, given, columns)}
        for name, given in {"given": said.given, "top_8": top}.items()
    }


def _overall(said: AttributePredictions, groups: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    judged = [group for group in said.groups if groups[group.name]["test"]]
    judged = [group for group in judged if group.kind == "single"] or judged
    tests = [groups[group.name]["test"] for group in judged]
    right, known = np.stack([_right_and_known(said, group) for group in judged], axis=2)
    means = {name: _mean([test.get(name) for test in tests]) for name in _MEANS}
    return means | {"accuracy_ci95": grouped_accuracy_interval(right, known)}


def _right_and_known(said: AttributePredictions, group: LabelGroup) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many answers in a group are right and how many are known, of each image, two [n] int64."""
    part = said.part(group.name)
    if group.kind == "single":
        one = said.of(group.name)
        known = one.truth >= 0
        return (known & (one.probabilities.argmax(axis=1) == one.truth)).astype(int), known.astype(int)
    return (part.known & (part.given == part.truth)).sum(axis=1), part.known.sum(axis=1)


def _mean(values: Sequence[float | None]) -> float | None:
    return validation.or_none(validation.mean(values))


def _chosen(group: LabelGroup, codes: NDArray[np.int64]) -> list[str | None]:
    return [group.classes[code] if code >= 0 else None for code in codes]


def _listed(group: LabelGroup, chosen: NDArray[np.bool_], known: NDArray[np.bool_]) -> list[list[str] | None]:
    """Return the chosen labels of each image; None where none is known."""
    rows = zip(chosen, known.any(axis=1), strict=True)
    return [[group.classes[code] for code in np.flatnonzero(row)] if there else None for row, there in rows]


def _draw_labels(folder: Path, part: AttributePredictions) -> None:
    group, known, shares = part.groups[0], part.known, part.probabilities
    there = np.flatnonzero((part.truth == 1).any(axis=0))
    curves = [
        single_head.curve(group.classes[code], part.truth[known[:, code], code] == 1, shares[known[:, code], code])
        for code in there
    ]
    micro = single_head.curve("", part.truth[known] == 1, shares[known])
    charts.precision_recall(folder / "precision_recall.png", curves, micro[1:])
    single_head.draw_reliability(
        folder / "reliability.png", group.name, *confidence_and_correct(group, shares, part.truth)
    )
