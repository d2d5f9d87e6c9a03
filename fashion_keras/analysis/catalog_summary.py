"""Summary of a catalog: counts and figures of products, labels and images."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.attributes import KAGGLE_GROUPS
from fashion_keras.catalog.catalog import Catalog, write_rejected
from fashion_keras.catalog.column_types import as_text
from fashion_keras.catalog.columns import TITLE
from fashion_keras.catalog.label_groups import Targets
from fashion_keras.catalog.splits import split
from fashion_keras.catalog.targets import encode_groups, learnable_groups
from fashion_keras.catalog.tasks import TASKS
from fashion_keras.catalog.title_rules import normalize_text
from fashion_keras.evaluation.plots.bars import plot_class_counts
from fashion_keras.evaluation.plots.contact_sheet import contact_sheet
from fashion_keras.evaluation.plots.style import context
from fashion_keras.images.decode import decode_batch
from fashion_keras.images.leaks import count_leaks
from fashion_keras.images.spec import ImageSpec
from fashion_keras.images.validation import inspect_images
from fashion_keras.support.atomic_files import write_json

_IMAGES_PER_CLASS = 8
_MAX_CLASSES = 24
_THUMBNAIL = ImageSpec(height=80, width=60)


def summarize_catalog(catalog: Catalog, out: Path, leaks: bool = False) -> dict[str, Any]:
    """Count what a catalog holds; write description.json, rejected.csv, class_counts.png and samples.png into `out`.

    Returns:
        inputs, images, products, product_groups, rejected, repaired, notes (how it was read), corrections (see
        `CorrectionSummary`; None without a file of them), reasons {reason: count},
        columns {name: number of values or [lowest, highest number]}, missing {column: count}, shared_titles (images
        whose title another one has, too), sizes {"HxW": count}, tasks {task or group: {class: count}}; with `leaks`
        those of the default split, see `count_leaks`.
    """
    verdicts = inspect_images(catalog.paths)
    sizes = Counter(f"{verdict.height}x{verdict.width}" for verdict in verdicts if not verdict.reason)
    catalog = catalog.reject([verdict.reason for verdict in verdicts])
    groups = TASKS if catalog.attribute_groups is KAGGLE_GROUPS else catalog.attribute_groups
    # A task with a single class cannot be trained, nor drawn.
    groups, _ = learnable_groups(groups, catalog.columns)
    targets = encode_groups(groups, catalog.columns) if groups else None
    counts = _label_counts(targets) if targets else {}
    summary = {
        "inputs": catalog.inputs,
        "images": len(catalog),
        "products": len(np.unique(catalog.skus)),
        "product_groups": len(np.unique(catalog.product_groups)),
        "rejected": len(catalog.rejected),
        "repaired": len(catalog.repaired),
        "notes": list(catalog.notes),
        "corrections": catalog.correction_counts,
        "reasons": dict(Counter(_reason_kind(row.reason) for row in catalog.rejected).most_common()),
        "columns": {name: _extent(values) for name, values in catalog.columns.items()},
        "missing": {name: int((as_text(values) == "").sum()) for name, values in catalog.columns.items()},
        "shared_titles": _count_shared_titles(catalog),
        "sizes": dict(sizes.most_common()),
        "tasks": counts,
    }
    if leaks:
        no_classes = np.zeros(len(catalog), np.int64)
        summary["leaks"] = count_leaks(catalog, split(no_classes, catalog.product_groups, ("",)).rows)
    write_json(out / "description.json", summary)
    write_rejected(out, catalog.rejected)
    if counts:
        title = f"Images per class of {catalog.folder.name}, {len(catalog):,} images"
        plot_class_counts(out / "class_counts.png", counts, title)
        _draw_samples(catalog, targets, out / "samples.png")
    return summary


def _extent(values: NDArray[Any]) -> int | list[float]:
    """Return lowest and highest of numbers, or how many different texts there are."""
    if values.dtype.kind in "iuf":
        return [np.nanmin(values).item(), np.nanmax(values).item()]
    return len(set(values.tolist()) - {""})


def _count_shared_titles(catalog: Catalog) -> int:
    titles = Counter(map(normalize_text, catalog.columns[TITLE].tolist())) if TITLE in catalog.columns else {}
    return sum(count for title, count in titles.items() if title and count > 1)


def _label_counts(targets: Targets) -> dict[str, dict[str, int]]:
    """Return group -> label -> its products, the commonest first."""
    counts = {}
    for group in targets.groups:
        products = (targets.group(group.name).values == 1).sum(axis=0)
        counts[group.name] = {group.classes[code]: int(products[code]) for code in np.argsort(-products, kind="stable")}
    return counts


def _reason_kind(reason: str) -> str:
    """Return a reason without the id or line it names, so that equal kinds are counted together."""
    return " ".join("..." if any(mark.isdigit() for mark in word) else word for word in reason.split())


def _draw_samples(catalog: Catalog, targets: Targets, path: Path) -> None:
    """Draw a row of images of each of the commonest labels of the first single-valued group, or else the first."""
    group = next((group for group in targets.groups if group.kind == "single"), targets.groups[0])
    has_label = targets.group(group.name).values == 1
    codes = np.argsort(-has_label.sum(axis=0), kind="stable")[:_MAX_CLASSES]
    cells = [
        (group.classes[code], row)
        for code in codes
        for row in np.resize(np.flatnonzero(has_label[:, code]), _IMAGES_PER_CLASS)
    ]
    captions = [f"{label}\n{catalog.image_ids[row]}" for label, row in cells]
    images = decode_batch([catalog.paths[row] for _, row in cells], _THUMBNAIL)
    title = f"Images of the most frequent classes of {group.name}"
    note = context(images=len(catalog), data=str(catalog.folder))
    contact_sheet(path, list(images), captions, columns=_IMAGES_PER_CLASS, title=title, note=note)
