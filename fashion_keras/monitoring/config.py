"""Config of the command `drift`: its flags come from these fields."""

from dataclasses import dataclass

from fashion_keras.support.config_fields import Config, config_field
from fashion_keras.support.errors import InputError

DRIFT_EXIT_CODE = 3


@dataclass(frozen=True, kw_only=True)
class DriftConfig(Config):
    """Settings of the command `drift`: two sides, what is measured, and from where on it counts as drift."""

    new: str = config_field(
        "", "Index (folder or postgresql://...), or folder of a tagged catalog, to check.", metavar="INDEX|TAGS"
    )
    against: str = config_field(
        "", "Index or folder of a tagged catalog that it is compared with.", metavar="INDEX|TAGS"
    )
    tagger: str | None = config_field(
        None, "Tagger whose tags of both sides are compared, where they are indexes.", metavar="DIR"
    )
    corrections: str | None = config_field(
        None, "File of reviewed labels of new products, on which the precision of their tags is measured.",
        metavar="FILE",
    )  # fmt: skip
    target_precision: float | None = config_field(
        None, "Precision that tags of reviewed products must have. Default: their tagger's.", metavar="X", above=0,
        below=1,
    )  # fmt: skip
    labels: str | None = config_field(
        None, "Columns and attributes whose mix is compared. Default: all with at most 200 labels.", metavar="NAME,.."
    )
    rows: int = config_field(
        5000, "Images of each side, whole products drawn at random, whose embeddings are compared.", metavar="N",
        at_least=100,
    )  # fmt: skip
    alpha: float = config_field(
        0.01, "Significance level of each test; p values of labels are corrected for their number.", metavar="X",
        above=0, below=1,
    )  # fmt: skip
    max_accuracy: float = config_field(
        0.55, "Drift: a classifier separates both sides with a higher accuracy (lower end of its 95 % interval).",
        metavar="X", at_least=0.5, below=1,
    )  # fmt: skip
    max_mmd: float = config_field(
        0.005, "Drift: the squared maximum mean discrepancy is larger.", metavar="X", at_least=0
    )
    max_total_variation: float = config_field(
        0.1, "Drift: the total variation distance of a label mix is larger.", metavar="X", at_least=0, below=1
    )
    max_outliers: float = config_field(
        0.1,
        "Drift: more new products (lower end of the 95 % interval) are farther out than 95 % of the reference.",
        metavar="X", at_least=0.05, below=1,
    )  # fmt: skip
    seed: int = config_field(0, "Random seed.", metavar="N", at_least=0, at_most=2**32 - 1)
    out: str | None = config_field(None, "New folder for drift.json and drift.html. Default: none.", metavar="DIR")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.new or not self.against:
            raise InputError("drift compares two indexes or folders of tags: give the new one, and --against the other")
        if self.target_precision is not None and not self.corrections:
            raise InputError("--target-precision is of the tags of reviewed products: give them by --corrections")

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names in `labels`; () for all."""
        return tuple(name.strip() for name in (self.labels or "").split(",") if name.strip())

    @property
    def thresholds(self) -> dict[str, float]:
        """The fields that say what counts as drift."""
        names = ("alpha", "max_accuracy", "max_mmd", "max_total_variation", "max_outliers")
        return {name: getattr(self, name) for name in names}
