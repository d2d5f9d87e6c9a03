"""Text-to-image retrieval metrics: texts as queries, and the first ten images of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_keras.evaluation.metrics.retrieval import TOP, Score, mean_score

Integers = NDArray[np.int64]
# Texts -> the rows [q, TOP] of the images that are ranked first, the best first; -1 where there is no further one.
TextSearch = Callable[[Sequence[str]], Integers]


@dataclass(frozen=True)
class TextQueries:
    """Texts and the images that they describe: image i is relevant to query codes[i] alone, or to none where -1.

    `texts` are q, `codes` is [n].
    """

    texts: tuple[str, ...]
    codes: Integers

    @property
    def relevant_counts(self) -> Integers:
        """R of each query, [q]: how many images are relevant."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.texts))


def value_queries(columns: Sequence[NDArray[np.str_]]) -> TextQueries:
    """Return a query for each combination of values of columns [n] that occurs: the values in lower case, in order.

    >>> value_queries([np.array(["Red", "", "Red"]), np.array(["Shirts", "Shirts", "Bags"])]).texts
    ('red bags', 'red shirts')
    """
    known = np.all([values != "" for values in columns], axis=0)
    phrases = [" ".join(values).lower() for values in zip(*(column[known] for column in columns), strict=True)]
    texts, inverse = np.unique(np.array(phrases, np.str_), return_inverse=True)
    codes = np.full(len(known), -1, np.int64)
    codes[known] = inverse
    return TextQueries(tuple(texts.tolist()), codes)


def name_queries(names: NDArray[np.str_], product_groups: NDArray[np.generic]) -> TextQueries:
    """Return a query for each product group [n] with a name [n]: the first name of its images."""
    _, first, codes = np.unique(product_groups, return_index=True, return_inverse=True)
    named = names[first] != ""
    renumbered = np.where(named, np.cumsum(named) - 1, -1)
    return TextQueries(tuple(names[first][named].tolist()), renumbered[codes])


def text_scores(queries: dict[str, TextQueries], names: TextQueries, search: TextSearch) -> dict[str, Score]:
    """Return name -> score (see `mean_score`) of a search by texts.

    Of each of `queries`, precision@10 over those with at least 10 relevant images; of `names`, recall@1 and recall@10:
    the share of products of which an image is among the first. Intervals resample queries.
    """
    scores = {}
    for name, requested in queries.items():
        hits = _hits(requested, search)
        values = np.where(requested.relevant_counts >= TOP, hits.sum(axis=1) / TOP, np.nan)
        scores[f"text to {name} precision@{TOP} (R >= {TOP})"] = mean_score(values)
    hits = _hits(names, search)
    for k in (1, TOP):
        scores[f"text to product name recall@{k}"] = mean_score(hits[:, :k].any(axis=1).astype(np.float64))
    return scores


def _hits(queries: TextQueries, search: TextSearch) -> NDArray[np.bool_]:
    """Return whether each of the first images of a query is relevant, [q, TOP]."""
    rows = search(queries.texts) if queries.texts else np.empty((0, TOP), np.int64)
    return (queries.codes[rows] == np.arange(len(rows))[:, None]) & (rows >= 0)
