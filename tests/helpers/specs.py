"""Small classifier specs."""

from fashion_keras.catalog.label_groups import LabelGroup
from fashion_keras.images.spec import ImageSpec
from fashion_keras.models.backbones import get_backbone
from fashion_keras.models.classifier import ClassifierSpec
from fashion_keras.models.heads import Head


def classifier_spec(backbone="custom_cnn", size=(32, 32), head=None, classes=("a", "b"), **changes):
    """The spec of a classifier of `classes` on images of `size`, with a plain head."""
    group = LabelGroup("gender", "single", classes, tuple((name,) for name in classes))
    head, scaling = head or Head("plain"), get_backbone(backbone).scaling
    return ClassifierSpec(backbone, ImageSpec(*size), scaling, head, "gender", (group,), **changes)
