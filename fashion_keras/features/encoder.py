"""What turns pictures into vectors, compiled for this machine and known by its fingerprint."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.images.decode import ImageSpec
from fashion_keras.images.pipeline import for_inference
from fashion_keras.models.classifier import Forward
from fashion_keras.support.atomic_files import cache_dir
from fashion_keras.support.errors import InputError


@dataclass(frozen=True)
class Encoder:
    """pixels [b, h, w, 3] float32 in 0..255 -> vectors [b, d], or activations [b, h, w, c], float32.

    Attributes:
        name: of the network, and of its last layer where it is a cut of one.
        image: how a picture becomes pixels.
        forward: the compiled network.
        runtime, precision: what it runs in.
        identity: of network, weights and input: vectors of encoders that share it can be compared.
        storage: float32 or float16, as which its vectors are kept on disk.
        unit_norm: whether its vectors have length 1.
    """

    name: str
    image_spec: ImageSpec
    forward: Forward
    runtime: str
    precision: str
    identity: str
    storage: str = "float32"
    unit_norm: bool = False

    @property
    def fingerprint(self) -> str:
        """Of all that decides what its stored vectors are: equal encoders give equal ones."""
        return "-".join([self.identity, self.runtime, self.precision, self.storage])

    @property
    def about(self) -> dict[str, Any]:
        """What people want to know of it."""
        return {
            "network": self.name,
            "image": vars(self.image_spec),
            "runtime": self.runtime,
            "precision": self.precision,
        }

    def embed(self, images: Sequence[Any]) -> NDArray[np.float32]:
        """Return vectors [n, d] float32 of n images, each a path, encoded bytes, a PIL image or an array in 0..255.

        Raises:
            ImageError: for the first image that cannot be used.
            InputError: when there is none.
        """
        if not len(images):
            raise InputError("embed needs at least one image")
        return np.concatenate([self.forward(pixels) for pixels in for_inference(images, self.image_spec)])


def compiled_network_path(identity: str) -> Path:
    """Return where the network of that identity is kept for OpenVINO; its weights lie beside it as .bin."""
    return cache_dir() / "networks" / identity / "network.xml"
