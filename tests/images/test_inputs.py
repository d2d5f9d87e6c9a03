"""Image arguments: every form of one image and of many, in order, and no form read in two ways."""

import base64
import io
import pathlib

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fashion_keras.images.decode import decode
from fashion_keras.images.inputs import as_image_list, is_single_image
from fashion_keras.images.raster import ImageError
from fashion_keras.support.errors import InputError

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 6, 3), np.uint8)


class Tensor:
    """A PyTorch tensor as far as it matters: NumPy refuses it until it is detached and on the CPU."""

    def __init__(self, values, detached=False, on_cpu=False):
        self.values, self.detached, self.on_cpu, self.shape = values, detached, on_cpu, values.shape

    def detach(self):
        return Tensor(self.values, True, self.on_cpu)

    def cpu(self):
        return Tensor(self.values, self.detached, True)

    def __array__(self, dtype=None, copy=None):
        if not (self.detached and self.on_cpu):
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.\nUse detach")
        return self.values


class DeviceArray:
    """A JAX array as far as it matters."""

    def __init__(self, values):
        self.values, self.shape = values, values.shape

    def __array__(self, dtype=None, copy=None):
        return self.values


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def tensorflow_tensor(pixels):
    import tensorflow as tf

    return tf.constant(pixels)


@pytest.fixture
def paths(tmp_path):
    for row, pixels in enumerate(PIXELS):
        Image.fromarray(pixels).save(tmp_path / f"{row}.png")
    return [str(tmp_path / f"{row}.png") for row in range(len(PIXELS))]


SINGLE_FORMS = {
    "str": lambda path: path,
    "Path": pathlib.Path,
    "np.str_": np.str_,
    "bytes": lambda path: pathlib.Path(path).read_bytes(),
    "bytearray": lambda path: bytearray(pathlib.Path(path).read_bytes()),
    "memoryview": lambda path: memoryview(pathlib.Path(path).read_bytes()),
    "open file": lambda path: pathlib.Path(path).open("rb"),  # noqa: SIM115
    "BytesIO at its end": lambda path: io.BytesIO(pathlib.Path(path).read_bytes()),
    "PIL": Image.open,
    "uint8": lambda path: PIXELS[0],
    "int64": lambda path: PIXELS[0].astype(np.int64),
    "uint16": lambda path: PIXELS[0].astype(np.uint16),
    "float32": lambda path: PIXELS[0].astype(np.float32),
    "float16": lambda path: PIXELS[0].astype(np.float16),
    "float64 in 0..1": lambda path: PIXELS[0] / 255,
    "float16 in 0..1": lambda path: (PIXELS[0] / 255).astype(np.float16),
    "bytes in a data URL": lambda path: "data:image/png;base64," + base64.b64encode(png(PIXELS[0])).decode(),
    "data URL with a parameter": lambda path: "DATA:;charset=x;base64," + base64.b64encode(png(PIXELS[0])).decode(),
    "BGR array, reversed": lambda path: np.ascontiguousarray(PIXELS[0, :, :, ::-1])[:, :, ::-1],
    "RGBA array": lambda path: np.concatenate([PIXELS[0], np.full((8, 6, 1), 255, np.uint8)], axis=2),
    "TensorFlow": lambda path: tensorflow_tensor(PIXELS[0]),
    "PyTorch": lambda path: Tensor(PIXELS[0]),
    "PyTorch, channels first": lambda path: Tensor(PIXELS[0].transpose(2, 0, 1)),
    "PyTorch, ToTensor": lambda path: Tensor((PIXELS[0].transpose(2, 0, 1) / 255).astype(np.float32)),
    "JAX": lambda path: DeviceArray(PIXELS[0]),
}


