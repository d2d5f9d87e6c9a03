"""Tagger manifest: tagger.json, format 2, and the array file whose sha256 it names."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from fashion_keras.catalog.attributes import AttributeGroup, ProductType, TitleSource
from fashion_keras.catalog.taxonomy import Taxonomy
from fashion_keras.support.atomic_files import atomic_write, file_sha256, read_json, write_json
from fashion_keras.support.errors import InputError
from fashion_keras.support.json_record import dataclass_from_json
from fashion_keras.tagging.model.heads import LinearHead

MANIFEST, ARRAYS = "tagger.json", "heads.npz"
FORMAT = "fashion_keras.tagger/2"


@dataclass(frozen=True)
class HeadSpec:
    """A linear head without its arrays; a threshold of None stands for a label that is never predicted."""

    name: str
    kind: str
    classes: tuple[str, ...]
    applies_to: tuple[str, ...]
    weight_decay: float
    temperature: float
    thresholds: tuple[float | None, ...]


@dataclass(frozen=True)
class EncoderReference:
    """The encoder of a tagger: name and weights as `load_encoder` takes them, and its identity."""

    name: str
    weights: str
    identity: str


@dataclass(frozen=True)
class AttributeRecord:
    """An attribute of a taxonomy, with the keys of its YAML file."""

    name: str
    kind: str
    labels: tuple[str, ...]
    applies_to: tuple[str, ...]
    rules: str | None = None
    column: str | None = None


@dataclass(frozen=True)
class TaxonomyRecord:
    """A taxonomy, with the keys of its YAML file."""

    name: str
    product_types: tuple[ProductType, ...]
    attributes: tuple[AttributeRecord, ...]


@dataclass(frozen=True)
class TaggerManifest:
    """What tagger.json holds.

    Attributes:
        format: FORMAT.
        sha256: of heads.npz, which has weights_I and bias_I of the gate (I = 0) and of each head.
        encoder: that the heads were trained on.
        target_precision: of the predicted labels.
        taxonomy: product types and attributes, for people to read.
        gate, heads: the validators of product types, and one head per attribute.
    """

    format: str
    sha256: str
    encoder: EncoderReference
    target_precision: float
    taxonomy: TaxonomyRecord
    gate: HeadSpec
    heads: tuple[HeadSpec, ...]

    @classmethod
    def read(cls, folder: Path) -> "TaggerManifest":
        """Read tagger.json.

        Raises:
            InputError: when there is none, its format is another one, or a key is missing or wrong; names file and key.
        """
        path = folder / MANIFEST
        if not path.is_file():
            raise InputError(f"{folder}: no tagger here ({MANIFEST} is needed); `fashion-keras train-tagger` makes one")
        values = read_json(path)
        if values.get("format") != FORMAT:
            raise InputError(
                f"{path}: format {values.get('format')!r}; this version reads {FORMAT}: train the tagger again"
            )
        return dataclass_from_json(cls, values, path)


def save_heads(
    folder: Path, heads: Sequence[LinearHead], encoder: EncoderReference, target_precision: float, taxonomy: Taxonomy
) -> None:
    """Write heads.npz and tagger.json into a folder; the gate is the first of `heads`."""
    arrays = {f"weights_{index}": head.weights for index, head in enumerate(heads)}
    arrays |= {f"bias_{index}": head.bias for index, head in enumerate(heads)}
    with atomic_write(folder / ARRAYS) as temporary:
        np.savez(temporary, allow_pickle=False, **arrays)
    gate, *others = map(_head_spec, heads)
    manifest = TaggerManifest(
        FORMAT, file_sha256(folder / ARRAYS), encoder, target_precision, _taxonomy_record(taxonomy), gate, tuple(others)
    )
    write_json(folder / MANIFEST, asdict(manifest))


def load_heads(folder: Path, manifest: TaggerManifest) -> list[LinearHead]:
    """Return the gate and the heads of a tagger.

    Raises:
        InputError: when heads.npz is missing or not the one that the manifest names.
    """
    path = folder / ARRAYS
    if not path.is_file() or file_sha256(path) != manifest.sha256:
        raise InputError(f"{path}: missing or damaged, not what {MANIFEST} names; train the tagger again")
    with np.load(path, allow_pickle=False) as arrays:
        return [
            _head(spec, arrays[f"weights_{index}"], arrays[f"bias_{index}"])
            for index, spec in enumerate((manifest.gate, *manifest.heads))
        ]


def _head(spec: HeadSpec, weights: np.ndarray, bias: np.ndarray) -> LinearHead:
    thresholds = np.array([np.inf if value is None else value for value in spec.thresholds])
    return LinearHead(**{**vars(spec), "thresholds": thresholds}, weights=weights, bias=bias)


def _head_spec(head: LinearHead) -> HeadSpec:
    thresholds = tuple(value if np.isfinite(value) else None for value in head.thresholds.tolist())
    settings = (head.name, head.kind, head.classes, head.applies_to, head.weight_decay, head.temperature)
    return HeadSpec(*settings, thresholds)


def _taxonomy_record(taxonomy: Taxonomy) -> TaxonomyRecord:
    return TaxonomyRecord(taxonomy.name, taxonomy.types, tuple(map(_attribute_record, taxonomy.attributes)))


def _attribute_record(group: AttributeGroup) -> AttributeRecord:
    key = "rules" if isinstance(group.source, TitleSource) else "column"
    source = group.source.group if isinstance(group.source, TitleSource) else group.source.column
    types = tuple(kind.name for kind in group.applies_to)
    return AttributeRecord(group.name, group.kind, tuple(group.labels), types, **{key: source})
