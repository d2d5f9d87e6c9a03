"""The one description of an autoencoder's training: flags and config.json come from these fields. No Keras here."""

from dataclasses import dataclass, replace

from fashion_keras.support.config_fields import DataConfig, config_field


@dataclass(frozen=True)
class AutoencoderRecipe:
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


AUTOENCODER_RECIPES = (
    AutoencoderRecipe(
        "li2020_autoencoder", "binary_crossentropy", 1e-5, cosine=False, batch_size=128, epochs=50, flip=False
    ),
    AutoencoderRecipe("autoencoder", "binary_crossentropy", 1e-3, cosine=True, batch_size=32, epochs=10, flip=True),
)
_NETWORKS = tuple(recipe.network for recipe in AUTOENCODER_RECIPES)
_SETTINGS = ("epochs", "batch_size", "learning_rate", "weight_decay")


@dataclass(frozen=True)
class AutoencoderConfig(DataConfig):
    """Everything that decides how an autoencoder turns out; None means: as its recipe says.

    Raises:
        InputError: on construction, for any value that is not allowed; one line that says what is.
    """

    network: str = config_field("autoencoder", "what is trained", _NETWORKS)
    epochs: int | None = config_field(None, "default: by the network", metavar="N", at_least=1)
    batch_size: int | None = config_field(None, "images a step; default: by the network", metavar="N", at_least=1)
    learning_rate: float | None = config_field(None, "default: by the network", metavar="X", above=0)
    weight_decay: float | None = config_field(None, "decoupled; default: none", metavar="X", at_least=0)
    hold_out: float = config_field(
        0.265, "share of the products, by title, that it is judged on and never sees", metavar="X", above=0, below=1
    )
    limit: int | None = config_field(None, "use about so many products", metavar="N", at_least=1)
    cache: bool = config_field(False, "keep the decoded pixels in memory")
    out: str | None = config_field(None, "folder; default: runs/NETWORK-N", metavar="DIR")

    @property
    def recipe(self) -> AutoencoderRecipe:
        """The network's, with what is said here."""
        own = next(recipe for recipe in AUTOENCODER_RECIPES if recipe.network == self.network)
        return replace(own, **{name: value for name in _SETTINGS if (value := getattr(self, name)) is not None})
