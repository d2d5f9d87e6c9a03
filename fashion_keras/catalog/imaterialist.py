"""The iMaterialist-Fashion annotations of 2018 and a folder of fetched images become a `Catalog` and its `Targets`.

The format is that of the FGVC5 competition; the kinds of the groups are those of Guo et al., The iMaterialist Fashion
Attribute Dataset (2019), Table 1.
"""

import csv
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.catalog.attributes import AttributeGroup, Cells
from fashion_keras.catalog.products import SUFFIXES, Catalog
from fashion_keras.catalog.tables import Rejected
from fashion_keras.catalog.targets import BAR, Targets, match_groups
from fashion_keras.support.errors import InputError

SINGLE = ("category", "neckline", "sleeve", "style")  # an image has one label of these tasks, of others maybe several
_MAP_KEYS = ("labelId", "taskId", "labelName", "taskName")
_LONGEST_ID = 18  # digits: what an int64 holds

LabelMap = dict[str, tuple[str, str]]  # labelId -> (taskName, labelName)
Notes = Mapping[str, tuple[str, ...]]  # imageId -> its labelIds


@dataclass(frozen=True)
class _Found:
    """What the three sources hold: image ids in their order, labels of each, files of each, and what fits nowhere."""

    images: list[str]
    notes: Notes
    files: Mapping[str, str]
    spare: list[Rejected]


def read_imaterialist(annotations: Path, label_map: Path, images: Path) -> tuple[Catalog, Targets]:
    """Read annotations, label map and images; the images are not opened.

    The catalogue has a column per task, with bars between several labels. The targets have a group per task, with all
    labels of the map. A task of which an image has no label is not known of it; where silence shall mean "no", as in
    the paper's baselines, take `np.maximum(targets.values, 0)`.

    Args:
        annotations: {"images": [{"imageId"}], "annotations": [{"imageId", "labelId": ["95", "66"]}]} as JSON.
        label_map: rows of labelId, taskId, labelName, taskName: a CSV file, or a list in a JSON file.
        images: a folder of images named by their imageId: 1.jpg (or .jpeg, .png, .webp).

    Returns:
        The catalogue and its targets [n, K]. What cannot be used is set aside with its reason: kept + set aside =
        entries of "images" + entries of "annotations" and files that belong to none of them.

    Raises:
        InputError: when a file is missing or malformed, with its line and key, or no image can be used.
    """
    labels = _read_label_map(label_map)
    found = _find(annotations, images)
    reasons = _reasons(found, labels, label_map.name)
    listed = [
        Rejected(f"{annotations.name} images[{row}]", image, reason)
        for row, (image, reason) in enumerate(zip(found.images, reasons, strict=True))
        if reason
    ]
    rejected = (*listed, *found.spare)
    kept = [image for image, reason in zip(found.images, reasons, strict=True) if not reason]
    if not kept:
        first = f" (first: {rejected[0].where}: {rejected[0].reason})" if rejected else ""
        raise InputError(f"{annotations}: none of {len(found.images)} images can be used{first}")
    columns = _columns([found.notes[image] for image in kept], labels)
    catalog = Catalog(
        folder=images,
        ids=np.array(kept, dtype=np.int64),
        paths=np.array([found.files[image] for image in kept], dtype=np.str_),
        columns=columns,
        groups=np.arange(len(kept)),
        rejected=rejected,
        inputs=len(found.images) + len(found.spare),
    )
    return catalog, _targets(labels, columns)


def _find(annotations: Path, folder: Path) -> _Found:
    """Bring images, annotations and files together; what belongs to no image entry is spare."""
    text, document = _read_json(annotations)
    if not isinstance(document, dict):
        raise InputError(f"{annotations}:1: expected an object with the keys 'images' and 'annotations'")
    for key in ("images", "annotations"):
        if not isinstance(document.get(key), list):
            raise InputError(f"{annotations}:1: the key {key!r} is missing or holds no list")
    for number, entry in _checked(annotations, text, "annotations", document["annotations"], ("imageId", "labelId")):
        if not isinstance(entry["labelId"], list):
            line = _line(text, "annotations", number)
            raise InputError(f"{annotations}:{line}: annotations[{number}]: the key 'labelId' holds no list")
    entries = _checked(annotations, text, "images", document["images"], ("imageId",))
    images = [_id(entry["imageId"]) for _, entry in entries]
    notes, idle = _join(annotations.name, set(images), document["annotations"])
    files, strange = _image_files(folder, set(images))
    return _Found(images, notes, files, idle + strange)


def _join(name: str, images: set[str], entries: Sequence[dict[str, Any]]) -> tuple[Notes, list[Rejected]]:
    """Return the labels of each image, and the annotations that are spare."""
    notes: dict[str, tuple[str, ...]] = {}
    spare = []
    for number, entry in enumerate(entries):
        image, where = _id(entry["imageId"]), f"{name} annotations[{number}]"
        if image not in images:
            spare.append(Rejected(where, image, "annotation of an image that is not listed"))
        elif image in notes:
            spare.append(Rejected(where, image, f"second annotation of imageId {image}"))
        else:
            notes[image] = tuple(dict.fromkeys(str(label) for label in entry["labelId"]))
    return notes, spare


