"""Keyword search over product names (BM25), and the fusion of several rankings of images."""

from array import array
from collections.abc import Iterator, Sequence
from math import fsum, inf

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fashion_keras.catalog.words import fold_case, stem, tokenize
from fashion_keras.search.base import check_k
from fashion_keras.support.errors import InputError

# k1 and b of BM25: how soon more occurrences of a word add little; how much a long name counts against its product.
_SATURATION, _LENGTH_WEIGHT = 1.2, 0.75
# Texts that are lists of Python's at a time, which bounds the memory of a large index.
_CHUNK = 65_536
# Words that are written as two and as one: a T-shirt is no shirt.
_ONE_WORD = {("t", "shirt"): "tshirt", ("v", "neck"): "vneck"}


class KeywordIndex:
    """Product names of n images, ranked by the words that they share with a query.

    The score is BM25 with k1 = 1.2 and b = 0.75 (Robertson & Zaragoza, "The Probabilistic Relevance Framework", 2009):
    tf / (tf + k1 (1 - b + b length / mean length)) times Lucene's idf, ln(1 + (n - df + 0.5) / (df + 0.5)), summed
    over the distinct words of the query. Words are those of `tokenize`, singular and plural alike (`stem`); "T-shirt"
    and "V-neck" are one word. Threads may share an index.

    Args:
        ids [n]: of the images, unique.
        skus [n]: of their products.
        titles [n]: names of their products; "" where there is none.
        brands [n]: of their products; "" where there is none.

    Raises:
        InputError: for arrays of different lengths.
    """

    def __init__(
        self, ids: NDArray[np.str_], skus: NDArray[np.str_], titles: NDArray[np.str_], brands: NDArray[np.str_]
    ) -> None:
        if len({len(ids), len(skus), len(titles), len(brands)}) > 1:
            raise InputError(f"{len(ids)} ids, {len(skus)} SKUs, {len(titles)} titles and {len(brands)} brands")
        # Rows in order of the ids: of rows with the same score, the first has the least id.
        self._order = np.argsort(ids, kind="stable")
        self._ids = ids[self._order]
        self._codes, codes, lengths = _encode_titles(_iterate(titles, self._order))
        self._postings, self._idf = _weigh(codes, lengths, len(self._codes))
        self._names = [
            _ExactNames(names, self._order) for names in ([ids] if np.array_equal(ids, skus) else [ids, skus])
        ]
        self._brands, self._brand_codes = _encode_brands(_iterate(brands, self._order))
        self._longest_brand = max(map(len, self._brands))

    def __len__(self) -> int:
        return len(self._ids)

    def nearest(
        self, query: str, k: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.str_], NDArray[np.float32]]:
        """Return the k images that match a query best, fewer where fewer match.

        First come the images whose id or SKU is the query, in any case; then those of brands whose whole name stands
        in the query; then the others, by their scores. An image is not returned that has no word of the query in its
        title and is none of those.

        Args:
            query: words, an image id or a SKU; none are returned for a text without a word.
            k: how many.
            allowed [n]: which images may be returned, in the order in which `ids` were given; None for all.

        Returns:
            ids [m], the best first, and of equal scores in order of the ids; scores [m]: BM25, plus 1 + the sum of the
            query's idf, more than any BM25, for a brand, plus twice that for an id or SKU.

        Raises:
            InputError: for k below 1; for `allowed` of another length.
        """
        scores = self._scores(query)
        if allowed is not None:
            if len(allowed) != len(self):
                raise InputError(f"allowed has {len(allowed)} values for {len(self)} images")
            scores[~allowed[self._order]] = 0
        rows = _best_rows(scores, check_k(k))
        return self._ids[rows], scores[rows]

    def _scores(self, query: str) -> NDArray[np.float32]:
        """Return the score of each row, [n]; 0 where nothing matches."""
        words = tokenize(query)
        terms = dict.fromkeys(map(stem, _join(words)))
        codes = [self._codes[term] for term in terms if term in self._codes]
        scores = np.zeros(len(self), np.float32)
        for code in codes:
            part = slice(*self._postings.indptr[code : code + 2])
            scores[self._postings.indices[part]] += self._postings.data[part]
        bonus = np.float32(1 + self._idf[codes].sum())
        for brand in self._named_brands(words):
            scores[self._brand_codes == brand] += bonus
        scores[np.unique(np.concatenate([names.rows(query) for names in self._names]))] += 2 * bonus
        return scores

    def _named_brands(self, words: Sequence[str]) -> set[int]:
        """Return the codes of the brands that words name; of brands that begin at the same word, the longest."""
        brands, start = set(), 0
        while start < len(words):
            spans = (tuple(words[start : start + length]) for length in range(self._longest_brand, 0, -1))
            brand = next((span for span in spans if span in self._brands), ())
            if brand:
                brands.add(self._brands[brand])
            start += len(brand) or 1
        return brands


class _ExactNames:
    """Ids or SKUs, looked up in any case."""

    def __init__(self, names: NDArray[np.str_], order: NDArray[np.int64]) -> None:
        folded = np.array([fold_case(name).strip() for name in _iterate(names, order)], np.str_)
        self._order = np.argsort(folded, kind="stable")
        self._sorted = folded[self._order]

    def rows(self, name: str) -> NDArray[np.int64]:
        """Return the rows with a name, [m]; none for ""."""
        name = fold_case(name).strip()
        if not name:
            return self._order[:0]
        start, end = (np.searchsorted(self._sorted, name, side) for side in ("left", "right"))
        return self._order[start:end]


