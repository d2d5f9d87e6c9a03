"""Train, validation and test parts by hash of the product: no product in two parts, every class in every part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.product_hashes import product_hashes, uniform_numbers
from fashion_keras.support.errors import InputError, unknown_name_error

SPLITS = ("product", "random")
PARTS = ("train", "validation", "test")
FRACTIONS = (0.64, 0.16, 0.20)
_TRAIN_VALIDATION = (0.8, 0.2)  # of the products that a fold does not test

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Disjoint row indices, each sorted: train, validation and test [.] int64; the recipe; the seed."""

    train: Integers
    validation: Integers
    test: Integers
    recipe: str
    seed: int


def split(
    codes: Integers, hashes: NDArray[np.str_], classes: Sequence[str], recipe: str = "product", seed: int = 0
) -> Split:
    """Divide n labeled rows into train, validation and test parts of about 64, 16 and 20 %.

    A product's part depends on its hash and the seed alone, so a catalog that grows or is sorted keeps its parts.
    Only where a class would lack a part, the product nearest to that part is moved into it.

    Args:
        codes [n] int64: class of each row, 0..k-1; rows of codes from k on are divided too.
        hashes [n] str: product of each row, see `product_hashes`.
        classes [k]: names of the classes that every part must have, for error messages.
        recipe: "product", or "random": rows at random, stratified by class, as the papers did (rows of one product
            then leak from train to test).
        seed: same seed, same split.

    Raises:
        InputError: for an unknown recipe, or a class with too few products for all three parts.
    """
    units = _units(hashes, recipe)
    result = _as_split(_assign(codes, units, np.arange(len(codes)), FRACTIONS, recipe, seed), recipe, seed)
    _check_classes([result], codes, units, classes)
    _check_parts(result, units)
    return result


def k_folds(
    codes: Integers,
    hashes: NDArray[np.str_],
    classes: Sequence[str],
    folds: int,
    recipe: str = "product",
    seed: int = 0,
) -> tuple[Split, ...]:
    """Divide n labeled rows in `folds` ways, so that each product is in the test part of exactly one fold.

    A test part has about 1 / `folds` of the products, and validation a fifth of the others; arguments as of `split`.

    Raises:
        InputError: for an unknown recipe, or a class with too few products for all parts of every fold.
    """
    units = _units(hashes, recipe)
    # The last part comes first on [0, 1): the first of five folds has the test part of a run without folds.
    test_fold = folds - 1 - _assign(codes, units, np.arange(len(codes)), (1 / folds,) * folds, recipe, seed)
    results = []
    for fold in range(folds):
        parts, rest = np.full(len(codes), 2), np.flatnonzero(test_fold != fold)
        parts[rest] = _assign(codes, units, rest, _TRAIN_VALIDATION, recipe, seed, fold)
        results.append(_as_split(parts, recipe, seed))
    _check_classes(results, codes, units, classes)
    for result in results:
        _check_parts(result, units)
    return tuple(results)


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
    majority, sizes = _majority_class(codes, row_products), np.bincount(row_products)
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
    is_held_out = uniform_numbers(product_hashes(catalog), seed, "hold-out") < fraction
    if is_held_out.all() or not is_held_out.any():
        side = "trained on" if is_held_out.all() else "held out"
        raise InputError(f"{catalog.folder}: of {len(catalog)} images none is {side} with --hold-out {fraction}")
    return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)


def _units(hashes: NDArray[np.str_], recipe: str) -> NDArray[np.generic]:
    """Return [n] which rows stay together: those of one product, or every row by itself."""
    if recipe not in SPLITS:
        raise unknown_name_error("split", recipe, SPLITS)
    return hashes if recipe == "product" else np.arange(len(hashes))


def _assign(
    codes: Integers,
    units: NDArray[np.generic],
    rows: Integers,
    fractions: Sequence[float],
    recipe: str,
    seed: int,
    fold: int | None = None,
) -> Integers:
    """Return the part 0..p-1 of each of `rows` [m]; `fold` gives each fold random numbers of its own."""
    if recipe == "random":
        return _assign_at_random(codes, rows, fractions, seed if fold is None else (seed, fold))
    stream = "split" if fold is None else f"validation of fold {fold}"
    return _assign_by_hash(codes[rows], units[rows], fractions, seed, stream)


