"""Networks of classifiers and encoders: build, cut, save and load them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from keras import layers, ops

from fashion_keras.catalog.worn_rules import PERSON
from fashion_keras.models.backbones import SCALINGS, get_backbone
from fashion_keras.models.classifier import ClassifierSpec
from fashion_keras.models.heads import Head
from fashion_keras.models.own_backbone import build_own
from fashion_keras.models.serialization import WEIGHTS, EncoderSpec, Spec, load_spec, write_spec
from fashion_keras.models.text import TextSpec
from fashion_keras.support.atomic_files import atomic_write, file_sha256
from fashion_keras.support.errors import InputError, unknown_name_error

# keras.applications.imagenet_utils: the mean pixel of ImageNet in BGR order.
_CAFFE_MEAN = (103.939, 116.779, 123.68)
_IN_FLOAT32 = ("scaling", "person", "pool", "logits", "projection", "embedding", "reconstruction")


@keras.saving.register_keras_serializable("fashion_keras")
class Scaling(layers.Layer):
    """Scaling of RGB pixels in 0..255 to what a backbone's weights expect, equal to Keras' `preprocess_input`."""

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
        if self.mode == "lite":
            return (pixels - 127.0) / 128.0
        return pixels / 255.0 if self.mode == "unit" else pixels

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        return {**super().get_config(), "mode": self.mode}


@keras.saving.register_keras_serializable("fashion_keras")
class GeneralizedMeanPooling2D(layers.Layer):
    """GeM pooling, [b, h, w, c] -> [b, c]: the mean of x^p over height and width, to the power 1/p, trained from 3.

    Between the average (p = 1) and the maximum; Radenović et al. 2018, arXiv:1711.02512, eq. 3. x is at least 1e-6.
    """

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Create p, a scalar."""
        self.power = self.add_weight(name="power", shape=(), initializer=keras.initializers.Constant(3.0))

    def call(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """Pool features [b, h, w, c]."""
        powers = ops.power(ops.maximum(features, 1e-6), self.power)
        return ops.power(ops.mean(powers, axis=(1, 2)), 1 / self.power)


@keras.saving.register_keras_serializable("fashion_keras")
class PersonProbabilityFeature(layers.Wrapper):
    """(features [b, h, w, c], pixels [b, H, W, 3]) -> [b, h, w, c + 1]: the last is the probability of a person.

    It is constant over height and width, so that any pooling keeps its value: schindler2018's person filter as a layer.
    It wraps a detector, pixels -> logits [b, 2], which is not trained; column `person` is that of persons.
    """

    def __init__(self, layer: keras.Model, person: int, temperature: float, **options: Any) -> None:  # noqa: ANN401
        super().__init__(layer, **options)
        self.person, self.temperature = person, temperature
        self.trainable = False

    def call(self, inputs: list[keras.KerasTensor]) -> keras.KerasTensor:
        """Append the probability that the detector predicts for the pixels to the features."""
        features, pixels = inputs
        probabilities = ops.softmax(self.layer(pixels, training=False) / self.temperature)
        probability = probabilities[:, None, None, self.person : self.person + 1]
        return ops.concatenate([features, probability * ops.ones_like(features[..., :1])], axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        return {**super().get_config(), "person": self.person, "temperature": self.temperature}


_POOLINGS = {
    "avg": layers.GlobalAveragePooling2D,
    "max": layers.GlobalMaxPooling2D,
    "gem": GeneralizedMeanPooling2D,
    "flatten": layers.Flatten,
}


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
    features = whole.get_layer(get_backbone(spec.backbone).stage_end(spec.cut)).output if spec.cut else whole.output
    if isinstance(spec, EncoderSpec):
        output = _add_hidden(features, spec.head)
        if spec.width:
            output = layers.Dense(spec.width, name="projection", dtype="float32")(output)
        output = layers.UnitNormalization(name="embedding", dtype="float32")(output)
    else:
        features = _add_person(features, pixels, spec.person) if spec.person else features
        output = _add_head(features, spec.head, len(spec.classes))
    return keras.Model(pixels, output, name=whole.name)


def backbone_of(network: keras.Model) -> keras.Model:
    """Return the backbone of a network, the layers before its pooling and any person detector; layers are shared."""
    features = network.get_layer("pool").input
    if any(layer.name == "person" for layer in network.layers):
        features, _ = network.get_layer("person").input
    return keras.Model(network.input, features)


def submodel_until(network: keras.Model, layer: str) -> keras.Model:
    """Return the part of a network from its input to the output of `layer`; layers are shared."""
    return keras.Model(network.input, network.get_layer(layer).output, name=network.name)


def submodel_from(network: keras.Model, layer: str) -> keras.Model:
    """Return the part of a network from the output of `layer` to its own output; layers are shared."""
    return keras.Model(network.get_layer(layer).output, network.output)


def replace_head(network: keras.Model, head: Head, classes: int) -> keras.Model:
    """Return a network with a new head, of random weights, on the same backbone; other layers are shared."""
    features = network.get_layer("pool").input
    return keras.Model(network.input, _add_head(features, head, classes), name=network.name)


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
    if file_sha256(folder / WEIGHTS) != expected:
        raise InputError(f"{folder / WEIGHTS}: the content does not match the sha256 in model.json; copy the run again")
    network = build_network(spec)
    network.load_weights(folder / WEIGHTS)
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


def _add_head(features: keras.KerasTensor, head: Head, classes: int) -> keras.KerasTensor:
    return layers.Dense(classes, name="logits", dtype="float32")(_add_hidden(features, head))


def _add_hidden(features: keras.KerasTensor, head: Head) -> keras.KerasTensor:
    x = _POOLINGS[head.pooling](name="pool", dtype="float32")(features)
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
