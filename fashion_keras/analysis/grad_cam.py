"""Where in a picture a class is seen: Grad-CAM (Selvaraju et al. 2016, arXiv:1610.02391)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fashion_keras.evaluation.plots import style
from fashion_keras.evaluation.plots.contact_sheet import contact_sheet
from fashion_keras.images.decode import decode_batch
from fashion_keras.models.backbones import get_backbone
from fashion_keras.models.classifier import LabelSpec
from fashion_keras.models.predictions import LabelGroup, group_slices, probabilities
from fashion_keras.models.serialization import load_classifier_spec
from fashion_keras.support.errors import InputError, unknown_name_error
from fashion_keras.support.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import keras

# Places on the shorter side of a map that still say where; what most networks end with on 224x224 pixels.
_FINE = 7
_BATCH = 64
_SCALE = "yellow: little, red: much"


@dataclass(frozen=True)
class ClassActivation:
    """A class in a picture.

    Attributes:
        label, probability: the class, and how probable the run finds it.
        heat [h, w] float32 in 0..1: how much each pixel speaks for it, the most 1; all 0 where nothing does.
    """

    label: str
    probability: float
    heat: NDArray[np.float32]

    @property
    def peak(self) -> tuple[int, int] | None:
        """Row and column of the pixel that speaks for the class the most; None where nothing does."""
        if not self.heat.any():
            return None
        row, column = np.unravel_index(self.heat.argmax(), self.heat.shape)
        return int(row), int(column)


@dataclass(frozen=True)
class Explanation:
    """What a run sees in a picture.

    Attributes:
        pixels [h, w, 3] uint8: the picture as the network gets it.
        head, stage: which labels were explained, and by the maps of which stage of the backbone.
        seen: the most probable class, then the one that was asked for, if it is another.
    """

    pixels: NDArray[np.uint8]
    head: str
    stage: str
    seen: tuple[ClassActivation, ...]


def explain(
    run: str | Path,
    images: Any,  # noqa: ANN401 - whatever is a picture, or several
    label: str = "",
    head: str = "",
    stage: str = "",
) -> list[Explanation]:
    """Explain by Grad-CAM what a finished run sees in n images.

    Args:
        run: its folder.
        images: n of them, each a path, encoded bytes, a PIL image, or an array with pixels in 0..255; or one alone.
        label: a class to explain beside the most probable one.
        head: of a run with several heads, the one to explain.
        stage: of its backbone; when left out, the last one whose maps are at least 7 places high and wide. The later
            a stage, the more of the class its maps hold, but on small pictures the last are of a few places only.

    Raises:
        ImageError: for the first image that cannot be used.
        InputError: for a folder without a classifier, an unknown label, head or stage, a stage that says nothing of
            where.
    """
    spec, _ = load_classifier_spec(run)
    group = _group(spec, head)
    if label and label not in group.classes:
        raise unknown_name_error(f"label of {group.name}", label, group.classes)
    stages = _stages(spec, stage)
    import_tensorflow()
    from fashion_keras.models.builder import load_network  # noqa: PLC0415 - imports TensorFlow

    if _is_one(images):
        images = [images]
    network = load_network(run)[1]
    chosen, maps = _maps(network, stages)
    parts = [images[at : at + _BATCH] for at in range(0, len(images), _BATCH)]
    return [
        Explanation(pixels, group.name, chosen, seen)
        for batch in (decode_batch(part, spec.image_spec) for part in parts)
        for pixels, seen in zip(batch, _see(network, maps, spec, group, batch, label), strict=True)
    ]


def grad_cam(
    network: "keras.Model", maps: "keras.KerasTensor", pixels: NDArray[np.float32], codes: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return what speaks for class `codes` [n] in pixels [n, h, w, 3], as heat [n, a, b] float32 >= 0.

    Selvaraju et al. 2016, eq. 1 and 2: the maps [a, b], each weighted by the mean over its places of the
    gradient of the class's logit, are added up; what speaks against the class counts 0.

    Args:
        network: pixels -> logits [n, k].
        maps [n, a, b, channels]: of one of its layers, symbolic.
        pixels: of n pictures, in 0..255.
        codes: for each, the logit that is explained.
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


def enlarged(heat: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return heat [n, a, b] as [n, h, w] of `size` (h, w), bilinear, each divided by its largest value unless 0."""
    from keras import ops  # noqa: PLC0415

    large = ops.convert_to_numpy(ops.image.resize(heat[..., None], size, "bilinear"))[..., 0]
    largest = large.max(axis=(1, 2), keepdims=True)
    return large / np.where(largest > 0, largest, 1)


