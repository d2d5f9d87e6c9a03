"""Configs of the commands `index` and `search`: their flags come from these fields."""

from dataclasses import dataclass

from fashion_keras.features.registry import DEFAULT_ENCODER
from fashion_keras.search.filters import Where, parse_conditions, parse_filters
from fashion_keras.support.config_fields import Config, LimitConfig, config_field
from fashion_keras.support.errors import InputError

DEFAULT_INDEX = "data/index"


@dataclass(frozen=True, kw_only=True)
class IndexConfig(LimitConfig):
    """Settings of the command `index`; InputError for a value not allowed, and for `update` with `overwrite` or a
    `limit`.
    """

    encoder: str = config_field(
        DEFAULT_ENCODER, "Encoder that computes the embeddings, or a file of embeddings.", metavar="NAME|DIR|FILE"
    )
    weights: str = config_field("auto", "Weights of a bare backbone, as in train.", metavar="W")
    image_size: str | None = config_field(None, "Input size of a backbone or preset. Default: its own.", metavar="HxW")
    out: str = config_field(DEFAULT_INDEX, "Index to build or update: a folder or postgresql://...", metavar="DIR|URL")
    update: bool = config_field(False, "Bring the index in --out up to date with the catalog.")
    overwrite: bool = config_field(False, "Replace the index in --out.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.update and self.overwrite:
            raise InputError("--update changes an index and --overwrite replaces it: give one of them")
        if self.update and self.limit:
            raise InputError("--update removes what the catalog lacks, so with --limit all other images: leave one out")


@dataclass(frozen=True)
class SearchConfig(Config):
    """Settings of the command `search`; InputError for a value that is not allowed, and without image and text."""

    image: str | None = config_field(None, "Image file, or a SKU or image id of the index.", metavar="IMAGE")
    text: str | None = config_field(
        None, "Words, such as 'navy blue check shirt', alone or to change what the image shows.", metavar="TEXT"
    )
    text_weight: float = config_field(
        0.5, "Share of the text where there is an image, too.", metavar="X", at_least=0, at_most=1
    )
    without: str | None = config_field(None, "Words of what the products should not show.", metavar="TEXT")
    hybrid: bool = config_field(False, "Also match --text with product names, SKUs and brands; both ranks are fused.")
    k: int = config_field(5, "Number of matches.", metavar="N", at_least=1)
    index: str = config_field(DEFAULT_INDEX, "Index to search: a folder or postgresql://...", metavar="DIR|URL")
    where: tuple[str, ...] = config_field(
        (), "Only products with this value, or in this range (>=, >, <=, <); may be repeated: values of one column are "
        "alternatives, ranges hold together.", metavar="COLUMN=VALUE",
    )  # fmt: skip
    group_by_product: bool = config_field(True, "Only the most similar image of each product.")
    keep_duplicates: bool = config_field(False, "Also return the query itself, and products with the same image.")
    out: str | None = config_field(None, "Contact sheet. Default: search.png; none with --json.", metavar="PNG")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.image and not self.text:
            raise InputError("image and --text are missing: give a file, a SKU or image id of the index, or words")
        parse_filters(self.filters())

    def filters(self) -> Where:
        """Return `where` as column -> values, or range; InputError for a condition that is neither."""
        return parse_conditions(self.where)
