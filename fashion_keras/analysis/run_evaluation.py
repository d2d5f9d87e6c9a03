"""Judge a finished run on a catalogue: its own test part, or any other products."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.analysis.test_subset import scorable_rows, select_rows
from fashion_keras.catalog.datasets import resolve_dataset
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.evaluation.reports import scores
from fashion_keras.features.runtime import load_classifier
from fashion_keras.support.atomic_files import check_output_dir, read_json, write_csv, write_json


def evaluate(
    run: str | Path, data: str | None = None, part: str = "auto", out: str | Path | None = None
) -> dict[str, Any]:
    """Score a run on the labelled products of a catalogue whose classes it knows.

    Args:
        run: a finished run folder.
        data: as `train` takes it; None for the catalogue that the run was trained on.
        part: "test", "all" or "auto", see `choose`.
        out: an empty or new folder for predictions.parquet, rejected.csv, report.json and figures; None writes nothing.

    Returns:
        as report.json. "counts" {test, rejected, other_parts} add up to all rows and files of the catalogue; "reasons"
        counts the rejected; "ids_in_training" counts the products of its own catalogue that the run trained on.

    Raises:
        InputError: when run, catalogue or folder cannot be used, or no product is left to judge by.
    """
    folder = None if out is None else check_output_dir(out, "")
    classifier = load_classifier(run)
    origin = read_json(Path(run) / "origin.json")
    catalog = read_catalog(resolve_dataset(data or origin["data"])[0])
    chosen, part = select_rows(catalog, origin, part)
    judged, truth = scorable_rows(catalog, chosen, classifier)
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
        **scores.compute_metrics(said, origin, judged.product_groups),
    }
    if folder:
        scores.write_predictions_and_plots(folder, said, judged.paths, classifier.spec.image_spec)
        write_csv(folder / "rejected.csv", ("where", "id", "reason"), map(vars, judged.rejected))
        write_json(folder / "report.json", report)
    return report
