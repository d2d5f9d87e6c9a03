"""`load_tagger(folder).tag(images)`: product types first, then the attributes that those have, or none."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.attributes import AttributeGroup, TitleSource
from fashion_keras.catalog.taxonomy import Taxonomy
from fashion_keras.features.encoder import Encoder
from fashion_keras.features.registry import load_encoder
from fashion_keras.support.atomic_files import atomic_write, file_sha256, read_json, write_json
from fashion_keras.support.errors import InputError
from fashion_keras.tagging.model.heads import HeadOutput, LinearHead, applies_mask, run_gate, run_head

SPEC, HEADS = "tagger.json", "heads.npz"
_FORMAT = "fashion_keras.tagger/1"


@dataclass(frozen=True)
class Tag:
    """What is said of an image: the attribute, or "product type"; one of its labels; the probability that it is so."""

    name: str
    label: str
    confidence: float


@dataclass(frozen=True)
class Tags:
    """What a tagger says of one image.

    Attributes:
        types: the product types that the gate accepts it as; none: it is rejected, and has no attributes.
        attributes: the labels that keep the promise, those of multi-valued attributes one by one.
        abstained: the attributes of its types of which no label is sure enough.
    """

    types: tuple[Tag, ...]
    attributes: tuple[Tag, ...]
    abstained: tuple[str, ...]

    @property
    def rejected(self) -> bool:
        """Whether it is of no product type that the tagger knows."""
        return not self.types


@dataclass(frozen=True)
class Tagger:
    """An encoder, and the heads that were learnt on its vectors.

    Attributes:
        encoder: what turns images into vectors.
        identity: of the encoder that the heads were learnt on.
        gate: the validators of the product types.
        heads: one per attribute.
        promise: the precision of every label that is given, on products like those of validation.
    """

    encoder: Encoder
    identity: str
    gate: LinearHead
    heads: tuple[LinearHead, ...]
    promise: float

    def __post_init__(self) -> None:
        """Refuse another encoder with an InputError."""
        if self.encoder.identity != self.identity:
            raise InputError(
                f"the tagger was trained on another encoder than {self.encoder.name} (identity {self.identity}, now "
                f"{self.encoder.identity}); train it again with `fashion-keras train-tagger`"
            )

    def tag(self, images: Sequence[Any]) -> list[Tags]:
        """Return what is said of each image: a path, encoded bytes, a PIL image or an array with pixels in 0..255.

        Raises:
            ImageError: for the first image that cannot be used.
            InputError: when there is none.
        """
        return self.tag_vectors(self.encoder.embed(images))

    def tag_vectors(self, vectors: NDArray[np.float32]) -> list[Tags]:
        """Return what is said of each image that the encoder gave vectors [n, d] for."""
        types, answers = self.predict_heads(vectors)
        return [self._tags(row, types, answers) for row in range(len(vectors))]

    def predict_heads(self, vectors: NDArray[np.float32]) -> tuple[HeadOutput, list[HeadOutput]]:
        """Return what the gate says of vectors [n, d], and what each head then does."""
        types = run_gate(self.gate, vectors)
        passed = [applies_mask(head.applies_to, self.gate, types.given) for head in self.heads]
        return types, [run_head(head, vectors, let_in) for head, let_in in zip(self.heads, passed, strict=True)]

    def _tags(self, row: int, types: HeadOutput, answers: Sequence[HeadOutput]) -> Tags:
        said = [_given(head, one, row) for head, one in zip(self.heads, answers, strict=True)]
        silent = [
            head.name for head, one, tags in zip(self.heads, answers, said, strict=True) if one.passed[row] and not tags
        ]
        return Tags(_given(self.gate, types, row), tuple(tag for tags in said for tag in tags), tuple(silent))


def save_tagger(folder: Path, tagger: Tagger, encoder: str, weights: str, taxonomy: Taxonomy) -> None:
    """Write heads.npz and tagger.json, which names it by its sha256.

    Args:
        folder: receives both.
        tagger: what is kept.
        encoder, weights: as `load_encoder` takes them.
        taxonomy: what was asked, to be read by people.
    """
    heads = (tagger.gate, *tagger.heads)
    layers = {f"weights_{at}": head.weights for at, head in enumerate(heads)}
    layers |= {f"bias_{at}": head.bias for at, head in enumerate(heads)}
    with atomic_write(folder / HEADS) as temporary:
        np.savez(temporary, allow_pickle=False, **layers)
    where = str(Path(encoder).resolve()) if Path(encoder).is_dir() else encoder
    spec = {
        "format": _FORMAT,
        "sha256": file_sha256(folder / HEADS),
        "encoder": {"name": where, "weights": weights, "identity": tagger.identity},
        "promise": tagger.promise,
        "taxonomy": _written(taxonomy),
        "gate": _head_spec(tagger.gate),
        "heads": [_head_spec(head) for head in tagger.heads],
    }
    write_json(folder / SPEC, spec)


def load_tagger(folder: str | Path, encoder: Encoder | None = None) -> Tagger:
    """Load a tagger, and its encoder unless one is given.

    Raises:
        InputError: when there is none, it is damaged or of another version, or the encoder is not the one it was
            trained on.
    """
    path = Path(folder) / SPEC
    if not path.is_file():
        raise InputError(f"{folder}: no tagger here ({SPEC} is needed); `fashion-keras train-tagger` makes one")
    spec = read_json(path)
    if spec.get("format") != _FORMAT:
        raise InputError(f"{path}: format {spec.get('format')!r}; this version reads {_FORMAT}")
    layers = path.with_name(HEADS)
    if not layers.is_file() or file_sha256(layers) != spec["sha256"]:
        raise InputError(f"{layers}: missing or damaged, not what {SPEC} names; train the tagger again")
    try:
        gate, *heads = _read_heads([spec["gate"], *spec["heads"]], layers)
        made_by, promise = spec["encoder"], spec["promise"]
        if encoder is None:
            encoder = load_encoder(made_by["name"], made_by["weights"])
        return Tagger(encoder, made_by["identity"], gate, tuple(heads), promise)
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: not a tagger of ours ({error!r})") from None


def _given(head: LinearHead, said: HeadOutput, row: int) -> tuple[Tag, ...]:
    labels = np.flatnonzero(said.given[row])
    return tuple(Tag(head.name, head.classes[label], float(said.probabilities[row, label])) for label in labels)


def _head_spec(head: LinearHead) -> dict[str, Any]:
    names = ("name", "kind", "classes", "applies_to", "weight_decay", "temperature")
    # JSON has no infinity: null stands for a label that is never given.
    lowest = [value if np.isfinite(value) else None for value in head.thresholds.tolist()]
    return {**{name: getattr(head, name) for name in names}, "thresholds": lowest}


def _read_heads(specs: Sequence[dict[str, Any]], layers: Path) -> list[LinearHead]:
    heads = []
    with np.load(layers, allow_pickle=False) as arrays:
        for at, spec in enumerate(specs):
            lowest = np.array([np.inf if value is None else value for value in spec["thresholds"]])
            texts = {name: tuple(spec[name]) for name in ("classes", "applies_to")}
            values = {**spec, **texts, "thresholds": lowest}
            heads.append(LinearHead(**values, weights=arrays[f"weights_{at}"], bias=arrays[f"bias_{at}"]))
    return heads


def _written(taxonomy: Taxonomy) -> dict[str, Any]:
    """Return a taxonomy as its file has it."""
    return {
        "name": taxonomy.name,
        "product_types": [vars(kind) for kind in taxonomy.types],
        "attributes": [_written_group(group) for group in taxonomy.attributes],
    }


def _written_group(group: AttributeGroup) -> dict[str, Any]:
    read = {"rules": group.source.group} if isinstance(group.source, TitleSource) else {"column": group.source.column}
    applies = {"applies_to": [kind.name for kind in group.applies_to]} if group.applies_to else {}
    return {"name": group.name, "kind": group.kind, "labels": list(group.labels), **read, **applies}
