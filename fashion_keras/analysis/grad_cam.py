"""Grad-CAM heat maps: which pixels of an image raise the score of a class (Selvaraju et al. 2016, arXiv:1610.02391)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.evaluation.plots import style
from fashion_keras.evaluation.plots.contact_sheet import contact_sheet
from fashion_keras.images.decode import decode_batch
from fashion_keras.images.inputs import as_image_list
from fashion_keras.models.backbones import get_backbone
from fashion_keras.models.classifier import ClassifierSpec
from fashion_keras.models.predictions import LabelGroup, group_slices, probabilities
from fashion_keras.models.serialization import load_classifier_spec
from fashion_keras.support.errors import InputError, unknown_name_error
from fashion_keras.support.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    from keras import KerasTensor, Model

# Places on the shorter side of feature maps that still localize; what most networks end with on 224x224 pixels.
_FINE = 7
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
    group = _select_group(spec, head)
    if label and label not in group.classes:
        raise unknown_name_error(f"label of {group.name}", label, group.classes)
    stages = _select_stages(spec, stage)
    image_list = as_image_list(images)
    if not image_list:
        return []
    import_tensorflow()
    from fashion_keras.models.builder import load_network  # noqa: PLC0415 - imports TensorFlow

    network = load_network(run)[1]
    stage_used, maps = _select_maps(network, stages)
    batches = (image_list[start : start + _BATCH] for start in range(0, len(image_list), _BATCH))
    return [
        Explanation(pixels, group.name, stage_used, activations)
        for batch in (decode_batch(part, spec.image_spec) for part in batches)
        for pixels, activations in zip(batch, _activations(network, maps, spec, group, batch, label), strict=True)
    ]


def grad_cam(
    network: "Model", maps: "KerasTensor", pixels: NDArray[np.float32], codes: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return heat maps [n, a, b] float32 >= 0 of the classes `codes` [n] in pixels [n, h, w, 3] in 0..255.

    Selvaraju et al. 2016, eq. 1 and 2, of a network pixels -> logits [n, k] and the output `maps` of one of its layers:
    the maps, each weighted by the mean gradient of the class's logit, are added up; negative sums become 0.
    """
    import keras  # noqa: PLC0415 - a wrong call must not wait for TensorFlow
    import tensorflow as tf  # noqa: PLC0415

    both = keras.Model(network.input, [maps, network.output])
    # Keras leaves gradients to its backend.
    with tf.GradientTape() as tape:
        inputs = tf.convert_to_tensor(pixels)
        tape.watch(inputs)
        values, logits = both(inputs, training=False)
        explained = tf.gather(logits, codes, axis=1, batch_dims=1)
    weights = tf.reduce_mean(tape.gradient(explained, values), axis=(1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * values, axis=-1)).numpy()


def upsample_heat(heat: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return heat [n, a, b] as [n, h, w] of `size` (h, w), bilinear, each divided by its largest value unless 0."""
    from keras import ops  # noqa: PLC0415

    large = ops.convert_to_numpy(ops.image.resize(heat[..., None], size, "bilinear"))[..., 0]
    largest = large.max(axis=(1, 2), keepdims=True)
    return large / np.where(largest > 0, largest, 1)


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
    network: "Model", maps: "KerasTensor", spec: ClassifierSpec, group: LabelGroup, batch: NDArray[np.uint8], label: str
) -> list[tuple[ClassActivation, ...]]:
    """Return the activations of the predicted class, and of `label` where it is another, for each image."""
    pixels, columns = batch.astype(np.float32), group_slices(spec.groups)[group.name]
    scores = probabilities(spec.groups, np.asarray(network(pixels, training=False)))[:, columns]
    explained = [scores.argmax(axis=1)] + ([np.full(len(batch), group.classes.index(label))] if label else [])
    size = batch.shape[1:3]
    heats = [upsample_heat(grad_cam(network, maps, pixels, columns.start + codes), size) for codes in explained]
    rows = [
        tuple(
            ClassActivation(group.classes[codes[row]], float(scores[row, codes[row]]), heat[row])
            for codes, heat in zip(explained, heats, strict=True)
        )
        for row in range(len(batch))
    ]
    return [row if row[-1].label != row[0].label else row[:1] for row in rows]


def _select_group(spec: ClassifierSpec, name: str) -> LabelGroup:
    groups = {group.name: group for group in spec.groups}
    if not name and len(groups) > 1:
        raise InputError(f"the run has several heads: name one with --head, of {', '.join(groups)}")
    if name and name not in groups:
        raise unknown_name_error("head of this run", name, groups)
    return groups[name or spec.groups[0].name]


def _select_stages(spec: ClassifierSpec, name: str) -> dict[str, str]:
    """Return stage -> its last layer, "" for the backbone's, of the stages that may be used: all, or the one named."""
    stages = dict(get_backbone(spec.backbone).stages)
    names = list(stages)
    usable = names[: names.index(spec.cut) + 1] if spec.cut else names
    if name and name not in usable:
        raise unknown_name_error(f"stage of this run's {spec.backbone}", name, usable)
    return {stage: stages[stage] for stage in ([name] if name else usable)}


def _select_maps(network: "Model", stages: dict[str, str]) -> tuple[str, "KerasTensor"]:
    """Return the last stage with fine feature maps, else the one with the finest, and its maps."""
    from fashion_keras.models.builder import last_feature_map  # noqa: PLC0415 - imports TensorFlow

    maps = {
        stage: network.get_layer(layer).output if layer else last_feature_map(network)
        for stage, layer in stages.items()
    }
    sides = {stage: min(features.shape[1:3]) for stage, features in maps.items()}
    stage = next((stage for stage in reversed(sides) if sides[stage] >= _FINE), max(sides, key=sides.get))
    if max(maps[stage].shape[1:3]) == 1:
        raise InputError(f"the feature maps of {stage} are a single place at this image size: name an earlier --stage")
    return stage, maps[stage]
