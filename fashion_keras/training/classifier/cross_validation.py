"""Cross-validation: one run for each fold, and what they come to together."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.evaluation.metrics.cross_validation_summary import fold_row, summarize_folds
from fashion_keras.evaluation.reports import scores
from fashion_keras.evaluation.reports.single_head import read_probabilities
from fashion_keras.models.predictions import Predictions, class_codes
from fashion_keras.support.atomic_files import read_json, write_json
from fashion_keras.support.errors import InputError
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.dataset_prep import PreparedData, make_split

log = logging.getLogger("fashion_keras")

_COMMON = ("task", "backbone", "strategy", "weights", "warnings", "classes", "versions")

CarryOut = Callable[[TrainConfig, PreparedData, Path], dict[str, Any]]


def cross_validate(config: TrainConfig, prepared: PreparedData, folder: Path, run: CarryOut) -> dict[str, Any]:
    """Carry out a run for each fold, in fold1, fold2, ... of a folder; finished ones stay, one that was begun goes on.

    Each is a run like any other. The folder itself gets predictions.parquet and figures of all products, each judged
    by the run that has not seen it, and report.json: what one fold's has of those products ("test", "per_class",
    "per_product", ...), "folds", a row each, and "over_folds": best, mean and sample standard deviation of the scores.

    Args:
        config, prepared: of all folds.
        folder: of the cross-validation.
        run: carries out one run in its folder.

    Raises:
        InputError: as a run; or when a fold was finished with another state of the catalogue.
    """
    catalog, group = prepared.catalog, prepared.goal.groups[0]
    probabilities = np.full((len(catalog), len(group.classes)), np.nan, np.float32)
    reports = []
    for number in range(1, config.folds + 1):
        log.info("fold %d of %d; if interrupted, all go on with --resume %s", number, config.folds, folder)
        fold = replace(config, fold=number, out=str(folder / f"fold{number}"))
        part = replace(prepared, split=make_split(fold, catalog, prepared.goal))
        reports.append(_report(fold, part, run))
        probabilities[part.split.test] = read_probabilities(Path(fold.out) / "predictions.parquet")
    said = Predictions(catalog.ids, probabilities, group, class_codes(prepared.goal.values))
    scores.write_predictions_and_plots(folder, said, catalog.paths, config.image_spec)
    report = _together(reports, prepared, said)
    write_json(folder / "report.json", report)
    return report


def _report(config: TrainConfig, prepared: PreparedData, run: CarryOut) -> dict[str, Any]:
    """Return the report of one fold, whose run is carried out, or gone on with, unless it is finished."""
    folder = Path(config.out)
    if not (folder / "report.json").is_file():
        write_json(folder / "config.json", config.to_dict())
        return run(config, prepared, folder)
    origin = read_json(folder / "origin.json")
    if (origin["fingerprint"], origin["parts"]) != (prepared.fingerprint, prepared.parts):
        raise InputError(f"{prepared.catalog.folder}: the catalogue has changed since {folder} was finished")
    return read_json(folder / "report.json")


def _together(reports: list[dict[str, Any]], prepared: PreparedData, said: Predictions) -> dict[str, Any]:
    rows = [fold_row(number, report) for number, report in enumerate(reports, 1)]
    origin = {"train_counts": prepared.goal.positives(np.arange(len(prepared.catalog))).tolist()}
    return {
        **{name: reports[0][name] for name in _COMMON},
        "counts": {"test": len(prepared.catalog), "rejected": len(prepared.catalog.rejected)},
        "folds": rows,
        "over_folds": summarize_folds(rows),
        **scores.compute_metrics(said, origin, prepared.catalog.product_groups),
        "seconds": {"total": round(sum(row["seconds"] for row in rows), 2)},
    }
