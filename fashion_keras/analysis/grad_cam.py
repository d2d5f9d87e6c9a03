"""Grad-CAM heat maps: which pixels of an image raise the score of a class (Selvaraju et al. 2016, arXiv:1610.02391)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.evaluation.heat_maps import class_heat_maps, select_maps, select_stages
from fashion_keras.evaluation.plots import style
from fashion_keras.evaluation.plots.contact_sheet import contact_sheet
from fashion_keras.images.decode import decode_batch
from fashion_keras.images.inputs import as_image_list
from fashion_keras.images.spec import ImageSpec
from fashion_keras.models.predictions import LabelGroup, group_slices, probabilities
from fashion_keras.models.serialization import Spec, load_classifier_spec
from fashion_keras.support.errors import InputError, unknown_name_error
from fashion_keras.support.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    from keras import KerasTensor, Model

_BATCH = 64
_LEGEND = "yellow: low, red: high"


@dataclass(frozen=True)
class ClassActivation:
    """Heat map [h, w] of one class in an image: how much each pixel raises its logit, the largest 1, or all 0."""

    label: str
    probability: float
    heat: NDArray[np.float32]

    @property
    def peak(self) -> tuple[int, int] | None:
        """Row and column of the largest value; None where the heat is 0."""
        if not self.heat.any():
            return None
        row, column = np.unravel_index(self.heat.argmax(), self.heat.shape)
        return int(row), int(column)


@dataclass(frozen=True)
class Explanation:
    """Heat maps of an image, `pixels` [h, w, 3] uint8 as the network gets it, for the head and stage explained.

    activations: of the predicted class, then of the class that was given, if it is another.
    """

    pixels: NDArray[np.uint8]
    head: str
    stage: str
    activations: tuple[ClassActivation, ...]


def explain(
    run: str | Path,
    images: Any,  # noqa: ANN401 - whatever `as_image_list` takes
    label: str = "",
    head: str = "",
    stage: str = "",
) -> list[Explanation]:
    """Explain by Grad-CAM what a finished run predicts for n images, one or many, as `predict` takes them.

    `label` is a class to explain beside the predicted one; `head` is needed of a run with several. `stage` of the
    backbone is by default the last one whose feature maps are at least 7 places high and wide: later stages are more
    specific to a class, but on small images have few places.

    Raises:
        ImageError: for the first image that cannot be used.
        InputError: for a folder without a classifier, an unknown label, head or stage, a stage of a single place.
    """
    spec, _ = load_classifier_spec(run)
    _select_group(spec.groups, head, label)
    select_stages(spec, stage)
    image_list = as_image_list(images)
    return Explainer.load(run, stage).explain(image_list, label, head) if image_list else []


@dataclass(frozen=True)
class Explainer:
    """A loaded network, for many calls; not for several threads at once.

    Attributes:
        network: pixels [b, h, w, 3] of `image_spec` -> logits [b, K] of `groups`.
        maps: its feature maps at the stage that is explained.
    """

    network: "Model"
    maps: "KerasTensor"
    stage: str
    image_spec: ImageSpec
    groups: tuple[LabelGroup, ...]

    @classmethod
    def load(cls, run: str | Path, stage: str = "") -> "Explainer":
        """Load a finished run; InputError for a folder without a classifier, an unknown stage, one of one place."""
        spec, _ = load_classifier_spec(run)
        select_stages(spec, stage)
        import_tensorflow()
        from fashion_keras.models.builder import load_network  # noqa: PLC0415 - imports TensorFlow

        return cls.of(load_network(run)[1], spec, spec.groups, stage)

    @classmethod
    def of(cls, network: "Model", spec: Spec, groups: tuple[LabelGroup, ...], stage: str = "") -> "Explainer":
        """Take a network whose backbone, cut and input size are those of `spec`."""
        return cls(network, *reversed(select_maps(network, select_stages(spec, stage))), spec.image_spec, groups)

    def explain(self, images: Sequence[Any], label: str = "", head: str = "") -> list[Explanation]:
        """Return what `explain` does, with the same errors."""
        group = _select_group(self.groups, head, label)
        batches = (images[start : start + _BATCH] for start in range(0, len(images), _BATCH))
        return [
            Explanation(pixels, group.name, self.stage, activations)
            for batch in (decode_batch(part, self.image_spec) for part in batches)
            for pixels, activations in zip(batch, _activations(self, group, batch, label), strict=True)
        ]


def plot_explanations(path: Path, explanations: Sequence[Explanation], names: Sequence[str], run: str = "") -> None:
    """Draw a row for each image with its name: the image, then its heat map for each class."""
    style.require_nonempty(explanations, "images")
    columns = 1 + max(len(explanation.activations) for explanation in explanations)
    cells, captions = [], []
    for explanation, name in zip(explanations, names, strict=True):
        pixels, blank = explanation.pixels, columns - 1 - len(explanation.activations)
        cells.append(pixels)
        captions.append(f"{name}\n{_LEGEND}")
        for activation in explanation.activations:
            cells.append(style.overlay_heatmap(pixels, activation.heat))
            nothing = "" if activation.peak else "\nno activation"
            captions.append(f"{activation.label}\n{activation.probability:.1%}{nothing}")
        cells += [np.full_like(pixels, 255)] * blank
        captions += [""] * blank
    title = f"Grad-CAM at the backbone's {explanations[0].stage}"
    note = style.context(explanations[0].head, run, len(explanations))
    contact_sheet(path, cells, captions, columns=columns, title=title, note=note)


def _activations(
    explainer: Explainer, group: LabelGroup, batch: NDArray[np.uint8], label: str
) -> list[tuple[ClassActivation, ...]]:
    """Return the activations of the predicted class, and of `label` where it is another, for each image."""
    network, groups = explainer.network, explainer.groups
    pixels, columns = batch.astype(np.float32), group_slices(groups)[group.name]
    scores = probabilities(groups, np.asarray(network(pixels, training=False)))[:, columns]
    explained = [scores.argmax(axis=1)] + ([np.full(len(batch), group.classes.index(label))] if label else [])
    heats = [class_heat_maps(network, explainer.maps, pixels, columns.start + codes) for codes in explained]
    rows = [
        tuple(
            ClassActivation(group.classes[codes[row]], float(scores[row, codes[row]]), heat[row])
            for codes, heat in zip(explained, heats, strict=True)
        )
        for row in range(len(batch))
    ]
    return [row if row[-1].label != row[0].label else row[:1] for row in rows]


def _select_group(groups: Sequence[LabelGroup], name: str, label: str) -> LabelGroup:
    by_name = {group.name: group for group in groups}
    if not name and len(by_name) > 1:
        raise InputError(f"the run has several heads: name one with --head, of {', '.join(by_name)}")
    if name and name not in by_name:
        raise unknown_name_error("head of this run", name, by_name)
    group = by_name[name or groups[0].name]
    if label and label not in group.classes:
        raise unknown_name_error(f"label of {group.name}", label, group.classes)
    return group
