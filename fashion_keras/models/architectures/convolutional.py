"""Networks of plain and residual convolutions that keras.applications lacks: scaled pixels [b, h, w, 3] -> features."""

from keras import KerasTensor, layers

# Running means follow training within an epoch of a small catalog; with Keras' 0.99 they lag for many epochs.
BATCH_NORM_MOMENTUM = 0.9
# Filters, kernel and stride of each convolution.
_ALEXNET = ((64, 11, 4), (192, 5, 1), (384, 3, 1), (256, 3, 1), (256, 3, 1))


def custom_cnn(x: KerasTensor) -> KerasTensor:
    """Residual network in place of schindler2018's custom CNN, small enough to train from scratch on two CPU cores.

    Five stages of one basic block (He et al. 2015, arXiv:1512.03385) behind a strided stem; to [b, h/32, w/32, 512].
    """
    return _compact_resnet(x, (32, 64, 128, 256, 512))


def fashion_small(x: KerasTensor) -> KerasTensor:
    """Network whose weights ship with the package: `custom_cnn` with a narrower last stage, 3.5 M parameters."""
    return _compact_resnet(x, (32, 64, 128, 256, 384))


def vgg_like(x: KerasTensor) -> KerasTensor:
    """VGG-like network of schindler2018: batch-normalized 3x3 convolutions, 10 M parameters."""
    return _stacked(x, ((32, 2), (64, 2), (128, 2), (256, 3), (512, 4)))


def schindler_cnn(x: KerasTensor) -> KerasTensor:
    """Custom CNN of schindler2018, which the paper describes as compact with about 10 M parameters.

    Built as a wider `vgg_like` with one convolution per stage, like the paper's person detector.
    """
    return _stacked(x, ((80, 1), (160, 1), (320, 1), (640, 1), (1280, 1)))


def person_detector(x: KerasTensor) -> KerasTensor:
    """Person detector of schindler2018, to [b, h / 8, w / 8, 64]; its dense layer is the head `person_detector`."""
    return _stacked(x, ((32, 1), (64, 1), (64, 1)))


def alexnet(x: KerasTensor) -> KerasTensor:
    """AlexNet: five convolutions, in one tower and without response normalization, as in torchvision.

    Krizhevsky 2014, arXiv:1404.5997; 224x224 to [b, 6, 6, 256]. Its two layers of 4096 are the head `alexnet`.
    """
    relu = {"activation": "relu", "kernel_initializer": "he_normal"}
    for number, (filters, kernel, stride) in enumerate(_ALEXNET, 1):
        x = layers.Conv2D(filters, kernel, stride, "same", name=f"conv{number}", **relu)(x)
        if number in (1, 2, 5):
            x = layers.MaxPooling2D(3, 2, name=f"conv{number}_pool")(x)
    return x


def resnet18(x: KerasTensor) -> KerasTensor:
    """ResNet-18: four stages of two basic blocks (He et al. 2015, arXiv:1512.03385, table 1)."""
    x = conv_bn_relu(x, 64, "conv1", stride=2, kernel=7)
    x = downsample(x, "pool1_pool")
    for stage, filters in ((2, 64), (3, 128), (4, 256), (5, 512)):
        x = _basic_block(x, filters, f"conv{stage}_block1", stride=1 if stage == 2 else 2)
        x = _basic_block(x, filters, f"conv{stage}_block2", stride=1)
    return x


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


def _stacked(x: KerasTensor, stages: tuple[tuple[int, int], ...]) -> KerasTensor:
    for stage, (filters, count) in enumerate(stages, 1):
        for number in range(1, count + 1):
            x = conv_bn_relu(x, filters, f"block{stage}_conv{number}")
        x = layers.MaxPooling2D(2, padding="same", name=f"block{stage}_pool")(x)
    return x


def _compact_resnet(x: KerasTensor, widths: tuple[int, ...]) -> KerasTensor:
    x = conv_bn_relu(x, widths[0], "stem", stride=2)
    for stage, filters in enumerate(widths, 1):
        x = _basic_block(x, filters, f"stage{stage}", stride=1 if stage == 1 else 2, pooled=True)
    return x


def _basic_block(x: KerasTensor, filters: int, name: str, stride: int, pooled: bool = False) -> KerasTensor:
    """Return a residual block; a strided one averages its shortcut if `pooled`, else it drops pixels of it."""
    y = conv_bn_relu(x, filters, f"{name}_conv1", stride)
    y = conv_bn_relu(y, filters, f"{name}_conv2", activate=False)
    if stride > 1:
        if pooled:
            x = layers.AveragePooling2D(stride, padding="same", name=f"{name}_shortcut_pool")(x)
        x = conv_bn_relu(x, filters, f"{name}_shortcut", 1 if pooled else stride, kernel=1, activate=False)
    return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([x, y]))
