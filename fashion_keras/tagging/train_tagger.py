"""Tagger training: `train_tagger(config)` trains, calibrates, evaluates and saves a tagger."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.analysis.training_overlap import encoder_training_products
from fashion_keras.catalog.catalog import Catalog, write_rejected
from fashion_keras.catalog.datasets import resolve_dataset
from fashion_keras.catalog.product_hashes import is_training_product, product_hashes, uniform_numbers
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.catalog.taxonomy import Taxonomy, load_taxonomy
from fashion_keras.features.cache import encode
from fashion_keras.features.registry import load_encoder
from fashion_keras.images.validation import reject_unreadable
from fashion_keras.support.atomic_files import make_output_dir, write_json
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.errors import InputError
from fashion_keras.support.progress import LogFile, ProgressBar
from fashion_keras.support.verbose_argument import takes_verbose
from fashion_keras.tagging.config import TaggerConfig
from fashion_keras.tagging.evaluation.report import EvalPart, evaluate_tagger
from fashion_keras.tagging.leakage import leakage_warning
from fashion_keras.tagging.model.calibration import select_head, with_thresholds
from fashion_keras.tagging.model.fit import fit_heads, hard_negative_weights
from fashion_keras.tagging.model.heads import LinearHead, applies_mask, run_gate
from fashion_keras.tagging.model.labels import TaggerLabels, build_labels
from fashion_keras.tagging.model.provenance import Provenance, save_provenance, taxonomy_digest
from fashion_keras.tagging.model.tagger import Tagger, save_tagger
from fashion_keras.training.dataset_prep import SAMPLE_WARNING
from fashion_keras.training.run_folder import Run

log = logging.getLogger("fashion_keras")

# Choosing a weight decay and a temperature takes fewer products than showing a precision does.
SELECTION_SHARE = 0.2

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class TaggerSplit:
    """Row indices of a catalog, each sorted; no product is in two of train, selection, proof and test.

    Attributes:
        train: rows that heads are trained on.
        validation: rows that calibrate the heads.
        test: rows that evaluate the tagger.
        selection: of the validation rows, those that choose weight decay and temperature.
        proof: of the others, one per product: they show which thresholds reach the target precision.
    """

    train: Integers
    validation: Integers
    test: Integers
    selection: Integers
    proof: Integers

    @property
    def parts(self) -> dict[str, Integers]:
        """The rows of train, validation and test."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


@dataclass(frozen=True)
class FittedHeads:
    """Result of training.

    Attributes:
        gate: the validators of product types.
        heads: one per attribute.
        candidates: per attribute, its heads of all weight decays, before a temperature.
    """

    gate: LinearHead
    heads: tuple[LinearHead, ...]
    candidates: tuple[tuple[LinearHead, ...], ...]


@takes_verbose
def train_tagger(config: TaggerConfig | Mapping[str, Any]) -> Run:
    """Train the gate and the heads, calibrate them on validation, evaluate them on test products; all in a folder.

    Raises:
        InputError: when the folder is not empty, or catalog, taxonomy or encoder cannot be used.
    """
    config = as_config(TaggerConfig, config)
    began = time.perf_counter()
    taxonomy = load_taxonomy(config.taxonomy)
    source, sample = resolve_dataset(config.data)
    catalog = read_catalog(source)
    fingerprint = catalog.fingerprint
    catalog = reject_unreadable(catalog)
    trained = is_training_product(catalog, encoder_training_products(config.encoder, config.weights))
    split = split_for_tagger(catalog, config, trained)
    labels = build_labels(taxonomy, catalog.columns, split.train, config.min_images)
    encoder = load_encoder(config.encoder, config.weights)
    folder = make_output_dir(config.out, f"runs/tagger-{taxonomy.name}")
    write_json(folder / "config.json", config.to_dict())
    with LogFile(folder / "log.txt"):
        write_rejected(folder, catalog)
        overlap = trained[np.concatenate([split.validation, split.test])]
        warnings = SAMPLE_WARNING if sample else "", leakage_warning(config.encoder, overlap)
        header = {
            "taxonomy": taxonomy.name,
            "data": str(source),
            "warnings": [warning for warning in warnings if warning],
            "counts": {**{part: len(rows) for part, rows in split.parts.items()}, "rejected": len(catalog.rejected)},
            "validation": {"selection": len(split.selection), "proof": len(split.proof)},
            "trained_images": {"catalog": int(trained.sum()), "evaluated": int(overlap.sum())},
        }
        _log_header(header, labels)
        features = np.asarray(encode(catalog, encoder).values)
        fitted = fit_heads_and_gate(labels, features, split, config.decays, config.target_precision)
        tagger = Tagger(encoder, encoder.identity, fitted.gate, fitted.heads, config.target_precision)
        save_tagger(folder, tagger, config.encoder, config.weights, taxonomy)
        save_provenance(folder, _provenance(catalog, fingerprint, taxonomy, split))
        train, test = (
            EvalPart(labels.take(rows), features[rows], catalog.product_groups[rows])
            for rows in (split.train, split.test)
        )
        report = {
            **header,
            "encoder": {"name": config.encoder, "identity": encoder.identity, **encoder.settings},
            "left_out": labels.left_out,
            **evaluate_tagger(tagger, fitted.candidates, train, test, config.seed, folder),
            "seconds": round(time.perf_counter() - began, 1),
        }
        write_json(folder / "report.json", report)
    return Run(folder, report)


