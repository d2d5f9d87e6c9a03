"""Summary of a catalog: counts and figures of products, labels and images."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.catalog.attributes import KAGGLE_GROUPS
from fashion_keras.catalog.catalog import Catalog, write_rejected
from fashion_keras.catalog.csv_reader import TITLE
from fashion_keras.catalog.label_groups import Targets
from fashion_keras.catalog.targets import encode_groups, learnable_groups
from fashion_keras.catalog.tasks import TASKS
from fashion_keras.evaluation.plots.bars import plot_class_counts
from fashion_keras.evaluation.plots.contact_sheet import contact_sheet
from fashion_keras.images.decode import ImageSpec, decode_batch
from fashion_keras.images.validation import inspect_images
from fashion_keras.support.atomic_files import write_json

_IMAGES_PER_CLASS = 8
_MAX_CLASSES = 24
_THUMBNAIL = ImageSpec(height=80, width=60)


def summarize_catalog(catalog: Catalog, out: Path) -> dict[str, Any]:
    """Count what a catalog holds; write description.json, rejected.csv, class_counts.png and samples.png into `out`.

    Returns:
        inputs, products, rejected, repaired, reasons {reason: count}, missing {column: count}, shared_titles (rows
        whose title another row has, too), sizes {"HxW": count}, tasks {task or group: {class: count}}.
    """
    verdicts = inspect_images(catalog.paths)
    sizes = Counter(f"{verdict.height}x{verdict.width}" for verdict in verdicts if not verdict.reason)
    catalog = catalog.reject([verdict.reason for verdict in verdicts])
    groups = TASKS if catalog.attribute_groups is KAGGLE_GROUPS else catalog.attribute_groups
    # A task with a single class cannot be trained, nor drawn.
    groups, _ = learnable_groups(groups, catalog.columns)
    targets = encode_groups(groups, catalog.columns) if groups else None
    counts = _label_counts(targets) if targets else {}
    shared = np.bincount(catalog.product_groups)[catalog.product_groups] > 1
    summary = {
        "inputs": catalog.inputs,
        "products": len(catalog),
        "rejected": len(catalog.rejected),
        "repaired": len(catalog.repaired),
        "reasons": dict(Counter(_reason_kind(row.reason) for row in catalog.rejected).most_common()),
        "missing": {name: int((values == "").sum()) for name, values in catalog.columns.items()},
        "shared_titles": int(shared.sum()) if TITLE in catalog.columns else 0,
        "sizes": dict(sizes.most_common()),
        "tasks": counts,
    }
    write_json(out / "description.json", summary)
    write_rejected(out, catalog)
    if counts:
        title = f"Images per class of {catalog.folder.name}, {len(catalog):,} images"
        plot_class_counts(out / "class_counts.png", counts, title)
        _draw_samples(catalog, targets, out / "samples.png")
    return summary


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
    captions = [f"{label}\n{catalog.ids[row]}" for label, row in cells]
    images = decode_batch([catalog.paths[row] for _, row in cells], _THUMBNAIL)
    title = f"Images of the most frequent classes of {group.name}"
    note = f"{len(catalog):,} images in the catalog"
    contact_sheet(path, list(images), captions, columns=_IMAGES_PER_CLASS, title=title, note=note)
