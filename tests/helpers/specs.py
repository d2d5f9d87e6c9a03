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


def two_convolutions(last="last"):
    """A backbone of two convolutions on images of 32 x 24 pixels; `last` names the second."""
    import keras

    inputs = keras.Input((32, 24, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(4, 3, 2, "same", activation="relu")(x)
    x = keras.layers.Conv2D(6, 3, 2, "same", activation="relu", name=last)(x)
    return keras.Model(inputs, x, name="two_convolutions")
