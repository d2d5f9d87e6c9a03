"""Catalog tagging: `tag_catalog(config)` tags every product of a catalog, by all of its images together."""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog, write_rejected
from fashion_keras.catalog.columns import LABEL_SEPARATOR
from fashion_keras.catalog.splits import PARTS
from fashion_keras.catalog.taxonomy import load_taxonomy
from fashion_keras.features.cache import encode
from fashion_keras.images.validation import read_source, reject_unreadable
from fashion_keras.support.atomic_files import check_output_dir, read_json, write_csv, write_json
from fashion_keras.support.config_fields import as_config
from fashion_keras.support.errors import InputError
from fashion_keras.support.json_record import dataclass_from_json
from fashion_keras.support.verbose_argument import takes_verbose
from fashion_keras.tagging.config import DEFAULT_TARGET_PRECISION, TagConfig, TaggerConfig
from fashion_keras.tagging.evaluation.metrics import TagScores
from fashion_keras.tagging.model.manifest import TaggerManifest, read_provenance, taxonomy_digest
from fashion_keras.tagging.model.tagger import Tag, Tagger, Tags, load_tagger
from fashion_keras.tagging.pages import write_tags_page
from fashion_keras.tagging.train_tagger import train_tagger

log = logging.getLogger("fashion_keras")

_TAGGER, _UNFINISHED = "tagger", ".tagger.part"


@dataclass(frozen=True, kw_only=True)
class TagReport:
    """Counts of a tagged catalog; accepted + rejected = read.

    Attributes:
        test: scores on the tagger's own test products; None when it was trained on another catalog.
        read, accepted, rejected: rows and files read, images of the products in tags.csv, those in rejected.csv.
        products: rows of tags.csv.
        disagreeing: images that would get other tags by themselves than their product.
        parts: part -> accepted images that had it in the tagger's training.
        without_type: products that are of no product type of the tagger, which get no tag.
        tags, abstained: attribute -> products that get a label of it, and those for which none reaches its threshold.
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
    parts: dict[str, int]
    without_type: int
    tags: dict[str, int]
    abstained: dict[str, int]


@takes_verbose
def tag_catalog(config: TagConfig | Mapping[str, Any]) -> TagReport:
    """Tag every product of a catalog; write tags.csv, rejected.csv, report.html and report.json, which
    holds the returned value.

    A row of tags.csv is a product: sku; images, how many it has; disagreeing, how many of them would get other tags by
    themselves; path of the first; part; product_types and, for each attribute, its label, or its labels with bars
    between, and the confidence of the least sure of them; abstained: the attributes of its types without a label. part:
    train, validation or test, where the tagger was trained on this catalog; confidence is too high on train.
    InputError when catalog, taxonomy or tagger cannot be used, no image is usable, or the folder is not empty.
    """
    config = as_config(TagConfig, config)
    folder = _check_out(config)
    catalog, data = read_source(config)
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
    features = np.asarray(encode(catalog, tagger.encoder).values)
    products = ProductImages.of(catalog)
    tags = tagger.tag_features(products.mean(features))
    disagreeing = products.count_others(tags, tagger.tag_features(features))
    parts = provenance.part_of(catalog) if provenance else np.full(len(catalog), "")
    rows = _write_tags(folder, catalog, products, parts, tagger, tags, disagreeing)
    names = [head.name for head in tagger.heads]
    report = TagReport(
        out=str(folder),
        tagger=str(home),
        target_precision=tagger.target_precision,
        test=_test_scores(home) if provenance else None,
        read=catalog.inputs,
        accepted=len(catalog),
        products=len(tags),
        disagreeing=int(disagreeing.sum()),
        rejected=len(catalog.rejected),
        parts={name: int((parts == name).sum()) for name in PARTS},
        without_type=sum(each.rejected for each in tags),
        tags={name: sum(any(tag.name == name for tag in each.attributes) for each in tags) for name in names},
        abstained={name: sum(name in each.abstained for each in tags) for name in names},
    )
    write_json(folder / "report.json", asdict(report))
    write_tags_page(asdict(report), rows, data, folder)
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


@dataclass(frozen=True)
class ProductImages:
    """The images of p products: `first` [p], a row of each, and `product` [n], the product of each row."""

    first: NDArray[np.int64]
    product: NDArray[np.int64]

    @classmethod
    def of(cls, catalog: Catalog) -> "ProductImages":
        """Return the images of each SKU of a catalog, in the order in which SKUs appear."""
        _, first, product = np.unique(catalog.skus, return_index=True, return_inverse=True)
        order = np.argsort(first)
        return cls(first[order], np.argsort(order)[product])

    @property
    def counts(self) -> NDArray[np.int64]:
        """Images of each product [p]."""
        return np.bincount(self.product)

    def mean(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean features [p, d] of each product's images [n, d]: linear heads then average their logits."""
        sums = np.zeros((len(self.first), features.shape[1]), np.float64)
        np.add.at(sums, self.product, features)
        return (sums / self.counts[:, None]).astype(np.float32)

    def count_others(self, tags: Sequence[Tags], image_tags: Sequence[Tags]) -> NDArray[np.int64]:
        """Return [p]: how many images of each product have other labels by themselves, `image_tags` [n]."""
        labels, own = ([_labels(each) for each in group] for group in (tags, image_tags))
        differs = [labels[product] != own[row] for row, product in enumerate(self.product.tolist())]
        return np.bincount(self.product, weights=differs).astype(np.int64)


def _labels(tags: Tags) -> set[tuple[str, str]]:
    return {(tag.name, tag.label) for tag in (*tags.types, *tags.attributes)}


def _write_tags(
    folder: Path,
    catalog: Catalog,
    products: ProductImages,
    parts: Sequence[str],
    tagger: Tagger,
    tags: Sequence[Tags],
    disagreeing: NDArray[np.int64],
) -> list[dict[str, Any]]:
    """Write tags.csv and rejected.csv; return the rows of tags.csv, one for each of p products."""
    rows = []
    for row, product_tags, count, others in zip(products.first, tags, products.counts, disagreeing, strict=True):
        cells = {"sku": catalog.skus[row], "images": count, "disagreeing": others, "path": catalog.paths[row]}
        cells |= {"part": parts[row], **_cells("product_types", product_tags.types)}
        for head in tagger.heads:
            cells |= _cells(head.name, [tag for tag in product_tags.attributes if tag.name == head.name])
        rows.append(cells | {"abstained": LABEL_SEPARATOR.join(product_tags.abstained)})
    write_csv(folder / "tags.csv", list(rows[0]), rows)
    write_rejected(folder, catalog)
    return rows


def _cells(column: str, tags: Sequence[Tag]) -> dict[str, str]:
    confidence = f"{min(tag.confidence for tag in tags):.4f}" if tags else ""
    return {column: LABEL_SEPARATOR.join(tag.label for tag in tags), f"{column}_confidence": confidence}
