"""The one description of a tagger's training: flags and config.json come from these fields."""

import math
from dataclasses import dataclass

from fashion_keras.support.errors import InputError
from fashion_keras.support.options import check_counts, check_options, option

_MOST = 12  # weight decays: a figure has colours for so many


@dataclass(frozen=True)
class TaggerConfig:
    """Everything that decides how a tagger turns out.

    Raises:
        InputError: on construction, for any value that is not allowed; one line that says what is.
    """

    data: str | None = option(None, "catalogue, or 'sample'; default: data/ if the Kaggle set is there", metavar="DIR")
    taxonomy: str = option(
        "kaggle", "product types and attributes: kaggle, gutierrez2019, a YAML file", metavar="NAME|FILE"
    )
    encoder: str = option("fashion_small", "what turns pictures into vectors", metavar="NAME|DIR")
    weights: str = option("auto", "of a bare backbone", metavar="W")
    promise: float = option(0.95, "precision that every tag that is given keeps", metavar="X")
    min_images: int = option(10, "labels and product types with fewer training products are left out", metavar="N")
    weight_decays: str = option(
        "1e-5,1e-4,1e-3,1e-2", "of the heads; each takes the one that is best on validation", metavar="X,.."
    )
    hold_out: float = option(
        0.265, "share of the products, by title, that validate and test; that of the encoder's training", metavar="X"
    )
    seed: int = option(0, "of the division, that of the encoder's training; and of drawn outliers", metavar="N")
    out: str | None = option(None, "folder; default: runs/tagger-TAXONOMY-N", metavar="DIR")

    def __post_init__(self) -> None:
        check_options(self)
        check_counts(self, ("min_images",))
        check_counts(self, ("seed",), least=0)
        for name in ("promise", "hold_out"):
            if not 0 < getattr(self, name) < 1:
                raise InputError(f"--{name.replace('_', '-')} is between 0 and 1, not {getattr(self, name)}")
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