def _assign_by_hash(
    codes: Integers, hashes: NDArray[np.str_], fractions: Sequence[float], seed: int, stream: str
) -> Integers:
    """Return the part of each row by its product's random number; the last part's interval begins at 0."""
    products, row_products = np.unique(hashes, return_inverse=True)
    numbers = uniform_numbers(products, seed, stream)
    edges = np.concatenate([[0.0], np.cumsum(fractions[::-1])[:-1], [1.0]])
    parts = len(fractions) - np.searchsorted(edges[1:-1], numbers, side="right") - 1
    majority = _majority_class(codes, row_products)
    for code in np.unique(majority):
        members = np.flatnonzero(majority == code)
        if len(members) >= len(fractions):
            parts[members] = _fill_empty_parts(parts[members], numbers[members], edges)
    return parts[row_products]


def _fill_empty_parts(parts: Integers, numbers: NDArray[np.float64], edges: NDArray[np.float64]) -> Integers:
    """Return `parts` [m] of a class's products with the nearest product moved into each part that had none.

    A part gives up a product only while it has two; of equally near products that of the lower hash moves.
    """
    parts, count = parts.copy(), len(edges) - 1
    for part in reversed(range(count)):
        sizes = np.bincount(parts, minlength=count)
        if sizes[part] == 0:
            low, high = edges[count - 1 - part], edges[count - part]
            distances = np.where(sizes[parts] > 1, np.maximum(low - numbers, numbers - high), np.inf)
            parts[np.argmin(distances)] = part
    return parts


def _assign_at_random(
    codes: Integers, rows: Integers, fractions: Sequence[float], seed: int | tuple[int, ...]
) -> Integers:
    """Return the part of each of `rows` [m], in about those fractions per class, by the row's random number.

    The last part takes its fraction of a class from the lowest numbers on; a part has at least one row of a class
    where there are enough.
    """
    numbers, row_codes = np.random.default_rng(seed).random(len(codes))[rows], codes[rows]
    parts = np.zeros(len(rows), dtype=np.int64)
    for code in np.unique(row_codes):
        members = np.flatnonzero(row_codes == code)
        members = members[np.argsort(numbers[members])]
        shares = np.arange(1, len(members) + 1) / len(members)
        start = 0
        for part in range(len(fractions) - 1, 0, -1):
            # The end nearest to the fraction, one row further than the start, and one row left for each other part.
            end = 1 + int(np.argmin(np.abs(shares - sum(fractions[part:]))))
            end = max(min(end, len(members) - part), start + 1)
            parts[members[start:end]] = part
            start = end
    return parts


def _majority_class(codes: Integers, units: Integers) -> Integers:
    """Return [m] the commonest class of each unit 0..m-1, the lower code in a tie."""
    pairs, counts = np.unique(units * (codes.max() + 1) + codes, return_counts=True)
    pair_units, pair_codes = np.divmod(pairs, codes.max() + 1)
    order = np.lexsort((-pair_codes, counts))
    majority = np.zeros(units.max() + 1, dtype=np.int64)
    majority[pair_units[order]] = pair_codes[order]  # the last of several, which is the commonest, stays
    return majority


def _as_split(parts: Integers, recipe: str, seed: int) -> Split:
    return Split(*(np.flatnonzero(parts == part) for part in range(3)), recipe=recipe, seed=seed)


def _check_classes(
    splits: Sequence[Split], codes: Integers, units: NDArray[np.generic], classes: Sequence[str]
) -> None:
    """Raise InputError for classes that some part lacks; a product counts for its commonest class."""
    _, row_units = np.unique(units, return_inverse=True)
    majority = _majority_class(codes, row_units)
    parts = [part for result in splits for part in (result.train, result.validation, result.test)]
    numbers = np.arange(len(classes))
    small = np.flatnonzero(~np.all([np.isin(numbers, majority[row_units[part]]) for part in parts], axis=0))
    if not len(small):
        return
    images, products = (np.bincount(values, minlength=len(classes)) for values in (codes, majority))
    named = ", ".join(f"{classes[code]} ({images[code]} images, {products[code]} products)" for code in small[:5])
    folds = f" of each of {len(splits)} folds" if len(splits) > 1 else ""
    raise InputError(
        f"{len(small)} classes have too few products for train, validation and test{folds}: "
        f"{named}{', ...' if len(small) > 5 else ''}; leave them out with --min-images {images[small].max() + 1}, "
        f"which counts before --limit{', or take fewer --folds' if folds else ''}"
    )


def _check_parts(result: Split, units: NDArray[np.generic]) -> None:
    parts = (result.train, result.validation, result.test)
    if not np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(units))):
        raise AssertionError("the parts do not cover every row exactly once")
    part_units = [set(units[part].tolist()) for part in parts]
    if part_units[0] & part_units[1] or part_units[0] & part_units[2] or part_units[1] & part_units[2]:
        raise AssertionError("a product stands in two parts")
    if not all(part_units):
        raise InputError(
            f"{len(units)} images are too few for train, validation and test; give more, or a larger --limit"
        )
