"""Index contents and the Index protocol: what a folder and a database have in common, and the checks they share."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fashion_keras.images.spec import ImageSpec
from fashion_keras.search.filters import Where
from fashion_keras.support.errors import InputError, unknown_name_error

# So many images are processed at a time.
BLOCK_ROWS = 8192
# How far from 1 the length of an embedding may be.
_UNIT_TOLERANCE = 1e-2


@dataclass(frozen=True)
class IndexSpec:
    """Index contents: encoder, weights, image_size as `embedding_source` takes them; width of the embeddings; columns.

    `image_spec` is None where the embeddings came from a file: there is no encoder for new images. `numbers` are those
    of `columns` that hold numbers; the others hold texts.
    """

    encoder: str
    encoder_identity: str
    image_spec: ImageSpec | None
    width: int
    columns: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    weights: str = "auto"
    image_size: str | None = None


@dataclass(frozen=True)
class Records:
    """Images of products as an index holds them.

    Attributes:
        ids [n] str: of the images, unique.
        skus [n] str: the product of each image.
        embeddings [n, d] float32: of length 1.
        paths [n] str: image files.
        columns: name -> [n] str, "" where the value is missing, or [n] int64 or float64, NaN where missing.
        encoder_identity: of the encoder that made the embeddings; "" if not known, which is not checked.
    """

    ids: NDArray[np.str_]
    skus: NDArray[np.str_]
    embeddings: NDArray[np.float32]
    paths: NDArray[np.str_]
    columns: Mapping[str, NDArray[Any]]
    encoder_identity: str = ""

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: NDArray[np.int64] | slice) -> "Records":
        """Return the images at `rows` [m], without a copy where these are a slice."""
        arrays = {name: getattr(self, name)[rows] for name in ("ids", "skus", "embeddings", "paths")}
        return replace(self, **arrays, columns={name: values[rows] for name, values in self.columns.items()})

    def blocks(self) -> Iterator["Records"]:
        """Yield the images in blocks of 1 to `BLOCK_ROWS`."""
        for start in range(0, len(self), BLOCK_ROWS):
            yield self.take(slice(start, start + BLOCK_ROWS))

    def check(self, spec: IndexSpec) -> None:
        """Raise InputError unless an index of `spec` can take these."""
        if self.encoder_identity not in ("", spec.encoder_identity):
            raise InputError(
                f"these embeddings are of another encoder ({self.encoder_identity}) than the index's {spec.encoder} "
                f"({spec.encoder_identity}); encode the images with that"
            )
        if self.embeddings.ndim != 2 or self.embeddings.shape[1] != spec.width:
            raise InputError(f"embeddings are [n, {spec.width}] in this index, not {list(self.embeddings.shape)}")
        lengths = map(len, (self.ids, self.skus, self.paths, *self.columns.values()))
        if {*lengths} - {len(self.embeddings)}:
            raise InputError("ids, skus, embeddings, paths and columns differ in length")
        for name, values in self.columns.items():
            if name not in spec.columns:
                raise unknown_name_error("column", name, spec.columns)
            if is_numeric(values) != (name in spec.numbers):
                holds, not_held = ("numbers", "texts") if name in spec.numbers else ("texts", "numbers")
                raise InputError(
                    f"column {name} holds {holds} in this index, not {not_held}; build the index again with "
                    "`fashion-keras index --overwrite`"
                )
        if missing := set(spec.columns) - set(self.columns):
            raise InputError(f"column {min(missing)} is missing")
        ids, counts = np.unique(self.ids, return_counts=True)
        if (counts > 1).any():
            raise InputError(f"id {ids[counts > 1][0]} occurs {counts.max()} times")
        _check_lengths(self.embeddings, self.ids)


@dataclass(frozen=True)
class Neighbors:
    """Nearest images of one query, the nearest first: their ids [m] str and cosine similarities [m] float32."""

    ids: NDArray[np.str_]
    scores: NDArray[np.float32]


class Index(ABC):
    """Images with embeddings, searched by cosine similarity: the same for a folder and for a database.

    `name` is the folder or URL, without a password; `id` is random: another index built in the same place has another.
    """

    name: str
    id: str
    spec: IndexSpec

    @classmethod
    def create(
        cls,
        place: str | Path,
        spec: IndexSpec,
        records: Records | Iterable[Records] | None = None,
        overwrite: bool = False,
    ) -> Self:
        """Make an index in a folder or a database in one step: when this is ended before, there is none.

        Args:
            place: the folder, or postgresql://...
            spec: what the index holds.
            records: its images, all at once, or in blocks of any size that are stored as they come, so that memory
                does not hold them all; None for an empty index.
            overwrite: replace an index that is there; until the new one is complete, searches use the old one.

        Raises:
            InputError: for a place that is taken; for records that do not fit `spec`, and an id that occurs twice, in
                whichever blocks: then nothing is left of the new index.
        """
        return cls._create(str(place), spec, _checked_blocks(records, spec), overwrite)

    @classmethod
    @abstractmethod
    def _create(cls, place: str, spec: IndexSpec, blocks: Iterator[Records], overwrite: bool) -> Self:
        """See `create`; the blocks are checked as they are taken."""

    @abstractmethod
    def __len__(self) -> int:
        """The number of images."""

    def add(self, records: Records) -> None:
        """Add images; when this returns, they are stored. InputError for an id that is there already."""
        records.check(self.spec)
        self._change(None, records)

    def update(self, records: Records) -> None:
        """Replace images; InputError for an id that is not there."""
        records.check(self.spec)
        self._change(records.ids, records)

    def delete(self, ids: ArrayLike) -> None:
        """Remove images; InputError for an id that is not there."""
        self._change(as_ids(ids), None)

    @abstractmethod
    def _change(self, removed: NDArray[np.str_] | None, added: Records | None) -> None:
        """Remove and add images, in one step."""

    @abstractmethod
    def compact(self) -> None:
        """Free the space of replaced and removed images."""

    @abstractmethod
    def stats(self) -> dict[str, Any]:
        """Return counts, bytes and the spec."""

    @abstractmethod
    def ids(self) -> NDArray[np.str_]:
        """Return the ids of all images, in ascending order."""

    @abstractmethod
    def find(self, name: str) -> NDArray[np.str_]:
        """Return the image ids that a name stands for: itself, or, ascending, those of the product with that SKU."""

    @abstractmethod
    def refresh(self) -> bool:
        """Load what others have changed since; False when another index was built in this one's place."""

    @abstractmethod
    def state(self) -> str:
        """Return a text that is another one after every change of the images."""

    @abstractmethod
    def select(self, columns: Sequence[str], where: Where | None = None) -> dict[str, NDArray[Any]]:
        """Return "id", "sku" and columns [n] of all images that match `where`, in ascending order of their ids."""

    def pinned(self) -> "Index":
        """Return the index as it is now, for several calls that belong together, where it can be kept from changing."""
        return self

    @abstractmethod
    def lookup(self, ids: ArrayLike) -> Records:
        """Return images by their ids, in that order; InputError for an id that is not there."""

    def nearest(self, embeddings: NDArray[np.float32], k: int, where: Where | None = None) -> list[Neighbors]:
        """Return the k images of highest cosine for each of [q, d], fewer where fewer match `where`."""
        queries = np.atleast_2d(np.asarray(embeddings, np.float32))
        if queries.shape[1] != self.spec.width:
            raise InputError(f"embeddings are [q, {self.spec.width}] in this index, not {list(queries.shape)}")
        _check_lengths(queries, np.arange(len(queries)))
        return self._nearest(queries, check_k(k), where)

    @abstractmethod
    def _nearest(self, queries: NDArray[np.float32], k: int, where: Where | None) -> list[Neighbors]: ...

    def _replaced(self) -> InputError:
        return InputError(f"{self.name}: another index was built here meanwhile; open it again")


