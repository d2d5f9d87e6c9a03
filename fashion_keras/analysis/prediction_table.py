"""Predictions of a run for a folder or table of images, as one CSV file."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fashion_keras.analysis.config import PredictConfig
from fashion_keras.catalog.catalog import IMAGE_SUFFIXES
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.features.runtime import load_classifier
from fashion_keras.images.decode import check_images
from fashion_keras.models.classifier import Classifier, LabelSpec
from fashion_keras.models.serialization import load_classifier_spec
from fashion_keras.support.atomic_files import write_csv
from fashion_keras.support.errors import InputError
from fashion_keras.support.progress import ProgressBar

DEFAULT_OUT = "predictions.csv"
_BATCH = 256


def is_table_source(images: tuple[str, ...]) -> bool:
    """Return whether `images` is one folder or one CSV table rather than image files."""
    return len(images) == 1 and (Path(images[0]).is_dir() or Path(images[0]).suffix.lower() == ".csv")


def write_prediction_table(config: PredictConfig) -> dict[str, Any]:
    """Predict every image of a folder or CSV table and write one row for each, rejected ones included.

    Columns: path; predicted and confidence, or for each head NAME and "NAME confidence" (of multi-valued heads the
    assigned labels, with bars between); rejected: why there is no prediction.

    Returns:
        out, images, predicted, rejected, reasons {reason: count}; predicted + rejected = images.

    Raises:
        InputError: for a folder without a classifier, a name that is no CSV file, or when no image is readable.
    """
    spec, _ = load_classifier_spec(config.run)
    out = Path(config.out or DEFAULT_OUT)
    if out.suffix.lower() != ".csv" or out.is_dir():
        raise InputError(f"{out}: predictions are a CSV file; give --out a name that ends in .csv")
    source = Path(config.images[0])
    paths, rejected = _list_images(source)
    out.parent.mkdir(parents=True, exist_ok=True)
    rows = [*_predicted_rows(load_classifier(config.run), paths), *rejected]
    reasons = Counter(row["rejected"] for row in rows if row["rejected"])
    if reasons.total() == len(rows):
        first = rows[0]
        raise InputError(f"{source}: none of {len(rows)} images is readable; {first['path']}: {first['rejected']}")
    write_csv(out, _columns(spec), rows)
    return {
        "out": str(out),
        "images": len(rows),
        "predicted": len(rows) - reasons.total(),
        "rejected": reasons.total(),
        "reasons": dict(reasons.most_common()),
    }


def _list_images(source: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Return the image files of a folder, sub-folders included, or of a table; and the table's rejected rows."""
    if source.is_dir():
        paths = sorted(str(path) for path in source.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
        if not paths:
            raise InputError(f"{source}: no image files ({', '.join(IMAGE_SUFFIXES)})")
        return paths, []
    catalog = read_catalog(source)
    return catalog.paths.tolist(), [{"path": row.where, "rejected": row.reason} for row in catalog.rejected]


def _predicted_rows(classifier: Classifier, paths: list[str]) -> Iterator[dict[str, str]]:
    with ProgressBar("predicting", len(paths)) as bar:
        for start in range(0, len(paths), _BATCH):
            batch = paths[start : start + _BATCH]
            reasons = check_images(batch)
            readable = [path for path, reason in zip(batch, reasons, strict=True) if not reason]
            predictions = iter(classifier.predict(readable).answers(1) if readable else ())
            for path, reason in zip(batch, reasons, strict=True):
                values = {} if reason else _cells(next(predictions))
                yield {"path": path, **values, "rejected": reason}
            bar.advance(len(batch))


def _columns(spec: LabelSpec) -> list[str]:
    names = [group.name for group in spec.groups]
    heads = ["predicted", "confidence"]
    if len(names) > 1:
        heads = [column for name in names for column in (name, f"{name} confidence")]
    return ["path", *heads, "rejected"]


def _cells(prediction: Mapping[str, Any]) -> dict[str, str]:
    """Return the cells of one image: class and confidence, or those of each head."""
    if "heads" not in prediction:
        return {"predicted": prediction["class"], "confidence": f"{prediction['confidence']:.4f}"}
    cells = {}
    for name, head in prediction["heads"].items():
        labels = head["top"][:1] if "top" in head else head["labels"]
        cells[name] = "|".join(label["class"] for label in labels)
        cells[f"{name} confidence"] = "|".join(f"{label['probability']:.4f}" for label in labels)
    return cells