def plot_explanations(path: Path, explanations: Sequence[Explanation], names: Sequence[str]) -> None:
    """Draw a row for each image with its name: the picture, then its heat for each class."""
    style.require_nonempty(explanations, "images")
    columns = 1 + max(len(one.seen) for one in explanations)
    images, captions = [], []
    for one, name in zip(explanations, names, strict=True):
        blank = [np.full_like(one.pixels, 255)] * (columns - 1 - len(one.seen))
        images += [one.pixels, *(style.overlay_heatmap(one.pixels, seen.heat) for seen in one.seen), *blank]
        captions += [f"{name}\n{_SCALE}", *map(_caption, one.seen), *([""] * len(blank))]
    first = explanations[0]
    title = f"Grad-CAM of {first.head} at the backbone's {first.stage}"
    contact_sheet(path, images, captions, columns=columns, title=title)


def _caption(seen: ClassActivation) -> str:
    return f"{seen.label}\n{seen.probability:.1%}" + ("" if seen.peak else "\nnothing speaks for it")


def _see(
    network: "keras.Model",
    maps: "keras.KerasTensor",
    spec: LabelSpec,
    group: LabelGroup,
    batch: NDArray[np.uint8],
    label: str,
) -> list[tuple[ClassActivation, ...]]:
    pixels, columns = batch.astype(np.float32), group_slices(spec.groups)[group.name]
    shares = probabilities(spec.groups, np.asarray(network(pixels, training=False)))[:, columns]
    wanted = [shares.argmax(axis=1)] + ([np.full(len(batch), group.classes.index(label))] if label else [])
    heats = [enlarged(grad_cam(network, maps, pixels, columns.start + codes), batch.shape[1:3]) for codes in wanted]
    seen = [
        tuple(
            ClassActivation(group.classes[codes[row]], float(shares[row, codes[row]]), heat[row])
            for codes, heat in zip(wanted, heats, strict=True)
        )
        for row in range(len(batch))
    ]
    # The class that was asked for may be the most probable one.
    return [one if one[-1].label != one[0].label else one[:1] for one in seen]


def _is_one(images: Any) -> bool:  # noqa: ANN401 - whatever is a picture, or several
    return isinstance(images, str | Path | bytes | Image.Image) or getattr(images, "ndim", 0) in (2, 3)


def _group(spec: LabelSpec, name: str) -> LabelGroup:
    groups = {group.name: group for group in spec.groups}
    if not name and len(groups) > 1:
        raise InputError(f"the run has several heads: name one with --head, of {', '.join(groups)}")
    if name and name not in groups:
        raise unknown_name_error("head of this run", name, groups)
    return groups[name or spec.groups[0].name]


def _stages(spec: LabelSpec, name: str) -> dict[str, str]:
    """Return stage -> its last layer, "" for the backbone's, of those that may be looked at: all, or the one named."""
    stages = dict(get_backbone(spec.backbone).stages)
    names = list(stages)
    left = names[: names.index(spec.cut) + 1] if spec.cut else names
    if name and name not in left:
        raise unknown_name_error(f"stage of this run's {spec.backbone}", name, left)
    return {stage: stages[stage] for stage in ([name] if name else left)}


def _maps(network: "keras.Model", stages: dict[str, str]) -> tuple[str, "keras.KerasTensor"]:
    """Return the last stage whose maps are fine, else the one with the finest, and its maps."""
    maps = {
        stage: network.get_layer(layer).output if layer else network.get_layer("pool").input
        for stage, layer in stages.items()
    }
    sides = {stage: min(features.shape[1:3]) for stage, features in maps.items()}
    stage = next((stage for stage in reversed(sides) if sides[stage] >= _FINE), max(sides, key=sides.get))
    if max(maps[stage].shape[1:3]) == 1:
        raise InputError(f"{stage} is one place for the whole of this run's pictures: name an earlier --stage")
    return stage, maps[stage]
