"""What goes into an index and what comes out, whatever stores it, and the checks that all indexes share."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fashion_keras.images.decode import ImageSpec
from fashion_keras.support.errors import InputError, unknown_name_error

Where = Mapping[str, str | Sequence[str]]

# How far from 1 the length of a vector may be.
_UNIT = 1e-2


@dataclass(frozen=True)
class IndexSpec:
    """What an index holds; vectors of another encoder are refused.

    Attributes:
        encoder, weights, image_size: what `load_encoder` takes.
        fingerprint: the encoder's identity.
        image: how its pictures become pixels.
        width: of its vectors.
        columns: of the products, to filter by.
    """

    encoder: str
    fingerprint: str
    image_spec: ImageSpec
    width: int
    columns: tuple[str, ...]
    weights: str = "auto"
    image_size: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields, as a manifest holds them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "IndexSpec":
        """Read what `to_dict` wrote."""
        return cls(**{**values, "image_spec": ImageSpec(**values["image_spec"]), "columns": tuple(values["columns"])})


@dataclass(frozen=True)
class Records:
    """Products as an index holds them.

    Attributes:
        ids [n] int64: unique.
        vectors [n, d] float32: of length 1.
        paths [n] str: of their pictures.
        columns: name -> [n] str; "" where the value is missing.
        fingerprint: identity of the encoder that made the vectors; "" for vectors from elsewhere, taken on trust.
    """

    ids: NDArray[np.int64]
    vectors: NDArray[np.float32]
    paths: NDArray[np.str_]
    columns: Mapping[str, NDArray[np.str_]]
    fingerprint: str = ""

    def __len__(self) -> int:
        return len(self.ids)

    def check(self, spec: IndexSpec) -> None:
        """Raise InputError unless an index of `spec` can take these."""
        if self.fingerprint not in ("", spec.fingerprint):
            raise InputError(
                f"these vectors are of another encoder ({self.fingerprint}) than the index's {spec.encoder} "
                f"({spec.fingerprint}); encode the pictures with that"
            )
        if self.vectors.ndim != 2 or self.vectors.shape[1] != spec.width:
            raise InputError(f"vectors are [n, {spec.width}] in this index, not {list(self.vectors.shape)}")
        if {len(self.ids), len(self.paths), *map(len, self.columns.values())} != {len(self.vectors)}:
            raise InputError("ids, vectors, paths and columns differ in length")
        for name in self.columns:
            if name not in spec.columns:
                raise unknown_name_error("column", name, spec.columns)
        if missing := set(spec.columns) - set(self.columns):
            raise InputError(f"column {min(missing)} is missing")
        ids, counts = np.unique(self.ids, return_counts=True)
        if (counts > 1).any():
            raise InputError(f"id {ids[counts > 1][0]} stands there {counts.max()} times")
        check_vectors(self.vectors, self.ids)


class Index(Protocol):
    """Products, their vectors, and which are nearest to a vector: the same for a folder and for a database."""

    spec: IndexSpec

    def __len__(self) -> int:
        """The number of products."""

    def add(self, records: Records) -> None:
        """Add products; when this returns, they are kept. InputError for an id that is there already."""

    def update(self, records: Records) -> None:
        """Replace products; InputError for an id that is not there."""

    def delete(self, ids: NDArray[np.int64]) -> None:
        """Remove products; InputError for an id that is not there."""

    def compact(self) -> None:
        """Give back the room of what was replaced and removed."""

    def stats(self) -> dict[str, Any]:
        """What is kept, and how."""

    def ids(self) -> NDArray[np.int64]:
        """Return the ids of all products, in ascending order."""

    def refresh(self) -> None:
        """See what others have changed since the index was opened."""

    def lookup(self, ids: NDArray[np.int64]) -> Records:
        """Return products by their ids, in that order; InputError for an id that is not there."""

    def nearest(self, vectors: NDArray[np.float32], k: int, where: Where | None = None) -> list["Neighbours"]:
        """Return the k products of highest cosine for each vector [q, d], fewer where fewer match `where`."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest products of one query, the nearest first: ids [m] int64 and cosines [m] float32."""

    ids: NDArray[np.int64]
    scores: NDArray[np.float32]


def check_vectors(vectors: NDArray[np.float32], names: NDArray[Any] | None = None) -> None:
    """Raise InputError for the first of `vectors` [n, d] that is not finite or not of length 1."""
    # Not np.linalg.norm, which makes a copy of them all.
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    wrong = np.flatnonzero(~(np.abs(lengths - 1) < _UNIT))
    if len(wrong):
        name = wrong[0] if names is None else names[wrong[0]]
        raise InputError(f"vector of {name}: length {lengths[wrong[0]]:.3g}; vectors here have length 1")


def normalize_filters(where: Where | None) -> dict[str, tuple[str, ...]]:
    """Return `where` with a tuple of values for each column."""
    return {name: (value,) if isinstance(value, str) else tuple(value) for name, value in (where or {}).items()}


def check_where(where: Where | None, values: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return what `asked` returns.

    Raises:
        InputError: for a column without a value, and a column or value that `values` does not hold; offers the nearest.
    """
    wanted = normalize_filters(where)
    for name, choices in wanted.items():
        if name not in values:
            raise unknown_name_error("column", name, values)
        if not choices:
            raise InputError(f"no value of {name} to filter by; known: {', '.join(values[name])}")
        for value in choices:
            if value not in values[name]:
                raise unknown_name_error(f"value of {name}", value, values[name])
    return wanted


def check_query(vectors: NDArray[np.float32], k: int, spec: IndexSpec, size: int) -> NDArray[np.float32]:
    """Return queries as [q, d] float32; InputError unless an index of `size` products can answer them with k each."""
    vectors = np.atleast_2d(np.asarray(vectors, np.float32))
    if vectors.shape[1] != spec.width:
        raise InputError(f"vectors are [q, {spec.width}] in this index, not {list(vectors.shape)}")
    check_vectors(vectors)
    if not 1 <= k <= size:
        raise InputError(f"k is from 1 to the {size} products of the index, not {k}")
    return vectors
