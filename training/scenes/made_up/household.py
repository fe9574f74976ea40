"""Made-up things of the house: candles and lamps, shoes, a dog.

Each function draws one of its class, in metres, front towards -y.
"""

from __future__ import annotations

import numpy as np

from ..assets import Material, MeshPart
from .materials import ceramic, cloth, colour, dark, glass, metal, wood
from .shapes import (
    Maker,
    Parts,
    Point,
    box,
    disc,
    ellipsoid,
    lathe,
    legs_at,
    rotation,
    tube,
    turned,
)
from .tableware import vessel


def candle(rng: np.random.Generator) -> Parts:
    kind = rng.choice(
        ["bare", "dish", "stick", "glass", "branches", "group", "lantern"],
        p=[0.2, 0.15, 0.2, 0.15, 0.12, 0.1, 0.08],
    )
    height, radius = rng.uniform(0.05, 0.2), rng.uniform(0.012, 0.045)
    wax = Material(colour(rng), specular=0.1, shininess=20)
    if rng.random() < 0.3:
        wax = Material((0.95, 0.92, 0.82), specular=0.1, shininess=20)
    holder = (metal(rng), wood(rng), ceramic(rng))[rng.integers(3)]
    if kind == "branches":
        return _candelabrum(rng, wax, metal(rng))
    base, parts = 0.0, list[MeshPart]()
    if kind == "dish":
        base, rim = 0.008, radius * rng.uniform(1.4, 2.2)
        parts.append(
            lathe([(0, 0), (rim, 0), (rim * 1.1, 0.018), (rim, 0.012), (0, 0.008)], holder)
        )
    elif kind == "stick":
        base, radius = rng.uniform(0.04, 0.2), rng.uniform(0.009, 0.016)
        parts.append(lathe(_turned_foot(rng, radius, base), holder))
    elif kind == "glass":
        jar = glass(rng, rng.random() < 0.5)
        foot, mouth = rng.uniform(0.6, 1.0), radius * 1.25 + 0.004
        height = min(height, rng.uniform(0.04, 0.12))
        parts += vessel(mouth, height * 1.15, [(0, 0), (foot, 0), (1, 0.5), (1, 1)], jar, 0.95)
        base, height, radius = 0.003, height * rng.uniform(0.3, 0.8), radius * foot
    elif kind == "group":
        rim = rng.uniform(0.08, 0.12)
        parts.append(lathe([(0, 0), (rim, 0), (rim * 1.05, 0.012), (0, 0.008)], holder))
        for angle in np.arange(3) * 2 * np.pi / 3 + rng.uniform(0, 2):
            at = (rim * 0.5 * np.cos(angle), rim * 0.5 * np.sin(angle), 0.008)
            parts += _stick(rng, rng.uniform(0.015, rim * 0.38), rng.uniform(0.04, 0.15), wax, at)
        return parts
    elif kind == "lantern":
        side, base = rng.uniform(0.04, 0.07), 0.012
        height, radius = rng.uniform(0.05, 0.1), side * 0.5
        tall = height * 1.6
        parts = [box((2.3 * side, 2.3 * side, base), (0, 0, base / 2), holder)]
        corners = [(x * side, y * side) for x in (-1, 1) for y in (-1, 1)]
        parts += legs_at(corners, tall, 0.005, holder)
        parts.append(lathe([(side * 1.6, tall), (side * 0.4, tall * 1.3), (0, tall * 1.3)], holder))
    return parts + _stick(rng, radius, height, wax, (0, 0, base))


def table_lamp(rng: np.random.Generator) -> Parts:
    height = rng.uniform(0.24, 0.4)
    shade = height * rng.uniform(0.25, 0.38)
    return _lamp(rng, height, shade, rng.uniform(0.3, 0.45) * height, fat=rng.random() < 0.6)


