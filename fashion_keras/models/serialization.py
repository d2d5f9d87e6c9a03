"""A model in a folder: model.json, a spec, and model.weights.h5, which it names by its sha256. No Keras here."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fashion_keras.images.decode import ImageSpec
from fashion_keras.models.classifier import ClassifierSpec, LabelSpec, MultiHeadSpec
from fashion_keras.models.heads import Head
from fashion_keras.models.predictions import LabelGroup
from fashion_keras.support.atomic_files import file_sha256, read_json, write_json
from fashion_keras.support.errors import InputError

SPEC, WEIGHTS = "model.json", "model.weights.h5"


@dataclass(frozen=True)
class EncoderSpec:
    """All that is needed to build an encoder's network again.

    Attributes:
        backbone, cut: which network, and the stage it ends with ("" for all of it).
        image: how a picture becomes pixels.
        scaling: one of `SCALINGS`; see `Backbone.scaling`.
        head: pooling, and what else stands on it; its dropouts are for training.
        width: of the linear layer at the end, a projection or a whitening; 0 for none.
    """

    backbone: str
    image_spec: ImageSpec
    scaling: str
    head: Head
    cut: str = ""
    width: int = 0


Spec = LabelSpec | EncoderSpec
_FORMATS = {
    ClassifierSpec: "fashion_keras.classifier/2",
    MultiHeadSpec: "fashion_keras.attributes/2",
    EncoderSpec: "fashion_keras.encoder/2",
}


def write_spec(spec: Spec, folder: Path) -> None:
    """Write model.json beside the weights that are there already."""
    values = {"format": _FORMATS[type(spec)], "sha256": file_sha256(folder / WEIGHTS), **asdict(spec)}
    write_json(folder / SPEC, values)


def load_spec(folder: str | Path) -> tuple[Spec, str]:
    """Read model.json: the spec of a classifier, of one task or several heads, or of an encoder; the weights' sha256.

    Raises:
        InputError: when the folder holds no model, or one of another version.
    """
    path = Path(folder) / SPEC
    if not path.is_file() or not (Path(folder) / WEIGHTS).is_file():
        folds = f"; it is one for each fold: take {Path(folder) / 'fold1'}" if (Path(folder) / "fold1").is_dir() else ""
        raise InputError(f"{folder}: no finished run here ({SPEC} and {WEIGHTS} are needed){folds}")
    values = read_json(path)
    kinds = {name: kind for kind, name in _FORMATS.items()}
    try:
        form, expected = values.pop("format"), values.pop("sha256")
        if form not in kinds:
            raise InputError(f"{path}: format {form!r}; this version reads {', '.join(kinds)}")
        return _read_spec(kinds[form], values), expected
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: not a model of ours ({error!r})") from None


def load_classifier_spec(folder: str | Path) -> tuple[LabelSpec, str]:
    """Read what `load_spec` reads; InputError also for an encoder."""
    spec, expected = load_spec(folder)
    if isinstance(spec, EncoderSpec):
        raise InputError(f"{folder}: an encoder, which knows no classes; a run of `fashion-keras train` is needed")
    return spec, expected


def _read_spec(kind: type[Spec], values: dict[str, Any]) -> Spec:
    values["image_spec"] = ImageSpec(**values["image_spec"])
    values["head"] = Head(**_tuples(values["head"]))
    if "groups" in values:
        values["groups"] = tuple(LabelGroup(**_tuples(group)) for group in values["groups"])
    if values.get("person"):
        values["person"] = _read_spec(ClassifierSpec, values["person"])
    return kind(**_tuples(values))


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
