"""Backbones of the user: a Keras file, `--backbone FILE.keras`, or a keras.Model that is saved as one."""

import json
import zipfile
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_keras.images.spec import ImageSpec
from fashion_keras.models.weights_file import check_open_weights
from fashion_keras.support.atomic_files import cache_dir, file_sha256, is_deep, temporary_path
from fashion_keras.support.errors import InputError, reraise_shortage

if TYPE_CHECKING:
    import keras

SUFFIX = ".keras"
_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_MEMBERS = (_CONFIG, _WEIGHTS, "metadata.json")
_MAX_RATIO, _SPARE_BYTES = 20, 2**20
# Layers that run Python code, or read what a path in their settings names.
_CODE = (
    "Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "StringLookup", "IntegerLookup",
    "TextVectorization", "IndexLookup", "get_file",
)  # fmt: skip
# Names that a network of this package gives to its own layers.
_RESERVED = ("pixels", "scaling", "pool", "person", "logits", "projection", "embedding")


def is_own_backbone(name: str) -> bool:
    """Return whether a backbone's name is that of a Keras file."""
    return str(name).endswith(SUFFIX)


def read_architecture(path: str | Path) -> str:
    """Return the JSON text of the model in a Keras file; InputError where that cannot be a backbone.

    A backbone takes one image [h, w, 3] of fixed size, RGB float32 in 0..255, which it scales itself, and returns
    feature maps [h', w', c].
    """
    return _read(str(path), Path(path).stat().st_mtime_ns if Path(path).is_file() else 0)


def architecture_of(backbone: str) -> str:
    """Return the JSON text of a backbone that is the path of a Keras file; "" for any other."""
    return read_architecture(backbone) if is_own_backbone(backbone) else ""


@cache
def _read(path: str, _: int) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive)
            text = archive.read(_CONFIG).decode()
        config = json.loads(text)
    except (OSError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, ValueError, RuntimeError) as error:
        reraise_shortage(error)
        raise InputError(f"{path}: not a Keras file ({error}); write it with model.save") from None
    if is_deep(config):
        raise InputError(f"{path}: not a Keras file (its config is nested too deeply)")
    kind = config.get("class_name") if isinstance(config, dict) else None
    if kind not in ("Functional", "Sequential"):
        raise InputError(f"{path}: a backbone is a Functional or Sequential model, not {str(kind)[:80]!r}")
    taken = sorted({layer["config"]["name"] for layer in _layers(config, path)} & set(_RESERVED))
    if taken:
        raise InputError(f"{path}: the layer name {taken[0]!r} is one of this package: give that layer another name")
    input_spec(text, path)
    return text


def _check_members(archive: zipfile.ZipFile) -> None:
    """Raise ValueError for members that Keras does not write for a backbone, or that are larger than the archive."""
    for member in archive.infolist():
        if member.filename not in _MEMBERS:
            raise ValueError(f"a member {member.filename[:80]!r}")
        if member.file_size > _MAX_RATIO * member.compress_size + _SPARE_BYTES:
            raise ValueError(f"{member.filename}: {member.file_size} bytes in {member.compress_size}")


def check_layers(architecture: str, path: object) -> None:
    """Raise InputError for an architecture with code or files: layers and functions are Keras' own, or registered.

    Keras refuses Python code (Lambda layers) as well; some of its layers read other files, and versions differ.
    """
    import keras  # noqa: PLC0415 - configs are checked without it

    for entry in _objects(json.loads(architecture)):
        kind, module = str(entry.get("class_name")), entry.get("module")
        registered = keras.saving.get_registered_object(str(entry.get("registered_name"))) is not None
        is_own = module is None or str(module).partition(".")[0] in ("keras", "fashion_keras", "builtins")
        if kind in _CODE or kind.startswith("__lambda") or not (is_own or registered):
            name = f"{module}.{kind}" if module else kind
            raise InputError(f"{path}: {name[:100]} is code or reads files, and is not loaded; use layers of Keras")


