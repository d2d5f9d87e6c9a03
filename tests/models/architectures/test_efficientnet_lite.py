"""EfficientNet-Lite: the layers of the paper's table, the published sizes, and ImageNet's classes of known images."""

from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from fashion_keras.models.backbones import get_backbone
from fashion_keras.models.builder import submodel_until
from fashion_keras.models.pretrained_weights import initialize
from fashion_keras.models.torch_weights import read_float_tensors
from tests.helpers.specs import classifier_spec

# Blocks of each network: filters, repeats; Tan & Le 2019, table 1, scaled in width and depth and rounded.
BLOCKS = {
    "efficientnet_lite0": ((16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 3, 3, 4, 1)),
    "efficientnet_lite1": ((16, 24, 40, 80, 112, 192, 320), (1, 3, 3, 4, 4, 5, 1)),
    "efficientnet_lite2": ((16, 24, 48, 88, 120, 208, 352), (1, 3, 3, 4, 4, 5, 1)),
}
KERNELS, HEIGHTS = (3, 3, 5, 3, 5, 5, 3), (112, 56, 28, 14, 14, 7, 7)
# Millions of parameters with the classifier of 1000 classes, without moving means and variances, as published.
PUBLISHED = {"efficientnet_lite0": 4.7, "efficientnet_lite1": 5.4, "efficientnet_lite2": 6.1}


@pytest.mark.parametrize("name", BLOCKS)
def test_efficientnet_lite_has_the_blocks_of_its_table(name):
    row = get_backbone(name)
    network = row.build(keras.Input((224, 224, 3)))
    ends = [end or "block7a_project_bn" for _, end in row.stages]
    shapes = [network.get_layer(end).output.shape[1:] for end in ends]
    filters, repeats = BLOCKS[name]
    assert shapes == [(height, height, width) for height, width in zip(HEIGHTS, filters, strict=True)]
    assert network.output.shape[1:] == (7, 7, 1280)
    for number, (kernel, count) in enumerate(zip(KERNELS, repeats, strict=True), 1):
        layers = [layer for layer in network.layers if layer.name.startswith(f"block{number}")]
        depthwise = [layer for layer in layers if layer.name.endswith("_depthwise")]
        assert [layer.kernel_size for layer in depthwise] == [(kernel, kernel)] * count
        # All repeats but the first add their input.
        assert sum(layer.name.endswith("_add") for layer in layers) == count - 1


@pytest.mark.parametrize("name", BLOCKS)
def test_efficientnet_lite_has_the_parameters_of_its_table(name):
    kernels, channels, inputs = 9 * 3 * 32, 32, 32
    for filters, repeats, kernel in zip(*BLOCKS[name], KERNELS, strict=True):
        for _ in range(repeats):
            wide = inputs if channels == 32 else 6 * inputs
            kernels += (wide != inputs) * inputs * wide + kernel**2 * wide + wide * filters
            channels += (wide != inputs) * wide + wide + filters
            inputs = filters
    kernels, channels = kernels + inputs * 1280, channels + 1280
    classifier = 1280 * 1000 + 1000
    assert get_backbone(name).parameters == kernels + 4 * channels
    assert (kernels + 2 * channels + classifier) / 1e6 == pytest.approx(PUBLISHED[name], abs=0.05)
    if name == "efficientnet_lite0":
        assert kernels + 4 * channels + classifier == 4_694_024


def center_square(path, size):
    """The middle of an image, as wide as its shorter side, as pixels [size, size, 3]."""
    image = Image.open(path).convert("RGB")
    scale = size / min(image.size)
    image = image.resize([round(side * scale) for side in image.size], Image.Resampling.BICUBIC)
    left, top = (image.width - size) // 2, (image.height - size) // 2
    return np.asarray(image.crop((left, top, left + size, top + size)), np.float32)


def image_files():
    """A temple, a flower and a portrait, which come with scikit-learn and matplotlib."""
    import sklearn.datasets
    from matplotlib.cbook import get_sample_data

    folder = Path(sklearn.datasets.__file__).parent / "images"
    return folder / "china.jpg", folder / "flower.jpg", get_sample_data("grace_hopper.jpg", asfileobj=False)


# ImageNet's palace, daisy and military uniform. The larger networks are in doubt about the flower.
@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("efficientnet_lite0", (698, 985, 652)),
        pytest.param("efficientnet_lite1", (698, None, 652), marks=pytest.mark.slow),
        pytest.param("efficientnet_lite2", (698, None, 652), marks=pytest.mark.slow),
    ],
)
def test_efficientnet_lite_predicts_imagenets_classes(name, classes):
    """By the published classifier on our features, at the size that the weights were trained at."""
    row = get_backbone(name)
    network, source = initialize(classifier_spec(name, (row.native, row.native)), "imagenet")
    assert source.source == "imagenet"
    tensors = read_float_tensors(row.packaged.find())
    pixels = np.stack([center_square(path, row.native) for path in image_files()])
    features = submodel_until(network, "pool").predict_on_batch(pixels)
    predicted = (features @ tensors["_fc.weight"].T + tensors["_fc.bias"]).argmax(axis=1)
    assert all(label in (None, code) for label, code in zip(classes, predicted, strict=True))
