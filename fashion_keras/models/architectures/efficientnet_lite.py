"""EfficientNet-Lite: EfficientNet without squeeze-and-excitation, with ReLU6; scaled pixels [b, h, w, 3] -> features.

Tan & Le 2019, arXiv:1905.11946, table 1, with the changes of TensorFlow's tpu repository (efficientnet/lite): stem and
top convolution, and the repeats of the first and last block, are the same at any scale.
"""

import math

from keras import KerasTensor, layers

# Kernel, stride, expansion, filters and repeats of each block.
_BLOCKS = (
    (3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3), (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)  # fmt: skip
_STEM, _TOP = 32, 1280
_EPSILON = 1e-3


def efficientnet_lite0(x: KerasTensor) -> KerasTensor:
    """EfficientNet-Lite0; to [b, h / 32, w / 32, 1280], rounded up."""
    return _efficientnet_lite(x, width=1.0, depth=1.0)


def efficientnet_lite1(x: KerasTensor) -> KerasTensor:
    """EfficientNet-Lite1: deeper than Lite0."""
    return _efficientnet_lite(x, width=1.0, depth=1.1)


def efficientnet_lite2(x: KerasTensor) -> KerasTensor:
    """EfficientNet-Lite2: deeper and wider than Lite0."""
    return _efficientnet_lite(x, width=1.1, depth=1.2)


def _efficientnet_lite(x: KerasTensor, width: float, depth: float) -> KerasTensor:
    x = _conv(x, _STEM, "stem", kernel=3, stride=2)
    for number, (kernel, stride, expansion, filters, repeats) in enumerate(_BLOCKS, 1):
        scaled = repeats if number in (1, len(_BLOCKS)) else math.ceil(depth * repeats)
        for repeat in range(scaled):
            name = f"block{number}{chr(ord('a') + repeat)}"
            x = _mbconv(x, _round(width * filters), name, kernel, 1 if repeat else stride, expansion)
    return _conv(x, _TOP, "top")


def _mbconv(x: KerasTensor, filters: int, name: str, kernel: int, stride: int, expansion: int) -> KerasTensor:
    """Return an inverted residual block: expand, depthwise convolution, project; added to its input where both fit."""
    y = _conv(x, expansion * x.shape[-1], f"{name}_expand") if expansion > 1 else x
    depthwise = layers.DepthwiseConv2D(kernel, stride, "same", use_bias=False, name=f"{name}_depthwise")
    y = _normalize(depthwise(y), f"{name}_depthwise")
    y = _conv(y, filters, f"{name}_project", activate=False)
    return layers.Add(name=f"{name}_add")([x, y]) if stride == 1 and x.shape[-1] == filters else y


def _conv(
    x: KerasTensor, filters: int, name: str, kernel: int = 1, stride: int = 1, activate: bool = True
) -> KerasTensor:
    x = layers.Conv2D(filters, kernel, stride, "same", use_bias=False, kernel_initializer="he_normal", name=name)(x)
    return _normalize(x, name, activate)


def _normalize(x: KerasTensor, name: str, activate: bool = True) -> KerasTensor:
    x = layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if activate else x


def _round(filters: float) -> int:
    """Return the multiple of 8 nearest to `filters`, no less than nine tenths of it.

    >>> _round(1.1 * 24), _round(1.1 * 40)
    (24, 48)
    """
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded
