"""Made-up tableware: turned on a lathe, most of it.

Each function draws one of its class, in metres, front towards -y.
"""

from __future__ import annotations

import numpy as np

from ..assets import Material
from .materials import ceramic, clay, colour, glass, metal, screen, wood
from .shapes import Maker, Parts, arc, disc, ellipsoid, lathe, tube


def mug(rng: np.random.Generator) -> Parts:
    kind = rng.choice(["coffee", "tankard", "enamel"], p=[0.55, 0.3, 0.15])
    if kind == "tankard":
        return _tankard(rng)
    height, material = rng.uniform(0.075, 0.12), ceramic(rng)
    radius = height * rng.uniform(0.34, 0.52)
    foot, belly = rng.uniform(0.8, 1.05), rng.uniform(0.95, 1.12)
    if kind == "enamel":
        foot = belly = 1.0
    outline = [(0.0, 0.0), (foot, 0.0), (belly, 0.5), (1.0, 1.0)]
    parts = vessel(radius, height, outline, material, 0.9)
    thick = rng.uniform(0.004, 0.008)
    parts += _handle(rng, radius * 0.98, height * 0.52, height * 0.7, thick, material)
    if kind == "enamel":
        rim = Material(colour(rng), specular=0.4, shininess=120)
        parts.append(lathe([(radius * 1.03, height * 0.95), (radius * 1.03, height)], rim))
    else:
        parts += band(rng, radius * belly * 1.01, height, 0.5)
    return parts + _drink(rng, radius * 0.88, height)


def _tankard(rng: np.random.Generator) -> Parts:
    """A beer mug: tall, of thick glass or stoneware, with a large handle and perhaps foam."""
    height = rng.uniform(0.11, 0.19)
    radius = height * rng.uniform(0.26, 0.42)
    clear = rng.random() < 0.75
    material = glass(rng, rng.random() < 0.15) if clear else ceramic(rng)
    outline = [(0, 0), (rng.uniform(0.85, 1.1), 0), (rng.uniform(0.9, 1.12), 0.45), (1.0, 1.0)]
    parts = vessel(radius, height, outline, material, 0.86)
    thick = height * rng.uniform(0.045, 0.08)
    parts += _handle(rng, radius * 0.95, height * 0.5, height * 0.72, thick, material)
    if rng.random() < 0.65:
        tones = [(0.85, 0.55, 0.1), (0.6, 0.3, 0.06), (0.2, 0.09, 0.04), (0.95, 0.8, 0.35)]
        beer = Material(tones[rng.integers(4)], specular=0.3, shininess=100)
        level = height * rng.uniform(0.6, 0.9)
        parts.append(lathe([(0, 0.012), (radius * 0.82, 0.012), (radius * 0.84, level)], beer))
        foam = Material((0.96, 0.94, 0.86), specular=0.02)
        top = min(height * 1.05, level + height * rng.uniform(0.02, 0.2))
        parts.append(lathe([(radius * 0.85, level), (radius * 0.85, top), (0, top)], foam))
    return parts


def cup(rng: np.random.Generator) -> Parts:
    height, radius = rng.uniform(0.045, 0.085), rng.uniform(0.03, 0.055)
    material = ceramic(rng)
    foot, waist = rng.uniform(0.45, 0.95), rng.uniform(0.75, 1.1)
    outline = [(0.0, 0.0), (foot, 0.0), (max(foot, waist), 0.5), (1.0, 1.0)]
    parts = vessel(radius, height, outline, material, 0.92)
    if rng.random() < 0.88:  # the others are bowls to drink tea from
        thick = rng.uniform(0.0025, 0.005)
        parts += _handle(rng, radius * 0.92, height * 0.58, height * 0.6, thick, material)
    parts += band(rng, radius * 1.02, height, 0.2)
    parts += _drink(rng, radius * 0.85, height, 0.55)
    if rng.random() < 0.6:
        for part in parts:
            part.vertices[:, 2] += 0.008
        rim, plate = radius * rng.uniform(1.5, 1.9), material
        if rng.random() < 0.2:
            plate = ceramic(rng)
        parts.append(
            lathe([(0, 0), (rim * 0.6, 0), (rim, 0.014), (rim * 0.6, 0.006), (0, 0.006)], plate)
        )
        if rng.random() < 0.4:
            spoon = [(rim * 0.75, -rim * 0.6, 0.016), (rim * 0.7, rim * 0.7, 0.02)]
            parts.append(tube(spoon, 0.002, metal(rng), 5))
            bowl_of_it = (rim * 0.75, -rim * 0.65, 0.016)
            parts.append(ellipsoid((0.009, 0.014, 0.003), bowl_of_it, metal(rng), rings=4))
    return parts


