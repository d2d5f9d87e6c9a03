"""Networks of classifiers and encoders: build, cut, save and load them."""

from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
from keras import layers

from fashion_keras.catalog.worn_rules import PERSON
from fashion_keras.models.backbones import get_backbone
from fashion_keras.models.classifier import ClassifierSpec
from fashion_keras.models.heads import MULTI_STAGE, Head
from fashion_keras.models.layers import POOLING_LAYERS, PersonProbabilityFeature, Scaling
from fashion_keras.models.own_backbone import build_own
from fashion_keras.models.serialization import WEIGHTS, EncoderSpec, Spec, load_spec, write_spec
from fashion_keras.models.text import TextSpec
from fashion_keras.models.weights_file import check_weights, load_checked
from fashion_keras.support.atomic_files import atomic_write

_IN_FLOAT32 = ("scaling", "person", "pool", "logits", "projection", "embedding", "reconstruction")


def build_network(
    spec: Spec,
    policy: str = "float32",
    weights: str | None = None,
    set_weights: Callable[[keras.Model], None] | None = None,
) -> keras.Model:
    """Build a network: pixels [b, h, w, 3] float32 in 0..255 -> logits [b, k], or embeddings [b, d] of length 1.

    Args:
        spec: of a classifier or an encoder.
        policy: Keras' dtype policy of the backbone; scaling and head stay float32.
        weights: "imagenet" for ImageNet weights, which Keras may download; "file" for those of a user's own backbone;
            None for random ones.
        set_weights: called with the whole backbone, before it is cut, to set other weights.

    InputError for an input size that the backbone does not allow, or an unknown cut.
    """
    image = spec.image_spec
    if not spec.architecture:
        get_backbone(spec.backbone).check_size(image)
    pixels = keras.Input((image.height, image.width, 3), name="pixels")
    scaled = Scaling(spec.scaling, name="scaling", dtype="float32")(pixels)
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        if spec.architecture:
            whole = build_own(scaled, spec.architecture, Path(spec.backbone) if weights == "file" else None)
            pixels = whole.inputs[0]
        else:
            whole = get_backbone(spec.backbone).build(scaled, weights)
    finally:
        keras.config.set_dtype_policy(previous)
    if set_weights:
        set_weights(whole)
    count = 4 if spec.head.pooling == MULTI_STAGE else 1
    ends = [""] if spec.architecture else get_backbone(spec.backbone).stage_ends(spec.cut, count)
    features = [whole.get_layer(end).output if end else whole.output for end in ends]
    if isinstance(spec, EncoderSpec):
        output = _add_hidden(features, spec.head)
        if spec.width:
            output = layers.Dense(spec.width, name="projection", dtype="float32")(output)
        output = layers.UnitNormalization(name="embedding", dtype="float32")(output)
    else:
        if spec.person:
            features[-1] = _add_person(features[-1], pixels, spec.person)
        output = _add_hidden(features, spec.head)
        output = layers.Dense(len(spec.classes), name="logits", dtype="float32")(output)
    return keras.Model(pixels, output, name=whole.name)


def backbone_of(network: keras.Model) -> keras.Model:
    """Return the backbone of a network, the layers before its pooling and any person detector; layers are shared."""
    features = last_feature_map(network)
    if any(layer.name == "person" for layer in network.layers):
        features, _ = network.get_layer("person").input
    return keras.Model(network.input, features)


def last_feature_map(network: keras.Model) -> keras.KerasTensor:
    """Return the feature map [b, h, w, c] that a network pools: the last where it pools several stages."""
    return keras.tree.flatten(network.get_layer("pool").input)[-1]


def submodel_until(network: keras.Model, layer: str) -> keras.Model:
    """Return the part of a network from its input to the output of `layer`; layers are shared."""
    return keras.Model(network.input, network.get_layer(layer).output, name=network.name)


def submodel_from(network: keras.Model, layer: str) -> keras.Model:
    """Return the part of a network from the output of `layer` to its own output; layers are shared."""
    return keras.Model(network.get_layer(layer).output, network.output)


