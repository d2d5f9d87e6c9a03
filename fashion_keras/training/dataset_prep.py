"""Data preparation: from a config to labeled products with readable images, divided into parts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.datasets import SAMPLE, resolve_dataset
from fashion_keras.catalog.product_hashes import product_hashes
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.catalog.splits import hold_out, k_folds, split, subsample
from fashion_keras.images.validation import image_hashes, reject_unreadable
from fashion_keras.training.base_config import EncoderTrainingConfig
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.manifests import RunManifest, TrainingData
from fashion_keras.training.targets import TrainingTargets, build_targets, filter_persons, person_input_spec

SAMPLE_WARNING = "DRAWN SAMPLE: these are drawings, not products; get real ones with `fashion-keras data download`"


@dataclass(frozen=True)
class PreparedData(TrainingData):
    """Usable products of a classifier's run, their targets and parts.

    Of cross-validation, the parts are those of the first fold. Warnings are shown at the start and at the end.
    """

    targets: TrainingTargets
    warnings: tuple[str, ...]

    def manifest(self, weights: dict[str, str]) -> RunManifest:
        """Return the manifest of a run on these parts, with backbone weights from `weights`, a `WeightsSource`."""
        products, images = product_hashes(self.catalog), image_hashes(self.catalog.paths)
        return RunManifest(
            data=self.data,
            fingerprint=self.fingerprint,
            weights=weights,
            train_counts=self.targets.label_counts(self.rows["train"]),
            known={name: self.targets.known_counts(self.rows[name]) for name in ("train", "validation")},
            parts=self.parts,
            part_hashes={name: products[rows].tolist() for name, rows in self.rows.items()},
            image_hashes={name: images[rows].tolist() for name, rows in self.rows.items()},
        )


def prepare(config: TrainConfig) -> PreparedData:
    """Read the catalog, encode its labels, reject unreadable images, divide; InputError when too little is left."""
    # Refused before anything is read.
    person_input_spec(config)
    source, sample = resolve_dataset(config.data)
    catalog = read_catalog(source)
    fingerprint = catalog.fingerprint
    if config.person_filter:
        # Before classes are counted: some lose many products.
        catalog = filter_persons(reject_unreadable(catalog), config.person_filter)
    targets, warnings = build_targets(config, catalog)
    catalog, targets = _reject(catalog, targets, targets.reasons)
    if config.limit:
        catalog, targets = _reject(catalog, targets, _beyond_limit(catalog, targets.strata, config, config.floor or 0))
    readable = reject_unreadable(catalog)
    targets = targets.take(np.isin(catalog.ids, readable.ids))
    warnings = (*([SAMPLE_WARNING] if sample else []), *warnings)
    rows = split_rows(config, readable, targets)
    return PreparedData(SAMPLE if sample else str(source), readable, fingerprint, rows, targets, warnings)


def prepare_encoder(config: EncoderTrainingConfig) -> TrainingData:
    """Read the catalog of an encoder's config, reject unreadable images, divide; InputError when it cannot be used."""
    source, is_sample = resolve_dataset(config.data)
    catalog = read_catalog(source)
    fingerprint = catalog.fingerprint
    if config.limit:
        # A single class: there are no labels to stratify by.
        catalog = catalog.reject(_beyond_limit(catalog, np.zeros(len(catalog), np.int64), config).tolist())
    catalog = reject_unreadable(catalog)
    rows = dict(zip(("train", "held_out"), hold_out(catalog, config.hold_out, config.seed), strict=True))
    return TrainingData(SAMPLE if is_sample else str(source), catalog, fingerprint, rows)


def split_rows(config: TrainConfig, catalog: Catalog, targets: TrainingTargets) -> dict[str, NDArray[np.int64]]:
    """Return part -> rows of a run, or of one fold; InputError when a class is too small to be in all of them."""
    strata = targets.strata, product_hashes(catalog), targets.required_classes
    if config.folds:
        divided = k_folds(*strata, config.folds, config.split, config.seed)[(config.fold or 1) - 1]
    else:
        divided = split(*strata, config.split, config.seed)
    return {"train": divided.train, "validation": divided.validation, "test": divided.test}


def _beyond_limit(
    catalog: Catalog, strata: NDArray[np.int64], config: TrainConfig | EncoderTrainingConfig, floor: int = 0
) -> NDArray[np.str_]:
    """Return for each product why it is rejected, "" within the limit."""
    reasons = np.full(len(catalog), f"beyond --limit {config.limit:.12g}")
    reasons[subsample(strata, product_hashes(catalog), config.limit, config.seed, floor)] = ""
    return reasons


def _reject(catalog: Catalog, targets: TrainingTargets, reasons: NDArray[np.str_]) -> tuple[Catalog, TrainingTargets]:
    return catalog.reject(reasons.tolist()), targets.take(reasons == "")
