"""Files of a tagger's folder: tagger.json, format 2, the array file whose sha256 it names, and origin.json."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.attributes import AttributeGroup, TitleSource
from fashion_keras.catalog.catalog import Catalog
from fashion_keras.catalog.taxonomy import Taxonomy
from fashion_keras.support.array_files import read_float_arrays
from fashion_keras.support.atomic_files import atomic_write, file_sha256, read_json, write_json
from fashion_keras.support.errors import InputError
from fashion_keras.support.json_record import JsonRecord, dataclass_from_json
from fashion_keras.support.safe_paths import check_links
from fashion_keras.tagging.model.heads import LinearHead

ARRAYS, ORIGIN = "heads.npz", "origin.json"


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

    def __post_init__(self) -> None:
        if not self.classes or len(self.thresholds) != len(self.classes) or not self.temperature > 0:
            raise InputError(
                f"{self.name!r}: {len(self.classes)} classes, {len(self.thresholds)} thresholds, temperature "
                f"{self.temperature}"
            )


@dataclass(frozen=True)
class EncoderReference:
    """The encoder of a tagger: name and weights as `load_encoder` takes them, and its identity."""

    name: str
    weights: str
    identity: str


@dataclass(frozen=True, kw_only=True)
class TaggerManifest(JsonRecord):
    """What tagger.json holds.

    Attributes:
        sha256: of heads.npz, which has weights_I and bias_I of the gate (I = 0) and of each head.
        encoder: that the heads were trained on.
        taxonomy: with the keys of the YAML file, for people to read.
    """

    FORMAT: ClassVar[str] = "fashion_keras.tagger/2"
    FILE: ClassVar[str] = "tagger.json"

    sha256: str
    encoder: EncoderReference
    target_precision: float
    taxonomy: dict[str, Any]
    gate: HeadSpec
    heads: tuple[HeadSpec, ...]

    @classmethod
    def read(cls, folder: str | Path) -> "TaggerManifest":
        """Read tagger.json; InputError when there is none, and as `JsonRecord.read`."""
        if not (Path(folder) / cls.FILE).is_file():
            raise InputError(f"{folder}: no tagger here ({cls.FILE} is needed); `fashion-keras train-tagger` makes one")
        return super().read(folder)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object, with the keys that are null."""
        return {"format": self.FORMAT, **asdict(self)}

    def load_heads(self, folder: Path) -> list[LinearHead]:
        """Return the gate and the heads of `folder`; InputError when heads.npz is missing or not the one named here."""
        path = folder / ARRAYS
        check_links(folder, (self.FILE, ARRAYS))
        if not path.is_file() or file_sha256(path) != self.sha256:
            raise InputError(f"{path}: missing or damaged, not what {self.FILE} names; train the tagger again")
        arrays = read_float_arrays(path)
        widths = {array.shape[1:] for name, array in arrays.items() if name.startswith("weights_")}
        heads = []
        for index, spec in enumerate((self.gate, *self.heads)):
            layer = {name: arrays.get(f"{name}_{index}") for name in ("weights", "bias")}
            shapes = [None if array is None else array.shape for array in layer.values()]
            count = len(spec.classes)
            if len(widths) != 1 or shapes != [(count, *min(widths)), (count,)]:
                raise InputError(f"{path}: arrays of {spec.name!r} are {shapes}, and it has {count} classes")
            thresholds = np.array([np.inf if value is None else value for value in spec.thresholds])
            heads.append(LinearHead(**{**vars(spec), **layer, "thresholds": thresholds}))
        return heads


@dataclass(frozen=True)
class Provenance:
    """What origin.json holds.

    Attributes:
        catalog, taxonomy: the catalog's fingerprint, the taxonomy's digest.
        parts: part -> image ids.
        selection: of the validation images, those that chose weight decay and temperature; () in older folders.
    """

    catalog: str
    taxonomy: str
    parts: dict[str, tuple[str, ...]]
    selection: tuple[str, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> "Provenance | None":
        """Read origin.json; None where there is none, InputError where it is damaged."""
        path = folder / ORIGIN
        return dataclass_from_json(cls, read_json(path), path) if path.is_file() else None

    def is_of(self, catalog: Catalog) -> bool:
        """Return whether a catalog has every image of the parts; its labels may have changed since."""
        return {name for ids in self.parts.values() for name in ids} <= set(catalog.source_ids.tolist())

    def part_of(self, catalog: Catalog) -> NDArray[np.str_]:
        """Return the part [n] str of each image of that same catalog; "" for none."""
        names = np.full(len(catalog), "", np.dtype("<U10"))
        for name, ids in self.parts.items():
            names[np.isin(catalog.image_ids, ids)] = name
        return names

    def write(self, folder: Path) -> None:
        """Write origin.json."""
        write_json(folder / ORIGIN, asdict(self))


def read_provenance(folder: Path, fingerprint: str) -> Provenance | None:
    """Return what a tagger was trained on if it was the catalog of that fingerprint; None otherwise."""
    provenance = Provenance.read(folder)
    # In another catalog the same id may well be another product.
    return provenance if provenance and provenance.catalog == fingerprint else None


def taxonomy_digest(taxonomy: Taxonomy) -> str:
    """Return a digest of a taxonomy's content."""
    return hashlib.sha256(repr(taxonomy).encode()).hexdigest()


def save_heads(
    folder: Path, heads: Sequence[LinearHead], encoder: EncoderReference, target_precision: float, taxonomy: Taxonomy
) -> None:
    """Write heads.npz and tagger.json into a folder; the gate is the first of `heads`."""
    arrays = {f"weights_{index}": head.weights for index, head in enumerate(heads)}
    arrays |= {f"bias_{index}": head.bias for index, head in enumerate(heads)}
    with atomic_write(folder / ARRAYS) as temporary:
        np.savez(temporary, allow_pickle=False, **arrays)
    gate, *others = map(head_spec, heads)
    TaggerManifest(
        sha256=file_sha256(folder / ARRAYS),
        encoder=encoder,
        target_precision=target_precision,
        taxonomy={
            "name": taxonomy.name,
            "product_types": [asdict(kind) for kind in taxonomy.types],
            "attributes": [_attribute(group) for group in taxonomy.attributes],
        },
        gate=gate,
        heads=tuple(others),
    ).write(folder)


def head_spec(head: LinearHead) -> HeadSpec:
    """Return a head without its arrays."""
    values = {name: value for name, value in vars(head).items() if name not in ("weights", "bias")}
    thresholds = tuple(value if np.isfinite(value) else None for value in head.thresholds.tolist())
    return HeadSpec(**{**values, "thresholds": thresholds})


def _attribute(group: AttributeGroup) -> dict[str, Any]:
    source, is_title = group.source, isinstance(group.source, TitleSource)
    return {
        "name": group.name,
        "kind": group.kind,
        "labels": group.labels,
        "applies_to": [kind.name for kind in group.applies_to],
        "rules": source.group if is_title else None,
        "column": None if is_title else source.column,
    }
