"""What an interrupted run goes on from: where it stood, its weights and optimizer state, its best weights."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_keras.support.atomic_files import atomic_write, write_csv, write_json

if TYPE_CHECKING:
    import keras


@dataclass
class TrainerState:
    """Where a run stands.

    Attributes:
        phase: number of the phase under way; `start` and `epoch` count the epochs done before it and in all.
        done: the phase has ended, early or not.
        best: the phase's lowest validation loss.
        counters: callback -> its counters.
        history: one row per epoch: epoch, phase, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds.
    """

    phase: int = 0
    start: int = 0
    epoch: int = 0
    done: bool = False
    best: float | None = None
    counters: dict[str, dict[str, Any]] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)

    def next_phase(self) -> "TrainerState":
        """Return the progress at the beginning of the phase that follows."""
        return TrainerState(phase=self.phase + 1, start=self.epoch, epoch=self.epoch, history=self.history)


class Checkpoints:
    """The checkpoint files of one run folder, and its history.csv.

    A crash at any moment leaves the last finished epoch: progress.json, which names its weights, is renamed into
    place after them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "checkpoint"
        self._history = folder / "history.csv"
        self.best = self._folder / "best.weights.h5"

    def read(self) -> TrainerState:
        """Return where the run stands; its beginning when nothing was saved."""
        path = self._folder / "progress.json"
        return TrainerState(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else TrainerState()

    def weights(self, progress: TrainerState) -> Path:
        """Return the file with weights and optimizer state after `progress.epoch` epochs."""
        return self._folder / f"epoch{progress.epoch}.weights.h5"

    def write(self, network: "keras.Model", progress: TrainerState) -> None:
        """Save a compiled network and its progress, then drop what the epoch before left."""
        save_weights(network, self.weights(progress))
        write_json(self._folder / "progress.json", asdict(progress))
        write_csv(self._history, list(progress.history[0]), progress.history)
        for path in self._folder.glob("epoch*.weights.h5"):
            if path != self.weights(progress):
                path.unlink()

    def clear(self) -> None:
        """Remove everything but the history: the run is finished."""
        for path in self._folder.glob("*"):
            path.unlink()
        self._folder.rmdir()


def save_weights(network: "keras.Model", path: Path) -> None:
    """Save a network's weights, and its optimizer's state when compiled, atomically."""
    with atomic_write(path) as temporary:
        network.save_weights(temporary)
