"""Keras callbacks of the trainer: reproducible dropout, non-finite losses, checkpoints after each epoch."""

import logging
import math
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from fashion_keras.support.progress import ProgressBar
from fashion_keras.training.checkpoints import Checkpoints, TrainerState

log = logging.getLogger("fashion_keras")

# Attributes that these callbacks carry from epoch to epoch, which a resumed run must restore.
_COUNTERS = {"EarlyStopping": ("wait", "best", "best_epoch"), "ReduceLROnPlateau": ("wait", "best", "cooldown_counter")}

Logs = dict[str, Any] | None


class StopOnNonFiniteLoss(keras.callbacks.Callback):
    """Raise FloatingPointError at the first batch, or validation, with a loss that is NaN or infinite."""

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Note the epoch."""
        self.epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Check the mean loss of the epoch up to this batch."""
        self._check(logs["loss"])

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Check the validation loss, where there is one."""
        self._check(logs.get("val_loss", 0.0))

    def _check(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"training stopped in epoch {self.epoch}: the loss is {loss} at learning rate "
                f"{_learning_rate(self.model):.3g}; try a lower --learning-rate or --precision float32"
            )


class ReseedDropout(keras.callbacks.Callback):
    """Make dropout's random numbers depend on seed and epoch alone: Keras does not save their state."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Set the state of every layer that draws random numbers."""
        for number, layer in enumerate(self.model.layers):
            if getattr(layer, "seed_generator", None) is not None:
                state = np.random.SeedSequence((self.seed, epoch, number)).generate_state(2)
                layer.seed_generator.state.assign(state.astype(layer.seed_generator.state.dtype))


class CheckpointCallback(keras.callbacks.Callback):
    """Save weights, state and history after each epoch, and log its losses; the last callback of a list.

    Args:
        weights_model: the trained model without optimizer, for the best weights.
        state, files: updated in place, and where everything is saved.
        phase, last: name of the phase, and epoch with which it ends at the latest.
        restore_best: save the weights of lowest validation loss; else those of the last epoch.
        others: callbacks before this one, whose counters are saved with the state.
        bar: advanced by one with each batch.
    """

    def __init__(
        self,
        weights_model: keras.Model,
        state: TrainerState,
        files: Checkpoints,
        phase: str,
        last: int,
        restore_best: bool,
        others: Sequence[keras.callbacks.Callback],
        bar: ProgressBar,
    ) -> None:
        super().__init__()
        self.weights_model, self.state, self.files, self.bar = weights_model, state, files, bar
        self.phase, self.last, self.restore_best = phase, last, restore_best
        self.counted = {type(other).__name__: other for other in others if type(other).__name__ in _COUNTERS}

    def on_train_begin(self, logs: Logs = None) -> None:
        """Restore the counters of the other callbacks, which have just reset them."""
        for name, counters in self.state.counters.items():
            vars(self.counted[name]).update(counters)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Note time and learning rate."""
        self.learning_rate, self.began = _learning_rate(self.model), time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Advance the progress bar."""
        self.bar.advance(1)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Save the epoch."""
        # Loss first, then metrics; training before validation.
        names = sorted(logs, key=lambda key: (key.startswith("val_"), key.removeprefix("val_") != "loss"))
        scores = {key: float(logs[key]) for key in names if key != "learning_rate"}
        seconds = round(time.perf_counter() - self.began, 2)
        row = {"epoch": epoch + 1, "phase": self.phase, **scores}
        row |= {"learning_rate": self.learning_rate, "seconds": seconds}
        _log_epoch(row, scores, self.last)
        state = self.state
        state.epoch = row["epoch"]
        state.history.append(row)
        state.done = bool(self.model.stop_training) or state.epoch == self.last
        state.counters = {
            name: {key: np.asarray(getattr(callback, key)).item() for key in _COUNTERS[name]}
            for name, callback in self.counted.items()
        }
        if self._is_best(row):
            self.files.save_best(self.weights_model, state)
        self.files.write(self.model, state)

    def _is_best(self, row: dict[str, Any]) -> bool:
        if not self.restore_best:
            return self.state.done
        improved = self.state.best_loss is None or row["val_loss"] < self.state.best_loss
        if improved:
            self.state.best_loss = row["val_loss"]
        return improved


def _learning_rate(model: keras.Model) -> float:
    # A copy on several devices is no number.
    return float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))


def _log_epoch(row: dict[str, Any], scores: dict[str, float], last: int) -> None:
    names = [key for key in scores if not key.startswith("val_")]
    validation = {key: f" (val {scores[f'val_{key}']:.3f})" if f"val_{key}" in scores else "" for key in names}
    text = "  ".join(f"{key} {scores[key]:.3f}{validation[key]}" for key in names)
    log.info(
        "epoch %d/%d  %s  learning rate %.1g  %.0f s", row["epoch"], last, text, row["learning_rate"], row["seconds"]
    )