def split_for_tagger(catalog: Catalog, config: TaggerConfig, trained: NDArray[np.bool_]) -> TaggerSplit:
    """Return the split of a catalog by product hash.

    `hold_out` of the products are for validation, half of them, and test. They are products that the encoder was not
    trained on, where there are enough: confidence that is fitted on features of its training products would be too high
    on others. For an encoder that was trained on none of the catalog, they are those of `catalog.splits.hold_out`.

    Of the validation products a fifth is for selection. Of the others, the proof, one image per product is taken, since
    images of one product are no independent evidence.

    Args:
        catalog: n rows.
        config: hold_out, seed and exclude_trained.
        trained [n] bool: rows whose product the encoder was trained on.

    Raises:
        InputError: when too few products are left for a part.
    """
    hashes = product_hashes(catalog)
    numbers = uniform_numbers(hashes, config.seed, "hold-out")
    limits = held_out_fractions(trained[np.unique(hashes, return_index=True)[1]], config)
    limit = np.where(trained, limits[1], limits[0])
    test = np.flatnonzero(numbers < limit / 2)
    validation = np.flatnonzero((numbers >= limit / 2) & (numbers < limit))
    train = np.flatnonzero(numbers >= limit)
    selects = uniform_numbers(hashes[validation], config.seed, "tagger selection") < SELECTION_SHARE
    selection, others = validation[selects], validation[~selects]
    proof = np.sort(others[np.unique(hashes[others], return_index=True)[1]])
    for part, rows in {"training": train, "selection": selection, "proof": proof, "test": test}.items():
        if not len(rows):
            raise InputError(
                f"{catalog.folder}: of {len(catalog)} images none is left for {part} with --hold-out {config.hold_out}"
            )
    return TaggerSplit(train, validation, test, selection, proof)


def held_out_fractions(trained: NDArray[np.bool_], config: TaggerConfig) -> tuple[float, float]:
    """Return the fractions to hold out: of the products that the encoder was not trained on, and of those that it was.

    The second is 0, unless the others are less than half of what `hold_out` requires and exclude_trained is not set.
    `trained` [p] bool: which of the p products it was trained on.
    """
    others = float(np.mean(~trained))
    if others >= config.hold_out / 2 or config.exclude_trained:
        return min(1.0, config.hold_out / others) if others else 0.0, 0.0
    return 1.0, (config.hold_out - others) / (1 - others)


def fit_heads_and_gate(
    labels: TaggerLabels,
    features: NDArray[np.float32],
    split: TaggerSplit,
    decays: Sequence[float],
    target_precision: float,
) -> FittedHeads:
    """Train validators and heads on training products, and calibrate them on selection and proof products.

    Heads are calibrated on images that the gate accepts, the only ones that they will predict labels for. Which those
    are depends on product types alone, never on the attribute's labels.

    Args:
        labels: of n products.
        features [n, d]: theirs.
        split: their parts; test products are not looked at.
        decays: weight decays to try, the strongest first.
        target_precision: of the predicted labels.
    """
    train, training_labels = features[split.train], labels.take(split.train)
    weights = hard_negative_weights(train, training_labels.gate.values)
    validators = fit_heads(training_labels.gate, train, decays, weights)
    selection, proof = ((features[rows], labels.gate.values[rows]) for rows in (split.selection, split.proof))
    gate = with_thresholds(select_head(validators, *selection), *proof, target_precision, pooled=True)
    accepted = run_gate(gate, features).predicted
    heads, candidates = [], []
    with ProgressBar("training attributes", len(labels.attributes), "attributes") as bar:
        for attribute, training_attribute in zip(labels.attributes, training_labels.attributes, strict=True):
            fitted = fit_heads(training_attribute, train, decays)
            is_accepted = applies_mask(attribute.applies_to, gate, accepted)
            selection, proof = (
                (features[rows], attribute.values[rows])
                for rows in (part[is_accepted[part]] for part in (split.selection, split.proof))
            )
            heads.append(with_thresholds(select_head(fitted, *selection), *proof, target_precision))
            candidates.append(tuple(fitted))
            bar.advance()
    return FittedHeads(gate, tuple(heads), tuple(candidates))


def _provenance(catalog: Catalog, fingerprint: str, taxonomy: Taxonomy, split: TaggerSplit) -> Provenance:
    ids = {name: tuple(catalog.ids[rows].tolist()) for name, rows in split.parts.items()}
    return Provenance(fingerprint, taxonomy_digest(taxonomy), ids)


def _log_header(header: dict[str, Any], labels: TaggerLabels) -> None:
    for warning in header["warnings"]:
        log.warning("WARNING  %s", warning)
    log.info("%s: %s", header["data"], ", ".join(f"{count} {name}" for name, count in header["counts"].items()))
    log.info(
        "images of products that the encoder was trained on: %(catalog)d in all, %(evaluated)d for validation and test",
        header["trained_images"],
    )
    for reason in labels.left_out.values():
        log.info("left out: %s", reason)
