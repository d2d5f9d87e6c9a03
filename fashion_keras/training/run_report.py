"""What a trained network says of the test part, and the report that this makes."""

import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from fashion_keras.evaluation.reports import scores
from fashion_keras.evaluation.reports.multihead_calibration import ece_before_after
from fashion_keras.features.cache import encode
from fashion_keras.features.compile import compile_encoder
from fashion_keras.models.builder import as_classifier, submodel_from, submodel_until
from fashion_keras.models.classifier import LabelSpec, make_predictions
from fashion_keras.models.pretrained_weights import WeightsSource
from fashion_keras.support.atomic_files import read_json
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.dataset_prep import PreparedData
from fashion_keras.training.trainer import Trainer

_VERSIONS = ("fashion_keras", "tensorflow", "keras", "numpy", "pillow")


def evaluate_test(
    config: TrainConfig, prepared: PreparedData, spec: LabelSpec, network: keras.Model, folder: Path
) -> tuple[dict[str, Any], float]:
    """Judge a float32 network by the test part, with predictions.parquet and figures in the run folder.

    Returns:
        what the report says of it, and the seconds that the network took.
    """
    rows = prepared.split.test
    values = prepared.goal.values[rows]
    began = time.perf_counter()
    logits = _test_logits(config, prepared, spec, network)
    seconds = time.perf_counter() - began
    said = make_predictions(spec, logits, prepared.catalog.ids[rows], values)
    scores.write_predictions_and_plots(folder, said, prepared.catalog.paths[rows], config.image_spec)
    metrics = scores.compute_metrics(said, read_json(folder / "origin.json"), prepared.catalog.product_groups[rows])
    return metrics | {"calibration": ece_before_after(prepared.goal.groups, spec.groups, logits, values)}, seconds


def report_header(
    config: TrainConfig, prepared: PreparedData, spec: LabelSpec, origin: WeightsSource, warnings: list[str]
) -> dict[str, Any]:
    """Return what the report says of a run before any score."""
    return {
        "task": config.task,
        "backbone": config.backbone,
        "strategy": config.strategy_name,
        "weights": origin.source,
        "warnings": warnings,
        "classes": list(spec.classes),
        "counts": prepared.counts,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _VERSIONS}},
    }


def throughput(
    trainer: Trainer, batch_size: int, history: list[dict[str, Any]], tested: int, times: dict[str, float]
) -> dict[str, Any]:
    """Return the report's seconds, and images per second in training and of `tested` images in testing."""
    times = {"train": sum(row["seconds"] for row in history), **times}
    steps = {phase.name: phase.feed.steps[0] for phase in trainer.phases}
    seen = sum(steps[row["phase"]] for row in history) * batch_size
    return {
        "seconds": {name: round(value, 2) for name, value in times.items()},
        "images_per_second": {"train": round(seen / times["train"], 1), "test": round(tested / times["test"], 1)},
    }


def _test_logits(
    config: TrainConfig, prepared: PreparedData, spec: LabelSpec, network: keras.Model
) -> NDArray[np.float32]:
    """Ask the network in float32; what a frozen backbone says of the test part is kept for the next task."""
    test = prepared.catalog.take(prepared.split.test)
    if config.strategy_name != "frozen" or not config.views:
        return as_classifier(spec, network).logits(test.paths)
    encoder = compile_encoder(submodel_until(network, "pool"), config.image_spec, config.runtime, "float32")
    return submodel_from(network, "pool").predict_on_batch(np.asarray(encode(test, encoder).values))
