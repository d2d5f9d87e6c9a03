"""A whole catalogue through a tagger: one row per product, and what was set aside beside it."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.catalog.products import Catalog, read_catalog
from fashion_keras.catalog.sources import locate
from fashion_keras.catalog.targets import BAR
from fashion_keras.encoding.vectors import encode
from fashion_keras.images.decode import check_images
from fashion_keras.support.errors import InputError
from fashion_keras.support.files import new_folder, write_table
from fashion_keras.tagging.tagger import Tag, Tagger, Tags, load_tagger


def tag_catalogue(data: str | None, tagger: str | Path, out: str | Path | None = None) -> dict[str, Any]:
    """Tag every product of a catalogue; write tags.csv, one row per product, and rejected.csv.

    A row has id, path, product_types and, for each attribute, its label, or its labels with bars between, and the
    confidence in the least sure of them; abstained: the attributes of its types of which none is sure enough.

    Args:
        data: a catalogue, or "sample"; by default data/ if the Kaggle set is there.
        tagger: a folder that `train_tagger` made.
        out: an empty or new folder; by default runs/tags-N.

    Returns:
        out, inputs, products, set_aside (products + set_aside = inputs), rejected by the gate, tags {attribute:
        products that have one} and abstained {attribute: products}.

    Raises:
        InputError: when catalogue or tagger cannot be used, no image is usable, or the folder is not empty.
    """
    opened = load_tagger(tagger)
    catalog = read_catalog(locate(data)[0])
    catalog = catalog.set_aside(check_images(catalog.paths))
    if not len(catalog):
        raise InputError(f"{catalog.folder}: no product with a usable image")
    folder = new_folder(out, "runs/tags")
    tags = opened.tag_vectors(np.asarray(encode(catalog, opened.encoder).values))
    write_tags(folder, catalog, opened, tags)
    return {
        "out": str(folder),
        "inputs": catalog.inputs,
        "products": len(catalog),
        "set_aside": len(catalog.rejected),
        "rejected": sum(one.rejected for one in tags),
        "tags": _count(opened, [{tag.name for tag in one.attributes} for one in tags]),
        "abstained": _count(opened, [set(one.abstained) for one in tags]),
    }


def write_tags(folder: Path, catalog: Catalog, tagger: Tagger, tags: Sequence[Tags]) -> None:
    """Write tags.csv and rejected.csv of n products and what was said of them."""
    names = [head.name for head in tagger.heads]
    columns = ["id", "path", "product_types", "product_types_confidence"]
    columns += [column for name in names for column in (name, f"{name}_confidence")]
    products = zip(catalog.ids.tolist(), catalog.paths.tolist(), tags, strict=True)
    rows = ({"id": number, "path": path, **_row(one, names)} for number, path, one in products)
    write_table(folder / "tags.csv", [*columns, "abstained"], rows)
    write_table(folder / "rejected.csv", ("where", "id", "reason"), map(vars, catalog.rejected))


def _row(tags: Tags, names: Sequence[str]) -> dict[str, str]:
    said = _cells("product_types", tags.types)
    for name in names:
        said |= _cells(name, [tag for tag in tags.attributes if tag.name == name])
    return said | {"abstained": BAR.join(tags.abstained)}


def _cells(column: str, tags: Sequence[Tag]) -> dict[str, str]:
    sure = f"{min(tag.confidence for tag in tags):.4f}" if tags else ""
    return {column: BAR.join(tag.label for tag in tags), f"{column}_confidence": sure}


def _count(tagger: Tagger, said: Sequence[set[str]]) -> dict[str, int]:
    counts = Counter(name for names in said for name in names)
    return {head.name: counts[head.name] for head in tagger.heads}
