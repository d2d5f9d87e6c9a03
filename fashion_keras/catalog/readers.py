"""Catalog readers: any usual table or folder of product images as a `Catalog`."""

import gc
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_keras.catalog.attributes import TASKS, AttributeGroup, parse_task
from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.columns import SKU, parse_mapping, path_columns
from fashion_keras.catalog.corrected import apply_corrections
from fashion_keras.catalog.sources.assemble import make_catalog
from fashion_keras.catalog.sources.image_files import ImageFiles, is_junk
from fashion_keras.catalog.sources.imaterialist import find_imaterialist, read_imaterialist
from fashion_keras.catalog.sources.kaggle_json import read_style_files
from fashion_keras.catalog.sources.row_images import find_row_images, images_by_sku
from fashion_keras.catalog.sources.shards import find_shards, is_tar, read_parquet_shards, read_webdataset
from fashion_keras.catalog.sources.table import Table
from fashion_keras.catalog.sources.table_readers import (
    FOREIGN_SUFFIXES,
    TABLE_SUFFIXES,
    is_table,
    read_table,
    table_of_frame,
)
from fashion_keras.catalog.sources.tfds_reader import INFO, read_tfds_table
from fashion_keras.catalog.sources.tree import PARTS, read_path_list, read_tree
from fashion_keras.support.errors import InputError
from fashion_keras.support.progress import LOG

if TYPE_CHECKING:
    import pandas as pd

TFDS = "tfds:"
_KAGGLE = "Kaggle's layout, styles.csv with images by id"


@dataclass(frozen=True)
class _Options:
    """How to read a source; see `read_catalog`."""

    images: Path | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    delimiter: str | None = None
    allow_outside: bool = False

    def files(self, root: Path) -> ImageFiles:
        """Return the files below the folder of images, or below `root`."""
        return ImageFiles(self.images or root, self.allow_outside)


def read_catalog(
    source: "str | Path | pd.DataFrame",
    images: str | Path | None = None,
    *,
    columns: Mapping[str, str] | Iterable[str] = (),
    delimiter: str | None = None,
    allow_outside: bool = False,
    corrections: str | Path | None = None,
) -> Catalog:
    """Read a catalog from a table, a folder or a DataFrame.

    - a folder in Kaggle's layout: `styles.csv` and `images/ID.jpg`; of the full set also `styles/ID.json`;
    - a table, or a folder with exactly one: CSV of any dialect, Parquet, JSON lines, pandas DataFrame. Its images are
      named by path columns (`path`, `image`, `image_2`, `additional_image_link`, ...), or by the SKU, or lie in cells;
    - a folder of Parquet files of a Hugging Face dataset; tar files in webdataset layout;
    - a tree with one folder per class, whose names become `article_type`; above them `train`, `test` and `val` are
      parts, which become `split`; a folder with images alone;
    - iMaterialist-Fashion 2018: see `find_imaterialist`;
    - a data set that TensorFlow Datasets has prepared: its folder, or "tfds:NAME";
    - "-": paths of images on standard input, one per line.

    No image is opened. Rows and files that cannot be used are rejected with a reason, never dropped. What was
    recognized is logged, a line each, and stands in `notes`.

    Args:
        source: see above.
        images: folder of the images; None: that of the table.
        columns: name -> header, or texts NAME=HEADER, for columns whose headers are no known synonyms.
        delimiter: of a CSV file; None: detected.
        allow_outside: follow absolute and parent paths that lead out of the folder.
        corrections: file of reviewed labels, which replace those of the source; see `apply_corrections`.

    Raises:
        InputError: when there is no such layout or file, a table cannot be read, or no product has an image.
    """
    mapping = columns if isinstance(columns, Mapping) else parse_mapping(columns)
    options = _Options(Path(images) if images else None, mapping, delimiter, allow_outside)
    if options.images and not options.images.is_dir():
        raise InputError(f"{images}: no such folder of images")
    with _without_collection():
        catalog = _read_any(source, options)
    for note in catalog.notes:
        if not note.endswith(_KAGGLE):  # the usual one
            LOG.info("%s", note)
    if not len(catalog):
        first = f" (first: {catalog.rejected[0].where}: {catalog.rejected[0].reason})" if catalog.rejected else ""
        raise InputError(f"{catalog.folder}: none of {catalog.inputs} rows and files is a product with an image{first}")
    return catalog if corrections is None else apply_corrections(catalog, corrections)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Pause the search for cycles among objects, which a million rows would set off again and again in vain."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _read_any(source: "str | Path | pd.DataFrame", options: _Options) -> Catalog:
    if hasattr(source, "iloc"):
        return _catalog_of_table(table_of_frame(source, options.mapping), options.images or Path(), options)
    if str(source).startswith(TFDS) or (Path(source) / INFO).is_file():
        table, images = read_tfds_table(str(source).removeprefix(TFDS), options.mapping)
        return make_catalog(Path(), table, images, [f"{source}: prepared by TensorFlow Datasets"])
    if str(source) == "-":
        table, images = read_path_list(sys.stdin.read())
        return make_catalog(Path(), table, images, [f"{len(table)} paths on standard input"])
    return _read_path(Path(source), options)


def _read_path(source: Path, options: _Options) -> Catalog:
    if not os.path.exists(source):  # noqa: PTH110 - no error for a name that is too long
        raise InputError(f"{source}: no such folder or file; `fashion-keras data download` gets the Kaggle set")
    if source.is_dir():
        return _read_folder(source, options)
    suffix = source.suffix.lower()
    if suffix == ".json" and not is_table(source):
        return read_imaterialist(*find_imaterialist(source))
    if is_tar(source):
        return _read_tars([source], options)
    if suffix == ".parquet":
        return _read_shards(source.parent, [source], options)
    if suffix not in (*TABLE_SUFFIXES, *FOREIGN_SUFFIXES):
        raise InputError(f"{source}: neither a folder nor a table ({', '.join(TABLE_SUFFIXES)}) nor a tar file")
    return _read_table_file(source, source.parent, options)


