"""FashionEncoder: image encoders as a scikit-learn transformer."""

from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from fashion_keras.features.encoder import Encoder
from fashion_keras.features.registry import DEFAULT_ENCODER, load_encoder
from fashion_keras.images.inputs import as_image_list, is_single_image
from fashion_keras.support.errors import InputError

_load = lru_cache(maxsize=4)(load_encoder)


class FashionEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Transform images into embeddings [n, d] float32 of length 1, for `Pipeline`, `GridSearchCV`, `ColumnTransformer`.

    The network is frozen: `fit` loads it and trains nothing. Estimators hold parameters alone, so they can be cloned,
    pickled and cached (`Pipeline(memory=...)`); loaded networks are shared.

    Args:
        encoder, weights, image_size, runtime, precision: as `fashion_keras.load_encoder` takes them.
    """

    def __init__(
        self,
        encoder: str = DEFAULT_ENCODER,
        *,
        weights: str = "auto",
        image_size: Any = None,  # noqa: ANN401 - see `parse_image_size`
        runtime: str = "auto",
        precision: str = "auto",
    ) -> None:
        self.encoder = encoder
        self.weights = weights
        self.image_size = image_size
        self.runtime = runtime
        self.precision = precision

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ANN401, N803 - scikit-learn's names
        """Load the network; of the images, `X` as of `transform`, only that there is one is checked.

        Raises:
            InputError: as `fashion_keras.load_encoder`; for no image, or a table of more than one column.
        """
        _as_images(X)
        self._n_features_out = self._network().embed([]).shape[1]
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:  # noqa: ANN401, N803
        """Return the embeddings [n, d] float32 of n images.

        Args:
            X: paths, or images in any other form of `Encoder.embed`: a list, Series or array [n], or a column [n, 1]
                such as `ColumnTransformer` passes.

        Raises:
            NotFittedError: before `fit`.
            ImageError: for the first image that cannot be used.
        """
        check_is_fitted(self)
        return self._network().embed(_as_images(X))

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether `fit` was called."""
        return hasattr(self, "_n_features_out")

    def __sklearn_tags__(self) -> Tags:
        """Return scikit-learn's tags: the input is text, the paths, in one or two dimensions."""
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _network(self) -> Encoder:
        size = self.image_size if np.isscalar(self.image_size) or self.image_size is None else tuple(self.image_size)
        return _load(str(self.encoder), str(self.weights), size, self.runtime, self.precision)


def _as_images(images: Any) -> list[Any]:  # noqa: ANN401
    """Return images [n], or a column of them [n, 1], as a list."""
    shape = getattr(images, "shape", ())
    if len(shape) == 2 and shape[1] != 1:
        raise InputError(f"expected n images, or one column of them [n, 1], not {shape[0]} x {shape[1]} values")
    if len(shape) == 2:
        images = images.iloc[:, 0] if hasattr(images, "iloc") else images[:, 0]
    if is_single_image(images):
        raise InputError("expected a collection of images, not one image; pass [image]")
    images = as_image_list(images)
    if not images:
        raise InputError("no images: at least one is needed")
    return images