class _WordCodes(dict[str, int]):
    """Word -> code of its stem, numbered as they come; each word is stemmed once."""

    def __init__(self) -> None:
        self.stems: dict[str, int] = {}

    def __missing__(self, word: str) -> int:
        self[word] = code = self.stems.setdefault(stem(word), len(self.stems))
        return code


def _iterate(texts: NDArray[np.str_], order: NDArray[np.int64]) -> Iterator[str]:
    """Yield texts in an order."""
    for start in range(0, len(order), _CHUNK):
        yield from texts[order[start : start + _CHUNK]].tolist()


def _join(words: list[str]) -> list[str]:
    """Return words in which "t", "shirts" are "tshirt"."""
    if "t" not in words and "v" not in words:
        return words
    joined = words[:1]
    for word in words[1:]:
        together = _ONE_WORD.get((joined[-1], stem(word)))
        joined[-1:] = [together] if together else [joined[-1], word]
    return joined


def _encode_titles(titles: Iterator[str]) -> tuple[dict[str, int], NDArray[np.int32], NDArray[np.int32]]:
    """Return stem -> code, the codes of all words one after the other, and the number of words of each title, [n]."""
    word_codes, codes, lengths = _WordCodes(), array("i"), array("i")
    for title in titles:
        words = _join(tokenize(title))
        codes.extend(map(word_codes.__getitem__, words))
        lengths.append(len(words))
    return word_codes.stems, np.array(codes, np.int32), np.array(lengths, np.int32)


def _weigh(
    codes: NDArray[np.int32], lengths: NDArray[np.int32], terms: int
) -> tuple[sparse.csr_array, NDArray[np.float64]]:
    """Return what each term adds to the score of each row, [terms, n] float32, and the idf of the terms."""
    size = len(lengths)
    rows = np.repeat(np.arange(size, dtype=np.int32), lengths)
    # Occurrences of a word in the same row are added up: its term frequency.
    postings = sparse.coo_array((np.ones(len(codes), np.float32), (codes, rows)), (terms, size)).tocsr()
    frequencies = np.diff(postings.indptr)
    idf = np.log1p((size - frequencies + 0.5) / (frequencies + 0.5))
    relative = lengths * (size / max(len(codes), 1))
    norm = (_SATURATION * (1 - _LENGTH_WEIGHT + _LENGTH_WEIGHT * relative)).astype(np.float32)
    postings.data /= postings.data + norm[postings.indices]
    postings.data *= np.repeat(idf.astype(np.float32), frequencies)
    return postings, idf


def _encode_brands(brands: Iterator[str]) -> tuple[dict[tuple[str, ...], int], NDArray[np.int32]]:
    """Return words of a brand -> code, 0 for those of "", and the code of each row, [n]."""
    by_words: dict[tuple[str, ...], int] = {(): 0}
    by_text: dict[str, int] = {}
    codes = array("i")
    for brand in brands:
        if brand not in by_text:
            by_text[brand] = by_words.setdefault(tuple(tokenize(brand)), len(by_words))
        codes.append(by_text[brand])
    return by_words, np.array(codes, np.int32)


def _best_rows(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Return up to k rows whose score is not 0, the highest first, of equal scores the first row first."""
    rows = np.flatnonzero(scores)
    if len(rows) > k:
        values = scores[rows]
        least = np.partition(values, len(values) - k)[len(values) - k]
        above = rows[values > least]
        rows = np.concatenate([above, rows[values == least][: k - len(above)]])
    return rows[np.lexsort((rows, -scores[rows]))]


def fuse(
    rankings: Sequence[Sequence[str]], k: int, weights: Sequence[float] | None = None, constant: int = 60
) -> tuple[list[str], list[float]]:
    """Return the reciprocal rank fusion of rankings (Cormack, Clarke & Büttcher, SIGIR 2009).

    Args:
        rankings: ids, the best first, of each method of search.
        k: how many are returned; fewer where the rankings have fewer.
        weights: of the rankings; None for 1 each.
        constant: how little the first ranks count more than the next.

    Returns:
        ids, and the score of each: the sum, over the rankings that have it, of weight / (constant + rank), ranks from
        1. Of equal scores, the one that ranks higher in the first ranking comes first, then the lesser id.

    Raises:
        InputError: for k below 1; for other than one positive weight for each ranking.

    >>> fuse([["a", "b"], ["b", "c"]], k=2)[0]
    ['b', 'a']
    """
    weights = [1.0] * len(rankings) if weights is None else weights
    if len(weights) != len(rankings) or not all(0 < weight < inf for weight in weights):
        raise InputError(f"fusion of {len(rankings)} rankings needs one positive weight for each, not {list(weights)}")
    shares: dict[str, list[float]] = {}
    for ranking, weight in zip(rankings, weights, strict=True):
        for rank, name in enumerate(dict.fromkeys(ranking), 1):
            shares.setdefault(name, []).append(weight / (constant + rank))
    # Exact sums: the same parts in another order are a tie.
    scores = {name: fsum(parts) for name, parts in shares.items()}
    first = {name: rank for rank, name in enumerate(dict.fromkeys(rankings[0]))} if rankings else {}
    names = sorted(scores, key=lambda name: (-scores[name], first.get(name, inf), name))[: check_k(k)]
    return [str(name) for name in names], [scores[name] for name in names]
