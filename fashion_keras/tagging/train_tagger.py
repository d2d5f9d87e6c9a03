"""Tagger training: `train_tagger(config)` trains, calibrates, evaluates and saves a tagger."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fashion_keras.analysis.evaluation_subset import encoder_training_products
from fashion_keras.catalog.catalog import Catalog, write_rejected
from fashion_keras.catalog.datasets import SAMPLE
from fashion_keras.catalog.product_hashes import is_training_product, uniform_numbers
from fashion_keras.catalog.splits import PARTS
from fashion_keras.catalog.taxonomy import load_taxonomy
from fashion_keras.features.cache import encode
from fashion_keras.features.registry import absolute_name, load_encoder
from fashion_keras.images.validation import read_source, reject_unreadable
from fashion_keras.support.atomic_files import make_output_dir, write_json
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.errors import InputError
from fashion_keras.support.progress import LogFile, ProgressBar
from fashion_keras.support.verbose_argument import takes_verbose
from fashion_keras.tagging.config import TaggerConfig
from fashion_keras.tagging.evaluation.report import evaluate_tagger
from fashion_keras.tagging.model.fit import calibrate, fit_heads, hard_negative_weights
from fashion_keras.tagging.model.heads import Features, LinearHead, Mask, applies_mask, run_head
from fashion_keras.tagging.model.labels import Integers, TaggerLabels, build_labels
from fashion_keras.tagging.model.manifest import EncoderReference, Provenance, save_heads, taxonomy_digest
from fashion_keras.tagging.model.tagger import Tagger
from fashion_keras.tagging.pages import write_tagger_page
from fashion_keras.training.dataset_prep import SAMPLE_WARNING
from fashion_keras.training.run_folder import Run

log = logging.getLogger("fashion_keras")

SELECTION_SHARE = 0.2  # choosing a weight decay and a temperature takes fewer products than showing a precision does


@dataclass(frozen=True)
class TaggerSplit:
    """Row indices of a catalog, each sorted; no product is in two of train, selection, proof and test.

    Attributes:
        train, validation, test: rows that heads are trained on, that calibrate them, that evaluate the tagger.
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
        return {name: getattr(self, name) for name in PARTS}


@takes_verbose
def train_tagger(config: TaggerConfig | Mapping[str, Any]) -> Run:
    """Train the gate and the heads, calibrate them on validation, evaluate them on test products; all in a folder.

    InputError when the folder is not empty, or catalog, taxonomy or encoder cannot be used.
    """
    config = as_config(TaggerConfig, config)
    began = time.perf_counter()
    taxonomy = load_taxonomy(config.taxonomy)
    catalog, data = read_source(config)
    fingerprint = catalog.fingerprint
    catalog = reject_unreadable(catalog)
    trained = is_training_product(catalog, encoder_training_products(config.encoder, config.weights))
    split = split_for_tagger(catalog, config, trained)
    labels = build_labels(taxonomy, catalog.columns, split.train, config.min_images)
    encoder = load_encoder(config.encoder, config.weights)
    folder = make_output_dir(config.out, f"runs/tagger-{taxonomy.name}")
    write_json(folder / "config.json", config.to_dict())
    with LogFile(folder / "log.txt"):
        write_rejected(folder, catalog.rejected)
        overlap = trained[np.concatenate([split.validation, split.test])]
        warnings = SAMPLE_WARNING if data == SAMPLE else "", leakage_warning(config.encoder, overlap)
        header = {
            "taxonomy": taxonomy.name,
            "data": data,
            "warnings": [warning for warning in warnings if warning],
            "counts": {**{part: len(rows) for part, rows in split.parts.items()}, "rejected": len(catalog.rejected)},
            "corrections": catalog.correction_counts,
            "validation": {"selection": len(split.selection), "proof": len(split.proof)},
            "trained_images": {"catalog": int(trained.sum()), "evaluated": int(overlap.sum())},
            "encoder": {"name": config.encoder, "identity": encoder.identity, **encoder.settings},
            "left_out": labels.left_out,
        }
        _log_header(header, catalog)
        features = np.asarray(encode(catalog, encoder).values)
        gate, heads, candidates = fit_gate_and_heads(labels, features, split, config.decays, config.target_precision)
        reference = EncoderReference(absolute_name(config.encoder), config.weights, encoder.identity)
        save_heads(folder, (gate, *heads), reference, config.target_precision, taxonomy)
        ids = {part: tuple(catalog.image_ids[rows].tolist()) for part, rows in split.parts.items()}
        selection = tuple(catalog.image_ids[split.selection].tolist())
        Provenance(fingerprint, taxonomy_digest(taxonomy), ids, selection).write(folder)
        tagger = Tagger(encoder, gate, heads, config.target_precision)
        train, test = ((labels.take(rows), features[rows]) for rows in (split.train, split.test))
        products = catalog.product_groups[split.test]
        report = header | evaluate_tagger(tagger, candidates, train, test, products, config.seed, folder, data)
        report["seconds"] = round(time.perf_counter() - began, 1)
        write_json(folder / "report.json", report)
        write_tagger_page(report, folder)
    return Run(folder, report)


