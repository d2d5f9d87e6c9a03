"""A shop small enough to check by hand: pictures of 8 x 6 pixels, and an encoder that passes them on."""

import numpy as np
from PIL import Image

from fashion_keras.features.encoder import Encoder
from fashion_keras.images.spec import ImageSpec

TAXONOMY = """\
product_types:
  - {name: watch, column: article_type, values: [Watches]}
  - {name: shoe, column: article_type, values: [Shoes]}
attributes:
  - {name: dial, kind: single, labels: [Dark, Light], column: dial, applies_to: [watch]}
  - {name: cloth, kind: multi, labels: [Canvas, Suede], column: cloth, applies_to: [shoe]}
  - {name: gender, kind: single, labels: [Men, Women], column: gender}
  - {name: strap, kind: single, labels: [Long, Short], column: strap, applies_to: [watch]}
"""
HEADER = "id,articleType,productDisplayName,gender,dial,cloth\n"
PLACES = {"Watches": (0, 0), "Shoes": (0, 3), "Cakes": (4, 0)}
SIGNS = {"Dark": (6, 3), "Light": (6, 4), "Canvas": (6, 5), "Suede": (7, 3), "Men": (7, 4), "Women": (7, 5)}


def forward(pixels):
    """The gray pixels [n, 48], less their mean, of length 1."""
    flat = pixels.mean(axis=3).reshape(len(pixels), -1) - 100
    return (flat / np.linalg.norm(flat, axis=1, keepdims=True)).astype(np.float32)


def toy_encoder(identity="toy-1"):
    return Encoder("toy", ImageSpec(8, 6), forward, "tensorflow", "float32", identity, unit_norm=True)


def picture(kind, signs, seed):
    """Noise with a bright patch for the type and a bright pixel for each sign."""
    pixels = np.random.default_rng(seed).normal(100, 12, (8, 6))
    row, column = PLACES[kind]
    pixels[row : row + 3, column : column + 3] += 100
    for sign in signs:
        pixels[SIGNS[sign]] += 150
    return np.repeat(pixels.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def signs_of(number):
    """What product `number` is, and what its picture shows: its type, its gender, and its dial or cloths."""
    kind = ("Watches", "Shoes", "Watches", "Shoes", "Cakes")[number % 5]
    gender = ("Men", "Women")[number // 5 % 2]
    dial = ("Dark", "Light")[number // 10 % 2] if kind == "Watches" else ""
    cloths = (("Canvas",), ("Suede",), ("Canvas", "Suede"))[number // 10 % 3] if kind == "Shoes" else ()
    return kind, gender, dial, cloths


def write_shop(folder, count, broken=()):
    """A catalog of `count` products; the images of those in `broken` are."""
    (folder / "images").mkdir(parents=True)
    lines = []
    for number in range(count):
        kind, gender, dial, cloths = signs_of(number)
        path = folder / "images" / f"{number + 1}.png"
        if number in broken:
            path.write_bytes(b"\x89PNG\r\n\x1a\n broken")
        else:
            signs = ("Dark", "Canvas", gender) if kind == "Cakes" else (gender, *cloths, *filter(None, [dial]))
            Image.fromarray(picture(kind, signs, number)).save(path)
        lines.append(f"{number + 1},{kind},{kind} number {number},{gender},{dial},{'|'.join(cloths)}\n")
    (folder / "styles.csv").write_text(HEADER + "".join(lines))
    return folder
