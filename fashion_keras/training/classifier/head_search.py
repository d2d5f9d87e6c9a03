"""A random search over heads: on vectors that are already there, one takes seconds."""

import csv
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fashion_keras.models.builder import replace_head
from fashion_keras.support.atomic_files import write_csv
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.trainer import Trainer

log = logging.getLogger("fashion_keras")

SEARCHED = ("learning_rate", "dropout", "dense", "weight_decay", "label_smoothing")


def search_heads(job: Trainer) -> Trainer:
    """Train `config.tune` heads on a job's vectors and return the job with the one that is best on validation.

    The first trial is the job as it is; the others draw the options in `EF_SEARCH` that it leaves open. Each finished
    trial is a row of tune.csv in the run folder, and is not repeated when an interrupted run goes on.
    """
    table = job.folder / "tune.csv"
    rows = _read(table)
    for number in range(len(rows), job.config.tune):
        options = sample_options(job.config, number)
        history = _with(job, options, job.folder / "tune").run()
        # Before it counts as finished: the next trial must not find its checkpoints.
        shutil.rmtree(job.folder / "tune")
        best = min(history, key=lambda row: row["val_loss"])
        rows.append({"trial": number, **options, "epochs": len(history), "val_accuracy": best["val_accuracy"]})
        write_csv(table, list(rows[0]), rows)
        log.info("trial %d/%d  val accuracy %.3f  %s", number + 1, job.config.tune, best["val_accuracy"], options)
    chosen = max(range(len(rows)), key=lambda number: float(rows[number]["val_accuracy"]))
    return _with(job, sample_options(job.config, chosen), job.folder)


def sample_options(config: TrainConfig, number: int) -> dict[str, Any]:
    """Return the options of a trial, the same for the same seed and number; trial 0 is the config itself."""
    random = np.random.default_rng((config.seed, number))
    drawn = {
        "learning_rate": float(f"{10 ** random.uniform(-3.5, -2):.2g}"),
        "dropout": float(random.choice([0.0, 0.2, 0.3, 0.5])),
        "dense": str(random.choice(["", "256", "512"])),
        "weight_decay": float(random.choice([0.0, 1e-4, 1e-3, 1e-2])),
        "label_smoothing": float(random.choice([0.0, 0.1])),
    }
    given = {name: getattr(config, name) for name in SEARCHED}
    return {name: drawn[name] if number and given[name] is None else given[name] for name in SEARCHED}


def _with(job: Trainer, options: dict[str, Any], folder: Path) -> Trainer:
    config = replace(job.config, **options)
    # The chosen head begins as it did in its trial.
    keras.utils.set_random_seed(config.seed)
    classes = job.network.output.shape[-1]
    return replace(job, config=config, network=replace_head(job.network, config.head_spec, classes), folder=folder)


def _read(table: Path) -> list[dict[str, Any]]:
    if not table.is_file():
        return []
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
