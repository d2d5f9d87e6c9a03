"""Robustness of runs to how an image is resized, stored or changed (gutierrez2019, section 3.1 and table 2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.analysis.config import RobustnessConfig
from fashion_keras.analysis.evaluation_subset import RunSubset, load_subset
from fashion_keras.evaluation.metrics.intervals import accuracy_interval
from fashion_keras.evaluation.plots.bars import plot_accuracy_by_condition
from fashion_keras.evaluation.plots.contact_sheet import contact_sheet
from fashion_keras.evaluation.plots.style import context
from fashion_keras.images.corruptions import CORRUPTIONS, apply_all
from fashion_keras.images.decode import decode
from fashion_keras.images.pipeline import prefetch
from fashion_keras.models.classifier import Classifier, make_predictions
from fashion_keras.models.predictions import Predictions
from fashion_keras.models.serialization import load_classifier_spec
from fashion_keras.support.atomic_files import write_csv, write_json
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.errors import InputError
from fashion_keras.support.progress import ProgressBar
from fashion_keras.support.verbose_argument import takes_verbose

COLUMNS = (
    "run", "head", "condition", "products", "accuracy", "low", "high", "accuracy_change", "agreement",
    "confidence_change", "pixel_change",
)  # fmt: skip
_BATCH = 16  # images, each under all conditions


@dataclass(frozen=True)
class _RunResult:
    """A run on its products: the predictions of each scored head under each condition, the reference first."""

    subset: RunSubset
    heads: list[list[Predictions]]
    summary: dict[str, Any]
    rows: list[dict[str, Any]]


@takes_verbose
def robustness(config: RobustnessConfig | Mapping[str, Any]) -> dict[str, Any]:
    """Score finished runs on the same products under each of `images.corruptions.CORRUPTIONS`.

    Of runs with several heads, the single-valued ones are scored. With `out`, robustness.csv, .json and .png are
    written and, if any predicted class changes, worst.png (of several runs worst-1.png, worst-2.png, ...).

    Returns:
        "conditions" {name: description}; "differ": which of "products" and "task" differ between the runs; "runs",
        whose counts add up to all rows and files of the catalog; "rows", one per run, head and condition, with COLUMNS:
        accuracy and its 95 % interval, and against the reference, the run's own decoding: accuracy_change, the share of
        equal predictions (agreement), the mean change of confidence, the mean absolute change of a pixel in 0..255.

    Raises:
        InputError: when a run or its catalog cannot be used, no product is left, or no head is single-valued.
    """
    config = as_config(RobustnessConfig, config)
    for run in config.runs:
        load_classifier_spec(run)
    subsets = [load_subset(str(Path(run)), config, config.part, config.limit, config.seed) for run in config.runs]
    with ProgressBar("robustness", sum(len(subset.products) for subset in subsets), "images") as bar:
        results = [_score_run(subset, bar) for subset in subsets]
    compared = {
        "products": {tuple(sorted(subset.products.image_ids.tolist())) for subset in subsets},
        "task": {subset.summary["task"] for subset in subsets},
    }
    report = {
        "conditions": {corruption.name: corruption.description for corruption in CORRUPTIONS},
        "differ": [name for name, values in compared.items() if len(values) > 1],
        "runs": [result.summary for result in results],
        "rows": [row for result in results for row in result.rows],
    }
    if config.out is not None:
        _write(Path(config.out), report, results)
    return report


def rows_by_head(rows: Sequence[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return (run, head) -> its rows, the reference first."""
    series: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        series.setdefault((row["run"], row["head"]), []).append(row)
    return series


def _score_run(subset: RunSubset, bar: ProgressBar) -> _RunResult:
    products, spec, run = subset.products, subset.classifier.spec, subset.summary["run"]
    logits, pixel_changes = _corrupted_logits(subset.classifier, products.paths.tolist(), bar)
    heads = [_scored_heads(make_predictions(spec, values, products.image_ids, subset.truth)) for values in logits]
    if not heads[0]:
        raise InputError(f"{run}: no single-valued head whose labels {subset.summary['catalog']} has")
    scored = {head.groups[0].name for head in heads[0]}
    resizers = (change for corruption, change in zip(CORRUPTIONS, pixel_changes, strict=True) if corruption.resizes)
    summary = {
        **subset.summary,
        "heads_left_out": [group.name for group in spec.groups if group.name not in scored],
        "resized": any(change > 0 for change in resizers),
    }
    product_of = dict(zip(products.image_ids.tolist(), products.product_groups.tolist(), strict=True))
    rows = [
        {
            "run": run,
            "head": reference.groups[0].name,
            "condition": corruption.name,
            **_compare(corrupted, reference, [product_of[row] for row in reference.ids.tolist()]),
            "pixel_change": change,
        }
        for corruption, predictions, change in zip(CORRUPTIONS, heads, pixel_changes, strict=True)
        for corrupted, reference in zip(predictions, heads[0], strict=True)
    ]
    return _RunResult(subset, heads, summary, rows)


