"""Corrected catalogs: labels that people have reviewed replace those of the source."""

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.column_types import as_text, text_array, typed
from fashion_keras.catalog.columns import GROUP, SKU, TITLE, Columns, plain_label
from fashion_keras.catalog.corrections import SKIP, Correction, CorrectionSummary, read_corrections
from fashion_keras.catalog.label_sources import PathSource
from fashion_keras.catalog.tasks import TASKS

log = logging.getLogger("fashion_keras")

Rows = NDArray[np.int64]
Key = tuple[str, str]  # SKU and column


def apply_corrections(catalog: Catalog, path: str | Path) -> Catalog:
    """Return a catalog with the corrections of a file applied; its `corrections` are the counts of them.

    The last decision on a label of a product wins. It applies to the images of the product that have the label that the
    person saw; where none has it, it is a conflict and changes nothing. A changed article type takes the categories
    above it along. A product whose SKU is corrected stays with that other product in every split.

    InputError when there is no such file, or it is not a file of corrections.
    """
    corrections, malformed = read_corrections(path)
    table = _LabelTable(catalog)
    problems: dict[int, str] = {}
    labels: dict[Key, _Label] = {}
    skipped = 0
    for correction in corrections:
        if problem := table.problem(correction):
            problems[correction.line] = problem
        elif correction.action == SKIP:
            skipped += 1
        else:
            key = correction.sku, table.name_of(correction.column)
            labels.setdefault(key, table.label(*key)).decisions.append(correction)
    rejected = len(malformed) + len(problems)
    conflicts = [conflict for label in labels.values() for conflict in label.remove_conflicts()]
    problems |= dict(conflicts)
    decided = {key: label for key, label in labels.items() if label.decisions}
    changes = {key: label for key, label in decided.items() if len(label.stale)}
    summary = CorrectionSummary(
        file=str(path),
        read=len(corrections) + len(malformed),
        changed=len(changes),
        verified=len(decided) - len(changes),
        superseded=sum(len(label.decisions) - 1 for label in decided.values()),
        skipped=skipped,
        conflicts=len(conflicts),
        rejected=rejected,
        products=len({sku for sku, _ in changes}),
        columns=dict(Counter(name for _, name in changes)),
        problems=(*malformed, *(f"line {line}: {problem}" for line, problem in sorted(problems.items()))),
        reviewed=frozenset(decided),
    )
    log.info("%s", summary)
    for problem in summary.problems:
        log.warning("%s: %s", path, problem)
    return replace(table.changed(changes, decided), corrections=summary)


@dataclass
class _Label:
    """The label of a product in one column: the product's rows, their texts, and the decisions on it, in order."""

    rows: Rows
    texts: list[str]
    decisions: list[Correction] = field(default_factory=list)

    def remove_conflicts(self) -> list[tuple[int, str]]:
        """Remove the decisions that have nothing to do with the label; return line and reason of each.

        The others were made on the label, or lead to it, at once or over other decisions: a person sees a label before
        or after earlier decisions are applied, and a catalog may have them already.
        """
        seen, left = set(map(plain_label, self.texts)), self.decisions
        while linked := [each for each in left if seen & _plain_labels(each)]:
            seen = seen.union(*map(_plain_labels, linked))
            left = [each for each in left if each not in linked]
        self.decisions = [each for each in self.decisions if each not in left]
        reason = "{0.column} of product {0.sku} is {1!r}, not {0.before!r}"
        return [(each.line, reason.format(each, self.texts[0])) for each in left]

    @property
    def decided(self) -> str:
        """The label of the last decision."""
        return self.decisions[-1].label

    @property
    def stale(self) -> Rows:
        """The rows that the last decision changes: those with another label that the decisions are about."""
        others = set().union(*map(_plain_labels, self.decisions)) - {plain_label(self.decided)}
        return self.rows[[plain_label(text) in others for text in self.texts]]


def _plain_labels(correction: Correction) -> set[str]:
    return {plain_label(correction.before), plain_label(correction.label)}


