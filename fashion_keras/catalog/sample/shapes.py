"""Painters of the drawn sample: a function per kind of product, in product units on a `Canvas`."""

import numpy as np

from fashion_keras.catalog.sample.canvas import (
    GOLD,
    HAIR,
    HEELS,
    INK,
    LCD,
    PAPER,
    SLEEVES,
    Canvas,
    Color,
    blend,
    mirrored,
    points,
)


def _body(canvas: Canvas, shoulder: int, trousers: Color) -> None:
    for side in (-1, 1):
        canvas.limb(points("18 40, 22 170") * (side, 1), 19, 14, trousers)
        canvas.limb(points(f"{shoulder - 9} -64, {shoulder + 15} 42") * (side, 1), 9, 6, canvas.skin)
    canvas.fill(mirrored(f"10 -86, {shoulder} -74, 30 10, 36 50"), canvas.skin)
    if not canvas.men:
        canvas.oval((0, -110), (24, 34), HAIR)
    canvas.limb(points("0 -100, 0 -74"), 9, 10, canvas.skin)
    canvas.oval((0, -114), (17, 23), canvas.skin)


def _hanger(canvas: Canvas) -> None:
    canvas.line(points("-40 -72, 0 -90, 40 -72"), (150, 120, 90), 7)
    canvas.line(points("0 -90, 0 -104, 8 -112, 2 -120"), (150, 150, 156), 4)


def _sleeves(canvas: Canvas, shoulder: int, reach: float) -> None:
    for side in (-1, 1):
        start, wrist = points(f"{shoulder - 9} -64, {shoulder + 15} 42") * (side, 1)
        end, cuff = start + (wrist - start) * reach, start + (wrist - start) * (reach - 0.07)
        canvas.limb(np.stack([start, end]), 14, 11)
        canvas.limb(np.stack([cuff, end]), 12, 11.5, canvas.trim)


def _neckline(canvas: Canvas) -> None:
    inside = canvas.skin if canvas.worn else canvas.dark
    if canvas.appearance.neck == "Round Neck":
        canvas.oval((0, -80), (18, 13), canvas.trim)
        canvas.oval((0, -84), (13, 10), inside)
    elif canvas.appearance.neck == "V-Neck":
        canvas.fill(points("-20 -86, 20 -86, 0 -38"), canvas.trim)
        canvas.fill(points("-12 -88, 12 -88, 0 -54"), inside)
    else:  # a polo collar, which every shirt has too
        canvas.fill(points("-12 -86, 12 -86, 0 -66"), inside)
        canvas.line(points("0 -68, 0 -36"), canvas.dark, 5)
        for side in (-1, 1):
            canvas.fill(points("13 -92, 0 -68, 18 -56, 25 -80") * (side, 1), canvas.trim)


def top(canvas: Canvas, hem: int, flare: int, buttons: int) -> None:
    """Draw a top, shirt or dress: broad and straight for men, narrow with a waist for women."""
    shoulder, waist = (47, 38) if canvas.men else (38, 25)
    reach, low, tail = SLEEVES[canvas.appearance.sleeve], waist + flare, hem + 10 if buttons else hem
    if canvas.worn:
        _body(canvas, shoulder, canvas.skin if hem > 100 else canvas.other)
    elif canvas.style < 3:
        _hanger(canvas)
    if reach:
        _sleeves(canvas, shoulder, reach)
    edge = shoulder if reach else shoulder - 13
    canvas.fill(mirrored(f"13 -84, {edge} -74, {shoulder - 5} -36, {waist} -2, {low} {hem}, 10 {tail}"))
    canvas.line(points(f"-{low} {hem}, -10 {tail}, 10 {tail}, {low} {hem}"), canvas.trim, 7)
    if flare > 10:
        canvas.line(points(f"-{waist} -2, {waist} -2"), canvas.dark, 6)
    _neckline(canvas)
    for step in range(buttons):
        canvas.oval((5, 25 * step - 45), (3.5, 3.5), PAPER)
    side, border = f"{10 - shoulder} -30, {8 - low} {hem}", f"{4 - low} {hem - 12}, {low - 4} {hem - 12}"
    canvas.mark("20 -34", f"0 -50, 0 {hem}", side, border)


