"""What metric learning learns from: which products are alike, and batches in which some are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.readers import Catalog
from fashion_keras.catalog.tasks import get_task
from fashion_keras.support.errors import InputError

Integers = NDArray[np.int64]

TITLE = "title"


@dataclass(frozen=True)
class SimilarityLabel:
    """A way in which products can be alike: the name of a single-label task, or "title"; and how much it counts."""

    name: str
    weight: float


def parse_similarity_labels(text: str) -> tuple[SimilarityLabel, ...]:
    """Read NAME[:WEIGHT],...

    >>> parse_likeness("article_type,title:0.5")
    (Likeness(name='article_type', weight=1.0), Likeness(name='title', weight=0.5))

    Raises:
        InputError: for an unknown task, a name that stands there twice, or a weight that is not above 0.
    """
    found = []
    for part in text.split(","):
        # A task may have a colon of its own, as column:brand; a weight begins with a digit.
        name, _, weight = part.rpartition(":")
        name, weight = (name, weight) if weight[:1].isdigit() and name else (part, "1")
        if name != TITLE:
            get_task(name)
        try:
            found.append(SimilarityLabel(name, float(weight)))
        except ValueError:
            raise InputError(f"--labels: the weight of {name} is a number, not {weight!r}") from None
    if not all(0 < one.weight < float("inf") for one in found) or len({one.name for one in found}) < len(found):
        raise InputError(f"--labels: every name once, every weight above 0, not {text!r}")
    return tuple(found)


def label_codes(catalog: Catalog, likenesses: Sequence[SimilarityLabel]) -> Integers:
    """Return the class of n products in each way they can be alike: codes [n, l]; -1 where it is not known."""
    return np.stack(
        [
            catalog.product_groups if one.name == TITLE else get_task(one.name).encode(catalog.columns).codes
            for one in likenesses
        ],
        axis=1,
    )


def one_hot_groups(codes: Integers) -> tuple[NDArray[np.float32], tuple[int, ...]]:
    """Return codes [n, l] as targets [n, sum of widths] float32, a group of columns for each l, and the widths.

    A row that is not known is all zeros in that group.

    >>> one_hot_groups(np.array([[0, 1], [1, -1]]))[0].tolist()
    [[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0]]
    """
    widths = tuple(int(codes[:, number].max()) + 1 for number in range(codes.shape[1]))
    # The row beyond the last is that of -1.
    groups = [np.eye(width + 1, width, dtype=np.float32)[codes[:, at]] for at, width in enumerate(widths)]
    return np.concatenate(groups, axis=1), widths


def pk_batches(kinds: Integers, titles: Integers, classes: int, images: int, seed: int, epoch: int) -> Integers:
    """Return the rows of one epoch, in an order that cuts into batches of P classes x K images.

    Every row stands in one epoch at least once; products of a title stand together; a class with fewer than K images
    repeats them. What does not fill the last batch is left for other epochs.

    Args:
        kinds [n] int64: what makes a class.
        titles [n] int64: title groups.
        classes, images: P and K.
        seed, epoch: of the draw.
    """
    random = np.random.default_rng((seed, epoch))
    line = random.random(int(titles.max()) + 1)
    order = np.lexsort((random.random(len(kinds)), line[titles], kinds))
    starts = np.flatnonzero(np.diff(kinds[order], prepend=kinds[order[0]] - 1))
    chunks = [
        np.resize(rows[at : at + images], images)
        for rows in np.split(order, starts[1:])
        for at in range(0, len(rows), images)
    ]
    drawn = random.permutation(np.stack(chunks))
    return drawn[: len(drawn) // classes * classes].reshape(-1)