class _LabelTable:
    """The labels of a catalog by SKU and column; the column "sku" is which product an image shows."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._rows: dict[str, list[int]] = defaultdict(list)
        for row, sku in enumerate(catalog.skus.tolist()):
            self._rows[sku].append(row)
        self._sku_of = dict(zip(catalog.image_ids.tolist(), catalog.skus.tolist(), strict=True))
        self._texts: dict[str, list[str]] = {SKU: catalog.skus.tolist()}

    def name_of(self, column: str) -> str:
        """Return the standard name of a column as a table writes it."""
        return SKU if column == SKU else self._catalog.columns.name_of(column)

    def problem(self, correction: Correction) -> str:
        """Return why a correction cannot be used, else ""."""
        column, sku, columns = correction.column, correction.sku, self._catalog.columns
        if sku not in self._rows:
            return f"no product {sku!r} in the catalog"
        if column != SKU and column not in columns:
            return f"no column {column!r} in the catalog"
        if self.name_of(column) in (TITLE, GROUP):
            return f"column {column!r} is no label: it is changed in the catalog's own table"
        if self._sku_of.get(correction.image_id, sku) != sku:
            return f"image {correction.image_id!r} is not of product {sku!r}"
        if column == SKU and correction.label not in self._rows:
            return f"no product {correction.label!r} in the catalog"
        if column != SKU and columns[column].dtype.kind in "iuf" and not _is_number(column, correction.label):
            return f"{correction.label!r} is no number, as column {column!r} has"
        return ""

    def label(self, sku: str, name: str) -> _Label:
        """Return the label of a product in a column, without decisions."""
        if name not in self._texts:
            self._texts[name] = as_text(self._catalog.columns[name]).tolist()
        rows = self._rows[sku]
        return _Label(np.array(rows), [self._texts[name][row] for row in rows])

    def changed(self, changes: Mapping[Key, _Label], decided: Mapping[Key, _Label]) -> Catalog:
        """Return the catalog with labels changed; what is decided about other columns stays."""
        by_column: dict[str, dict[int, str]] = defaultdict(dict)
        for (_, name), label in changes.items():
            by_column[name] |= dict.fromkeys(label.stale.tolist(), label.decided)
        groups = _joined_products(self._catalog, by_column.pop(SKU, {}))
        by_column = {name: self._as_spelled(name, cells) for name, cells in by_column.items()}
        for row, name, text in self._parents(by_column, decided):
            by_column.setdefault(name, {})[row] = text
        columns = dict(self._catalog.columns)
        for name, cells in by_column.items():
            columns[name] = _replaced(name, columns[name], cells)
        columns = Columns(columns, self._catalog.columns.written)
        return replace(self._catalog, columns=columns, product_groups=groups)

    def _as_spelled(self, name: str, cells: Mapping[int, str]) -> dict[int, str]:
        """Return labels in the spelling that the column has already, where they differ in case or spaces alone."""
        spelling = {plain_label(text): text for text in self._texts[name]}
        return {row: spelling.get(plain_label(text), text) for row, text in cells.items()}

    def _parents(
        self, by_column: Mapping[str, Mapping[int, str]], decided: Mapping[Key, _Label]
    ) -> list[tuple[int, str, str]]:
        """Return (row, column, label) of the categories above changed labels: those that most others below have."""
        cells, columns = [], self._catalog.columns
        for task in TASKS:
            if not isinstance(task.source, PathSource) or task.source.joined or task.name not in by_column:
                continue
            above = [name for name in task.source.columns[:-1] if name in columns]
            paths: dict[str, Counter[Sequence[str]]] = defaultdict(Counter)
            for label, *path in zip(
                columns[task.name].tolist(), *(columns[name].tolist() for name in above), strict=True
            ):
                paths[label][tuple(path)] += 1
            for row, label in by_column[task.name].items():
                path = paths[label].most_common(1)[0][0] if label and label in paths else ()
                sku = str(self._catalog.skus[row])
                cells += [(row, *cell) for cell in zip(above, path, strict=False) if (sku, cell[0]) not in decided]
        return cells


def _is_number(name: str, text: str) -> bool:
    return not text or typed(name, [text]).dtype.kind in "iuf"


def _replaced(name: str, values: NDArray[Any], cells: Mapping[int, str]) -> NDArray[Any]:
    """Return a column with other texts, or numbers, in some rows."""
    if values.dtype.kind not in "iuf":
        texts = values.tolist()
        for row, text in cells.items():
            texts[row] = text
        return text_array(texts)
    numbers = values.astype(np.float64)
    for row, text in cells.items():
        numbers[row] = typed(name, [text])[0] if text else np.nan
    return typed(name, numbers)


def _joined_products(catalog: Catalog, skus: Mapping[int, str]) -> NDArray[np.str_]:
    """Return the product groups, those of rows joined with those of the SKUs that they are corrected to."""
    groups = catalog.product_groups.copy()
    for row, sku in skus.items():
        other = groups[np.flatnonzero(catalog.skus == sku)[0]]
        groups[groups == groups[row]] = other
    return groups
