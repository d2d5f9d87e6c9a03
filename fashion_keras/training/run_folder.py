"""Run folders: begin a training run in one, resume it, read its result and what it was trained on. No Keras here."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from fashion_keras.catalog.product_hashes import TRAINING_PRODUCTS, read_training_products
from fashion_keras.evaluation.reports.report import Report
from fashion_keras.models.backbones import get_backbone
from fashion_keras.support.atomic_files import check_output_dir, make_output_dir, read_json, write_json
from fashion_keras.support.errors import InputError
from fashion_keras.support.json_record import JsonRecord
from fashion_keras.training.base_config import TrainingConfig

if TYPE_CHECKING:
    import keras
    import pandas as pd

CONFIG = "config.json"

ConfigType = TypeVar("ConfigType", bound=TrainingConfig)
# Reads the catalog of a config; the attribute `data` of the result is the catalog as `--data` takes it.
Prepare = Callable[[ConfigType], Any]
Callbacks = Sequence["keras.callbacks.Callback"]


@dataclass(frozen=True, kw_only=True)
class RunManifest(JsonRecord):
    """What a classifier was trained on; origin.json.

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
            {*hashes["train"], *hashes["validation"]} for hashes in (self.part_hashes, self.image_hashes)
        )
        return products, images


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

    @property
    def accuracy(self) -> float:
        """Share of a classifier's test part, of all folds together, that is classified correctly, 0..1."""
        return self.report.test["accuracy"]

    @cached_property
    def manifest(self) -> RunManifest:
        """What a classifier was trained on; InputError for a cross-validation, whose folds have one each."""
        return RunManifest.read(self.folder)

    @property
    def history(self) -> "pd.DataFrame":
        """One row per epoch: epoch, phase, loss, accuracy, ...; of a cross-validation with a column fold."""
        import pandas as pd  # noqa: PLC0415 - half a second that training must not wait for

        if folds := getattr(self.report, "folds", None):
            frames = {row["fold"]: Run(self.folder / row["folder"], None).history for row in folds}
            return pd.concat(frames, names=["fold"]).reset_index("fold").reset_index(drop=True)
        path = self.folder / "history.csv"
        try:
            return pd.read_csv(path)
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read ({error})") from None


# Trains and evaluates: config, prepared data, folder, callbacks -> the finished run.
CarryOut = Callable[[ConfigType, Any, Path, Callbacks], Run]


def begin_run(config: ConfigType, default: str, prepare: Prepare, carry_out: CarryOut, callbacks: Callbacks) -> Run:
    """Carry out a training run in a new folder: `config.out`, or the first free of DEFAULT-1, DEFAULT-2, ...

    InputError when the folder is not empty; as `prepare` and `carry_out`. A folder in which nothing was trained
    is removed, so that it can be used again.
    """
    check_output_dir(config.out, default, f"give another --out, or --resume {config.out} to resume it")
    prepared = prepare(config)
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
    if not (folder / CONFIG).is_file():
        raise InputError(f"{folder}: no run was begun here (no {CONFIG})")
    if (folder / report.FILE).is_file():
        return Run(folder, report.read(folder))
    values = config.from_dict(read_json(folder / CONFIG))
    return carry_out(values, prepare(values), folder, callbacks)


def folder_training_products(folder: Path) -> frozenset[str]:
    """Return the hashes of the products that a model was trained or validated on; InputError when not recorded."""
    if not (folder / RunManifest.FILE).is_file():
        return read_training_products(folder)
    return frozenset(RunManifest.read(folder).trained_on[0])


def initial_training_products(backbone: str, weights: str) -> frozenset[str]:
    """Return the hashes of the products that initial weights were trained on; none for ImageNet, random or a file.

    `weights` is their source: "fashion" or "auto" for those that ship with the package, or a path.
    """
    folder = get_backbone(backbone).bundled if weights in ("auto", "fashion") else Path(weights)
    recorded = folder and any((folder / name).is_file() for name in (TRAINING_PRODUCTS, RunManifest.FILE))
    return folder_training_products(folder) if recorded else frozenset()
