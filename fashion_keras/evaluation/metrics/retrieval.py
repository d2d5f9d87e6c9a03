"""Retrieval metrics: embeddings to rankings, `relevant` [q, m] down the whole gallery to one score [q] per query."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np

from fashion_keras.evaluation.metrics import validation
from fashion_keras.evaluation.metrics.intervals import mean_interval
from fashion_keras.support.errors import InputError

COLUMNS = ("article_type", "base_colour", "gender")
TOP = 10

_CELLS = 2**20  # similarities in memory at a time: 8 MB in float64
_GRID = 2.0**24  # similarities are told apart down to 2**-24, the resolution of float32 embeddings
_ROW_BITS = 32

Score = dict[str, float | int | list[float] | None]


def rankings(
    gallery: np.ndarray, queries: np.ndarray | None = None, m: int | None = None
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield (rows, ranked), a block of queries at a time: the rows, and their m best gallery rows [b, m] int64.

    Ranked by the dot product of `queries` [q, d] float32 with `gallery` [n, d] float32, both of unit norm; without
    queries each gallery item is a query, and is left out of its own ranking. Products are rounded to 2**-24, so that
    equal embeddings tie whatever the block; ties go to the lower row.
    """
    gallery = _unit("gallery", gallery)
    leave_one_out = queries is None
    queries = gallery if leave_one_out else _unit("queries", queries)
    if queries.shape[1] != gallery.shape[1]:
        raise InputError(f"queries have {queries.shape[1]} dimensions, the gallery has {gallery.shape[1]}")
    others = len(gallery) - leave_one_out
    m = max(others, 1) if m is None else _at_least_one("m", m)
    if m > others:
        raise InputError(f"cannot return the {m} best gallery rows: a query has {others} to choose from")
    step = max(1, _CELLS // len(gallery))
    blocks = (slice(start, min(start + step, len(queries))) for start in range(0, len(queries), step))
    return ((rows, _best(_keys(gallery, queries[rows], rows.start if leave_one_out else None), m)) for rows in blocks)


def nearest(gallery: np.ndarray, m: int, queries: np.ndarray | None = None) -> np.ndarray:
    """Return the m best rows of `gallery` [n, d] float32 for each query: [q, m] int64, best first (see rankings)."""
    return np.concatenate([ranked for _, ranked in rankings(gallery, queries, m)])


def precision_at(relevant: np.ndarray, k: int, min_relevant: int = 1) -> np.ndarray:
    """Return precision@k [q]: the relevant items of the first k, divided by k; NaN for fewer than `min_relevant`."""
    relevant, totals = _ranked(relevant)
    hits = np.count_nonzero(relevant[:, : _at_least_one("k", k)], axis=1)
    return np.where(totals >= _at_least_one("min_relevant", min_relevant), hits / k, np.nan)


def recall_at(relevant: np.ndarray, k: int) -> np.ndarray:
    """Return recall@k [q]: the relevant items of the first k, divided by R; it cannot exceed k / R."""
    relevant, totals = _ranked(relevant)
    return validation.ratio(np.count_nonzero(relevant[:, : _at_least_one("k", k)], axis=1), totals)


def hit_at(relevant: np.ndarray, k: int) -> np.ndarray:
    """Return [q]: 1 where any of the first k is relevant, else 0: recall@k of Oh Song et al. 2016, arXiv:1511.06452."""
    relevant, totals = _ranked(relevant)
    return np.where(totals > 0, relevant[:, : _at_least_one("k", k)].any(axis=1), np.nan)


def average_precision_at_r(relevant: np.ndarray) -> np.ndarray:
    """Return [q]: 1/R x the sum, over the ranks i <= R that hold a relevant item, of precision@i (arXiv:2003.08505)."""
    relevant, totals = _ranked(relevant)
    ranks = np.arange(1, totals.max(initial=0) + 1)
    counted = relevant[:, : len(ranks)] & (ranks <= totals[:, None])
    return validation.ratio(np.sum(np.cumsum(counted, axis=1) / ranks, axis=1, where=counted), totals)


def reciprocal_rank(relevant: np.ndarray) -> np.ndarray:
    """Return [q]: 1 / the rank of the first relevant item. Its mean is MRR (Voorhees 1999, TREC-8)."""
    relevant, totals = _ranked(relevant)
    return np.where(totals > 0, 1 / (relevant.argmax(axis=1) + 1), np.nan)


def ndcg_at(grades: np.ndarray, k: int) -> np.ndarray:
    """Return nDCG@k [q] of `grades` [q, m] int >= 0 down the whole gallery; gains 2**grade - 1 (Burges et al. 2005)."""
    grades, _ = _ranked(grades, None)
    ideal = np.sort(grades, axis=1, kind="stable")[:, ::-1]
    best = _gain(ideal[:, : _at_least_one("k", k)])
    return validation.ratio(_gain(grades[:, :k]), best)


def mean_score(values: np.ndarray, product_groups: np.ndarray | None = None, seed: int = 0) -> Score:
    """Return value, ci95, queries and excluded of `values` [q] float, where NaN is a query without a score.

    ci95 resamples products, queries with an equal entry in `product_groups` [q]; None where there is no value.
    """
    values = np.asarray(values, dtype=np.float64)
    scored = ~np.isnan(values)
    counts = {"queries": int(scored.sum()), "excluded": int((~scored).sum())}
    if not scored.any():
        return {"value": None, "ci95": None, **counts}
    groups = None if product_groups is None else np.asarray(product_groups)[scored]
    interval = mean_interval(values[scored], groups, seed=seed)
    return {"value": float(values[scored].mean()), "ci95": list(interval), **counts}


def encoder_scores(
    embeddings: np.ndarray, columns: Mapping[str, np.ndarray], titles: np.ndarray, seed: int = 0
) -> dict[str, Score]:
    """Return name -> score (see mean_score) of retrieval with `embeddings` [n, d] float32, each product a query.

    `columns` has article_type, base_colour and gender, each [n] str; "" is a missing label, which agrees with nothing.
    `titles` [n] int is the product group; intervals resample it. nDCG grades count the labels that agree.
    """
    embeddings = _unit("embeddings", embeddings)
    groups = {name: _groups(columns, name, len(embeddings)) for name in COLUMNS}
    groups["same_title"] = _groups({"titles": titles}, "titles", len(embeddings))
    parts = defaultdict(list)
    for rows, ranked in rankings(embeddings):
        relevant = {name: group[ranked] == group[rows, None] for name, group in groups.items()}
        for name, values in _query_scores(relevant).items():
            parts[name].append(values)
    return {name: mean_score(np.concatenate(values), titles, seed) for name, values in parts.items()}


def _query_scores(relevant: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    kind, title = relevant["article_type"], relevant["same_title"]
    grades = sum(relevant[name].astype(np.uint8) for name in COLUMNS)
    return {
        f"article_type precision@{TOP}": precision_at(kind, TOP),
        f"article_type precision@{TOP} (R >= {TOP})": precision_at(kind, TOP, min_relevant=TOP),
        f"base_colour precision@{TOP}": precision_at(relevant["base_colour"], TOP),
        f"gender precision@{TOP}": precision_at(relevant["gender"], TOP),
        f"article_type recall@{TOP}": recall_at(kind, TOP),
        "article_type mAP@R": average_precision_at_r(kind),
        "article_type MRR": reciprocal_rank(kind),
        f"graded nDCG@{TOP}": ndcg_at(grades, TOP),
        "same_title recall@1": hit_at(title, 1),
        f"same_title recall@{TOP}": hit_at(title, TOP),
    }


def _keys(gallery: np.ndarray, queries: np.ndarray, first: int | None) -> np.ndarray:
    """Return whole numbers [b, n] int64, smaller is better: the similarity in the high bits, the row in the low ones.

    No two of a query are equal, so that ties are in the order of rows. When `first` is given, the queries are the
    gallery rows from there on, and each comes last for itself.
    """
    similarity = queries @ gallery.T
    if first is not None:
        own = np.arange(len(queries))
        similarity[own, first + own] = -2  # below every cosine
    similarity *= -_GRID
    keys = np.rint(similarity, out=similarity).astype(np.int64)
    keys <<= _ROW_BITS
    keys |= np.arange(len(gallery))
    return keys


def _best(keys: np.ndarray, m: int) -> np.ndarray:
    """Return the gallery rows [b, m] of the m smallest of `keys` [b, n], in order."""
    if m < keys.shape[1] // 2:
        keys = np.partition(keys, m - 1, axis=1)[:, :m]
    keys.sort(axis=1)
    return keys[:, :m] & (2**_ROW_BITS - 1)


def _groups(columns: Mapping[str, np.ndarray], name: str, count: int) -> np.ndarray:
    """Number the labels [count] of a column: equal ones share a number, a missing one ("") shares with none."""
    if name not in columns:
        raise InputError(f"columns has no {name!r}; it has: {', '.join(columns)}")
    labels = np.asarray(columns[name])
    if labels.shape != (count,):
        raise InputError(f"need one value of {name} for each of {count} embeddings, got shape {labels.shape}")
    known, groups = np.unique(labels, return_inverse=True)
    missing = labels == "" if labels.dtype.kind in "OTU" else np.zeros(count, dtype=bool)
    return np.where(missing, len(known) + np.arange(count), groups).astype(np.int32)


def _unit(name: str, embeddings: np.ndarray) -> np.ndarray:
    """Return `embeddings` [n, d] as float64, checked: n and d >= 1, finite, of unit norm to within a hundredth."""
    embeddings = np.asarray(embeddings, dtype=np.float64)
    if embeddings.ndim != 2 or not embeddings.size:
        raise InputError(f"{name} must have shape (items, dimensions), at least one of each, got {embeddings.shape}")
    norms = np.sqrt(np.einsum("ij,ij->i", embeddings, embeddings))
    if not np.isfinite(norms).all():
        raise InputError(f"{name} has a value that is not finite in row {np.flatnonzero(~np.isfinite(norms))[0]}")
    off = np.flatnonzero(np.abs(norms - 1) > 0.01)
    if len(off):
        raise InputError(f"{name} must have unit norm; that of row {off[0]} is {norms[off[0]]:g}: divide by it")
    return embeddings


def _ranked(values: np.ndarray, dtype: type | None = bool) -> tuple[np.ndarray, np.ndarray]:
    """Return `values` [q, m] as an array and how many of each row are not 0, [q] int."""
    values = np.asarray(values, dtype)
    if values.ndim != 2 or not values.shape[1]:
        raise InputError(f"need one row per query and one column per rank, got shape {values.shape}")
    return values, np.count_nonzero(values, axis=1)


def _at_least_one(name: str, number: int) -> int:
    if number < 1:
        raise InputError(f"{name} must be at least 1, got {number}")
    return number


def _gain(grades: np.ndarray) -> np.ndarray:
    """Return the DCG [q] of `grades` [q, k] int in the order of ranks."""
    return np.sum((2.0**grades - 1) / np.log2(np.arange(2, grades.shape[1] + 2)), axis=1)