def replace_head(network: keras.Model, head: Head, classes: int) -> keras.Model:
    """Return a network with a new head, of random weights, on the same backbone; other layers are shared."""
    features = keras.tree.flatten(network.get_layer("pool").input)
    logits = layers.Dense(classes, name="logits", dtype="float32")(_add_hidden(features, head))
    return keras.Model(network.input, logits, name=network.name)


def embedding_model(network: keras.Model) -> keras.Model:
    """Return a classifier's network up to its penultimate layer, with outputs of length 1; layers are shared."""
    features = network.get_layer("logits").input
    embeddings = layers.UnitNormalization(name="embedding", dtype="float32")(features)
    return keras.Model(network.input, embeddings, name=network.name)


def save_network(spec: Spec | TextSpec, network: keras.Model, folder: Path, storage: str = "float32") -> None:
    """Write model.weights.h5, as float32 or float16, and model.json with its sha256 into a folder."""
    with atomic_write(folder / WEIGHTS) as temporary:
        network.save_weights(temporary)
        if storage != "float32":
            _rewrite_as(temporary, storage)
    write_spec(spec, folder)


def load_network(folder: str | Path) -> tuple[Spec, keras.Model]:
    """Return spec and float32 network of a model folder; InputError as `load_spec`, or for another sha256."""
    folder = Path(folder)
    spec, expected = load_spec(folder)
    check_weights(folder / WEIGHTS, expected, "copy the run again")
    network = build_network(spec)
    load_checked(network, folder / WEIGHTS)
    return spec, network


def cast_copy(network: keras.Model, policy: str) -> keras.Model:
    """Return a copy of a network whose backbone computes under a dtype policy; scaling and head stay in float32."""

    def copy(layer: layers.Layer) -> layers.Layer:
        outside = layer.name in _IN_FLOAT32 or layer.name.startswith("head_")
        # Bare operations, as in MobileNet's activation, take the type of their input.
        dtype = {} if outside or not isinstance(layer, layers.Layer) else {"dtype": policy}
        return type(layer).from_config(layer.get_config() | dtype)

    # Without optimizer and loss, which need not be copyable.
    uncompiled = keras.Model(network.input, network.output, name=network.name)
    copied = keras.models.clone_model(uncompiled, clone_function=copy)
    copied.set_weights(network.get_weights())
    return copied


def _rewrite_as(path: Path, storage: str) -> None:
    """Rewrite the float arrays of a weights file as `storage`; Keras casts them when it loads them."""
    arrays: dict[str, np.ndarray] = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: arrays.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values.astype(storage) if values.dtype.kind == "f" else values


def _add_person(features: keras.KerasTensor, pixels: keras.KerasTensor, person: ClassifierSpec) -> keras.KerasTensor:
    number, temperature = person.classes.index(PERSON), person.groups[0].temperature
    feature = PersonProbabilityFeature(build_network(person), number, temperature, name="person", dtype="float32")
    return feature([features, pixels])


def _add_hidden(features: list[keras.KerasTensor], head: Head) -> keras.KerasTensor:
    pooled = features if head.pooling == MULTI_STAGE else features[-1]
    x = POOLING_LAYERS[head.pooling](name="pool", dtype="float32")(pooled)
    if head.normalize:
        x = layers.BatchNormalization(momentum=0.9, name="head_norm", dtype="float32")(x)
    if head.dropout_before:
        x = layers.Dropout(head.dropout_before, name="head_dropout_before", dtype="float32")(x)
    for number, units in enumerate(head.dense, 1):
        if head.dropout and number > 1:
            x = layers.Dropout(head.dropout, name=f"head_dropout{number - 1}", dtype="float32")(x)
        x = layers.Dense(units, "relu", name=f"head_dense{number}", dtype="float32")(x)
    if head.dropout:
        x = layers.Dropout(head.dropout, name="head_dropout", dtype="float32")(x)
    return x
