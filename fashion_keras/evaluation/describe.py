"""What is in a catalogue, in numbers and pictures."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.catalog.products import Catalog
from fashion_keras.catalog.tables import TITLE
from fashion_keras.catalog.tasks import TASKS, Labels, get_task
from fashion_keras.evaluation import plots
from fashion_keras.images.decode import ImageSpec, decode_batch, image_sizes
from fashion_keras.support.errors import InputError
from fashion_keras.support.files import write_json, write_table

_PER_CLASS = 8
_CLASSES = 24
_SHOWN = ImageSpec(height=80, width=60)


def describe(catalog: Catalog, out: Path) -> dict[str, Any]:
    """Count what a catalogue holds and draw it into `out`.

    Writes description.json, rejected.csv, class_counts.png and samples.png.

    Returns:
        inputs, products, rejected, repaired, reasons {reason: count}, missing {column: count}, shared_titles (products
        whose title another one has, too), sizes {"HxW": count}, tasks {task: {class: count}}.
    """
    catalog, sizes = _sizes(catalog)
    labels = {task.name: _labels(task.name, catalog) for task in TASKS if task.columns[-1] in catalog.columns}
    counts = {name: _counts(encoded) for name, encoded in labels.items() if encoded}
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
    write_table(out / "rejected.csv", ("where", "id", "reason"), map(vars, catalog.rejected))
    if counts:
        plots.class_counts(out / "class_counts.png", counts)
        _draw_samples(catalog, next(encoded for encoded in labels.values() if encoded), out / "samples.png")
    return description


def _sizes(catalog: Catalog) -> tuple[Catalog, dict[str, int]]:
    found = image_sizes(catalog.paths)
    sizes = Counter(f"{size[0]}x{size[1]}" for size in found if not isinstance(size, str))
    reasons = [size if isinstance(size, str) else "" for size in found]
    return catalog.set_aside(reasons), dict(sizes.most_common())


def _labels(task: str, catalog: Catalog) -> Labels | None:
    try:
        return get_task(task).encode(catalog.columns)
    except InputError:
        # One class only: nothing to learn, and nothing to draw.
        return None


def _counts(labels: Labels) -> dict[str, int]:
    counts = np.bincount(labels.codes[labels.known], minlength=len(labels.classes))
    order = np.argsort(-counts, kind="stable")
    return {labels.classes[code]: int(counts[code]) for code in order}


def _kind(reason: str) -> str:
    """A reason without the id or line it names, so that alike ones are counted together."""
    return " ".join("..." if any(mark.isdigit() for mark in word) else word for word in reason.split())


def _shared(catalog: Catalog) -> int:
    if TITLE not in catalog.columns:
        return 0
    return int((np.bincount(catalog.groups)[catalog.groups] > 1).sum())


def _draw_samples(catalog: Catalog, labels: Labels, path: Path) -> None:
    """Draw one row of pictures for each of the largest classes."""
    order = np.argsort(-np.bincount(labels.codes[labels.known]), kind="stable")[:_CLASSES]
    rows = [row for code in order for row in np.resize(np.flatnonzero(labels.codes == code), _PER_CLASS)]
    captions = [f"{labels.classes[labels.codes[row]]}\n{catalog.ids[row]}" for row in rows]
    plots.contact_sheet(path, list(decode_batch(catalog.paths[rows].tolist(), _SHOWN)), captions, columns=_PER_CLASS)
