"""Encoder training runs: their data and reports."""

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import numpy as np

from fashion_keras.catalog.datasets import SAMPLE, resolve_dataset
from fashion_keras.catalog.product_hashes import product_hashes
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.catalog.splits import hold_out, subsample
from fashion_keras.images.validation import reject_unreadable
from fashion_keras.support.json_record import JsonRecord
from fashion_keras.training.base_config import EncoderTrainingConfig
from fashion_keras.training.encoder.config import AutoencoderRecipe
from fashion_keras.training.manifests import TrainingData


@dataclass(frozen=True, kw_only=True)
class EncoderReport(JsonRecord):
    """Report of an encoder's training, scored on held-out products: report.json, here without a key "format"."""

    FORMAT: ClassVar[None] = None
    FILE: ClassVar[str] = "report.json"

    counts: dict[str, int]
    seconds: float
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


def read_data(config: EncoderTrainingConfig) -> TrainingData:
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
    rows = dict(zip(("train", "held_out"), hold_out(catalog, config.hold_out, config.seed), strict=True))
    return TrainingData(SAMPLE if is_sample else str(source), catalog, fingerprint, rows)
