"""Initial weights of a backbone: ImageNet, bundled with the package, a file, another run, or random."""

import logging
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
from fashion_keras.models.torch_weights import read_float_tensors
from fashion_keras.models.weights_file import open_weights
from fashion_keras.support.atomic_files import file_sha256
from fashion_keras.support.errors import InputError, unknown_name_error

Layers = list[tuple[str, list[np.ndarray]]]

log = logging.getLogger("fashion_keras")

SOURCES = ("auto", "imagenet", "fashion", "none")
_EXTRA = 'pip install "fashion_keras[imagenet]"'
_OFFLINE = "efficientnet_lite0"
# The classifier of ImageNet's classes in PyTorch's files.
_CLASSIFIER = "_fc"


@dataclass(frozen=True)
class WeightsSource:
    """Source of a backbone's weights: "imagenet", "fashion", "none" (random), or a path; and a warning to users.

    `origin` is where ImageNet weights came from: a Python package, or Keras' download.
    """

    source: str
    warning: str = ""
    origin: str = ""

    @property
    def pretrained(self) -> bool:
        """Whether the weights are not random."""
        return self.source != "none"

    @property
    def description(self) -> str:
        """The source, as the log has it."""
        origin = {"fashion": "come with the package", "none": "random"}.get(self.source, self.origin)
        return f"{self.source} ({origin})" if origin else self.source


def initialize(spec: Spec, weights: str, policy: str = "float32") -> tuple[keras.Model, WeightsSource]:
    """Build a network, set the initial weights of its backbone, and return their source, which the log names.

    `weights` is one of `SOURCES`, or the path of a file (no-top .h5 of keras.applications, .weights.h5), a run or an
    encoder of the same backbone; `policy` is Keras' dtype policy of the backbone.

    InputError when the weights are not available, or are of another network; names the first layer that differs.
    With "auto", random weights and a warning take the place of ImageNet weights that are not available.
    """
    network, source = _load(spec, weights, policy)
    log.info("weights of %s: %s", spec.backbone, source.description)
    return network, source


def _load(spec: Spec, weights: str, policy: str) -> tuple[keras.Model, WeightsSource]:
    bundled = get_backbone(spec.backbone).bundled(weights)
    if weights == "none":
        return build_network(spec, policy), WeightsSource("none")
    if weights == "auto" and spec.architecture:
        return build_network(spec, policy, "file"), WeightsSource(spec.backbone)
    if weights == "fashion" and not bundled:
        raise InputError(f"no fashion weights ship with {spec.backbone}; use --weights auto, none or a file")
    if bundled:
        return _from_path(spec, policy, bundled), WeightsSource("fashion")
    if weights in ("auto", "imagenet"):
        return _imagenet(spec, policy, required=weights == "imagenet")
    path = Path(weights)
    if not path.exists():
        raise unknown_name_error("weights (and no such file)", weights, [*SOURCES, "FILE"])
    return _from_path(spec, policy, path), WeightsSource(str(path))


def _from_path(spec: Spec, policy: str, path: Path) -> keras.Model:
    return build_network(spec, policy, set_weights=lambda backbone: _load_file(backbone, path))


def _imagenet(spec: Spec, policy: str, required: bool) -> tuple[keras.Model, WeightsSource]:
    """Build a network with ImageNet weights; where there are none, fail, or take random ones with a warning."""
    backbone = get_backbone(spec.backbone)
    reason, remedy = "none are published", _take_offline_backbone()
    if backbone.packaged:
        if path := backbone.packaged.find():
            return _from_package(spec, policy, path), WeightsSource("imagenet", origin=backbone.packaged.distribution)
        reason, remedy = "they are in a Python package that is not installed", f"run {_EXTRA}"
    elif backbone.of_keras:
        network, cause = _download(spec, policy)
        if network:
            return network, WeightsSource("imagenet", origin="downloaded by Keras")
        reason = f"they could not be downloaded ({cause})"
        remedy = f"download the no-top .h5 file on another machine and give it with --weights FILE, or {remedy}"
    missing = f"no ImageNet weights for {spec.backbone}: {reason}"
    if required:
        raise InputError(f"{missing}; {remedy}, or train from random weights with --weights none")
    warning = f"RANDOM WEIGHTS: {missing}; expect a low accuracy, or {remedy}"
    return build_network(spec, policy), WeightsSource("none", warning)


def _take_offline_backbone() -> str:
    """Return the advice to take a backbone whose ImageNet weights need no download by Keras."""
    if get_backbone(_OFFLINE).packaged.find():
        return f"take --backbone {_OFFLINE}, whose weights are installed"
    return f"take --backbone {_OFFLINE} after {_EXTRA}"


