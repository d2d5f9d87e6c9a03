"""Evaluation subset: the products of a catalog that a run or an encoder is evaluated on, and its training products."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.columns import TITLE
from fashion_keras.features.batch_folder import BatchFolder, is_batch_folder
from fashion_keras.features.embedding_file import embedding_path, is_embedding_file
from fashion_keras.features.hub import HUB
from fashion_keras.features.registry import resolve_encoder
from fashion_keras.features.runtime import load_classifier
from fashion_keras.images.validation import check_images, image_hashes, read_source
from fashion_keras.models.classifier import Classifier
from fashion_keras.support.config_fields import SourceConfig
from fashion_keras.support.errors import InputError
from fashion_keras.training.manifests import RunManifest, folder_training_products, initial_training_products

_ENOUGH = 0.5


@dataclass(frozen=True)
class Subset:
    """Rows [m] of a catalog to evaluate a run on, sorted, and the part, "test" or "all".

    test_products_missing: products of the run's test part that the catalog lacks; trained_on_left_out: products that
    the run was trained on, which part "all" leaves out.
    """

    rows: NDArray[np.int64]
    part: str
    test_products_missing: int = 0
    trained_on_left_out: int = 0


@dataclass(frozen=True)
class RunSubset:
    """A run, and the labeled products of a catalog, with packed targets `truth` [n, C], that it is evaluated on.

    summary: run, task, catalog, part, counts, reasons, corrections and test_products_missing, for a report.
    """

    classifier: Classifier
    manifest: RunManifest
    products: Catalog
    truth: NDArray[np.int64]
    summary: dict[str, Any]


def load_subset(run: str, source: SourceConfig, part: str, limit: int | None = None, seed: int = 0) -> RunSubset:
    """Load a run and at most `limit` products, drawn at random, to evaluate it on; see `select_rows`.

    `source.data` is None for the catalog of the run. Raises InputError when run or catalog cannot be used, or no
    product is left.
    """
    classifier, manifest = load_classifier(run), RunManifest.read(run)
    catalog, _ = read_source(_own_source(manifest, source.corrections) if source.data is None else source)
    selected = select_rows(catalog, manifest, part)
    drawn = np.sort(np.random.default_rng(seed).permutation(selected.rows)[:limit])
    products, truth = scorable_rows(catalog, drawn, classifier)
    summary = {
        "run": run,
        "task": classifier.spec.task,
        "catalog": str(catalog.folder),
        "part": selected.part,
        "counts": {
            "test": len(products),
            "rejected": len(products.rejected),
            "beyond_limit": len(selected.rows) - len(drawn),
            "trained_on": selected.trained_on_left_out,
            "other_parts": len(catalog) - len(selected.rows) - selected.trained_on_left_out,
        },
        "reasons": dict(Counter(row.reason for row in products.rejected).most_common()),
        "corrections": products.correction_counts,
        "test_products_missing": selected.test_products_missing,
    }
    return RunSubset(classifier, manifest, products, truth, summary)


def _own_source(manifest: RunManifest, corrections: str | None) -> SourceConfig:
    """Return the catalog that a run was trained on, with the run's corrections unless others are given."""
    given = {"data": manifest.data} | ({"corrections": corrections} if corrections else {})
    return SourceConfig(**{**manifest.catalog_options, **given})


def select_rows(catalog: Catalog, manifest: RunManifest, part: str = "auto") -> Subset:
    """Return the products of a catalog to evaluate a run on.

    part: "test": the run's test products that the catalog has; "all": every product that the run was not trained on;
    "auto": "test" where the catalog has at least half of them, else "all".

    The run's test products are recognized in any catalog by id and product hash together (by id and image content
    where there is no title, for then the hash is that of the id), so other rows may change or be added, and the images
    may be larger ones. Products that the run was trained on are recognized by product hash or image content.
    """
    products, images = catalog.product_groups, image_hashes(catalog.paths)
    titled = catalog.columns.get(TITLE, np.full(len(catalog), "")) != ""
    ids, count = manifest.parts["test"], len(manifest.parts["test"])
    by_title = _pairs_in(catalog.image_ids, products, ids, manifest.part_hashes["test"])
    by_image = _pairs_in(catalog.image_ids, images, ids, manifest.image_hashes["test"])
    rows = np.flatnonzero(np.where(titled, by_title, by_image))
    missing = count - len(rows)
    if part == "test" or (part == "auto" and len(rows) >= _ENOUGH * count):
        if not len(rows):
            raise InputError(
                f"{catalog.folder}: not the catalog of the run ({manifest.data}): it has none of the {count} "
                "products of its test part; --part all evaluates on every product"
            )
        return Subset(rows, "test", missing)
    product_seen, image_seen = manifest.trained_on
    is_seen = (np.isin(products, list(product_seen)) & titled) | np.isin(images, list(image_seen))
    return Subset(np.flatnonzero(~is_seen), "all", missing, int(is_seen.sum()))


def _pairs_in(
    ids: NDArray[np.str_], hashes: NDArray[np.str_], known_ids: list[str], known_hashes: list[str]
) -> NDArray[np.bool_]:
    known = set(zip(known_ids, known_hashes, strict=True))
    return np.array([pair in known for pair in zip(ids.tolist(), hashes.tolist(), strict=True)], dtype=bool)


def scorable_rows(
    catalog: Catalog, rows: NDArray[np.int64], classifier: Classifier
) -> tuple[Catalog, NDArray[np.int64]]:
    """Return the products at `rows` that have a label the run predicts and a readable image, and their targets [m, C].

    The other ones are among the `rejected` of the catalog returned. Raises InputError when no product is left.
    """
    chosen = replace(catalog.take(rows), rejected=catalog.rejected, inputs=len(rows) + len(catalog.rejected))
    nothing = f"{catalog.folder}: no product to evaluate the run on"
    if not len(chosen):
        raise InputError(f"{nothing}: it was trained on all of them")
    targets = classifier.spec.encode(chosen.columns)
    reasons = targets.reasons.astype(object)
    labeled = np.flatnonzero(targets.known)
    reasons[labeled] = check_images(chosen.paths[labeled])
    scorable = chosen.reject(reasons.tolist())
    if not len(scorable):
        raise InputError(f"{nothing}; {scorable.rejected[-1].reason}")
    return scorable, targets.packed[reasons == ""]


def encoder_training_products(name: str, weights: str = "auto") -> frozenset[str]:
    """Return the hashes of the products that an encoder was trained on; none for a bare backbone or a KerasHub preset.

    None either for a file of embeddings, whose encoder is not known; that of a batch folder is. `name` as
    `embedding_source` takes it; `weights` of a bare backbone: a run's folder counts with what the run was trained on.
    Raises InputError for an unknown encoder, or one whose training products are not recorded.
    """
    if is_batch_folder(name):
        model = BatchFolder.open(name).manifest.model
        return encoder_training_products(model.encoder, model.weights)
    if is_embedding_file(name):
        embedding_path(name)
        return frozenset()
    source = resolve_encoder(name, own_weights(name, weights))
    if name.startswith(HUB):
        return frozenset()
    if Path(weights).is_dir():
        return folder_training_products(Path(weights))
    if source.folder is not None:
        return folder_training_products(Path(source.folder))
    # A stage or another pooling of a bundled network has its weights, too.
    return initial_training_products(source.spec.backbone, weights)


def own_weights(name: str, weights: str) -> str:
    """Return the weights to load an encoder with: those given for a bare backbone, "auto" for what has its own."""
    return "auto" if name.startswith(HUB) or Path(name).exists() else weights
