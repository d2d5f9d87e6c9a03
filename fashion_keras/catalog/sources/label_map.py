"""Label map of iMaterialist-Fashion: the labels and the task of each."""

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fashion_keras.catalog.columns import LABEL_SEPARATOR, valid_text
from fashion_keras.catalog.sources.json_validation import line_number, read_json_document, read_text, validate_entries
from fashion_keras.support.errors import InputError

_KEYS = ("labelId", "taskId", "labelName", "taskName")

LabelMap = dict[str, tuple[str, str]]  # labelId -> (taskName, labelName)


def read_label_map(path: Path) -> LabelMap:
    """Read rows of labelId, taskId, labelName, taskName: a CSV file, or a list in a JSON file.

    Raises:
        InputError: when the file is missing or malformed, with its line and key.
    """
    labels: LabelMap = {}
    for line, row in _map_rows(path):
        label, _, name, task = (valid_text(str(row[key])).strip() for key in _KEYS)
        if not (label and name and task) or LABEL_SEPARATOR in name or "," in task:
            raise InputError(
                f"{path}:{line}: a label needs labelId, labelName and taskName, no {LABEL_SEPARATOR!r} in its name "
                f"and no ',' in its task's"
            )
        if label in labels or (task, name) in labels.values():
            raise InputError(f"{path}:{line}: label {label} ({task}: {name}) is there already; remove one of them")
        labels[label] = (task, name)
    counts = Counter(task for task, _ in labels.values())
    if not counts or min(counts.values()) < 2:
        smallest = min(counts, key=counts.__getitem__, default="")
        raise InputError(f"{path}: task {smallest!r} has {counts[smallest]} labels; a task needs two")
    return labels


def _map_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line, row) of a label map."""
    if path.suffix.lower() == ".csv":
        reader = csv.DictReader(read_text(path).splitlines())
        try:
            for row in reader:
                missing = [key for key in _KEYS if row.get(key) is None]
                if missing:
                    raise InputError(f"{path}:{reader.line_num}: no value for the key {missing[0]!r}")
                yield reader.line_num, row
        except csv.Error as error:
            raise InputError(f"{path}:{reader.line_num}: not CSV ({error}); correct or remove the line") from None
        return
    text, rows = read_json_document(path)
    if not isinstance(rows, list):
        raise InputError(f"{path}:1: expected a list of labels with the keys {', '.join(_KEYS)}")
    for number, row in validate_entries(path, text, "", rows, _KEYS):
        yield line_number(text, "", number), row
