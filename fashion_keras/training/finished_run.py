"""Finished run of a classifier, read from the files in its folder. No Keras here."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.evaluation.reports.prediction_rows import PredictionRows, read_prediction_rows
from fashion_keras.evaluation.reports.report import Report
from fashion_keras.images.validation import read_source
from fashion_keras.support.atomic_files import read_json
from fashion_keras.support.config_fields import SourceConfig
from fashion_keras.support.errors import InputError
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.manifests import RunManifest
from fashion_keras.training.run_folder import CONFIG


@dataclass(frozen=True)
class FinishedRun:
    """Finished run of a classifier, or all folds of a cross-validation, as the files in its folder hold it."""

    folder: Path
    report: Report
    config: TrainConfig

    @classmethod
    def read(cls, folder: str | Path) -> "FinishedRun":
        """Read report.json and config.json; InputError for a folder without a finished run, an old or damaged one."""
        folder = Path(folder)
        if not (folder / Report.FILE).is_file():
            raise InputError(f"{folder}: no finished run here (no {Report.FILE})")
        if not is_run_report(folder):
            raise InputError(f"{folder}: not a run of `fashion-keras train`; others write report.html themselves")
        report = Report.read(folder)
        try:
            return cls(folder, report, TrainConfig.from_dict(read_json(folder / CONFIG)))
        except InputError as error:
            path = "" if str(error).startswith(str(folder)) else f"{folder / CONFIG}: "
            raise InputError(f"{path}{error}") from None

    @cached_property
    def rows(self) -> dict[str, PredictionRows]:
        """Single-valued group -> predictions of the test images; InputError where they are missing or damaged."""
        return read_prediction_rows(self.folder, self.report)

    @cached_property
    def manifest(self) -> RunManifest:
        """What the run was trained on; InputError for a cross-validation."""
        if self.report.folds:
            raise InputError(f"{self.folder}: a cross-validation; take one of its folds, {self.folder / 'fold1'}")
        return RunManifest.read(self.folder)

    def read_catalog(self) -> Catalog:
        """Read the run's catalog again; InputError where it cannot be read any more."""
        options = self.config.source if self.report.folds else self.manifest.catalog_options
        return read_source(SourceConfig(**{**options, "data": self.config.data}))[0]


def is_run_report(folder: Path) -> bool:
    """Return whether report.json in a folder is of a run of `train`, of this version or another; InputError as JSON."""
    written = str(read_json(folder / Report.FILE).get("format", ""))
    return written.rpartition("/")[0] == Report.FORMAT.rpartition("/")[0]
