"""The one description of a tagger's training: flags and config.json come from these fields."""

import math
from dataclasses import dataclass

from fashion_keras.support.config_fields import DataConfig, config_field
from fashion_keras.support.errors import InputError

_MOST = 12  # weight decays: a figure has colours for so many


@dataclass(frozen=True)
class TaggerConfig(DataConfig):
    """Everything that decides how a tagger turns out.

    Raises:
        InputError: on construction, for any value that is not allowed; one line that says what is.
    """

    taxonomy: str = config_field(
        "kaggle", "product types and attributes: kaggle, gutierrez2019, a YAML file", metavar="NAME|FILE"
    )
    encoder: str = config_field("fashion_small", "what turns pictures into vectors", metavar="NAME|DIR")
    weights: str = config_field("auto", "of a bare backbone", metavar="W")
    promise: float = config_field(0.95, "precision that every tag that is given keeps", metavar="X", above=0, below=1)
    min_images: int = config_field(
        10, "labels and product types with fewer training products are left out", metavar="N", at_least=1
    )
    weight_decays: str = config_field(
        "1e-5,1e-4,1e-3,1e-2", "of the heads; each takes the one that is best on validation", metavar="X,.."
    )
    hold_out: float = config_field(
        0.265,
        "share of the products, by title, that validate and test; that of the encoder's training",
        metavar="X",
        above=0,
        below=1,
    )
    out: str | None = config_field(None, "folder; default: runs/tagger-TAXONOMY-N", metavar="DIR")

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.decays

    @property
    def decays(self) -> tuple[float, ...]:
        """`weight_decays`, read; the strongest first."""
        try:
            found = sorted({float(part) for part in self.weight_decays.split(",")}, reverse=True)
        except ValueError:
            found = []
        if not 1 <= len(found) <= _MOST or not all(0 < value < math.inf for value in found):
            raise InputError(
                f"--weight-decays is up to {_MOST} numbers above 0, such as 1e-4,1e-3, not {self.weight_decays!r}"
            )
        return tuple(found)