def floor_lamp(rng: np.random.Generator) -> Parts:
    height = rng.uniform(1.2, 1.9)
    kind = rng.random()
    if kind < 0.4:
        return _bent_lamp(rng, height, arching=kind < 0.2)
    return _lamp(rng, height, rng.uniform(0.14, 0.24), rng.uniform(0.15, 0.32), fat=False)


def shoes(rng: np.random.Generator) -> Parts:
    length, width = rng.uniform(0.22, 0.29), rng.uniform(0.07, 0.095)
    upper = dark(rng) if rng.random() < 0.35 else cloth(rng)
    sole, lining = cloth(rng), dark(rng)
    ankle = rng.uniform(0.06, 0.1) + (0.08 if rng.random() < 0.2 else 0.0)
    if rng.random() < 0.5:
        return _low_shoes(rng, length, width)
    parts: Parts = []
    gap = width * rng.uniform(0.58, 0.9)
    turns, slide = rng.uniform(-0.2, 0.2, 2), length * rng.uniform(-0.2, 0.2)
    for side, turn in zip((-1, 1), turns, strict=True):
        shoe = [
            ellipsoid((width / 2, length / 2, 0.018), (0, 0, 0.016), sole),
            ellipsoid(
                (width * 0.45, length * 0.34, ankle * 0.55), (0, -length * 0.14, 0.03), upper
            ),
            ellipsoid((width * 0.4, length * 0.24, ankle * 0.6), (0, length * 0.22, 0.04), upper),
            lathe(
                [
                    (width * 0.38, 0.04),
                    (width * 0.34, ankle),
                    (width * 0.28, ankle),
                    (width * 0.25, ankle * 0.6),
                    (0, ankle * 0.6),
                ],
                upper,
                (0, length * 0.24, 0),
            ),
            disc(width * 0.27, ankle * 0.8, lining, (0, length * 0.24, 0)),
        ]
        if rng.random() < 0.7:
            for k in range(4):
                lace = (width * 0.4, 0.006, 0.005)
                y = -length * 0.16 + k * length * 0.07
                shoe.append(box(lace, (0, y, 0.03 + ankle * (0.5 + 0.06 * k)), sole))
        offset = np.array([side * gap, side * slide / 2, 0], np.float32)
        for part in shoe:
            turned(part, rotation(2, turn)).vertices += offset
            part.vertices[:, 2] = part.vertices[:, 2].clip(min=0)  # the foot is flat
        parts += shoe
    return parts


