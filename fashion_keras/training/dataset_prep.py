"""Data preparation: from a config to labeled products with readable images, divided into parts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.datasets import SAMPLE, resolve_dataset
from fashion_keras.catalog.product_hashes import product_hashes
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.catalog.splits import Split, k_folds, split, subsample
from fashion_keras.images.validation import image_hashes, reject_unreadable
from fashion_keras.support.errors import InputError
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.run_folder import RunManifest
from fashion_keras.training.targets import TrainingTargets, build_targets, filter_persons, person_input_spec

SAMPLE_WARNING = "DRAWN SAMPLE: these are drawings, not products; get real ones with `fashion-keras data download`"
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class PreparedData:
    """Usable products of a run, their targets and parts.

    Attributes:
        data, fingerprint: of the catalog as it was read: as `--data` takes it, and before anything was rejected.
        split: the parts; of cross-validation those of the first fold.
        warnings: shown at the start and at the end.
    """

    data: str
    catalog: Catalog
    fingerprint: str
    targets: TrainingTargets
    split: Split
    warnings: tuple[str, ...]

    @property
    def parts(self) -> dict[str, list[int]]:
        """The ids of the products in each part."""
        return {name: self.catalog.ids[getattr(self.split, name)].tolist() for name in PARTS}

    @property
    def counts(self) -> dict[str, int]:
        """Products per part, and rejected rows and files; adds up to all that were read."""
        return {**{name: len(ids) for name, ids in self.parts.items()}, "rejected": len(self.catalog.rejected)}

    def manifest(self, weights: dict[str, str]) -> RunManifest:
        """Return the manifest of a run on these parts, with backbone weights from `weights`, a `WeightsSource`."""
        products, images = product_hashes(self.catalog), image_hashes(self.catalog.paths)
        rows = {name: getattr(self.split, name) for name in PARTS}
        return RunManifest(
            data=self.data,
            fingerprint=self.fingerprint,
            weights=weights,
            train_counts=self.targets.label_counts(self.split.train),
            known={name: self.targets.known_counts(rows[name]) for name in PARTS[:2]},
            parts=self.parts,
            part_hashes={name: products[part].tolist() for name, part in rows.items()},
            image_hashes={name: images[part].tolist() for name, part in rows.items()},
        )

    def check_unchanged(self, manifest: RunManifest, state: str) -> None:
        """Raise InputError unless a run was begun on the same catalog and parts; `state` is for the message."""
        if manifest.fingerprint != self.fingerprint:
            raise InputError(f"{self.catalog.folder}: the catalog has changed since {state}")
        if manifest.parts != self.parts:
            raise InputError(
                f"{self.catalog.folder}: its products are divided in another way since {state}: train anew"
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
        within = subsample(targets.strata, product_hashes(catalog), config.limit, config.seed, config.floor or 0)
        reasons = np.full(len(catalog), f"beyond --limit {config.limit:.12g}")
        reasons[within] = ""
        catalog, targets = _reject(catalog, targets, reasons)
    readable = reject_unreadable(catalog)
    targets = targets.take(np.isin(catalog.ids, readable.ids))
    warnings = (*([SAMPLE_WARNING] if sample else []), *warnings)
    parts = make_split(config, readable, targets)
    return PreparedData(SAMPLE if sample else str(source), readable, fingerprint, targets, parts, warnings)


def make_split(config: TrainConfig, catalog: Catalog, targets: TrainingTargets) -> Split:
    """Return the parts of a run, or of one fold; InputError when a class is too small to be in all of them."""
    strata = targets.strata, product_hashes(catalog), targets.required_classes
    if config.folds:
        return k_folds(*strata, config.folds, config.split, config.seed)[(config.fold or 1) - 1]
    return split(*strata, config.split, config.seed)


def _reject(catalog: Catalog, targets: TrainingTargets, reasons: NDArray[np.str_]) -> tuple[Catalog, TrainingTargets]:
    return catalog.reject(reasons.tolist()), targets.take(reasons == "")
