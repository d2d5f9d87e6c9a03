"""Match of a search, and the list of the matches of one query."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fashion_keras.images.thumbnails import thumbnail_url
from fashion_keras.support.notebook_table import Thumbnail, notebook_table

if TYPE_CHECKING:
    import pandas as pd

_ATTRIBUTES_SHOWN = 8  # in notebooks


@dataclass(frozen=True)
class Match:
    """An image of a product that a search returns.

    Attributes:
        sku, image_id: of the product; of the image, which is the SKU where the product has one image.
        score: cosine similarity of the image's embedding and the query's.
        rank: from 1.
        path: the image file.
        attributes: column -> value, text or number, as the index has it; without missing values.
        shared_attributes: columns of text in which it agrees with the query: with the product searched for, or with
            what most of an image's nearest neighbors have.
        matched: how many images of the product rank before the first product that is not returned; 1 without grouping.
        guessed: of the shared attributes, those that are not known of the query but guessed from its nearest neighbors:
            column -> share of their scores that agrees, above 0.5; {} for a product of the index.
    """

    sku: str
    image_id: str
    score: float
    rank: int
    path: str
    attributes: dict[str, str | int | float]
    shared_attributes: tuple[str, ...]
    matched: int = 1
    guessed: dict[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        return (
            f"Match(rank={self.rank}, sku={self.sku!r}, image_id={self.image_id!r}, score={self.score:.3f}, "
            f"path={self.path!r})"
        )


class Matches(list[Match]):
    """Matches of one query, the most similar first: a list that notebooks show as a table with thumbnails."""

    def _repr_html_(self) -> str:
        """Return the matches as an HTML table with thumbnails."""
        names = list(dict.fromkeys(name for match in self for name in match.attributes))[:_ATTRIBUTES_SHOWN]
        rows = [
            [
                match.rank,
                Thumbnail(thumbnail_url(match.path), match.image_id),
                match.sku,
                match.score,
                *(match.attributes.get(name) for name in names),
                ", ".join(match.shared_attributes),
            ]
            for match in self
        ]
        return notebook_table(["rank", "image", "sku", "score", *names, "shared"], rows, f"{len(self)} matches")

    def to_frame(self) -> "pd.DataFrame":
        """Return a DataFrame with a row per match: rank, sku, image_id, score, path, matched, shared, attributes."""
        import pandas as pd  # noqa: PLC0415 - half a second that a search must not wait for

        own = ("rank", "sku", "image_id", "score", "path", "matched")
        rows = [
            {**match.attributes, **{name: getattr(match, name) for name in own}, "shared": match.shared_attributes}
            for match in self
        ]
        attributes = dict.fromkeys(name for match in self for name in match.attributes)
        return pd.DataFrame(rows, columns=list(dict.fromkeys([*own, "shared", *attributes])))
