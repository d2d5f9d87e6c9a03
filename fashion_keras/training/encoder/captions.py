"""Captions of products for image-text training: product names, and phrases of attribute values. No Keras here."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.column_types import as_text
from fashion_keras.catalog.tasks import get_task
from fashion_keras.models.text import TextSpec, token_ids
from fashion_keras.support.errors import InputError
from fashion_keras.training.encoder.pk_sampling import number_groups

# Share of the captions that are product names, and of tokens that are left out at random.
_NAMES, _DROPPED = 0.5, 0.15


@dataclass(frozen=True)
class Captions:
    """Captions of n products that can be drawn: the product name, or the values of some of l attributes.

    Attributes:
        names [n] str: "" where a product has none.
        values [n, l] str: of the attributes, in the order in which a phrase has them.
        codes [n, 1 + l]: the classes of name and attributes, -1 for unknown; a caption describes any product that has
            the same classes where it names them.
    """

    names: NDArray[np.str_]
    values: NDArray[np.str_]
    codes: NDArray[np.int64]

    def draw(self, rows: NDArray[np.int64], random: np.random.Generator) -> tuple[list[str], NDArray[np.bool_]]:
        """Return a caption of each of b rows, and which of its classes it names [b, 1 + l]."""
        known = self.codes[rows] >= 0
        known[:, 0] = self.names[rows] != ""
        named = np.zeros_like(known)
        named[:, 1:] = known[:, 1:] & (random.random((len(rows), known.shape[1] - 1)) < 0.5)
        none = ~named.any(axis=1)
        by_name = known[:, 0] & (none | (random.random(len(rows)) < _NAMES))
        named[by_name] = np.arange(known.shape[1]) == 0
        named[none & ~by_name] = known[none & ~by_name]
        texts = [
            str(self.names[row]) if mask[0] else " ".join(self.values[row][mask[1:]])
            for row, mask in zip(rows, named, strict=True)
        ]
        return texts, named

    def tokens(
        self, rows: NDArray[np.int64], spec: TextSpec, random: np.random.Generator
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return token ids [b, tokens] of drawn captions, some left out, and targets [b, 2 (1 + l)]: codes, named."""
        texts, named = self.draw(rows, random)
        ids = token_ids(texts, spec)
        dropped = random.random(ids.shape) < _DROPPED
        dropped[:, 0] = False
        targets = np.concatenate([self.codes[rows], named], axis=1).astype(np.float32)
        return np.where(dropped, 0, ids), targets


def make_captions(catalog: Catalog, column: str, tasks: Sequence[str]) -> Captions:
    """Return the captions of a catalog: names from a text column, phrases of the labels of tasks.

    Phrases have them in reverse order: article_type, base_colour, gender give "Women Red Dresses". InputError where
    the catalog lacks the column, or a product has neither a name nor a label.
    """
    if column not in catalog.columns:
        raise InputError(f"{catalog.folder}: no column {column}; give the column of the product names as --text")
    names = as_text(catalog.columns[column])
    encoded = [get_task(name).encode(catalog.columns) for name in reversed(tasks)]
    none = np.empty((len(names), 0), np.str_)
    values = np.hstack([none, *(np.array([*targets.classes, ""])[targets.codes][:, None] for targets in encoded)])
    codes = np.stack([number_groups(catalog.product_groups), *(targets.codes for targets in encoded)], axis=1)
    if not ((names != "") | (codes[:, 1:] >= 0).any(axis=1)).all():
        raise InputError(f"{catalog.folder}: some products have neither a name nor a label")
    return Captions(names, values, codes)
