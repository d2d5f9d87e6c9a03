"""Image arguments: one image or many, in any supported form, become a list that `decode` takes."""

import base64
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fashion_keras.images.raster import to_8_bits
from fashion_keras.support.errors import InputError

_CHANNELS = (1, 3, 4)
_SHAPES = "one image is [h, w], [h, w, 1], [h, w, 3] or [h, w, 4], many are [n, h, w, 3]"
_DATA_URL = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)
_URL = re.compile(r"(data:|[a-z][a-z0-9+.-]*://)", re.IGNORECASE)


def is_single_image(images: Any) -> bool:  # noqa: ANN401 - whatever a caller passes
    """Return whether `images` is one image: a path, encoded bytes, an open file, a PIL image or an array of one."""
    if isinstance(images, str | os.PathLike | bytes | bytearray | memoryview | Image.Image) or hasattr(images, "read"):
        return True
    shape = tuple(getattr(images, "shape", ()))
    return len(shape) == 2 or (len(shape) == 3 and (shape[-1] in _CHANNELS or _is_channels_first(images)))


def as_image_list(images: Any) -> list[Any]:  # noqa: ANN401 - whatever a caller passes
    """Return one image or many as a list of paths, bytes, PIL images and arrays, in order; [] for none.

    Args:
        images: one image, as `as_image` takes it; or a list, tuple, generator, pandas Series (by position, whatever
            its index), array or tensor [n, h, w, 3], or tf.data.Dataset of images or of batches. A set is sorted.

    Raises:
        InputError: for what is neither an image nor a collection of images, or could be read in two ways.
    """
    if is_single_image(images):
        return [as_image(images)]
    if isinstance(images, set | frozenset):
        images = _sorted(images)
    elif hasattr(images, "element_spec") and hasattr(images, "cardinality"):
        return _from_dataset(images)
    elif _is_array(images):
        images = _split_array(_to_array(images))
    elif isinstance(images, dict) or not isinstance(images, Iterable):
        raise InputError(f"expected an image or a collection of images, not {type(images).__name__}")
    return [as_image(image) for image in images]


def as_image(image: Any) -> str | Path | bytes | Image.Image | np.ndarray:  # noqa: ANN401 - whatever a caller passes
    """Return one image as a path, encoded bytes, a PIL image or an array.

    Args:
        image: a str or Path; a data URL in base64; bytes, bytearray or memoryview of an encoded image; an open binary
            file, which is read from its start; a PIL image in any mode; or an array or tensor (TensorFlow, PyTorch,
            JAX) of RGB values in 0..255, or of floats in 0..1. A PyTorch tensor may have its channels first. OpenCV's
            arrays are BGR, which cannot be seen in them: pass image[:, :, ::-1].

    Raises:
        InputError: for anything else.
    """
    if isinstance(image, str) and _URL.match(image):
        return _read_url(image)
    if isinstance(image, str | Path | bytes | Image.Image | np.ndarray):
        return image
    if isinstance(image, bytearray | memoryview):
        return bytes(image)
    if isinstance(image, os.PathLike):
        return Path(os.fspath(image))
    if hasattr(image, "read"):
        return _read_open_file(image)
    if _is_array(image):
        return _to_array(image)
    raise InputError(f"expected a path, bytes, an open file, a PIL image or an array, not {type(image).__name__}")


def _read_open_file(file: Any) -> bytes:  # noqa: ANN401 - whatever can be read
    try:
        if file.seekable():
            file.seek(0)
        data = file.read()
    except (AttributeError, TypeError, OSError, ValueError) as error:
        raise InputError(f"an open file that cannot be read ({error})") from None
    if not isinstance(data, bytes):
        raise InputError("a file opened as text; open images with open(path, 'rb')")
    return data


def _read_url(url: str) -> bytes:
    start = _DATA_URL.match(url)
    if start is None:
        raise InputError(f"{url[:40]}: a URL that is not read: pass the image's bytes, or save it and pass its path")
    try:
        return base64.b64decode(url[start.end() :], validate=True)
    except ValueError as error:
        raise InputError(f"{start[0]}... cannot be read ({error}); pass the whole URL") from None


def _is_channels_first(images: Any) -> bool:  # noqa: ANN401 - whatever a caller passes
    """Return whether `images` is PyTorch's [c, h, w] or [n, c, h, w], and cannot have its channels last."""
    shape = tuple(getattr(images, "shape", ()))
    return hasattr(images, "detach") and len(shape) in (3, 4) and shape[-3] in _CHANNELS and shape[-1] not in _CHANNELS


def _is_array(images: Any) -> bool:  # noqa: ANN401
    return hasattr(images, "__array__") or hasattr(images, "__dlpack__")


def _to_array(images: Any) -> np.ndarray:  # noqa: ANN401 - a tensor of any library
    if hasattr(images, "iloc") and hasattr(images, "columns"):
        raise InputError("a table is no image: pass its column of paths")
    try:
        channels_first = _is_channels_first(images)
        if hasattr(images, "detach"):  # PyTorch's, which may need gradients or lie on a device
            images = images.detach().cpu()
        return np.moveaxis(np.asarray(images), -3, -1) if channels_first else np.asarray(images)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{type(images).__name__} cannot become an array ({reason})") from None


def _split_array(array: np.ndarray) -> list[Any]:
    """Return the images of an array that is not one image: [n, h, w, c] pixels, or [n] paths or other images."""
    if array.ndim == 0:
        return [array.item()]
    if array.size == 0 or (array.ndim == 1 and array.dtype.kind in "OUST"):
        return list(array)
    if array.ndim == 4 and array.shape[-1] in _CHANNELS:
        # Together, as a dark image by itself may look as if it were in 0..1.
        return list(array if array.dtype.kind in "iu" else to_8_bits(array))
    order = "; move its channels to the end" if array.ndim in (3, 4) and array.shape[-3] in _CHANNELS else ""
    raise InputError(f"array {list(array.shape)} of {array.dtype}: {_SHAPES}{order}")


def _sorted(images: set | frozenset) -> list[Any]:
    try:
        return sorted(images)
    except TypeError:
        raise InputError("a set of images has no order, so results could not be matched to them; pass a list") from None


def _from_dataset(dataset: Any) -> list[Any]:  # noqa: ANN401 - a tf.data.Dataset, which is not imported here
    """Return the images of a tf.data.Dataset: its elements, or the rows of its batches."""
    if isinstance(dataset.element_spec, tuple | list | dict):
        raise InputError(
            f"a tf.data.Dataset with {len(dataset.element_spec)} parts an element: pass the images alone, "
            "dataset.map(lambda image, label: image)"
        )
    if int(dataset.cardinality()) == -1:
        raise InputError("an endless tf.data.Dataset: pass dataset.take(n)")
    return [image for element in dataset for image in as_image_list(element.numpy())]
