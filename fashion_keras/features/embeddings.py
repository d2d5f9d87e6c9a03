"""Embeddings of a catalog's images, by an encoder or from a file: what indexes and analyses are made of."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_keras.catalog.catalog import Catalog
from fashion_keras.features.cache import encode
from fashion_keras.features.embedding_file import embedding_path, file_identity, is_embedding_file, read_embeddings
from fashion_keras.features.encoder import Encoder
from fashion_keras.features.registry import load_encoder
from fashion_keras.images.spec import ImageSpec
from fashion_keras.support.errors import InputError


@dataclass(frozen=True)
class EmbeddingSource:
    """Encoder, or file of embeddings, that a catalog's embeddings come from.

    Attributes:
        identity: of the encoder, or of the file's content: embeddings that share it can be compared.
        origin: the encoder, or the path of the file.
    """

    identity: str
    origin: Encoder | Path

    @property
    def image_spec(self) -> ImageSpec | None:
        """Input of the encoder; None for a file, which has none."""
        return None if isinstance(self.origin, Path) else self.origin.image_spec

    def embed(self, catalog: Catalog) -> NDArray[np.float32]:
        """Return the embeddings [n, d] of a catalog's images, of length 1 those of a file.

        Raises:
            ImageError, InputError: as `encode`, or `read_embeddings`.
        """
        if isinstance(self.origin, Path):
            return read_embeddings(self.origin, catalog)
        return np.asarray(encode(catalog, self.origin).values)


def embedding_source(
    name: str | Path,
    weights: str | Path = "auto",
    image_size: Any = None,  # noqa: ANN401 - see `parse_image_size`
) -> EmbeddingSource:
    """Return the encoder, or the file of embeddings (.npy or Parquet, see `read_embeddings`), of that name.

    Raises:
        InputError: as `load_encoder`; for a file that is not there, or a file with `weights` or `image_size`.
    """
    if not is_embedding_file(str(name)):
        encoder = load_encoder(name, weights, image_size)
        return EmbeddingSource(encoder.identity, encoder)
    if str(weights) != "auto" or image_size is not None:
        raise InputError(f"{name}: a file of embeddings has no weights and no image size; leave these options out")
    path = embedding_path(str(name))
    return EmbeddingSource(file_identity(path), path)