def legs(canvas: Canvas, waist: int, crotch: int, hem: int, ankle: int) -> None:
    """Draw jeans or shorts: straight for men, with a waist and a taper for women."""
    middle, hip, ankle = (37, 40, ankle) if canvas.men else (28, 42, ankle - 5)
    inner, outer = 25 - ankle, 25 + ankle
    if canvas.worn:
        canvas.fill(mirrored(f"42 {waist - 80}, {middle + 2} {waist + 12}"), canvas.other)
    for side in (-1, 1):
        if canvas.worn:
            canvas.limb(points(f"23 {crotch}, 27 {hem + 70}") * (side, 1), 12, 7, canvas.skin)
        leg = f"0 {waist}, {middle} {waist}, {hip} {crotch - 20}, {outer} {hem}, {inner} {hem}, 0 {crotch}"
        canvas.fill(points(leg) * (side, 1))
        canvas.line(points(f"{inner} {hem}, {outer} {hem}") * (side, 1), canvas.trim, 9)
        canvas.line(points(f"{hip} {waist + 32}, 20 {waist + 24}, 16 {waist}") * (side, 1), GOLD)
    canvas.line(points(f"-{middle} {waist}, {middle} {waist}"), canvas.trim, 8)
    canvas.line(points(f"0 {waist}, 0 {crotch}"), GOLD, 3)
    side, border = f"{hip - 7} {crotch}, {outer - 7} {hem - 6}", f"{inner} {hem - 16}, {outer} {hem - 16}"
    canvas.mark(f"20 {waist + 14}", f"24 {crotch}, 24 {hem - 10}", side, border)


def shoe(canvas: Canvas, sole: int, rise: int) -> None:
    """Draw a laced shoe from the side: round and high for men, pointed and low for women."""
    floor, low, tip = 34 + sole, 0 if canvas.men else 9, 90 if canvas.men else 102
    if canvas.worn:
        canvas.limb(points("-50 -140, -46 10"), 26, 20, canvas.skin)
    canvas.fill(points(f"-84 22, 30 26, {tip} {30 - rise}, 86 {floor}, -82 {floor}"), canvas.trim, 1)
    back = f"-80 30, -84 {low - 26}, -74 {low - 36}, -28 {low - 30}, -16 {low - 30}"
    canvas.fill(points(f"{back}, 30 {low - 4}, 74 {low + 4 - rise}, {tip} {30 - rise}, 86 32"), None, 2)
    canvas.fill(points("-78 -31, -30 -28, -34 -14, -74 -14") + [0, low], canvas.trim, 1)
    for step in range(4):
        canvas.line(points("-14 -22, -26 -4") + [13 * step, 6.5 * step + low / 2], PAPER, 4.5)
    for x in range(-70, 80, 18) if rise else ():
        canvas.line(points(f"{x} {floor - 12}, {x + 5} {floor}"), canvas.dark, 5)
    canvas.mark("-50 6", "-62 4, 60 18", "16 -4, -26 26", "-74 22, 80 24")


def heels(canvas: Canvas) -> None:
    """Draw a woman's shoe on its heel: a sandal or a pump, by its style."""
    height, foot = HEELS[canvas.appearance.heel]
    y = 36 - height
    if canvas.worn:
        canvas.limb(points(f"-50 {y - 150}, -54 {y - 10}"), 22, 12, canvas.skin)
        canvas.fill(points(f"-68 {y - 20}, -40 {y - 24}, 50 12, 80 34, -50 {y}"), canvas.skin, 1)
    canvas.fill(points(f"-74 {y}, -30 {y + 2}, 20 36, 86 36, 84 42, 14 42, -40 {y + 12}, -72 {y + 8}"), canvas.trim)
    canvas.fill(points(f"-74 {y + 3}, {foot - 64} {y + 8}, {foot - 74} 44, -72 44"), canvas.dark)
    if canvas.style % 2:  # a heel cap and an ankle strap
        canvas.fill(points(f"-76 {y + 2}, -78 {y - 22}, -60 {y - 20}, -30 {y}, -50 {y + 6}"), None, 1)
        canvas.line(points(f"-68 {y - 16}, -40 {y - 30}, -24 {y - 2}"), canvas.base, 6)
    else:
        side = f"-76 {y + 2}, -78 {y - 22}, -60 {y - 20}, -8 {y / 2 + 6}, 30 18, 50 26, 20 40, -34 {y + 8}"
        canvas.fill(points(side), None, 1)
    canvas.fill(points("16 38, 30 10, 56 14, 90 36"), None, 1)
    canvas.mark("50 26", "30 28, 80 34", "30 14, 44 36", "20 33, 86 33")


def flip_flops(canvas: Canvas) -> None:
    """Draw a pair of flip flops from above: broad for men, narrow in the middle for women."""
    slim = 0 if canvas.men else 8
    half = points(f"-86 0, -78 {slim - 24}, -20 {slim - 21}, 40 {slim - 33}, 84 {slim - 26}, 96 0")
    sole = np.concatenate([half, half[-2:0:-1] * (1, -1)])
    for shift in ((-6, -34), (6, 30)):
        canvas.fill(sole + shift + (0, 10), canvas.trim, 2)
        canvas.fill(sole + shift, None, 2)
        for side in (-1, 1):
            canvas.line(points("-20 18, 16 15, 50 0") * (1, side) + shift, canvas.contrast, 9)
    canvas.mark("-50 30", "-70 30, 10 30", "-54 12, -40 48", "-70 30, 30 30")


