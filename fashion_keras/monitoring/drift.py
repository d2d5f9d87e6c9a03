"""Drift: `drift(config)` compares an index or tagged catalog with a reference, and reports what changed."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from fashion_keras.monitoring.config import DriftConfig
from fashion_keras.monitoring.embedding_shift import (
    Neighbors,
    OutlierShare,
    Sample,
    draw_sample,
    duplicate_share,
    outlier_share,
    outliers_by_distance,
    search_reference,
)
from fashion_keras.monitoring.findings import list_tests
from fashion_keras.monitoring.labels import measure_labels
from fashion_keras.monitoring.measurement import NotMeasuredError, require_products
from fashion_keras.monitoring.page import write_drift_page
from fashion_keras.monitoring.precision import attribute_columns, reviewed_precision
from fashion_keras.monitoring.side import DriftSide, load_side, pair_products
from fashion_keras.monitoring.tagged import tag_side
from fashion_keras.monitoring.two_sample import classifier_two_sample_test, mmd_test
from fashion_keras.support.atomic_files import check_output_dir, make_output_dir, write_json
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.errors import InputError
from fashion_keras.support.verbose_argument import takes_verbose

_MMD_PRODUCTS = 2000  # of each side: the kernel matrix grows with the square

Report = dict[str, Any]


@takes_verbose
def drift(config: DriftConfig | Mapping[str, Any]) -> Report:
    """Compare an index or a folder of tags with a reference; with `out`, write drift.json and drift.html, too.

    The report: drift: whether any test fired; fired: a line for each; not_measured: [name, reason] of each test that
    was not possible; new, against: the sides; thresholds; seed; warnings; classifier (`ClassifierTest`), mmd
    (`MmdTest`), outliers (`OutlierShare`) and near_duplicates (`DuplicateShare`), each with drift and not_measured;
    labels: see `measure_labels`; precision: see `reviewed_precision`, or None without corrections. drift is None where
    nothing was measured, and of near_duplicates, which are counted only.

    InputError when a side, tagger or file of corrections cannot be used, the sides have different encoders, nothing
    can be measured, or the output folder is not empty.
    """
    config = as_config(DriftConfig, config)
    if config.out is not None:
        check_output_dir(config.out, "")
    new, reference = (load_side(place) for place in (config.new, config.against))
    warnings = _check_encoders(new, reference)
    if new.tagger and reference.tagger and new.tagger != reference.tagger:
        warnings.append("The sides were tagged by different taggers, so that their tags may differ without drift.")
    if config.tagger is not None:
        new, reference = (tag_side(side, config.tagger) for side in (new, reference))
    precision = _precision(new, config) if config.corrections else None
    reference, new = pair_products(reference, new)
    report = {
        "drift": False,
        "fired": [],
        "not_measured": [],
        "new": _describe(new),
        "against": _describe(reference),
        "thresholds": config.thresholds,
        "seed": config.seed,
        "warnings": warnings,
        **_measure_embeddings(reference, new, config),
        "labels": measure_labels(reference, new, config),
        "precision": precision,
    }
    report |= _conclude(report)
    if config.out is not None:
        folder = make_output_dir(config.out, "")
        write_json(folder / "drift.json", report)
        write_drift_page(report, folder)
    return report


def _check_encoders(new: DriftSide, reference: DriftSide) -> list[str]:
    """Return warnings; InputError unless the embeddings of both sides can be compared."""
    if new.from_file and reference.from_file and new.width == reference.width:
        same = new.encoder_identity == reference.encoder_identity
        return [] if same else ["The embeddings come from two files: whether one encoder made both is not known."]
    if new.encoder_identity != reference.encoder_identity:
        raise InputError(
            f"{new.place} holds embeddings of {new.encoder} ({new.encoder_identity}) and {reference.place} those of "
            f"{reference.encoder} ({reference.encoder_identity}): encode both with the same encoder and weights"
        )
    return []


def _precision(side: DriftSide, config: DriftConfig) -> Report:
    if not side.tags:
        raise InputError(f"{side.place}: has no tags whose precision --corrections could measure; give --tagger")
    target = side.target_precision if config.target_precision is None else config.target_precision
    return reviewed_precision(side, config.corrections, target, attribute_columns(side, config.tagger), config.alpha)


def _describe(side: DriftSide) -> Report:
    products = len(np.unique(side.products))
    return {"place": side.place, "images": len(side), "products": products, "encoder": side.encoder}


def _measure_embeddings(reference: DriftSide, new: DriftSide, config: DriftConfig) -> Report:
    """Return classifier, mmd, outliers and near_duplicates."""
    pair = [draw_sample(side, config.rows, config.seed) for side in (reference, new)]
    shared = len(np.intersect1d(reference.products, new.products))
    neighbors = search_reference(reference, pair)
    by = "thumbnails" if reference.has_signatures and new.has_signatures else "cosine"
    return {
        "classifier": _measure(
            lambda: _classifier(*pair, config.seed),
            lambda test: test.accuracy_ci95[0] > config.max_accuracy and test.p < config.alpha,
        ),
        "mmd": _measure(
            lambda: _mmd(*pair, config.seed), lambda test: test.mmd2 > config.max_mmd and test.p < config.alpha
        ),
        "outliers": _measure(
            lambda: _outliers(reference, new, pair, neighbors), lambda share: share.share_ci95[0] > config.max_outliers
        ),
        "near_duplicates": _measure(lambda: duplicate_share(pair[1], neighbors[1], by, shared, config.seed), None),
    }


def _measure(measurement: Callable[[], Any], is_drift: Callable[[Any], bool] | None) -> Report:
    """Return the fields of a measurement with drift and not_measured; those two alone where it was not possible."""
    try:
        result = measurement()
    except NotMeasuredError as error:
        return {"drift": None, "not_measured": str(error)}
    return {"drift": is_drift and bool(is_drift(result)), "not_measured": None, **asdict(result)}


def _classifier(reference: Sample, new: Sample, seed: int) -> Any:  # noqa: ANN401 - see `classifier_two_sample_test`
    embeddings, products = (
        np.concatenate([getattr(each, name) for each in (reference, new)]) for name in ("embeddings", "products")
    )
    is_new = np.arange(len(products)) >= len(reference.products)
    return classifier_two_sample_test(embeddings, is_new, products, seed)


def _mmd(reference: Sample, new: Sample, seed: int) -> Any:  # noqa: ANN401 - see `mmd_test`
    sides = [each.embeddings[each.first_rows(_MMD_PRODUCTS)] for each in (reference, new)]
    require_products(*map(len, sides))
    return mmd_test(*sides, seed=seed)


def _outliers(reference: DriftSide, new: DriftSide, samples: list[Sample], neighbors: list[Neighbors]) -> OutlierShare:
    """Return the share of outliers, by the scores of the tagger where both sides have them."""
    if reference.outlier_scores is None or new.outlier_scores is None:
        return outliers_by_distance(*samples, *neighbors)
    return outlier_share(*(side.outlier_scores[side.first_rows()] for side in (reference, new)), by="outlier_score")


def _conclude(report: Report) -> Report:
    """Return drift, fired and not_measured; InputError where no test was possible."""
    tests = list_tests(report)
    fired = [f"{test.title}: {test.text}" for test in tests if test.drift]
    skipped = [[test.title, test.text] for test in tests if test.drift is None]
    if len(skipped) == len(tests):
        raise InputError(f"{report['new']['place']}: nothing could be measured; {': '.join(skipped[0])}")
    return {"drift": bool(fired), "fired": fired, "not_measured": skipped}
