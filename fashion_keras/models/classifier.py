"""A classifier with one or several heads, whatever computes its logits. No Keras here."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.attributes import parse_task
from fashion_keras.catalog.label_groups import LabelGroup, Targets, class_names
from fashion_keras.catalog.label_sources import Columns
from fashion_keras.catalog.targets import encode_with_classes
from fashion_keras.images.inputs import as_image_list
from fashion_keras.images.pipeline import for_inference
from fashion_keras.images.spec import ImageSpec
from fashion_keras.models.heads import Head
from fashion_keras.models.predictions import Predictions, probabilities
from fashion_keras.support.errors import InputError

if TYPE_CHECKING:
    import keras

Forward = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class ClassifierSpec:
    """All that is needed to build a classifier's network again; saved as model.json.

    Attributes:
        backbone, cut: which network, and the stage it ends with ("" for all of it).
        scaling: one of `SCALINGS`; see `Backbone.scaling`.
        task: as given by the user: a task, "attributes", or names with commas between.
        groups: the groups of labels, K labels in all; the network's logits are theirs side by side.
        person: the detector whose probability of a person joins the features; None for none.
        architecture: JSON text of a user's own backbone; "" for those of the table.
    """

    backbone: str
    image_spec: ImageSpec
    scaling: str
    head: Head
    task: str
    groups: tuple[LabelGroup, ...]
    cut: str = ""
    person: "ClassifierSpec | None" = None
    architecture: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        """The K label names; with several groups as "pattern: Striped"."""
        return class_names(self.groups)

    def encode(self, columns: Columns) -> Targets:
        """Return the targets of n products in the classes of this classifier.

        A group whose columns the catalog lacks is unknown; InputError when it lacks those of every group.
        """
        return encode_with_classes(parse_task(",".join(group.name for group in self.groups)), self.groups, columns)


class Classifier:
    """A trained classifier: `predict(images)`."""

    def __init__(
        self, spec: ClassifierSpec, forward: Forward, load_network: "Callable[[], keras.Model] | None" = None
    ) -> None:
        self.spec, self.forward, self._load_network = spec, forward, load_network

    @cached_property
    def model(self) -> "keras.Model":
        """The network of its run folder, a plain keras.Model: pixels [b, h, w, 3] in 0..255 to logits [b, K].

        InputError for a classifier that was not loaded from a folder.
        """
        if self._load_network is None:
            raise InputError("this classifier was not loaded from a run folder: it has no Keras model of its own")
        return self._load_network()

    @property
    def groups(self) -> tuple[LabelGroup, ...]:
        """The groups of labels that it predicts."""
        return self.spec.groups

    def __repr__(self) -> str:
        return f"Classifier({self.spec.task}, {self.spec.backbone}, {len(self.spec.classes)} labels)"

    def predict(
        self,
        images: Any,  # noqa: ANN401 - see `as_image_list`
        ids: NDArray[np.str_] | None = None,
        truth: NDArray[np.int64] | None = None,
    ) -> Predictions:
        """Classify one image or n of them, in float32 and decoded as in training; [] gives empty predictions.

        Args:
            images: see `images.inputs.as_image_list`.
            ids [n]: their image ids; None for 0..n-1.
            truth [n, C]: packed targets, if known.

        ImageError for the first image that cannot be used, with its reason.
        """
        logits = self.logits(images)
        return make_predictions(self.spec, logits, np.arange(len(logits)) if ids is None else ids, truth)

    def logits(self, images: Any) -> NDArray[np.float32]:  # noqa: ANN401 - see `as_image_list`
        """Return the logits [n, K] float32 of n images; errors as in `predict`."""
        batches = for_inference(as_image_list(images), self.spec.image_spec)
        count = len(self.spec.classes)
        return np.concatenate([np.zeros((0, count), np.float32), *(self._forward(pixels) for pixels in batches)])

    def _forward(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        logits, shape = self.forward(pixels), (len(pixels), len(self.spec.classes))
        if logits.shape != shape or not np.isfinite(logits).all():
            fault = "NaN or infinite" if logits.shape == shape else f"{list(logits.shape)}, not {list(shape)}"
            raise InputError(f"the network's outputs are {fault}: its files are damaged or of another model")
        return logits


def make_predictions(
    spec: ClassifierSpec, logits: NDArray[np.float32], ids: NDArray[Any], truth: NDArray[np.int64] | None = None
) -> Predictions:
    """Return logits [n, K] of the n products `ids` as predictions with the truth [n, C], if known."""
    if len(logits) != len(ids):
        raise AssertionError(f"{len(logits)} predictions for {len(ids)} images")
    return Predictions(ids, probabilities(spec.groups, logits), spec.groups, truth)
