"""Estimate of a training phase from its first steps: time, memory and disk space."""

import logging
import shutil
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

log = logging.getLogger("fashion_keras")

# The first step compiles the network; the mean of the next ones is the estimate.
_WARM_UP, _TIMED = 1, 4
# A validation step has no backward pass, which takes about twice as long as the forward pass.
_VALIDATION_SHARE = 1 / 3
# Copies of the weights on the disk: model, OpenVINO, best epoch, and the checkpoint with two moments of the optimizer.
_COPIES = 6
_WARN_SHARE = 0.9


class EstimateCallback(keras.callbacks.Callback):
    """Log, after five steps of a phase, how long it will take, the memory in use and the disk space of the run.

    Args:
        phase: name of the phase.
        epochs: that are left of it.
        steps: batches of training and of validation in an epoch.
        model: whose weights are saved.
        folder: of the run.
    """

    def __init__(self, phase: str, epochs: int, steps: tuple[int, int], model: keras.Model, folder: Path) -> None:
        super().__init__()
        self.phase, self.epochs, self.steps, self.weights_model, self.folder = phase, epochs, steps, model, folder
        self._count, self._began = 0, 0.0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Time the steps after the first, and log the estimate once."""
        if self._count > _WARM_UP + _TIMED:
            return
        self._count += 1
        if self._count == _WARM_UP:
            self._began = time.perf_counter()
        if self._count == _WARM_UP + _TIMED:
            seconds = (time.perf_counter() - self._began) / _TIMED
            log.info("%s", estimate_text(self.phase, seconds, self.epochs, self.steps, peak_memory()))
            _warn_of_disk(self.weights_model, self.folder)
            self._count += 1


def estimate_text(phase: str, seconds: float, epochs: int, steps: tuple[int, int], memory: int | None) -> str:
    """Return the estimate as a line: `seconds` of a training step, `steps` of an epoch, `memory` in bytes.

    >>> estimate_text("all", 0.5, 10, (100, 30), 2_000_000_000)
    'estimate of phase all: 55 s per epoch, 0:09:10 for 10 epochs at most; memory so far 2.0 GB'
    """
    epoch = seconds * (steps[0] + _VALIDATION_SHARE * steps[1])
    total = timedelta(seconds=round(epoch * epochs))
    used = "" if memory is None else f"; memory so far {memory / 1e9:.1f} GB"
    return f"estimate of phase {phase}: {epoch:.2g} s per epoch, {total} for {epochs} epochs at most{used}"


def peak_memory() -> int | None:
    """Return the most memory used so far in bytes: of the first GPU where there is one, else of this process.

    None on Windows, whose Python does not know it.
    """
    if tf.config.list_physical_devices("GPU"):
        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - Windows lacks it

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return None


def run_bytes(model: keras.Model) -> int:
    """Return about how many bytes a run of this network takes on the disk while it is trained."""
    return _COPIES * 4 * sum(int(np.prod(weight.shape)) for weight in model.weights)


def _warn_of_disk(model: keras.Model, folder: Path) -> None:
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.is_dir())
    needed, free = run_bytes(model), shutil.disk_usage(there).free
    text = "the run takes up to %.0f MB on the disk, where %.0f MB are free"
    if needed > _WARN_SHARE * free:
        log.warning(f"WARNING  {text}", needed / 1e6, free / 1e6)
    else:
        log.info(text, needed / 1e6, free / 1e6)
