"""Config of an autoencoder's training: flags and config.json come from its fields. No Keras here."""

from dataclasses import dataclass, replace

from fashion_keras.support.config_fields import config_field
from fashion_keras.training.base_config import EncoderTrainingConfig


@dataclass(frozen=True)
class AutoencoderRecipe:
    """Default settings of an autoencoder's training.

    Attributes:
        network: its name.
        loss: as Keras calls it.
        learning_rate: of Adam.
        cosine: whether the learning rate falls to 0 along a cosine, or stays.
        batch_size: images per batch.
        epochs: number of epochs.
        flip: whether half of the training images are mirrored.
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
_SETTINGS = ("epochs", "batch_size", "learning_rate", "weight_decay")


@dataclass(frozen=True)
class AutoencoderConfig(EncoderTrainingConfig):
    """Settings of an autoencoder's training; None means the value of the network's recipe.

    Raises:
        InputError: on construction, for any value that is not allowed; one line that names the allowed ones.
    """

    network: str = config_field("autoencoder", "Network.", tuple(recipe.network for recipe in AUTOENCODER_RECIPES))

    @property
    def recipe(self) -> AutoencoderRecipe:
        """The network's recipe, with the settings that are given here."""
        recipe = next(recipe for recipe in AUTOENCODER_RECIPES if recipe.network == self.network)
        given = {name: getattr(self, name) for name in _SETTINGS if getattr(self, name) is not None}
        return replace(recipe, **given)
