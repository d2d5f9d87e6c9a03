"""Cross-validation: one run for each fold, and the scores of all products together."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.catalog.label_groups import LabelGroup
from fashion_keras.evaluation.reports.compute import compute_scores, summarize_folds
from fashion_keras.evaluation.reports.report import Report
from fashion_keras.evaluation.reports.write import plot_report, read_probabilities, write_predictions
from fashion_keras.models.predictions import Predictions
from fashion_keras.models.serialization import load_classifier_spec
from fashion_keras.support.atomic_files import write_json
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.dataset_prep import PreparedData, split_rows
from fashion_keras.training.manifests import RunManifest
from fashion_keras.training.run_folder import Run

log = logging.getLogger("fashion_keras")

_COMMON = ("task", "backbone", "strategy", "weights", "warnings", "device", "classes", "versions")

_RULES = ("cumulative_maximum", "mean_probability")

RunFold = Callable[[TrainConfig, PreparedData, Path], Run]


def cross_validate(config: TrainConfig, prepared: PreparedData, folder: Path, run: RunFold) -> Report:
    """Run each fold in fold1, fold2, ... of a folder; finished ones are kept, one that was begun is resumed.

    Each is a run like any other. The folder itself gets predictions.parquet and figures of all products, each predicted
    by the run that was not trained on it, and report.json: scores of all products, "folds", a row each, and
    "over_folds": best, mean and sample standard deviation of the scores. Labels of multi-valued groups are predicted
    there from the mean of the folds' thresholds on. InputError as a run, or when the catalog changed between folds.
    """
    catalog = prepared.catalog
    shares = np.full((len(catalog), len(prepared.targets.classes)), np.nan, np.float32)
    reports = []
    for number in range(1, config.folds + 1):
        log.info("fold %d of %d; if interrupted, all go on with --resume %s", number, config.folds, folder)
        fold = replace(config, fold=number, out=str(folder / f"fold{number}"))
        part = replace(prepared, rows=split_rows(fold, catalog, prepared.targets))
        reports.append(_fold_report(fold, part, run))
        shares[part.rows["test"]] = read_probabilities(Path(fold.out))
    groups = _mean_thresholds(folder, config.folds)
    predictions = Predictions(catalog.image_ids, shares, groups, prepared.targets.packed)
    write_predictions(folder, predictions)
    plot_report(folder, predictions, catalog.paths, config.image_spec, data=prepared.data)
    report = _combined_report(reports, prepared, predictions)
    report.write(folder)
    return report


def _fold_report(config: TrainConfig, prepared: PreparedData, run: RunFold) -> Report:
    """Return the report of one fold, which is run or resumed unless it is finished."""
    folder = Path(config.out)
    if not (folder / Report.FILE).is_file():
        write_json(folder / "config.json", config.to_dict())
        return run(config, prepared, folder).report
    prepared.check_unchanged(RunManifest.read(folder), f"{folder} was finished")
    return Report.read(folder)


def _combined_report(reports: list[Report], prepared: PreparedData, predictions: Predictions) -> Report:
    rows = [_fold_row(number, report) for number, report in enumerate(reports, 1)]
    names = ("accuracy", "macro_f1", *_RULES, *(f"{name}.accuracy" for name in reports[0].groups))
    catalog = prepared.catalog
    train_counts = prepared.targets.label_counts(np.arange(len(catalog)))
    return Report(
        **{name: getattr(reports[0], name) for name in _COMMON},
        **compute_scores(predictions, train_counts, {}, catalog.product_groups),
        counts={"test": len(catalog), "rejected": len(catalog.rejected)},
        corrections=catalog.correction_counts,
        folds=rows,
        over_folds=summarize_folds(rows, names),
        seconds={"total": round(sum(row["seconds"] for row in rows), 2)},
    )


def _fold_row(number: int, report: Report) -> dict[str, Any]:
    """Return the scores of one fold: of all its heads, per product where there is one, and of each of several heads."""
    scores = {name: report.test[name] for name in ("accuracy", "accuracy_ci95", "macro_f1")}
    rules = report.per_product["all"] if report.per_product else dict.fromkeys(_RULES)
    heads = {f"{name}.accuracy": group["test"] and group["test"]["accuracy"] for name, group in report.groups.items()}
    return {
        "fold": number,
        "folder": f"fold{number}",
        "counts": report.counts,
        "seconds": report.seconds["total"],
        **scores,
        **{name: rules[name] and rules[name]["accuracy"] for name in _RULES},
        **(heads if len(heads) > 1 else {}),
    }


def _mean_thresholds(folder: Path, folds: int) -> tuple[LabelGroup, ...]:
    """Return the label groups with the means of the folds' thresholds; None where a fold never predicts a label."""
    specs = [load_classifier_spec(folder / f"fold{number}")[0] for number in range(1, folds + 1)]
    groups = []
    for same in zip(*(spec.groups for spec in specs), strict=True):
        means = np.mean([group.threshold_array for group in same], axis=0)
        thresholds = tuple(None if np.isinf(mean) else float(mean) for mean in means)
        groups.append(replace(same[0], temperature=1.0, thresholds=thresholds if same[0].kind == "multi" else ()))
    return tuple(groups)