def _read_folder(folder: Path, options: _Options) -> Catalog:
    """Read a folder by the first of these that it holds: a known layout, tables, tar files, class folders, images."""
    if (folder / "styles.csv").is_file():
        return _read_kaggle(folder, options)
    imaterialist = find_imaterialist(folder)
    if imaterialist:
        return read_imaterialist(*imaterialist)
    entries = sorted(entry for entry in folder.iterdir() if not is_junk(entry.name))
    tables = [entry for entry in entries if is_table(entry)]
    shards = find_shards(folder, tables)
    if shards:
        return _read_shards(folder, shards, options)
    if tables:
        return _read_table_file(_only(folder, tables), folder, options)
    tars = [entry for entry in entries if is_tar(entry)]
    if tars:
        return _read_tars(tars, options)
    below = [path for entry in entries if entry.is_dir() for path in entry.iterdir() if _opens_set(path)]
    if below:
        path = _only(folder, below)
        if path.name == "styles.csv" or ImageFiles(path.parent).images:
            return _descend(folder, path.parent, options)
        return _read_table_file(path, folder, options)  # a table beside a folder of images
    folders = [entry for entry in entries if entry.is_dir()]
    if len(folders) == 1 and len(entries) == 1 and _has_folders(folders[0]):
        return _descend(folder, folders[0], options)
    files = options.files(folder)
    if not files.images:
        raise InputError(f"{folder}: no styles.csv, no table, no images, no train.json")
    table, images, layout = read_tree(files)
    return make_catalog(folder, table, images, [f"{folder}: {layout}", *files.notes])


def _opens_set(path: Path) -> bool:
    """Return whether a file one folder down makes that folder a data set by itself, and not a result of ours."""
    return (
        not (path.parent / "rejected.csv").is_file()
        and not is_junk(path.name)
        and (is_table(path) or is_tar(path))
        and path.parent.name.lower() not in PARTS
    )


def _only(folder: Path, tables: list[Path]) -> Path:
    if len(tables) > 1:
        names = ", ".join(path.relative_to(folder).as_posix() for path in tables)
        raise InputError(f"{folder}: {len(tables)} tables ({names}): name the one to read, such as {tables[0]}")
    return tables[0]


def _descend(folder: Path, inner: Path, options: _Options) -> Catalog:
    catalog = _read_folder(inner, options)
    return replace(catalog, notes=(f"{folder}: {inner.name}/ is read, the set in it", *catalog.notes))


def _has_folders(folder: Path) -> bool:
    """Return whether a folder is the set itself and no class or part: it holds folders."""
    return folder.name.lower() not in PARTS and any(
        entry.is_dir() and not is_junk(entry.name) for entry in folder.iterdir()
    )


def _read_kaggle(folder: Path, options: _Options) -> Catalog:
    table = read_table(folder / "styles.csv", options.mapping, options.delimiter)
    if path_columns(list(table.columns)):
        return _catalog_of_table(table, folder, options, f"{folder}: a table of {len(table)} rows")
    if SKU not in table.columns:
        raise InputError(f"{folder / 'styles.csv'}: no column 'id'; columns: {', '.join(table.columns)}")
    names = [entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name.lower() == "images"]
    files = options.files(folder)
    if not names and not files.images:
        raise InputError(f"{folder / 'images'}: no such folder; expected one image per product, named ID.jpg")
    groups, sku_of_file = _add_style_files(folder / "styles", table)
    below = f"{names[0]}/" if names and not options.images else ""
    images = images_by_sku(table, files, below, sku_of_file)
    catalog = make_catalog(folder, table, images, [f"{folder}: {_KAGGLE}", *files.notes])
    return replace(catalog, attribute_groups=groups) if groups else catalog


def _add_style_files(folder: Path, table: Table) -> tuple[tuple[AttributeGroup, ...], dict[str, str]]:
    """Add the columns of Kaggle's full set to a table; return its attribute groups, and the SKUs of style images.

    Both are empty where there is no such folder.
    """
    if not folder.is_dir():
        return (), {}
    columns, attributes, rejected, images = read_style_files(folder, table.columns[SKU])
    table.columns |= {name: values for name, values in columns.items() if name not in table.columns}
    table.rejected += rejected
    known = [task.name for task in TASKS if task.name in table.columns]
    groups = parse_task(",".join([*known, *(f"column:{name}" for name in attributes)]))
    return groups, {name: sku for sku, names in images.items() for name in names}


def _read_table_file(path: Path, root: Path, options: _Options) -> Catalog:
    table = read_table(path, options.mapping, options.delimiter)
    return _catalog_of_table(table, root, options, f"{path}: a table of {len(table)} rows")


def _read_shards(folder: Path, paths: list[Path], options: _Options) -> Catalog:
    table = read_parquet_shards(folder, paths, options.mapping)
    return _catalog_of_table(table, folder, options, f"{folder}: {len(paths)} Parquet files")


def _catalog_of_table(table: Table, root: Path, options: _Options, layout: str = "") -> Catalog:
    files = options.files(root)
    images = find_row_images(table, files)
    return make_catalog(root, table, images, [*([layout] if layout else []), *files.notes])


def _read_tars(paths: list[Path], options: _Options) -> Catalog:
    table, images = read_webdataset(paths, options.mapping)
    return make_catalog(paths[0].parent, table, images, [f"{len(paths)} tar files in webdataset layout"])
