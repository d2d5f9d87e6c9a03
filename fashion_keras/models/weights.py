"""Where a backbone's first weights come from: ImageNet, a file, another run, or nowhere."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import keras

from fashion_keras.models.backbones import get_backbone
from fashion_keras.models.classifier import Classifier, ClassifierSpec, build_network, trunk_of
from fashion_keras.support.errors import InputError, unknown

SOURCES = ("auto", "imagenet", "fashion", "none")


@dataclass(frozen=True)
class Origin:
    """Where the weights came from ("imagenet", "none", or a path), and a warning to repeat, or ""."""

    source: str
    warning: str = ""

    @property
    def pretrained(self) -> bool:
        """Whether the backbone has learnt something already."""
        return self.source != "none"


def initialise(spec: ClassifierSpec, weights: str, policy: str = "float32") -> tuple[keras.Model, Origin]:
    """Build a network and give its backbone its first weights.

    Args:
        spec: what to build.
        weights: one of `SOURCES`, or a file (official Keras no-top .h5, .weights.h5) or run folder of that backbone.
        policy: Keras' dtype policy of the backbone.

    Raises:
        InputError: when the weights named are not to be had or belong to another network; names the first layer that
            differs. With "auto", ImageNet weights that cannot be had give random ones and a warning instead.
    """
    if weights in ("auto", "imagenet"):
        return _imagenet(spec, policy, required=weights == "imagenet")
    if weights == "none":
        return build_network(spec, policy), Origin("none")
    if weights == "fashion":
        raise InputError(f"no fashion weights are published for {spec.backbone}; use --weights auto, none or a file")
    path = Path(weights)
    if not path.exists():
        raise unknown("weights (and no such file)", weights, [*SOURCES, "FILE"])
    return build_network(spec, policy, fill=lambda trunk: _load_file(trunk, path)), Origin(str(path))


def _imagenet(spec: ClassifierSpec, policy: str, required: bool) -> tuple[keras.Model, Origin]:
    reason = f"none are published for {spec.backbone}"
    if get_backbone(spec.backbone).pretrained:
        try:
            return build_network(spec, policy, "imagenet"), Origin("imagenet")
        except Exception as error:
            # keras.utils.get_file raises a bare Exception; anything else is not ours to hide.
            if "URL fetch failure" not in str(error):
                raise
            reason = f"they could not be downloaded ({str(error).rsplit('--', 1)[-1].strip()})"
    if required:
        raise InputError(
            f"no ImageNet weights for {spec.backbone}: {reason}; download the no-top .h5 file on another machine and "
            "give it with --weights FILE, or train from random weights with --weights none"
        )
    warning = f"RANDOM WEIGHTS: no ImageNet weights for {spec.backbone}, {reason}; expect a low accuracy"
    return build_network(spec, policy), Origin("none", warning)


def _load_file(trunk: keras.Model, path: Path) -> None:
    if path.is_dir():
        source = trunk_of(Classifier.load(path).network)
        _check_shapes(trunk, [(layer.name, _shapes(layer)) for layer in _weighted(source)], path)
        for own, other in zip(_weighted(trunk), _weighted(source), strict=True):
            own.set_weights(other.get_weights())
        return
    if not h5py.is_hdf5(path):
        raise InputError(f"{path}: not an HDF5 weights file; expected a no-top .h5, a .weights.h5 or a run folder")
    if path.name.endswith(".weights.h5"):
        _load_keras3(trunk, path)
        return
    _check_shapes(trunk, _legacy_shapes(path), path)
    trunk.load_weights(path)


def _load_keras3(trunk: keras.Model, path: Path) -> None:
    try:
        trunk.load_weights(path)
    except ValueError as error:
        raise InputError(f"{path}: of another network: {' '.join(str(error).split())}") from None


def _legacy_shapes(path: Path) -> list[tuple[str, list[tuple[int, ...]]]]:
    with h5py.File(path) as file:
        root = file.get("model_weights", file)
        if "layer_names" not in root.attrs:
            raise InputError(f"{path}: HDF5, but not a Keras weights file; expected a no-top .h5 or a .weights.h5")
        names = [name.decode() if isinstance(name, bytes) else name for name in root.attrs["layer_names"]]
        layers = [(name, [root[name][key].shape for key in root[name].attrs["weight_names"]]) for name in names]
    return [(name, shapes) for name, shapes in layers if shapes]


def _check_shapes(trunk: keras.Model, found: list[tuple[str, list[tuple[int, ...]]]], path: Path) -> None:
    own = _weighted(trunk)
    for layer, (name, shapes) in zip(own, found, strict=False):
        if _shapes(layer) != shapes:
            raise InputError(
                f"{path}: of another network: the first layer that differs is {layer.name} with {_shapes(layer)}, in "
                f"the file {name} with {shapes}"
            )
    if len(own) != len(found):
        raise InputError(f"{path}: of another network: {len(found)} layers with weights, expected {len(own)}")


def _weighted(trunk: keras.Model) -> list[keras.layers.Layer]:
    return [layer for layer in trunk.layers if layer.weights]


def _shapes(layer: keras.layers.Layer) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]