def _low_shoes(rng: np.random.Generator, length: float, width: float) -> Parts:
    """Loafers, pumps with heels, sandals: open above, a seam or a strap over the instep."""
    upper = (dark(rng), cloth(rng), ceramic(rng))[rng.integers(3)]
    if rng.random() < 0.35:  # leather
        upper = Material((0.35, 0.18, 0.08), specular=0.3, shininess=60)
    sole, inside = dark(rng), cloth(rng)
    heel = rng.uniform(0.03, 0.09) if rng.random() < 0.25 else rng.uniform(0.008, 0.02)
    toe, open_from = rng.uniform(0.35, 0.55), rng.uniform(-0.15, 0.05)
    sandal = rng.random() < 0.2
    gap, turns = width * rng.uniform(0.55, 0.9), rng.uniform(-0.25, 0.25, 2)
    parts: Parts = []
    for side, turn in zip((-1, 1), turns, strict=True):
        rise = rotation(0, np.arctan2(heel, length * 0.7))
        shoe = [ellipsoid((width / 2, length / 2, 0.008), (0, 0, 0.008), sole)]
        if sandal:
            around = np.linspace(0, np.pi, 9)
            for y in (-0.25, -0.1, 0.2):
                across, up = np.cos(around) * width / 2, 0.01 + np.sin(around) * 0.045
                strap = np.stack([across, np.full(9, length * y), up], 1)
                shoe.append(tube(list(strap), 0.007, upper, 6))
        else:
            tip = (width * 0.46, length * toe / 2, 0.034)
            shoe.append(ellipsoid(tip, (0, -length * (0.5 - toe / 2), 0.026), upper))
            wall = [(1.0, 0.0), (0.96, 0.045), (0.88, 0.048), (0.86, 0.012), (0, 0.012)]
            quarter = lathe([(r * width * 0.46, z) for r, z in wall], upper)
            stretch = (0.5 - open_from) * length / (width * 0.92)
            quarter.vertices[:, 1] = quarter.vertices[:, 1] * stretch
            quarter.vertices[:, 1] += np.float32(length * (open_from + 0.5) / 2)
            lining = (width * 0.36, length * 0.3, 0.004)
            shoe += [quarter, ellipsoid(lining, (0, length * 0.15, 0.02), inside, rings=4)]
            if rng.random() < 0.5:
                seam = (width * 0.8, length * 0.06, 0.012)
                shoe.append(box(seam, (0, length * (open_from - 0.04), 0.05), sole))
        for part in shoe:
            turned(part, rise, (0, -length * 0.42, 0))
        if heel > 0.012:
            thick = rng.uniform(0.15, 0.4) * width
            high = heel * 1.1
            shoe.append(box((2 * thick, 2 * thick, high), (0, length * 0.42, high / 2), sole))
        offset = np.array([side * gap, side * length * rng.uniform(-0.1, 0.1), 0], np.float32)
        for part in shoe:
            turned(part, rotation(2, turn)).vertices += offset
            part.vertices[:, 2] = part.vertices[:, 2].clip(min=0)  # the foot is flat
        parts += shoe
    return parts


def dog(rng: np.random.Generator) -> Parts:
    length, height = rng.uniform(0.5, 0.85), rng.uniform(0.45, 0.7)
    coats = [
        (0.12, 0.09, 0.07),
        (0.75, 0.6, 0.4),
        (0.45, 0.28, 0.15),
        (0.88, 0.85, 0.8),
        (0.3, 0.3, 0.3),
        (0.05, 0.05, 0.05),
    ]
    coat = Material(coats[rng.integers(len(coats))], specular=0.02)
    patch = Material(coats[rng.integers(len(coats))], specular=0.02)
    leg, thick = height * rng.uniform(0.4, 0.52), length * rng.uniform(0.13, 0.18)
    chest = leg + thick * 0.7
    sitting = rng.random() < 0.3
    tilt = rotation(0, -0.75 if sitting else 0.0)
    parts = [ellipsoid((thick, length * 0.38, thick * 1.1), (0, 0, chest), coat, tilt, 8)]
    rear = 0.15 if sitting else leg
    for x in (-0.6, 0.6):
        step = rng.uniform(-0.05, 0.05) * length
        fore = np.array([x * thick, -length * 0.26, 0.0])
        hind = np.array([x * thick * 1.2, length * 0.28, 0.0])
        parts.append(tube([fore + (0, step, 0.0), fore + (0, 0, chest)], thick * 0.28, coat))
        parts.append(
            tube(
                [
                    hind - (0, step, 0.0),
                    hind + (0, 0.02, rear * 0.5),
                    hind + (0, 0, rear + thick * 0.5),
                ],
                thick * 0.3,
                coat,
            )
        )
        for foot in (fore + (0, step - 0.02, 0.02), hind - (0, step + 0.02, -0.02)):
            parts.append(ellipsoid((thick * 0.35, thick * 0.5, 0.025), foot, patch, rings=4))
    head = np.array([0, -length * 0.45, height * rng.uniform(1.0, 1.1)])
    size = height * rng.uniform(0.14, 0.18)
    neck = [np.array([0, -length * 0.28, chest + thick * 0.4]), head]
    parts.append(tube(neck, thick * 0.5, coat))
    parts.append(ellipsoid((size * 0.9, size, size), head, coat))
    muzzle = head + (0, -size * 1.2, -size * 0.3)
    parts.append(ellipsoid((size * 0.45, size * 0.8, size * 0.4), muzzle, patch))
    parts.append(
        ellipsoid((size * 0.18,) * 3, muzzle - (0, size * 0.75, -size * 0.1), dark(rng), rings=4)
    )
    upright = rng.random() < 0.4
    for x in (-1, 1):
        up = size * (0.9 if upright else 0.0)
        parts.append(
            ellipsoid(
                (size * 0.15, size * 0.35, size * 0.6),
                head + (x * size * 0.8, size * 0.2, up),
                patch,
                rings=4,
            )
        )
    tail = [
        np.array([0, length * 0.34, chest]),
        np.array([0, length * 0.48, chest + thick * 0.6]),
        np.array([0, length * 0.52, chest + thick * rng.uniform(0.2, 2.0)]),
    ]
    return [*parts, tube(tail, thick * 0.15, coat)]


