"""Evaluation subset: recognizes the test products of a run in a catalog, and selects the rows to evaluate on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_keras.analysis.config import RUN_PARTS
from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.csv_reader import TITLE
from fashion_keras.catalog.product_hashes import product_hashes
from fashion_keras.images.validation import check_images, image_hashes
from fashion_keras.models.classifier import Classifier
from fashion_keras.support.errors import InputError, unknown_name_error
from fashion_keras.training.manifests import RunManifest

_ENOUGH = 0.5


@dataclass(frozen=True)
class Subset:
    """Products of a catalog to evaluate a run on.

    Attributes:
        rows [m] int64: sorted.
        part: "test" or "all".
        test_products_missing: products of the run's test part that the catalog lacks.
        trained_on_left_out: products that the run was trained on, which part "all" leaves out.
    """

    rows: NDArray[np.int64]
    part: str
    test_products_missing: int = 0
    trained_on_left_out: int = 0


def select_rows(catalog: Catalog, manifest: RunManifest, part: str = "auto") -> Subset:
    """Return the products of a catalog to evaluate a run on.

    The run's test products are recognized in any catalog by id and product hash together (by id and image content
    where there is no title, for then the hash is that of the id), so other rows may change or be added, and the images
    may be larger ones. Products that the run was trained on are recognized by product hash or image content.

    Args:
        catalog: any.
        manifest: of the run.
        part: "test": the run's test products that the catalog has; "all": every product that the run was not trained
            on; "auto": "test" where the catalog has at least half of them, else "all".

    Raises:
        InputError: for an unknown part, and for "test" where the catalog has none of the test products.
    """
    if part not in RUN_PARTS:
        raise unknown_name_error("part", part, RUN_PARTS)
    products, images = product_hashes(catalog), image_hashes(catalog.paths)
    titled = catalog.columns.get(TITLE, np.full(len(catalog), "")) != ""
    ids, count = manifest.parts["test"], len(manifest.parts["test"])
    rows = np.flatnonzero(
        np.where(
            titled,
            _pairs_in(catalog.ids, products, ids, manifest.part_hashes["test"]),
            _pairs_in(catalog.ids, images, ids, manifest.image_hashes["test"]),
        )
    )
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
    ids: NDArray[np.int64], hashes: NDArray[np.str_], known_ids: list[int], known_hashes: list[str]
) -> NDArray[np.bool_]:
    known = set(zip(known_ids, known_hashes, strict=True))
    return np.array([pair in known for pair in zip(ids.tolist(), hashes.tolist(), strict=True)], dtype=bool)


def scorable_rows(
    catalog: Catalog, rows: NDArray[np.int64], classifier: Classifier
) -> tuple[Catalog, NDArray[np.int64]]:
    """Return the products at `rows` that have a label the run predicts and a readable image, and their targets [m, C].

    The other ones are among the `rejected` of the catalog returned.

    Raises:
        InputError: when no product is left.
    """
    chosen = catalog.take(rows)
    chosen = Catalog(**{**vars(chosen), "rejected": catalog.rejected, "inputs": len(rows) + len(catalog.rejected)})
    if not len(chosen):
        raise InputError(f"{catalog.folder}: no product to evaluate the run on: it was trained on all of them")
    targets = classifier.spec.encode(chosen.columns)
    reasons = targets.reasons.astype(object)
    labeled = np.flatnonzero(targets.known)
    reasons[labeled] = check_images(chosen.paths[labeled])
    scorable = chosen.reject(reasons.tolist())
    if not len(scorable):
        raise InputError(f"{catalog.folder}: no product to evaluate the run on; {scorable.rejected[-1].reason}")
    return scorable, targets.packed[reasons == ""]