def _corrupted_logits(
    classifier: Classifier, paths: list[str], bar: ProgressBar
) -> tuple[NDArray[np.float32], list[float]]:
    """Return logits [c, n, K] of n images under c conditions, and the mean absolute change of a pixel under each."""

    def corrupt(batch: list[str]) -> NDArray[np.uint8]:
        return np.stack([apply_all(decode(path, None), classifier.spec.image_spec) for path in batch])

    logits, changes = [], []
    batches = (paths[start : start + _BATCH] for start in range(0, len(paths), _BATCH))
    for pixels in prefetch(map(corrupt, batches)):
        count, conditions = pixels.shape[:2]
        changes.append(np.abs(pixels - pixels[:, :1].astype(np.int16)).mean(axis=(2, 3, 4)))
        logits.append(classifier.logits(pixels.reshape(-1, *pixels.shape[2:])).reshape(count, conditions, -1))
        bar.advance(count)
    return np.concatenate(logits).swapaxes(0, 1), np.concatenate(changes).mean(axis=0).tolist()


def _scored_heads(predictions: Predictions) -> list[Predictions]:
    """Return the predictions of each single-valued head, for the products whose truth is known, if any is."""
    heads = [head for head in predictions.split() if head.groups[0].kind == "single"]
    return [head.take(head.known) for head in heads if head.known.any()]


def _compare(corrupted: Predictions, reference: Predictions, product_groups: Sequence[int]) -> dict[str, float]:
    """Return the scores of n products under a condition, and how they differ from the reference."""
    correct = corrupted.codes == corrupted.true_codes
    low, high = accuracy_interval(correct, product_groups)
    confidence_change = corrupted.probabilities.max(axis=1) - reference.probabilities.max(axis=1)
    return {
        "products": len(corrupted),
        "accuracy": float(correct.mean()),
        "low": low,
        "high": high,
        "accuracy_change": float(correct.mean() - (reference.codes == reference.true_codes).mean()),
        "agreement": float((corrupted.codes == reference.codes).mean()),
        "confidence_change": float(np.mean(confidence_change)),
    }


def _write(folder: Path, report: dict[str, Any], results: list[_RunResult]) -> None:
    write_csv(folder / "robustness.csv", COLUMNS, report["rows"])
    write_json(folder / "robustness.json", report)
    catalogs = {run["catalog"] for run in report["runs"]}
    data = catalogs.pop() if len(catalogs) == 1 else ""
    plot_accuracy_by_condition(folder / "robustness.png", rows_by_head(report["rows"]), data)
    for number, result in enumerate(results, start=1):
        _draw_flips(folder / (f"worst-{number}.png" if len(results) > 1 else "worst.png"), result)


def _draw_flips(path: Path, result: _RunResult) -> None:
    """Draw the most confident flip under each condition that has any: reference left, corrupted image right."""
    products, spec = result.subset.products, result.subset.classifier.spec.image_spec
    paths = dict(zip(products.image_ids.tolist(), products.paths.tolist(), strict=True))
    images, captions = [], []
    for condition, predictions in enumerate(result.heads):
        pairs = zip(predictions, result.heads[0], strict=True)
        flips = [flip for pair in pairs for flip in _flips(CORRUPTIONS[condition].name, *pair)]
        if flips:
            _, product, caption = sorted(flips, key=lambda flip: flip[0])[-1]
            corrupted = apply_all(decode(paths[product], None), spec)
            images.append(np.hstack([corrupted[0], corrupted[condition]]))
            captions.append(caption)
    if images:
        title = "Most confident change of class under each condition: reference left, changed right"
        note = context(run=result.summary["run"], images=len(products), data=result.summary["catalog"])
        contact_sheet(path, images, captions, columns=4, title=title, note=note)


def _flips(condition: str, corrupted: Predictions, reference: Predictions) -> list[tuple[float, str, str]]:
    """Return confidence, product id and caption of each product whose predicted class changes under a condition."""
    rows = np.flatnonzero(corrupted.codes != reference.codes)
    after, before = corrupted.take(rows), reference.take(rows)
    columns = after.ids.tolist(), after.true_codes, before.top(1), after.top(1)
    flips = []
    for product, code, ((label, share),), ((changed, confidence),) in zip(*columns, strict=True):
        lines = f"reference: {label} {share:.0%}\n{condition}: {changed} {confidence:.0%}"
        flips.append((confidence, product, f"{product} true {after.classes[code]}\n{lines}"))
    return flips
