"""Random search over classification heads: on cached features a trial takes seconds."""

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
from fashion_keras.training.classifier.setup import ClassifierSetup
from fashion_keras.training.config import TrainConfig

log = logging.getLogger("fashion_keras")

SEARCHED = ("learning_rate", "dropout", "dense", "weight_decay", "label_smoothing")


def search_heads(setup: ClassifierSetup) -> ClassifierSetup:
    """Train `config.tune` heads on cached features and return the setup of the one with the best validation accuracy.

    The first trial is the config as it is; the others draw the options in `SEARCHED` that it does not set. Each
    finished trial is a row of tune.csv in the run folder, and is not repeated when an interrupted run is resumed.
    """
    table, folder = setup.folder / "tune.csv", setup.folder / "tune"
    rows = _read_table(table)
    for number in range(len(rows), setup.config.tune):
        options = sample_options(setup.config, number)
        trial = replace(_with_options(setup, options), folder=folder, callbacks=())
        history = trial.trainer().run()
        # Before it counts as finished: the next trial must not resume from its checkpoints.
        shutil.rmtree(folder)
        best = min(history, key=lambda row: row["val_loss"])
        rows.append({"trial": number, **options, "epochs": len(history), "val_accuracy": best["val_accuracy"]})
        write_csv(table, list(rows[0]), rows)
        log.info("trial %d/%d  val accuracy %.3f  %s", number + 1, setup.config.tune, best["val_accuracy"], options)
    chosen = max(range(len(rows)), key=lambda number: float(rows[number]["val_accuracy"]))
    return _with_options(setup, sample_options(setup.config, chosen))


def sample_options(config: TrainConfig, number: int) -> dict[str, Any]:
    """Return the options of a trial, the same for the same seed and number; trial 0 is the config itself."""
    rng = np.random.default_rng((config.seed, number))
    drawn = {
        "learning_rate": float(f"{10 ** rng.uniform(-3.5, -2):.2g}"),
        "dropout": float(rng.choice([0.0, 0.2, 0.3, 0.5])),
        "dense": str(rng.choice(["", "256", "512"])),
        "weight_decay": float(rng.choice([0.0, 1e-4, 1e-3, 1e-2])),
        "label_smoothing": float(rng.choice([0.0, 0.1])),
    }
    given = searched_options(config)
    return {name: drawn[name] if number and given[name] is None else given[name] for name in SEARCHED}


def searched_options(config: TrainConfig) -> dict[str, Any]:
    """Return the values of the searched options."""
    return {name: getattr(config, name) for name in SEARCHED}


def _with_options(setup: ClassifierSetup, options: dict[str, Any]) -> ClassifierSetup:
    config = replace(setup.config, **options)
    # The chosen head starts with the same weights as in its trial.
    keras.utils.set_random_seed(config.seed)
    classes = setup.network.output.shape[-1]
    return replace(setup, config=config, network=replace_head(setup.network, config.head_spec, classes))


def _read_table(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
