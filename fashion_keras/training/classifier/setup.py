"""Trainer setup of a classifier: model, data, loss and optimizer as a `TrainConfig` describes them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from fashion_keras.models.backbones import get_backbone
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.feeds import Feed
from fashion_keras.training.multihead_loss import MultiHeadObjective
from fashion_keras.training.optimizers import OptimizerSettings
from fashion_keras.training.strategies import Phase, get_strategy, set_trainable
from fashion_keras.training.trainer import Trainer, TrainerPhase


@dataclass(frozen=True)
class ClassifierSetup:
    """Components of a classifier's trainer.

    Attributes:
        config: epochs, strategy, optimizer, patience and so on.
        network: pixels -> logits, with its initial weights; trained in place.
        objective: loss and accuracy.
        feeds: one for each phase of the strategy.
        pretrained: whether the backbone's weights are; see `set_trainable`.
        folder: of the run.
        callbacks: Keras callbacks of the user.
    """

    config: TrainConfig
    network: keras.Model
    objective: MultiHeadObjective
    feeds: tuple[Feed, ...]
    pretrained: bool
    folder: Path
    callbacks: Sequence[keras.callbacks.Callback] = ()

    def trainer(self) -> Trainer:
        """Return the trainer; it resumes where `folder` holds a checkpoint."""
        config, strategy = self.config, get_strategy(self.config.strategy_name)
        # Later phases keep their proportion to the first.
        factor = config.learning_rate / strategy.phases[0].learning_rate if config.learning_rate else 1
        rows = zip(strategy.phases, strategy.phase_epochs(config.epochs), self.feeds, strict=True)
        phases = [
            TrainerPhase(phase.trainable, epochs, phase.learning_rate * factor, feed, self._freeze(phase))
            for phase, epochs, feed in rows
        ]
        smoothing = strategy.label_smoothing if config.label_smoothing is None else config.label_smoothing
        optimizer = OptimizerSettings(
            config.optimizer or strategy.optimizer,
            config.schedule or strategy.schedule,
            config.weight_decay,
            config.accumulate,
            config.plateau_patience,
        )
        return Trainer(
            model=self.network,
            phases=tuple(phases),
            loss=self.objective.loss(smoothing),
            metrics=lambda: [self.objective.accuracy()],
            folder=self.folder,
            optimizer=optimizer,
            seed=config.seed,
            patience=config.patience,
            callbacks=self.callbacks,
        )

    def _freeze(self, phase: Phase) -> Callable[[keras.Model], list[str]]:
        strategy, block = get_strategy(self.config.strategy_name), get_backbone(self.config.backbone)
        return lambda network: [
            "head",
            *set_trainable(network, strategy, phase, block.last_frozen(self.config.cut), self.pretrained),
        ]
