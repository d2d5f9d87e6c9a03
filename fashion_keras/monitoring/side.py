"""One side of a comparison: an index or a batch folder, with labels in memory and embeddings read block by block."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.column_types import as_text
from fashion_keras.catalog.columns import GROUP, LABEL_SEPARATOR, TITLE
from fashion_keras.catalog.product_hashes import group_products
from fashion_keras.features.batch_folder import COLUMN, BatchFolder, is_batch_folder
from fashion_keras.images.near_duplicates import THUMBNAIL
from fashion_keras.search.indexing import open_index
from fashion_keras.support.errors import InputError
from fashion_keras.tagging.annotate import ABSTAINED, GATED, OUTLIER_SCORE, RELEASED

if TYPE_CHECKING:
    import pyarrow as pa

STATES = (RELEASED, ABSTAINED, GATED)
_SIGNATURE = (THUMBNAIL.height, THUMBNAIL.width, 3)
_BLOCK = 4096  # images read at a time
_NOT_LABELS = (TITLE, GROUP)

Texts = NDArray[np.str_]


@dataclass(frozen=True)
class Block:
    """Some images of a side: the row of the first, embeddings [m, d] of length 1, thumbnails [m, 20, 15, 3] or None."""

    start: int
    embeddings: NDArray[np.float32]
    signatures: NDArray[np.uint8] | None


@dataclass(frozen=True)
class TagColumn:
    """Tags of an attribute: released labels [n] str, "" for none, bars between several; states [n] str of STATES."""

    labels: Texts
    states: Texts


@dataclass(frozen=True)
class DriftSide:
    """Images of products, n rows; what does not fit into memory is read by `blocks`.

    Attributes:
        place: index or folder, without a password.
        encoder, encoder_identity: that made the embeddings.
        from_file: whether they came from a file of embeddings, of which the encoder is not known.
        width: d of the embeddings.
        ids, skus, titles: [n] str each; titles may be "".
        products: [n] str, the product of each image; see `pair_products`.
        columns: name -> labels [n] str of the catalog's own columns, "" where missing.
        tags: attribute -> tags of a tagger; {} without one.
        tagger: digest of that tagger; "" where it is not known.
        target_precision: of those tags; None without a tagger.
        outlier_scores: [n] float32 in 0..1, or None.
        has_signatures: whether blocks have thumbnails.
        blocks: returns the images block by block, in the order of the rows.
    """

    place: str
    encoder: str
    encoder_identity: str
    from_file: bool
    width: int
    ids: Texts
    skus: Texts
    titles: Texts
    products: Texts
    columns: Mapping[str, Texts]
    tags: Mapping[str, TagColumn]
    tagger: str
    target_precision: float | None
    outlier_scores: NDArray[np.float32] | None
    has_signatures: bool
    blocks: Callable[[], Iterator[Block]] = field(repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    def first_rows(self) -> NDArray[np.int64]:
        """Return the first row of each product [p], ascending: images of a product count once."""
        return np.sort(np.unique(self.products, return_index=True)[1])

    def gather(self, rows: NDArray[np.int64]) -> Block:
        """Return the images at `rows` [m], ascending, as one block that starts at -1."""
        blocks = []
        for block in self.blocks():
            inside = rows[(rows >= block.start) & (rows < block.start + len(block.embeddings))] - block.start
            signatures = None if block.signatures is None else block.signatures[inside]
            blocks.append((block.embeddings[inside], signatures))
        signatures = np.concatenate([each for _, each in blocks]) if self.has_signatures else None
        return Block(-1, np.concatenate([each for each, _ in blocks]), signatures)


def load_side(place: str | Path) -> DriftSide:
    """Open an index (a folder or postgresql:// URL) or a batch folder as a side of a comparison.

    InputError when there is neither, it is empty, or a value is damaged; a damaged embedding is found by `blocks`.
    """
    side = _batch_side(Path(place)) if is_batch_folder(place) else _index_side(place)
    if not len(side):
        raise InputError(f"{side.place}: holds no images, so there is nothing to compare")
    return side


def pair_products(reference: DriftSide, new: DriftSide) -> tuple[DriftSide, DriftSide]:
    """Return both sides with their products: equal for one SKU or one normalized title, whichever side it is on."""
    skus, titles = (np.concatenate([getattr(side, name) for side in (reference, new)]) for name in ("skus", "titles"))
    products = group_products(skus.tolist(), titles.tolist())
    return replace(reference, products=products[: len(reference)]), replace(new, products=products[len(reference) :])


def unit_embeddings(embeddings: NDArray[Any], ids: Texts, place: str) -> NDArray[np.float32]:
    """Return embeddings [m, d] as float32 of length 1; InputError for the first of `ids` [m] that is unusable."""
    embeddings = embeddings.astype(np.float32, copy=False)
    lengths = np.linalg.norm(embeddings, axis=1)
    wrong = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if len(wrong):
        raise InputError(f"{place}: the embedding of image {ids[wrong[0]]} is not finite or 0; encode the images again")
    return embeddings / lengths[:, None]


def _index_side(place: str | Path) -> DriftSide:
    index = open_index(place).pinned()
    spec = index.spec
    rows = index.select(spec.columns)
    ids = rows["id"]

    def blocks() -> Iterator[Block]:
        for start in range(0, len(ids), _BLOCK):
            part = ids[start : start + _BLOCK]
            yield Block(start, unit_embeddings(index.lookup(part).embeddings, part, index.name), None)

    return DriftSide(
        place=index.name,
        encoder=spec.encoder,
        encoder_identity=spec.encoder_identity,
        from_file=spec.image_spec is None,
        width=spec.width,
        ids=ids,
        skus=rows["sku"],
        products=rows["sku"],
        titles=rows[TITLE] if TITLE in spec.columns else np.full(len(ids), ""),
        columns={name: as_text(rows[name]) for name in spec.columns if name not in _NOT_LABELS},
        tags={},
        tagger="",
        target_precision=None,
        outlier_scores=None,
        has_signatures=False,
        blocks=blocks,
    )


def _batch_side(place: Path) -> DriftSide:
    folder = BatchFolder.open(place)
    model, own = folder.manifest.model, folder.manifest.columns
    scores = [OUTLIER_SCORE] if folder.attributes else []
    parts = list(folder.tables(["sku", "image_id", *scores, *folder.attributes, *(COLUMN + name for name in own)]))
    ids, skus = (_texts(parts, name) for name in ("image_id", "sku"))
    columns = {name: _texts(parts, COLUMN + name) for name in own}

    def blocks() -> Iterator[Block]:
        start = 0
        for table in folder.tables(["embedding", "signature"]):
            for offset in range(0, len(table), _BLOCK):
                part = table.slice(offset, _BLOCK)
                embeddings = _embeddings(part, model.width, str(place))
                embeddings = unit_embeddings(embeddings, ids[start : start + len(part)], str(place))
                yield Block(start, embeddings, _signatures(part))
                start += len(part)

    return DriftSide(
        place=str(place),
        encoder=model.encoder,
        encoder_identity=model.identity,
        from_file=False,
        width=model.width,
        ids=ids,
        skus=skus,
        products=skus,
        titles=columns.get(TITLE, np.full(len(ids), "")),
        columns={name: values for name, values in columns.items() if name not in _NOT_LABELS},
        tags={name: _tag_column(parts, name) for name in folder.attributes},
        tagger=model.tagger_sha256 or "",
        target_precision=model.target_precision,
        outlier_scores=_scores(parts, ids, str(place)) if scores else None,
        has_signatures=True,
        blocks=blocks,
    )


def _texts(tables: list["pa.Table"], name: str) -> Texts:
    """Return a column of texts or numbers [n] as texts, "" where missing."""
    cells = [cell for table in tables for cell in table[name].to_pylist()]
    if all(cell is None or isinstance(cell, str) for cell in cells):
        return np.array(["" if cell is None else cell for cell in cells], np.str_)
    return as_text(np.array([np.nan if cell is None else cell for cell in cells], np.float64))


def _tag_column(tables: list["pa.Table"], name: str) -> TagColumn:
    """Return the tags of an attribute; the most probable label, which is stored of others, is none of them."""
    cells = [cell for table in tables for cell in table[name].to_pylist()]
    labels = [LABEL_SEPARATOR.join(cell["label"]) if cell["state"] == RELEASED else "" for cell in cells]
    return TagColumn(np.array(labels, np.str_), np.array([cell["state"] for cell in cells], np.str_))


def _scores(tables: list["pa.Table"], ids: Texts, place: str) -> NDArray[np.float32]:
    """Return outlier scores [n]; InputError for one that is missing."""
    cells = [np.nan if cell is None else cell for table in tables for cell in table[OUTLIER_SCORE].to_pylist()]
    scores = np.array(cells, np.float32)
    wrong = np.flatnonzero(~np.isfinite(scores))
    if len(wrong):
        raise InputError(f"{place}: the outlier score of image {ids[wrong[0]]} is missing; tag the images again")
    return scores


def _embeddings(table: "pa.Table", width: int, place: str) -> NDArray[Any]:
    """Return the embeddings [m, d] of a part of a shard; InputError where they are not all of one width."""
    values = table["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    if len(values) != len(table) * width:
        raise InputError(f"{place}: embeddings are missing, or not all of {width} numbers; encode the images again")
    return values.reshape(len(table), width)


def _signatures(table: "pa.Table") -> NDArray[np.uint8]:
    data = b"".join(table["signature"].to_pylist())
    return np.frombuffer(data, np.uint8).reshape(len(table), *_SIGNATURE)
