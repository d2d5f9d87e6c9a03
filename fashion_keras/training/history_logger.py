"""What is told and kept of each epoch where there is no checkpoint to go on from."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from fashion_keras.support.atomic_files import write_csv
from fashion_keras.support.progress import ProgressBar

log = logging.getLogger("fashion_keras")


class HistoryLogger(keras.callbacks.Callback):
    """Keep loss, validation loss if there is one, and seconds of each epoch in a CSV file, and tell how it goes."""

    def __init__(self, epochs: int, steps: int, path: Path) -> None:
        super().__init__()
        self.epochs, self.steps, self.path = epochs, steps, path
        self.rows: list[dict[str, float]] = []

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Start the clock and a bar."""
        self.began = time.perf_counter()
        self.bar = ProgressBar(f"epoch {epoch + 1}/{self.epochs}", self.steps)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Move the bar."""
        self.bar.advance()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Write the epoch down."""
        self.bar.close()
        losses = {name: float(logs[name]) for name in ("loss", "val_loss") if name in logs}
        seconds = round(time.perf_counter() - self.began, 2)
        self.rows.append({"epoch": epoch + 1, **losses, "seconds": seconds})
        write_csv(self.path, list(self.rows[0]), self.rows)
        said = "  ".join(f"{name} {value:.4f}" for name, value in losses.items())
        log.info("epoch %d/%d  %s  %.0f s", epoch + 1, self.epochs, said, seconds)
