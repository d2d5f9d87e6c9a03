"""Encoders by name: `load_encoder(name_or_run)`, without TensorFlow where the network was compiled before."""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_keras.features.encoder import Encoder, compiled_network_path
from fashion_keras.features.runtime import RUNTIMES, OpenVINONetwork
from fashion_keras.images.decode import ImageSpec
from fashion_keras.models.backbones import BACKBONES, get_backbone, resolve_image_spec
from fashion_keras.models.dtype_policy import cpu_computes_bfloat16
from fashion_keras.models.heads import POOLINGS, Head
from fashion_keras.models.serialization import SPEC, EncoderSpec, Spec, load_spec
from fashion_keras.support.atomic_files import cache_dir, file_sha256, read_json, write_json
from fashion_keras.support.errors import InputError, unknown_name_error
from fashion_keras.support.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import keras

log = logging.getLogger("fashion_keras")


@dataclass(frozen=True)
class Preset:
    """An encoder with a name of its own: a backbone's stage ("" for its last), pooled."""

    name: str
    backbone: str
    pooling: str
    stage: str = ""


PRESETS = (Preset("li2020_resnet50", "resnet50", "max"),)
DEFAULT_ENCODER = "fashion_small"


@dataclass(frozen=True)
class EncoderSource:
    """What an encoder is made of.

    Attributes:
        name: as it was asked for.
        spec: its network; a classifier's without its logits.
        folder: with its weights; None for a bare backbone.
        weights: of a bare backbone, as `initialise` takes them.
    """

    name: str
    spec: Spec
    folder: Path | None = None
    weights: str = ""

    @property
    def key(self) -> str:
        """Of all that decides what is built; a file counts by its content."""
        given = Path(self.weights)
        origin = load_spec(self.folder)[1] if self.folder else file_sha256(given) if given.is_file() else self.weights
        parts = [repr(self.spec), origin, version("keras"), version("fashion_keras")]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def load_encoder(
    name_or_run: str | Path = DEFAULT_ENCODER,
    weights: str = "auto",
    image_size: str | None = None,
    runtime: str = "auto",
    precision: str = "auto",
) -> Encoder:
    """Load what turns pictures into vectors of length 1.

    Args:
        name_or_run: "fashion_small", whose weights come with the package; a preset ("li2020_resnet50"); a backbone as
            BACKBONE[@STAGE][:POOLING], such as "vgg19", "resnet50:gem" or "inception_v3@mixed7:max"; or the folder of
            an encoder or of a run, whose penultimate layer is taken.
        weights: of a bare backbone: auto, imagenet, fashion, none or a file; see `initialise`.
        image_size: "HEIGHTxWIDTH" of a bare backbone's input, if not its own.
        runtime: auto, tensorflow or openvino.
        precision: auto, float32, bfloat16 or float16.

    A network that was compiled before is found again and needs no TensorFlow.

    Raises:
        InputError: for an unknown name, weights that are not to be had, a folder without a model.
    """
    if runtime not in RUNTIMES:
        raise unknown_name_error("runtime", runtime, RUNTIMES)
    source = find_encoder(str(name_or_run), weights, image_size)
    memo = cache_dir() / "encoders" / f"{_digest([source.key, runtime, precision])}.json"
    encoder = _compiled_before(memo)
    if encoder is None:
        import_tensorflow()
        from fashion_keras.features.compile import compile_encoder  # noqa: PLC0415 - imports TensorFlow

        encoder = compile_encoder(encoder_network(source), source.spec.image_spec, runtime, precision)
        _remember(memo, encoder)
    return replace(encoder, name=source.name)


def find_encoder(name: str, weights: str = "auto", image_size: str | None = None) -> EncoderSource:
    """Return what `load_encoder` builds its network of; InputError as there."""
    if (Path(name) / SPEC).is_file():
        return _stored(name, Path(name), weights, image_size)
    backbone, pooling, stage = _parse(name)
    row = get_backbone(backbone)
    if name == backbone and row.bundled and weights in ("auto", "fashion") and not image_size:
        return EncoderSource(name, load_spec(row.bundled)[0], row.bundled)
    image = resolve_image_spec(backbone, image_size)
    row.check_size(image)
    if stage:
        row.stage_end(stage)
    return EncoderSource(
        name, EncoderSpec(backbone, image, row.scaling, Head("encoder", pooling), stage), weights=weights
    )


def encoder_network(source: EncoderSource) -> "keras.Model":
    """Build pixels [b, h, w, 3] float32 in 0..255 -> vectors [b, d] float32 of length 1."""
    import keras  # noqa: PLC0415 - a network that was compiled before needs none of these

    from fashion_keras.models.builder import embedding_model, load_network  # noqa: PLC0415
    from fashion_keras.models.pretrained_weights import initialise  # noqa: PLC0415

    if source.folder is None:
        # Random weights, where there are no others, are the same whenever they are drawn.
        keras.utils.set_random_seed(0)
        network, origin = initialise(source.spec, source.weights)
        if origin.warning:
            log.warning("WARNING  %s", origin.warning)
        return network
    spec, network = load_network(source.folder)
    return network if isinstance(spec, EncoderSpec) else embedding_model(network)


def _stored(name: str, folder: Path, weights: str, image_size: str | None) -> EncoderSource:
    if weights != "auto" or image_size:
        raise InputError(f"{folder}: a run or an encoder has its own weights and image size; leave these options out")
    return EncoderSource(name, load_spec(folder)[0], folder)


def _parse(name: str) -> tuple[str, str, str]:
    """Split BACKBONE[@STAGE][:POOLING], or the name of a preset."""
    for preset in PRESETS:
        if preset.name == name:
            return preset.backbone, preset.pooling, preset.stage
    rest, _, pooling = name.partition(":")
    backbone, _, stage = rest.partition("@")
    known = [row.name for row in BACKBONES]
    if backbone not in known:
        named = [*known, *(preset.name for preset in PRESETS), "BACKBONE@STAGE:POOLING", "DIR"]
        raise unknown_name_error("encoder (and no folder with a model)", name, named)
    if pooling and pooling not in POOLINGS:
        raise unknown_name_error("pooling", pooling, POOLINGS)
    return backbone, pooling or "avg", stage


def _compiled_before(memo: Path) -> Encoder | None:
    """Return what `_remember` kept, if all of it is still as it was and runs here."""
    if not memo.is_file() or find_spec("openvino") is None:
        return None
    kept = read_json(memo)
    xml = compiled_network_path(kept["identity"])
    whole = all(path.is_file() and file_sha256(path) == kept["files"][path.suffix] for path in _files(xml))
    if not whole or (kept["precision"] == "bfloat16" and not cpu_computes_bfloat16()):
        return None
    image = ImageSpec(**kept.pop("image_spec"))
    del kept["files"]
    return Encoder(**kept, image_spec=image, forward=OpenVINONetwork(xml, kept["precision"]), runtime="openvino")


def _remember(memo: Path, encoder: Encoder) -> None:
    if encoder.runtime == "openvino":
        files = {path.suffix: file_sha256(path) for path in _files(compiled_network_path(encoder.identity))}
        kept = {name: getattr(encoder, name) for name in ("name", "precision", "identity", "storage", "unit_norm")}
        write_json(memo, {**kept, "image_spec": asdict(encoder.image_spec), "files": files})


def _files(xml: Path) -> tuple[Path, Path]:
    return xml, xml.with_suffix(".bin")


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
