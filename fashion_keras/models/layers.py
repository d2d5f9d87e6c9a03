"""Layers of our own, registered with Keras: scaling of pixels, pooling, and the probability of a person."""

from typing import Any

import keras
from keras import layers, ops

from fashion_keras.models.backbones import SCALINGS
from fashion_keras.models.heads import MULTI_STAGE
from fashion_keras.support.errors import unknown_name_error

# keras.applications.imagenet_utils: the mean pixel of ImageNet in BGR order.
_CAFFE_MEAN = (103.939, 116.779, 123.68)


@keras.saving.register_keras_serializable("fashion_keras")
class Scaling(layers.Layer):
    """Scaling of RGB pixels in 0..255 to what a backbone's weights expect, equal to Keras' `preprocess_input`."""

    def __init__(self, mode: str, **options: Any) -> None:  # noqa: ANN401 - Keras' own options
        super().__init__(**options)
        if mode not in SCALINGS:
            raise unknown_name_error("scaling", mode, SCALINGS)
        self.mode = mode

    def call(self, pixels: keras.KerasTensor) -> keras.KerasTensor:
        """Scale pixels [b, h, w, 3]."""
        if self.mode == "caffe":
            return ops.flip(pixels, axis=-1) - ops.convert_to_tensor(_CAFFE_MEAN, dtype=pixels.dtype)
        if self.mode == "tf":
            return pixels / 127.5 - 1.0
        if self.mode == "lite":
            return (pixels - 127.0) / 128.0
        return pixels / 255.0 if self.mode == "unit" else pixels

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        return {**super().get_config(), "mode": self.mode}


@keras.saving.register_keras_serializable("fashion_keras")
class GeneralizedMeanPooling2D(layers.Layer):
    """GeM pooling, [b, h, w, c] -> [b, c]: the mean of x^p over height and width, to the power 1/p, trained from 3.

    Between the average (p = 1) and the maximum; Radenović et al. 2018, arXiv:1711.02512, eq. 3. x is at least 1e-6.
    """

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Create p, a scalar."""
        self.power = self.add_weight(name="power", shape=(), initializer=keras.initializers.Constant(3.0))

    def call(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """Pool features [b, h, w, c]."""
        powers = ops.power(ops.maximum(features, 1e-6), self.power)
        return ops.power(ops.mean(powers, axis=(1, 2)), 1 / self.power)


@keras.saving.register_keras_serializable("fashion_keras")
class MultiStagePooling2D(layers.Layer):
    """Means and maxima over height and width of several stages' maps [b, h_i, w_i, c_i] -> [b, 2 * sum of c_i].

    A linear head on features of several depths transfers better: Evci et al. 2022, Head2Toe, arXiv:2201.03529.
    """

    def call(self, maps: list[keras.KerasTensor]) -> keras.KerasTensor:
        """Pool a list of feature maps."""
        return ops.concatenate([pool(x, axis=(1, 2)) for x in maps for pool in (ops.mean, ops.max)], axis=-1)


@keras.saving.register_keras_serializable("fashion_keras")
class PersonProbabilityFeature(layers.Wrapper):
    """(features [b, h, w, c], pixels [b, H, W, 3]) -> [b, h, w, c + 1]: the last is the probability of a person.

    It is constant over height and width, so that any pooling keeps its value: schindler2018's person filter as a layer.
    It wraps a detector, pixels -> logits [b, 2], which is not trained; column `person` is that of persons.
    """

    def __init__(self, layer: keras.Model, person: int, temperature: float, **options: Any) -> None:  # noqa: ANN401
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


POOLING_LAYERS = {
    "avg": layers.GlobalAveragePooling2D,
    "max": layers.GlobalMaxPooling2D,
    "gem": GeneralizedMeanPooling2D,
    "flatten": layers.Flatten,
    MULTI_STAGE: MultiStagePooling2D,
}
