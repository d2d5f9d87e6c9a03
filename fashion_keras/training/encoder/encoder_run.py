"""Encoder training runs: their data, manifest and reports."""

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fashion_keras.catalog.catalog import Catalog, write_rejected
from fashion_keras.catalog.datasets import SAMPLE, resolve_dataset
from fashion_keras.catalog.product_hashes import product_hashes
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.catalog.splits import hold_out, subsample
from fashion_keras.images.validation import reject_unreadable
from fashion_keras.models.pretrained_weights import WeightsSource
from fashion_keras.support.errors import InputError
from fashion_keras.support.json_record import JsonRecord
from fashion_keras.support.progress import LogFile
from fashion_keras.training.base_config import EncoderTrainingConfig
from fashion_keras.training.checkpoints import Checkpoints
from fashion_keras.training.encoder.config import AutoencoderRecipe
from fashion_keras.training.run_folder import Callbacks, CarryOut, Run

log = logging.getLogger("fashion_keras")


@dataclass(frozen=True)
class EncoderData:
    """Catalog of an encoder's training run in two parts that share no product, as sorted row indices.

    `data` and `fingerprint` are of the catalog as it was read, `catalog` has its usable products.
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
    """What an encoder is trained on, with `parts` -> product ids; manifest.json."""

    FORMAT: ClassVar[str] = "fashion_keras.encoder_run/1"
    FILE: ClassVar[str] = "manifest.json"

    fingerprint: str
    weights: str
    parts: dict[str, list[int]]


@dataclass(frozen=True, kw_only=True)
class EncoderReport(JsonRecord):
    """Report of an encoder's training: products per part, seconds, scores on held-out products.

    report.json, here without a key "format".
    """

    FORMAT: ClassVar[None] = None
    FILE: ClassVar[str] = "report.json"

    counts: dict[str, int]
    seconds: float = 0.0
    held_out: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class MetricLearningReport(EncoderReport):
    """Report of metric learning, with retrieval scores; `weights` is the source of the backbone's initial weights."""

    backbone: str
    weights: str
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class AutoencoderReport(EncoderReport):
    """Report of an autoencoder, with reconstruction errors; `train_seconds` are those of its epochs."""

    network: str
    recipe: AutoencoderRecipe
    train_seconds: float


def encoder_run(train: Callable[[Any, EncoderData, Path, Callbacks], EncoderReport]) -> CarryOut:
    """Make a `CarryOut` of a function that trains an encoder and returns its report, still without seconds."""

    @wraps(train)
    def carry_out(config: EncoderTrainingConfig, data: EncoderData, folder: Path, callbacks: Callbacks) -> Run:
        began = time.perf_counter()
        with LogFile(folder / "log.txt"):
            write_rejected(folder, data.catalog)
            log.info("%s: %d products to train on, %d held out", data.data, len(data.train), len(data.held_out))
            log.info("folder %s; if interrupted, resume with --resume %s", folder, folder)
            report = train(config, data, folder, callbacks)
            report = replace(report, seconds=round(time.perf_counter() - began, 1))
            # Last: a folder with a report is a finished run.
            report.write(folder)
            Checkpoints(folder).clear()
        return Run(folder, report)

    return carry_out


def check_manifest(folder: Path, data: EncoderData, source: WeightsSource) -> None:
    """Write the manifest of a run; InputError when the run was begun with another catalog, parts or weights."""
    train, held_out = (part.ids.tolist() for part in data.parts)
    manifest = EncoderManifest(data.fingerprint, source.source, {"train": train, "held_out": held_out})
    if (folder / manifest.FILE).is_file():
        begun, since = EncoderManifest.read(folder), f"since the run in {folder} was begun; start a new run"
        reasons = {"fingerprint": "catalog has changed", "parts": "parts differ", "weights": "weights differ"}
        for name, reason in reasons.items():
            if getattr(begun, name) != getattr(manifest, name):
                raise InputError(f"{data.catalog.folder}: the {reason} {since}")
    manifest.write(folder)


def read_data(config: EncoderTrainingConfig) -> EncoderData:
    """Read the catalog of a config and divide it; InputError when it cannot be used."""
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
