"""Robustness of runs to how an image is resized, stored or changed (gutierrez2019, section 3.1 and table 2)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.analysis.config import RobustnessConfig
from fashion_keras.analysis.evaluation_subset import scorable_rows, select_rows
from fashion_keras.analysis.robustness_scores import (
    COLUMNS,
    Flip,
    most_confident_flips,
    report_rows,
    rows_by_head,
)
from fashion_keras.catalog.datasets import resolve_dataset
from fashion_keras.catalog.readers import Catalog, read_catalog
from fashion_keras.evaluation.plots.accuracy_by_condition import plot_accuracy_by_condition
from fashion_keras.evaluation.plots.contact_sheet import contact_sheet
from fashion_keras.evaluation.plots.style import context
from fashion_keras.features.runtime import load_classifier
from fashion_keras.images.corruptions import CORRUPTIONS, apply_all
from fashion_keras.images.decode import ImageSpec, decode
from fashion_keras.images.pipeline import prefetch
from fashion_keras.models.classifier import Classifier, make_predictions
from fashion_keras.models.predictions import Predictions
from fashion_keras.models.serialization import load_classifier_spec
from fashion_keras.support.atomic_files import write_csv, write_json
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.errors import InputError
from fashion_keras.support.progress import ProgressBar
from fashion_keras.support.verbose_argument import takes_verbose
from fashion_keras.training.manifests import RunManifest

_BATCH = 16  # images, each under all conditions


@dataclass(frozen=True)
class _RunSubset:
    """The products that a run is scored on.

    Attributes:
        run, classifier: the run's folder, and its classifier.
        products: n rows with a readable image and a label.
        truth [n, K] int8: 1 yes, 0 no, -1 not known of each label.
        summary: the run's entry in the report.
    """

    run: Path
    classifier: Classifier
    products: Catalog
    truth: NDArray[np.int8]
    summary: dict[str, Any]


@dataclass(frozen=True)
class _RunResult:
    """The scores of a run: its summary, product ids, rows of the report and most confident flips."""

    summary: dict[str, Any]
    ids: tuple[int, ...]
    rows: list[dict[str, Any]]
    flips: list[Flip]
    image_spec: ImageSpec


@takes_verbose
def robustness(config: RobustnessConfig | Mapping[str, Any]) -> dict[str, Any]:
    """Score finished runs on the same products under each of `images.corruptions.CORRUPTIONS`.

    Of runs with several heads, the single-valued ones are scored. With `out`, robustness.csv, .json and .png are
    written and, if any predicted class changes, worst.png: the most confident change under each condition (of several
    runs worst-1.png, worst-2.png, ...).

    Returns:
        "conditions" {name: description}; "differ": which of "products" and "task" differ between the runs; "runs"
        [{run, task, catalog, part, counts, reasons, heads_left_out, test_products_missing, resized}]; "rows", one per
        run, head and condition, with COLUMNS: accuracy and its 95 % interval low..high, which resamples products; and
        against the reference, the run's own decoding: accuracy_change, the share of equal predictions (agreement), the
        mean change of confidence, the mean absolute change of a pixel in 0..255.
        counts {test, rejected, beyond_limit, trained_on, other_parts} add up to all rows and files of the catalog;
        test_products_missing: products of the run's test part that the catalog lacks; resized: whether resizers
        changed any image.

    Raises:
        InputError: when a run or its catalog cannot be used, no product is left, or no head is single-valued.
    """
    config = as_config(RobustnessConfig, config)
    for run in config.runs:
        load_classifier_spec(run)
    subsets = [_load_subset(Path(run), config) for run in config.runs]
    with ProgressBar("robustness", sum(len(subset.products) for subset in subsets), "images") as bar:
        results = [_score_run(subset, bar) for subset in subsets]
    report = {
        "conditions": {corruption.name: corruption.description for corruption in CORRUPTIONS},
        "differ": _differences(results),
        "runs": [result.summary for result in results],
        "rows": [row for result in results for row in result.rows],
    }
    if config.out is not None:
        _write(Path(config.out), report, results)
    return report


def _differences(results: Sequence[_RunResult]) -> list[str]:
    products, tasks = {result.ids for result in results}, {result.summary["task"] for result in results}
    return [name for name, values in (("products", products), ("task", tasks)) if len(values) > 1]


def _load_subset(run: Path, config: RobustnessConfig) -> _RunSubset:
    """Return the products that a run is scored on; InputError when there is none or no head can be scored."""
    manifest = RunManifest.read(run)
    catalog = read_catalog(resolve_dataset(config.data or manifest.data)[0])
    selected = select_rows(catalog, manifest, config.part)
    drawn = np.sort(np.random.default_rng(config.seed).permutation(selected.rows)[: config.limit])
    classifier = load_classifier(run)
    products, truth = scorable_rows(catalog, drawn, classifier)
    summary = {
        "run": str(run),
        "task": classifier.spec.task,
        "catalog": str(catalog.folder),
        "part": selected.part,
        "counts": {
            "test": len(products),
            "rejected": len(products.rejected),
            "beyond_limit": len(selected.rows) - len(drawn),
            "trained_on": selected.trained_on_left_out,
            "other_parts": len(catalog) - len(selected.rows) - selected.trained_on_left_out,
        },
        "reasons": dict(Counter(row.reason for row in products.rejected).most_common()),
        "test_products_missing": selected.test_products_missing,
    }
    return _RunSubset(run, classifier, products, truth, summary)


def _score_run(subset: _RunSubset, bar: ProgressBar) -> _RunResult:
    products, spec = subset.products, subset.classifier.spec
    logits, pixel_changes = _corrupted_logits(subset.classifier, products.paths.tolist(), bar)
    heads = [_scored_heads(make_predictions(spec, values, products.ids, subset.truth)) for values in logits]
    if not heads[0]:
        raise InputError(f"{subset.run}: no single-valued head whose labels {subset.summary['catalog']} has")
    scored = {head.groups[0].name for head in heads[0]}
    resizers = (change for corruption, change in zip(CORRUPTIONS, pixel_changes, strict=True) if corruption.resizes)
    summary = {
        **subset.summary,
        "heads_left_out": [group.name for group in spec.groups if group.name not in scored],
        "resized": any(change > 0 for change in resizers),
    }
    product_of = dict(zip(products.ids.tolist(), products.product_groups.tolist(), strict=True))
    rows = report_rows(str(subset.run), heads, pixel_changes, product_of)
    ids = tuple(sorted(products.ids.tolist()))
    return _RunResult(summary, ids, rows, most_confident_flips(heads, products), spec.image_spec)


def _corrupted_logits(
    classifier: Classifier, paths: list[str], bar: ProgressBar
) -> tuple[NDArray[np.float32], list[float]]:
    """Return logits [c, n, K] of n images under c conditions, and the mean absolute change of a pixel under each."""
    logits, changes = [], []
    batches = (paths[start : start + _BATCH] for start in range(0, len(paths), _BATCH))
    for pixels in prefetch(_corrupted_images(batch, classifier.spec.image_spec) for batch in batches):
        count, conditions = pixels.shape[:2]
        changes.append(np.abs(pixels - pixels[:, :1].astype(np.int16)).mean(axis=(2, 3, 4)))
        flat = classifier.logits(pixels.reshape(-1, *pixels.shape[2:]))
        logits.append(flat.reshape(count, conditions, -1))
        bar.advance(count)
    return np.concatenate(logits).swapaxes(0, 1), np.concatenate(changes).mean(axis=0).tolist()


def _corrupted_images(paths: list[str], spec: ImageSpec) -> NDArray[np.uint8]:
    return np.stack([apply_all(decode(path, None), spec) for path in paths])


def _scored_heads(predictions: Predictions) -> list[Predictions]:
    """Return the predictions of each single-valued head, for the products whose truth is known, if any is."""
    heads = [head for head in predictions.split() if head.groups[0].kind == "single"]
    return [head.take(head.known) for head in heads if head.known.any()]


def _write(folder: Path, report: dict[str, Any], results: list[_RunResult]) -> None:
    write_csv(folder / "robustness.csv", COLUMNS, report["rows"])
    write_json(folder / "robustness.json", report)
    plot_accuracy_by_condition(folder / "robustness.png", rows_by_head(report["rows"]))
    for number, result in enumerate(results, start=1):
        if result.flips:
            _draw_flips(folder / (f"worst-{number}.png" if len(results) > 1 else "worst.png"), result)


def _draw_flips(path: Path, result: _RunResult) -> None:
    """Draw each flip as a pair: the reference on the left, the corrupted image on the right."""
    images, captions = [], []
    for flip in result.flips:
        corrupted = apply_all(decode(flip.path, None), result.image_spec)
        images.append(np.hstack([corrupted[0], corrupted[flip.condition]]))
        predicted = {"reference": flip.reference, CORRUPTIONS[flip.condition].name: flip.corrupted}
        lines = [f"{condition}: {label} {share:.0%}" for condition, (label, share) in predicted.items()]
        captions.append("\n".join([f"{flip.id} true {flip.truth}", *lines]))
    title = "Most confident change of class under each condition: reference left, changed right"
    note = context(run=result.summary["run"], images=len(result.ids))
    contact_sheet(path, images, captions, columns=4, title=title, note=note)
