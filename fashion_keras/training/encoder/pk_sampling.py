"""Batches for metric learning: similarity labels, and P classes of K images per batch."""

import math
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
    """Label whose equal values make products similar, and its weight in the loss.

    It is a single-label task or "title"; or several with "+" between them, of which all values are to be equal.
    """

    name: str
    weight: float

    @property
    def parts(self) -> tuple[str, ...]:
        """The tasks, and "title"."""
        return tuple(self.name.split("+"))


def parse_similarity_labels(text: str) -> tuple[SimilarityLabel, ...]:
    """Parse NAME[:WEIGHT],...; InputError for an unknown task, a repeated name, or a weight that is not above 0.

    >>> parse_similarity_labels("article_type,title:0.5")
    (SimilarityLabel(name='article_type', weight=1.0), SimilarityLabel(name='title', weight=0.5))
    """
    labels: list[SimilarityLabel] = []
    for part in text.split(","):
        # A task may have a colon of its own, as column:brand; a weight begins with a digit.
        name, _, weight = part.rpartition(":")
        name, weight = (name, weight) if weight[:1].isdigit() and name else (part, "1")
        for task in name.split("+"):
            if task != TITLE:
                get_task(task)
        try:
            labels.append(SimilarityLabel(name, float(weight)))
        except ValueError:
            raise InputError(f"--labels: the weight of {name} must be a number, not {weight!r}") from None
    names = {label.name for label in labels}
    if not all(0 < label.weight < math.inf for label in labels) or len(names) < len(labels):
        raise InputError(f"--labels must have every name once and every weight above 0, not {text!r}")
    return tuple(labels)


def label_codes(catalog: Catalog, labels: Sequence[SimilarityLabel]) -> Integers:
    """Return the class of n products for each of l labels: codes [n, l] int64; -1 where it is unknown."""
    return np.stack([_combine([_codes(catalog, name) for name in label.parts]) for label in labels], axis=1)


def attribute_tasks(labels: Sequence[SimilarityLabel]) -> list[str]:
    """Return the tasks of labels, each once, in order.

    >>> attribute_tasks(parse_similarity_labels("article_type,title,article_type+base_colour:2"))
    ['article_type', 'base_colour']
    """
    return [*dict.fromkeys(name for label in labels for name in label.parts if name != TITLE)]


def _codes(catalog: Catalog, name: str) -> Integers:
    if name == TITLE:
        return number_groups(catalog.product_groups)
    return get_task(name).encode(catalog.columns).codes


def _combine(codes: Sequence[Integers]) -> Integers:
    """Return the class of n rows by all of several classes [n]; -1 where one is unknown."""
    columns = np.stack(codes, axis=1)
    combined = np.unique(columns, axis=0, return_inverse=True)[1].reshape(-1)
    return np.where((columns < 0).any(axis=1), -1, combined)


def number_groups(groups: NDArray[np.str_]) -> Integers:
    """Number product groups [n] in the order in which they appear."""
    _, first, codes = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[codes]


def pk_batches(
    codes: Integers, titles: NDArray[np.generic], classes: int, images: int, seed: int, epoch: int
) -> Integers:
    """Return the rows of one epoch, in an order that cuts into batches of P `classes` x K `images`.

    Every row, of class codes [n], is drawn at least once, products of a title group next to each other; a class with
    fewer than K images repeats them. What does not fill the last batch is left out of this epoch.
    """
    rng = np.random.default_rng((seed, epoch))
    title_order = rng.random(int(titles.max()) + 1)
    order = np.lexsort((rng.random(len(codes)), title_order[titles], codes))
    starts = np.flatnonzero(np.diff(codes[order], prepend=codes[order[0]] - 1))
    chunks = [
        np.resize(rows[start : start + images], images)
        for rows in np.split(order, starts[1:])
        for start in range(0, len(rows), images)
    ]
    drawn = rng.permutation(np.stack(chunks))
    return drawn[: len(drawn) // classes * classes].reshape(-1)
