"""Taggers: `load_tagger(folder).tag(images)` predicts product types, then the attributes of those types."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fashion_keras.features.encoder import Encoder
from fashion_keras.features.registry import load_encoder
from fashion_keras.images.inputs import as_image_list
from fashion_keras.support.errors import InputError
from fashion_keras.tagging.model.heads import Features, HeadOutput, LinearHead, applies_mask, run_head
from fashion_keras.tagging.model.manifest import TaggerManifest


@dataclass(frozen=True)
class Tag:
    """A predicted label: its attribute (or "product type"), the label, and its calibrated probability."""

    name: str
    label: str
    confidence: float


@dataclass(frozen=True)
class Tags:
    """All tags of one image.

    Attributes:
        types: the product types that the gate accepts it as; none: the image is rejected, and has no attributes.
        attributes: the predicted labels, each label of a multi-valued attribute as a tag of its own.
        abstained: the attributes of its types of which no label reaches its threshold.
    """

    types: tuple[Tag, ...]
    attributes: tuple[Tag, ...]
    abstained: tuple[str, ...]

    @property
    def rejected(self) -> bool:
        """Whether the gate accepts it as none of the tagger's product types."""
        return not self.types


@dataclass(frozen=True)
class Tagger:
    """An encoder, a product-type gate and attribute heads on its features; safe to call from several threads.

    Attributes:
        gate, heads: the validators of the product types, and a head per attribute.
        target_precision: of the predicted labels, on products like those of validation.
    """

    encoder: Encoder
    gate: LinearHead
    heads: tuple[LinearHead, ...]
    target_precision: float

    def tag(self, images: Any) -> list[Tags]:  # noqa: ANN401 - one image or many, in any form
        """Return the tags of one image or many (see `as_image_list`); ImageError for the first that is damaged."""
        listed = as_image_list(images)
        return self.tag_features(self.encoder.embed(listed)) if listed else []

    def tag_features(self, features: Features) -> list[Tags]:
        """Return the tags of n images by their features [n, d]."""
        types, outputs = self.predict_heads(features)
        tags = []
        for row in range(len(features)):
            attributes, abstained = [], []
            for head, output in zip(self.heads, outputs, strict=True):
                predicted = _predicted_tags(head, output, row)
                attributes += predicted
                if output.accepted[row] and not predicted:
                    abstained.append(head.name)
            tags.append(Tags(_predicted_tags(self.gate, types, row), tuple(attributes), tuple(abstained)))
        return tags

    def predict_heads(self, features: Features) -> tuple[HeadOutput, list[HeadOutput]]:
        """Return the output of the gate, and of each head, for features [n, d]."""
        types = run_head(self.gate, features)
        masks = [applies_mask(head.applies_to, self.gate, types.predicted) for head in self.heads]
        return types, [run_head(head, features, mask) for head, mask in zip(self.heads, masks, strict=True)]


def load_tagger(folder: str | Path, encoder: Encoder | None = None) -> Tagger:
    """Load a tagger, and its encoder unless one is given.

    InputError when there is none, it is damaged or of another format, or the encoder is not the one it was trained on.
    """
    manifest = TaggerManifest.read(folder)
    gate, *heads = manifest.load_heads(Path(folder))
    if encoder is None:
        encoder = load_encoder(manifest.encoder.name, manifest.encoder.weights)
    if encoder.identity != manifest.encoder.identity:
        raise InputError(
            f"the tagger was trained on another encoder than {encoder.name} (identity {manifest.encoder.identity}, now "
            f"{encoder.identity}); train it again with `fashion-keras train-tagger`"
        )
    return Tagger(encoder, gate, tuple(heads), manifest.target_precision)


def _predicted_tags(head: LinearHead, output: HeadOutput, row: int) -> tuple[Tag, ...]:
    labels = np.flatnonzero(output.predicted[row])
    return tuple(Tag(head.name, head.classes[label], float(output.probabilities[row, label])) for label in labels)