# --- what several of them share -------------------------------------------------------------------


def _stick(
    rng: np.random.Generator, radius: float, height: float, wax: Material, at: Point
) -> Parts:
    """Wax with a wick, a third of them alight."""
    x, y, z = (float(v) for v in at)
    top = z + height
    dent = height * rng.uniform(0.0, 0.06)
    parts = [
        lathe(
            [(0, z), (radius, z), (radius, top), (radius * 0.8, top), (0, top - dent)],
            wax,
            (x, y, 0),
        ),
        tube([(x, y, top - dent), (x + 0.001, y, top + 0.01)], 0.0012, dark(rng), 5),
    ]
    if rng.random() < 0.35:
        flame = Material((1.0, 0.8, 0.3))
        parts.append(ellipsoid((0.005, 0.005, 0.014), (x, y, top + 0.018), flame, rings=4))
    return parts


def _turned_foot(rng: np.random.Generator, radius: float, height: float) -> list:
    """The profile of a candlestick: a foot, a stem with or without knobs, a socket."""
    foot, stem = radius * rng.uniform(2.0, 4.0), radius * rng.uniform(0.35, 0.8)
    knob = stem * rng.uniform(1.0, 2.2)
    return [
        (0, 0),
        (foot, 0),
        (foot * 0.9, 0.01),
        (stem, min(0.03, 0.4 * height)),
        (stem, height * 0.45),
        (knob, height * 0.55),
        (stem, height * 0.65),
        (radius * 0.8, height * 0.85),
        (radius * rng.uniform(1.2, 2.2), height),
        (0, height),
    ]


