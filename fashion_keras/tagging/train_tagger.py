"""`train_tagger(config)`: from a catalogue and a taxonomy to a tagger that is judged and saved."""

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.datasets import resolve_dataset
from fashion_keras.catalog.readers import Catalog, read_catalog
from fashion_keras.catalog.splits import Split, hold_out
from fashion_keras.catalog.taxonomy import load_taxonomy
from fashion_keras.features.cache import encode
from fashion_keras.features.registry import load_encoder
from fashion_keras.images.validation import reject_unreadable
from fashion_keras.support.atomic_files import make_output_dir, write_csv, write_json
from fashion_keras.support.errors import InputError
from fashion_keras.support.progress import LogFile, ProgressBar
from fashion_keras.tagging.config import TaggerConfig
from fashion_keras.tagging.evaluation.report import EvalPart, evaluate_tagger
from fashion_keras.tagging.leakage import leakage_warning
from fashion_keras.tagging.model.calibration import calibrate_head
from fashion_keras.tagging.model.fit import fit_heads, hard_negative_weights
from fashion_keras.tagging.model.heads import LinearHead, applies_mask, run_gate
from fashion_keras.tagging.model.labels import TaggerLabels, build_labels
from fashion_keras.tagging.model.provenance import PARTS, Provenance, save_provenance, taxonomy_digest
from fashion_keras.tagging.model.tagger import Tagger, save_tagger
from fashion_keras.training.dataset_prep import SAMPLE_WARNING

log = logging.getLogger("fashion_keras")


@dataclass(frozen=True)
class TrainedTagger:
    """A trained tagger: its folder, and its report, as in report.json."""

    folder: Path
    report: dict[str, Any]


@dataclass(frozen=True)
class FittedHeads:
    """What training makes.

    Attributes:
        gate: the validators.
        heads: one per attribute.
        candidates: per attribute, its heads of all weight decays, before a temperature.
    """

    gate: LinearHead
    heads: tuple[LinearHead, ...]
    candidates: tuple[tuple[LinearHead, ...], ...]


def train_tagger(config: TaggerConfig) -> TrainedTagger:
    """Learn validators and heads, fit their confidence on validation, judge them on test products; all in a folder.

    Raises:
        InputError: when the folder is not empty, or catalogue, taxonomy or encoder cannot be used.
    """
    began = time.perf_counter()
    taxonomy = load_taxonomy(config.taxonomy)
    source, sample = resolve_dataset(config.data)
    catalog = read_catalog(source)
    fingerprint = catalog.fingerprint
    catalog = reject_unreadable(catalog)
    parts = split_for_tagger(catalog, config.hold_out, config.seed)
    questions = build_labels(taxonomy, catalog.columns, parts.train, config.min_images)
    encoder = load_encoder(config.encoder, config.weights)
    folder = make_output_dir(config.out, f"runs/tagger-{taxonomy.name}")
    write_json(folder / "config.json", asdict(config))
    with LogFile(folder / "log.txt"):
        write_csv(folder / "rejected.csv", ("where", "id", "reason"), map(vars, catalog.rejected))
        about = {"taxonomy": taxonomy.name, "data": str(source), **_about(config, catalog, parts, sample)}
        _announce(about, questions)
        vectors = np.asarray(encode(catalog, encoder).values)
        learnt = fit_heads_and_gate(questions, vectors, parts, config.decays, config.promise)
        tagger = Tagger(encoder, encoder.identity, learnt.gate, learnt.heads, config.promise)
        save_tagger(folder, tagger, config.encoder, config.weights, taxonomy)
        save_provenance(folder, Provenance(fingerprint, taxonomy_digest(taxonomy), _ids(catalog, parts)))
        train, test = (EvalPart(questions.take(rows), vectors[rows]) for rows in (parts.train, parts.test))
        report = {
            **about,
            "encoder": {"name": config.encoder, "identity": encoder.identity, **encoder.settings},
            "left_out": questions.left_out,
            **evaluate_tagger(tagger, learnt.candidates, train, test, config.seed, folder),
            "seconds": round(time.perf_counter() - began, 1),
        }
        write_json(folder / "report.json", report)
    return TrainedTagger(folder, report)


def split_for_tagger(catalog: Catalog, fraction: float, seed: int) -> Split:
    """Divide a catalogue by product hash: what encoders learn from is for training, what they never saw is halved.

    The products that `hold_out` keeps from an encoder's training, fashion_small's with its 0.265 and seed 0, validate
    and test: confidence that was fitted on vectors of products the encoder knows would be too high on others.

    Raises:
        InputError: as `hold_out`, and when too few products are held out.
    """
    train, held_out = hold_out(catalog, fraction, seed)
    _, test = hold_out(catalog, fraction / 2, seed)  # the products of the smaller fraction are among `held_out`
    validation = np.setdiff1d(held_out, test)
    if not len(validation):
        raise InputError(f"{catalog.folder}: {len(held_out)} of {len(catalog)} images held out; --hold-out more")
    return Split(train, validation, test, "product", seed)


def fit_heads_and_gate(
    questions: TaggerLabels, vectors: NDArray[np.float32], parts: Split, decays: Sequence[float], promise: float
) -> FittedHeads:
    """Learn validators and heads from training products, and fit their confidence on validation.

    Args:
        questions: to n products.
        vectors [n, d]: theirs.
        parts: which of them train and validate; the others are not looked at.
        decays: weight decays to try, the strongest first.
        promise: the precision that the labels that are given shall have.
    """
    seen, own = vectors[parts.train], questions.take(parts.train)
    held, asked = vectors[parts.validation], questions.take(parts.validation)
    validators = fit_heads(own.gate, seen, decays, hard_negative_weights(seen, own.gate.values))
    gate = calibrate_head(validators, held, asked.gate.values, promise, together=True)
    accepted = run_gate(gate, held).given
    heads, candidates = [], []
    with ProgressBar("learning attributes", len(own.attributes)) as bar:
        for question, answers in zip(own.attributes, asked.attributes, strict=True):
            found = fit_heads(question, seen, decays)
            # Confidence is fitted on what the gate lets in: nothing else will come to the head.
            rows = applies_mask(question.applies_to, gate, accepted)
            heads.append(calibrate_head(found, held[rows], answers.values[rows], promise))
            candidates.append(tuple(found))
            bar.advance()
    return FittedHeads(gate, tuple(heads), tuple(candidates))


def _about(config: TaggerConfig, catalog: Catalog, parts: Split, sample: bool) -> dict[str, Any]:
    judges = catalog.ids[np.concatenate([parts.validation, parts.test])]
    seen = leakage_warning(config.encoder, config.hold_out, config.seed, judges)
    counts = {name: len(ids) for name, ids in _ids(catalog, parts).items()}
    return {
        "warnings": [warning for warning in (SAMPLE_WARNING if sample else "", seen) if warning],
        "counts": {**counts, "rejected": len(catalog.rejected)},
    }


def _ids(catalog: Catalog, parts: Split) -> dict[str, list[int]]:
    return {name: catalog.ids[getattr(parts, name)].tolist() for name in PARTS}


def _announce(about: dict[str, Any], questions: TaggerLabels) -> None:
    for warning in about["warnings"]:
        log.warning("WARNING  %s", warning)
    log.info("%s: %s", about["data"], ", ".join(f"{count} {name}" for name, count in about["counts"].items()))
    for reason in questions.left_out.values():
        log.info("left out: %s", reason)