def tumbler(rng: np.random.Generator) -> Parts:
    height = rng.uniform(0.08, 0.16)
    radius = rng.uniform(0.028, 0.042)
    outline = [(0.0, 0.0), (rng.uniform(0.65, 1.0), 0.0), (1.0, 1.0)]
    parts = vessel(radius, height, outline, glass(rng, rng.random() < 0.3), 0.92)
    return parts + _drink(rng, radius * 0.8, height * rng.uniform(0.4, 1.0), 0.4)


def wine_glass(rng: np.random.Generator) -> Parts:
    height, radius = rng.uniform(0.15, 0.24), rng.uniform(0.03, 0.045)
    stem, belly = rng.uniform(0.35, 0.55) * height, rng.uniform(1.0, 1.2)
    material = glass(rng, rng.random() < 0.15)
    profile = [
        (0, 0.002),
        (radius, 0.0),
        (radius * 0.9, 0.004),
        (0.004, 0.01),
        (0.004, stem),
        (radius * 0.7 * belly, stem + 0.2 * (height - stem)),
        (radius * belly, stem + 0.5 * (height - stem)),
        (radius, height),
    ]
    parts = [lathe(profile, material)]
    if rng.random() < 0.4:
        wine = Material((0.35, 0.03, 0.08) if rng.random() < 0.6 else (0.8, 0.75, 0.35))
        level = stem + 0.45 * (height - stem)
        parts.append(
            lathe(
                [
                    (0.0, stem + 0.01),
                    (radius * 0.65 * belly, stem + 0.2 * (height - stem)),
                    (radius * 0.92 * belly, level),
                    (0.0, level),
                ],
                wine,
            )
        )
    return parts


def bowl(rng: np.random.Generator) -> Parts:
    radius = rng.uniform(0.07, 0.14)
    height = radius * rng.uniform(0.4, 0.85)
    material = wood(rng) if rng.random() < 0.2 else ceramic(rng)
    bulge = rng.uniform(0.7, 0.95)
    outline = [(0.0, 0.0), (rng.uniform(0.3, 0.6), 0.0), (bulge, 0.45), (1.0, 1.0)]
    return vessel(radius, height, outline, material, 0.95) + band(
        rng, radius * bulge * 1.03, height, 0.25
    )


def fruit_bowl(rng: np.random.Generator) -> Parts:
    parts = bowl(rng)
    radius = float(parts[0].vertices[:, 0].max())
    height = float(parts[0].vertices[:, 2].max())
    tones = [
        (0.75, 0.08, 0.06),
        (0.45, 0.7, 0.15),
        (0.95, 0.55, 0.08),
        (0.95, 0.85, 0.15),
        (0.35, 0.1, 0.3),
    ]
    for k in range(int(rng.integers(4, 9))):
        size = radius * rng.uniform(0.28, 0.4)
        angle, out = rng.uniform(0, 2 * np.pi), radius * (0.5 if k < 5 else 0.1)
        spot = (out * np.cos(angle), out * np.sin(angle), height * (0.75 if k < 5 else 1.15))
        peel = Material(tones[rng.integers(len(tones))], specular=0.3, shininess=60)
        if rng.random() < 0.2:
            bend = [
                np.array(spot) + size * 1.6 * np.array([np.cos(a), np.sin(a), 0.5 * np.sin(a)])
                for a in np.linspace(0.3, 2.4, 7) + angle
            ]
            parts.append(tube(bend, 0.35 * size, Material(tones[3], specular=0.2, shininess=40)))
        else:
            parts.append(ellipsoid((size, size, size * rng.uniform(0.85, 1.2)), spot, peel))
    return parts


