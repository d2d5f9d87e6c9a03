"""Model folders: model.json, a spec that names its weights by their sha256, and model.weights.h5. No Keras here."""

from dataclasses import asdict, dataclass
from pathlib import Path

from fashion_keras.images.spec import ImageSpec
from fashion_keras.models.classifier import ClassifierSpec
from fashion_keras.models.heads import Head
from fashion_keras.models.spec_checks import check_spec
from fashion_keras.models.text import TextSpec
from fashion_keras.support.atomic_files import file_sha256, read_json, write_json
from fashion_keras.support.errors import InputError
from fashion_keras.support.json_record import dataclass_from_json
from fashion_keras.support.safe_paths import check_links

SPEC, WEIGHTS = "model.json", "model.weights.h5"
FORMAT = "fashion_keras.model/2"


@dataclass(frozen=True)
class EncoderSpec:
    """All that is needed to build an encoder's network again; fields as of `ClassifierSpec`.

    `width` is that of the linear layer at the end, a projection or a whitening; 0 for none.
    """

    backbone: str
    image_spec: ImageSpec
    scaling: str
    head: Head
    cut: str = ""
    width: int = 0
    architecture: str = ""


Spec = ClassifierSpec | EncoderSpec
_KINDS = {"classifier": ClassifierSpec, "encoder": EncoderSpec, "text": TextSpec}
# Folder of the text tower in that of its image encoder.
TEXT = "text"


def write_spec(spec: Spec | TextSpec, folder: Path) -> None:
    """Write model.json beside the weights that are there already."""
    kind = next(name for name, cls in _KINDS.items() if type(spec) is cls)
    write_json(folder / SPEC, {"format": FORMAT, "kind": kind, "sha256": file_sha256(folder / WEIGHTS), **asdict(spec)})


def load_text_spec(folder: Path) -> tuple[TextSpec, str]:
    """Read the spec of the text tower of an encoder's folder as `load_spec` does; InputError also for another model."""
    spec, expected = _load(folder / TEXT, folder)
    if type(spec) is not TextSpec:
        raise InputError(f"{folder / TEXT}: not a text tower")
    return spec, expected


def load_spec(folder: str | Path) -> tuple[Spec, str]:
    """Read model.json: spec and sha256 of the weights; InputError for a folder with no model or another format."""
    spec, expected = _load(folder)
    if type(spec) is TextSpec:
        raise InputError(f"{folder}: a text tower; give the folder of its encoder")
    return spec, expected


def _load(folder: str | Path, home: Path | None = None) -> tuple[Spec | TextSpec, str]:
    """Read model.json; symbolic links must not lead out of `home`, by default the folder."""
    path = Path(folder) / SPEC
    if not path.is_file() or not (Path(folder) / WEIGHTS).is_file():
        folds = f"; it is one for each fold: take {Path(folder) / 'fold1'}" if (Path(folder) / "fold1").is_dir() else ""
        raise InputError(f"{folder}: no finished run here ({SPEC} and {WEIGHTS} are needed){folds}")
    check_links(home or folder, [(Path(folder) / name).relative_to(home or folder) for name in (SPEC, WEIGHTS)])
    values = read_json(path)
    if (stored := values.pop("format", None)) != FORMAT:
        raise InputError(f"{path}: format {stored!r}; this version reads {FORMAT}: train the model again")
    kind, expected = values.pop("kind", None), values.pop("sha256", None)
    if not isinstance(kind, str) or kind not in _KINDS or not isinstance(expected, str):
        raise InputError(f"{path}: not a model of fashion_keras (kind {kind!r}, sha256 {expected!r})")
    spec = dataclass_from_json(_KINDS[kind], values, path)
    check_spec(spec, path, (Path(folder) / WEIGHTS).stat().st_size)
    return spec, expected


def load_classifier_spec(folder: str | Path) -> tuple[ClassifierSpec, str]:
    """Return the result of `load_spec`; InputError also for an encoder."""
    spec, expected = load_spec(folder)
    if type(spec) is not ClassifierSpec:
        raise InputError(f"{folder}: an encoder, which has no classes; a run of `fashion-keras train` is needed")
    return spec, expected
