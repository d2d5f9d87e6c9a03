"""From a config to labelled, checked and divided products."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.datasets import SAMPLE, resolve_dataset
from fashion_keras.catalog.product_hashes import product_hashes
from fashion_keras.catalog.readers import Catalog, read_catalog
from fashion_keras.catalog.splits import Split, k_folds, split, subsample
from fashion_keras.images.validation import reject_unreadable
from fashion_keras.training.config import TrainConfig
from fashion_keras.training.person_filter import filter_persons, person_input_spec
from fashion_keras.training.targets import TrainingTargets, build_targets

SAMPLE_WARNING = "DRAWN SAMPLE: these are drawings, not products; get real ones with `fashion-keras data download`"


@dataclass(frozen=True)
class PreparedData:
    """What a run trains on and is judged by.

    Attributes:
        data: the catalogue, as `--data` takes it.
        catalog: n usable products, and all that was set aside with its reason.
        fingerprint: of the catalogue as it was read, before anything was set aside for this run.
        goal: what is to be learnt of each of the n products.
        split: their division into parts; of cross-validation that of the first fold.
        warnings: what must be said at the start and at the end.
    """

    data: str
    catalog: Catalog
    fingerprint: str
    goal: TrainingTargets
    split: Split
    warnings: tuple[str, ...]

    @property
    def parts(self) -> dict[str, list[int]]:
        """The ids of the products in each part."""
        return {name: self.catalog.ids[getattr(self.split, name)].tolist() for name in ("train", "validation", "test")}

    @property
    def counts(self) -> dict[str, int]:
        """Products per part, and how many rows and files were set aside; adds up to all that were read."""
        return {**{name: len(ids) for name, ids in self.parts.items()}, "rejected": len(self.catalog.rejected)}


def prepare(config: TrainConfig) -> PreparedData:
    """Read the catalogue, label it, open every image once, divide it.

    Raises:
        InputError: when nothing, or too little, is left to train on.
    """
    # Refused before anything is read.
    person_input_spec(config)
    source, sample = resolve_dataset(config.data)
    catalog = read_catalog(source)
    fingerprint = catalog.fingerprint
    if config.person_filter:
        # Before classes are counted: some lose many products.
        catalog = filter_persons(reject_unreadable(catalog), config.person_filter)
    goal, unlabelled, warnings = build_targets(config, catalog)
    catalog, goal = _set_aside(catalog, goal, unlabelled)
    if config.limit:
        kept = subsample(goal.strata, product_hashes(catalog), config.limit, config.seed, config.floor or 0)
        beyond = np.full(len(catalog), f"beyond --limit {config.limit:.12g}")
        beyond[kept] = ""
        catalog, goal = _set_aside(catalog, goal, beyond)
    whole = reject_unreadable(catalog)
    catalog, goal = whole, goal.take(np.flatnonzero(np.isin(catalog.ids, whole.ids)))
    warnings = (*([SAMPLE_WARNING] if sample else []), *warnings)
    division = make_split(config, catalog, goal)
    return PreparedData(SAMPLE if sample else str(source), catalog, fingerprint, goal, division, warnings)


def make_split(config: TrainConfig, catalog: Catalog, goal: TrainingTargets) -> Split:
    """Return the parts of a run, or of one fold; InputError when a class is too small to stand in all of them."""
    labels = goal.strata, product_hashes(catalog), goal.everywhere
    if config.folds:
        return k_folds(*labels, config.folds, config.split, config.seed)[(config.fold or 1) - 1]
    return split(*labels, config.split, config.seed)


def _set_aside(catalog: Catalog, goal: TrainingTargets, reasons: NDArray[np.str_]) -> tuple[Catalog, TrainingTargets]:
    return catalog.reject(reasons.tolist()), goal.take(np.flatnonzero(reasons == ""))
