"""Index building: encode a catalog into an index, update the index, open it."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.column_types import as_text, text_array
from fashion_keras.catalog.columns import GROUP, TITLE, Columns
from fashion_keras.catalog.product_hashes import group_products
from fashion_keras.catalog.readers import Catalog
from fashion_keras.features.embeddings import EmbeddingSource, embedding_source
from fashion_keras.features.encoder import Encoder
from fashion_keras.features.registry import DEFAULT_ENCODER, load_encoder
from fashion_keras.images.spec import parse_image_size
from fashion_keras.images.validation import load_catalog
from fashion_keras.search.base import Index, IndexSpec, Records, is_numeric
from fashion_keras.search.config import DEFAULT_INDEX
from fashion_keras.search.local import LocalIndex
from fashion_keras.support.errors import InputError
from fashion_keras.support.file_systems import is_address
from fashion_keras.support.verbose_argument import takes_verbose

log = logging.getLogger("fashion_keras")

_URL = re.compile(r"postgres(ql)?://", re.IGNORECASE)
# A connection string of libpq, which may hold a password: not taken for the name of a folder.
_KEYWORDS = re.compile(r"(^|\s)(host|hostaddr|port|dbname|user|password|passfile|service|sslmode)\s*=")


@dataclass(frozen=True)
class UpdateSummary:
    """How many images of an index were added, replaced and removed; rejected rows of the catalog."""

    added: int
    updated: int
    deleted: int
    rejected: int


@takes_verbose
def build_index(
    data: Any = None,  # noqa: ANN401 - whatever `load_catalog` takes
    encoder: str | Path = DEFAULT_ENCODER,
    out: str | Path = DEFAULT_INDEX,
    weights: str | Path = "auto",
    image_size: int | tuple[int, int] | str | None = None,
    overwrite: bool = False,
) -> Index:
    """Encode a catalog's images and make an index of them, or of embeddings in a file.

    Args:
        data: a `Catalog`, DataFrame or path, "sample", or a config; by default data/ if the Kaggle set is there.
        encoder, weights, image_size: as `load_encoder` takes them; or a file of embeddings, see `read_embeddings`:
            such an index is searched by image id or SKU alone.
        out: a new folder, or postgresql://USER@HOST/DATABASE[?index=NAME].
        overwrite: replace an index that is there, in one step: until then searches use the old index.

    Raises:
        InputError: when there is an index already, or catalog, encoder or server cannot be used.
    """
    kind, place = index_location(out)
    # Before anything that takes long.
    kind.check_free(place, overwrite)
    size = None if image_size is None else "{}x{}".format(*parse_image_size(image_size))
    catalog = load_catalog(data)
    source = embedding_source(encoder, str(weights), size)
    records = _records(catalog, source)
    spec = IndexSpec(
        encoder=str(encoder),
        weights=str(weights),
        image_size=size,
        encoder_identity=source.identity,
        image_spec=source.image_spec,
        width=records.embeddings.shape[1],
        columns=tuple(records.columns),
        numbers=tuple(name for name, values in records.columns.items() if is_numeric(values)),
    )
    index = kind.create(place, spec, records, overwrite)
    log.info("%s: %d images, %d rows and files rejected", index.name, len(index), len(catalog.rejected))
    return index


@takes_verbose
def update_index(index: Index, data: Any = None) -> UpdateSummary:  # noqa: ANN401 - whatever `load_catalog` takes
    """Bring an index up to date with its catalog: add, replace and remove what differs.

    Raises:
        InputError: as `build_index`, and when the catalog has other columns, or texts where the index has numbers.
    """
    catalog = load_catalog(data)
    spec = index.spec
    source = embedding_source(spec.encoder, spec.weights, spec.image_size)
    check_identity(spec, source.identity)
    records = _records(catalog, source)
    records = replace(records, columns=_as_stored(records.columns, spec))
    records.check(spec)
    before = index.ids()
    known = np.isin(records.ids, before)
    new, common = np.flatnonzero(~known), np.flatnonzero(known)
    changed = common[differ(index, records.take(common))]
    removed = np.setdiff1d(before, records.ids)
    for rows, change in ((new, index.add), (changed, index.update)):
        if len(rows):
            change(records.take(rows))
    if len(removed):
        index.delete(removed)
    return UpdateSummary(len(new), len(changed), len(removed), len(catalog.rejected))


def open_index(location: str | Path) -> Index:
    """Open the index in a folder or a database; InputError when there is none."""
    kind, place = index_location(location)
    return kind(place)


def index_catalog(index: Index) -> Catalog:
    """Return the images of an index as a catalog, without the rows and files that were rejected."""
    records = index.lookup(index.ids())
    columns = Columns(records.columns)
    titles = columns[TITLE].tolist() if TITLE in columns else ()
    groups = as_text(columns[GROUP]).tolist() if GROUP in columns else ()
    return Catalog(
        folder=Path(index.name),
        skus=records.skus,
        image_ids=records.ids,
        paths=records.paths,
        columns=columns,
        product_groups=group_products(records.skus.tolist(), titles, groups),
        rejected=(),
        inputs=len(records),
    )


def load_index_encoder(spec: IndexSpec) -> Encoder:
    """Load the encoder of an index; InputError when it has none, or another one than made the embeddings."""
    if spec.image_spec is None:
        raise InputError(
            f"the index was made of the embeddings in {spec.encoder}, so there is no encoder for new images and texts: "
            "search by an image id or SKU"
        )
    encoder = load_encoder(spec.encoder, spec.weights, spec.image_size)
    check_identity(spec, encoder.identity)
    return encoder


def check_identity(spec: IndexSpec, identity: str) -> None:
    """Raise InputError unless embeddings of that identity can be compared with those of an index."""
    if identity != spec.encoder_identity:
        raise InputError(
            f"the index was made by another {spec.encoder} (weights {spec.encoder_identity}, now {identity}); build it "
            "again with `fashion-keras index --overwrite`"
        )


def index_location(location: str | Path) -> tuple[type, str | Path]:
    """Return the class of index at a location, and what that opens."""
    if not _URL.match(str(location)):
        if isinstance(location, str) and _KEYWORDS.search(location):
            raise InputError("a connection string of keywords is not supported: write postgresql://USER@HOST/DATABASE")
        if is_address(str(location)):
            raise InputError(
                f"{location}: an index lies in a folder, or in PostgreSQL at postgresql://USER@HOST/DATABASE"
            )
        return LocalIndex, location
    try:
        from fashion_keras.search.postgres import PostgresIndex  # noqa: PLC0415 - an extra, not installed by all
    except ModuleNotFoundError as error:
        raise InputError(f"an index in PostgreSQL needs {error.name}: pip install 'fashion_keras[postgres]'") from None
    return PostgresIndex, str(location)


def _records(catalog: Catalog, source: EmbeddingSource) -> Records:
    embeddings = source.embed(catalog)
    paths = [str(Path(path).absolute()) for path in catalog.paths.tolist()]
    names = catalog.image_ids, catalog.skus
    return Records(*names, embeddings, text_array(paths), dict(catalog.columns), source.identity)


def _as_stored(columns: Mapping[str, NDArray[Any]], spec: IndexSpec) -> dict[str, NDArray[Any]]:
    """Return columns as an index holds them: numbers as texts where it has texts, missing numbers where all miss."""
    stored = {}
    for name, values in columns.items():
        all_missing = name in spec.numbers and not is_numeric(values) and not any(values)
        numbers = np.full(len(values), np.nan) if all_missing else values
        stored[name] = numbers if name in spec.numbers else as_text(values)
    return stored


def differ(index: Index, records: Records) -> NDArray[np.bool_]:
    """Return [n]: whether the index holds another embedding, SKU, path or attribute for each of n images of it."""
    stored = index.lookup(records.ids)
    # The server stores embeddings in 16 bits.
    differ = np.abs(stored.embeddings - records.embeddings).max(axis=1, initial=0) > 1e-3
    differ |= (stored.skus != records.skus) | (stored.paths != records.paths)
    for name, values in records.columns.items():
        both_missing = np.isnan(values) & np.isnan(stored.columns[name]) if is_numeric(values) else False
        differ |= (stored.columns[name] != values) & np.logical_not(both_missing)
    return differ