def _checked_blocks(records: Records | Iterable[Records] | None, spec: IndexSpec) -> Iterator[Records]:
    """Return images in blocks of 1 to `BLOCK_ROWS`; InputError, for `Records` at once, where they do not fit `spec`."""
    if isinstance(records, Records):
        records.check(spec)
        return records.blocks()
    return _check_each(() if records is None else records, spec)


def _check_each(records: Iterable[Records], spec: IndexSpec) -> Iterator[Records]:
    for block in records:
        block.check(spec)
        yield from block.blocks()


def check_k(k: int) -> int:
    """Return a number of results as an int; InputError unless it is a whole number of at least 1."""
    if not isinstance(k, Integral) or k < 1:
        raise InputError(f"k is a whole number of at least 1, not {k!r}")
    return int(k)


def as_ids(ids: ArrayLike) -> NDArray[Any]:
    """Return one id or several as an array of texts [m]; numbers become their text."""
    return np.atleast_1d(np.asarray(ids, np.str_))


def is_numeric(values: NDArray[Any]) -> bool:
    """Return whether a column holds numbers and not texts."""
    return values.dtype.kind in "iuf"


def _check_lengths(embeddings: NDArray[np.float32], names: NDArray[Any]) -> None:
    """Raise InputError for the first of `embeddings` [n, d] that is not finite or not of length 1."""
    # Not np.linalg.norm, which makes a copy of them all.
    lengths = np.sqrt(np.einsum("ij,ij->i", embeddings, embeddings))
    wrong = np.flatnonzero(~(np.abs(lengths - 1) < _UNIT_TOLERANCE))
    if len(wrong):
        first = wrong[0]
        raise InputError(f"embedding of {names[first]}: length {lengths[first]:.3g}; embeddings here have length 1")
