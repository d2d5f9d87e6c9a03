"""Train, validation and test parts that share no product title, stratified by class, and proven to be so."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.readers import Catalog
from fashion_keras.catalog.tasks import get_task
from fashion_keras.support.errors import InputError, unknown_name_error

SPLITS = ("title", "random")
FRACTIONS = (0.64, 0.16, 0.20)
_LEARNT_FROM = (0.8, 0.2)  # train and validation, of what is not tested

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Disjoint row indices, each sorted: train, validation and test [.] int64; how they were drawn; the seed."""

    train: Integers
    validation: Integers
    test: Integers
    recipe: str
    seed: int


def split(codes: Integers, groups: Integers, classes: Sequence[str], recipe: str = "title", seed: int = 0) -> Split:
    """Divide n labelled products 64 / 16 / 20 per class.

    Args:
        codes [n] int64: class of each product, 0..k-1; of classes from k on, a part may lack products.
        groups [n] int64: title groups; with recipe "title" a group stays in one part.
        classes [k]: names, for error messages.
        recipe: "title", or "random" as the papers did (titles then leak from train to test).
        seed: same seed, same split.

    Raises:
        InputError: for an unknown recipe, or a class with too few titles to stand in all three parts.
    """
    units = _units(groups, recipe)
    result = _cut(stratified_group_assign(codes, units, FRACTIONS, seed), recipe, seed)
    _check_classes([result], codes, units, classes)
    _prove(result, units)
    return result


def k_folds(
    codes: Integers, groups: Integers, classes: Sequence[str], folds: int, recipe: str = "title", seed: int = 0
) -> tuple[Split, ...]:
    """Divide n labelled products in `folds` ways, so that every product is in the test part of one of them.

    Of each class a test part has about one of `folds` parts, and validation a fifth of the rest; see `split`.

    Raises:
        InputError: for an unknown recipe, or a class with too few titles to stand in all parts of every fold.
    """
    units = _units(groups, recipe)
    # The last part comes first in line: the first of five folds has the test part of a run without folds.
    tested_in = folds - 1 - stratified_group_assign(codes, units, (1 / folds,) * folds, seed)
    results = []
    for fold in range(folds):
        parts, rest = np.full(len(codes), 2), np.flatnonzero(tested_in != fold)
        # Another line for each fold, or the head of the one line would be all validation parts.
        parts[rest] = stratified_group_assign(codes[rest], units[rest], _LEARNT_FROM, (seed, fold))
        results.append(_cut(parts, recipe, seed))
    _check_classes(results, codes, units, classes)
    for result in results:
        _prove(result, units)
    return tuple(results)


def subsample(codes: Integers, groups: Integers, limit: float, seed: int = 0, floor: int = 0) -> Integers:
    """Return about `limit` sorted row indices: whole title groups, at random, the classes in proportion.

    Of each class at least three groups are taken where it has them: fewer could not be split.

    Args:
        codes [n] int64: class of each product.
        groups [n] int64: title groups.
        limit: how many, or, below 1, which share of the n.
        seed: same seed, same sample.
        floor: rows at which a class stops shrinking (100 in schindler2018); smaller classes stay whole.
    """
    count = limit if limit >= 1 else limit * len(codes)
    if count >= len(codes):
        return np.arange(len(codes))
    majority = _majority_class(codes, groups)
    # As in `stratified_group_assign`, a group's place in line does not depend on the others; another
    # line than there, or a sample would take its products from the test part.
    order = np.argsort(np.random.default_rng((seed, 1)).random(len(majority)))
    sizes = np.bincount(groups)
    kept = []
    for code in np.unique(codes):
        members = order[majority[order] == code]
        filled = np.cumsum(sizes[members])
        # Nothing for a class that is the commonest of no group.
        size = filled[-1:]
        wanted = np.searchsorted(filled, np.maximum(size * count / len(codes), np.minimum(size, floor))) + 1
        kept.append(members[: max(3, *wanted)])
    return np.flatnonzero(np.isin(groups, np.concatenate(kept)))


