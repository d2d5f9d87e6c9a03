"""Compact networks that keras.applications lacks, without head: custom_cnn, fashion_small, schindler2018's."""

import keras
from keras import KerasTensor, layers

from fashion_keras.models.architectures.layers import conv_bn_relu


def custom_cnn(input_tensor: KerasTensor) -> keras.Model:
    """Residual network in place of schindler2018's custom CNN, small enough to train from scratch on two CPU cores.

    Five stages of one basic block (He et al. 2015, arXiv:1512.03385) with 32 to 512 filters behind a strided stem.

    Args:
        input_tensor [b, h, w, 3]: scaled pixels; h and w at least 32.

    Returns:
        a model to [b, h / 32, w / 32, 512].
    """
    return _residual_network(input_tensor, (32, 64, 128, 256, 512), "custom_cnn")


def fashion_small(input_tensor: KerasTensor) -> keras.Model:
    """Network whose weights ship with the package: `custom_cnn` with a narrower last stage, 3.5 M parameters.

    Args:
        input_tensor [b, h, w, 3]: scaled pixels; h and w at least 32.

    Returns:
        a model to [b, h / 32, w / 32, 384].
    """
    return _residual_network(input_tensor, (32, 64, 128, 256, 384), "fashion_small")


def vgg_like(input_tensor: KerasTensor) -> keras.Model:
    """VGG-like network of schindler2018: stacked batch-normalized 3x3 convolutions, about 10 M parameters.

    Args:
        input_tensor [b, h, w, 3]: scaled pixels; h and w at least 32.

    Returns:
        a model to [b, h / 32, w / 32, 512].
    """
    return _stacked_network(input_tensor, ((32, 2), (64, 2), (128, 2), (256, 3), (512, 4)), "vgg_like")


def schindler_cnn(input_tensor: KerasTensor) -> keras.Model:
    """Custom CNN of schindler2018, which the paper describes as compact with about 10 M parameters.

    Built as a wider `vgg_like` with one convolution per stage, like the paper's person detector.

    Args:
        input_tensor [b, h, w, 3]: scaled pixels; h and w at least 32.

    Returns:
        a model to [b, h / 32, w / 32, 1280].
    """
    return _stacked_network(input_tensor, ((80, 1), (160, 1), (320, 1), (640, 1), (1280, 1)), "schindler_cnn")


def person_detector(input_tensor: KerasTensor) -> keras.Model:
    """Person detector of schindler2018, up to its dense layer, which is the head `person_detector`.

    Args:
        input_tensor [b, h, w, 3]: scaled pixels; h and w at least 8.

    Returns:
        a model to [b, h / 8, w / 8, 64].
    """
    return _stacked_network(input_tensor, ((32, 1), (64, 1), (64, 1)), "person_detector")


def _stacked_network(input_tensor: KerasTensor, stages: tuple[tuple[int, int], ...], name: str) -> keras.Model:
    x = input_tensor
    for stage, (filters, count) in enumerate(stages, 1):
        for number in range(1, count + 1):
            x = conv_bn_relu(x, filters, f"block{stage}_conv{number}")
        x = layers.MaxPooling2D(2, padding="same", name=f"block{stage}_pool")(x)
    return keras.Model(keras.utils.get_source_inputs(input_tensor), x, name=name)


def _residual_network(input_tensor: KerasTensor, widths: tuple[int, ...], name: str) -> keras.Model:
    x = conv_bn_relu(input_tensor, widths[0], "stem", stride=2)
    for stage, filters in enumerate(widths, 1):
        x = _residual(x, filters, f"stage{stage}", stride=1 if stage == 1 else 2)
    return keras.Model(keras.utils.get_source_inputs(input_tensor), x, name=name)


def _residual(x: KerasTensor, filters: int, name: str, stride: int) -> KerasTensor:
    y = conv_bn_relu(x, filters, f"{name}_conv1", stride)
    y = conv_bn_relu(y, filters, f"{name}_conv2", activate=False)
    if stride > 1:
        x = layers.AveragePooling2D(stride, padding="same", name=f"{name}_shortcut_pool")(x)
        x = conv_bn_relu(x, filters, f"{name}_shortcut", kernel=1, activate=False)
    return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([x, y]))
