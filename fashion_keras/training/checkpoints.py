"""Training checkpoints: state, weights and history of the last finished epoch, from which a run is resumed."""

from dataclasses import asdict, dataclass, field
from math import nan, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_keras.support.atomic_files import (
    atomic_write,
    check_room,
    finite_json,
    read_json,
    write_csv,
    write_json,
)
from fashion_keras.support.errors import InputError
from fashion_keras.support.json_record import dataclass_from_json
from fashion_keras.support.safe_paths import check_file_name

if TYPE_CHECKING:
    import keras

_HDF5_BYTES = 2**20  # of a weights file beside its values, at most


@dataclass
class TrainerState:
    """Position of a training run after its last finished epoch, as checkpoint/state.json holds it.

    Attributes:
        phase: index of the current phase.
        start, epoch: epochs finished before this phase, and in total.
        done: whether the phase has ended, early or not.
        best_loss: lowest validation loss of the phase; None where none was computed.
        best_files: file name of the weights to continue with from each phase up to this one.
        counters: callback name -> its counters.
        history: one row per epoch: epoch, phase, loss, metrics, the same of validation, learning_rate, seconds.
    """

    phase: int = 0
    start: int = 0
    epoch: int = 0
    done: bool = False
    best_loss: float | None = None
    best_files: list[str] = field(default_factory=list)
    counters: dict[str, dict[str, Any]] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def weights_file(self) -> str:
        """File name of weights and optimizer state after `epoch` epochs."""
        return f"epoch{self.epoch}.weights.h5"

    def next_phase(self) -> "TrainerState":
        """Return the state at the beginning of the next phase."""
        return TrainerState(self.phase + 1, self.epoch, self.epoch, best_files=self.best_files, history=self.history)


class Checkpoints:
    """Checkpoint files of one run folder, and its history.csv.

    A process killed at any moment leaves the last finished epoch: state.json names the weight files that belong to it
    and is renamed into place after they are written; files that it does not name are deleted after that.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkpoint"
        self._history = folder / "history.csv"
        self._state = self.folder / "state.json"

    def read(self) -> TrainerState:
        """Return the saved state, or that of a new run; InputError for one of an older version, or damaged."""
        if (old := self.folder / "progress.json").is_file():
            raise InputError(f"{old}: checkpoint of an older version; start the run again in another folder")
        if not self._state.is_file():
            return TrainerState()
        state = dataclass_from_json(TrainerState, read_json(self._state), self._state)
        for name in (state.weights_file, *state.best_files):
            check_file_name(name, self._state)
        state.history = [{key: nan if value is None else value for key, value in row.items()} for row in state.history]
        return state

    def save_best(self, model: "keras.Model", state: TrainerState) -> None:
        """Save the weights of a phase's best epoch under a name of their own, and enter it in the state."""
        name = f"phase{state.phase + 1}-epoch{state.epoch}.weights.h5"
        save_weights(model, self.folder / name)
        state.best_files[state.phase :] = [name]

    def write(self, model: "keras.Model", state: TrainerState) -> None:
        """Save a compiled model and its state, then delete the weights that the state does not name."""
        save_weights(model, self.folder / state.weights_file)
        # A metric may be NaN, as that of an empty class is: null in JSON, an empty cell in the table.
        written = finite_json(asdict(state))
        write_json(self._state, written)
        columns = dict.fromkeys(key for row in state.history for key in row)
        write_csv(self._history, list(columns), written["history"])
        named = {state.weights_file, *state.best_files}
        for path in self.folder.glob("*.weights.h5"):
            if path.name not in named:
                path.unlink()

    def clear(self) -> None:
        """Delete all checkpoints but not the history: the run is finished."""
        for path in self.folder.glob("*"):
            path.unlink()
        self.folder.rmdir()


def save_weights(model: "keras.Model", path: Path) -> None:
    """Save the weights of a model, and its optimizer state when it is compiled, atomically."""
    optimizer = getattr(model, "optimizer", None)  # only a compiled model has one
    values = [*model.variables, *(optimizer.variables if optimizer else ())]
    check_room(path, 4 * sum(prod(value.shape) for value in values) + _HDF5_BYTES)
    with atomic_write(path) as temporary:
        model.save_weights(temporary)
