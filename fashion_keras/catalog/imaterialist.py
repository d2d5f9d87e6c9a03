"""The iMaterialist-Fashion annotations of 2018 and a folder of fetched images become a `Catalog`.

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
from fashion_keras.catalog.catalog import IMAGE_SUFFIXES, Catalog
from fashion_keras.catalog.csv_reader import Rejected
from fashion_keras.catalog.json_validation import line_number, read_json_document, validate_entries
from fashion_keras.catalog.label_map import LabelMap, read_label_map
from fashion_keras.catalog.targets import LABEL_SEPARATOR
from fashion_keras.support.errors import InputError

SINGLE = ("category", "neckline", "sleeve", "style")  # an image has one label of these tasks, of others maybe several
ANNOTATIONS = ("train.json", "validation.json")
_LONGEST_ID = 18  # digits: what an int64 holds

Notes = Mapping[str, tuple[int, tuple[str, ...]]]  # imageId -> its entry's number in "annotations", and its labelIds


@dataclass(frozen=True)
class _Found:
    """What the three sources hold: image ids in their order, labels of each, files of each, and what fits nowhere."""

    images: list[str]
    notes: Notes
    files: Mapping[str, str]
    spare: list[Rejected]


def find_imaterialist(source: Path) -> tuple[Path, Path, Path] | None:
    """Return annotations, label map and image folder of an iMaterialist set; None when `source` is no such thing.

    It is a file of annotations, or a folder that holds train.json or, if not, validation.json. Beside the annotations
    stand the label map (*label_map*.csv or .json) and the images: in a folder of the annotations' name (train/,
    validation/), or in images/.

    Raises:
        InputError: when the label map is missing or there are several, or it is not clear whose the images are.
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
        found = ", ".join(path.name for path in maps) or "none"
        raise InputError(f"{folder}: {annotations.name} needs one label map beside it, *label_map*.csv; found: {found}")
    return annotations, maps[0], _image_folder(annotations)