def _candelabrum(rng: np.random.Generator, wax: Material, holder: Material) -> Parts:
    """One stem, two to six arms and a candle on each."""
    tall, reach = rng.uniform(0.12, 0.25), rng.uniform(0.06, 0.12)
    parts: Parts = [lathe(_turned_foot(rng, 0.014, tall), holder)]
    count, length = int(rng.integers(2, 7)), rng.uniform(0.05, 0.12)
    around = rng.random() < 0.4
    for k in range(count):
        angle = 2 * np.pi * k / count if around else np.pi * (k % 2)
        out = reach * (1.0 if around else (k // 2 + 1) / ((count + 1) // 2))
        to = np.array([np.cos(angle) * out, np.sin(angle) * out, 0])
        line = [
            np.array([0, 0, tall * 0.55]),
            0.6 * to + (0, 0, tall * 0.5),
            to + (0, 0, tall * 0.8),
        ]
        parts.append(tube(line, 0.005, holder, 6))
        cup_z = tall * 0.8
        parts.append(
            lathe([(0, cup_z - 0.01), (0.018, cup_z), (0, cup_z)], holder, (to[0], to[1], 0))
        )
        parts += _stick(rng, 0.01, length, wax, (to[0], to[1], cup_z))
    return parts + _stick(rng, 0.01, length, wax, (0, 0, tall))


def _bent_lamp(rng: np.random.Generator, height: float, arching: bool) -> Parts:
    """A floor lamp that hangs over: a wide arch from a heavy foot, or a reading lamp's elbow."""
    frame, foot = metal(rng), rng.uniform(0.11, 0.18)
    bulb = Material((1, 0.95, 0.8))
    out = rng.uniform(0.5, 0.9) if arching else rng.uniform(0.15, 0.35)
    side = rng.uniform(0, 2 * np.pi)
    to = np.array([np.cos(side), np.sin(side), 0]) * out
    if arching:
        along = np.linspace(0, 1, 11)[:, None]
        low = np.array([0, 0, height * 0.35])
        line = [np.zeros(3), *(low + along * to + np.sin(along * 2.2) * (0, 0, height * 0.65))]
    else:
        elbow = height * rng.uniform(0.7, 1.0)
        line = [np.zeros(3), np.array([0, 0, elbow]), to + (0, 0, height * 0.92)]
    end = np.asarray(line[-1])
    shade, tall = (rng.uniform(0.12, 0.2), 0.18) if arching else (rng.uniform(0.06, 0.11), 0.13)
    cover = metal(rng) if rng.random() < 0.6 else cloth(rng)
    return [
        lathe([(0, 0), (foot, 0), (foot, 0.025), (0.02, 0.035), (0, 0.035)], frame),
        tube(line, 0.011, frame),
        lathe([(shade, -tall), (shade * 0.8, -tall * 0.4), (0.03, 0), (0, 0)], cover, end),
        ellipsoid((0.03, 0.03, 0.04), end - (0, 0, tall * 0.7), bulb, rings=4),
    ]


def _lamp(rng: np.random.Generator, height: float, shade: float, tall: float, fat: bool) -> Parts:
    material = ceramic(rng) if fat else metal(rng)
    foot = shade * rng.uniform(0.5, 0.95)
    low = height - tall
    if fat:
        body = foot * rng.uniform(0.7, 1.1)
        outline = [(0, 0), (foot * 0.7, 0), (body, low * 0.4), (body * 0.4, low * 0.8), (0.01, low)]
        parts = [lathe(outline, material)]
    elif height > 1.0 and rng.random() < 0.25:  # on three legs
        knot, spread = low * rng.uniform(0.75, 1.0), rng.uniform(0.2, 0.35)
        legs = wood(rng) if rng.random() < 0.6 else material
        parts = [tube([(0, 0, knot), (0, 0, low + tall * 0.3)], 0.012, material)]
        for angle in np.arange(3) * 2 * np.pi / 3:
            to = np.array([np.cos(angle), np.sin(angle), 0]) * spread
            parts.append(tube([to, (0, 0, knot)], 0.014, legs))
    else:
        pole = max(0.006, 0.008 * height)
        parts = [
            lathe(
                [
                    (0, 0),
                    (foot, 0),
                    (foot, 0.02),
                    (pole, 0.03),
                    (pole, low + tall * 0.3),
                    (0, low + tall * 0.3),
                ],
                material,
            )
        ]
    cover = cloth(rng) if rng.random() < 0.8 else metal(rng)
    kind = rng.random()
    if kind < 0.15:
        return [
            *parts,
            ellipsoid((shade * 0.8, shade * 0.8, tall / 2), (0, 0, low + tall / 2), cover),
        ]
    top = shade * (rng.uniform(0.35, 0.75) if kind < 0.7 else 1.0)
    if kind > 0.88:
        top, shade = shade, top * 0.5  # lights the ceiling
    return [
        *parts,
        lathe([(shade, low), (top, height)], cover),
        ellipsoid((0.03, 0.03, 0.04), (0, 0, low + tall * 0.4), Material((1, 0.95, 0.8))),
    ]


MAKERS: dict[str, Maker] = {
    "candle": candle,
    "lamp": table_lamp,
    "floor lamp": floor_lamp,
    "shoes": shoes,
    "dog": dog,
}
