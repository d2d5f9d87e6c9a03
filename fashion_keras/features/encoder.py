"""Image encoder: a frozen network compiled for this machine, known by its fingerprint."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.synonyms import expand_query
from fashion_keras.features.text import TextEncoder
from fashion_keras.images.inputs import as_image_list
from fashion_keras.images.pipeline import for_inference
from fashion_keras.images.spec import ImageSpec
from fashion_keras.models.classifier import Forward
from fashion_keras.support.errors import InputError


@dataclass(frozen=True)
class Encoder:
    """Pixels [b, h, w, 3] float32 in 0..255 -> embeddings [b, d], or activations [b, h, w, c], float32.

    Safe to call from many threads at once.

    Attributes:
        name: of the network, and of its last layer where it is a part of one.
        forward: the compiled network; `runtime` and `precision` are what it runs in.
        identity: of network, weights and input: embeddings of encoders that share it can be compared.
        storage: float32 or float16, the type of its features on disk.
        unit_norm: whether its embeddings have length 1.
        text: embeds texts into the same space; None where it was trained on images alone.
    """

    name: str
    image_spec: ImageSpec
    forward: Forward
    runtime: str
    precision: str
    identity: str
    storage: str = "float32"
    unit_norm: bool = False
    text: TextEncoder | None = None

    @property
    def fingerprint(self) -> str:
        """Identity, runtime, precision and storage: all that decides the values of its features on disk."""
        return "-".join([self.identity, self.runtime, self.precision, self.storage])

    @property
    def settings(self) -> dict[str, Any]:
        """Network, image size, runtime and precision, for reports."""
        image = vars(self.image_spec)
        return {"network": self.name, "image": image, "runtime": self.runtime, "precision": self.precision}

    def embed(self, images: Any) -> NDArray[np.float32]:  # noqa: ANN401 - see `as_image_list`
        """Return embeddings [n, d] float32 of one image (n = 1), many, or none; ImageError for one that is unusable."""
        images = as_image_list(images)
        if not images:
            blank = np.zeros((1, self.image_spec.height, self.image_spec.width, 3), np.float32)
            return self.forward(blank)[:0]
        embeddings = np.concatenate([self.forward(pixels) for pixels in for_inference(images, self.image_spec)])
        if not np.isfinite(embeddings).all():
            raise InputError(f"{self.name}: embeddings that are NaN or infinite: its weights are damaged")
        return embeddings

    def embed_text(self, texts: str | Iterable[str]) -> NDArray[np.float32]:
        """Return embeddings [n, d] float32 of one text (n = 1), or many, to compare with those of images.

        Words of German, French, Spanish, Hindi and other languages that `catalog.synonyms` lists are translated first.

        Raises:
            InputError: for a text without words, and an encoder that was trained on images alone.
        """
        if self.text is None:
            raise InputError(
                f"{self.name} has no text tower: take fashion_encoder, or train one with "
                "`fashion-keras train-encoder --loss clip`"
            )
        texts = [texts] if isinstance(texts, str) else list(texts)
        return self.text.embed([expand_query(text) for text in texts]) if texts else self.embed([])
