"""Encoder registry: `load_encoder(name_or_run)`, without TensorFlow where the network was compiled before."""

import hashlib
import json
import logging
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from fashion_keras.features.embedding_file import is_embedding_file
from fashion_keras.features.encoder import Encoder
from fashion_keras.features.hub import HUB, HubSpec, build_preset, resolve_preset
from fashion_keras.features.networks import BUILDING, OpenVINONetwork
from fashion_keras.features.runtime import NETWORK, RUNTIMES, compiled_fault, compiled_folder
from fashion_keras.features.text import find_text_encoder
from fashion_keras.images.spec import ImageSpec
from fashion_keras.models.backbones import BACKBONES, BUNDLED, get_backbone, resolve_image_spec
from fashion_keras.models.dtype_policy import cpu_computes_bfloat16
from fashion_keras.models.heads import POOLINGS, Head
from fashion_keras.models.serialization import SPEC, EncoderSpec, Spec, load_spec
from fashion_keras.support.atomic_files import cache_dir, file_sha256, read_json, write_json
from fashion_keras.support.errors import InputError, unknown_name_error
from fashion_keras.support.json_record import dataclass_from_json
from fashion_keras.support.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import keras

log = logging.getLogger("fashion_keras")

# Named encoder -> its backbone and pooling.
PRESETS = {"li2020_resnet50": "resnet50:max"}
DEFAULT_ENCODER = "fashion_encoder"


@dataclass(frozen=True)
class EncoderSource:
    """Network and weights of an encoder: those in a folder, or a bare backbone's, as `initialize` takes them.

    A classifier's network counts without its logits; the name is as the caller gave it.
    """

    name: str
    spec: Spec | HubSpec
    folder: Path | None = None
    weights: str = ""

    @property
    def key(self) -> str:
        """SHA-256, 24 digits, of all that decides what is built; a file counts by its content."""
        path, origin = self.folder or Path(self.weights), self.weights
        if (path / SPEC).is_file():
            origin = load_spec(path)[1]
        elif path.is_file():
            origin = file_sha256(path)
        parts = ["2", repr(self.spec), origin, version("keras"), version("fashion_keras")]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


@dataclass(frozen=True)
class _CompiledEncoder:
    """Encoder whose compiled network is in the cache, as its record there holds it; `warning` is of its weights."""

    name: str
    image_spec: ImageSpec
    precision: str
    identity: str
    storage: str
    unit_norm: bool
    warning: str


def load_encoder(
    name_or_run: str | Path = DEFAULT_ENCODER,
    weights: str | Path = "auto",
    image_size: Any = None,  # noqa: ANN401 - see `parse_image_size`
    runtime: str = "auto",
    precision: str = "auto",
) -> Encoder:
    """Load an encoder: images to embeddings of length 1; without TensorFlow where it was compiled before.

    Safe to call, and to use, from many threads at once.

    Args:
        name_or_run: "fashion_encoder" or "fashion_small", whose weights come with the package; a preset
            ("li2020_resnet50"); a backbone as `BACKBONE[@STAGE][:POOLING]`, such as "vgg19", "resnet50:gem" or
            "inception_v3@mixed7:max"; the folder of an encoder or of a run, whose penultimate layer is taken; or
            KerasHub's, "hub:PRESET" or "hub:DIR".
        weights: of a bare backbone: auto, imagenet, fashion, none or a file; see `initialize`.
        image_size: of the input of a bare backbone or preset, if not its own: "224x168", (224, 168) or 224.
        runtime: auto, tensorflow or openvino.
        precision: auto, float32, bfloat16 or float16.

    Raises:
        InputError: for an unknown name, weights that are not available, a folder without a model.
    """
    if runtime not in RUNTIMES:
        raise unknown_name_error("runtime", runtime, RUNTIMES)
    source = resolve_encoder(str(name_or_run), str(weights), image_size)
    parts = json.dumps([source.key, runtime, precision]).encode()
    record = cache_dir() / "encoders" / f"{hashlib.sha256(parts).hexdigest()[:24]}.json"
    encoder = _load_compiled(record) or _compile_once(record, source, runtime, precision)
    return replace(encoder, name=source.name, text=find_text_encoder(source.folder))


