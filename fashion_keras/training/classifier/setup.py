"""Trainer setup of a classifier as a `TrainConfig` describes it, and random search over its head."""

import csv
import json
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.label_groups import LabelGroup
from fashion_keras.images.augment import get_augmentation
from fashion_keras.models.builder import replace_head
from fashion_keras.support.atomic_files import write_csv
from fashion_keras.training.balance import label_weights
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.dataset_prep import PreparedData
from fashion_keras.training.distribution import ONE_DEVICE, Distribution
from fashion_keras.training.feeds import Feed, image_feed, phase_feeds
from fashion_keras.training.losses import GroupAccuracy, mixed_loss, multihead_loss
from fashion_keras.training.strategies import get_strategy
from fashion_keras.training.trainer import Loss, OptimizerSettings, Trainer, trainer_phases

log = logging.getLogger("fashion_keras")

SEARCHED = ("learning_rate", "dropout", "dense", "weight_decay", "label_smoothing")


UserLoss = Loss | keras.losses.Loss


@dataclass(frozen=True)
class UserObjective:
    """The user's own loss in place of the run's, None for that, and metrics beside the run's."""

    loss: UserLoss | None = None
    metrics: tuple[keras.metrics.Metric, ...] = ()

    def new_metrics(self) -> list[keras.metrics.Metric]:
        """Return new metrics of the same settings, for one phase."""
        return [type(metric).from_config(metric.get_config()) for metric in self.metrics]


@dataclass(frozen=True)
class RunOptions:
    """What a caller gives a run besides its config: callbacks, the own objective, and the devices."""

    callbacks: Sequence[keras.callbacks.Callback] = ()
    objective: UserObjective = UserObjective()
    distribution: Distribution = ONE_DEVICE


@dataclass(frozen=True)
class ClassifierSetup:
    """Components of a classifier's trainer.

    Attributes:
        network: pixels -> logits, with its initial weights; trained in place.
        weights [K] float32: of each label in the loss, see `loss_weights`.
        feeds: one for each phase of the strategy.
        pretrained: whether the backbone's weights are; see `set_trainable`.
    """

    config: TrainConfig
    network: keras.Model
    groups: tuple[LabelGroup, ...]
    weights: NDArray[np.float32]
    feeds: tuple[Feed, ...]
    pretrained: bool
    folder: Path
    callbacks: Sequence[keras.callbacks.Callback] = ()
    objective: UserObjective = UserObjective()
    distribution: Distribution = ONE_DEVICE

    def trainer(self) -> Trainer:
        """Return the trainer; it resumes where `folder` holds a checkpoint."""
        config, strategy = self.config, get_strategy(self.config.strategy_name)
        loss, metrics = self._own_objective(
            strategy.label_smoothing if config.label_smoothing is None else config.label_smoothing
        )
        return Trainer(
            model=self.network,
            phases=trainer_phases(config, self.feeds, self.pretrained),
            loss=self.objective.loss or loss,
            metrics=lambda: [*metrics(), *self.objective.new_metrics()],
            folder=self.folder,
            optimizer=OptimizerSettings(
                config.optimizer or strategy.optimizer,
                config.schedule or strategy.schedule,
                config.weight_decay,
                config.accumulate,
                config.plateau_patience,
            ),
            seed=config.seed,
            patience=config.patience,
            callbacks=self.callbacks,
            distribution=self.distribution,
        )

    def _own_objective(self, smoothing: float) -> tuple[Loss, Callable[[], list[keras.metrics.Metric]]]:
        """Return the loss, and what makes new metrics: of packed targets, or of one-hot ones where images are mixed."""
        if get_augmentation(self.config.augment).mix:
            mixed = partial(mixed_loss, weights=self.weights, smoothing=smoothing)
            return mixed, lambda: [keras.metrics.CategoricalAccuracy(name="accuracy")]
        separate = partial(multihead_loss, groups=self.groups, weights=self.weights, smoothing=smoothing)
        return separate, lambda: [GroupAccuracy(self.groups)]


def set_up(
    config: TrainConfig,
    prepared: PreparedData,
    network: keras.Model,
    pretrained: bool,
    folder: Path,
    options: RunOptions,
) -> ClassifierSetup:
    """Return the components of a run's trainer; features of a frozen part are computed once, by the chief."""
    distribution = options.distribution
    parts = json.dumps([prepared.parts, prepared.targets.classes, config.strategy_name, config.batch_size, config.seed])
    distribution.check_same("products, classes and settings", parts.encode())
    images = replace(image_feed(config, prepared), shares=distribution.shares)
    feeds = distribution.chief_first(phase_feeds)(config, prepared, network, images)
    groups, weights = prepared.targets.groups, loss_weights(config, prepared)
    return ClassifierSetup(
        config, network, groups, weights, feeds, pretrained, folder, options.callbacks, options.objective, distribution
    )


def loss_weights(config: TrainConfig, prepared: PreparedData) -> NDArray[np.float32]:
    """Return the weight of each label in the loss, [K]: by its training products where configured, else 1."""
    targets = prepared.targets
    if config.balance == "class_weight" or config.loss == "weighted_bce":
        return label_weights(targets.groups, targets.packed[prepared.rows["train"]])
    return np.ones(len(targets.classes), np.float32)


def search_heads(setup: ClassifierSetup) -> ClassifierSetup:
    """Train `config.tune` heads on cached features and return the setup of the one with the best validation accuracy.

    The first trial is the config as it is; the others draw the options in `SEARCHED` that it does not set. Each
    finished trial is a row of tune.csv in the run folder, and is not repeated when an interrupted run is resumed.
    """
    table, folder = setup.folder / "tune.csv", setup.folder / "tune"
    rows: list[dict[str, Any]] = []
    if table.is_file():
        with table.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
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