def _image_files(folder: Path, images: set[str]) -> tuple[dict[str, str], list[Rejected]]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected the fetched images, named by their imageId: 1.jpg")
    files: dict[str, str] = {}
    spare = []
    for path in sorted(entry.path for entry in os.scandir(folder) if entry.is_file()):
        file, image = Path(path), _id(Path(path).stem)
        where = f"{folder.name}/{file.name}"
        if file.suffix.lower() not in SUFFIXES or not image.isdecimal():
            spare.append(Rejected(where, "", f"not named imageId{'|'.join(SUFFIXES)}"))
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
            reasons.append(f"not fetched: no file {image}{'|'.join(SUFFIXES)}")
        else:
            reasons.append(_label_reason(found.notes.get(image, ()), labels, map_name))
    return reasons


def _label_reason(ids: tuple[str, ...], labels: LabelMap, map_name: str) -> str:
    if not ids:
        return "no annotation"
    strange = [label for label in ids if label not in labels]
    if strange:
        return f"label {strange[0]!r} is not in {map_name}"
    tasks = Counter(labels[label][0] for label in ids)
    double = [task for task in tasks if task in SINGLE and tasks[task] > 1]
    return f"{tasks[double[0]]} labels of the single-valued task {double[0]!r}" if double else ""


def _columns(notes: Sequence[tuple[str, ...]], labels: LabelMap) -> dict[str, np.ndarray]:
    """Return task -> cells [n] str: the names of an image's labels, sorted, with bars between."""
    cells: dict[str, list[str]] = {task: [] for task, _ in labels.values()}
    for ids in notes:
        pairs = sorted(labels[label] for label in ids)
        for task, values in cells.items():
            values.append(BAR.join(name for own, name in pairs if own == task))
    return {task: np.array(values, dtype=np.str_) for task, values in cells.items()}


def _targets(labels: LabelMap, columns: Mapping[str, np.ndarray]) -> Targets:
    groups = tuple(AttributeGroup(task, "single" if task in SINGLE else "multi", Cells(task)) for task in columns)
    classes = tuple(tuple(sorted(name for own, name in labels.values() if own == task)) for task in columns)
    return match_groups(groups, classes, classes, columns)


def _read_label_map(path: Path) -> LabelMap:
    labels: LabelMap = {}
    for line, row in _map_rows(path):
        label, _, name, task = (str(row[key]).strip() for key in _MAP_KEYS)
        if not (label and name and task) or BAR in name:
            raise InputError(
                f"{path}:{line}: a label needs labelId, labelName and taskName, and no {BAR!r} in its name"
            )
        if label in labels or (task, name) in labels.values():
            raise InputError(f"{path}:{line}: label {label} ({task}: {name}) stands there already; remove one")
        labels[label] = (task, name)
    counts = Counter(task for task, _ in labels.values())
    if not counts or min(counts.values()) < 2:
        alone = min(counts, key=counts.__getitem__, default="")
        raise InputError(f"{path}: task {alone!r} has {counts[alone]} labels; a task needs two")
    return labels


def _map_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line, row) of a label map."""
    if path.suffix.lower() == ".csv":
        reader = csv.DictReader(_read_text(path).splitlines())
        for row in reader:
            missing = [key for key in _MAP_KEYS if row.get(key) is None]
            if missing:
                raise InputError(f"{path}:{reader.line_num}: no value for the key {missing[0]!r}")
            yield reader.line_num, row
        return
    text, rows = _read_json(path)
    if not isinstance(rows, list):
        raise InputError(f"{path}:1: expected a list of labels with the keys {', '.join(_MAP_KEYS)}")
    for number, row in _checked(path, text, "", rows, _MAP_KEYS):
        yield _line(text, "", number), row


def _checked(
    path: Path, text: str, name: str, entries: Sequence[Any], keys: Sequence[str]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (number, entry) of a JSON list whose entries must be objects with those keys."""
    for number, entry in enumerate(entries):
        missing = [key for key in keys if not isinstance(entry, dict) or key not in entry]
        if missing:
            raise InputError(f"{path}:{_line(text, name, number)}: {name}[{number}] has no key {missing[0]!r}")
        yield number, entry


def _line(text: str, name: str, number: int) -> int:
    """Return the line on which an entry begins of the list `name`, or of the list that the whole text is for ""."""
    place = re.search(rf'"{name}"\s*:\s*\[' if name else r"\[", text).end()
    decoder, gap = json.JSONDecoder(), re.compile(r"[\s,]*")
    for _ in range(number):
        place = decoder.raw_decode(text, gap.match(text, place).end())[1]
    return text.count("\n", 0, gap.match(text, place).end()) + 1


def _read_json(path: Path) -> tuple[str, Any]:
    text = _read_text(path)
    try:
        return text, json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: not JSON ({error.msg}); fetch or save the file anew") from None


def _read_text(path: Path) -> str:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 (byte {error.start}); save the file as UTF-8") from None


def _id(value: object) -> str:
    """Return an id as text, a number without leading zeros."""
    text = str(value).strip()
    return text.lstrip("0") or "0" if text.isdecimal() else text
