"""Judge a finished run on a catalogue: its own test part, or any other products."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.catalog.products import read_catalog
from fashion_keras.catalog.sources import locate
from fashion_keras.encoding.runtime import load_classifier
from fashion_keras.evaluation import judging
from fashion_keras.evaluation.products import choose, usable
from fashion_keras.support.files import free_folder, read_json, write_json, write_table


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
    folder = None if out is None else free_folder(out, "")
    classifier = load_classifier(run)
    origin = read_json(Path(run) / "origin.json")
    catalog = read_catalog(locate(data or origin["data"])[0])
    chosen, part = choose(catalog, origin, part)
    judged, truth = usable(catalog, chosen, classifier)
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
        **judging.scores(said, origin, judged.groups),
    }
    if folder:
        judging.write(folder, said, judged.paths, classifier.spec.image)
        write_table(folder / "rejected.csv", ("where", "id", "reason"), map(vars, judged.rejected))
        write_json(folder / "report.json", report)
    return report
