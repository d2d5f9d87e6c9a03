"""Zero-shot classification: the labels are given as words, and nothing is trained for them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fashion_keras.catalog.label_groups import LabelGroup
from fashion_keras.features.encoder import Encoder
from fashion_keras.images.inputs import as_image_list
from fashion_keras.models.predictions import Predictions, probabilities
from fashion_keras.support.errors import InputError

# Predicted where no label describes the image well enough.
NONE = "none of these"


class ZeroShotClassifier:
    """Classifier by an image-text encoder: `predict(images)` gives each label, and "none of these", a probability.

    The softmax of cosines divided by a temperature; "none of these" has a fixed cosine. Both are calibrated when the
    encoder is trained.
    """

    def __init__(self, encoder: Encoder, labels: Sequence[str] | Sequence[Sequence[str]]) -> None:
        """Take the labels, or a list of labels for each of several heads.

        InputError for fewer than two labels, a repeated one, one without words, an encoder without a text tower.
        """
        heads = [list(labels)] if all(isinstance(label, str) for label in labels) else list(map(list, labels))
        for head in heads:
            if len(set(head)) < max(len(head), 2):
                raise InputError(f"labels are two or more different ones, not {', '.join(head) or 'none'}")
        self.encoder = encoder
        self.embeddings = [encoder.embed_text([label.lower() for label in head]) for head in heads]
        names = ["labels"] if len(heads) == 1 else [f"labels {number}" for number in range(1, len(heads) + 1)]
        self.groups = tuple(
            LabelGroup(name, "single", (*head, NONE), tuple((label,) for label in (*head, NONE)),
                       temperature=encoder.text.spec.temperature)
            for name, head in zip(names, heads, strict=True)
        )  # fmt: skip

    def predict(self, images: Any) -> Predictions:  # noqa: ANN401 - see `as_image_list`
        """Return the predictions for one image or n of them; ImageError for the first that cannot be used."""
        embeddings = self.encoder.embed(as_image_list(images))
        floor = np.full((len(embeddings), 1), self.encoder.text.spec.floor, np.float32)
        cosines = np.hstack([part for texts in self.embeddings for part in (embeddings @ texts.T, floor)])
        return Predictions(np.arange(len(cosines)), probabilities(self.groups, cosines), self.groups)


def parse_labels(text: str) -> list[list[str]]:
    """Return the labels of each head of "LABEL,LABEL,...;LABEL,...".

    >>> parse_labels("polo shirt, hoodie; red, blue")
    [['polo shirt', 'hoodie'], ['red', 'blue']]
    """
    return [[label.strip() for label in head.split(",") if label.strip()] for head in text.split(";") if head.strip()]