def hold_out(catalog: Catalog, fraction: float, seed: int = 0) -> tuple[Integers, Integers]:
    """Divide a catalogue in two: rows to learn from and rows held out, each sorted, [.] int64; no title in both.

    About `fraction` of every article type is held out; products without an article type count as one more, and all
    products as one where there are no types to tell apart.

    Raises:
        InputError: for a fraction that is not between 0 and 1, or when no titles are left to learn from.
    """
    if not 0 < fraction < 1:
        raise InputError(f"--hold-out is between 0 and 1, not {fraction}")
    try:
        labels = get_task("article_type").encode(catalog.columns)
        codes = np.where(labels.known, labels.codes, len(labels.classes))
    except InputError:
        codes = np.zeros(len(catalog), np.int64)
    parts = stratified_group_assign(codes, catalog.product_groups, (1 - fraction, fraction), seed)
    train, held_out = np.flatnonzero(parts == 0), np.flatnonzero(parts == 1)
    if not len(train):
        raise InputError(f"{catalog.folder}: {len(catalog)} products have too few titles to hold any out")
    return train, held_out


def stratified_group_assign(
    codes: Integers, groups: Integers, fractions: Sequence[float], seed: int | tuple[int, ...]
) -> Integers:
    """Give each row a part 0..p-1 in about those fractions per class, a group never divided.

    Every group has a place in line that depends on the seed and its number alone; the last part takes its fraction of
    a class from the head of the line, the first from its end. So another task on the same catalogue divides it almost
    alike: what is known of the training images serves again, and hardly a test image was seen in training for the
    other. A part has at least one group of a class where there are enough.
    """
    classes = _majority_class(codes, groups)
    line = np.random.default_rng(seed).random(len(classes))
    sizes = np.bincount(groups)
    part_of_group = np.zeros(len(classes), dtype=np.int64)
    for code in np.unique(classes[classes >= 0]):
        members = np.flatnonzero(classes == code)
        members = members[np.argsort(line[members])]
        filled = np.cumsum(sizes[members]) / sizes[members].sum()
        start = 0
        for part in range(len(fractions) - 1, 0, -1):
            # The end nearest to the fraction, one group further than the start, and one group left for each other part.
            end = 1 + int(np.argmin(np.abs(filled - sum(fractions[part:]))))
            end = max(min(end, len(members) - part), start + 1)
            part_of_group[members[start:end]] = part
            start = end
    return part_of_group[groups]


def _majority_class(codes: Integers, groups: Integers) -> Integers:
    """The commonest class of each group, the lower code in a tie; -1 for group numbers that no row has."""
    pairs = Counter(zip(groups.tolist(), codes.tolist(), strict=True))
    winner = np.full(int(groups.max()) + 1, -1, dtype=np.int64)
    for (group, code), _ in sorted(pairs.items(), key=lambda pair: (pair[1], -pair[0][1])):
        winner[group] = code
    return winner


def _units(groups: Integers, recipe: str) -> Integers:
    """What is never divided: title groups, or single rows."""
    if recipe not in SPLITS:
        raise unknown_name_error("split", recipe, SPLITS)
    return groups if recipe == "title" else np.arange(len(groups))


def _cut(parts: Integers, recipe: str, seed: int) -> Split:
    return Split(*(np.flatnonzero(parts == part) for part in range(3)), recipe=recipe, seed=seed)


def _check_classes(splits: Sequence[Split], codes: Integers, units: Integers, classes: Sequence[str]) -> None:
    """Refuse classes that some part lacks; a unit counts for its commonest class."""
    majority = _majority_class(codes, units)
    parts = [part for one in splits for part in (one.train, one.validation, one.test)]
    numbers = np.arange(len(classes))
    small = np.flatnonzero(~np.all([np.isin(numbers, majority[units[part]]) for part in parts], axis=0))
    if not len(small):
        return
    images = np.bincount(codes, minlength=len(classes))
    titles = np.bincount(majority[majority >= 0], minlength=len(classes))
    named = ", ".join(f"{classes[code]} ({images[code]} images, {titles[code]} titles)" for code in small[:5])
    folds = f" of each of {len(splits)} folds" if len(splits) > 1 else ""
    raise InputError(
        f"{len(small)} classes have too few titles to stand in train, validation and test{folds}: "
        f"{named}{', ...' if len(small) > 5 else ''}; leave them out with --min-images {images[small].max() + 1}, "
        f"which counts before --limit{', or take fewer --folds' if folds else ''}"
    )


def _prove(result: Split, units: Integers) -> None:
    parts = (result.train, result.validation, result.test)
    if not np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(units))):
        raise AssertionError("the parts do not cover every row exactly once")
    held = [set(units[part].tolist()) for part in parts]
    if held[0] & held[1] or held[0] & held[2] or held[1] & held[2]:
        raise AssertionError("a title stands in two parts")
    if not all(len(part) for part in parts):
        raise AssertionError("a part is empty")
