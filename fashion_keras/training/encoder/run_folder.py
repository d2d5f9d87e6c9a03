"""Encoder training runs: begin or resume one in a folder, on the same catalog and parts."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from fashion_keras.catalog.catalog import Catalog, write_rejected
from fashion_keras.catalog.datasets import SAMPLE, resolve_dataset
from fashion_keras.catalog.product_hashes import product_hashes
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.catalog.splits import hold_out, subsample
from fashion_keras.images.validation import reject_unreadable
from fashion_keras.models.pretrained_weights import WeightsSource
from fashion_keras.support.atomic_files import check_output_dir, make_output_dir, read_json, write_json
from fashion_keras.support.errors import InputError
from fashion_keras.support.json_record import JsonRecord
from fashion_keras.support.progress import LogFile
from fashion_keras.training.base_config import EncoderTrainingConfig
from fashion_keras.training.checkpoints import Checkpoints
from fashion_keras.training.trained_model import TrainedModel, discard_untrained

log = logging.getLogger("fashion_keras")

ConfigType = TypeVar("ConfigType", bound=EncoderTrainingConfig)


@dataclass(frozen=True)
class EncoderData:
    """Catalog of an encoder's training run in two parts that share no product.

    Attributes:
        data: the catalog, as `--data` takes it.
        fingerprint: of the catalog as it was read, before any row was rejected.
        catalog: n usable products, and all rejected rows and files with reasons.
        train, held_out: sorted row indices to train on and to evaluate with.
    """

    data: str
    fingerprint: str
    catalog: Catalog
    train: np.ndarray
    held_out: np.ndarray

    @property
    def parts(self) -> tuple[Catalog, Catalog]:
        """Catalogs of the training and of the held-out products."""
        return self.catalog.take(self.train), self.catalog.take(self.held_out)

    @property
    def counts(self) -> dict[str, int]:
        """Number of products of each part, and of rejected rows and files."""
        return {"train": len(self.train), "held_out": len(self.held_out), "rejected": len(self.catalog.rejected)}


@dataclass(frozen=True)
class EncoderManifest(JsonRecord):
    """What an encoder is trained on; manifest.json.

    Attributes:
        fingerprint: of the catalog as it was read.
        weights: source of the initial weights.
        parts: part -> product ids.
    """

    FORMAT: ClassVar[str] = "fashion_keras.encoder_run/1"
    FILE: ClassVar[str] = "manifest.json"

    fingerprint: str
    weights: str
    parts: dict[str, list[int]]


# Trains and evaluates: config, data, folder -> report.
Body = Callable[[ConfigType, EncoderData, Path], dict[str, Any]]


def begin(config: ConfigType, default: str, body: Body) -> TrainedModel:
    """Carry out a training run in a new folder: `config.out`, or the first free of DEFAULT-1, DEFAULT-2, ...

    Raises:
        InputError: when the folder is not empty or the catalog cannot be used; as `body`. A folder in which nothing
            was trained is removed.
    """
    check_output_dir(config.out, default)
    data = _read_data(config)
    folder = make_output_dir(config.out, default)
    config = replace(config, data=data.data, out=str(folder))
    write_json(folder / "config.json", config.to_dict())
    with discard_untrained(folder):
        return _carry_out(config, data, folder, body)


def resume(folder: str | Path, kind: type[ConfigType], body: Body) -> TrainedModel:
    """Resume an interrupted training run from its last finished epoch; a finished one is returned as it is.

    Raises:
        InputError: when no such run was begun there, or its catalog or parts have changed since; as `body`.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder}: no run was begun here (no config.json)")
    config = kind.from_dict(read_json(folder / "config.json"))
    if (folder / "report.json").is_file():
        return TrainedModel(folder, read_json(folder / "report.json"))
    return _carry_out(config, _read_data(config), folder, body)


def check_manifest(folder: Path, data: EncoderData, source: WeightsSource) -> None:
    """Write the manifest of a run, or compare it with that written when the run was begun.

    Raises:
        InputError: when catalog, parts or initial weights differ.
    """
    train, held_out = (part.ids.tolist() for part in data.parts)
    manifest = EncoderManifest(data.fingerprint, source.source, {"train": train, "held_out": held_out})
    if not (folder / manifest.FILE).is_file():
        manifest.write(folder)
        return
    begun = EncoderManifest.read(folder)
    reasons = {"fingerprint": "the catalog has changed", "parts": "the parts differ", "weights": "the weights differ"}
    for name, reason in reasons.items():
        if getattr(begun, name) != getattr(manifest, name):
            raise InputError(f"{data.catalog.folder}: {reason} since the run in {folder} was begun; start a new run")


def _carry_out(config: ConfigType, data: EncoderData, folder: Path, body: Body) -> TrainedModel:
    began = time.perf_counter()
    with LogFile(folder / "log.txt"):
        write_rejected(folder, data.catalog)
        log.info("%s: %d products to train on, %d held out", data.data, len(data.train), len(data.held_out))
        log.info("folder %s; if interrupted, resume with --resume %s", folder, folder)
        report = {"counts": data.counts, **body(config, data, folder)}
        report["seconds"] = round(time.perf_counter() - began, 1)
        # Last: a folder with a report is a finished run.
        write_json(folder / "report.json", report)
        Checkpoints(folder).clear()
    return TrainedModel(folder, report)


def _read_data(config: EncoderTrainingConfig) -> EncoderData:
    source, is_sample = resolve_dataset(config.data)
    catalog = read_catalog(source)
    fingerprint = catalog.fingerprint
    if config.limit:
        reasons = np.full(len(catalog), f"beyond --limit {config.limit}")
        # A single class: there are no labels to stratify by.
        codes = np.zeros(len(catalog), np.int64)
        reasons[subsample(codes, product_hashes(catalog), config.limit, config.seed)] = ""
        catalog = catalog.reject(reasons.tolist())
    catalog = reject_unreadable(catalog)
    train, held_out = hold_out(catalog, config.hold_out, config.seed)
    return EncoderData(SAMPLE if is_sample else str(source), fingerprint, catalog, train, held_out)
