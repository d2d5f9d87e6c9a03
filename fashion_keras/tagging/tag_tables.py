"""Tables of a tagged catalog: tags.csv, rejected.csv, review.csv and counts, made shard by shard."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from fashion_keras.analysis.review import ABSTAINED, LOW_MARGIN, ReviewItem, ReviewQueue
from fashion_keras.analysis.review_queue import LOW_MARGIN_BELOW
from fashion_keras.catalog.columns import LABEL_SEPARATOR, plain_label
from fashion_keras.features.batch_folder import COLUMN, BatchFolder
from fashion_keras.support.atomic_files import write_csv
from fashion_keras.tagging import annotate

_TOP = 500  # review items of each kind
_CHUNK = 1024
_PAGE_ROWS = 24  # of tags.csv, that the page shows

Row = dict[str, Any]


@dataclass(frozen=True)
class AttributeUpdates:
    """What a catalog gains by an attribute, in products, as in Table 1 of gutierrez2019.

    Attributes:
        product_types: that have it; () for all.
        labels: number of its labels.
        tagged: products with a released label; of them same, filled, changed: those whose label in the catalog is the
            same, missing, or another one; all three 0 where no column of the catalog holds the attribute.
        abstained, gated: products of which no label reaches its threshold, and whose types do not have it.
    """

    attribute: str
    product_types: tuple[str, ...]
    labels: int
    tagged: int
    same: int
    filled: int
    changed: int
    abstained: int
    gated: int


@dataclass
class TagTables:
    """Counts and first rows of a tagged catalog, and its review queue."""

    products: int = 0
    images: int = 0
    disagreeing: int = 0
    without_type: int = 0
    parts: Counter = field(default_factory=Counter)
    states: dict[str, Counter] = field(default_factory=lambda: defaultdict(Counter))
    first_rows: list[Row] = field(default_factory=list)
    _queue: dict[str, list] = field(default_factory=lambda: defaultdict(list))

    def add_review(self, kind: str, usefulness: float, make: Callable[[], ReviewItem]) -> None:
        """Keep the item that `make` returns if it is among the most useful of its kind."""
        heap = self._queue[kind]
        if len(heap) == _TOP and usefulness <= heap[0][0]:
            return
        item = make()
        heapq.heappush(heap, (usefulness, item.id, item))
        if len(heap) > _TOP:
            heapq.heappop(heap)

    @property
    def queue(self) -> ReviewQueue:
        """The most useful items of each kind."""
        entries = [entry for heap in self._queue.values() for entry in heap]
        entries.sort(key=lambda entry: (-entry[0], entry[1]))
        return ReviewQueue.of((item for *_, item in entries), _TOP)


def write_tables(batch: BatchFolder, columns: Mapping[str, str], part_of: Mapping[str, str]) -> TagTables:
    """Write tags.csv, rejected.csv and review.csv of a complete batch folder, and return what they hold.

    Args:
        batch: with tags.
        columns: attribute -> the catalog's column that holds it, of those that have one.
        part_of: image id -> part in the tagger's training.
    """
    tables = TagTables()
    write_csv(batch.folder / "tags.csv", _header([*batch.attributes]), _rows(batch, columns, part_of, tables))
    tables.queue.write(batch.folder / "review.csv")
    return tables


def _rows(
    batch: BatchFolder, columns: Mapping[str, str], part_of: Mapping[str, str], tables: TagTables
) -> Iterator[Row]:
    """Yield the rows of tags.csv, and enter each into `tables`."""
    attributes, thresholds = [*batch.attributes], batch.manifest.model.thresholds
    for images in _products(batch, attributes, columns):
        row = _tag_row(images, attributes, part_of)
        _count(tables, images, attributes, columns, part_of)
        for name in attributes:
            if name in columns and images[0][name]["margin"] is not None:
                _review(tables, images[0], name, columns[name], thresholds[name])
        if len(tables.first_rows) < _PAGE_ROWS:
            tables.first_rows.append(row)
        yield row


def _products(batch: BatchFolder, attributes: list[str], columns: Mapping[str, str]) -> Iterator[list[Row]]:
    """Yield the images of each product; a shard holds them one after the other."""
    names = ["sku", "image_id", "reference", annotate.TYPES, annotate.TYPES_CONFIDENCE, annotate.DISAGREES]
    names += [*attributes, *{COLUMN + name for name in columns.values()}]
    rows = (row for table in batch.tables(names) for part in table.to_batches(_CHUNK) for row in part.to_pylist())
    for _, images in groupby(rows, key=lambda row: row["sku"]):
        yield [*images]


def _header(attributes: Sequence[str]) -> list[str]:
    pairs = [name for attribute in (annotate.TYPES, *attributes) for name in (attribute, f"{attribute}_confidence")]
    return ["sku", "images", "disagreeing", "path", "part", *pairs, "abstained"]


def _tag_row(images: Sequence[Row], attributes: Sequence[str], part_of: Mapping[str, str]) -> Row:
    first = images[0]
    row = {"sku": first["sku"], "images": len(images), "path": first["reference"]}
    row |= {"disagreeing": sum(image[annotate.DISAGREES] for image in images)}
    row |= {"part": part_of.get(first["image_id"], "")}
    row |= _cells(annotate.TYPES, first[annotate.TYPES], first[annotate.TYPES_CONFIDENCE])
    for name in attributes:
        tag = first[name]
        is_released = tag["state"] == annotate.RELEASED
        row |= _cells(name, tag["label"] if is_released else [], tag["confidence"] if is_released else None)
    abstained = [name for name in attributes if first[name]["state"] == annotate.ABSTAINED]
    return row | {"abstained": LABEL_SEPARATOR.join(abstained)}


def _cells(column: str, labels: Sequence[str], confidence: float | None) -> Row:
    text = "" if confidence is None else f"{confidence:.4f}"
    return {column: LABEL_SEPARATOR.join(labels), f"{column}_confidence": text}


def _count(
    tables: TagTables, images: Sequence[Row], attributes: Sequence[str], columns: Mapping[str, str],
    part_of: Mapping[str, str],
) -> None:  # fmt: skip
    first = images[0]
    tables.products += 1
    tables.images += len(images)
    tables.disagreeing += sum(image[annotate.DISAGREES] for image in images)
    tables.without_type += not first[annotate.TYPES]
    tables.parts.update(part_of.get(image["image_id"], "") for image in images)
    for name in attributes:
        tag, counts = first[name], tables.states[name]
        counts[tag["state"]] += 1
        if tag["state"] == annotate.RELEASED and name in columns:
            current = str(first[COLUMN + columns[name]])
            label = LABEL_SEPARATOR.join(tag["label"])
            counts[
                "filled" if not current else "same" if plain_label(current) == plain_label(label) else "changed"
            ] += 1


def _review(tables: TagTables, image: Row, name: str, column: str, thresholds: Mapping[str, float | None]) -> None:
    """Add a product to the review queue where no label is released, or two are about as likely."""
    tag, current = image[name], str(image[COLUMN + column])
    (label,) = tag["label"]
    confidence, margin = tag["confidence"], tag["margin"]
    if tag["state"] == annotate.ABSTAINED:
        threshold = thresholds[label]
        limit = "and is never released" if threshold is None else f"below its threshold of {threshold:.3f}"
        kind, usefulness = ABSTAINED, confidence + (current not in ("", label))
        reason = f"{label} has a probability of {confidence:.3f}, {limit}"
    elif margin < LOW_MARGIN_BELOW:
        kind, usefulness = LOW_MARGIN, 1 - margin
        reason = f"{label} and another label are {margin:.3f} apart in probability"
    else:
        return
    tables.add_review(kind, usefulness, lambda: ReviewItem(
        kind=kind, sku=image["sku"], image_id=image["image_id"], attribute=column, current=current, suggested=label,
        confidence=round(confidence, 4), reason=reason,
    ))  # fmt: skip
