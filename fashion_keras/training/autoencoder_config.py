"""The one description of an autoencoder's training: flags and config.json come from these fields. No Keras here."""

from dataclasses import dataclass, replace

from fashion_keras.support.errors import InputError
from fashion_keras.support.options import check_counts, check_options, option


@dataclass(frozen=True)
class Recipe:
    """How an autoencoder learns where nothing else is said.

    Attributes:
        network: its name.
        loss: as Keras calls it.
        learning_rate: of Adam.
        cosine: whether the learning rate falls to 0 along a cosine, or stays.
        batch_size: images a step.
        epochs: times that every image is seen.
        flip: whether half of the pictures are shown, and to be drawn, left to right.
        weight_decay: decoupled.
    """

    network: str
    loss: str
    learning_rate: float
    cosine: bool
    batch_size: int
    epochs: int
    flip: bool
    weight_decay: float = 0.0


RECIPES = (
    Recipe("li2020_autoencoder", "binary_crossentropy", 1e-5, cosine=False, batch_size=128, epochs=50, flip=False),
    Recipe("autoencoder", "binary_crossentropy", 1e-3, cosine=True, batch_size=32, epochs=10, flip=True),
)
_NETWORKS = tuple(recipe.network for recipe in RECIPES)
_SETTINGS = ("epochs", "batch_size", "learning_rate", "weight_decay")


@dataclass(frozen=True)
class AutoencoderConfig:
    """Everything that decides how an autoencoder turns out; None means: as its recipe says.

    Raises:
        InputError: on construction, for any value that is not allowed; one line that says what is.
    """

    network: str = option("autoencoder", "what is trained", _NETWORKS)
    data: str | None = option(None, "catalogue, or 'sample'; default: data/ if the Kaggle set is there", metavar="DIR")
    epochs: int | None = option(None, "default: by the network", metavar="N")
    batch_size: int | None = option(None, "images a step; default: by the network", metavar="N")
    learning_rate: float | None = option(None, "default: by the network", metavar="X")
    weight_decay: float | None = option(None, "decoupled; default: none", metavar="X")
    hold_out: float = option(0.265, "share of the products, by title, that it is judged on and never sees", metavar="X")
    limit: int | None = option(None, "use about so many products", metavar="N")
    cache: bool = option(False, "keep the decoded pixels in memory")
    seed: int = option(0, "of weights, split, order, augmentation", metavar="N")
    out: str | None = option(None, "folder; default: runs/NETWORK-N", metavar="DIR")

    def __post_init__(self) -> None:
        check_options(self)
        check_counts(self, ("epochs", "batch_size", "limit"))
        if self.learning_rate is not None and not 0 < self.learning_rate < float("inf"):
            raise InputError(f"--learning-rate is above 0, not {self.learning_rate}")
        if not 0 <= (self.weight_decay or 0) < float("inf"):
            raise InputError(f"--weight-decay is from 0, not {self.weight_decay}")
        if not 0 < self.hold_out < 1:
            raise InputError(f"--hold-out is between 0 and 1, not {self.hold_out}")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"--seed is a whole number from 0 to {2**32 - 1}, not {self.seed}")

    @property
    def recipe(self) -> Recipe:
        """The network's, with what is said here."""
        own = next(recipe for recipe in RECIPES if recipe.network == self.network)
        return replace(own, **{name: value for name in _SETTINGS if (value := getattr(self, name)) is not None})
