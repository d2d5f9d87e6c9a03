"""The layers that our networks are made of."""

from keras import KerasTensor, layers

# The running means follow training within an epoch of a small catalogue; Keras' 0.99 lags for many.
_MOMENTUM = 0.9


def conv_bn_relu(
    x: KerasTensor, filters: int, name: str, stride: int = 1, kernel: int = 3, activate: bool = True
) -> KerasTensor:
    """Convolve maps [b, h, w, c], normalise them by batch, and, if `activate`, cut off what is below 0."""
    x = layers.Conv2D(filters, kernel, stride, "same", use_bias=False, kernel_initializer="he_normal", name=name)(x)
    x = layers.BatchNormalization(momentum=_MOMENTUM, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if activate else x


def downsample(x: KerasTensor, name: str) -> KerasTensor:
    """Take the maximum of 3x3 at every other place of maps [b, h, w, c]."""
    return layers.MaxPooling2D(3, 2, "same", name=name)(x)
