"""A classifier, whatever computes its logits, and the one place where logits become probabilities. No Keras here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.images.decode import ImageSpec
from fashion_keras.images.pipeline import for_inference
from fashion_keras.models.heads import Head

Forward = Callable[[NDArray[np.float32]], NDArray[np.float32]]


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


class Classifier:
    """A trained classifier: `predict(images)`."""

    def __init__(self, spec: ClassifierSpec, forward: Forward) -> None:
        self.spec = spec
        self.forward = forward

    def predict(
        self, images: Sequence[Any], ids: NDArray[np.int64] | None = None, truth: NDArray[np.int64] | None = None
    ) -> Predictions:
        """Classify n images, each a path, encoded bytes, a PIL image or an array with pixels in 0..255.

        Always in float32 and with the same decoding as in training, whatever the images come as.

        Raises:
            ImageError: for the first image that cannot be used, with its reason.
        """
        logits = np.concatenate([self.forward(pixels) for pixels in for_inference(images, self.spec.image)])
        return predictions(self.spec, logits, np.arange(len(images)) if ids is None else ids, truth)


def predictions(
    spec: ClassifierSpec, logits: NDArray[np.float32], ids: NDArray[np.int64], truth: NDArray[np.int64] | None = None
) -> Predictions:
    """Turn logits [n, k] of the n products `ids` into probabilities: the only place where that is done."""
    if len(logits) != len(ids):
        raise AssertionError(f"{len(logits)} predictions for {len(ids)} images")
    return Predictions(ids, _softmax(logits / spec.temperature), spec.classes, truth)


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)
