"""Two-sample tests on embeddings: a classifier's accuracy, and the maximum mean discrepancy."""

from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.product_hashes import uniform_numbers
from fashion_keras.evaluation.metrics.intervals import accuracy_interval
from fashion_keras.monitoring.measurement import MIN_PRODUCTS, NotMeasuredError

Floats, Embeddings = NDArray[np.float64], NDArray[np.float32]

_INVERSE_REGULARIZATION = 0.1  # of the logistic regression, on standardized embeddings
_PERMUTATIONS_PER_BLOCK = 100  # in memory at a time
_ROUNDING = 1e-6  # of a discrepancy: a relabeling that gives the same value counts
_SAME = 1e-6  # squared distance of unit vectors that rounding explains


@dataclass(frozen=True)
class ClassifierTest:
    """Classifier two-sample test: how well a classifier separates two sides that it was not trained on.

    Attributes:
        accuracy, accuracy_ci95: on as many test images of either side, so that chance is 0.5; products are resampled.
        p: of that accuracy or a higher one by chance.
        trained, tested: images of both sides together.
    """

    accuracy: float
    accuracy_ci95: tuple[float, float]
    p: float
    trained: int
    tested: int


@dataclass(frozen=True)
class MmdTest:
    """Maximum mean discrepancy of two sides: its unbiased square, the kernel's bandwidth, and a permutation p value.

    `reference`, `new`: the products compared.
    """

    mmd2: float
    bandwidth: float
    p: float
    reference: int
    new: int


def classifier_two_sample_test(
    embeddings: Embeddings, is_new: NDArray[np.bool_], products: NDArray[np.str_], seed: int = 0
) -> ClassifierTest:
    """Train a logistic regression to tell new from reference embeddings, on half of the products; test on the others.

    Lopez-Paz & Oquab 2017. All images of a product are on one side of the split, and rows are dropped at random until
    training and test part each hold as many of either side. The p value is one-sided and normal, from the squared sums
    of each product's hits less one half: the images of a product are right or wrong together.

    Args:
        embeddings [n, d], is_new [n], products [n]: hash of each image's product, equal on both sides for one product.
        seed: of the split and of the dropped rows.

    Raises:
        NotMeasuredError: with fewer than MIN_PRODUCTS products of either side in a part, or equal embeddings.
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - help must not wait for it
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    in_test = uniform_numbers(products.tolist(), seed, "drift") < 0.5
    rng = np.random.default_rng(seed)
    train, test = (_balanced(part, is_new, products, rng) for part in (~in_test, in_test))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=_INVERSE_REGULARIZATION, max_iter=2000))
    model.fit(embeddings[train], is_new[train])
    correct = model.predict(embeddings[test]) == is_new[test]
    return ClassifierTest(
        accuracy=float(correct.mean()),
        accuracy_ci95=accuracy_interval(correct, products[test], seed=seed),
        p=chance_p_value(correct, products[test]),
        trained=len(train),
        tested=len(test),
    )


def chance_p_value(correct: NDArray[np.bool_], products: NDArray[np.str_]) -> float:
    """Return the one-sided p value of the hits `correct` [n] by chance, 0.5; images of a product hit together.

    With one image per product it is that of the normal approximation of Binomial(n, 0.5).
    """
    _, product = np.unique(products, return_inverse=True)
    sums = np.bincount(product, correct - 0.5)
    variance = float(np.square(sums).sum())
    return 1.0 if variance == 0 else erfc(float(sums.sum()) / sqrt(2 * variance)) / 2


def mmd_test(reference: Embeddings, new: Embeddings, permutations: int = 499, seed: int = 0) -> MmdTest:
    """Return the unbiased MMD^2 of `reference` [m, d] and `new` [n, d], with an RBF kernel, and its p value.

    Gretton et al. 2012: exp(-distance^2 / (2 bandwidth^2)) with the median distance of all pairs as bandwidth; the p
    value is the share of relabelings that give at least as much, the one at hand counted, too. Rows are exchangeable
    only if each shows another product. Memory: about three times (m + n)^2 float32.

    Raises:
        NotMeasuredError: with fewer than two rows on a side, or equal embeddings.
    """
    m, n = len(reference), len(new)
    if min(m, n) < 2:
        raise NotMeasuredError(f"{m} reference and {n} new products; the discrepancy needs two of each")
    distances = squared_distances(np.concatenate([reference, new]))
    median = float(np.median(distances[~np.tri(m + n, dtype=bool)]))
    if median <= _SAME:
        raise NotMeasuredError("at least half of the embeddings are the same")
    distances *= -1 / (2 * median)
    kernel = np.exp(distances, out=distances)
    np.fill_diagonal(kernel, 0)
    labels = np.zeros(m + n, np.float32)
    labels[m:] = 1
    rng = np.random.default_rng(seed)
    value = float(_mmd2(kernel, labels[:, None])[0])
    at_least = 0
    for start in range(0, permutations, _PERMUTATIONS_PER_BLOCK):
        count = min(_PERMUTATIONS_PER_BLOCK, permutations - start)
        drawn = np.stack([rng.permutation(labels) for _ in range(count)], axis=1)
        at_least += int((_mmd2(kernel, drawn) >= value - _ROUNDING).sum())
    return MmdTest(value, sqrt(median), (1 + at_least) / (1 + permutations), m, n)


def squared_distances(rows: Embeddings) -> NDArray[np.float32]:
    """Return the squared Euclidean distances [n, n] of rows [n, d], 0 on the diagonal."""
    lengths = np.einsum("ij,ij->i", rows, rows)
    distances = lengths[:, None] + lengths - 2 * (rows @ rows.T)
    np.fill_diagonal(distances, 0)
    return np.maximum(distances, 0, out=distances)


def _mmd2(kernel: NDArray[np.float32], labels: NDArray[np.float32]) -> Floats:
    """Return the unbiased MMD^2 [p] of p labelings [n, p], 1 for new rows; `kernel` [n, n] has a diagonal of 0."""
    to_new = (kernel @ labels).astype(np.float64)
    sums = kernel.sum(axis=1, dtype=np.float64)
    new = labels.sum(axis=0, dtype=np.float64)
    reference = len(labels) - new
    within_new = (labels * to_new).sum(axis=0)
    between = ((1 - labels) * to_new).sum(axis=0)
    within_reference = (1 - labels).T.astype(np.float64) @ sums - between
    return (
        within_reference / (reference * (reference - 1)) + within_new / (new * (new - 1))
        - 2 * between / (reference * new)
    )  # fmt: skip


def _balanced(
    part: NDArray[np.bool_], is_new: NDArray[np.bool_], products: NDArray[np.str_], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return rows of a part, as many of either side, drawn at random from the larger one."""
    sides = [np.flatnonzero(part & side) for side in (~is_new, is_new)]
    fewest = min(len(np.unique(products[rows])) for rows in sides)
    if fewest < MIN_PRODUCTS:
        raise NotMeasuredError(
            f"{fewest} products of a side in a half of the data; training and testing a classifier needs {MIN_PRODUCTS}"
        )
    count = min(map(len, sides))
    return np.concatenate([np.sort(rng.permutation(rows)[:count]) for rows in sides])
