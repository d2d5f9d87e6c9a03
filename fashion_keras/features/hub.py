"""KerasHub encoders: an image backbone of KerasHub, by the name of its preset or from a folder."""

import hashlib
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_keras.images.spec import ImageSpec, parse_image_size
from fashion_keras.support.atomic_files import file_sha256, read_json
from fashion_keras.support.errors import InputError, nearest_name
from fashion_keras.support.kaggle_download import kaggle_download
from fashion_keras.support.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import keras

HUB = "hub:"
_CONFIG, _CONVERTER, _WEIGHTS = "config.json", "image_converter.json", "model*.weights.*"
_REGISTERED = "keras_hub>{}Backbone"
# What is pooled of a backbone's output: the mean over positions; the class token, which is the first; or, of a pair of
# image and text encoder, the backbone's own image embedding.
_POOLINGS = {
    **dict.fromkeys(("CSPNet", "DenseNet", "EfficientNet", "MobileNet", "ResNet", "VGG", "Xception"), "mean"),
    **dict.fromkeys(("DeiT", "DINOV2", "DINOV3", "ViT"), "class_token"),
    **dict.fromkeys(("CLIP", "MetaCLIP2", "SigLIP"), "image_embedding"),
}


@dataclass(frozen=True)
class HubSpec:
    """Preset of KerasHub in a folder.

    Attributes:
        backbone: class of the network, without "Backbone": one of those in `_POOLINGS`.
        image_spec: input; the whole image, padded with white, as for every encoder here.
        digest: SHA-256, 24 digits, of its files and KerasHub's version.
        folder: where its files are.
    """

    backbone: str
    image_spec: ImageSpec
    digest: str
    folder: Path = field(repr=False)


def resolve_preset(name: str, image_size: Any = None) -> HubSpec:  # noqa: ANN401 - see `parse_image_size`
    """Return the spec of "hub:PRESET", which is downloaded unless it is in kagglehub's cache, or of "hub:DIR".

    Raises:
        InputError: without KerasHub; for an unknown preset, one that cannot be downloaded, or a folder that is none;
            for a backbone that is no image encoder, and a size that it cannot have.
    """
    if find_spec("keras_hub") is None:
        raise InputError(f"{name}: KerasHub is not installed: pip install 'fashion_keras[hub]'")
    preset = name.removeprefix(HUB)
    folder = Path(preset) if Path(preset).is_dir() else _download(preset)
    config, converter = read_json(folder / _CONFIG), _read_converter(folder)
    backbone = next((row for row in _POOLINGS if _REGISTERED.format(row) == config.get("registered_name")), "")
    if not backbone:
        kind = config.get("registered_name") or "a model of another library"
        raise InputError(f"{folder}: {kind}, which is no image encoder of KerasHub; known: {', '.join(_POOLINGS)}")
    try:
        image_spec = _image_spec(name, config["config"], converter, image_size)
    except (AttributeError, LookupError, TypeError) as error:
        raise InputError(f"{folder}: {_CONFIG} or {_CONVERTER} is not as KerasHub writes it ({error!r})") from None
    return HubSpec(backbone, image_spec, _digest(folder), folder)


def build_preset(spec: HubSpec) -> "keras.Model":
    """Build pixels [b, h, w, 3] float32 in 0..255 -> embeddings [b, d] float32 of length 1; layer "pool" before that.

    Presets are JSON and HDF5: nothing is unpickled, and Keras makes objects of Keras and KerasHub alone.

    Raises:
        InputError: when the weights do not fit, such as those of a ViT at another image size.
    """
    import keras  # noqa: PLC0415 - needed only where the network is not compiled
    import keras_hub  # noqa: PLC0415 - an extra, not installed by all

    shape = (spec.image_spec.height, spec.image_spec.width, 3)
    settings = read_json(spec.folder / _CONFIG)["config"]
    options = {"image_shape": shape} if _fixed_size(settings) and "image_shape" in settings else {}
    try:
        backbone = keras_hub.models.Backbone.from_preset(str(spec.folder), dtype="float32", **options)
        converter = keras_hub.layers.ImageConverter.from_preset(str(spec.folder))
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason, size = " ".join(str(error).split())[:160], f"{shape[0]}x{shape[1]}"
        raise InputError(f"{spec.folder}: KerasHub cannot load it for images of {size}: {reason}") from None
    pixels = keras.Input(shape, name="pixels")
    scale = 1.0 if converter.scale is None else converter.scale
    offset = 0.0 if converter.offset is None else converter.offset
    scaled = keras.layers.Rescaling(scale, offset, name="scaling", dtype="float32")(pixels)
    pooled = keras.layers.Activation("linear", name="pool", dtype="float32")(_pool(backbone, spec.backbone, scaled))
    embeddings = keras.layers.UnitNormalization(name="embedding", dtype="float32")(pooled)
    return keras.Model(pixels, embeddings, name=spec.backbone.lower())