def leakage_warning(encoder: str, trained: Mask) -> str:
    """Return a warning when an encoder was trained on evaluation products, `trained` [m] bool; else ""."""
    if not trained.any():
        return ""
    return (
        f"{encoder} was trained on {trained.sum()} of the {len(trained)} validation and test images, so all scores are "
        f"too high; leave them out with --exclude-trained"
    )


def split_for_tagger(catalog: Catalog, config: TaggerConfig, trained: Mask) -> TaggerSplit:
    """Return the split of a catalog by product hash.

    `hold_out` of the products are for validation, half of them, and test. They are products that the encoder was not
    trained on, where there are enough: confidence that is fitted on features of its training products would be too high
    on others. For an encoder that was trained on none of the catalog, they are those of `catalog.splits.hold_out`.
    Of the validation products a fifth is for selection. Of the others, the proof, one image per product is taken, since
    images of one product are no independent evidence.

    `trained` [n] bool: rows whose product the encoder was trained on. InputError when too few are left for a part.
    """
    hashes = catalog.product_groups
    numbers = uniform_numbers(hashes, config.seed, "hold-out")
    limits = held_out_fractions(trained[np.unique(hashes, return_index=True)[1]], config)
    limit = np.where(trained, limits[1], limits[0])
    # By numbers of their own: an encoder's training may have held out all products below the limit of the others.
    is_test = uniform_numbers(hashes, config.seed, "tagger test") < 0.5
    test, validation = np.flatnonzero((numbers < limit) & is_test), np.flatnonzero((numbers < limit) & ~is_test)
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


def held_out_fractions(trained: Mask, config: TaggerConfig) -> tuple[float, float]:
    """Return the fractions to hold out: of the products that the encoder was not trained on, and of those that it was.

    The second is 0, unless the others are less than half of what `hold_out` requires and exclude_trained is not set.
    `trained` [p] bool: which of the p products it was trained on.
    """
    others = float(np.mean(~trained))
    if others >= config.hold_out / 2 or config.exclude_trained:
        return min(1.0, config.hold_out / others) if others else 0.0, 0.0
    return 1.0, (config.hold_out - others) / (1 - others)


def fit_gate_and_heads(
    labels: TaggerLabels, features: Features, split: TaggerSplit, decays: Sequence[float], target: float
) -> tuple[LinearHead, tuple[LinearHead, ...], list[list[LinearHead]]]:
    """Return the gate, a head per attribute, and per attribute its heads of all weight decays, not calibrated.

    They are fitted on training products and calibrated on selection and proof products to a target precision; heads on
    images that the gate accepts, the only ones that they will predict labels for. Which those are depends on product
    types alone.
    """
    train, training_labels = features[split.train], labels.take(split.train)
    weights = hard_negative_weights(train, training_labels.gate.values)
    validators = fit_heads(training_labels.gate, train, decays, weights)
    gate = calibrate(validators, features, labels.gate.values, split.selection, split.proof, target, pooled=True)
    types = run_head(gate, features).predicted
    heads, candidates = [], []
    with ProgressBar("training attributes", len(labels.attributes), "attributes") as bar:
        for attribute, training_attribute in zip(labels.attributes, training_labels.attributes, strict=True):
            candidates.append(fit_heads(training_attribute, train, decays))
            accepted = applies_mask(attribute.applies_to, gate, types)
            rows = (part[accepted[part]] for part in (split.selection, split.proof))
            heads.append(calibrate(candidates[-1], features, attribute.values, *rows, target))
            bar.advance()
    return gate, tuple(heads), candidates


def _log_header(header: dict[str, Any], catalog: Catalog) -> None:
    for warning in header["warnings"]:
        log.warning("WARNING  %s", warning)
    log.info("%s: %s", header["data"], ", ".join(f"{count} {name}" for name, count in header["counts"].items()))
    if catalog.corrections:
        log.info("%s", catalog.corrections)
    text = (
        "images of products that the encoder was trained on: %(catalog)d in all, %(evaluated)d for validation and test"
    )
    log.info(text, header["trained_images"])
    for reason in header["left_out"].values():
        log.info("left out: %s", reason)
