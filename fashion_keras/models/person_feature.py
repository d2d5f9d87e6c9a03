"""Person feature: the predicted probability of a person as an additional feature of an image."""

from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("fashion_keras")
class PersonProbabilityFeature(layers.Wrapper):
    """(features [b, h, w, c], pixels [b, H, W, 3]) -> [b, h, w, c + 1]: the last is the probability of a person.

    It is constant over height and width, so that any pooling keeps its value: schindler2018's person filter as a layer.
    The detector is not trained.
    """

    def __init__(self, layer: keras.Model, person: int, temperature: float, **options: Any) -> None:  # noqa: ANN401
        """Wrap a detector, pixels [b, H, W, 3] -> logits [b, 2]; column `person` is that of persons."""
        super().__init__(layer, **options)
        self.person, self.temperature = person, temperature
        self.trainable = False

    def call(self, inputs: list[keras.KerasTensor]) -> keras.KerasTensor:
        """Append the probability that the detector predicts for the pixels to the features."""
        features, pixels = inputs
        probabilities = ops.softmax(self.layer(pixels, training=False) / self.temperature)
        probability = probabilities[:, None, None, self.person : self.person + 1]
        return ops.concatenate([features, probability * ops.ones_like(features[..., :1])], axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        return {**super().get_config(), "person": self.person, "temperature": self.temperature}
