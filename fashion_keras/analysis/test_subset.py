"""Which products of a catalogue a run is judged by."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.readers import Catalog
from fashion_keras.images.validation import check_images
from fashion_keras.models.classifier import Classifier
from fashion_keras.support.errors import InputError, unknown_name_error

PARTS = ("auto", "test", "all")


def select_rows(catalog: Catalog, origin: dict[str, Any], part: str) -> tuple[NDArray[np.int64], str]:
    """Return rows [m] of a catalogue to judge a run by, sorted, and the part that they are: "test" or "all".

    Args:
        catalog: any.
        origin: the run's origin.json.
        part: "test": the products whose ids the run's test part has, in any catalogue that has all of them, such as
            the same products in larger pictures; "all": every product; "auto": the test part of the run's own
            catalogue (the same ids, file names and columns, wherever it lies), all of another, where the same number
            may well be another product.

    Raises:
        InputError: for an unknown part, and for "test" where one of its ids is missing.
    """
    if part not in PARTS:
        raise unknown_name_error("part", part, PARTS)
    own = catalog.fingerprint == origin["fingerprint"]
    if part == "all" or (part == "auto" and not own):
        return np.arange(len(catalog)), "all"
    test = origin["parts"]["test"]
    rows = np.flatnonzero(np.isin(catalog.ids, test))
    missing = len(test) - len(rows)
    if missing:
        raise InputError(
            f"{catalog.folder}: not the catalogue of the run ({origin['data']}), and lacks {missing} of the "
            f"{len(test)} products of its test part; --part all judges by every product"
        )
    return rows, "test"


def scorable_rows(
    catalog: Catalog, chosen: NDArray[np.int64], classifier: Classifier
) -> tuple[Catalog, NDArray[np.int8]]:
    """Return the chosen products that have a label the run knows and a whole image, with their labels [n, K].

    What was set aside on the way is among the `rejected` of the catalogue returned.

    Raises:
        InputError: when no product is left.
    """
    left = catalog.take(chosen)
    left = Catalog(**{**vars(left), "rejected": catalog.rejected, "inputs": len(left) + len(catalog.rejected)})
    values, unlabelled = classifier.spec.match(left.columns)
    reasons = unlabelled.astype(object)
    known = np.flatnonzero(reasons == "")
    reasons[known] = check_images(left.paths[known])
    judged = left.reject(reasons.tolist())
    if not len(judged):
        raise InputError(f"{catalog.folder}: no product to judge the run by; {judged.rejected[-1].reason}")
    return judged, values[reasons == ""]
