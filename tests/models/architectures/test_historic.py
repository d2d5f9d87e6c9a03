"""The papers' networks have the sizes and parameters of their tables, and the counts that others publish."""

from itertools import pairwise

import keras
import pytest

from fashion_keras.models.backbones import get_backbone
from fashion_keras.models.builder import build_network
from fashion_keras.models.heads import get_head
from tests.helpers.specs import classifier_spec

# Szegedy 2014, table 1: inputs; then 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection.
GOOGLENET = (
    (192, 64, 96, 128, 16, 32, 32), (256, 128, 128, 192, 32, 96, 64), (480, 192, 96, 208, 16, 48, 64),
    (512, 160, 112, 224, 24, 64, 64), (512, 128, 128, 256, 24, 64, 64), (512, 112, 144, 288, 32, 64, 64),
    (528, 256, 160, 320, 32, 128, 128), (832, 256, 160, 320, 32, 128, 128), (832, 384, 192, 384, 48, 128, 128),
)  # fmt: skip
# Ioffe 2015, figure 5: inputs; then 1x1, 3x3 reduce, 3x3, double 3x3 reduce, double 3x3, pool projection.
INCEPTION_BN = (
    (192, 64, 64, 64, 64, 96, 32), (256, 64, 64, 96, 64, 96, 64), (320, 0, 128, 160, 64, 96, 0),
    (576, 224, 64, 96, 96, 128, 128), (576, 192, 96, 128, 96, 128, 128), (576, 160, 128, 160, 128, 160, 96),
    (576, 96, 128, 192, 160, 192, 96), (576, 0, 128, 192, 192, 256, 0), (1024, 352, 192, 320, 160, 224, 128),
    (1024, 352, 192, 320, 192, 224, 128),
)  # fmt: skip
# 7x7 of three colors to 64, 1x1, 3x3 to 192, of both.
STEM, STEM_CHANNELS = 49 * 3 * 64 + 64 * 64 + 9 * 64 * 192, 64 + 64 + 192


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("alexnet", (6, 6, 256)),
        ("resnet18", (7, 7, 512)),
        ("googlenet", (7, 7, 1024)),
        ("inception_bn", (7, 7, 1024)),
        ("schindler_cnn", (7, 7, 1280)),
        ("person_detector", (28, 28, 64)),
    ],
)
@pytest.mark.slow
def test_build_maps_224x224_to_the_papers_shape(name, output):
    assert get_backbone(name).build(keras.Input((224, 224, 3))).output.shape[1:] == output


def test_resnet18_has_the_parameters_of_torchvision():
    # Each stage: two blocks of two 3x3; the later three enter theirs from half as many channels, and by a projection.
    kernels, channels = 49 * 3 * 64 + 4 * 9 * 64 * 64, 64 + 4 * 64
    for width in (128, 256, 512):
        kernels += 9 * width // 2 * width + 3 * 9 * width * width + width // 2 * width
        channels += 5 * width
    assert kernels + 2 * channels == 11_689_512 - (512 * 1000 + 1000)
    # Moving means and variances, too: these are not trained, and torchvision does not count them.
    assert get_backbone("resnet18").parameters == kernels + 4 * channels


def test_googlenet_has_the_parameters_of_its_table_batch_normalized():
    kernels, channels, narrow = STEM, STEM_CHANNELS, STEM
    for inputs, one, reduce3, three, reduce5, five, projection in GOOGLENET:
        common = inputs * (one + reduce3 + reduce5 + projection) + 9 * reduce3 * three
        kernels += common + 25 * reduce5 * five
        narrow += common + 9 * reduce5 * five
        channels += one + reduce3 + three + reduce5 + five + projection
    # Caffe's, with biases; torchvision's, which has 3x3 in the place of 5x5; both with 1000 classes.
    assert kernels + channels == 6_998_552 - (1024 * 1000 + 1000)
    assert narrow + 2 * channels == 6_624_904 - (1024 * 1000 + 1000)
    assert get_backbone("googlenet").parameters == kernels + 4 * channels


def test_inception_bn_has_the_parameters_of_its_figure():
    kernels, channels = STEM, STEM_CHANNELS
    for inputs, one, reduce3, three, reduce_double, double, projection in INCEPTION_BN:
        kernels += inputs * (one + reduce3 + reduce_double + projection)
        kernels += 9 * (reduce3 * three + reduce_double * double + double * double)
        channels += one + reduce3 + three + reduce_double + 2 * double + projection
    # The authors' own, in TF-Slim: factored first convolution with 64 biases, normalization elsewhere, without scale.
    factored = 49 * 3 * 8 + 3 * 8 * 64 - 49 * 3 * 64
    assert kernels + factored + 64 + 3 * (channels - 64) == 10_173_112
    assert get_backbone("inception_bn").parameters == kernels + 4 * channels


def test_alexnet_with_its_head_has_the_parameters_of_torchvision():
    head = get_head("alexnet")
    widths = (6 * 6 * 256, *head.dense, 1000)
    dense = sum(inputs * outputs + outputs for inputs, outputs in pairwise(widths))
    assert (head.pooling, head.dropout) == ("flatten", 0.5)
    assert get_backbone("alexnet").parameters + dense == 61_100_840


def test_schindler_cnn_and_vgg_like_have_about_ten_million_parameters():
    # In its own table the paper calls both "only 10 million trainable parameters".
    for name in ("vgg_like", "schindler_cnn"):
        assert get_backbone(name).parameters == pytest.approx(10e6, rel=0.03)
    kernels = sum(9 * inputs * outputs for inputs, outputs in ((3, 32), (32, 64), (64, 64)))
    assert get_backbone("person_detector").parameters == kernels + 4 * (32 + 64 + 64)


def test_person_detector_with_its_head_has_the_papers_layers():
    row, head = get_backbone("person_detector"), get_head("person_detector")
    network = build_network(classifier_spec(row.name, (16, 24), head))
    assert network.get_layer("pool").output.shape[1] == 2 * 3 * 64
    assert network.count_params() == row.parameters + (2 * 3 * 64 * 256 + 256) + (256 * 2 + 2)


def test_head_has_dropout_after_every_hidden_layer():
    row, head = get_backbone("person_detector"), get_head("alexnet")
    network = build_network(classifier_spec(row.name, (8, 8), head))
    order = [layer.name for layer in network.layers][-6:]
    assert order == ["pool", "head_dense1", "head_dropout1", "head_dense2", "head_dropout", "logits"]
