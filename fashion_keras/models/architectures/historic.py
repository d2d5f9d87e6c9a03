"""AlexNet and ResNet-18, of gutierrez2019, which keras.applications lacks; without head."""

import keras
from keras import KerasTensor, layers

from fashion_keras.models.architectures.layers import conv_bn_relu, downsample


def alexnet(input_tensor: KerasTensor) -> keras.Model:
    """AlexNet: five convolutions, in one tower and without response normalization, as in torchvision.

    Krizhevsky 2014, arXiv:1404.5997. Its two layers of 4096 are the head `alexnet`.

    Args:
        input_tensor [b, h, w, 3]: scaled pixels; h and w at least 57.

    Returns:
        a model to [b, 6, 6, 256] from 224x224, [b, 1, 1, 256] from the smallest.
    """
    x = _conv_relu(input_tensor, 64, 11, "conv1", stride=4)
    x = layers.MaxPooling2D(3, 2, name="conv1_pool")(x)
    x = _conv_relu(x, 192, 5, "conv2")
    x = layers.MaxPooling2D(3, 2, name="conv2_pool")(x)
    for number, filters in ((3, 384), (4, 256), (5, 256)):
        x = _conv_relu(x, filters, 3, f"conv{number}")
    x = layers.MaxPooling2D(3, 2, name="conv5_pool")(x)
    return keras.Model(keras.utils.get_source_inputs(input_tensor), x, name="alexnet")


def resnet18(input_tensor: KerasTensor) -> keras.Model:
    """ResNet-18: four stages of two basic blocks (He et al. 2015, arXiv:1512.03385, table 1).

    Args:
        input_tensor [b, h, w, 3]: scaled pixels; h and w at least 32.

    Returns:
        a model to [b, h / 32, w / 32, 512].
    """
    x = conv_bn_relu(input_tensor, 64, "conv1", stride=2, kernel=7)
    x = downsample(x, "pool1_pool")
    for stage, filters in ((2, 64), (3, 128), (4, 256), (5, 512)):
        x = _block(x, filters, f"conv{stage}_block1", stride=1 if stage == 2 else 2)
        x = _block(x, filters, f"conv{stage}_block2", stride=1)
    return keras.Model(keras.utils.get_source_inputs(input_tensor), x, name="resnet18")


def _conv_relu(x: KerasTensor, filters: int, kernel: int, name: str, stride: int = 1) -> KerasTensor:
    convolution = layers.Conv2D(
        filters, kernel, stride, "same", activation="relu", kernel_initializer="he_normal", name=name
    )
    return convolution(x)


def _block(x: KerasTensor, filters: int, name: str, stride: int) -> KerasTensor:
    y = conv_bn_relu(x, filters, f"{name}_conv1", stride)
    y = conv_bn_relu(y, filters, f"{name}_conv2", activate=False)
    if stride > 1:
        x = conv_bn_relu(x, filters, f"{name}_shortcut", stride, kernel=1, activate=False)
    return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([x, y]))
