"""Predictions of a run for a folder or table of images, as one CSV file."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fashion_keras.analysis.config import PredictConfig
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.catalog.sources.table_readers import TABLE_SUFFIXES
from fashion_keras.features.registry import load_encoder
from fashion_keras.features.runtime import load_classifier
from fashion_keras.features.zero_shot import ZeroShotClassifier, parse_labels
from fashion_keras.images.validation import check_images
from fashion_keras.models.classifier import Classifier
from fashion_keras.models.serialization import load_classifier_spec
from fashion_keras.support.atomic_files import write_csv
from fashion_keras.support.errors import InputError
from fashion_keras.support.progress import ProgressBar

DEFAULT_OUT = "predictions.csv"
_BATCH = 256


def is_table_source(images: tuple[str, ...]) -> bool:
    """Return whether `images` is one catalog, a folder, a table or an archive, rather than image files."""
    path = Path(images[0])
    return len(images) == 1 and (path.is_dir() or path.suffix.lower() in (*TABLE_SUFFIXES, ".tar"))


def write_prediction_table(config: PredictConfig) -> dict[str, Any]:
    """Predict every image of a catalog and write one row for each, rejected ones included.

    Columns: sku, image_id, path; predicted and confidence, or for each head NAME and "NAME confidence" (of multi-valued
    heads the assigned labels, with bars between); rejected: why there is no prediction. Returned are out, images,
    predicted, rejected and reasons {reason: count}.

    Raises:
        InputError: for a folder without a classifier, a name that is no CSV file, or when no image is readable.
    """
    classifier = load_predictor(config)
    out = Path(config.out or DEFAULT_OUT)
    if out.suffix.lower() != ".csv" or out.is_dir():
        raise InputError(f"{out}: predictions are a CSV file; give --out a name that ends in .csv")
    source = Path(config.images[0])
    rows = _list_images(source, config.table_options)
    readable = [row for row in rows if not row["rejected"]]
    if not readable:
        first = rows[0]
        raise InputError(f"{source}: none of {len(rows)} images is readable; {first['path']}: {first['rejected']}")
    out.parent.mkdir(parents=True, exist_ok=True)
    _predict(classifier, readable)
    groups = classifier.groups
    heads = [column for group in groups for column in (group.name, f"{group.name} confidence")]
    write_csv(
        out,
        ["sku", "image_id", "path", *(heads if len(groups) > 1 else ("predicted", "confidence")), "rejected"],
        rows,
    )
    return {
        "out": str(out),
        "images": len(rows),
        "predicted": len(readable),
        "rejected": len(rows) - len(readable),
        "reasons": dict(Counter(row["rejected"] for row in rows if row["rejected"]).most_common()),
    }


def load_predictor(config: PredictConfig) -> Classifier | ZeroShotClassifier:
    """Load the run's classifier, or make one of its labels and encoder; InputError as either does."""
    if config.labels is None:
        load_classifier_spec(config.run)
        return load_classifier(config.run)
    return ZeroShotClassifier(load_encoder(config.run), parse_labels(config.labels))


def _list_images(source: Path, options: dict[str, Any]) -> list[dict[str, str]]:
    """Return sku, image_id, path and rejected of each image of a catalog, and of each rejected row or file."""
    catalog = read_catalog(source, **options)
    reasons = check_images(catalog.paths)
    images = zip(catalog.skus.tolist(), catalog.image_ids.tolist(), catalog.paths.tolist(), reasons, strict=True)
    unusable = ((row.sku, "", row.where, row.reason) for row in catalog.rejected)
    return [dict(zip(("sku", "image_id", "path", "rejected"), row, strict=True)) for row in (*images, *unusable)]


def _predict(classifier: Classifier | ZeroShotClassifier, rows: list[dict[str, str]]) -> None:
    """Add the predictions to rows that have a path."""
    with ProgressBar("predicting", len(rows), "images") as bar:
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            predictions = classifier.predict([row["path"] for row in batch]).to_dicts(1)
            for row, prediction in zip(batch, predictions, strict=True):
                row.update(_cells(prediction))
            bar.advance(len(batch))


def _cells(prediction: Mapping[str, Any]) -> dict[str, str]:
    """Return the cells of one image: class and confidence, or those of each head."""
    cells = {}
    for name, head in prediction.get("heads", {"": prediction}).items():
        labels = head["top"][:1] if "top" in head else head["labels"]
        cells[name or "predicted"] = "|".join(label["class"] for label in labels)
        cells[f"{name} confidence".strip()] = "|".join(f"{label['probability']:.4f}" for label in labels)
    return cells
