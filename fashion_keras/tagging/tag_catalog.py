"""A whole catalogue through a tagger: one row per product, and what was set aside beside it."""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.catalog.datasets import resolve_dataset
from fashion_keras.catalog.readers import Catalog, read_catalog
from fashion_keras.catalog.targets import LABEL_SEPARATOR
from fashion_keras.features.cache import encode
from fashion_keras.images.validation import reject_unreadable
from fashion_keras.support.atomic_files import check_output_dir, read_json, write_csv, write_json
from fashion_keras.tagging.model.provenance import PARTS, read_provenance
from fashion_keras.tagging.model.tagger import Tag, Tagger, Tags, load_tagger
from fashion_keras.tagging.self_trained import check_tag_dir, self_trained_tagger

log = logging.getLogger("fashion_keras")


def tag_catalog(
    data: str | None,
    tagger: str | Path | None = None,
    out: str | Path | None = None,
    taxonomy: str = "kaggle",
    promise: float = 0.95,
) -> dict[str, Any]:
    """Tag every product of a catalogue; write tags.csv, one row per product, rejected.csv and report.json.

    A row has id, path, part, product_types and, for each attribute, its label, or its labels with bars between, and the
    confidence in the least sure of them; abstained: the attributes of its types of which none is sure enough. part:
    train, validation or test, where the tagger was learnt from this catalogue and the product had a part in that. It is
    surer of what it learnt from than of anything else; what its promise is worth shows on test products.

    Args:
        data: a catalogue, or "sample"; by default data/ if the Kaggle set is there.
        tagger: a folder that `train_tagger` made; None: the catalogue's labelled products teach one, see
            `self_trained_tagger`.
        out: an empty or new folder, or one with the catalogue's own tagger; by default runs/tags-N.
        taxonomy, promise: what a tagger that is learnt here asks, and the precision that its tags shall have.

    Returns:
        as report.json. out; tagger; promise; judged: `evaluate_overall` of the tagger's own test products, None when it
        was learnt from another catalogue; inputs, products, set_aside (products + set_aside = inputs); parts {part:
        products}; rejected by the gate; tags {attribute: products that have one}; abstained {attribute: products}.

    Raises:
        InputError: when catalogue, taxonomy or tagger cannot be used, no image is usable, or the folder is not empty.
    """
    folder = check_output_dir(out, "runs/tags") if tagger else check_tag_dir(out)
    catalog = read_catalog(resolve_dataset(data)[0])
    home = Path(tagger) if tagger else self_trained_tagger(data, catalog.fingerprint, taxonomy, promise, folder)
    opened, origin = load_tagger(home), read_provenance(home, catalog.fingerprint)
    catalog = reject_unreadable(catalog)
    if not np.isfinite(opened.gate.thresholds).any():
        words = "no product type is sure enough for --promise %g, so no tag is given: promise less, or learn from more"
        log.warning(f"WARNING  {words}", opened.promise)
    tags = opened.tag_vectors(np.asarray(encode(catalog, opened.encoder).values))
    parts = origin.part_of(catalog) if origin else np.full(len(catalog), "")
    write_tags(folder, catalog, parts, opened, tags)
    said = {
        "out": str(folder),
        "tagger": str(home),
        "promise": opened.promise,
        "judged": read_json(home / "report.json")["together"] if origin else None,
        "inputs": catalog.inputs,
        "products": len(catalog),
        "set_aside": len(catalog.rejected),
        "parts": {name: int((parts == name).sum()) for name in PARTS},
        "rejected": sum(one.rejected for one in tags),
        "tags": _count(opened, [{tag.name for tag in one.attributes} for one in tags]),
        "abstained": _count(opened, [set(one.abstained) for one in tags]),
    }
    write_json(folder / "report.json", said)
    return said


def write_tags(folder: Path, catalog: Catalog, parts: Sequence[str], tagger: Tagger, tags: Sequence[Tags]) -> None:
    """Write tags.csv and rejected.csv of n products, the part of each in the tagger's training, and what was said."""
    names = [head.name for head in tagger.heads]
    columns = ["id", "path", "part", "product_types", "product_types_confidence"]
    columns += [column for name in names for column in (name, f"{name}_confidence")]
    products = zip(catalog.ids.tolist(), catalog.paths.tolist(), parts, tags, strict=True)
    rows = ({"id": number, "path": path, "part": part, **_row(one, names)} for number, path, part, one in products)
    write_csv(folder / "tags.csv", [*columns, "abstained"], rows)
    write_csv(folder / "rejected.csv", ("where", "id", "reason"), map(vars, catalog.rejected))


def _row(tags: Tags, names: Sequence[str]) -> dict[str, str]:
    said = _cells("product_types", tags.types)
    for name in names:
        said |= _cells(name, [tag for tag in tags.attributes if tag.name == name])
    return said | {"abstained": LABEL_SEPARATOR.join(tags.abstained)}


def _cells(column: str, tags: Sequence[Tag]) -> dict[str, str]:
    sure = f"{min(tag.confidence for tag in tags):.4f}" if tags else ""
    return {column: LABEL_SEPARATOR.join(tag.label for tag in tags), f"{column}_confidence": sure}


def _count(tagger: Tagger, said: Sequence[set[str]]) -> dict[str, int]:
    counts = Counter(name for names in said for name in names)
    return {head.name: counts[head.name] for head in tagger.heads}