def read_imaterialist(annotations: Path, label_map: Path, images: Path) -> Catalog:
    """Read annotations, label map and images; the images are not opened.

    The catalogue has a column per task, with bars between several labels, and brings a group per task. A task of which
    an image has no label is not known of it; in the paper's baselines silence means "no".

    Args:
        annotations: {"images": [{"imageId"}], "annotations": [{"imageId", "labelId": ["95", "66"]}]} as JSON.
        label_map: see `read_label_map`.
        images: a folder of images named by their imageId: 1.jpg (or .jpeg, .png, .webp).

    Returns:
        The catalogue, perhaps without products. What cannot be used is set aside with its reason: kept + set aside =
        entries of "images" + entries of "annotations" and files that belong to none of them.

    Raises:
        InputError: when a file is missing or malformed, with its line and key.
    """
    labels = read_label_map(label_map)
    found = _find(annotations, images)
    reasons = _reasons(found, labels, label_map.name)
    listed = [
        Rejected(f"{annotations.name} images[{row}]", image, reason)
        for row, (image, reason) in enumerate(zip(found.images, reasons, strict=True))
        if reason
    ]
    kept = [image for image, reason in zip(found.images, reasons, strict=True) if not reason]
    columns = _columns([found.notes[image][1] for image in kept], labels)
    return Catalog(
        folder=images,
        ids=np.array(kept, dtype=np.int64),
        paths=np.array([found.files[image] for image in kept], dtype=np.str_),
        columns=columns,
        product_groups=np.arange(len(kept)),
        rejected=(*listed, *found.spare),
        inputs=len(found.images) + len(found.spare),
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


def _find(annotations: Path, folder: Path) -> _Found:
    """Bring images, annotations and files together; what belongs to no image entry is spare."""
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
    notes, idle = _join(annotations.name, set(images), document["annotations"])
    files, strange = _image_files(folder, set(images))
    return _Found(images, notes, files, idle + strange)


def _join(name: str, images: set[str], entries: Sequence[dict[str, Any]]) -> tuple[Notes, list[Rejected]]:
    """Return the labels of each image, and the annotations that are spare."""
    notes: dict[str, tuple[int, tuple[str, ...]]] = {}
    spare = []
    for number, entry in enumerate(entries):
        image, where = _id(entry["imageId"]), f"{name} annotations[{number}]"
        if image not in images:
            spare.append(Rejected(where, image, "annotation of an image that is not listed"))
        elif image in notes:
            spare.append(Rejected(where, image, f"second annotation of imageId {image}"))
        else:
            notes[image] = number, tuple(dict.fromkeys(str(label) for label in entry["labelId"]))
    return notes, spare


def _image_files(folder: Path, images: set[str]) -> tuple[dict[str, str], list[Rejected]]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected the fetched images, named by their imageId: 1.jpg")
    files: dict[str, str] = {}
    spare = []
    for path in sorted(entry.path for entry in os.scandir(folder) if entry.is_file()):
        file, image = Path(path), _id(Path(path).stem)
        where = f"{folder.name}/{file.name}"
        if file.suffix.lower() not in IMAGE_SUFFIXES or not image.isdecimal():
            spare.append(Rejected(where, "", f"not named imageId{'|'.join(IMAGE_SUFFIXES)}"))
        elif image not in images:
            spare.append(Rejected(where, image, "file of an image that is not listed"))
        elif files.setdefault(image, path) != path:
            spare.append(Rejected(where, image, f"second file of imageId {image}"))
    return files, spare


def _reasons(found: _Found, labels: LabelMap, map_name: str) -> list[str]:
    """Return for each image entry why it is set aside, or ""."""
    first: dict[str, int] = {}
    reasons = []
    for row, image in enumerate(found.images):
        if not image.isdecimal() or len(image) > _LONGEST_ID:
            reasons.append(f"imageId {image!r} is not a whole number of at most {_LONGEST_ID} digits")
        elif first.setdefault(image, row) != row:
            reasons.append(f"imageId {image} stands at images[{first[image]}] already")
        elif image not in found.files:
            reasons.append(f"not fetched: no file imageId{'|'.join(IMAGE_SUFFIXES)}")
        else:
            reasons.append(_label_reason(*found.notes.get(image, (0, ())), labels, map_name))
    return reasons


def _label_reason(number: int, ids: tuple[str, ...], labels: LabelMap, map_name: str) -> str:
    if not ids:
        return "no annotation"
    strange = [label for label in ids if label not in labels]
    if strange:
        return f"annotations[{number}]: label {strange[0]!r} is not in {map_name}"
    tasks = Counter(labels[label][0] for label in ids)
    double = [task for task in tasks if task in SINGLE and tasks[task] > 1]
    return f"annotations[{number}]: {tasks[double[0]]} labels of the single-valued task {double[0]!r}" if double else ""


def _columns(notes: Sequence[tuple[str, ...]], labels: LabelMap) -> dict[str, np.ndarray]:
    """Return task -> cells [n] str: the names of an image's labels, sorted, with bars between."""
    cells: dict[str, list[str]] = {task: [] for task, _ in labels.values()}
    for ids in notes:
        pairs = sorted(labels[label] for label in ids)
        for task, values in cells.items():
            values.append(LABEL_SEPARATOR.join(name for own, name in pairs if own == task))
    return {task: np.array(values, dtype=np.str_) for task, values in cells.items()}


def _attribute_groups(tasks: Iterable[str]) -> tuple[AttributeGroup, ...]:
    return parse_task(",".join(f"{'column' if task in SINGLE else 'labels'}:{task}" for task in tasks))


def _id(value: object) -> str:
    """Return an id as text, a number without leading zeros."""
    text = str(value).strip()
    return text.lstrip("0") or "0" if text.isdecimal() else text
