"""Run folders: begin a training run in one, resume it, read its result. No Keras here."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fashion_keras.catalog.catalog import write_rejected
from fashion_keras.catalog.fixed_splits import write_split
from fashion_keras.evaluation.reports.report import Report
from fashion_keras.support.atomic_files import check_output_dir, make_output_dir, read_json, write_json
from fashion_keras.support.errors import InputError, reraise_shortage
from fashion_keras.support.json_record import JsonRecord
from fashion_keras.support.notebook_table import notebook_table
from fashion_keras.support.progress import LogFile
from fashion_keras.support.safe_paths import check_file_name, check_links
from fashion_keras.training.base_config import BackboneConfig, TrainingConfig, with_image_size
from fashion_keras.training.checkpoints import Checkpoints
from fashion_keras.training.manifests import RunManifest, TrainingData

if TYPE_CHECKING:
    import keras
    import pandas as pd

CONFIG = "config.json"

ConfigType = TypeVar("ConfigType", bound=TrainingConfig)
Callbacks = Sequence["keras.callbacks.Callback"]


@dataclass(frozen=True)
class Run:
    """Finished training run of a classifier (or all folds of a cross-validation), an encoder or a tagger.

    `folder` is where the model is loaded from; `report`, the content of report.json, is a `Report`, an `EncoderReport`
    or a tagger's dict.
    """

    folder: Path
    report: Any

    def __repr__(self) -> str:
        scores = f", {self.report.task}, accuracy {self.accuracy:.3f}" if isinstance(self.report, Report) else ""
        return f"Run({str(self.folder)!r}{scores})"

    def _repr_html_(self) -> str:
        """Return settings, scores and files as a table, for notebooks."""
        if not isinstance(self.report, Report):
            return notebook_table(["run"], [[repr(self)]])
        page = self.folder / "report.html"
        rows = [("folder", str(self.folder)), *self.report.summary(), ("report", str(page) if page.is_file() else None)]
        return notebook_table(["run", ""], rows)

    @property
    def accuracy(self) -> float:
        """Share of a classifier's test part, of all folds together, that is classified correctly, 0..1."""
        return self.report.test["accuracy"]

    @cached_property
    def manifest(self) -> RunManifest:
        """What a classifier was trained on; InputError for a cross-validation, whose folds have one each."""
        return RunManifest.read(self.folder)

    @cached_property
    def model(self) -> "keras.Model":
        """The trained network, a plain keras.Model: pixels [b, h, w, 3] in 0..255 to logits [b, k] or embeddings."""
        from fashion_keras.models.builder import load_network  # noqa: PLC0415 - imports TensorFlow

        return load_network(self.folder)[1]

    @property
    def history(self) -> "pd.DataFrame":
        """One row per epoch: epoch, phase, loss, accuracy, ...; of a cross-validation with a column fold."""
        import pandas as pd  # noqa: PLC0415 - half a second that training must not wait for

        if folds := getattr(self.report, "folds", None):
            names = {row["fold"]: check_file_name(row["folder"], self.folder / Report.FILE) for row in folds}
            frames = {fold: Run(self.folder / name, None).history for fold, name in names.items()}
            return pd.concat(frames, names=["fold"]).reset_index("fold").reset_index(drop=True)
        path = self.folder / "history.csv"
        try:
            return pd.read_csv(path)
        except (OSError, ValueError) as error:
            reraise_shortage(error)
            raise InputError(f"{path}: cannot be read ({error})") from None


# Trains and evaluates: config, data, folder, Keras callbacks of the user -> the finished run.
Prepare = Callable[[ConfigType], TrainingData]
CarryOut = Callable[[ConfigType, TrainingData, Path, Callbacks], Run]


def training_run(train: Callable[..., JsonRecord]) -> Callable[..., Run]:
    """Make a `CarryOut` of a function that trains, evaluates and returns the report; its log is in the run folder.

    Named arguments of the function are passed on.
    """

    @wraps(train)
    def carry_out(
        config: ConfigType,
        data: TrainingData,
        folder: Path,
        callbacks: Callbacks,
        **options: Any,  # noqa: ANN401 - those of `train`
    ) -> Run:
        with LogFile(folder / "log.txt"):
            write_rejected(folder, data.catalog.rejected)
            write_split(folder, data.catalog, data.rows)
            report = train(config, data, folder, callbacks, **options)
        # Last: a folder with a report is a finished run.
        report.write(folder)
        Checkpoints(folder).clear()
        return Run(folder, report)

    return carry_out


def begin_run(config: ConfigType, default: str, prepare: Prepare, carry_out: CarryOut, callbacks: Callbacks) -> Run:
    """Carry out a training run in a new folder: `config.out`, or the first free of DEFAULT-1, DEFAULT-2, ...

    InputError when the folder is not empty; as `prepare` and `carry_out`. A folder in which nothing was trained
    is removed, so that it can be used again.
    """
    check_output_dir(config.out, default, f"give another --out, or --resume {config.out} to resume it")
    prepared = prepare(config)
    if isinstance(config, BackboneConfig):
        config = with_image_size(config, prepared.catalog)
    folder = make_output_dir(config.out, default)
    config = replace(config, data=prepared.data, out=str(folder))
    write_json(folder / CONFIG, config.to_dict())
    try:
        return carry_out(config, prepared, folder, callbacks)
    except InputError:
        if not any(folder.rglob("history.csv")):
            shutil.rmtree(folder)
        raise


def resume_run(
    folder: str | Path,
    config: type[ConfigType],
    report: type[JsonRecord],
    prepare: Prepare,
    carry_out: CarryOut,
    callbacks: Callbacks,
) -> Run:
    """Resume an interrupted training run after its last finished epoch; a finished one is returned as it is.

    InputError when no run was begun there, or its catalog, parts or initial weights have changed since.
    """
    folder = Path(folder)
    values = unfinished_config(folder, config, report)
    return carry_out(values, prepare(values), folder, callbacks) if values else Run(folder, report.read(folder))


def unfinished_config(folder: Path, config: type[ConfigType], report: type[JsonRecord]) -> ConfigType | None:
    """Return the config of a run that was begun, None for a finished one; InputError where no run was begun."""
    check_links(folder)  # files are written, and deleted, there
    if not (folder / CONFIG).is_file():
        raise InputError(f"{folder}: no run was begun here (no {CONFIG})")
    return None if (folder / report.FILE).is_file() else config.from_dict(read_json(folder / CONFIG))
