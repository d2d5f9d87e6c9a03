"""Input contract of an export: how an image becomes the network's input, with golden images to prove it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fashion_keras.catalog.label_groups import LabelGroup, group_slices
from fashion_keras.features.runtime import parity_images
from fashion_keras.images.decode import decode
from fashion_keras.images.spec import ImageSpec
from fashion_keras.models.classifier import ClassifierSpec, Forward
from fashion_keras.models.serialization import Spec
from fashion_keras.support.json_record import JsonRecord

GOLDEN = "golden"
# Largest difference of a pixel, of 255, and of an output, that a client may have from the golden files.
PIXEL_TOLERANCE, OUTPUT_TOLERANCE = 1, 1e-3

_STEPS = (
    "decode; turn upright by the EXIF orientation; put transparent images on white; convert to RGB of 8 bits",
    "leave an image that already has height x width as it is",
    "resize to the inner size, round(side * scale) with halves to even: width first, then height, rounded to 8 bits "
    "after each; the filter is widened by the factor of reduction (antialiased, Pillow's Image.resize)",
    "center on the pad color: top = (height - inner height) // 2, left = (width - inner width) // 2",
    "convert to float32 in 0..255; the network itself scales it",
)
_NOTE = (
    "This package decodes a JPEG of at least three times the network's size at 1/2, 1/4 or 1/8 of its own: such pixels "
    "differ from these steps by 0.6 of 255 in the mean."
)


@dataclass(frozen=True, kw_only=True)
class Contract(JsonRecord):
    """What a client must know of an export; contract.json.

    Attributes:
        kind: classifier or encoder.
        model_format, file: of the network.
        input: name, shape, dtype, layout, color order and range of its tensor.
        resize: height, width, fit, interpolation, pad color and steps.
        output: name, width, and of a classifier the groups of labels with their columns.
        golden: images with their pixels and outputs, and the tolerances.
    """

    FORMAT: ClassVar[str] = "fashion_keras.contract/1"
    FILE: ClassVar[str] = "contract.json"

    name: str
    kind: str
    model_format: str
    file: str
    input: dict[str, Any]
    resize: dict[str, Any]
    output: dict[str, Any]
    golden: dict[str, Any]


def make_contract(name: str, spec: Spec, model_format: str, file: str, width: int, golden: dict[str, Any]) -> Contract:
    """Return the contract of an exported network with outputs [b, width]; `golden` as `write_golden` returns it."""
    image = spec.image_spec
    is_classifier = isinstance(spec, ClassifierSpec)
    output: dict[str, Any] = {"name": "probabilities" if is_classifier else "embedding", "width": width}
    if is_classifier:
        output["groups"] = _groups(spec.groups)
    return Contract(
        name=name,
        kind="classifier" if is_classifier else "encoder",
        model_format=model_format,
        file=file,
        input={
            "name": "pixels",
            "shape": [None, image.height, image.width, 3],
            "dtype": "float32",
            "layout": "NHWC",
            "color_order": "RGB",
            "range": [0, 255],
        },
        resize={**vars(image), "pad_color": [255, 255, 255], "steps": [*_STEPS], "note": _NOTE},
        output=output,
        golden=golden,
    )


def _groups(groups: tuple[LabelGroup, ...]) -> list[dict[str, Any]]:
    columns = group_slices(groups)
    return [
        {
            "name": group.name,
            "kind": group.kind,
            "columns": [columns[group.name].start, columns[group.name].stop],
            "classes": list(group.classes),
            # A multi-valued group predicts each label from its threshold on; null: never.
            **({"thresholds": list(group.thresholds or (0.5,) * len(group.classes))} if group.kind == "multi" else {}),
        }
        for group in groups
    ]


def golden_images(spec: ImageSpec) -> dict[str, Image.Image]:
    """Return drawn images that try a resizer: reduced, enlarged, wide, tall, transparent, and of the network's size.

    Each has a shaded ellipse, and stripes one to three pixels wide, which a filter without antialiasing breaks.
    """
    sizes = {"large": (500, 701), "tall": (331, 123), "small": (40, 31), "exact": (spec.height, spec.width)}
    images = {name: Image.fromarray(_striped(*size)) for name, size in sizes.items()}
    transparent = Image.fromarray(_striped(200, 150)).convert("RGBA")
    transparent.putalpha(Image.fromarray(np.linspace(0, 255, 200).astype(np.uint8)[:, None].repeat(150, axis=1)))
    return {**images, "transparent": transparent}


def _striped(height: int, width: int) -> NDArray[np.uint8]:
    pixels = parity_images((height, width, 3), 1)[0].astype(np.uint8)
    rows, columns = np.indices((height, width))
    stripes = (rows + columns) // (1 + 3 * columns // width) % 2 == 0
    pixels[(rows > height // 2) & stripes] //= 2
    return pixels


def write_golden(folder: Path, spec: ImageSpec, forward: Forward) -> dict[str, Any]:
    """Write golden images, as PNG, and their pixels [h, w, 3], as raw bytes; return the contract's `golden`.

    `forward` is the network in Keras: pixels [b, h, w, 3] -> outputs [b, k].
    """
    (folder / GOLDEN).mkdir()
    rows = []
    for name, image in golden_images(spec).items():
        path = folder / GOLDEN / f"{name}.png"
        image.save(path)
        pixels = decode(path, spec)
        path.with_suffix(".rgb").write_bytes(pixels.tobytes())
        output = forward(pixels[None].astype(np.float32))[0]
        files = {"image": f"{GOLDEN}/{name}.png", "pixels": f"{GOLDEN}/{name}.rgb"}
        rows.append({**files, "output": [float(value) for value in output]})
    return {"pixel_tolerance": PIXEL_TOLERANCE, "output_tolerance": OUTPUT_TOLERANCE, "images": rows}