@pytest.mark.parametrize("form", SINGLE_FORMS)
def test_as_image_list_takes_every_form_of_one_image(paths, form):
    image = SINGLE_FORMS[form](paths[0])
    if form.endswith("at its end"):
        image.read()
    assert is_single_image(image)
    (only,) = as_image_list(image)
    np.testing.assert_array_equal(decode(only, None), PIXELS[0])
    np.testing.assert_array_equal(decode(SINGLE_FORMS[form](paths[0]), None), PIXELS[0])


@pytest.mark.parametrize("shape", [(8, 6), (8, 6, 1)])
def test_as_image_list_takes_gray_arrays_as_one_image(shape):
    (only,) = as_image_list(PIXELS[0, :, :, 0].reshape(shape))
    np.testing.assert_array_equal(decode(only, None), PIXELS[0, :, :, :1].repeat(3, axis=2))


MANY_FORMS = {
    "list": list,
    "tuple": tuple,
    "generator": lambda paths: (path for path in paths),
    "iterator": iter,
    "dict values": lambda paths: dict(enumerate(paths)).values(),
    "array of str": np.array,
    "array of objects": lambda paths: np.array(list(map(pathlib.Path, paths)), object),
    "Series": pd.Series,
    "Series, shuffled index": lambda paths: pd.Series(paths, index=[3, 5, 0, 1, 4, 2]),
    "Series, text index": lambda paths: pd.Series(paths, index=list("fedcba")),
    "categorical Series": lambda paths: pd.Series(paths, dtype="category"),
    "Index": pd.Index,
    "set": set,
    "frozenset": frozenset,
    "pixels": lambda paths: PIXELS,
    "float pixels": lambda paths: PIXELS.astype(np.float32),
    "pixels in 0..1": lambda paths: PIXELS / np.float32(255),
    "list of pixels": lambda paths: list(PIXELS),
    "Series of pixels": lambda paths: pd.Series(list(PIXELS), index=[3, 5, 0, 1, 4, 2]),
    "PyTorch": lambda paths: Tensor(PIXELS),
    "PyTorch, channels first": lambda paths: Tensor(PIXELS.transpose(0, 3, 1, 2) / 255),
    "list of tensors": lambda paths: list(map(Tensor, PIXELS)),
    "TensorFlow": lambda paths: tensorflow_tensor(PIXELS),
    "mixed": lambda paths: [paths[0], pathlib.Path(paths[1]), PIXELS[2], png(PIXELS[3]), *paths[4:]],
}


@pytest.mark.parametrize("form", MANY_FORMS)
def test_as_image_list_keeps_the_order_of_many_images(paths, form):
    images = MANY_FORMS[form](paths)
    assert not is_single_image(images)
    np.testing.assert_array_equal([decode(image, None) for image in as_image_list(images)], PIXELS)


@pytest.mark.parametrize("batch", [0, 1, 4])
def test_as_image_list_takes_a_dataset_of_images_or_batches(batch):
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices(PIXELS)
    images = as_image_list(dataset.batch(batch) if batch else dataset)
    np.testing.assert_array_equal(np.stack(images), PIXELS)


def test_as_image_list_of_a_dataset_of_encoded_images(paths):
    import tensorflow as tf

    encoded = [pathlib.Path(path).read_bytes() for path in paths]
    for dataset in (tf.data.Dataset.from_tensor_slices(encoded), tf.data.Dataset.from_tensor_slices(encoded).batch(4)):
        np.testing.assert_array_equal([decode(image, None) for image in as_image_list(dataset)], PIXELS)


def test_as_image_list_refuses_datasets_with_labels_or_without_end():
    import tensorflow as tf

    with pytest.raises(InputError, match="2 parts an element: pass the images alone"):
        as_image_list(tf.data.Dataset.from_tensor_slices((PIXELS, np.arange(6))))
    with pytest.raises(InputError, match=r"endless.*take\(n\)"):
        as_image_list(tf.data.Dataset.from_tensor_slices(PIXELS).repeat())


