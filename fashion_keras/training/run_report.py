"""Run report: predictions of the test part, their scores, and the report that they make."""

import platform
import re
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fashion_keras.evaluation.reports.calibration import ece_before_after
from fashion_keras.evaluation.reports.compute import compute_scores
from fashion_keras.evaluation.reports.write import plot_report, write_predictions
from fashion_keras.features.cache import encode
from fashion_keras.features.compile import compile_encoder
from fashion_keras.features.runtime import load_classifier
from fashion_keras.images.leaks import count_leaks
from fashion_keras.models.builder import submodel_from, submodel_until
from fashion_keras.models.classifier import Classifier, ClassifierSpec, make_predictions
from fashion_keras.models.predictions import Predictions, probabilities
from fashion_keras.training.base_config import INT8
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.dataset_prep import PreparedData
from fashion_keras.training.manifests import RunManifest
from fashion_keras.training.trainer import Trainer

_VERSIONS = ("fashion_keras", "tensorflow", "keras", "numpy", "pillow")


def evaluate_test(
    config: TrainConfig,
    prepared: PreparedData,
    manifest: RunManifest,
    spec: ClassifierSpec,
    network: keras.Model,
    folder: Path,
) -> tuple[dict[str, Any], float]:
    """Score a float32 network on the test part; write predictions.parquet and figures into the run folder.

    Returns the report's scores and calibration, and the seconds that the network took.
    """
    rows = prepared.rows["test"]
    began = time.perf_counter()
    logits = _test_logits(config, prepared, spec, network, folder)
    seconds = time.perf_counter() - began
    truth = prepared.targets.packed[rows]
    predictions = make_predictions(spec, logits, prepared.catalog.image_ids[rows], truth)
    write_predictions(folder, predictions)
    plot_report(folder, predictions, prepared.catalog.paths[rows], config.image_spec, data=prepared.data)
    scores = compute_scores(predictions, manifest.train_counts, manifest.known, prepared.catalog.product_groups[rows])
    groups = prepared.targets.groups
    raw = Predictions(predictions.ids, probabilities(groups, logits), groups, truth)
    return scores | {"calibration": ece_before_after(raw, predictions)}, seconds


def report_fields(
    config: TrainConfig,
    prepared: PreparedData,
    spec: ClassifierSpec,
    trainer: Trainer,
    history: list[dict[str, Any]],
    times: dict[str, float],
) -> dict[str, Any]:
    """Return the report's fields on the run's settings, its products and its speed; `times` in seconds."""
    times = {"train": sum(row["seconds"] for row in history), **times}
    steps = {phase.name: phase.feed.steps[0] for phase in trainer.phases}
    trained = sum(steps[row["phase"]] for row in history) * config.batch_size
    images = {"train": trained, "test": len(prepared.rows["test"])}
    return {
        "task": config.task,
        "backbone": spec.backbone,
        "strategy": config.strategy_name,
        "classes": list(spec.classes),
        "counts": prepared.counts,
        "corrections": prepared.catalog.correction_counts,
        "leaks": count_leaks(prepared.catalog, prepared.rows),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _VERSIONS}},
        "seconds": {name: round(value, 2) for name, value in times.items()},
        "images_per_second": {part: round(count / times[part], 1) for part, count in images.items()},
        "distribute": trainer.distribution.to_dict(config.batch_size),
    }


def _test_logits(
    config: TrainConfig, prepared: PreparedData, spec: ClassifierSpec, network: keras.Model, folder: Path
) -> NDArray[np.float32]:
    """Return the logits of the test part in float32, or of the network that is stored in the run folder with int8.

    Features of a frozen backbone are cached for the next task.
    """
    test = prepared.take("test")
    if config.precision == INT8:
        return load_classifier(folder).logits(test.paths)
    if config.strategy_name != "frozen" or not config.views:
        return Classifier(spec, network.predict_on_batch).logits(test.paths)
    encoder = compile_encoder(submodel_until(network, "pool"), config.image_spec, config.runtime, "float32")
    return submodel_from(network, "pool").predict_on_batch(np.asarray(encode(test, encoder).values))


def training_device(replicas: int = 1) -> str:
    """Return "GPU " and its name, or "CPU " and its model; of several GPUs, how many are used here."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        name = tf.config.experimental.get_device_details(gpus[0]).get("device_name", gpus[0].name)
        return f"GPU {name}" + (f" ({'the first' if replicas == 1 else 'all'} of {len(gpus)})" if len(gpus) > 1 else "")
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8") if info.is_file() else ""
    match = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return f"CPU {match.group(1).strip() if match else platform.processor() or platform.machine()}"
