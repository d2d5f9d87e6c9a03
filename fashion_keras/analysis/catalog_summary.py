"""What is in a catalogue, in numbers and pictures."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.catalog.attributes import KAGGLE_GROUPS, parse_groups
from fashion_keras.catalog.csv_reader import TITLE
from fashion_keras.catalog.readers import Catalog
from fashion_keras.catalog.targets import Targets, encode_groups, learnable_groups
from fashion_keras.catalog.tasks import TASKS
from fashion_keras.evaluation.plots.bars import plot_class_counts
from fashion_keras.evaluation.plots.contact_sheet import contact_sheet
from fashion_keras.images.decode import ImageSpec, decode_batch, image_sizes
from fashion_keras.support.atomic_files import write_csv, write_json

_PER_CLASS = 8
_CLASSES = 24
_SHOWN = ImageSpec(height=80, width=60)


def summarize_catalog(catalog: Catalog, out: Path) -> dict[str, Any]:
    """Count what a catalogue holds and draw it into `out`.

    Writes description.json, rejected.csv, class_counts.png and samples.png.

    Returns:
        inputs, products, rejected, repaired, reasons {reason: count}, missing {column: count}, shared_titles (products
        whose title another one has, too), sizes {"HxW": count}, tasks {task or group: {class: count}}.
    """
    catalog, sizes = _sizes(catalog)
    labelled = _labelled(catalog)
    counts = _counts(labelled) if labelled else {}
    description = {
        "inputs": catalog.inputs,
        "products": len(catalog),
        "rejected": len(catalog.rejected),
        "repaired": len(catalog.repaired),
        "reasons": dict(Counter(_kind(row.reason) for row in catalog.rejected).most_common()),
        "missing": {name: int((values == "").sum()) for name, values in catalog.columns.items()},
        "shared_titles": _shared(catalog),
        "sizes": sizes,
        "tasks": counts,
    }
    write_json(out / "description.json", description)
    write_csv(out / "rejected.csv", ("where", "id", "reason"), map(vars, catalog.rejected))
    if counts:
        plot_class_counts(out / "class_counts.png", counts)
        _draw_samples(catalog, labelled, out / "samples.png")
    return description


def _sizes(catalog: Catalog) -> tuple[Catalog, dict[str, int]]:
    found = image_sizes(catalog.paths)
    sizes = Counter(f"{size[0]}x{size[1]}" for size in found if not isinstance(size, str))
    reasons = [size if isinstance(size, str) else "" for size in found]
    return catalog.reject(reasons), dict(sizes.most_common())


def _labelled(catalog: Catalog) -> Targets | None:
    """Return what is known of each product: in the single-label tasks, or in the groups that the catalogue brings."""
    groups = (
        parse_groups(",".join(task.name for task in TASKS))
        if catalog.attributes is KAGGLE_GROUPS
        else catalog.attributes
    )
    # A task with one class only is nothing to learn, and nothing to draw.
    groups, _ = learnable_groups(groups, catalog.columns)
    return encode_groups(groups, catalog.columns) if groups else None


def _counts(targets: Targets) -> dict[str, dict[str, int]]:
    """Return group -> label -> its products, the commonest first."""
    counts = {}
    for group, classes in zip(targets.groups, targets.classes, strict=True):
        products = (targets.of(group.name) == 1).sum(axis=0)
        counts[group.name] = {classes[code]: int(products[code]) for code in np.argsort(-products, kind="stable")}
    return counts


def _kind(reason: str) -> str:
    """A reason without the id or line it names, so that alike ones are counted together."""
    return " ".join("..." if any(mark.isdigit() for mark in word) else word for word in reason.split())


def _shared(catalog: Catalog) -> int:
    if TITLE not in catalog.columns:
        return 0
    return int((np.bincount(catalog.groups)[catalog.groups] > 1).sum())


def _draw_samples(catalog: Catalog, targets: Targets, path: Path) -> None:
    """Draw one row of pictures for each of the commonest labels of the first single-valued group, or else the first."""
    name = next((group.name for group in targets.groups if group.kind == "single"), targets.groups[0].name)
    labels, chosen = targets.names[targets.slices[name]], targets.of(name) == 1
    order = np.argsort(-chosen.sum(axis=0), kind="stable")[:_CLASSES]
    shown = [(labels[code], row) for code in order for row in np.resize(np.flatnonzero(chosen[:, code]), _PER_CLASS)]
    captions = [f"{label.removeprefix(f'{name}: ')}\n{catalog.ids[row]}" for label, row in shown]
    pictures = decode_batch([catalog.paths[row] for _, row in shown], _SHOWN)
    contact_sheet(path, list(pictures), captions, columns=_PER_CLASS)
