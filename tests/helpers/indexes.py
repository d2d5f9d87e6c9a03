"""Images of random embeddings for the tests of indexes, and what their nearest are by brute force."""

from dataclasses import replace

import numpy as np

from fashion_keras.images.spec import ImageSpec
from fashion_keras.search.base import IndexSpec, Records

SPEC = IndexSpec("fashion_small", "abc", ImageSpec(80, 60), 16, ("gender", "base_colour"))
GENDERS = np.array(["Men", "Women", "Unisex", ""])
COLORS = np.array(["Navy Blue", "Red", "Grün"])


def names(*numbers):
    """Image ids of numbers, in whose order they are."""
    return [f"{number:06d}" for number in numbers]


def records(start, stop, seed=0):
    """Images, each of a product of its own, of ids names(10 * start) to names(10 * (stop - 1))."""
    random = np.random.default_rng((seed, start))
    embeddings = random.normal(size=(stop - start, 16)).astype(np.float32)
    numbers = np.arange(start, stop)
    ids = np.array(names(*(10 * numbers)), np.str_)
    return Records(
        ids,
        ids,
        embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True),
        np.array([f"images/{name}.jpg" for name in ids], np.str_),
        {"gender": GENDERS[numbers % 4], "base_colour": COLORS[numbers % 3]},
    )


def with_columns(products, **columns):
    """The same images with other columns."""
    return replace(products, columns=columns)


def assert_nearest(neighbors, products, query, k):
    """The k best of all, up to what half precision can tell apart."""
    scores = dict(zip(products.ids.tolist(), (products.embeddings @ query).tolist(), strict=True))
    assert len(set(neighbors.ids.tolist())) == k
    np.testing.assert_allclose(neighbors.scores, [scores[name] for name in neighbors.ids.tolist()], atol=1e-3)
    np.testing.assert_allclose(neighbors.scores, sorted(scores.values(), reverse=True)[:k], atol=1e-3)


def brute_force(products, query, k):
    """Ids and scores of the k nearest."""
    scores = products.embeddings @ query
    order = np.lexsort((products.ids, -scores))[:k]
    return products.ids[order], scores[order]