def plate(rng: np.random.Generator) -> Parts:
    radius, height = rng.uniform(0.085, 0.14), rng.uniform(0.012, 0.03)
    inner = radius * rng.uniform(0.55, 0.75)
    material = ceramic(rng)
    profile = [
        (0, 0),
        (inner, 0),
        (radius, height),
        (radius * 0.98, height + 0.002),
        (inner, 0.005),
        (0, 0.005),
    ]
    parts = [lathe(profile, material, segments=32)]
    if rng.random() < 0.4:
        rim = Material(colour(rng), specular=0.3, shininess=100)
        low = (radius * 0.88, height * 0.75 + 0.004)
        parts.append(lathe([low, (radius * 0.98, height + 0.003)], rim, segments=32))
    return parts


def bottle(rng: np.random.Generator) -> Parts:
    height, radius = rng.uniform(0.13, 0.3), rng.uniform(0.022, 0.045)
    see_through = rng.random() < 0.5
    material = glass(rng, rng.random() < 0.6) if see_through else ceramic(rng)
    neck = radius * rng.uniform(0.3, 0.6)
    shoulder = rng.uniform(0.5, 0.75)
    parts = _bottle_body(radius, neck, height, shoulder, material)
    cap = Material(colour(rng), specular=0.2, shininess=60)
    parts.append(
        lathe([(neck * 1.25, height * 0.93), (neck * 1.25, height * 1.02), (0, height * 1.02)], cap)
    )
    return parts + band(rng, radius * 1.02, height * shoulder * 0.95, 0.7)


def wine_bottle(rng: np.random.Generator) -> Parts:
    height, radius = rng.uniform(0.28, 0.34), rng.uniform(0.034, 0.043)
    tones = [(0.03, 0.1, 0.04), (0.02, 0.03, 0.02), (0.12, 0.06, 0.02), (0.25, 0.35, 0.15)]
    material = Material(tones[rng.integers(4)], specular=0.8, shininess=200)
    if rng.random() < 0.15:
        material = glass(rng)
    neck = radius * rng.uniform(0.33, 0.42)
    parts = _bottle_body(radius, neck, height, rng.uniform(0.52, 0.66), material)
    foil = Material(colour(rng), specular=0.5, shininess=120)
    parts.append(
        lathe(
            [(neck * 1.1, height * rng.uniform(0.76, 0.88)), (neck * 1.1, height), (0, height)],
            foil,
        )
    )
    return parts + band(rng, radius * 1.02, height * 0.5, 0.85)