def resolve_encoder(name: str, weights: str = "auto", image_size: Any = None) -> EncoderSource:  # noqa: ANN401
    """Return the network and weights that `load_encoder` takes; InputError as there."""
    if name.startswith(HUB):
        if weights != "auto":
            raise InputError(f"{name}: a preset has its own weights; leave this option out")
        spec = resolve_preset(name, image_size)
        return EncoderSource(name, spec, spec.folder)
    if is_embedding_file(name):
        raise InputError(f"{name}: a file of embeddings, but an encoder is needed here, which can embed new images")
    bundled = _bundled_encoder(name)
    if bundled or (Path(name) / SPEC).is_file():
        if weights not in (("auto", "fashion") if bundled else ("auto",)) or image_size is not None:
            raise InputError(f"{name}: a run or an encoder has its own weights and image size; leave these options out")
        folder = bundled or Path(name)
        return EncoderSource(name, load_spec(folder)[0], folder)
    backbone, pooling, stage = _parse(name)
    row = get_backbone(backbone)
    image_spec = resolve_image_spec(backbone, image_size)
    row.check_size(image_spec)
    if stage:
        row.stage_end(stage)
    spec = EncoderSpec(backbone, image_spec, row.scaling, Head("encoder", pooling), stage)
    return EncoderSource(name, spec, weights=weights)


def _bundled_encoder(name: str) -> Path | None:
    """Return the folder of the encoder of that name that ships with the package."""
    return BUNDLED / name if name in [row.fashion for row in BACKBONES if row.fashion] else None


def absolute_name(name: str) -> str:
    """Return the name of an encoder, with the folder that it names, if any, as an absolute path."""
    prefix = HUB if name.startswith(HUB) else ""
    folder = Path(name.removeprefix(prefix))
    return f"{prefix}{folder.resolve()}" if folder.is_dir() else name


def encoder_network(source: EncoderSource) -> "keras.Model":
    """Build pixels [b, h, w, 3] float32 in 0..255 -> embeddings [b, d] float32 of length 1."""
    return _build(source)[0]


def _build(source: EncoderSource) -> "tuple[keras.Model, str]":
    """Build an encoder's network; of a bare backbone also return the warning of its weights."""
    if isinstance(source.spec, HubSpec):
        return build_preset(source.spec), ""
    import keras  # noqa: PLC0415 - a network that was compiled before needs none of these

    from fashion_keras.models.builder import embedding_model, load_network  # noqa: PLC0415
    from fashion_keras.models.pretrained_weights import initialize  # noqa: PLC0415

    if source.folder is None:
        # Random weights, where there are no others, are the same in every process.
        keras.utils.set_random_seed(0)
        network, weights = initialize(source.spec, source.weights)
        if weights.warning:
            log.warning("WARNING  %s", weights.warning)
        return network, weights.warning
    spec, network = load_network(source.folder)
    return network if isinstance(spec, EncoderSpec) else embedding_model(network), ""


def _parse(name: str) -> tuple[str, str, str]:
    """Split BACKBONE[@STAGE][:POOLING], or the name of a preset."""
    rest, _, pooling = PRESETS.get(name, name).partition(":")
    backbone, _, stage = rest.partition("@")
    known = [row.name for row in BACKBONES]
    if backbone not in known:
        bundled = [row.fashion for row in BACKBONES if row.fashion]
        named = [*bundled, *known, *PRESETS, "BACKBONE@STAGE:POOLING", "DIR", "hub:PRESET"]
        raise unknown_name_error("encoder (and no folder with a model)", name, named)
    if pooling and pooling not in POOLINGS:
        raise unknown_name_error("pooling", pooling, POOLINGS)
    return backbone, pooling or "avg", stage


def _compile_once(record: Path, source: EncoderSource, runtime: str, precision: str) -> Encoder:
    """Compile an encoder and record it; other threads and processes that load it wait, and take it from the record."""
    record.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(record.with_suffix(".lock")), BUILDING:
        encoder = _load_compiled(record)
        if encoder is None:
            import_tensorflow()
            from fashion_keras.features.compile import compile_encoder  # noqa: PLC0415 - imports TensorFlow

            network, warning = _build(source)
            encoder = compile_encoder(network, source.spec.image_spec, runtime, precision)
            # Random weights may stand in for published ones, which a later call may be able to download.
            lacks_download = warning and get_backbone(source.spec.backbone).has_imagenet
            if encoder.runtime == "openvino" and not lacks_download:
                made = (encoder.name, encoder.image_spec, encoder.precision, encoder.identity, encoder.storage)
                write_json(record, asdict(_CompiledEncoder(*made, encoder.unit_norm, warning)))
        return encoder


def _load_compiled(record: Path) -> Encoder | None:
    """Return the encoder of a record, with its warning, if its compiled network is whole and runs here, else None."""
    if not record.is_file() or find_spec("openvino") is None:
        return None
    try:
        values = vars(dataclass_from_json(_CompiledEncoder, read_json(record), record)).copy()
        warning, folder = values.pop("warning"), compiled_folder(values["identity"])
    except InputError as error:
        log.info("%s; compiling the encoder again", error)
        return None
    runs_here = values["precision"] != "bfloat16" or cpu_computes_bfloat16()
    if not runs_here or compiled_fault(folder, values["identity"]):
        return None
    if warning:
        log.warning("WARNING  %s", warning)
    return Encoder(**values, forward=OpenVINONetwork(folder / NETWORK, values["precision"]), runtime="openvino")
