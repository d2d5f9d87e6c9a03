"""Judge a finished run on a catalogue: its own test part, or any other products."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.products import Catalog, read_catalog
from fashion_keras.catalog.sources import locate
from fashion_keras.encoding.runtime import load_classifier
from fashion_keras.evaluation import judging
from fashion_keras.images.decode import check_images
from fashion_keras.models.classifier import Classifier
from fashion_keras.support.errors import InputError, unknown
from fashion_keras.support.files import read_json, write_json, write_table

PARTS = ("auto", "test", "all")


def evaluate(
    run: str | Path, data: str | None = None, part: str = "auto", out: str | Path | None = None
) -> dict[str, Any]:
    """Score a run on the labelled products of a catalogue whose classes it knows.

    Args:
        run: a finished run folder.
        data: as `train` takes it; None for the catalogue that the run was trained on.
        part: "test": the run's test part, which only its own catalogue has; "all": every product; "auto": the test part
            of its own catalogue, all of another.
        out: folder for predictions.parquet, rejected.csv, report.json and figures; None writes nothing.

    Returns:
        as report.json. "counts" {test, rejected, other_parts} add up to all rows and files of the catalogue; "reasons"
        counts the rejected; "ids_in_training" counts the products of its own catalogue that the run trained on.

    Raises:
        InputError: when run or catalogue cannot be used, or no product is left to judge by.
    """
    classifier = load_classifier(run)
    origin = read_json(Path(run) / "origin.json")
    catalog = read_catalog(locate(data or origin["data"])[0])
    chosen, part = _choose(catalog, origin, part)
    judged, truth = _usable(catalog, chosen, classifier)
    if not len(judged):
        raise InputError(f"{catalog.folder}: no product to judge the run by; {judged.rejected[-1].reason}")
    said = classifier.predict(judged.paths, judged.ids, truth)
    trained = [*origin["parts"]["train"], *origin["parts"]["validation"]]
    # In another catalogue the same number may well be another product.
    seen = np.isin(judged.ids, trained) & (catalog.fingerprint == origin["fingerprint"])
    report = {
        "run": str(run),
        "catalog": str(catalog.folder),
        "task": classifier.spec.task,
        "part": part,
        "classes": list(classifier.spec.classes),
        "counts": {
            "test": len(judged),
            "rejected": len(judged.rejected),
            "other_parts": len(catalog) - len(chosen),
        },
        "reasons": dict(Counter(row.reason for row in judged.rejected).most_common()),
        "ids_in_training": int(seen.sum()),
        **judging.scores(said, origin),
    }
    if out is not None:
        judging.write(Path(out), said, judged.paths, classifier.spec.image)
        write_table(Path(out) / "rejected.csv", ("where", "id", "reason"), map(vars, judged.rejected))
        write_json(Path(out) / "report.json", report)
    return report


def _choose(catalog: Catalog, origin: dict[str, Any], part: str) -> tuple[NDArray[np.int64], str]:
    if part not in PARTS:
        raise unknown("part", part, PARTS)
    own = catalog.fingerprint == origin["fingerprint"]
    if part == "test" and not own:
        raise InputError(f"{catalog.folder}: not the catalogue of the run ({origin['data']}), so without its test part")
    if part == "all" or not own:
        return np.arange(len(catalog)), "all"
    return np.flatnonzero(np.isin(catalog.ids, origin["parts"]["test"])), "test"


def _usable(catalog: Catalog, chosen: NDArray[np.int64], classifier: Classifier) -> tuple[Catalog, NDArray[np.int8]]:
    """Return the chosen products that have a label the run knows and a whole image, with their labels [n, K]."""
    left = catalog.take(chosen)
    left = Catalog(**{**vars(left), "rejected": catalog.rejected, "inputs": len(left) + len(catalog.rejected)})
    values, unlabelled = classifier.spec.match(left.columns)
    reasons = unlabelled.astype(object)
    known = np.flatnonzero(reasons == "")
    reasons[known] = check_images(left.paths[known])
    return left.set_aside(reasons.tolist()), values[reasons == ""]
