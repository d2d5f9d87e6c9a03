"""The Keras side of a classifier: its network is built here, saved, and loaded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from keras import layers, ops

from fashion_keras.catalog.worn_rules import PERSON
from fashion_keras.models.backbones import SCALINGS, get_backbone
from fashion_keras.models.classifier import Classifier, ClassifierSpec
from fashion_keras.models.heads import Head
from fashion_keras.models.person_feature import PersonProbabilityFeature
from fashion_keras.models.serialization import WEIGHTS, EncoderSpec, Spec, load_spec, write_spec
from fashion_keras.support.atomic_files import atomic_write, file_sha256
from fashion_keras.support.errors import InputError, unknown_name_error

# keras.applications.imagenet_utils: the mean pixel of ImageNet in BGR order.
_CAFFE_MEAN = (103.939, 116.779, 123.68)
_IN_FLOAT32 = ("scaling", "person", "pool", "logits", "projection", "embedding")


@keras.saving.register_keras_serializable("fashion_keras")
class Scaling(layers.Layer):
    """RGB pixels in 0..255 -> what a backbone's weights expect; the first layer of every network.

    Equal to `keras.applications.*.preprocess_input` of the networks concerned.
    """

    def __init__(self, mode: str, **options: Any) -> None:  # noqa: ANN401 - Keras' own options
        super().__init__(**options)
        if mode not in SCALINGS:
            raise unknown_name_error("scaling", mode, SCALINGS)
        self.mode = mode

    def call(self, pixels: keras.KerasTensor) -> keras.KerasTensor:
        """Scale pixels [b, h, w, 3]."""
        if self.mode == "caffe":
            return ops.flip(pixels, axis=-1) - ops.convert_to_tensor(_CAFFE_MEAN, dtype=pixels.dtype)
        if self.mode == "tf":
            return pixels / 127.5 - 1.0
        return pixels / 255.0 if self.mode == "unit" else pixels

    def get_config(self) -> dict[str, Any]:
        """Return what `__init__` takes."""
        return {**super().get_config(), "mode": self.mode}


@keras.saving.register_keras_serializable("fashion_keras")
class GeneralisedMeanPooling2D(layers.Layer):
    """[b, h, w, c] -> [b, c]: the mean of x^p over height and width, to the power of 1/p; p is learnt, from 3.

    Between the average (p = 1) and the maximum; Radenović et al. 2018, arXiv:1711.02512, eq. 3. Values below 1e-6
    count as that.
    """

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make p, one number."""
        self.power = self.add_weight(name="power", shape=(), initializer=keras.initializers.Constant(3.0))

    def call(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """Pool features [b, h, w, c]."""
        powers = ops.power(ops.maximum(features, 1e-6), self.power)
        return ops.power(ops.mean(powers, axis=(1, 2)), 1 / self.power)


_POOLINGS = {
    "avg": layers.GlobalAveragePooling2D,
    "max": layers.GlobalMaxPooling2D,
    "gem": GeneralisedMeanPooling2D,
    "flatten": layers.Flatten,
}


def build_network(
    spec: Spec,
    policy: str = "float32",
    weights: str | None = None,
    fill: Callable[[keras.Model], None] | None = None,
) -> keras.Model:
    """Build pixels [b, h, w, 3] float32 in 0..255 -> logits [b, k] float32, or an encoder's vectors [b, d] of length 1.

    Args:
        spec: what to build.
        policy: Keras' dtype policy of the backbone; scaling and head stay float32.
        weights: None or "imagenet", which Keras may have to download.
        fill: gives the whole backbone its weights, before it is cut.

    Raises:
        InputError: for an input size that the backbone does not allow, or an unknown cut.
    """
    backbone = get_backbone(spec.backbone)
    backbone.check_size(spec.image_spec)
    pixels = keras.Input((spec.image_spec.height, spec.image_spec.width, 3), name="pixels")
    scaled = Scaling(spec.scaling, name="scaling", dtype="float32")(pixels)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        trunk = backbone.build(scaled, weights)
    finally:
        keras.config.set_dtype_policy(before)
    if fill:
        fill(trunk)
    features = trunk.get_layer(backbone.stage_end(spec.cut)).output if spec.cut else trunk.output
    if isinstance(spec, EncoderSpec):
        output = _add_embedding(features, spec.head, spec.width)
    else:
        features = _add_person(features, pixels, spec.person) if spec.person else features
        output = _add_head(features, spec.head, len(spec.classes))
    return keras.Model(pixels, output, name=spec.backbone)


def backbone_of(network: keras.Model) -> keras.Model:
    """Return the backbone of a network: all before its pooling layer and any person detector, sharing its layers."""
    features = network.get_layer("pool").input
    if any(layer.name == "person" for layer in network.layers):
        features, _ = network.get_layer("person").input
    return keras.Model(network.input, features)


def submodel_until(network: keras.Model, layer: str) -> keras.Model:
    """Return the part of a network from its input to the output of a layer, sharing its layers."""
    return keras.Model(network.input, network.get_layer(layer).output, name=network.name)


def submodel_from(network: keras.Model, layer: str) -> keras.Model:
    """Return the part of a network from the output of a layer to its logits, sharing its layers."""
    return keras.Model(network.get_layer(layer).output, network.output)


def replace_head(network: keras.Model, head: Head, classes: int) -> keras.Model:
    """Return a network with a new head of first weights on the same backbone, sharing its layers."""
    features = network.get_layer("pool").input
    return keras.Model(network.input, _add_head(features, head, classes), name=network.name)


def embedding_model(network: keras.Model) -> keras.Model:
    """Return a classifier's network up to what its logits are made of, scaled to length 1, sharing its layers."""
    features = network.get_layer("logits").input
    vectors = layers.UnitNormalization(name="embedding", dtype="float32")(features)
    return keras.Model(network.input, vectors, name=network.name)


def save_network(spec: Spec, network: keras.Model, folder: Path, storage: str = "float32") -> None:
    """Write model.weights.h5, its numbers as float32 or float16, and, naming its sha256, model.json."""
    with atomic_write(folder / WEIGHTS) as temporary:
        network.save_weights(temporary)
        if storage != "float32":
            _narrow(temporary, storage)
    write_spec(spec, folder)


def load_network(folder: str | Path) -> tuple[Spec, keras.Model]:
    """Read a run folder's spec and, in float32, its network; InputError as `load_spec`."""
    folder = Path(folder)
    spec, expected = load_spec(folder)
    if file_sha256(folder / WEIGHTS) != expected:
        raise InputError(f"{folder / WEIGHTS}: the content does not match the sha256 in model.json; copy the run again")
    network = build_network(spec)
    network.load_weights(folder / WEIGHTS)
    return spec, network


def cast_copy(network: keras.Model, policy: str) -> keras.Model:
    """Return a copy of a network whose backbone computes under a dtype policy; scaling and head stay in float32.

    Every judgement is made in float32, whatever the training was in.
    """

    def copy(layer: layers.Layer) -> layers.Layer:
        outside = layer.name in _IN_FLOAT32 or layer.name.startswith("head_")
        # Bare operations, as in MobileNet's activation, compute in what they are given.
        dtype = {} if outside or not isinstance(layer, layers.Layer) else {"dtype": policy}
        return type(layer).from_config(layer.get_config() | dtype)

    # Bare: what a network was compiled with need not be copyable.
    bare = keras.Model(network.input, network.output, name=network.name)
    twin = keras.models.clone_model(bare, clone_function=copy)
    twin.set_weights(network.get_weights())
    return twin


def as_classifier(spec: ClassifierSpec, network: keras.Model) -> Classifier:
    """Return the classifier whose forward pass is this network's."""
    return Classifier(spec, network.predict_on_batch)


def _narrow(path: Path, storage: str) -> None:
    """Write the numbers of a weights file anew in fewer bits; Keras widens them when it reads them."""
    with h5py.File(path) as file:
        numbers: dict[str, np.ndarray] = {}
        file.visititems(lambda name, item: numbers.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    with h5py.File(path, "w") as file:
        for name, values in numbers.items():
            file[name] = values.astype(storage) if values.dtype.kind == "f" else values


def _add_person(features: keras.KerasTensor, pixels: keras.KerasTensor, person: ClassifierSpec) -> keras.KerasTensor:
    number = person.classes.index(PERSON)
    channel = PersonProbabilityFeature(
        build_network(person), number, person.groups[0].temperature, name="person", dtype="float32"
    )
    return channel([features, pixels])


def _add_head(features: keras.KerasTensor, head: Head, classes: int) -> keras.KerasTensor:
    return layers.Dense(classes, name="logits", dtype="float32")(_add_hidden(features, head))


def _add_embedding(features: keras.KerasTensor, head: Head, width: int) -> keras.KerasTensor:
    x = _add_hidden(features, head)
    if width:
        x = layers.Dense(width, name="projection", dtype="float32")(x)
    return layers.UnitNormalization(name="embedding", dtype="float32")(x)


def _add_hidden(features: keras.KerasTensor, head: Head) -> keras.KerasTensor:
    x = _POOLINGS[head.pooling](name="pool", dtype="float32")(features)
    if head.normalise:
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
