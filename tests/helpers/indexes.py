"""Products of random embeddings for the tests of indexes, and what their nearest are by brute force."""

import numpy as np

from fashion_keras.images.spec import ImageSpec
from fashion_keras.search.base import IndexSpec, Records

SPEC = IndexSpec("fashion_small", "abc", ImageSpec(80, 60), 16, ("gender", "base_colour"))
GENDERS = np.array(["Men", "Women", "Unisex", ""])
COLORS = np.array(["Navy Blue", "Red", "Grün"])


def records(start, stop, seed=0):
    """Products of ids 10 * start to 10 * (stop - 1)."""
    random = np.random.default_rng((seed, start))
    embeddings = random.normal(size=(stop - start, 16)).astype(np.float32)
    ids = np.arange(start, stop) * 10
    return Records(
        ids,
        embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True),
        np.array([f"images/{number}.jpg" for number in ids]),
        {"gender": GENDERS[ids // 10 % 4], "base_colour": COLORS[ids // 10 % 3]},
    )


def with_columns(products, **columns):
    """The same products with other columns."""
    return Records(products.ids, products.embeddings, products.paths, columns)


def assert_nearest(neighbors, products, query, k):
    """The k best of all, up to what half precision can tell apart."""
    scores = dict(zip(products.ids.tolist(), (products.embeddings @ query).tolist(), strict=True))
    assert len(set(neighbors.ids.tolist())) == k
    np.testing.assert_allclose(neighbors.scores, [scores[number] for number in neighbors.ids.tolist()], atol=1e-3)
    np.testing.assert_allclose(neighbors.scores, sorted(scores.values(), reverse=True)[:k], atol=1e-3)


def brute_force(products, query, k):
    """Ids and scores of the k nearest."""
    scores = products.embeddings @ query
    order = np.lexsort((products.ids, -scores))[:k]
    return products.ids[order], scores[order]