def _download(spec: Spec, policy: str) -> tuple[keras.Model | None, str]:
    """Build a network with weights that Keras downloads, or has downloaded; or return None and what went wrong."""
    try:
        # Keras reports its download on standard output, which is for results.
        with redirect_stdout(sys.stderr):
            return build_network(spec, policy, "imagenet"), ""
    except Exception as error:
        # keras.utils.get_file raises a bare Exception; every other one is passed on.
        if "URL fetch failure" not in str(error):
            raise
        return None, str(error).rsplit("--", 1)[-1].strip()


def _from_package(spec: Spec, policy: str, path: Path) -> keras.Model:
    packaged = get_backbone(spec.backbone).packaged
    if not path.is_file() or file_sha256(path) != packaged.sha256:
        raise InputError(f"{path}: missing or altered: pip install --force-reinstall {packaged.requirement}")
    layers = _torch_layers(read_float_tensors(path))
    return build_network(spec, policy, set_weights=lambda backbone: _set_layers(backbone, layers, path))


def _torch_layers(tensors: dict[str, np.ndarray]) -> Layers:
    """Return the layers of a network of PyTorch but its classifier, each with its weights in Keras' order."""
    layers: dict[str, list[np.ndarray]] = {}
    for name, values in tensors.items():
        layer, _, _ = name.rpartition(".")
        if values.ndim == 4:
            # A depthwise kernel has a single input channel: height, width, channels, 1.
            values = values.transpose((2, 3, 0, 1) if values.shape[1] == 1 else (2, 3, 1, 0))
        layers.setdefault(layer, []).append(values)
    return [(name, arrays) for name, arrays in layers.items() if name != _CLASSIFIER]


def _load_file(backbone: keras.Model, path: Path) -> None:
    """Copy the weights in `path` into a backbone, after every layer's shapes were compared."""
    if path.is_dir():
        source = backbone_of(load_network(path)[1])
        saved = [(layer.name, layer.get_weights()) for layer in source.layers if layer.weights]
    elif not h5py.is_hdf5(path):
        raise InputError(f"{path}: not an HDF5 weights file; expected a no-top .h5, a .weights.h5 or a run folder")
    else:
        with open_weights(path) as file:
            saved = _read_keras3(file, backbone) if "layers" in file else _read_official(file)
    _set_layers(backbone, saved, path)


def _set_layers(backbone: keras.Model, saved: Layers, path: Path) -> None:
    """Set the weights of all layers that have any, in order, after every shape was compared."""
    layers = [layer for layer in backbone.layers if layer.weights]
    for layer, (name, arrays) in zip(layers, saved, strict=False):
        expected, shapes = [tuple(weight.shape) for weight in layer.weights], [array.shape for array in arrays]
        if expected != shapes:
            raise InputError(
                f"{path}: of another network: the first layer that differs is {layer.name} with {expected}, in the "
                f"file {name} with {shapes}"
            )
    if len(layers) != len(saved):
        raise InputError(f"{path}: of another network: {len(saved)} layers with weights, expected {len(layers)}")
    for layer, (_, arrays) in zip(layers, saved, strict=True):
        layer.set_weights(arrays)


def _read_official(file: h5py.File) -> Layers:
    """Return the layers of a file of keras.applications, in order, each with its weights."""
    root = file.get("model_weights", file)
    if "layer_names" not in root.attrs:
        raise InputError(f"{file.filename}: not a Keras weights file; expected a no-top .h5 or a .weights.h5")
    names = _texts(root, "layer_names")
    layers = [(name, [root[name][key][()] for key in _texts(root[name], "weight_names")]) for name in names]
    return [(name, arrays) for name, arrays in layers if arrays]


def _read_keras3(file: h5py.File, backbone: keras.Model) -> Layers:
    """Return the layers of `backbone` in a .weights.h5, which names each by its class and its number in the class."""
    counts: Counter[str] = Counter()
    layers = []
    for layer in backbone.layers:
        kind = re.sub(r"(.)([A-Z][a-z]+)|([a-z])([A-Z])", r"\1\3_\2\4", type(layer).__name__).lower()
        name = f"{kind}_{counts[kind]}" if counts[kind] else kind
        counts[kind] += 1
        if layer.weights:
            saved = file.get(f"layers/{name}/vars", {})
            layers.append((name, [saved[str(number)][()] for number in range(len(saved))]))
    return layers


def _texts(group: h5py.Group, attribute: str) -> list[str]:
    return np.asarray(group.attrs[attribute]).astype(str).tolist()
