"""Index contents and the Index protocol: what a folder and a database have in common, and the checks they share."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.images.spec import ImageSpec
from fashion_keras.search.filters import Where
from fashion_keras.support.errors import InputError, unknown_name_error

# How far from 1 the length of an embedding may be.
_UNIT_TOLERANCE = 1e-2


@dataclass(frozen=True)
class IndexSpec:
    """Index contents: encoder, weights, image_size as `load_encoder` takes them; width of the embeddings; columns."""

    encoder: str
    encoder_identity: str
    image_spec: ImageSpec
    width: int
    columns: tuple[str, ...]
    weights: str = "auto"
    image_size: str | None = None


@dataclass(frozen=True)
class Records:
    """Products as an index holds them.

    Attributes:
        ids [n] int64: unique.
        embeddings [n, d] float32: of length 1.
        paths [n] str: image files.
        columns: name -> [n] str; "" where the value is missing.
        encoder_identity: of the encoder that made the embeddings; "" if not known, which is not checked.
    """

    ids: NDArray[np.int64]
    embeddings: NDArray[np.float32]
    paths: NDArray[np.str_]
    columns: Mapping[str, NDArray[np.str_]]
    encoder_identity: str = ""

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: NDArray[np.int64]) -> "Records":
        """Return the products at `rows` [m]."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        return Records(self.ids[rows], self.embeddings[rows], self.paths[rows], columns, self.encoder_identity)

    def check(self, spec: IndexSpec) -> None:
        """Raise InputError unless an index of `spec` can take these."""
        if self.encoder_identity not in ("", spec.encoder_identity):
            raise InputError(
                f"these embeddings are of another encoder ({self.encoder_identity}) than the index's {spec.encoder} "
                f"({spec.encoder_identity}); encode the images with that"
            )
        if self.embeddings.ndim != 2 or self.embeddings.shape[1] != spec.width:
            raise InputError(f"embeddings are [n, {spec.width}] in this index, not {list(self.embeddings.shape)}")
        if {len(self.ids), len(self.paths), *map(len, self.columns.values())} != {len(self.embeddings)}:
            raise InputError("ids, embeddings, paths and columns differ in length")
        for name in self.columns:
            if name not in spec.columns:
                raise unknown_name_error("column", name, spec.columns)
        if missing := set(spec.columns) - set(self.columns):
            raise InputError(f"column {min(missing)} is missing")
        ids, counts = np.unique(self.ids, return_counts=True)
        if (counts > 1).any():
            raise InputError(f"id {ids[counts > 1][0]} occurs {counts.max()} times")
        _check_lengths(self.embeddings, self.ids)


@dataclass(frozen=True)
class Neighbors:
    """Nearest products of one query, the nearest first: ids [m] int64 and cosine similarities [m] float32."""

    ids: NDArray[np.int64]
    scores: NDArray[np.float32]


class Index(ABC):
    """Products with embeddings, searched by cosine similarity: the same for a folder and for a database.

    `name` is the folder or URL, without a password; `id` is random: another index built in the same place has another.
    """

    name: str
    id: str
    spec: IndexSpec

    @abstractmethod
    def __len__(self) -> int:
        """The number of products."""

    def add(self, records: Records) -> None:
        """Add products; when this returns, they are stored. InputError for an id that is there already."""
        records.check(self.spec)
        self._change(None, records)

    def update(self, records: Records) -> None:
        """Replace products; InputError for an id that is not there."""
        records.check(self.spec)
        self._change(records.ids, records)

    def delete(self, ids: NDArray[np.int64]) -> None:
        """Remove products; InputError for an id that is not there."""
        self._change(np.asarray(ids, np.int64), None)

    @abstractmethod
    def _change(self, removed: NDArray[np.int64] | None, added: Records | None) -> None:
        """Remove and add products, in one step."""

    @abstractmethod
    def compact(self) -> None:
        """Free the space of replaced and removed products."""

    @abstractmethod
    def stats(self) -> dict[str, Any]:
        """Return counts, bytes and the spec."""

    @abstractmethod
    def ids(self) -> NDArray[np.int64]:
        """Return the ids of all products, in ascending order."""

    @abstractmethod
    def refresh(self) -> bool:
        """Load what others have changed since; False when another index was built in this one's place."""

    def pinned(self) -> "Index":
        """Return the index as it is now, for several calls that belong together, where it can be kept from changing."""
        return self

    @abstractmethod
    def lookup(self, ids: NDArray[np.int64]) -> Records:
        """Return products by their ids, in that order; InputError for an id that is not there."""

    def nearest(self, embeddings: NDArray[np.float32], k: int, where: Where | None = None) -> list[Neighbors]:
        """Return the k products of highest cosine for each of [q, d], fewer where fewer match `where`."""
        queries = np.atleast_2d(np.asarray(embeddings, np.float32))
        if queries.shape[1] != self.spec.width:
            raise InputError(f"embeddings are [q, {self.spec.width}] in this index, not {list(queries.shape)}")
        _check_lengths(queries, np.arange(len(queries)))
        return self._nearest(queries, check_k(k), where)

    @abstractmethod
    def _nearest(self, queries: NDArray[np.float32], k: int, where: Where | None) -> list[Neighbors]: ...

    def _replaced(self) -> InputError:
        return InputError(f"{self.name}: another index was built here meanwhile; open it again")


def check_k(k: int) -> int:
    """Return a number of results as an int; InputError unless it is a whole number of at least 1."""
    if not isinstance(k, Integral) or k < 1:
        raise InputError(f"k is a whole number of at least 1, not {k!r}")
    return int(k)


def _check_lengths(embeddings: NDArray[np.float32], names: NDArray[np.int64]) -> None:
    """Raise InputError for the first of `embeddings` [n, d] that is not finite or not of length 1."""
    # Not np.linalg.norm, which makes a copy of them all.
    lengths = np.sqrt(np.einsum("ij,ij->i", embeddings, embeddings))
    wrong = np.flatnonzero(~(np.abs(lengths - 1) < _UNIT_TOLERANCE))
    if len(wrong):
        raise InputError(
            f"embedding of {names[wrong[0]]}: length {lengths[wrong[0]]:.3g}; embeddings here have length 1"
        )
