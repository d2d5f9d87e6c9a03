"""Embedding files: embeddings of a catalog's images, of any other program or of a batch run, in a file or folder."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.features.batch_folder import BatchFolder, is_batch_folder
from fashion_keras.support.array_files import map_array
from fashion_keras.support.atomic_files import file_sha256
from fashion_keras.support.errors import InputError, reraise_shortage

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger("fashion_keras")

_NPY, _PARQUET, _IDS = ".npy", ".parquet", ".ids.txt"
_ID_COLUMNS, _EMBEDDING = ("image_id", "sku"), "embedding"


def is_embedding_file(name: str) -> bool:
    """Return whether the name of an encoder is that of a file of embeddings.

    >>> is_embedding_file("runs/clip.parquet"), is_embedding_file("resnet50:max")
    (True, False)
    """
    return Path(name).suffix.lower() in (_NPY, _PARQUET) or is_batch_folder(name)


def embedding_path(name: str) -> Path:
    """Return the path of a file of embeddings; InputError when it is not there."""
    if not Path(name).is_file() and not is_batch_folder(name):
        raise InputError(f"{name}: no such file of embeddings")
    return Path(name)


def file_identity(path: Path) -> str:
    """Return 24 hexadecimal digits of the SHA-256 over the content of a file and of its ids; an encoder's of a folder.

    A batch folder has the identity of the encoder that made its embeddings.
    """
    if is_batch_folder(path):
        return BatchFolder.open(path).manifest.model.identity
    digests = [file_sha256(part) for part in (path, path.with_suffix(_IDS)) if part.is_file()]
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:24]


def read_embeddings(path: Path, catalog: Catalog) -> NDArray[np.float32]:
    """Return the embeddings [n, d] float32 of a catalog's n images, scaled to length 1.

    - Parquet: columns `image_id`, or `sku` for products with one image each, and `embedding`: lists of d floats;
    - a batch folder, as `features encode` and `tag` write it;
    - .npy: floats [m, d]. NAME.ids.txt beside NAME.npy has the m image ids, one a line. Without it, the rows are those
      of the catalog as it was read, if there are as many.

    Rows are matched by image id; those of other images are ignored. Nothing is unpickled.

    Raises:
        InputError: for another layout; an image without a row, or with two; a row that is not finite, or all zero.
    """
    if is_batch_folder(path):
        ids, values = _read_batch(path)
    else:
        ids, values = _read_npy(path, catalog) if path.suffix.lower() == _NPY else _read_parquet(path)
    rows = _match(path, ids, catalog.image_ids.tolist())
    with np.errstate(over="ignore"):
        embeddings = values[rows].astype(np.float32)
    lengths = np.sqrt(np.einsum("ij,ij->i", embeddings, embeddings, dtype=np.float64))
    wrong = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if len(wrong):
        row = rows[wrong[0]]
        fault = "all zero" if lengths[wrong[0]] == 0 else "NaN or infinite"
        raise InputError(f"{_at(path, row)}, image {ids[row]!r}: {fault}")
    log.info("%s: %d of %d rows, %d numbers each", path, len(rows), *values.shape)
    embeddings /= lengths.astype(np.float32)[:, None]
    return embeddings


def _at(path: Path, row: int) -> str:
    return f"{path}: row {row} (from 0)"


def _match(path: Path, ids: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Return the row of each wanted image; InputError for an id that is there twice, or not at all."""
    rows: dict[str, int] = {}
    for row, name in enumerate(ids):
        if rows.setdefault(name, row) != row:
            raise InputError(f"{_at(path, row)}: image {name!r} again, as in row {rows[name]}")
    missing = [name for name in wanted if name not in rows]
    if missing:
        raise InputError(
            f"{path}: no row for {len(missing)} of {len(wanted)} images of the catalog, the first {missing[0]!r}; "
            "ids are the `image_ids` of read_catalog"
        )
    return [rows[name] for name in wanted]


