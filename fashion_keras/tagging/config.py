"""Config dataclasses of `train-tagger` and `tag`: each field is a flag, a JSON key and a line of documentation."""

import math
from dataclasses import dataclass

from fashion_keras.support.config_fields import DataConfig, config_field
from fashion_keras.support.errors import InputError

DEFAULT_TARGET_PRECISION = 0.95
_MAX_DECAYS = 12  # a figure has colors for so many


@dataclass(frozen=True, kw_only=True)
class TaggerConfig(DataConfig):
    """All settings of a tagger's training.

    Raises:
        InputError: on construction, for a value that is not allowed; one line that names the allowed ones.
    """

    taxonomy: str = config_field(
        "kaggle", "product types and attributes: kaggle, gutierrez2019 or a YAML file", metavar="NAME|FILE"
    )
    encoder: str = config_field("fashion_small", "encoder that computes the features", metavar="NAME|DIR")
    weights: str = config_field("auto", "weights of a bare backbone, as of train", metavar="W")
    target_precision: float = config_field(
        DEFAULT_TARGET_PRECISION,
        "precision that each label's tags are shown to have on validation products; else the tagger abstains",
        metavar="X",
        above=0,
        below=1,
    )
    min_images: int = config_field(
        10, "leave out labels and product types with fewer training images", metavar="N", at_least=1
    )
    weight_decays: str = config_field(
        "1e-5,1e-4,1e-3,1e-2", "weight decays to try; each head takes the best on validation", metavar="X,.."
    )
    hold_out: float = config_field(
        0.265, "share of the products that are not trained on: half validate, half test", metavar="X", above=0, below=1
    )
    exclude_trained: bool = config_field(
        False, "leave out of validation and test the products that the encoder was trained on"
    )
    out: str | None = config_field(None, "output folder; default: runs/tagger-TAXONOMY-N", metavar="DIR")

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.decays

    @property
    def decays(self) -> tuple[float, ...]:
        """`weight_decays` as numbers, the strongest first."""
        try:
            decays = sorted({float(text) for text in self.weight_decays.split(",")}, reverse=True)
        except ValueError:
            decays = []
        if not 1 <= len(decays) <= _MAX_DECAYS or not all(0 < value < math.inf for value in decays):
            raise InputError(
                f"--weight-decays is up to {_MAX_DECAYS} numbers above 0, such as 1e-4,1e-3, not {self.weight_decays!r}"
            )
        return tuple(decays)


@dataclass(frozen=True, kw_only=True)
class TagConfig(DataConfig):
    """All settings of tagging a catalogue: by a trained tagger, or by one trained on the catalogue's own labels.

    Raises:
        InputError: on construction, for a value that is not allowed, and unless one of taxonomy and tagger is given.
    """

    taxonomy: str | None = config_field(
        None,
        "product types and attributes (kaggle, gutierrez2019 or a YAML file) of a tagger that is first trained on the "
        "catalogue's own labels",
        metavar="NAME|FILE",
    )
    tagger: str | None = config_field(None, "folder of a tagger that train-tagger made", metavar="DIR")
    target_precision: float | None = config_field(
        None, f"of a tagger that is trained here; default: {DEFAULT_TARGET_PRECISION}", metavar="X", above=0, below=1
    )
    out: str | None = config_field(
        None, "new or empty folder, or one with the catalogue's own tagger; default: runs/tags-N", metavar="DIR"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.taxonomy is None) == (self.tagger is None):
            raise InputError("give one of --taxonomy (a tagger is trained on the catalogue's labels) and --tagger")
        if self.tagger is not None and self.target_precision is not None:
            raise InputError(
                "--target-precision applies to a tagger trained here, with --taxonomy; --tagger has its own"
            )

    @property
    def tagger_config(self) -> TaggerConfig:
        """The config of the tagger that is trained on the catalogue itself."""
        return TaggerConfig(
            data=self.data,
            seed=self.seed,
            taxonomy=self.taxonomy or "kaggle",
            target_precision=self.target_precision or DEFAULT_TARGET_PRECISION,
        )