def _objects(value: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any JSON value
    """Yield the serialized objects in a JSON value."""
    if isinstance(value, dict):
        if "class_name" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _objects(part)


def input_spec(architecture: str, path: str) -> ImageSpec:
    """Return the size of the images that a backbone takes; InputError where it is not one RGB image of fixed size."""
    layers = _layers(json.loads(architecture), path, are_inputs=True)
    shapes = [layer["config"].get("batch_shape") for layer in layers]
    if not all(isinstance(shape, list) for shape in shapes):
        raise InputError(f"{path}: an input without a shape; write the file with model.save")
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][3] != 3 or None in shapes[0][1:]:
        shown = str([tuple(shape[1:]) for shape in shapes])[:200]
        raise InputError(f"{path}: a backbone has one input of a fixed size (height, width, 3), not {shown}")
    return ImageSpec(*shapes[0][1:3])


def save_backbone(model: "keras.Model") -> str:
    """Save a model as a Keras file in the cache folder, under the hash of its content, and return the path.

    InputError for a model that cannot be a backbone; see `read_architecture`.
    """
    folder = cache_dir() / "backbones"
    folder.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(folder / f"{model.name}{SUFFIX}")
    model.save(temporary)
    try:
        read_architecture(temporary)
    except InputError:
        temporary.unlink()
        raise
    path = folder / f"{model.name}-{file_sha256(temporary)[:16]}{SUFFIX}"
    temporary.replace(path)
    return str(path)


def build_own(pixels: "keras.KerasTensor", architecture: str, path: Path | None) -> "keras.Model":
    """Build a backbone like `pixels` [b, h, w, 3]: of a file with its weights, or of its JSON text with random ones.

    The network returned has an input of its own, followed by copies of what leads to `pixels`.

    InputError where its output is not [h', w', c]. Lambda layers, which are code, are refused by Keras.
    """
    import keras  # noqa: PLC0415 - configs are checked without it

    place = path or "the backbone in model.json"
    check_layers(architecture, place)
    if path:
        with zipfile.ZipFile(path) as archive, archive.open(_WEIGHTS) as file:
            check_open_weights(file, archive.getinfo(_WEIGHTS).file_size, path)
    try:
        model = keras.saving.load_model(path, compile=False) if path else keras.models.model_from_json(architecture)
    except (TypeError, ValueError) as error:
        line = str(error).splitlines()[0]
        raise InputError(f"{place}: Keras cannot load it ({line})") from None
    # Layer by layer, not as one nested model, so that they can be frozen one by one.
    features = model.call(pixels)
    if len(features.shape) != 4:
        shape = tuple(features.shape[1:])
        raise InputError(f"{model.name}: a backbone returns feature maps (height, width, channels), not {shape}")
    flat = keras.Model(keras.utils.get_source_inputs(pixels)[0], features, name=model.name)
    # New layers, which are part of this network alone: `layer.output` is then that in this network.
    network = keras.Model.from_config(flat.get_config())
    network.set_weights(flat.get_weights())
    return network


def _layers(config: Any, path: object, are_inputs: bool = False) -> list[dict[str, Any]]:  # noqa: ANN401 - any JSON value
    """Return the layers of a model's config but its inputs, or the inputs; InputError for another form."""
    inner = config.get("config") if isinstance(config, dict) else None
    layers = inner.get("layers") if isinstance(inner, dict) else None
    for layer in layers if isinstance(layers, list) else [None]:
        own = layer.get("config") if isinstance(layer, dict) else None
        if (
            not isinstance(own, dict)
            or not isinstance(own.get("name"), str)
            or not isinstance(layer.get("class_name"), str)
        ):
            raise InputError(f"{path}: layers without class or name; write the file with model.save")
    return [layer for layer in layers if (layer["class_name"] == "InputLayer") == are_inputs]