def watch(canvas: Canvas) -> None:
    """Draw a watch with its display: large for men, slender for women."""
    size, strap = (46, 27) if canvas.men else (33, 20)
    if canvas.worn:
        canvas.limb(points("-160 10, 160 -10"), 48, 40, canvas.skin)
    canvas.fill(mirrored(f"{strap - 5} -110, {strap} -30, {strap} 30, {strap - 5} 110"))
    canvas.mark("0 75", "0 50, 0 100", "0 -105, 0 -40", f"-{strap} -72, {strap} -72")
    face = _digits if canvas.appearance.display == "Digital" else _dial
    face(canvas, size)


def _digits(canvas: Canvas, size: int) -> None:
    canvas.fill(mirrored(f"{size} -{size}, {size} {size}"), canvas.trim, 1)
    canvas.fill(mirrored("72 -50, 72 50") * (size / 100), LCD)
    for x in (-50, -15, 20, 50):
        canvas.line(points(f"{x} -30, {x} 30") * (size / 100), INK, 7)


def _dial(canvas: Canvas, size: int) -> None:
    canvas.oval((0, 0), (size, size), canvas.trim)
    canvas.oval((0, 0), (size * 0.8, size * 0.8), blend(canvas.base, PAPER, 0.7))
    if canvas.appearance.display == "Chronograph":
        for center in points("-36 0, 36 0, 0 40") * (size / 100):
            canvas.oval(center, (size * 0.25, size * 0.25), canvas.dark)
        for side in (-1, 1):
            canvas.limb(points("85 50, 125 60") * (size / 100, side * size / 100), 6, 6, canvas.dark)
    canvas.line(points("0 -66, 0 0, 45 -20") * (size / 100), INK, 6)


def handbag(canvas: Canvas) -> None:
    """Draw a handbag, tall or low by its style."""
    rim = -22 - 10 * (canvas.style % 3)
    if canvas.worn:
        canvas.limb(points("50 -160, 3 -74"), 14, 8, canvas.skin)
    canvas.line(points("-40 -10, -34 -50, -14 -74, 14 -74, 34 -50, 40 -10"), canvas.dark, 8)
    canvas.fill(mirrored(f"56 {rim + 2}, 84 66"), None, 1)
    canvas.fill(mirrored(f"60 {rim}, 62 {rim + 16}"), canvas.trim)
    canvas.oval((0, 6), (8, 8), GOLD)
    canvas.mark("36 28", "-40 26, 40 26", "46 0, 60 60", "-68 46, 68 46")


def backpack(canvas: Canvas) -> None:
    """Draw a backpack: large and square for men, small and round for women."""
    wide, rounds = (62, 1) if canvas.men else (50, 2)
    canvas.line(points("-14 -80, -12 -102, 12 -102, 14 -80"), canvas.dark, 8)
    for side in (-1, 1):
        canvas.line(points(f"36 -70, {wide + 14} -20, {wide + 10} 60, 36 76") * (side, 1), canvas.dark, 10)
    canvas.fill(mirrored(f"30 -94, {wide - 6} -70, {wide} 20, {wide} 84"), None, rounds)
    canvas.fill(mirrored(f"{wide - 15} 12, {wide - 15} 72"), canvas.dark if canvas.style % 2 else None, 1)
    canvas.line(points(f"{15 - wide} -36, 0 -50, {wide - 15} -36"), canvas.trim, 7)
    canvas.line(points(f"{18 - wide} 22, {wide - 18} 22"), canvas.trim, 7)
    canvas.mark("0 46", "0 -40, 0 10", f"{wide - 24} -70, {wide - 18} 70", f"{10 - wide} -14, {wide - 10} -14")


def sunglasses(canvas: Canvas) -> None:
    """Draw sunglasses: square lenses for men, large round ones for women."""
    if canvas.worn:
        canvas.oval((0, 0), (94, 124), HAIR)
        canvas.oval((0, 18), (82, 112), canvas.skin)
        canvas.line(points("-14 72, 0 76, 14 72"), (170, 80, 80), 6)
    for side in (-1, 1):
        canvas.line(points("80 -20, 92 -34, 70 -50") * (side, 1), canvas.trim, 9)
        if canvas.men:
            canvas.fill(points("8 -24, 84 -26, 76 22, 16 20") * (side, 1))
            canvas.fill(points("18 -15, 74 -17, 68 13, 23 12") * (side, 1), INK)
        else:
            canvas.oval((side * 46, 0), (40, 36))
            canvas.oval((side * 46, 0), (31, 27), INK)
    canvas.line(points("-10 -12, 0 -17, 10 -12"), canvas.base, 8)
    canvas.mark("56 5", "-80 -26, 80 -26", "26 12, 60 -16", "-80 -26, 80 -26")
