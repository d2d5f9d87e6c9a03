"""Grad-CAM of a tagger: its encoder's network in Keras with the gate and the heads as one layer of logits."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fashion_keras.analysis.grad_cam import Explainer
from fashion_keras.catalog.label_groups import LabelGroup
from fashion_keras.features.hub import HubSpec
from fashion_keras.features.registry import encoder_network, resolve_encoder
from fashion_keras.support.errors import InputError
from fashion_keras.support.tensorflow_import import import_tensorflow
from fashion_keras.tagging.model.heads import LinearHead
from fashion_keras.tagging.model.manifest import EncoderReference

if TYPE_CHECKING:
    import keras


def load_tagger_explainer(encoder: EncoderReference, heads: Sequence[LinearHead]) -> Explainer:
    """Return the explainer of a tagger's heads, each a group of labels; InputError for an encoder of KerasHub."""
    source = resolve_encoder(encoder.name, encoder.weights)
    if isinstance(source.spec, HubSpec):
        raise InputError(f"{encoder.name}: Grad-CAM needs a backbone of this package, not one of KerasHub")
    import_tensorflow()
    groups = tuple(map(_group, heads))
    return Explainer.of(_with_heads(encoder_network(source), heads), source.spec, groups)


def _with_heads(network: "keras.Model", heads: Sequence[LinearHead]) -> "keras.Model":
    """Return pixels -> logits [b, K] of all heads, one after the other."""
    import keras  # noqa: PLC0415 - what needs no heat map must not wait for it

    weights = np.concatenate([head.weights for head in heads])
    layer = keras.layers.Dense(len(weights), name="logits", dtype="float32")
    logits = layer(network.output)
    layer.set_weights([weights.T, np.concatenate([head.bias for head in heads])])
    return keras.Model(network.input, logits, name=network.name)


def _group(head: LinearHead) -> LabelGroup:
    activation = "softmax" if head.kind == "single" else "sigmoid"
    paths = tuple((label,) for label in head.classes)
    return LabelGroup(head.name, head.kind, head.classes, paths, activation, head.temperature)
