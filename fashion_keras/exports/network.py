"""Portable networks: standard layers and operations alone, probabilities instead of logits."""

from typing import Any

import keras
from keras import layers, ops

from fashion_keras.catalog.label_groups import LabelGroup
from fashion_keras.models.classifier import ClassifierSpec
from fashion_keras.models.layers import GeneralizedMeanPooling2D, MultiStagePooling2D, PersonProbabilityFeature, Scaling
from fashion_keras.models.serialization import Spec


def portable_network(network: keras.Model, spec: Spec) -> keras.Model:
    """Return pixels [b, h, w, 3] float32 in 0..255 -> {"probabilities": [b, k]} or {"embedding": [b, d]}.

    Layers are shared, but those of this package are replaced by Keras' own operations, so that other programs can load
    the network. Temperatures and activations of the groups of labels are part of it.
    """
    inlined = _inline(network)
    if not isinstance(spec, ClassifierSpec):
        return keras.Model(inlined.input, {"embedding": inlined.output}, name=network.name)
    probabilities = _probabilities(inlined.output, spec.groups)
    return keras.Model(inlined.input, {"probabilities": probabilities}, name=network.name)


def _inline(network: keras.Model) -> keras.Model:
    """Return a network in which layers of this package are replaced by operations; other layers are shared."""

    def call(layer: layers.Layer, *args: Any, **kwargs: Any) -> keras.KerasTensor:  # noqa: ANN401 - a layer's own
        if isinstance(layer, Scaling | MultiStagePooling2D):
            return layer.call(args[0])
        if isinstance(layer, GeneralizedMeanPooling2D):
            power = float(ops.convert_to_numpy(layer.power))
            return ops.power(ops.mean(ops.power(ops.maximum(args[0], 1e-6), power), axis=(1, 2)), 1 / power)
        if isinstance(layer, PersonProbabilityFeature):
            return _person_feature(layer, *args[0])
        return layer(*args, **kwargs)

    return keras.models.clone_model(network, clone_function=lambda layer: layer, call_function=call)


def _person_feature(
    layer: PersonProbabilityFeature, features: keras.KerasTensor, pixels: keras.KerasTensor
) -> keras.KerasTensor:
    probabilities = ops.softmax(_inline(layer.layer)(pixels) / layer.temperature)
    probability = ops.reshape(ops.take(probabilities, [layer.person], axis=1), (-1, 1, 1, 1))
    blank = ops.zeros_like(ops.mean(features, axis=-1, keepdims=True))
    return ops.concatenate([features, blank + probability], axis=-1)


def _probabilities(logits: keras.KerasTensor, groups: tuple[LabelGroup, ...]) -> keras.KerasTensor:
    ends, end = [], 0
    for group in groups[:-1]:
        end += len(group.classes)
        ends.append(end)
    parts = ops.split(logits, ends, axis=1) if ends else [logits]
    activations = {"softmax": ops.softmax, "sigmoid": ops.sigmoid}
    outputs = [
        activations[group.activation](part / group.temperature) for group, part in zip(groups, parts, strict=True)
    ]
    return ops.concatenate(outputs, axis=1) if ends else outputs[0]
