"""Artifacts of a classifier run: its manifest, and the finished run itself."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fashion_keras.evaluation.reports.report import Report
from fashion_keras.support.errors import InputError
from fashion_keras.support.json_record import JsonRecord

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class RunManifest(JsonRecord):
    """What a run was trained on; origin.json.

    Attributes:
        data: the catalog, as `--data` takes it.
        fingerprint: of the catalog as it was read.
        weights: the `WeightsSource` of the backbone, as a dict.
        train_counts: group -> training images of each of its labels.
        known: part -> group -> images of the part of which a label of the group is known.
        parts: part -> product ids.
        part_hashes: part -> product hashes, in the order of the ids; see `product_hashes`.
        image_hashes: part -> hashes of the image files' content, in the order of the ids.
    """

    FORMAT: ClassVar[str] = "fashion_keras.run/2"
    FILE: ClassVar[str] = "origin.json"

    data: str
    fingerprint: str
    weights: dict[str, Any]
    train_counts: dict[str, list[int]]
    known: dict[str, dict[str, int]]
    parts: dict[str, list[int]]
    part_hashes: dict[str, list[str]]
    image_hashes: dict[str, list[str]]

    @property
    def trained_on(self) -> tuple[set[str], set[str]]:
        """Product hashes and image hashes of the training and validation parts."""
        products, images = (
            {value for part in ("train", "validation") for value in hashes[part]}
            for hashes in (self.part_hashes, self.image_hashes)
        )
        return products, images


@dataclass(frozen=True)
class Run:
    """A finished run, or all folds of a cross-validation: its folder and its report."""

    folder: Path
    report: Report

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}, {self.report.task}, accuracy {self.accuracy:.3f})"

    @property
    def accuracy(self) -> float:
        """Share of the test part, of all folds together, that is classified correctly, 0..1."""
        return self.report.test["accuracy"]

    @cached_property
    def manifest(self) -> RunManifest:
        """What the run was trained on; InputError for a cross-validation, whose folds have one each."""
        return RunManifest.read(self.folder)

    @property
    def history(self) -> "pd.DataFrame":
        """One row per epoch: epoch, phase, loss, accuracy, ...; of a cross-validation with a column fold."""
        import pandas as pd  # noqa: PLC0415 - half a second that training must not wait for

        if not self.report.folds:
            return _read_history(self.folder)
        folds = {row["fold"]: _read_history(self.folder / row["folder"]) for row in self.report.folds}
        return pd.concat(folds, names=["fold"]).reset_index("fold").reset_index(drop=True)


def _read_history(folder: Path) -> "pd.DataFrame":
    import pandas as pd  # noqa: PLC0415 - as above

    path = folder / "history.csv"
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
