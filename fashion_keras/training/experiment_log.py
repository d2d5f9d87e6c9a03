"""Experiment logs: scalars, figures and scores of a training run in TensorBoard, MLflow or Weights & Biases."""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import keras

from fashion_keras.evaluation.reports.report import Report
from fashion_keras.support.atomic_files import read_json, write_json
from fashion_keras.support.config_fields import Config
from fashion_keras.support.errors import InputError
from fashion_keras.training.config import TrainConfig

# Experiment of MLflow, project of Weights & Biases.
PROJECT = "fashion_keras"
# Run id of MLflow or Weights & Biases, so that a resumed run continues there.
RUN_ID = "experiment.json"
_LIBRARIES = {"tensorboard": "tensorboard", "mlflow": "mlflow", "wandb": "wandb"}
_LONGEST_PARAMETER = 500


class LogWriter(Protocol):
    """One program's log of a run."""

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers of an epoch."""

    def figure(self, name: str, path: Path) -> None:
        """Log a PNG file."""

    def close(self, failed: bool) -> None:
        """End the log; `failed` where training did not finish."""


class TensorBoardWriter:
    """Event files in the folder tensorboard/ of a run: `tensorboard --logdir runs` shows all runs."""

    def __init__(self, folder: Path, config: Config) -> None:
        import tensorflow as tf  # noqa: PLC0415 - tf.summary loads tensorboard

        self._tf = tf
        self._writer = tf.summary.create_file_writer(str(folder / "tensorboard"))
        with self._writer.as_default(step=0):
            rows = "\n".join(f"| {name} | {value} |" for name, value in config.to_dict().items())
            tf.summary.text("config", f"| setting | value |\n|---|---|\n{rows}")

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """See `LogWriter`."""
        with self._writer.as_default(step=step):
            for name, value in values.items():
                self._tf.summary.scalar(name, value)

    def figure(self, name: str, path: Path) -> None:
        """See `LogWriter`."""
        pixels = self._tf.io.decode_png(path.read_bytes(), channels=3)
        with self._writer.as_default(step=0):
            self._tf.summary.image(name, pixels[None])

    def close(self, failed: bool) -> None:
        """See `LogWriter`."""
        self._writer.close()


class MLflowWriter:
    """A run of the experiment fashion_keras in MLflow's store: MLFLOW_TRACKING_URI, else MLflow's local default."""

    def __init__(self, folder: Path, config: Config) -> None:
        from mlflow import MlflowClient  # noqa: PLC0415 - an extra
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        try:
            self._client = MlflowClient()
            self._run = _stored_id(folder) or self._create(folder, config)
        except MlflowException as error:
            place = os.environ.get("MLFLOW_TRACKING_URI", "the local store")
            line = str(error).splitlines()[0]
            raise InputError(f"--log mlflow: {place} cannot be used ({line}); set MLFLOW_TRACKING_URI") from None

    def _create(self, folder: Path, config: Config) -> str:
        experiment = self._client.get_experiment_by_name(PROJECT)
        number = experiment.experiment_id if experiment else self._client.create_experiment(PROJECT)
        run = self._client.create_run(number, run_name=folder.name).info.run_id
        for name, value in config.to_dict().items():
            self._client.log_param(run, name, str(value)[:_LONGEST_PARAMETER])
        write_json(folder / RUN_ID, {"id": run})
        return run

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """See `LogWriter`."""
        for name, value in values.items():
            self._client.log_metric(self._run, name, value, step=step)

    def figure(self, name: str, path: Path) -> None:
        """See `LogWriter`."""
        self._client.log_artifact(self._run, str(path), "figures")

    def close(self, failed: bool) -> None:
        """See `LogWriter`."""
        self._client.set_terminated(self._run, "FAILED" if failed else "FINISHED")


class WandbWriter:
    """A run of the project fashion_keras in Weights & Biases; offline with WANDB_MODE=offline."""

    def __init__(self, folder: Path, config: Config) -> None:
        import wandb  # noqa: PLC0415 - an extra

        self._wandb, number = wandb, _stored_id(folder)
        settings = {"project": PROJECT, "dir": str(folder), "name": folder.name, "config": config.to_dict()}
        try:
            self._run = wandb.init(**settings, id=number, resume="allow" if number else None)
        except wandb.errors.Error as error:
            line = str(error).splitlines()[0]
            raise InputError(f"--log wandb: {line}; run `wandb login`, or set WANDB_MODE=offline") from None
        write_json(folder / RUN_ID, {"id": self._run.id})

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """See `LogWriter`."""
        self._run.log(dict(values), step=step)

    def figure(self, name: str, path: Path) -> None:
        """See `LogWriter`."""
        self._run.log({f"figures/{name}": self._wandb.Image(str(path))})

    def close(self, failed: bool) -> None:
        """See `LogWriter`."""
        self._run.finish(exit_code=1 if failed else 0)


_WRITERS = {"tensorboard": TensorBoardWriter, "mlflow": MLflowWriter, "wandb": WandbWriter}


def resolve_log(name: str | None) -> str:
    """Return the log to write: `name`, or for None "tensorboard" where it is installed, else "none".

    InputError for one whose library is not installed.
    """
    if name is None:
        return "tensorboard" if find_spec("tensorboard") else "none"
    library = _LIBRARIES.get(name)
    if library and find_spec(library) is None:
        raise InputError(f'--log {name} needs {library}, not installed here: pip install "fashion_keras[{name}]"')
    return name


class ExperimentLog:
    """Log of a run as `config.log` names it, as a context manager: ended as failed when the block raises.

    Epochs are counted from 1. `callback` logs every epoch, `finish` the scores and figures of a finished run.
    """

    def __init__(self, config: TrainConfig, folder: Path) -> None:
        name = resolve_log(config.log)
        self._writer: LogWriter | None = None if name == "none" else _WRITERS[name](folder, config)
        self._folder = folder

    @property
    def callbacks(self) -> list[keras.callbacks.Callback]:
        """The callback that logs losses, metrics and learning rate of each epoch; none without a log."""
        return [_LogEpochs(self._writer)] if self._writer else []

    def finish(self, report: Report, epochs: int) -> None:
        """Log the test scores at the last epoch, and all figures of the run folder."""
        if self._writer is None:
            return
        scores = {f"test/{name}": float(value) for name, value in report.test.items() if type(value) in (int, float)}
        self._writer.scalars(scores, epochs)
        for path in sorted(self._folder.rglob("*.png")):
            if "wandb" not in path.parts:
                self._writer.figure(path.relative_to(self._folder).with_suffix("").as_posix(), path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._writer is not None:
            self._writer.close(failed=kind is not None)


class _LogEpochs(keras.callbacks.Callback):
    def __init__(self, writer: LogWriter) -> None:
        super().__init__()
        self._writer = writer

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = {_scalar_name(name): float(value) for name, value in (logs or {}).items()}
        values["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        self._writer.scalars(values, epoch + 1)


def _scalar_name(name: str) -> str:
    """Return a name of Keras' logs in a group of its own: loss -> train/loss, val_loss -> validation/loss."""
    if name == "learning_rate":
        return name
    return f"validation/{name.removeprefix('val_')}" if name.startswith("val_") else f"train/{name}"


def _stored_id(folder: Path) -> str | None:
    """Return the id of the log that an interrupted run began."""
    path = folder / RUN_ID
    return str(read_json(path)["id"]) if path.is_file() else None