def jug(rng: np.random.Generator) -> Parts:
    kind = rng.choice(["pitcher", "creamer", "jar", "churn"], p=[0.4, 0.2, 0.28, 0.12])
    if kind == "jar":
        return _jar(rng)
    height = rng.uniform(0.07, 0.13) if kind == "creamer" else rng.uniform(0.14, 0.3)
    radius = height * rng.uniform(0.26, 0.45)
    made_of = rng.random()
    material = ceramic(rng)
    if made_of < 0.25 or kind == "churn":
        material = metal(rng)
    elif made_of < 0.5:
        material = glass(rng, rng.random() < 0.3)
    foot, neck, mouth = rng.uniform(0.6, 1.0), rng.uniform(0.5, 0.95), rng.uniform(0.55, 1.0)
    belly = rng.uniform(0.25, 0.5)
    outline = [(0, 0), (foot, 0), (1.0, belly), (neck, 0.75), (mouth, 1.0)]
    if kind == "churn":
        outline = [(0, 0), (1.0, 0), (1.0, 0.6), (0.55, 0.78), (0.55, 0.9), (0.7, 1.0)]
        mouth = 0.7
    parts = vessel(radius, height, outline, material, 0.92)
    thick = max(0.004, rng.uniform(0.02, 0.04) * height)
    at = radius * rng.uniform(0.6, 0.9)
    parts += _handle(rng, at, height * 0.58, height * rng.uniform(0.5, 0.75), thick, material)
    lip = radius * mouth
    if kind != "churn":
        beak = (lip * rng.uniform(0.4, 0.7), lip * 0.35, height * rng.uniform(0.06, 0.12))
        parts.append(ellipsoid(beak, (-lip, 0, height * 0.94), material))
    return [*parts, *band(rng, radius * 1.02, height, 0.2), *_drink(rng, lip * 0.8, height, 0.3)]


def _jar(rng: np.random.Generator) -> Parts:
    """An old jug: earthenware with a belly, a short neck and one or two ears."""
    height = rng.uniform(0.16, 0.34)
    radius = height * rng.uniform(0.3, 0.5)
    material = clay(rng) if rng.random() < 0.65 else ceramic(rng)
    foot, neck = rng.uniform(0.4, 0.75), rng.uniform(0.25, 0.6)
    outline = [
        (0, 0),
        (foot, 0),
        (1.0, rng.uniform(0.4, 0.65)),
        (neck, rng.uniform(0.8, 0.9)),
        (neck * rng.uniform(1.0, 1.4), 1.0),
    ]
    parts = vessel(radius, height, outline, material, 0.92)
    tall, thick = height * rng.uniform(0.25, 0.4), height * rng.uniform(0.02, 0.04)
    for side in (1, -1)[: 1 if rng.random() < 0.5 else 2]:
        ear = arc((side * radius * neck, 0, height * 0.78), (side * radius * 0.55, 0, 0), tall)
        parts.append(tube(ear, thick, material))
    return parts


def vase(rng: np.random.Generator) -> Parts:
    height = rng.uniform(0.14, 0.38)
    radius = height * rng.uniform(0.14, 0.42)
    made_of = rng.random()
    material = ceramic(rng)
    if made_of < 0.2:
        material = glass(rng, True)
    elif made_of < 0.35:
        material = clay(rng) if made_of < 0.28 else metal(rng)
    kind = rng.integers(6)
    if kind == 0:  # belly and narrow neck
        outline = [(0, 0), (0.5, 0), (1.0, 0.4), (0.35, 0.78), (rng.uniform(0.35, 0.6), 1.0)]
    elif kind == 1:  # opens upwards
        outline = [(0, 0), (rng.uniform(0.3, 0.7), 0), (0.6, 0.5), (1.0, 1.0)]
    elif kind == 2:  # shoulders
        outline = [(0, 0), (0.55, 0), (1.0, 0.72), (0.6, 0.92), (0.65, 1.0)]
    elif kind == 3:  # straight or waisted
        outline = [(0, 0), (1.0, 0), (rng.uniform(0.6, 1.0), 0.5), (rng.uniform(0.8, 1.0), 1.0)]
    elif kind == 4:  # a ball with a long neck, straight or flared
        neck = rng.uniform(0.12, 0.3)
        outline = [
            (0, 0),
            (0.5, 0),
            (1.0, rng.uniform(0.2, 0.3)),
            (neck, rng.uniform(0.45, 0.6)),
            (neck, 0.85),
            (neck * rng.uniform(1, 2.2), 1.0),
        ]
    else:  # turned at will
        at = np.linspace(0, 1, int(rng.integers(4, 7)))
        outline = [(0.0, 0.0), *((float(rng.uniform(0.3, 1.0)), float(z)) for z in at)]
    parts = vessel(radius, height, outline, material, 0.92) + band(rng, radius * 0.6, height, 0.1)
    if rng.random() < 0.12:  # square
        for part in parts:
            across = np.abs(part.vertices[:, :2]).max(1, keepdims=True)
            reach = np.linalg.norm(part.vertices[:, :2], axis=1, keepdims=True)
            part.vertices[:, :2] *= 0.85 * reach / np.maximum(across, 1e-6)
    return parts


