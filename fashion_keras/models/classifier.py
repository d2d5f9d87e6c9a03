"""A backbone and a head that turn pixels into logits, with the one place where logits become probabilities."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from fashion_keras.images.decode import ImageSpec
from fashion_keras.images.pipeline import for_inference
from fashion_keras.models.backbones import SCALINGS, get_backbone
from fashion_keras.models.heads import Head
from fashion_keras.support.errors import InputError, unknown
from fashion_keras.support.files import replacing, sha256, write_json

# keras.applications.imagenet_utils: the mean pixel of ImageNet in BGR order.
_CAFFE_MEAN = (103.939, 116.779, 123.68)
_FORMAT = "fashion_keras.classifier/1"


@dataclass(frozen=True)
class ClassifierSpec:
    """All that is needed to build a classifier's network again; saved as model.json.

    Attributes:
        backbone, cut: which network, and the stage it ends with ("" for all of it).
        image: how a picture becomes pixels.
        scaling: one of `SCALINGS`; see `Backbone.scaling`.
        head: what stands on the backbone.
        task, classes, paths: the task's name, its k class names, and their paths in the catalogue.
        temperature: logits are divided by it before the softmax.
    """

    backbone: str
    image: ImageSpec
    scaling: str
    head: Head
    task: str
    classes: tuple[str, ...]
    paths: tuple[str, ...]
    cut: str = ""
    temperature: float = 1.0


@dataclass(frozen=True)
class Predictions:
    """What a classifier said of n images.

    Attributes:
        ids [n] int64: product ids, or 0..n-1.
        probabilities [n, k] float32: rows sum to 1.
        classes: k names.
        truth [n] int64 or None: the right class, where known.
    """

    ids: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    classes: tuple[str, ...]
    truth: NDArray[np.int64] | None = None

    @property
    def names(self) -> list[str]:
        """The most probable class of each image, n names."""
        return [self.classes[code] for code in self.probabilities.argmax(axis=1)]

    def top(self, count: int) -> list[list[tuple[str, float]]]:
        """The `count` most probable (class, probability) of each image, the most probable first."""
        order = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :count]
        rows = zip(order.tolist(), self.probabilities.tolist(), strict=True)
        return [[(self.classes[code], row[code]) for code in codes] for codes, row in rows]


@keras.saving.register_keras_serializable("fashion_keras")
class Scaling(layers.Layer):
    """RGB pixels in 0..255 -> what a backbone's weights expect; the first layer of every network.

    Equal to `keras.applications.*.preprocess_input` of the networks concerned.
    """

    def __init__(self, mode: str, **options: Any) -> None:  # noqa: ANN401 - Keras' own options
        super().__init__(**options)
        if mode not in SCALINGS:
            raise unknown("scaling", mode, SCALINGS)
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


def build_network(
    spec: ClassifierSpec,
    policy: str = "float32",
    weights: str | None = None,
    fill: Callable[[keras.Model], None] | None = None,
) -> keras.Model:
    """Build pixels [b, h, w, 3] float32 in 0..255 -> logits [b, k] float32.

    Args:
        spec: what to build.
        policy: Keras' dtype policy of the backbone; scaling and head stay float32.
        weights: None or "imagenet", which Keras may have to download.
        fill: gives the whole backbone its weights, before it is cut.

    Raises:
        InputError: for an input size that the backbone does not allow, or an unknown cut.
    """
    backbone = get_backbone(spec.backbone)
    backbone.check_size(spec.image)
    pixels = keras.Input((spec.image.height, spec.image.width, 3), name="pixels")
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
    return keras.Model(pixels, _add_head(features, spec.head, len(spec.classes)), name=spec.backbone)


def trunk_of(network: keras.Model) -> keras.Model:
    """Return the part of a network before its pooling layer, sharing its layers."""
    return keras.Model(network.input, network.get_layer("pool").input)


class Classifier:
    """A trained network with its spec: `predict(images)`, `save(folder)`, `Classifier.load(folder)`."""

    def __init__(self, spec: ClassifierSpec, network: keras.Model) -> None:
        self.spec = spec
        self.network = network

    def predict(
        self, images: Sequence[Any], ids: NDArray[np.int64] | None = None, truth: NDArray[np.int64] | None = None
    ) -> Predictions:
        """Classify n images, each a path, encoded bytes, a PIL image or an array with pixels in 0..255.

        Always in float32 and with the same decoding as in training, whatever the images come as.

        Raises:
            ImageError: for the first image that cannot be used, with its reason.
        """
        logits = np.concatenate([self.network.predict_on_batch(x) for x in for_inference(images, self.spec.image)])
        if len(logits) != len(images):
            raise AssertionError(f"{len(logits)} predictions for {len(images)} images")
        probabilities = ops.convert_to_numpy(ops.softmax(logits / self.spec.temperature))
        ids = np.arange(len(images)) if ids is None else ids
        return Predictions(ids, probabilities, self.spec.classes, truth)

    def save(self, folder: Path) -> None:
        """Write model.weights.h5 and, naming its sha256, model.json."""
        weights = folder / "model.weights.h5"
        with replacing(weights) as temporary:
            self.network.save_weights(temporary)
        write_json(folder / "model.json", {"format": _FORMAT, "sha256": sha256(weights), **asdict(self.spec)})

    @classmethod
    def load(cls, folder: str | Path) -> "Classifier":
        """Read a run folder.

        Raises:
            InputError: when the folder holds no model, or its files are of another version or were altered.
        """
        folder = Path(folder)
        spec = load_spec(folder)
        network = build_network(spec)
        network.load_weights(folder / "model.weights.h5")
        return cls(spec, network)


def load_classifier(run: str | Path) -> Classifier:
    """Load the classifier of a finished run folder; see `Classifier.load`."""
    return Classifier.load(run)


def load_spec(folder: Path) -> ClassifierSpec:
    """Read and check model.json and the weights' sha256; raise InputError when something is missing or altered."""
    path, weights = folder / "model.json", folder / "model.weights.h5"
    if not path.is_file() or not weights.is_file():
        raise InputError(f"{folder}: no finished run here (model.json and model.weights.h5 are needed)")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        form, expected = values.pop("format"), values.pop("sha256")
    except (json.JSONDecodeError, KeyError) as error:
        raise InputError(f"{path}: not a model of ours ({error!r})") from None
    if form != _FORMAT:
        raise InputError(f"{path}: format {form!r}; this version reads {_FORMAT!r}")
    if sha256(weights) != expected:
        raise InputError(f"{weights}: the content does not match the sha256 in model.json; copy the run again")
    head = Head(**{**values["head"], "dense": tuple(values["head"]["dense"])})
    spec = ClassifierSpec(**{**values, "image": ImageSpec(**values["image"]), "head": head})
    return replace(spec, classes=tuple(spec.classes), paths=tuple(spec.paths))


def _add_head(features: keras.KerasTensor, head: Head, classes: int) -> keras.KerasTensor:
    pool = layers.GlobalMaxPooling2D if head.pooling == "max" else layers.GlobalAveragePooling2D
    x = pool(name="pool", dtype="float32")(features)
    if head.normalise:
        x = layers.BatchNormalization(momentum=0.9, name="head_norm", dtype="float32")(x)
    if head.dropout_before:
        x = layers.Dropout(head.dropout_before, name="head_dropout_before", dtype="float32")(x)
    for number, units in enumerate(head.dense, 1):
        x = layers.Dense(units, "relu", name=f"head_dense{number}", dtype="float32")(x)
    if head.dropout:
        x = layers.Dropout(head.dropout, name="head_dropout", dtype="float32")(x)
    return layers.Dense(classes, name="logits", dtype="float32")(x)
