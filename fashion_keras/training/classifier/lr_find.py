"""Learning-rate range test of a classifier: one batch at each rate, from low to high."""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from fashion_keras.evaluation.metrics.learning_rate import suggest_learning_rate
from fashion_keras.evaluation.plots.learning_rate import plot_learning_rates
from fashion_keras.models.dtype_policy import dtype_policy
from fashion_keras.models.pretrained_weights import initialize
from fashion_keras.support.atomic_files import write_csv
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.verbose_argument import takes_verbose
from fashion_keras.training.base_config import with_image_size
from fashion_keras.training.classifier.setup import ClassifierSetup, loss_weights
from fashion_keras.training.config import RateTestConfig, TrainConfig
from fashion_keras.training.dataset_prep import prepare
from fashion_keras.training.feeds import image_feed, phase_feeds
from fashion_keras.training.targets import model_spec
from fashion_keras.training.trainer import Trainer

log = logging.getLogger("fashion_keras")

# The test ends where the loss is so many times the lowest one: training has diverged.
_DIVERGED = 4.0


@dataclass(frozen=True)
class RateTest:
    """Result of a range test: `rates` and `losses` [n], and the suggested learning rate."""

    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    suggestion: float


@takes_verbose
def find_learning_rate(config: RateTestConfig | Mapping[str, Any]) -> RateTest:
    """Run a learning-rate range test of the first phase of a training run, and draw it where `config.out` is given.

    InputError as of `train`, and where the loss falls at no rate.
    """
    config = as_config(RateTestConfig, config)
    prepared = prepare(config)
    config = with_image_size(config, prepared.catalog)
    spec = model_spec(config, prepared.targets.groups)
    keras.utils.set_random_seed(config.seed)
    network, source = initialize(spec, config.initial_weights, dtype_policy(config.precision))
    feeds = phase_feeds(config, prepared, network, image_feed(config, prepared))
    weights = loss_weights(config, prepared)
    settings = TrainConfig(**{field.name: getattr(config, field.name) for field in fields(TrainConfig)})
    setup = ClassifierSetup(settings, network, spec.groups, weights, feeds, source.pretrained, Path())
    rates, losses = sweep(setup.trainer(), config.lowest, config.highest, config.steps)
    suggestion = suggest_learning_rate(rates, losses)
    if config.out:
        path = Path(config.out)
        plot_learning_rates(path, rates, losses, suggestion, config.task)
        rows = [{"learning_rate": rate, "loss": loss} for rate, loss in zip(rates, losses, strict=True)]
        write_csv(path.with_suffix(".csv"), ["learning_rate", "loss"], rows)
    return RateTest(rates, losses, suggestion)


def sweep(trainer: Trainer, lowest: float, highest: float, steps: int) -> tuple[NDArray[np.float64], ...]:
    """Train one batch at each of `steps` rates, spaced evenly on a logarithmic scale; return rates and losses [n].

    n is less than `steps` where training diverges. The trainer's model is changed.
    """
    phase = trainer.phases[0]
    learner = phase.feed.learner(trainer.model)
    if phase.freeze:
        phase.freeze(trainer.model)
    # A schedule would overrule the rates of the sweep.
    optimizer = replace(trainer.optimizer, schedule="constant").build(lowest, 1, steps)
    learner.compile(optimizer, trainer.loss, jit_compile=False)
    epochs = math.ceil(steps / phase.feed.steps[0]) + 1
    callback = RateSweep(np.geomspace(lowest, highest, steps))
    learner.fit(
        phase.feed.training(range(epochs)), shuffle=False, epochs=1, steps_per_epoch=steps, callbacks=[callback],
        verbose=0,
    )  # fmt: skip
    return callback.rates[: len(callback.losses)], np.array(callback.losses)


class RateSweep(keras.callbacks.Callback):
    """Set the rate of each batch, collect its loss, and stop where that is four times the lowest, or not finite."""

    def __init__(self, rates: NDArray[np.float64]) -> None:
        super().__init__()
        self.rates, self.losses = rates, []

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the rate; forget earlier batches, of which Keras reports the mean."""
        self.model.optimizer.learning_rate = float(self.rates[batch])
        self.model.reset_metrics()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Collect the loss."""
        loss = float(logs["loss"])
        if not math.isfinite(loss) or loss > _DIVERGED * min(self.losses, default=loss):
            self.model.stop_training = True
        else:
            self.losses.append(loss)
