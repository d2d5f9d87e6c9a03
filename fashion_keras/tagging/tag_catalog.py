"""Catalog tagging: `tag_catalog(config)` tags every product of a catalog of any size, by all of its images together."""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.batch.parts import CatalogParts, read_parts
from fashion_keras.batch.plan import Plan, read_rejections, remove_plan
from fashion_keras.batch.run import check_batch_dir, run_batch
from fashion_keras.batch.shards import encoder_model
from fashion_keras.catalog.catalog import write_rejected
from fashion_keras.catalog.columns import Columns
from fashion_keras.catalog.splits import PARTS
from fashion_keras.catalog.taxonomy import load_taxonomy
from fashion_keras.features.batch_folder import COLUMN, BatchFolder, BatchModel
from fashion_keras.search.from_batch import sync_index
from fashion_keras.support.atomic_files import file_sha256, read_json, write_json
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.errors import InputError
from fashion_keras.support.json_record import dataclass_from_json
from fashion_keras.support.verbose_argument import takes_verbose
from fashion_keras.tagging.annotate import ABSTAINED, GATED, OWN_COLUMNS, RELEASED, load_tagging_job, select_attributes
from fashion_keras.tagging.config import DEFAULT_TARGET_PRECISION, TagConfig, TaggerConfig
from fashion_keras.tagging.evaluation.metrics import TagScores
from fashion_keras.tagging.model.heads import LinearHead
from fashion_keras.tagging.model.manifest import TaggerManifest, head_spec, read_provenance, taxonomy_digest
from fashion_keras.tagging.model.tagger import Tagger, load_tagger
from fashion_keras.tagging.pages import write_tags_page
from fashion_keras.tagging.tag_tables import AttributeUpdates, TagTables, write_tables
from fashion_keras.tagging.train_tagger import train_tagger

log = logging.getLogger("fashion_keras")

_TAGGER, _UNFINISHED = "tagger", ".tagger.part"


@dataclass(frozen=True, kw_only=True)
class TagReport:
    """Counts of a tagged catalog; accepted + rejected = read.

    Attributes:
        test: scores on the tagger's own test products; None when it was trained on another catalog.
        read, accepted, rejected: rows and files read, images of the products in tags.csv, those in rejected.csv.
        encoded: images that were encoded in this run; the others had not changed since an earlier one.
        products: rows of tags.csv.
        disagreeing: images that would get other tags by themselves than their product.
        parts: part -> accepted images that had it in the tagger's training.
        without_type: products that are of no product type of the tagger, which get no tag.
        tags, abstained: attribute -> products that get a label of it, and those for which none reaches its threshold.
        updates: what the catalog gains by each attribute.
        index: changes of the index; None without one.
    """

    out: str
    tagger: str
    target_precision: float
    test: TagScores | None
    read: int
    accepted: int
    products: int
    disagreeing: int
    rejected: int
    encoded: int
    parts: dict[str, int]
    without_type: int
    tags: dict[str, int]
    abstained: dict[str, int]
    updates: tuple[AttributeUpdates, ...]
    index: dict[str, int] | None


@takes_verbose
def tag_catalog(config: TagConfig | Mapping[str, Any]) -> TagReport | None:
    """Tag every product of a catalog; return, and write into a folder, what became of it.

    The folder is a batch folder (see `BatchFolder` and `TagColumns`): killed and run again it goes on, and once
    complete it encodes only new and changed images. Beside the shards it holds progress.json while the run lasts, then
    tags.csv, rejected.csv, review.csv (see `ReviewQueue`), report.json and report.html.

    A row of tags.csv is a product: sku; images, how many it has; disagreeing, how many of them would get other tags by
    themselves; path of the first; part; product_types and, for each attribute, its label, or its labels with bars
    between, and the confidence of the least sure of them; abstained: the attributes of its types without a label. part:
    train, validation or test, where the tagger was trained on this catalog; confidence is too high on train. Of a
    catalog that is streamed (see `stream_catalog`) that is not known.

    Returns:
        The report; None where `shard` is given and other parts are not done yet.

    Raises:
        InputError: when catalog, taxonomy or tagger cannot be used, no image is usable, or the folder holds other files
            or the output of another model.
    """
    config = as_config(TagConfig, config)
    folder = check_batch_dir(config.out, "runs/tags", (_TAGGER, _UNFINISHED))
    parts = read_parts(config)
    fingerprint = parts.catalog.fingerprint if parts.catalog else ""
    home = Path(config.tagger) if config.tagger else _own_tagger(config, parts, fingerprint, folder)
    tagger = select_attributes(load_tagger(home), config.attribute_names)
    _check_tagger(tagger)
    job = partial(load_tagging_job, str(home.absolute()), config.attribute_names)
    finished = run_batch(config, folder, _model(home, tagger), parts, job)
    return finished and _finish(config, *finished, home, tagger, fingerprint)


