"""Compact networks that keras.applications lacks, without a head; layers carry names so that stages can be frozen."""

import keras
from keras import KerasTensor, layers

# The running means follow training within an epoch of a small catalogue; Keras' 0.99 lags for many.
_MOMENTUM = 0.9


def custom_cnn(input_tensor: KerasTensor) -> keras.Model:
    """A residual network in the place of schindler2018's custom CNN, sized to train from scratch on two CPU cores.

    Five stages of one basic block (He et al. 2015, arXiv:1512.03385) with 32 to 512 filters behind a strided stem.

    Args:
        input_tensor [b, h, w, 3]: scaled pixels; h and w at least 32.

    Returns:
        a model to [b, h / 32, w / 32, 512].
    """
    return _residual_network(input_tensor, (32, 64, 128, 256, 512), "custom_cnn")


def fashion_small(input_tensor: KerasTensor) -> keras.Model:
    """The network whose weights come with the package: `custom_cnn` with a narrower last stage, 3.5 M parameters.

    Args:
        input_tensor [b, h, w, 3]: scaled pixels; h and w at least 32.

    Returns:
        a model to [b, h / 32, w / 32, 384].
    """
    return _residual_network(input_tensor, (32, 64, 128, 256, 384), "fashion_small")


def vgg_like(input_tensor: KerasTensor) -> keras.Model:
    """schindler2018's compact VGG-like network: stacked 3x3 convolutions, batch-normalised, about 10 M parameters.

    Args:
        input_tensor [b, h, w, 3]: scaled pixels; h and w at least 32.

    Returns:
        a model to [b, h / 32, w / 32, 512].
    """
    x = input_tensor
    for stage, (filters, count) in enumerate(((32, 2), (64, 2), (128, 2), (256, 3), (512, 4)), 1):
        for number in range(1, count + 1):
            x = _convolve(x, filters, f"block{stage}_conv{number}")
        x = layers.MaxPooling2D(2, padding="same", name=f"block{stage}_pool")(x)
    return keras.Model(keras.utils.get_source_inputs(input_tensor), x, name="vgg_like")


def _residual_network(input_tensor: KerasTensor, widths: tuple[int, ...], name: str) -> keras.Model:
    x = _convolve(input_tensor, widths[0], "stem", stride=2)
    for stage, filters in enumerate(widths, 1):
        x = _residual(x, filters, f"stage{stage}", stride=1 if stage == 1 else 2)
    return keras.Model(keras.utils.get_source_inputs(input_tensor), x, name=name)


def _residual(x: KerasTensor, filters: int, name: str, stride: int) -> KerasTensor:
    y = _convolve(x, filters, f"{name}_conv1", stride)
    y = _convolve(y, filters, f"{name}_conv2", activate=False)
    if stride > 1:
        x = layers.AveragePooling2D(stride, padding="same", name=f"{name}_shortcut_pool")(x)
        x = _convolve(x, filters, f"{name}_shortcut", kernel=1, activate=False)
    return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([x, y]))


def _convolve(
    x: KerasTensor, filters: int, name: str, stride: int = 1, kernel: int = 3, activate: bool = True
) -> KerasTensor:
    x = layers.Conv2D(filters, kernel, stride, "same", use_bias=False, kernel_initializer="he_normal", name=name)(x)
    x = layers.BatchNormalization(momentum=_MOMENTUM, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if activate else x
