"""The answer of a person detector as one more feature of a picture."""

from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("fashion_keras")
class PersonProbabilityFeature(layers.Wrapper):
    """(features [b, h, w, c], pixels [b, H, W, 3]) -> [b, h, w, c + 1]: the last is the probability of a person.

    It is the same everywhere in a picture, so that it comes through any pooling as it is, beside the pooled features:
    schindler2018's person filter as a layer. The detector does not learn here.
    """

    def __init__(self, layer: keras.Model, person: int, temperature: float, **options: Any) -> None:  # noqa: ANN401
        """Wrap a detector, pixels [b, H, W, 3] -> logits [b, 2], of which `person` is the number of the person's."""
        super().__init__(layer, **options)
        self.person, self.temperature = person, temperature
        self.trainable = False

    def call(self, inputs: list[keras.KerasTensor]) -> keras.KerasTensor:
        """Ask the detector about the pixels, and join its answer to the features."""
        features, pixels = inputs
        shares = ops.softmax(self.layer(pixels, training=False) / self.temperature)
        share = shares[:, None, None, self.person : self.person + 1]
        return ops.concatenate([features, share * ops.ones_like(features[..., :1])], axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Return what `__init__` takes."""
        return {**super().get_config(), "person": self.person, "temperature": self.temperature}