def _finish(
    config: TagConfig, batch: BatchFolder, plan: Plan, home: Path, tagger: Tagger, fingerprint: str
) -> TagReport:
    """Write tables, index, report and page of a complete batch folder."""
    entries = [*batch.entries()]
    write_rejected(batch.folder, read_rejections(batch))
    if not any(entry.rows for entry in entries):
        first = next(iter(read_rejections(batch)))
        raise InputError(f"no product with a usable image (first: {first.where}: {first.reason})")
    provenance = read_provenance(home, fingerprint) if fingerprint else None
    part_of = {name: part for part, names in provenance.parts.items() for name in names} if provenance else {}
    columns = _attribute_columns(home, tagger, plan)
    tables = write_tables(batch, columns, part_of)
    index = sync_index(batch, config.index) if config.index else None
    report = TagReport(
        out=str(batch.folder),
        tagger=str(home),
        target_precision=tagger.target_precision,
        test=_test_scores(home) if provenance else None,
        read=plan.rows + plan.rejected,
        accepted=tables.images,
        products=tables.products,
        disagreeing=tables.disagreeing,
        rejected=plan.rejected + sum(len(entry.rejected) for entry in entries),
        encoded=sum(entry.encoded for entry in entries),
        parts={name: tables.parts[name] for name in PARTS},
        without_type=tables.without_type,
        tags={head.name: tables.states[head.name][RELEASED] for head in tagger.heads},
        abstained={head.name: tables.states[head.name][ABSTAINED] for head in tagger.heads},
        updates=tuple(_updates(head, tables) for head in tagger.heads),
        index=index and asdict(index),
    )
    write_json(batch.folder / "report.json", asdict(report))
    write_tags_page(asdict(report), tables.first_rows, batch.manifest.source, batch.folder)
    remove_plan(batch.folder)
    return report


def _updates(head: LinearHead, tables: TagTables) -> AttributeUpdates:
    counts = tables.states[head.name]
    return AttributeUpdates(
        attribute=head.name, product_types=head.applies_to, labels=len(head.classes), tagged=counts[RELEASED],
        same=counts["same"], filled=counts["filled"], changed=counts["changed"], abstained=counts[ABSTAINED],
        gated=counts[GATED],
    )  # fmt: skip


def _attribute_columns(home: Path, tagger: Tagger, plan: Plan) -> dict[str, str]:
    """Return attribute -> the catalog's column that holds it, of those that a column holds."""
    named = {row["name"]: row["column"] for row in TaggerManifest.read(home).taxonomy["attributes"]}
    known = Columns(plan.columns)
    return {head.name: known.name_of(named[head.name]) for head in tagger.heads
            if named.get(head.name) and named[head.name] in known}  # fmt: skip


def _model(home: Path, tagger: Tagger) -> BatchModel:
    heads = (tagger.gate, *tagger.heads)
    thresholds = {head.name: dict(zip(head.classes, head_spec(head).thresholds, strict=True)) for head in heads}
    reference = TaggerManifest.read(home).encoder
    bare = encoder_model(tagger.encoder, reference.name, reference.weights)
    return replace(
        bare, tagger=str(home), tagger_sha256=file_sha256(home / TaggerManifest.FILE), thresholds=thresholds,
        target_precision=tagger.target_precision,
    )  # fmt: skip


def _check_tagger(tagger: Tagger) -> None:
    """Raise InputError for an attribute that is called as a column of the output; warn where no tag can be given."""
    for head in tagger.heads:
        if head.name in OWN_COLUMNS or head.name.startswith(COLUMN):
            raise InputError(f"attribute {head.name!r} is called as a column of the output; give it another name")
    if not np.isfinite(tagger.gate.thresholds).any():
        log.warning(
            "WARNING  no product type reaches --target-precision %g on the validation products, so no tag is given: "
            "lower it, or train on more products",
            tagger.target_precision,
        )


def _own_tagger(config: TagConfig, parts: CatalogParts, fingerprint: str, folder: Path) -> Path:
    """Return the folder of a catalog's own tagger: the one in FOLDER/tagger, or one that is trained into it now.

    After an interruption training starts again, which is quick: the catalog's features are cached.
    InputError as of `train_tagger`, and when the tagger that is there was trained on something else.
    """
    if parts.catalog is None:
        raise InputError(
            f"{parts.name} is too large to train a tagger on: `train-tagger` one on a part of it (--limit)"
        )
    # Of the same name, which its figures bear.
    home, unfinished = folder / _TAGGER, folder / _UNFINISHED / _TAGGER
    target = config.target_precision or DEFAULT_TARGET_PRECISION
    digest = taxonomy_digest(load_taxonomy(config.taxonomy))
    if not home.is_dir():
        log.info("no --tagger: one is trained on the labels of the catalog itself, into %s", home)
        shutil.rmtree(unfinished.parent, ignore_errors=True)
        same = {**config.source, "limit": config.limit, "seed": config.seed, "taxonomy": config.taxonomy}
        train_tagger(TaggerConfig(**same, target_precision=target, out=str(unfinished)))
        unfinished.rename(home)
        unfinished.parent.rmdir()
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


def _test_scores(home: Path) -> TagScores | None:
    """Return the scores of a tagger on its own test products, None where none were; InputError for a damaged report."""
    path = home / "report.json"
    scores = read_json(path).get("together")
    return scores and dataclass_from_json(TagScores, scores, path, "together")
