"""Trainer setup of a classifier: model, data, loss and optimizer as a `TrainConfig` describes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.label_groups import LabelGroup
from fashion_keras.models.backbones import get_backbone
from fashion_keras.training.balance import label_weights
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.dataset_prep import PreparedData
from fashion_keras.training.feeds import Feed
from fashion_keras.training.losses import GroupAccuracy, multihead_loss
from fashion_keras.training.optimizers import OptimizerSettings
from fashion_keras.training.strategies import get_strategy, set_trainable
from fashion_keras.training.trainer import Trainer, TrainerPhase


@dataclass(frozen=True)
class ClassifierSetup:
    """Components of a classifier's trainer.

    Attributes:
        config: epochs, strategy, optimizer, patience and so on.
        network: pixels -> logits, with its initial weights; trained in place.
        groups: groups of labels, K in all.
        weights [K] float32: of each label in the loss, see `loss_weights`.
        feeds: one for each phase of the strategy.
        pretrained: whether the backbone's weights are; see `set_trainable`.
        folder: of the run.
        callbacks: Keras callbacks of the user.
    """

    config: TrainConfig
    network: keras.Model
    groups: tuple[LabelGroup, ...]
    weights: NDArray[np.float32]
    feeds: tuple[Feed, ...]
    pretrained: bool
    folder: Path
    callbacks: Sequence[keras.callbacks.Callback] = ()

    def trainer(self) -> Trainer:
        """Return the trainer; it resumes where `folder` holds a checkpoint."""
        config, strategy = self.config, get_strategy(self.config.strategy_name)
        block = get_backbone(config.backbone).last_frozen(config.cut)
        # Later phases keep their proportion to the first.
        factor = config.learning_rate / strategy.phases[0].learning_rate if config.learning_rate else 1
        rows = zip(strategy.phases, strategy.phase_epochs(config.epochs), self.feeds, strict=True)
        phases = [
            TrainerPhase(
                phase.trainable,
                epochs,
                phase.learning_rate * factor,
                feed,
                partial(set_trainable, strategy=strategy, phase=phase, block=block, pretrained=self.pretrained),
            )
            for phase, epochs, feed in rows
        ]
        smoothing = strategy.label_smoothing if config.label_smoothing is None else config.label_smoothing
        return Trainer(
            model=self.network,
            phases=tuple(phases),
            loss=lambda targets, logits: multihead_loss(targets, logits, self.groups, self.weights, smoothing),
            metrics=lambda: [GroupAccuracy(self.groups)],
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
        )


def loss_weights(config: TrainConfig, prepared: PreparedData) -> NDArray[np.float32]:
    """Return the weight of each label in the loss, [K]: by its training products where configured, else 1."""
    targets = prepared.targets
    if config.balance == "class_weight" or config.loss == "weighted_bce":
        return label_weights(targets.groups, targets.packed[prepared.split.train])
    return np.ones(len(targets.classes), np.float32)