# --- what several of them share -------------------------------------------------------------------


def vessel(
    radius: float,
    height: float,
    outline: list[tuple[float, float]],
    material: Material,
    inner: float,
) -> Parts:
    """A hollow turned thing: ``outline`` in shares of radius and height, up from the middle."""
    bends = _rounded([(r * radius, z * height) for r, z in outline])
    wall = radius * (1 - inner)
    inside = [(max(0.0, r - wall), max(z, wall)) for r, z in bends[::-1] if r > wall]
    return [lathe([*bends, *inside, (0.0, wall)], material)]


def _handle(
    rng: np.random.Generator, at: float, z: float, tall: float, thick: float, material: Material
) -> Parts:
    """A grip from the wall, ``at`` from the axis: half an ellipse, or with corners."""
    out = tall * rng.uniform(0.3, 0.55) + thick
    line = arc((at, 0, z), (out, 0, 0), tall)
    if rng.random() < 0.35:
        high, low = z + tall / 2, z - tall / 2 * rng.uniform(0.6, 1.0)
        line = [np.array([at + x, 0, h]) for x, h in ((0, high), (out, high), (out, low), (0, low))]
    return [tube(line, thick, material)]


def _rounded(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The foot as it is, a smooth curve through the rest."""
    from scipy.interpolate import PchipInterpolator

    wall = np.array(points[1:])
    if len(wall) < 3:
        return points
    z = np.linspace(wall[0, 1], wall[-1, 1], 9)
    r = PchipInterpolator(wall[:, 1], wall[:, 0])(z)
    return [points[0], *zip(r.tolist(), z.tolist(), strict=True)]


def _bottle_body(
    radius: float, neck: float, height: float, shoulder: float, material: Material
) -> Parts:
    slope = [
        (radius, shoulder),
        (radius * 0.92, shoulder + 0.06),
        (neck * 1.15, shoulder + 0.17),
        (neck, shoulder + 0.22),
        (neck, 1.0),
        (0, 1.0),
    ]
    return [lathe([(0, 0), (radius, 0), *((r, min(z, 1.0) * height) for r, z in slope)], material)]


def band(rng: np.random.Generator, radius: float, height: float, chance: float) -> Parts:
    """A label or a painted band, perhaps."""
    if rng.random() > chance:
        return []
    low, high = np.sort(rng.uniform(0.1, 0.9, 2)) * height
    material = Material(colour(rng), specular=0.1, shininess=30)
    if rng.random() < 0.5:
        material = screen(rng)
    return [lathe([(radius, low), (radius, max(high, low + 0.2 * height))], material)]


def _drink(rng: np.random.Generator, radius: float, height: float, chance: float = 0.4) -> Parts:
    if rng.random() > chance:
        return []
    tones = [(0.15, 0.07, 0.03), (0.5, 0.3, 0.1), (0.9, 0.88, 0.8), (0.8, 0.4, 0.1)]
    return [disc(radius, height * rng.uniform(0.5, 0.85), Material(tones[rng.integers(4)]))]


MAKERS: dict[str, Maker] = {
    "mug": mug,
    "cup": cup,
    "glass": tumbler,
    "wine glass": wine_glass,
    "bowl": bowl,
    "fruit bowl": fruit_bowl,
    "plate": plate,
    "bottle": bottle,
    "wine bottle": wine_bottle,
    "jug": jug,
    "vase": vase,
}
