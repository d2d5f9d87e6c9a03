"""Samples of a catalog: whole products, at random, the same for the same seed."""

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.product_hashes import uniform_numbers
from fashion_keras.support.errors import InputError

Integers = NDArray[np.int64]


def subsample(codes: Integers, hashes: NDArray[np.str_], limit: float, seed: int = 0, floor: int = 0) -> Integers:
    """Return about `limit` sorted row indices: whole products, at random, the classes in proportion.

    Of each class at least three products are taken where it has them: fewer could not be split.

    Args:
        codes [n] int64: class of each row.
        hashes [n] str: product of each row.
        limit: number of rows or, below 1, share of the n.
        seed: same seed, same order in which products are taken.
        floor: rows at which a class stops shrinking (100 in schindler2018); smaller classes stay whole.
    """
    count = limit if limit >= 1 else limit * len(codes)
    if count >= len(codes):
        return np.arange(len(codes))
    products, row_products = np.unique(hashes, return_inverse=True)
    majority, sizes = majority_class(codes, row_products), np.bincount(row_products)
    order = np.argsort(uniform_numbers(products, seed, "sample"), kind="stable")
    chosen = []
    for code in np.unique(majority):
        members = order[majority[order] == code]
        rows_taken = np.cumsum(sizes[members])
        wanted = max(rows_taken[-1] * count / len(codes), min(rows_taken[-1], floor))
        chosen.append(members[: max(3, np.searchsorted(rows_taken, wanted) + 1)])
    return np.flatnonzero(np.isin(row_products, np.concatenate(chosen)))


def hold_out(catalog: Catalog, fraction: float, seed: int = 0) -> tuple[Integers, Integers]:
    """Return the row indices to train on and those held out, each sorted, [.] int64; no product in both.

    Whether a product is held out depends on its hash, the fraction and the seed alone; the products of a smaller
    fraction are among those of a larger one.

    Raises:
        InputError: for a fraction that is not between 0 and 1, or when either side is empty.
    """
    if not 0 < fraction < 1:
        raise InputError(f"--hold-out must be above 0 and below 1, not {fraction}")
    is_held_out = uniform_numbers(catalog.product_groups, seed, "hold-out") < fraction
    if is_held_out.all() or not is_held_out.any():
        side = "trained on" if is_held_out.all() else "held out"
        raise InputError(f"{catalog.folder}: of {len(catalog)} images none is {side} with --hold-out {fraction}")
    return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)


def majority_class(codes: Integers, units: Integers) -> Integers:
    """Return [m] the commonest class of each unit 0..m-1, the lower code in a tie."""
    pairs, counts = np.unique(units * (codes.max() + 1) + codes, return_counts=True)
    pair_units, pair_codes = np.divmod(pairs, codes.max() + 1)
    order = np.lexsort((-pair_codes, counts))
    majority = np.zeros(units.max() + 1, dtype=np.int64)
    majority[pair_units[order]] = pair_codes[order]  # the last of several, which is the commonest, stays
    return majority
