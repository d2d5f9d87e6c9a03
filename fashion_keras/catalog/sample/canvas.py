"""Canvas of the drawn sample: pose, cloth and marks of a single product."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw

Color = tuple[int, int, int]
SIZE = (240, 320)  # four times the image's, for smooth edges
UNIT = 1.2  # pixels of a product unit: an image spans x -100..100 rightwards and y -133..133 downwards
SLEEVES = {"Sleeveless": 0.0, "Short Sleeve": 0.4, "3/4 Sleeve": 0.7, "Long Sleeve": 1.0}  # share of the arm
HEELS = {"Flat": (4, 30), "Block": (40, 24), "Stiletto": (56, 8)}  # height, width
SKINS = ((238, 200, 170), (216, 168, 132), (172, 120, 84), (120, 80, 56))
GOLD, INK, PAPER, LCD, HAIR = (222, 178, 70), (44, 44, 50), (250, 250, 248), (176, 190, 164), (60, 40, 30)
COLORS: dict[str, Color] = {
    "Black": (38, 38, 42),
    "White": (238, 238, 236),
    "Blue": (52, 104, 190),
    "Navy Blue": (30, 40, 92),
    "Brown": (112, 72, 44),
    "Grey": (136, 138, 142),
    "Red": (200, 36, 44),
    "Green": (54, 132, 72),
    "Pink": (236, 128, 168),
    "Purple": (116, 64, 142),
    "Yellow": (240, 204, 60),
    "Beige": (214, 190, 154),
    "Maroon": (112, 24, 48),
    "Orange": (238, 122, 36),
}
# Season -> the color that the cloth leans to, how far it leans, and the trim of collar, cuffs, edges and linings.
SEASONS: dict[str, tuple[Color, float, Color]] = {
    "Summer": (PAPER, 0.0, (252, 248, 238)),
    "Fall": ((120, 80, 40), 0.16, (196, 98, 36)),
    "Winter": ((16, 20, 40), 0.24, (142, 190, 234)),
    "Spring": (PAPER, 0.2, (138, 216, 150)),
}


@dataclass(frozen=True)
class ProductAppearance:
    """Attributes that an image shows of its product; "" for those that the article type lacks."""

    gender: str
    color: str
    season: str
    usage: str
    pattern: str = ""
    neck: str = ""
    sleeve: str = ""
    heel: str = ""
    display: str = ""


def points(text: str) -> np.ndarray:
    """Return the points [n, 2] of "x y, x y, ..."."""
    return np.array([pair.split() for pair in text.split(",")], dtype=float)


def mirrored(half: str) -> np.ndarray:
    """Return the closed outline [2n, 2] whose right half is given, from top to bottom."""
    return np.concatenate([points(half), points(half)[::-1] * (-1, 1)])


def blend(first: ArrayLike, second: ArrayLike, share: float) -> Color:
    """Return the color that lies `share` of the way from `first` to `second`, within 0..255."""
    return tuple(np.clip(np.add(first, np.subtract(second, first) * share), 0, 255).astype(int).tolist())


def _rounded(outline: np.ndarray, rounds: int) -> np.ndarray:
    for _ in range(rounds):  # Chaikin's curve: cut every corner
        ahead = np.roll(outline, -1, axis=0)
        outline = np.stack([0.75 * outline + 0.25 * ahead, 0.25 * outline + 0.75 * ahead], axis=1).reshape(-1, 2)
    return outline


class Canvas:
    """Transparent paper on which painters draw one posed product, in product units.

    Every random choice is made here, none by a painter, so that an attribute changes nothing but itself.
    """

    def __init__(self, appearance: ProductAppearance, pose: Generator, cloth: Generator) -> None:
        """Draw pose, wearer and style from `pose`; the color's jitter, the folds and the print from `cloth`."""
        self.appearance, self.men = appearance, appearance.gender == "Men"
        self.paper = Image.new("RGBA", SIZE)
        self.pen = ImageDraw.Draw(self.paper)
        self._choose_pose(pose)
        self.worn, self.style = pose.random() < 0.5, int(pose.integers(6))
        self.skin, self.other = SKINS[pose.integers(4)], list(COLORS.values())[pose.integers(len(COLORS))]
        jittered = np.multiply(COLORS[appearance.color], cloth.uniform(0.88, 1.1)) + cloth.normal(0, 3, 3)
        towards, share, self.trim = SEASONS[appearance.season]
        self.base = blend(jittered, towards, share)
        self.dark = blend(self.base, (0, 0, 0), 0.35)
        self.contrast = PAPER if sum(self.base) < 400 else INK
        self.cloth = self._weave(cloth)

    def _choose_pose(self, rng: Generator) -> None:
        angle, size, stretch = rng.normal(0, 0.09), rng.uniform(0.8, 1.1), rng.uniform(0.9, 1.12)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        shape = [[rng.choice([-1, 1]) * size * stretch, rng.normal(0, 0.05)], [0, size / stretch]]
        self.matrix, self.origin = turn @ shape * UNIT, np.array(SIZE) / 2 + rng.normal(0, 9, 2) * UNIT

    def _weave(self, rng: Generator) -> Image.Image:
        """Return an image of cloth: the base color, folds, and the pattern."""
        cloth, pattern = Image.new("RGBA", SIZE, self.base), self.appearance.pattern
        pen, ink = ImageDraw.Draw(cloth), blend(self.base, self.contrast, 0.62)
        for x, y, lean in rng.uniform(-100, 100, (7, 3)):
            pen.line(self.place([(x, y), (x + 0.3 * lean, y + 60)]), blend(self.base, (0, 0, 0), 0.13), 9)
        for at in np.arange(-200, 200, 22) + rng.uniform(0, 20):
            if pattern in ("Striped", "Checked"):
                pen.line(self.place([(-200, at), (200, at)]), ink, 9)
            if pattern == "Checked":
                pen.line(self.place([(at, -200), (at, 200)]), ink, 9)
        for x, y in self.place(rng.uniform(-130, 130, (110, 2))) if pattern == "Printed" else ():
            pen.ellipse((x - 9, y - 9, x + 9, y + 9), ink if x > y - 40 else blend(self.other, self.contrast, 0.3))
        return cloth

    def place(self, points: ArrayLike) -> list[tuple[float, float]]:
        """Return where the pose puts points [n, 2] on the paper, in pixels."""
        return [tuple(point) for point in (np.asarray(points) @ self.matrix.T + self.origin).tolist()]

    def fill(self, outline: np.ndarray, color: Color | None = None, rounds: int = 0) -> None:
        """Fill an outline [n, 2], its corners rounded, with a color or else with the cloth; draw its edge."""
        placed = self.place(_rounded(outline, rounds))
        if color:
            self.pen.polygon(placed, color)
        else:
            mask = Image.new("1", SIZE)
            ImageDraw.Draw(mask).polygon(placed, 1)
            self.paper.paste(self.cloth, mask=mask)
        self.pen.line([*placed, placed[0]], blend(color or self.base, (0, 0, 0), 0.3), 3)

    def line(self, points: ArrayLike, color: Color, width: float = 4) -> None:
        """Draw a line through points [n, 2]."""
        self.pen.line(self.place(points), color, round(width * UNIT), joint="curve")

    def oval(self, center: ArrayLike, radii: ArrayLike, color: Color | None = None) -> None:
        """Fill an ellipse with a color or else with the cloth."""
        turns = np.linspace(0, 2 * np.pi, 28, endpoint=False)
        self.fill(np.stack([np.cos(turns), np.sin(turns)], axis=1) * radii + center, color)

    def limb(self, ends: np.ndarray, start: float, end: float, color: Color | None = None) -> None:
        """Fill a tapering arm, leg or sleeve along `ends` [2, 2]; `start` and `end` are its half widths."""
        across = np.subtract(*ends)[::-1] * (1, -1) / np.linalg.norm(np.subtract(*ends))
        offsets = np.outer((start, end, -end, -start), across)
        self.fill(ends[[0, 1, 1, 0]] + offsets, color)

    def mark(self, badge: str, front: str, side: str, hem: str) -> None:
        """Show the usage: a label (casual), stripes down the side (sports), studs in front (formal), a gold border."""
        if self.appearance.usage == "Casual":
            self.fill(points("-9 -7, 9 -7, 9 7, -9 7") + points(badge), PAPER)
            self.line(points("-5 0, 5 0") + points(badge), INK)
        elif self.appearance.usage == "Sports":
            self.line(points(side), self.contrast, 17)
            self.line(points(side), self.base, 5)
        elif self.appearance.usage == "Formal":
            self.line(points(front), self.dark, 13)
            for center in np.linspace(*points(front), 5):
                self.oval(center, (4.5, 4.5), GOLD)
        else:
            self.line(points(hem), INK, 16)
            self.line(np.linspace(*points(hem), 16) + np.tile(points("0 5, 0 -5"), (8, 1)), GOLD, 5)
