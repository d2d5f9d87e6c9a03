"""Forms of the replies, for the OpenAPI description at /openapi.json."""

from dataclasses import dataclass
from typing import Any, Literal


@dataclass
class Error:
    """What is wrong, in one line."""

    error: str


@dataclass
class Limits:
    """Largest request in bytes, largest image in pixels, longest time in seconds."""

    bytes: int
    pixels: int
    seconds: float


@dataclass
class FacetInfo:
    """A column by which a search can be narrowed."""

    name: str
    label: str
    kind: Literal["values", "number"]


@dataclass
class Info:
    """What the server has."""

    name: str
    images: int
    products: int
    encoder: str
    has_text: bool
    tagger: bool
    run: bool
    review: bool
    map: bool
    limits: Limits
    facets: list[FacetInfo]


@dataclass
class Result:
    """A product: its best image, all its images, and the attributes that it shares with the query."""

    sku: str
    image_id: str
    title: str
    score: float | None
    rank: int
    matched: int
    images: list[str]
    attributes: dict[str, str | float | int]
    shared: list[str]


@dataclass
class Guess:
    """What most neighbors of an outside photo have, and their share of the votes."""

    value: str
    share: float


@dataclass
class SearchReply:
    """Results, and per facet {"values": [{"value", "count"}]} or {"min", "max", "counts", "edges"}."""

    results: list[Result]
    facets: dict[str, dict[str, Any]]
    guessed: dict[str, Guess]
    seconds: float


@dataclass
class Alternative:
    """Another label and its calibrated probability."""

    label: str
    confidence: float


@dataclass
class Attribute:
    """A predicted label of an attribute."""

    name: str
    label: str
    confidence: float
    status: Literal["released", "abstained", "gated"]
    alternatives: list[Alternative]


@dataclass
class ProductType:
    """The most probable product type."""

    label: str
    confidence: float
    accepted: bool


@dataclass
class Outlier:
    """Whether an image is of none of the tagger's product types."""

    score: float
    threshold: float | None
    rejected: bool


@dataclass
class TagReply:
    """Tags of an image."""

    product_type: ProductType | None
    outlier: Outlier | None
    attributes: list[Attribute]


@dataclass
class Product:
    """A product and its nearest neighbors."""

    sku: str
    title: str
    images: list[str]
    attributes: dict[str, str | float | int]
    neighbours: list[Result]


@dataclass
class Point:
    """An image's place on the map, x and y in 0..1."""

    image_id: str
    sku: str
    x: float
    y: float
    label: str


@dataclass
class MapReply:
    """At most 5,000 points of `of` images."""

    points: list[Point]
    labels: list[str]
    of: int


@dataclass
class ReviewItem:
    """A label that a person should look at."""

    id: str
    kind: Literal["abstained", "low_margin", "mislabelled", "duplicate"]
    sku: str
    image_id: str
    attribute: str
    current: str
    suggested: str
    confidence: float | None
    alternatives: list[Alternative]
    reason: str
    others: list[str]


@dataclass
class ReviewReply:
    """What is left to review, by kind, and how many of all labels are reviewed."""

    kinds: dict[str, int]
    items: list[ReviewItem]
    done: int
    total: int


@dataclass
class Progress:
    """How many labels are reviewed, of how many."""

    done: int
    total: int


@dataclass
class Health:
    """Whether the server replies."""

    status: Literal["ok"]


_TEXT = {"type": "string"}
_DECISION = {
    "type": "object",
    "required": ["id", "action"],
    "properties": {
        "id": _TEXT,
        "action": {"enum": ["accept", "correct", "skip"]},
        "to": {"type": ["string", "null"]},
        "who": _TEXT,
    },
}
DECISION_BODY = {"requestBody": {"content": {"application/json": {"schema": _DECISION}}, "required": True}}


def form_body(required: tuple[str, ...] = (), **fields: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI description of a multipart form; `image` is a file."""
    properties = {name: value or {"type": "string", "format": "binary"} for name, value in fields.items()}
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"requestBody": {"content": {"multipart/form-data": {"schema": schema}}, "required": True}}
