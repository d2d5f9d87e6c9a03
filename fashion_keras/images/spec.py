"""Image size specification: the size that every image is brought to, and how."""

import re
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from fashion_keras.support.errors import InputError, unknown_name_error

FITS = ("pad", "crop", "stretch")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")

# Fractions at which libjpeg-turbo decodes fast, and how many times the target must remain for the resize after it.
_REDUCTIONS, _MARGIN = (8, 4, 2), 1.5


@dataclass(frozen=True)
class ImageSpec:
    """Size that every image is brought to, and how; InputError for a size below 1 and for an unknown name.

    `fit`: "pad" keeps the aspect ratio and centers the image on white (gutierrez2019), "crop" keeps it, fills the
    target and cuts off what sticks out on both sides alike, "stretch" does not keep it.
    `interpolation`: nearest, bilinear, bicubic or lanczos, as Pillow has them: antialiased when they shrink.
    """

    height: int
    width: int
    fit: str = "pad"
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        for side in ("height", "width"):
            value = getattr(self, side)
            if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
                raise InputError(f"image {side} must be a positive whole number, not {value!r}")
            object.__setattr__(self, side, int(value))
        for kind, value, known in (("fit", self.fit, FITS), ("interpolation", self.interpolation, INTERPOLATIONS)):
            if value not in known:
                raise unknown_name_error(kind, value, known)

    def scale(self, height: int, width: int) -> float:
        """Return the factor by which an image of `height` x `width` pixels is resized; of a stretch, the larger one."""
        factors = self.height / height, self.width / width
        return min(factors) if self.fit == "pad" else max(factors)

    def reduction(self, height: int, width: int) -> int:
        """Return 8, 4, 2 or 1: the part of its sides at which an image of `height` x `width` pixels may be decoded.

        At least 1.5 times the pixels of the target remain on each side; "nearest", which copies pixels, needs them all.

        >>> ImageSpec(224, 224).reduction(2000, 1500), ImageSpec(80, 60).reduction(224, 168)
        (4, 1)
        """
        if self.interpolation == "nearest":
            return 1
        room = 1 / (_MARGIN * self.scale(height, width))
        return next((part for part in _REDUCTIONS if part <= room), 1)


def parse_image_size(size: Any) -> tuple[int, int]:  # noqa: ANN401 - whatever a caller passes
    """Return (height, width) of "80x60", (80, 60), [80, 60], or of the side of a square: 224 or "224".

    >>> parse_image_size("80x60"), parse_image_size(224)
    ((80, 60), (224, 224))

    Raises:
        InputError: for anything else, and for sides below 1.
    """
    if isinstance(size, str):
        match = re.fullmatch(r"([1-9]\d{0,5})(?:x([1-9]\d{0,5}))?", size)
        sides = (int(match[1]), int(match[2] or match[1])) if match else ()
    else:
        sides = (size, size) if isinstance(size, Integral) else tuple(size) if isinstance(size, tuple | list) else ()
    if len(sides) != 2 or any(isinstance(side, bool) or not isinstance(side, Integral) or side < 1 for side in sides):
        raise InputError(f"image size is HEIGHTxWIDTH in pixels, such as 80x60, (80, 60) or 224, not {size!r}")
    return int(sides[0]), int(sides[1])
