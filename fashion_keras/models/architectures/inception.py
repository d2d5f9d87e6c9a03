"""Inception-v1 and Inception-BN, of guo2019: scaled pixels [b, h, w, 3] -> features [b, h / 32, w / 32, 1024]."""

from keras import KerasTensor, layers

from fashion_keras.models.architectures.convolutional import conv_bn_relu, downsample

# Szegedy 2014, table 1: filters of 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection.
_GOOGLENET = {
    "3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64), "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64), "4c": (128, 128, 256, 24, 64, 64), "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128), "5a": (256, 160, 320, 32, 128, 128), "5b": (384, 192, 384, 48, 128, 128),
}  # fmt: skip
# Ioffe 2015, figure 5: filters of 1x1, 3x3 reduce, 3x3, double 3x3 reduce, double 3x3, pool projection; a module
# without the first and last halves its maps. The projections of 4c and 4d are the 96 of the authors' published code,
# which add up to the 576 of the figure.
_INCEPTION_BN = {
    "3a": (64, 64, 64, 64, 96, 32), "3b": (64, 64, 96, 64, 96, 64), "3c": (0, 128, 160, 64, 96, 0),
    "4a": (224, 64, 96, 96, 128, 128), "4b": (192, 96, 128, 96, 128, 128), "4c": (160, 128, 160, 128, 160, 96),
    "4d": (96, 128, 192, 160, 192, 96), "4e": (0, 128, 192, 192, 256, 0), "5a": (352, 192, 320, 160, 224, 128),
    "5b": (352, 192, 320, 192, 224, 128),
}  # fmt: skip


def googlenet(x: KerasTensor) -> KerasTensor:
    """GoogLeNet, or Inception-v1 (Szegedy et al. 2014, arXiv:1409.4842), batch-normalized as in gutierrez2019.

    Batch normalization replaces its auxiliary classifiers and local response normalization.
    """
    x = _stem(x)
    for name, filters in _GOOGLENET.items():
        if name in ("4a", "5a"):
            x = downsample(x, f"inception{name}_halve")
        x = _module(x, f"inception{name}", *filters)
    return x


def inception_bn(x: KerasTensor) -> KerasTensor:
    """Inception-BN (Ioffe & Szegedy 2015, arXiv:1502.03167): deeper, with two 3x3 convolutions in place of each 5x5.

    Its first convolution is an ordinary one; the authors' is factored.
    """
    x = _stem(x)
    for name, filters in _INCEPTION_BN.items():
        x = _double_module(x, f"inception{name}", *filters)
    return x


def _stem(x: KerasTensor) -> KerasTensor:
    x = conv_bn_relu(x, 64, "conv1", stride=2, kernel=7)
    x = downsample(x, "conv1_pool")
    x = conv_bn_relu(x, 64, "conv2_reduce", kernel=1)
    x = conv_bn_relu(x, 192, "conv2")
    return downsample(x, "conv2_pool")


def _module(
    x: KerasTensor, name: str, width1: int, reduce3: int, width3: int, reduce5: int, width5: int, projection: int
) -> KerasTensor:
    narrow3 = conv_bn_relu(x, reduce3, f"{name}_3x3_reduce", kernel=1)
    narrow5 = conv_bn_relu(x, reduce5, f"{name}_5x5_reduce", kernel=1)
    pooled = layers.MaxPooling2D(3, 1, "same", name=f"{name}_pool")(x)
    paths = [
        conv_bn_relu(x, width1, f"{name}_1x1", kernel=1),
        conv_bn_relu(narrow3, width3, f"{name}_3x3"),
        conv_bn_relu(narrow5, width5, f"{name}_5x5", kernel=5),
        conv_bn_relu(pooled, projection, f"{name}_projection", kernel=1),
    ]
    return layers.Concatenate(name=name)(paths)


def _double_module(
    x: KerasTensor, name: str, width1: int, reduce3: int, width3: int, reduce2x: int, width2x: int, projection: int
) -> KerasTensor:
    stride = 1 if width1 else 2
    single = conv_bn_relu(x, reduce3, f"{name}_3x3_reduce", kernel=1)
    twice = conv_bn_relu(x, reduce2x, f"{name}_double_reduce", kernel=1)
    twice = conv_bn_relu(twice, width2x, f"{name}_double1")
    paths = [
        conv_bn_relu(single, width3, f"{name}_3x3", stride),
        conv_bn_relu(twice, width2x, f"{name}_double2", stride),
    ]
    if not width1:
        return layers.Concatenate(name=name)([*paths, downsample(x, f"{name}_pool")])
    pooling = layers.MaxPooling2D if name == "inception5b" else layers.AveragePooling2D
    pooled = pooling(3, 1, "same", name=f"{name}_pool")(x)
    first = conv_bn_relu(x, width1, f"{name}_1x1", kernel=1)
    last = conv_bn_relu(pooled, projection, f"{name}_projection", kernel=1)
    return layers.Concatenate(name=name)([first, *paths, last])
