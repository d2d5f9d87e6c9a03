"""`train_tagger(config)`: from a catalogue and a taxonomy to a tagger that is judged and saved."""

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.products import Catalog, read_catalog
from fashion_keras.catalog.sources import locate
from fashion_keras.catalog.splits import Split, hold_out
from fashion_keras.catalog.taxonomy import load_taxonomy
from fashion_keras.encoding.loading import load_encoder
from fashion_keras.encoding.vectors import encode
from fashion_keras.images.whole import with_pictures
from fashion_keras.support.errors import InputError
from fashion_keras.support.files import new_folder, write_json, write_table
from fashion_keras.support.progress import Bar, LogFile
from fashion_keras.tagging.confidence import calibrate
from fashion_keras.tagging.config import TaggerConfig
from fashion_keras.tagging.heads import Head, ask_gate, passing
from fashion_keras.tagging.learning import fit_heads, near_misses
from fashion_keras.tagging.origin import PARTS, Origin, digest, save_origin
from fashion_keras.tagging.questions import Questions, ask
from fashion_keras.tagging.report import Part, judge_tagger
from fashion_keras.tagging.seen import seen_warning
from fashion_keras.tagging.tagger import Tagger, save_tagger
from fashion_keras.training.prepare import SAMPLE_WARNING

log = logging.getLogger("fashion_keras")


@dataclass(frozen=True)
class TrainedTagger:
    """A trained tagger: its folder, and its report, as in report.json."""

    folder: Path
    report: dict[str, Any]


@dataclass(frozen=True)
class Learnt:
    """What training makes.

    Attributes:
        gate: the validators.
        heads: one per attribute.
        candidates: per attribute, its heads of all weight decays, before a temperature.
    """

    gate: Head
    heads: tuple[Head, ...]
    candidates: tuple[tuple[Head, ...], ...]


def train_tagger(config: TaggerConfig) -> TrainedTagger:
    """Learn validators and heads, fit their confidence on validation, judge them on test products; all in a folder.

    Raises:
        InputError: when the folder is not empty, or catalogue, taxonomy or encoder cannot be used.
    """
    began = time.perf_counter()
    taxonomy = load_taxonomy(config.taxonomy)
    source, sample = locate(config.data)
    catalog = read_catalog(source)
    fingerprint = catalog.fingerprint
    catalog = with_pictures(catalog)
    parts = divide(catalog, config.hold_out, config.seed)
    questions = ask(taxonomy, catalog.columns, parts.train, config.min_images)
    encoder = load_encoder(config.encoder, config.weights)
    folder = new_folder(config.out, f"runs/tagger-{taxonomy.name}")
    write_json(folder / "config.json", asdict(config))
    with LogFile(folder / "log.txt"):
        write_table(folder / "rejected.csv", ("where", "id", "reason"), map(vars, catalog.rejected))
        about = {"taxonomy": taxonomy.name, "data": str(source), **_about(config, catalog, parts, sample)}
        _announce(about, questions)
        vectors = np.asarray(encode(catalog, encoder).values)
        learnt = learn(questions, vectors, parts, config.decays, config.promise)
        tagger = Tagger(encoder, encoder.identity, learnt.gate, learnt.heads, config.promise)
        save_tagger(folder, tagger, config.encoder, config.weights, taxonomy)
        save_origin(folder, Origin(fingerprint, digest(taxonomy), _ids(catalog, parts)))
        train, test = (Part(questions.take(rows), vectors[rows]) for rows in (parts.train, parts.test))
        report = {
            **about,
            "encoder": {"name": config.encoder, "identity": encoder.identity, **encoder.about},
            "left_out": questions.left_out,
            **judge_tagger(tagger, learnt.candidates, train, test, config.seed, folder),
            "seconds": round(time.perf_counter() - began, 1),
        }
        write_json(folder / "report.json", report)
    return TrainedTagger(folder, report)


def divide(catalog: Catalog, fraction: float, seed: int) -> Split:
    """Divide a catalogue by title: what encoders learn from is for training, what they never saw is halved.

    The products that `hold_out` keeps from an encoder's training, fashion_small's with its 0.265 and seed 0, validate
    and test: confidence that was fitted on vectors of products the encoder knows would be too high on others.

    Raises:
        InputError: as `hold_out`, and when too few products are held out.
    """
    train, held_out = hold_out(catalog, fraction, seed)
    if len(held_out) < 2:
        raise InputError(f"{catalog.folder}: {len(held_out)} of {len(catalog)} products held out; --hold-out more")
    validation, test = hold_out(catalog.take(held_out), 0.5, seed)
    return Split(train, held_out[validation], held_out[test], "title", seed)


def learn(
    questions: Questions, vectors: NDArray[np.float32], parts: Split, decays: Sequence[float], promise: float
) -> Learnt:
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
    validators = fit_heads(own.gate, seen, decays, near_misses(seen, own.gate.values))
    gate = calibrate(validators, held, asked.gate.values, promise, together=True)
    accepted = ask_gate(gate, held).given
    heads, candidates = [], []
    with Bar("learning attributes", len(own.attributes)) as bar:
        for question, answers in zip(own.attributes, asked.attributes, strict=True):
            found = fit_heads(question, seen, decays)
            # Confidence is fitted on what the gate lets in: nothing else will come to the head.
            rows = passing(question.applies_to, gate, accepted)
            heads.append(calibrate(found, held[rows], answers.values[rows], promise))
            candidates.append(tuple(found))
            bar.advance()
    return Learnt(gate, tuple(heads), tuple(candidates))


def _about(config: TaggerConfig, catalog: Catalog, parts: Split, sample: bool) -> dict[str, Any]:
    judges = catalog.ids[np.concatenate([parts.validation, parts.test])]
    seen = seen_warning(config.encoder, config.hold_out, config.seed, judges)
    counts = {name: len(ids) for name, ids in _ids(catalog, parts).items()}
    return {
        "warnings": [warning for warning in (SAMPLE_WARNING if sample else "", seen) if warning],
        "counts": {**counts, "rejected": len(catalog.rejected)},
    }


def _ids(catalog: Catalog, parts: Split) -> dict[str, list[int]]:
    return {name: catalog.ids[getattr(parts, name)].tolist() for name in PARTS}


def _announce(about: dict[str, Any], questions: Questions) -> None:
    for warning in about["warnings"]:
        log.warning("WARNING  %s", warning)
    log.info("%s: %s", about["data"], ", ".join(f"{count} {name}" for name, count in about["counts"].items()))
    for reason in questions.left_out.values():
        log.info("left out: %s", reason)
