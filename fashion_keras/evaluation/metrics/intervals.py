"""Confidence intervals: bootstrap over products, whose images are right or wrong together; exact binomial bounds."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fashion_keras.evaluation.metrics import validation

_MAX_DISTINCT = 256  # distinct rows up to which one multinomial draw is faster than an index per product
_DRAWS_PER_BLOCK = 50  # draws in memory at a time

Floats = NDArray[np.float64]


def accuracy_interval(
    correct: ArrayLike, product_groups: ArrayLike | None = None, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Return (low, high), the interval of the mean of `correct` [n] bool; see `mean_interval`."""
    (correct,) = validation.rows(correct=correct)
    return mean_interval(correct.astype(bool), product_groups, level, draws, seed)


def mean_interval(
    values: ArrayLike, product_groups: ArrayLike | None = None, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Return (low, high), the percentile bootstrap interval of the mean of `values` [n] float, resampling products.

    Rows with an equal entry in `product_groups` [n] show one product; None: each row is a product. `level` is the share
    of such intervals that hold the true mean. Where all values are 0, or all are 1, resamples have no width: the bounds
    are those of `clopper_pearson_interval` over the products.
    """
    (values,) = validation.rows(values=values)
    values = values.astype(np.float64)
    if product_groups is not None:
        _, product_groups = np.unique(product_groups, return_inverse=True)
        validation.rows(rows=values, product_groups=product_groups)
    if values.min() == values.max() and values[0] in (0, 1):
        products = len(values) if product_groups is None else len(np.unique(product_groups))
        return tuple(clopper_pearson_interval(products * int(values[0]), products, level).tolist())
    counted = np.column_stack([values, np.ones(len(values))])
    return bootstrap_interval(counted, lambda sums: sums[:, 0] / sums[:, 1], product_groups, level, draws, seed)


def bootstrap_interval(
    counted: NDArray[np.generic],
    statistic: Callable[[Floats], Floats],
    product_groups: ArrayLike | None = None,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> tuple[float, float] | None:
    """Return (low, high), as `mean_interval`, of a statistic of sums over rows; None if undefined in every resample.

    `counted` [n, c]: what each row adds to each of c sums; `statistic`: sums [draws, c] -> values [draws], with NaN
    where it is undefined, which is left out.
    """
    values = statistic(_resampled_sums(sum_by_product(counted, product_groups), draws, seed))
    defined = values[~np.isnan(values)]
    if not len(defined):
        return None
    return tuple(np.quantile(defined, [(1 - level) / 2, (1 + level) / 2]).tolist())


def sum_by_product(counted: NDArray[np.generic], product_groups: ArrayLike | None) -> Floats:
    """Return [p, c] float64: the sums of the rows of `counted` [n, c] over each product; `counted` itself for None."""
    counted = np.asarray(counted, dtype=np.float64)
    if product_groups is None:
        return counted
    _, products = np.unique(np.asarray(product_groups), return_inverse=True)
    return np.stack([np.bincount(products, column) for column in counted.T], axis=1)


def clopper_pearson_interval(hits: ArrayLike, trials: ArrayLike, confidence: float = 0.95) -> Floats:
    """Return the two-sided exact bounds [2, ...] of a proportion `hits` [...] of `trials` [...]; (0, 1) of none."""
    hits, trials, one_sided = np.asarray(hits), np.asarray(trials), (1 + confidence) / 2
    misses_bound = proportion_lower_bound(trials - hits, trials, one_sided)
    return np.stack([proportion_lower_bound(hits, trials, one_sided), 1 - misses_bound])


def proportion_lower_bound(hits: ArrayLike, trials: ArrayLike, confidence: float = 0.95) -> Floats:
    """Return the one-sided exact lower bound [...] of a proportion, `hits` [...] int of `trials` [...] int.

    Clopper & Pearson 1934: a quantile of Beta(hits, trials - hits + 1), and 0 where there are no hits.
    """
    from scipy.special import betaincinv  # noqa: PLC0415 - half a second that help must not wait for

    hits, trials = np.asarray(hits), np.asarray(trials)
    return np.where(hits > 0, betaincinv(np.maximum(hits, 1), trials - hits + 1, 1 - confidence), 0.0)


def _resampled_sums(product_sums: Floats, draws: int, seed: int) -> Floats:
    """Return [draws, c]: sums over p products, drawn with replacement from `product_sums` [p, c]."""
    rng, products = np.random.default_rng(seed), len(product_sums)
    distinct, counts = np.unique(product_sums, axis=0, return_counts=True)
    if len(distinct) <= _MAX_DISTINCT:
        # Products with equal sums are interchangeable: how often each kind is drawn is multinomial.
        return rng.multinomial(products, counts / products, size=draws) @ distinct
    blocks = []
    for start in range(0, draws, _DRAWS_PER_BLOCK):
        drawn = rng.integers(products, size=(min(_DRAWS_PER_BLOCK, draws - start), products))
        blocks.append(np.stack([np.bincount(indices, minlength=products) for indices in drawn]) @ product_sums)
    return np.concatenate(blocks)
