"""A classifier, of one task or of several groups of labels, whatever computes its logits. No Keras here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.attributes import parse_groups
from fashion_keras.catalog.targets import encode_with_classes
from fashion_keras.catalog.tasks import Columns, get_task
from fashion_keras.images.decode import ImageSpec
from fashion_keras.images.pipeline import for_inference
from fashion_keras.models.heads import Head
from fashion_keras.models.predictions import (
    AttributePredictions,
    LabelGroup,
    Predictions,
    class_codes,
    group_slices,
    probabilities,
)
from fashion_keras.support.errors import InputError

Forward = Callable[[NDArray[np.float32]], NDArray[np.float32]]
Matched = tuple[NDArray[np.int8], NDArray[np.str_]]


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
        person: the detector whose probability of a person joins the features; None for none.
    """

    backbone: str
    image_spec: ImageSpec
    scaling: str
    head: Head
    task: str
    classes: tuple[str, ...]
    paths: tuple[str, ...]
    cut: str = ""
    temperature: float = 1.0
    person: "ClassifierSpec | None" = None

    @property
    def groups(self) -> tuple[LabelGroup, ...]:
        """The task as the one group of labels."""
        return (LabelGroup(self.task, "single", self.classes, self.paths, temperature=self.temperature),)

    def calibrated(self, groups: tuple[LabelGroup, ...]) -> "ClassifierSpec":
        """Return the spec with the temperature of its group."""
        return replace(self, temperature=groups[0].temperature)

    def match(self, columns: Columns) -> Matched:
        """Label n products: values [n, k] int8, 1 yes, 0 no, -1 not known; and why a product has no label, else ""."""
        labels = get_task(self.task).match(columns, self.classes, self.paths)
        return labels.values, labels.reasons

    def answer(
        self, ids: NDArray[np.int64], shares: NDArray[np.float32], truth: NDArray[np.int8] | None
    ) -> Predictions:
        """Return probabilities [n, k] of the products `ids` with the truth [n, k], if there is one."""
        return Predictions(ids, shares, self.groups[0], None if truth is None else class_codes(truth))


@dataclass(frozen=True)
class MultiHeadSpec:
    """All that is needed to build the network of a classifier with several heads again; saved as model.json.

    Attributes:
        backbone, cut, image, scaling, head, person: as of `ClassifierSpec`.
        task: as it was asked for: "attributes", or names with commas between.
        groups: the groups of labels, K labels in all; the network's logits are theirs side by side.
    """

    backbone: str
    image_spec: ImageSpec
    scaling: str
    head: Head
    task: str
    groups: tuple[LabelGroup, ...]
    cut: str = ""
    person: ClassifierSpec | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """The K labels with their groups: "pattern: Striped"."""
        return tuple(f"{group.name}: {label}" for group in self.groups for label in group.classes)

    def calibrated(self, groups: tuple[LabelGroup, ...]) -> "MultiHeadSpec":
        """Return the spec with these groups."""
        return replace(self, groups=groups)

    def match(self, columns: Columns) -> Matched:
        """Label n products: values [n, K] int8, 1 yes, 0 no, -1 not known; and why a product has none, else "".

        Of groups whose columns the catalogue lacks, nothing is known.
        """
        count = len(next(iter(columns.values())))
        values = np.full((count, len(self.classes)), -1, np.int8)
        sources = parse_groups(",".join(group.name for group in self.groups))
        for source, group, columns_of in zip(sources, self.groups, group_slices(self.groups).values(), strict=True):
            try:
                values[:, columns_of] = encode_with_classes([source], [group.classes], [group.paths], columns).values
            except InputError:
                continue
        return values, np.where((values >= 0).any(axis=1), "", "no label of any head of the run")

    def answer(
        self, ids: NDArray[np.int64], shares: NDArray[np.float32], truth: NDArray[np.int8] | None
    ) -> AttributePredictions:
        """Return probabilities [n, K] of the products `ids` with the truth [n, K], if there is one."""
        return AttributePredictions(ids, shares, self.groups, truth)


LabelSpec = ClassifierSpec | MultiHeadSpec
AnyPredictions = Predictions | AttributePredictions


class Classifier:
    """A trained classifier: `predict(images)`."""

    def __init__(self, spec: LabelSpec, forward: Forward) -> None:
        self.spec = spec
        self.forward = forward

    def predict(
        self, images: Sequence[Any], ids: NDArray[np.int64] | None = None, truth: NDArray[np.int8] | None = None
    ) -> AnyPredictions:
        """Classify n images, each a path, encoded bytes, a PIL image or an array with pixels in 0..255.

        Always in float32 and with the same decoding as in training, whatever the images come as.

        Args:
            images: n of them.
            ids [n]: their product ids; 0..n-1 when left out.
            truth [n, K]: 1 for yes, 0 for no, -1 for not known of each label, if there is one.

        Returns:
            Predictions of a run with one task, AttributePredictions of one with several heads.

        Raises:
            ImageError: for the first image that cannot be used, with its reason.
        """
        return make_predictions(self.spec, self.logits(images), np.arange(len(images)) if ids is None else ids, truth)

    def logits(self, images: Sequence[Any]) -> NDArray[np.float32]:
        """Return what the network says of n images, [n, K] float32; InputError as `predict`."""
        return np.concatenate([self.forward(pixels) for pixels in for_inference(images, self.spec.image_spec)])


def make_predictions(
    spec: LabelSpec, logits: NDArray[np.float32], ids: NDArray[np.int64], truth: NDArray[np.int8] | None = None
) -> AnyPredictions:
    """Turn logits [n, K] of the n products `ids` into what the spec's kind of classifier says of them."""
    if len(logits) != len(ids):
        raise AssertionError(f"{len(logits)} predictions for {len(ids)} images")
    return spec.answer(ids, probabilities(spec.groups, logits), truth)
