"""Where a backbone's first weights come from: ImageNet, a file, another run, or nowhere."""

import re
import sys
from collections import Counter
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import h5py
import keras
import numpy as np

from fashion_keras.models.backbones import get_backbone
from fashion_keras.models.builder import backbone_of, build_network, load_network
from fashion_keras.models.serialization import Spec
from fashion_keras.support.errors import InputError, unknown_name_error

Layers = list[tuple[str, list[np.ndarray]]]

SOURCES = ("auto", "imagenet", "fashion", "none")


@dataclass(frozen=True)
class WeightsSource:
    """Where the weights came from ("imagenet", "fashion", "none", or a path), and a warning to repeat, or ""."""

    source: str
    warning: str = ""

    @property
    def pretrained(self) -> bool:
        """Whether the backbone has learnt something already."""
        return self.source != "none"


def initialise(spec: Spec, weights: str, policy: str = "float32") -> tuple[keras.Model, WeightsSource]:
    """Build a network and give its backbone its first weights.

    Args:
        spec: what to build.
        weights: one of `SOURCES`, or a file (official Keras no-top .h5, .weights.h5) or run folder of that backbone.
        policy: Keras' dtype policy of the backbone.

    Raises:
        InputError: when the weights named are not to be had or belong to another network; names the first layer that
            differs. With "auto", ImageNet weights that cannot be had give random ones and a warning instead.
    """
    shipped = get_backbone(spec.backbone).bundled
    if weights == "none":
        return build_network(spec, policy), WeightsSource("none")
    if weights == "fashion" and not shipped:
        raise InputError(f"no fashion weights come with {spec.backbone}; use --weights auto, none or a file")
    if shipped and weights in ("auto", "fashion"):
        return build_network(spec, policy, fill=lambda trunk: _load_file(trunk, shipped)), WeightsSource("fashion")
    if weights in ("auto", "imagenet"):
        return _imagenet(spec, policy, required=weights == "imagenet")
    path = Path(weights)
    if not path.exists():
        raise unknown_name_error("weights (and no such file)", weights, [*SOURCES, "FILE"])
    return build_network(spec, policy, fill=lambda trunk: _load_file(trunk, path)), WeightsSource(str(path))


def _imagenet(spec: Spec, policy: str, required: bool) -> tuple[keras.Model, WeightsSource]:
    reason = f"none are published for {spec.backbone}"
    if get_backbone(spec.backbone).has_imagenet:
        try:
            # Keras tells of its download on standard output, which is for results.
            with redirect_stdout(sys.stderr):
                return build_network(spec, policy, "imagenet"), WeightsSource("imagenet")
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
    return build_network(spec, policy), WeightsSource("none", warning)


def _load_file(trunk: keras.Model, path: Path) -> None:
    """Read the layers that `path` holds, compare them with the backbone's, and only then copy them."""
    if path.is_dir():
        source = backbone_of(load_network(path)[1])
        found = [(layer.name, layer.get_weights()) for layer in source.layers if layer.weights]
    elif not h5py.is_hdf5(path):
        raise InputError(f"{path}: not an HDF5 weights file; expected a no-top .h5, a .weights.h5 or a run folder")
    else:
        with h5py.File(path) as file:
            found = _read_keras3(file, trunk) if "layers" in file else _read_official(file)
    own = [layer for layer in trunk.layers if layer.weights]
    for layer, (name, arrays) in zip(own, found, strict=False):
        expected, shapes = [tuple(weight.shape) for weight in layer.weights], [array.shape for array in arrays]
        if expected != shapes:
            raise InputError(
                f"{path}: of another network: the first layer that differs is {layer.name} with {expected}, in the "
                f"file {name} with {shapes}"
            )
    if len(own) != len(found):
        raise InputError(f"{path}: of another network: {len(found)} layers with weights, expected {len(own)}")
    for layer, (_, arrays) in zip(own, found, strict=True):
        layer.set_weights(arrays)


def _read_official(file: h5py.File) -> Layers:
    """Read the format of keras.applications' files: layers in order, each with its weights in order."""
    root = file.get("model_weights", file)
    if "layer_names" not in root.attrs:
        raise InputError(f"{file.filename}: not a Keras weights file; expected a no-top .h5 or a .weights.h5")
    names = [_text(name) for name in root.attrs["layer_names"]]
    layers = [(name, [root[name][_text(key)][()] for key in root[name].attrs["weight_names"]]) for name in names]
    return [(name, arrays) for name, arrays in layers if arrays]


def _read_keras3(file: h5py.File, trunk: keras.Model) -> Layers:
    """Read the layers of `trunk` from a .weights.h5, where each is named by its class and its number in the class."""
    seen: Counter[str] = Counter()
    layers = []
    for layer in trunk.layers:
        kind = re.sub(r"(.)([A-Z][a-z]+)|([a-z])([A-Z])", r"\1\3_\2\4", type(layer).__name__).lower()
        name = f"{kind}_{seen[kind]}" if seen[kind] else kind
        seen[kind] += 1
        if layer.weights:
            saved = file.get(f"layers/{name}/vars", {})
            layers.append((name, [saved[str(number)][()] for number in range(len(saved))]))
    return layers


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