def _read_npy(path: Path, catalog: Catalog) -> tuple[list[str], NDArray[np.floating]]:
    """Return the ids of the m rows, and the rows [m, d], memory-mapped."""
    values = map_array(path)
    if values.ndim != 2 or values.dtype.kind != "f" or not values.shape[1]:
        raise InputError(f"{path}: {values.dtype} {list(values.shape)}; embeddings are float32 [n, d]")
    ids_path = path.with_suffix(_IDS)
    if ids_path.is_file():
        ids = _read_lines(ids_path)
        if len(ids) != len(values):
            raise InputError(f"{ids_path}: {len(ids)} lines, but {path.name} has {len(values)} rows")
        return ids, values
    ids = catalog.source_ids.tolist()
    if len(ids) != len(values):
        raise InputError(
            f"{path}: {len(values)} rows, but {len(ids)} images in {catalog.folder}; write the image id of each row "
            f"to {ids_path}, one a line"
        )
    log.info("%s: no %s, so the rows are taken to be in the order of %s", path, ids_path.name, catalog.folder)
    return ids, values


def _read_lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reraise_shortage(error)
        raise InputError(f"{path}: not UTF-8 text ({error})") from None
    # Not `splitlines`, which also splits at characters that may stand in an id.
    lines = text.removesuffix("\n").split("\n")
    return [line.removesuffix("\r") for line in lines]


def _read_batch(path: Path) -> tuple[list[str], NDArray[np.floating]]:
    """Return the ids of the m rows, and the rows [m, d]."""
    folder = BatchFolder.open(path)
    tables = [*folder.tables(["image_id", _EMBEDDING])]
    ids = [name for table in tables for name in table["image_id"].to_pylist()]
    parts = [_rows(path, table[_EMBEDDING]) for table in tables if len(table)]
    if not parts:
        raise InputError(f"{path}: no rows")
    if any(part.shape[1] != folder.manifest.model.width for part in parts):
        raise InputError(
            f"{path}: a shard's embeddings have not the {folder.manifest.model.width} numbers of its manifest"
        )
    return ids, np.concatenate(parts)


def _read_parquet(path: Path) -> tuple[list[str], NDArray[np.floating]]:
    """Return the ids of the m rows, and the rows [m, d]."""
    import pyarrow as pa  # noqa: PLC0415 - help must not wait for it
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    try:
        file = pq.ParquetFile(path)
        names = file.schema_arrow.names
        column = next((name for name in _ID_COLUMNS if name in names), "")
        if not column or _EMBEDDING not in names:
            raise InputError(f"{path}: columns {', '.join(names)}; image_id or sku, and embedding, are needed")
        table = file.read([column, _EMBEDDING])
        table.validate(full=True)  # texts that are no Unicode, codes beyond a dictionary
    except (OSError, UnicodeDecodeError, OverflowError, MemoryError, pa.ArrowException) as error:
        reraise_shortage(error)
        raise InputError(f"{path}: not a whole Parquet file ({' '.join(str(error).split())[:160]})") from None
    return _ids(path, table[column]), _rows(path, table[_EMBEDDING])


def _ids(path: Path, column: "pa.ChunkedArray") -> list[str]:
    import pyarrow as pa  # noqa: PLC0415 - as above

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise InputError(f"{path}: ids are texts or whole numbers, not {column.type}")
    if column.null_count:
        raise InputError(f"{_at(path, column.is_null().to_pylist().index(True))}: no id")
    return column.cast(pa.string()).to_pylist()


def _rows(path: Path, column: "pa.ChunkedArray") -> NDArray[np.floating]:
    """Return lists of floats, all of one length, as an array [m, d]."""
    import pyarrow as pa  # noqa: PLC0415 - as above
    import pyarrow.compute as pc  # noqa: PLC0415 - as above

    kind = column.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not (is_list and pa.types.is_floating(kind.value_type)):
        raise InputError(f"{path}: column {_EMBEDDING} has {kind}; lists of float32 are needed")
    if column.null_count:
        raise InputError(f"{_at(path, column.is_null().to_pylist().index(True))}: no embedding")
    widths = pc.list_value_length(column).to_numpy()
    differ = np.flatnonzero((widths != widths[:1]) | (widths == 0))
    if len(differ):
        raise InputError(f"{_at(path, differ[0])}: {widths[differ[0]]} numbers, where the first row has {widths[0]}")
    if not len(widths):
        raise InputError(f"{path}: no rows")
    parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return np.concatenate(parts).reshape(len(widths), -1)
