"""Words of a search: their embedding, and keyword matches in product names that are fused with the nearest images."""

from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.column_types import as_text
from fashion_keras.catalog.columns import TITLE, Columns
from fashion_keras.catalog.synonyms import expand_query
from fashion_keras.catalog.words import fold_case
from fashion_keras.features.encoder import Encoder
from fashion_keras.search.base import Index, Neighbors
from fashion_keras.search.filters import Where
from fashion_keras.search.keywords import KeywordIndex, fuse
from fashion_keras.search.matches import unit
from fashion_keras.support.errors import InputError

_BRANDS = ("brand_name", "brand")
# Share of what a product should not show, which is subtracted from the embedding that is searched for.
_AVOIDED = 0.5
# At least so many of each ranking are fused.
_FUSED = 100


@dataclass(frozen=True)
class TextQuery:
    """Words of a query.

    Attributes:
        text, without: words to find, and words to avoid.
        weight: share of the text where there is an image, too, 0..1.
        hybrid: fuse keyword matches of the text in product names with the nearest images.

    InputError for a weight outside of 0..1, and for `hybrid` without a text.
    """

    text: str | None = None
    weight: float = 0.5
    without: str | None = None
    hybrid: bool = False

    def __post_init__(self) -> None:
        """Check the options."""
        if not 0 <= self.weight <= 1:
            raise InputError(f"text_weight must be from 0 to 1, not {self.weight!r}")
        if self.hybrid and not self.text:
            raise InputError("hybrid search matches words in product names: give a text")

    def embed(self, encoder: Encoder, image: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Return the embedding [d] of length 1 of the words and of an image's embedding [d], if there is one."""
        parts = [] if image is None else [(1 - self.weight if self.text else 1.0, image)]
        if self.text:
            parts.append((1.0 if image is None else self.weight, encoder.embed_text(self.text)[0]))
        if self.without:
            parts.append((-_AVOIDED, encoder.embed_text(self.without)[0]))
        return unit(sum(weight * embedding for weight, embedding in parts))


class HybridSearch:
    """Nearest images and keyword matches of an index, fused; its product names are read again after a change.

    Threads may share it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._read: tuple[str, KeywordIndex, NDArray[np.str_]] | None = None

    def nearest(
        self, index: Index, text: str, embedding: NDArray[np.float32], k: int, where: Where | None
    ) -> Neighbors:
        """Return the k best images by reciprocal rank fusion of keyword match and similarity, with their cosines.

        InputError for an index without product names.
        """
        count = max(k, _FUSED)
        keywords, ids = self._keywords(index)
        allowed = np.isin(ids, index.select((), where)["id"]) if where else None
        # A query is matched as it is written, too: SKUs, and names that a catalog writes in another language.
        requested = text if (expanded := expand_query(text)) == fold_case(text) else f"{text} {expanded}"
        matched = keywords.nearest(requested, count, allowed)[0]
        similar = index.nearest(embedding, count, where)[0]
        names = np.array(fuse([matched.tolist(), similar.ids.tolist()], k)[0], np.str_)
        return Neighbors(names, index.lookup(names).embeddings @ embedding)

    def _keywords(self, index: Index) -> tuple[KeywordIndex, NDArray[np.str_]]:
        state = index.state()
        with self._lock:
            if self._read is None or self._read[0] != state:
                columns = Columns({name: name for name in index.spec.columns})
                if TITLE not in columns:
                    raise InputError(f"{index.name}: no column of product names, which hybrid search needs")
                brand = next((columns[name] for name in _BRANDS if name in columns), None)
                values = index.select((TITLE, brand) if brand else (TITLE,))
                brands = as_text(values[brand]) if brand else np.full(len(values["id"]), "")
                texts = (values["id"], values["sku"], as_text(values[TITLE]), brands)
                self._read = state, KeywordIndex(*texts), values["id"]
            return self._read[1:]
