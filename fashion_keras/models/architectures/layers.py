"""Layers shared by several architectures."""

from keras import KerasTensor, layers

# Running means follow training within an epoch of a small catalog; with Keras' 0.99 they lag for many epochs.
BATCH_NORM_MOMENTUM = 0.9


def conv_bn_relu(
    x: KerasTensor, filters: int, name: str, stride: int = 1, kernel: int = 3, activate: bool = True
) -> KerasTensor:
    """Return convolution and batch normalization of maps [b, h, w, c], with ReLU if `activate`."""
    x = layers.Conv2D(filters, kernel, stride, "same", use_bias=False, kernel_initializer="he_normal", name=name)(x)
    x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if activate else x


def downsample(x: KerasTensor, name: str) -> KerasTensor:
    """Return 3x3 maximum pooling of stride 2 of maps [b, h, w, c]."""
    return layers.MaxPooling2D(3, 2, "same", name=name)(x)
