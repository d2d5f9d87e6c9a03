"""Catalog tagging: `tag_catalog(config)` tags every product of a catalog, one row per image."""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.catalog.catalog import Catalog, write_rejected
from fashion_keras.catalog.datasets import resolve_dataset
from fashion_keras.catalog.readers import read_catalog
from fashion_keras.catalog.splits import PARTS
from fashion_keras.catalog.targets import LABEL_SEPARATOR
from fashion_keras.catalog.taxonomy import load_taxonomy
from fashion_keras.features.cache import encode
from fashion_keras.images.validation import reject_unreadable
from fashion_keras.support.atomic_files import check_output_dir, read_json, write_csv, write_json
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.errors import InputError
from fashion_keras.support.json_record import dataclass_from_json
from fashion_keras.support.verbose_argument import takes_verbose
from fashion_keras.tagging.config import DEFAULT_TARGET_PRECISION, TagConfig, TaggerConfig
from fashion_keras.tagging.evaluation.metrics import TagScores
from fashion_keras.tagging.model.manifest import TaggerManifest, read_provenance, taxonomy_digest
from fashion_keras.tagging.model.tagger import Tag, Tagger, Tags, load_tagger
from fashion_keras.tagging.train_tagger import train_tagger

log = logging.getLogger("fashion_keras")

_TAGGER, _UNFINISHED = "tagger", ".tagger.part"


@dataclass(frozen=True, kw_only=True)
class TagReport:
    """Counts of a tagged catalog; accepted + rejected = read.

    Attributes:
        test: scores on the tagger's own test products; None when it was trained on another catalog.
        read, accepted, rejected: rows and files read, those tagged in tags.csv, those in rejected.csv.
        parts: part -> accepted images that had it in the tagger's training.
        without_type: accepted images that are of no product type of the tagger, which get no tag.
        tags, abstained: attribute -> images that get a label of it, and those for which no label reaches its threshold.
    """

    out: str
    tagger: str
    target_precision: float
    test: TagScores | None
    read: int
    accepted: int
    rejected: int
    parts: dict[str, int]
    without_type: int
    tags: dict[str, int]
    abstained: dict[str, int]


@takes_verbose
def tag_catalog(config: TagConfig | Mapping[str, Any]) -> TagReport:
    """Tag every product of a catalog; write tags.csv, rejected.csv and report.json, which holds the returned value.

    A row of tags.csv has id, path, part, product_types and, for each attribute, its label, or its labels with bars
    between, and the confidence of the least sure of them; abstained: the attributes of its types without a label. part:
    train, validation or test, where the tagger was trained on this catalog; confidence is too high on train.
    InputError when catalog, taxonomy or tagger cannot be used, no image is usable, or the folder is not empty.
    """
    config = as_config(TagConfig, config)
    folder = _check_out(config)
    catalog = read_catalog(resolve_dataset(config.data)[0])
    fingerprint = catalog.fingerprint
    home = Path(config.tagger) if config.tagger else _own_tagger(config, fingerprint, folder)
    tagger, provenance = load_tagger(home), read_provenance(home, fingerprint)
    catalog = reject_unreadable(catalog)
    if not np.isfinite(tagger.gate.thresholds).any():
        log.warning(
            "WARNING  no product type reaches --target-precision %g on the validation products, so no tag is given: "
            "lower it, or train on more products",
            tagger.target_precision,
        )
    tags = tagger.tag_features(np.asarray(encode(catalog, tagger.encoder).values))
    parts = provenance.part_of(catalog) if provenance else np.full(len(catalog), "")
    _write_tags(folder, catalog, parts, tagger, tags)
    names = [head.name for head in tagger.heads]
    report = TagReport(
        out=str(folder),
        tagger=str(home),
        target_precision=tagger.target_precision,
        test=_test_scores(home) if provenance else None,
        read=catalog.inputs,
        accepted=len(catalog),
        rejected=len(catalog.rejected),
        parts={name: int((parts == name).sum()) for name in PARTS},
        without_type=sum(each.rejected for each in tags),
        tags={name: sum(any(tag.name == name for tag in each.attributes) for each in tags) for name in names},
        abstained={name: sum(name in each.abstained for each in tags) for name in names},
    )
    write_json(folder / "report.json", asdict(report))
    return report


def _check_out(config: TagConfig) -> Path:
    """Return the folder for the tags: empty, missing, or with the catalog's own tagger if none is given."""
    out = config.out
    if not config.tagger and out and any((Path(out) / name).is_dir() for name in (_TAGGER, _UNFINISHED)):
        return Path(out)
    return check_output_dir(out, "runs/tags")


def _own_tagger(config: TagConfig, fingerprint: str, folder: Path) -> Path:
    """Return the folder of a catalog's own tagger: the one in FOLDER/tagger, or one that is trained into it now.

    After an interruption training starts again, which is quick: the catalog's features are cached.
    InputError as of `train_tagger`, and when the tagger that is there was trained on something else.
    """
    home, unfinished = folder / _TAGGER, folder / _UNFINISHED
    target = config.target_precision or DEFAULT_TARGET_PRECISION
    digest = taxonomy_digest(load_taxonomy(config.taxonomy))
    if not home.is_dir():
        log.info("no --tagger: one is trained on the labels of the catalog itself, into %s", home)
        shutil.rmtree(unfinished, ignore_errors=True)
        same = {name: getattr(config, name) for name in ("data", "seed", "taxonomy")}
        train_tagger(TaggerConfig(**same, target_precision=target, out=str(unfinished)))
        unfinished.rename(home)
        return home
    provenance = read_provenance(home, fingerprint)
    manifest = TaggerManifest.read(home)
    if provenance is None or (provenance.taxonomy, manifest.target_precision) != (digest, target):
        raise InputError(
            f"{home}: not trained on this catalog, taxonomy and target precision; give another --out, or use it as "
            f"it is: --tagger {home} --out ANOTHER"
        )
    log.info("%s: trained on this catalog before, used again", home)
    return home


def _test_scores(home: Path) -> TagScores:
    """Return the scores of a tagger on its own test products; InputError for a damaged report.json."""
    path = home / "report.json"
    return dataclass_from_json(TagScores, read_json(path).get("together"), path, "together")


def _write_tags(folder: Path, catalog: Catalog, parts: Sequence[str], tagger: Tagger, tags: Sequence[Tags]) -> None:
    """Write tags.csv and rejected.csv of n images: the part of each in the tagger's training, and its tags."""
    rows = []
    for key, path, part, image_tags in zip(catalog.ids.tolist(), catalog.paths.tolist(), parts, tags, strict=True):
        row = {"id": key, "path": path, "part": part, **_cells("product_types", image_tags.types)}
        for head in tagger.heads:
            row |= _cells(head.name, [tag for tag in image_tags.attributes if tag.name == head.name])
        rows.append(row | {"abstained": LABEL_SEPARATOR.join(image_tags.abstained)})
    write_csv(folder / "tags.csv", list(rows[0]), rows)
    write_rejected(folder, catalog)


def _cells(column: str, tags: Sequence[Tag]) -> dict[str, str]:
    confidence = f"{min(tag.confidence for tag in tags):.4f}" if tags else ""
    return {column: LABEL_SEPARATOR.join(tag.label for tag in tags), f"{column}_confidence": confidence}