def _pool(backbone: "keras.Model", kind: str, scaled: "keras.KerasTensor") -> "keras.KerasTensor":
    import keras  # noqa: PLC0415 - as above

    pooling = _POOLINGS[kind]
    if pooling == "image_embedding":
        return backbone.get_vision_embeddings(scaled)
    inputs = backbone.input
    features = backbone(dict.fromkeys(inputs, scaled) if isinstance(inputs, dict) else scaled)
    if pooling == "class_token" and getattr(backbone, "use_class_token", True):
        return features[:, 0]
    return keras.ops.mean(features, axis=tuple(range(1, len(features.shape) - 1)))


def _download(preset: str) -> Path:
    import_tensorflow()
    import keras_hub  # noqa: PLC0415 - as above

    presets = keras_hub.models.Backbone.presets
    if preset not in presets:
        nearest = nearest_name(preset, presets)
        hint = f"; did you mean {nearest!r}?" if nearest else "."
        raise InputError(
            f"unknown KerasHub preset (and no such folder) {preset!r}{hint} keras_hub.models.Backbone.presets has all"
        )
    handle = presets[preset]["kaggle_handle"].removeprefix("kaggle://")
    return kaggle_download(
        "model",
        handle,
        f"on a machine with a network run python -c \"import kagglehub; print(kagglehub.model_download('{handle}'))\", "
        "copy the folder that it prints and name it here as hub:DIR",
    )


def _read_converter(folder: Path) -> dict[str, Any]:
    """Return the settings of a preset's image converter."""
    if not (folder / _CONVERTER).is_file():
        raise InputError(
            f"{folder / _CONVERTER}: no such file, so the scaling of pixels is not known; KerasHub writes it with "
            "ImageConverter(...).save_to_preset(DIR)"
        )
    return read_json(folder / _CONVERTER).get("config", {})


def _image_spec(name: str, settings: dict[str, Any], converter: dict[str, Any], image_size: Any) -> ImageSpec:  # noqa: ANN401
    """Return the input of a backbone and an image converter with these settings, or that of `image_size`."""
    fixed = _fixed_size(settings)
    size = converter.get("image_size") or fixed
    if not size and image_size is None:
        raise InputError(f"{name}: the preset names no image size: give one, such as 224")
    height, width = parse_image_size(size if image_size is None else image_size)
    if fixed and fixed != (height, width) and "image_shape" not in settings:
        raise InputError(f"{name}: its images are {fixed[0]}x{fixed[1]}, not {height}x{width}")
    interpolation = converter.get("interpolation", "bilinear").replace("lanczos3", "lanczos")
    return ImageSpec(height, width, interpolation=interpolation)


def _fixed_size(settings: dict[str, Any]) -> tuple[int, int] | None:
    """Return the (height, width) that a backbone's settings fix; None where it takes any."""
    settings = settings.get("vision_encoder", {}).get("config", settings)
    shape = settings.get("image_shape") or settings.get("input_shape") or (None, None)
    return (shape[0], shape[1]) if shape[0] and shape[1] else None


def _digest(folder: Path) -> str:
    weights = sorted(folder.glob(_WEIGHTS))
    if not weights:
        raise InputError(f"{folder}: no {_WEIGHTS}: a preset of KerasHub is needed, whole")
    digests = [file_sha256(path) for path in (folder / _CONFIG, folder / _CONVERTER, *weights)]
    return hashlib.sha256("\0".join([*digests, version("keras_hub")]).encode()).hexdigest()[:24]
