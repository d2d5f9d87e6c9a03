"""Configs of the commands `index` and `search`: their flags come from these fields."""

import re
from dataclasses import dataclass
from typing import Any

from fashion_keras.search.filters import Where, parse_filters
from fashion_keras.support.config_fields import Config, SourceConfig, config_field
from fashion_keras.support.errors import InputError

DEFAULT_INDEX = "data/index"
_OPERATORS = {">=": "gte", ">": "gt", "<=": "lte", "<": "lt"}
_CONDITION = re.compile(r"([^=<>]+)(>=|<=|=|>|<)(.*)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class IndexConfig(SourceConfig):
    """Settings of the command `index`; InputError for a value not allowed, and for `update` with `overwrite`."""

    encoder: str = config_field(
        "fashion_small", "Encoder that computes the embeddings, or a file of embeddings.", metavar="NAME|DIR|FILE"
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


@dataclass(frozen=True)
class SearchConfig(Config):
    """Settings of the command `search`; InputError for a value that is not allowed, and without an image."""

    image: str = config_field("", "Image file, or a SKU or image id of the index.", metavar="IMAGE")
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
        if not self.image:
            raise InputError("image is missing: give a file, or a SKU or image id of the index")
        parse_filters(self.filters())

    def filters(self) -> Where:
        """Return `where` as column -> values, or range; InputError for a condition that is neither."""
        filters: dict[str, Any] = {}
        for condition in self.where:
            parts = _CONDITION.fullmatch(condition)
            if parts is None:
                raise InputError(f"--where is COLUMN=VALUE, such as gender=Women or price>=100, not {condition!r}")
            column, sign, value = parts.groups()
            given = filters.setdefault(column.strip(), [] if sign == "=" else {})
            if isinstance(given, list) != (sign == "=") or (sign != "=" and _OPERATORS[sign] in given):
                raise InputError(f"--where {condition!r}: contradicts another condition on {column.strip()}; give one")
            if sign == "=":
                given.append(value)
            else:
                given[_OPERATORS[sign]] = value
        return filters
