"""Review of labels: the items that people should look at, and the decisions that they make on them."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from fashion_keras.catalog.corrections import (
    ACCEPT,
    ACTIONS,
    CORRECT,
    HEADER,
    Correction,
    append_corrections,
    escape_cell,
    now,
    reviewed_labels,
)
from fashion_keras.support.atomic_files import write_csv
from fashion_keras.support.errors import InputError, unknown_name_error

if TYPE_CHECKING:
    import pandas as pd

DUPLICATE, MISLABELLED, ABSTAINED, LOW_MARGIN = KINDS = ("duplicate", "mislabelled", "abstained", "low_margin")
COLUMNS = (*HEADER, "id", "kind", "suggested", "confidence", "alternatives", "reason", "others")


@dataclass(frozen=True, kw_only=True)
class ReviewItem:
    """A label of a product that a person should look at.

    Attributes:
        kind: "duplicate": near-duplicate images of two products that have different labels, or of which one may be the
            other; "mislabelled": a label that is likely wrong; "abstained": no label reaches the tagger's threshold;
            "low_margin": two labels are about as likely.
        sku, image_id: the product, and its image to show.
        attribute: the column of the label; "sku" for which product it is.
        current: the label in the catalog, corrections included; "" for none.
        suggested: the label that it more likely has.
        confidence: of the suggestion, 0..1; None where it is not a probability.
        alternatives: the most probable labels and their probabilities.
        reason: why it is in the queue, in words.
        others: image ids of the products that it is compared with.
    """

    kind: str
    sku: str
    image_id: str
    attribute: str
    current: str
    suggested: str
    confidence: float | None
    alternatives: tuple[tuple[str, float], ...] = ()
    reason: str = ""
    others: tuple[str, ...] = ()
    id: str = field(init=False)

    def __post_init__(self) -> None:
        # Of the label alone: the same one in every queue.
        digest = hashlib.sha256(f"{self.sku}\0{self.attribute}".encode()).hexdigest()
        object.__setattr__(self, "id", digest[:16])

    def to_dict(self) -> dict[str, Any]:
        """Return the item as a JSON object; alternatives as {"label", "confidence"}."""
        alternatives = [{"label": label, "confidence": confidence} for label, confidence in self.alternatives]
        return asdict(self) | {"alternatives": alternatives, "others": list(self.others)}


@dataclass(frozen=True)
class ReviewQueue:
    """The items to review, each label once, the most useful first within each kind."""

    items: tuple[ReviewItem, ...]

    @classmethod
    def of(cls, items: Iterable[ReviewItem], top: int | None = None) -> "ReviewQueue":
        """Return the queue of items in order of usefulness: the first on each label, at most `top` of each kind."""
        first: dict[str, ReviewItem] = {}
        for item in sorted(items, key=lambda item: KINDS.index(item.kind)):
            first.setdefault(item.id, item)
        counts: Counter[str] = Counter()
        chosen = []
        for item in first.values():
            counts[item.kind] += 1
            if top is None or counts[item.kind] <= top:
                chosen.append(item)
        return cls(tuple(chosen))

    def __len__(self) -> int:
        return len(self.items)

    @property
    def kinds(self) -> dict[str, int]:
        """The number of items of each kind."""
        counts = Counter(item.kind for item in self.items)
        return {kind: counts[kind] for kind in KINDS}

    def to_frame(self) -> "pd.DataFrame":
        """Return a DataFrame with a row per item and the columns of `ReviewItem`."""
        import pandas as pd  # noqa: PLC0415 - half a second that help must not wait for

        rows = [asdict(item) | {"others": list(item.others)} for item in self.items]
        return pd.DataFrame(rows, columns=[*ReviewItem.__dataclass_fields__])

    def write(self, path: Path) -> None:
        """Write a CSV file that becomes a file of corrections when people fill in its columns `action` and `to`."""
        rows, when = [], now()
        for item in self.items:
            known = {"when": when, "sku": item.sku, "image_id": item.image_id, "column": item.attribute}
            known |= {"from": item.current, "id": item.id, "kind": item.kind, "suggested": item.suggested}
            known |= {"reason": item.reason, "others": " ".join(item.others)}
            known |= {"confidence": "" if item.confidence is None else f"{item.confidence:.4f}"}
            known |= {"alternatives": "; ".join(f"{label} {share:.3f}" for label, share in item.alternatives)}
            rows.append({name: escape_cell(text) for name, text in known.items()})
        write_csv(path, COLUMNS, rows)


@dataclass(frozen=True)
class Progress:
    """How many items of a queue are reviewed, and how many there are."""

    done: int
    total: int


class ReviewSession:
    """A queue that is being reviewed, and the file that gets the decisions. Threads may share it."""

    def __init__(self, queue: ReviewQueue, corrections_file: str | Path) -> None:
        """Begin or continue a review; InputError when the file is there and is not a file of corrections."""
        self._items = {item.id: item for item in queue.items}
        self._path = Path(corrections_file)
        self._lock = Lock()
        reviewed = reviewed_labels(self._path)
        self._done = {item.id for item in queue.items if (item.sku, item.attribute) in reviewed}

    @property
    def progress(self) -> Progress:
        """The number of items that are reviewed, and of all."""
        with self._lock:
            return Progress(len(self._done), len(self._items))

    @property
    def kinds(self) -> dict[str, int]:
        """The number of items of each kind that are left."""
        return ReviewQueue(tuple(self.items())).kinds

    def items(self, kind: str | None = None, offset: int = 0, limit: int | None = None) -> Sequence[ReviewItem]:
        """Return the items that are left, of one kind or all, from `offset` on, at most `limit`.

        InputError for an unknown kind.
        """
        if kind is not None and kind not in KINDS:
            raise unknown_name_error("kind of review item", kind, KINDS)
        with self._lock:
            left = [item for item in self._items.values() if item.id not in self._done and kind in (None, item.kind)]
        return left[max(offset, 0) :][:limit]

    def submit(self, id: str, action: str, to: str | None = None, who: str = "") -> Progress:
        """Append the decision on an item to the file; when this returns, it is on the disk.

        A second decision on the same item replaces the first. "accept" with another label in `to` than the current one
        corrects it to that.

        Args:
            id: of the item.
            action: "accept": the current label is right; "correct": it should be `to`; "skip": not decided.
            to: the label that it should be; "" for unknown.
            who: the person.

        Raises:
            InputError: for an unknown item or action, and for "correct" without `to`.
            OSError: when the file cannot be written; the item is then not reviewed.
        """
        item = self._items.get(id)
        if item is None:
            raise InputError(f"no item {id!r} in the review queue; load the queue again")
        if action not in ACTIONS:
            raise unknown_name_error("action", action, ACTIONS)
        if action == CORRECT and to is None:
            raise InputError("action correct needs the label that is right in 'to'; an empty one is unknown")
        if action == ACCEPT and to not in (None, item.current):
            action = CORRECT
        after = to.strip() if action == CORRECT else ""
        label = {"sku": item.sku, "image_id": item.image_id, "column": item.attribute, "before": item.current}
        correction = Correction(**label, after=after, action=action, who=who)
        with self._lock:
            append_corrections(self._path, [correction])
            self._done.add(id)
            return Progress(len(self._done), len(self._items))