@pytest.mark.parametrize("none", [[], (), set(), np.array([]), PIXELS[:0], pd.Series([], dtype=str), iter(())])
def test_as_image_list_of_no_images_is_empty(none):
    assert as_image_list(none) == []


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        (None, "not NoneType"),
        (7, "not int"),
        ({"a.jpg": 1}, "not dict"),
        ([7], "not int"),
        ([PIXELS[0].tolist()], "not list"),
        (PIXELS[..., 0], r"array \[6, 8, 6\] of uint8: one image is \[h, w\]"),
        (PIXELS.transpose(0, 3, 1, 2), r"array \[6, 3, 8, 6\].*; move its channels to the end"),
        ("https://example.com/a.jpg", r"a\.jpg: a URL that is not read: pass the image's bytes, or save it"),
        ("data:image/svg+xml,%3Csvg", "a URL that is not read"),
        ("data:image/png;base64,iVBO*", r"data:image/png;base64,\.\.\. cannot be read .*; pass the whole URL"),
        (np.zeros((1, 2, 3, 4, 3)), r"array \[1, 2, 3, 4, 3\]"),
        (np.arange(5), r"array \[5\] of int64"),
        (pd.Series([1, 2]), r"array \[2\]"),
        (pd.Series(["a.jpg", float("nan")], dtype=object), "not float"),
        (pd.DataFrame({"path": ["a.jpg"]}), "pass its column of paths"),
        (pd.DataFrame(PIXELS[0, :, :, 0]), "pass its column of paths"),
        ({"a.jpg", b""}, "no order"),
        (io.StringIO("text"), "'rb'"),
    ],
)
def test_as_image_list_refuses_what_is_ambiguous_in_one_line(images, reason):
    with pytest.raises(InputError, match=reason) as refused:
        as_image_list(images)
    assert "\n" not in str(refused.value)


def test_a_dark_image_of_a_batch_has_the_range_of_its_batch():
    batch = np.stack([PIXELS[0].astype(np.float32), np.full((8, 6, 3), 0.7, np.float32)])
    np.testing.assert_array_equal(decode(as_image_list(batch)[1], None), np.ones((8, 6, 3)))


def test_as_image_list_refuses_a_closed_file(paths):
    file = pathlib.Path(paths[0]).open("rb")  # noqa: SIM115
    file.close()
    with pytest.raises(InputError, match="cannot be read"):
        as_image_list(file)


def test_decode_refuses_a_directory_and_offers_its_files(tmp_path):
    (image,) = as_image_list(tmp_path)
    with pytest.raises(ImageError, match="is a directory; pass its image files, or read it as a catalog"):
        decode(image, None)


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 77, (77, 77, 77)),
        ("LA", (77, 0), (255, 255, 255)),
        ("P", 0, (10, 20, 30)),
        ("PA", (0, 255), (10, 20, 30)),
        ("RGB", (1, 2, 3), (1, 2, 3)),
        ("RGBA", (9, 9, 9, 0), (255, 255, 255)),
        ("RGBa", (0, 0, 0, 0), (255, 255, 255)),
        ("RGBX", (1, 2, 3, 0), (1, 2, 3)),
        ("CMYK", (0, 0, 0, 255), (0, 0, 0)),
        ("YCbCr", (100, 128, 128), (100, 100, 100)),
        ("HSV", (0, 0, 80), (80, 80, 80)),
        ("LAB", (255, 128, 128), (255, 255, 255)),
        ("I", 200, (200, 200, 200)),
        ("F", 200.0, (200, 200, 200)),
        ("I;16", 65535, (255, 255, 255)),
        ("I;16", 257, (1, 1, 1)),
        ("I;16B", 25700, (100, 100, 100)),
    ],
)
def test_decode_takes_pil_images_in_every_mode(mode, value, expected):
    image = Image.new("P", (2, 3)) if mode in ("P", "PA") else Image.new(mode, (2, 3), value)
    if mode in ("P", "PA"):
        image.putpalette([10, 20, 30])
        image = image.convert(mode)
    np.testing.assert_allclose(decode(image, None), np.full((3, 2, 3), expected), atol=1)
