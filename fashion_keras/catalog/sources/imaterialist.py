"""iMaterialist-Fashion 2018 reader: annotations, label map and downloaded images as a `Catalog`.

The format is that of the FGVC5 competition; the kinds of the groups are those of Guo et al., The iMaterialist Fashion
Attribute Dataset (2019), Table 1.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.catalog.attributes import AttributeGroup, parse_task
from fashion_keras.catalog.catalog import Catalog, Rejected
from fashion_keras.catalog.columns import LABEL_SEPARATOR, Columns, valid_text
from fashion_keras.catalog.product_hashes import group_products
from fashion_keras.catalog.sources.image_files import is_image
from fashion_keras.catalog.sources.json_validation import line_number, read_json_document, validate_entries
from fashion_keras.catalog.sources.label_map import LabelMap, read_label_map
from fashion_keras.support.errors import InputError

SINGLE = ("category", "neckline", "sleeve", "style")  # tasks of which an image has at most a single label
ANNOTATIONS = ("train.json", "validation.json")
_LONGEST_ID = 18  # digits: what an int64 holds

# imageId -> number of its entry in "annotations", and its labelIds
Annotations = Mapping[str, tuple[int, tuple[str, ...]]]


@dataclass(frozen=True)
class _Sources:
    """Image ids in their order, annotation and file of each, and the entries and files of no listed image."""

    images: list[str]
    annotations: Annotations
    files: Mapping[str, str]
    unused: list[Rejected]


def find_imaterialist(source: Path) -> tuple[Path, Path, Path] | None:
    """Return annotations, label map and image folder of an iMaterialist set; None when `source` is none.

    `source` is a file of annotations, or a folder with train.json or, failing that, validation.json. Beside it are the
    label map (*label_map*.csv or .json) and the images: in a folder of the annotations' name (train/, validation/), or
    in images/.

    Raises:
        InputError: when there is no label map or several, or images/ could belong to both files of annotations.
    """
    if source.is_file():
        annotations = source if source.suffix.lower() == ".json" else None
    else:
        annotations = next((source / name for name in ANNOTATIONS if (source / name).is_file()), None)
    if annotations is None:
        return None
    folder = annotations.parent
    maps = sorted(path for ending in ("csv", "json") for path in folder.glob(f"*label_map*.{ending}"))
    if len(maps) != 1:
        names = ", ".join(path.name for path in maps) or "none"
        raise InputError(f"{folder}: {annotations.name} needs one label map beside it, *label_map*.csv, not: {names}")
    return annotations, maps[0], _image_folder(annotations)


def read_imaterialist(annotations: Path, label_map: Path, images: Path) -> Catalog:
    """Read annotations, label map and the names of the images, which are not opened.

    The catalog has a column and an attribute group per task, several labels separated by bars. Where an image has no
    label of a task, the labels of that task are unknown; the paper's baselines take them as negative.

    Args:
        annotations: {"images": [{"imageId"}], "annotations": [{"imageId", "labelId": ["95", "66"]}]} as JSON.
        label_map: see `read_label_map`.
        images: a folder of images named by their imageId: 1.jpg (or .jpeg, .png, .webp).

    Returns:
        The catalog, perhaps empty. Accepted + rejected = entries of "images" + entries of "annotations" and
        files that belong to none of them.

    Raises:
        InputError: when a file is missing or malformed, with its line and key.
    """
    labels = read_label_map(label_map)
    sources = _read_sources(annotations, images)
    reasons = _reasons(sources, labels, label_map.name)
    rejected = [
        Rejected(f"{annotations.name} images[{row}]", image, reason)
        for row, (image, reason) in enumerate(zip(sources.images, reasons, strict=True))
        if reason
    ]
    accepted = [image for image, reason in zip(sources.images, reasons, strict=True) if not reason]
    columns = _columns([sources.annotations[image][1] for image in accepted], labels)
    return Catalog(
        folder=images,
        skus=np.array(accepted, dtype=np.str_),
        image_ids=np.array(accepted, dtype=np.str_),
        paths=np.array([sources.files[image] for image in accepted], dtype=np.str_),
        columns=Columns(columns),
        product_groups=group_products(accepted),
        rejected=(*rejected, *sources.unused),
        inputs=len(sources.images) + len(sources.unused),
        attribute_groups=_attribute_groups(columns),
    )


def _image_folder(annotations: Path) -> Path:
    own, shared = annotations.with_suffix(""), annotations.with_name("images")
    if own.is_dir():
        return own
    others = [name for name in ANNOTATIONS if name != annotations.name and annotations.with_name(name).is_file()]
    if others and shared.is_dir():
        raise InputError(
            f"{shared}: of {annotations.name} or of {others[0]}? Both number their images from 1: rename the folder to "
            f"{own.name} or {Path(others[0]).stem}"
        )
    return shared


def _read_sources(annotations: Path, folder: Path) -> _Sources:
    """Read the annotations and match them, and the files of `folder`, with the listed images."""
    text, document = read_json_document(annotations)
    if not isinstance(document, dict):
        raise InputError(f"{annotations}:1: expected an object with the keys 'images' and 'annotations'")
    for key in ("images", "annotations"):
        if not isinstance(document.get(key), list):
            raise InputError(f"{annotations}:1: the key {key!r} is missing or holds no list")
    for number, entry in validate_entries(
        annotations, text, "annotations", document["annotations"], ("imageId", "labelId")
    ):
        if not isinstance(entry["labelId"], list):
            line = line_number(text, "annotations", number)
            raise InputError(f"{annotations}:{line}: annotations[{number}]: the key 'labelId' holds no list")
    entries = validate_entries(annotations, text, "images", document["images"], ("imageId",))
    images = [_id(entry["imageId"]) for _, entry in entries]
    matched, unused_entries = _match_annotations(annotations.name, set(images), document["annotations"])
    files, unused_files = _image_files(folder, set(images))
    return _Sources(images, matched, files, unused_entries + unused_files)


def _match_annotations(
    name: str, images: set[str], entries: Sequence[dict[str, Any]]
) -> tuple[Annotations, list[Rejected]]:
    """Return the annotation of each image, and the rejected annotations of no image."""
    annotations: dict[str, tuple[int, tuple[str, ...]]] = {}
    unused = []
    for number, entry in enumerate(entries):
        image, where = _id(entry["imageId"]), f"{name} annotations[{number}]"
        if image not in images:
            unused.append(Rejected(where, image, "annotation of an image that is not listed"))
        elif image in annotations:
            unused.append(Rejected(where, image, f"second annotation of imageId {image}"))
        else:
            annotations[image] = number, tuple(dict.fromkeys(valid_text(str(label)) for label in entry["labelId"]))
    return annotations, unused


def _image_files(folder: Path, images: set[str]) -> tuple[dict[str, str], list[Rejected]]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected the downloaded images, named by their imageId: 1.jpg")
    files: dict[str, str] = {}
    unused = []
    for path in sorted(entry.path for entry in os.scandir(folder) if entry.is_file()):
        file, image = Path(path), _id(Path(path).stem)
        where = f"{folder.name}/{file.name}"
        if not is_image(file.name) or not image.isdecimal():
            unused.append(Rejected(where, "", "not named imageId.jpg"))
        elif image not in images:
            unused.append(Rejected(where, image, "file of an image that is not listed"))
        elif files.setdefault(image, path) != path:
            unused.append(Rejected(where, image, f"second file of imageId {image}"))
    return files, unused


def _reasons(sources: _Sources, labels: LabelMap, map_name: str) -> list[str]:
    """Return for each image entry why it is rejected, or ""."""
    first_row: dict[str, int] = {}
    reasons = []
    for row, image in enumerate(sources.images):
        if not image.isdecimal() or len(image) > _LONGEST_ID:
            reasons.append(f"imageId {image!r} is not a whole number of at most {_LONGEST_ID} digits")
        elif first_row.setdefault(image, row) != row:
            reasons.append(f"imageId {image} is at images[{first_row[image]}] already")
        elif image not in sources.files:
            reasons.append("not downloaded: no file imageId.jpg")
        else:
            reasons.append(_label_reason(*sources.annotations.get(image, (0, ())), labels, map_name))
    return reasons


def _label_reason(number: int, ids: tuple[str, ...], labels: LabelMap, map_name: str) -> str:
    """Return why the labels of an annotation cannot be used, or ""."""
    if not ids:
        return "no annotation"
    unknown = [label for label in ids if label not in labels]
    if unknown:
        return f"annotations[{number}]: label {unknown[0]!r} is not in {map_name}"
    tasks = Counter(labels[label][0] for label in ids)
    repeated = [task for task in tasks if task in SINGLE and tasks[task] > 1]
    if not repeated:
        return ""
    return f"annotations[{number}]: {tasks[repeated[0]]} labels of the single-valued task {repeated[0]!r}"


def _columns(labels_of_images: Sequence[tuple[str, ...]], labels: LabelMap) -> dict[str, np.ndarray]:
    """Return task -> cells [n] str: the names of an image's labels, sorted, separated by bars."""
    cells: dict[str, list[str]] = {task: [] for task, _ in labels.values()}
    for ids in labels_of_images:
        pairs = sorted(labels[label] for label in ids)
        for task, values in cells.items():
            values.append(LABEL_SEPARATOR.join(name for task_of_name, name in pairs if task_of_name == task))
    return {task: np.array(values, dtype=np.str_) for task, values in cells.items()}


def _attribute_groups(tasks: Iterable[str]) -> tuple[AttributeGroup, ...]:
    return parse_task(",".join(f"{'column' if task in SINGLE else 'labels'}:{task}" for task in tasks))


def _id(value: object) -> str:
    """Return an id as text, a number without leading zeros."""
    text = valid_text(str(value)).strip()
    return text.lstrip("0") or "0" if text.isdecimal() else text
