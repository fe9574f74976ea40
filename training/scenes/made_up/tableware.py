"""Made-up tableware: turned on a lathe, most of it.

Each function draws one of its class, in metres, front towards -y.
"""

from __future__ import annotations

import numpy as np

from ..assets import Material
from .shapes import (
    Maker,
    Parts,
    arc,
    ceramic,
    colour,
    disc,
    ellipsoid,
    glass,
    lathe,
    metal,
    screen,
    tube,
    wood,
)


def mug(rng: np.random.Generator) -> Parts:
    height, material = rng.uniform(0.075, 0.12), ceramic(rng)
    radius = height * rng.uniform(0.34, 0.52)
    foot, belly = rng.uniform(0.8, 1.05), rng.uniform(0.95, 1.12)
    outline = [(0.0, 0.0), (foot, 0.0), (belly, 0.5), (1.0, 1.0)]
    parts = vessel(radius, height, outline, material, 0.9)
    reach = (radius + rng.uniform(0.018, 0.035), 0, 0)
    grip = arc((0, 0, height * 0.52), reach, height * rng.uniform(0.5, 0.75))
    parts.append(tube(grip, rng.uniform(0.004, 0.008), material))
    parts += band(rng, radius * belly * 1.01, height, 0.5)
    return parts + _drink(rng, radius * 0.88, height)


def cup(rng: np.random.Generator) -> Parts:
    height, radius = rng.uniform(0.045, 0.075), rng.uniform(0.038, 0.055)
    material = ceramic(rng)
    outline = [(0.0, 0.0), (rng.uniform(0.45, 0.7), 0.0), (rng.uniform(0.8, 1.0), 0.5), (1.0, 1.0)]
    parts = vessel(radius, height, outline, material, 0.92)
    grip = arc((radius * 0.2, 0, height * 0.58), (radius * 1.2, 0, 0), height * 0.6)
    parts.append(tube(grip, 0.0035, material))
    parts += _drink(rng, radius * 0.85, height)
    if rng.random() < 0.6:
        for part in parts:
            part.vertices[:, 2] += 0.008
        rim = radius * rng.uniform(1.5, 1.9)
        parts.append(
            lathe([(0, 0), (rim * 0.6, 0), (rim, 0.014), (rim * 0.6, 0.006), (0, 0.006)], material)
        )
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
    height = rng.uniform(0.08, 0.27)
    radius = height * rng.uniform(0.28, 0.45)
    kind = rng.random()
    material = (
        glass(rng, rng.random() < 0.3)
        if kind < 0.25
        else (metal(rng) if kind < 0.4 else ceramic(rng))
    )
    foot, neck, mouth = rng.uniform(0.6, 0.95), rng.uniform(0.5, 0.9), rng.uniform(0.55, 0.95)
    outline = [(0, 0), (foot, 0), (1.0, rng.uniform(0.25, 0.45)), (neck, 0.75), (mouth, 1.0)]
    parts = vessel(radius, height, outline, material, 0.92)
    reach = (radius * rng.uniform(1.25, 1.7), 0, 0)
    grip = arc((radius * 0.15, 0, height * 0.58), reach, height * rng.uniform(0.5, 0.75))
    parts.append(tube(grip, max(0.005, 0.03 * height), material))
    lip = radius * mouth
    spout = ellipsoid((lip * 0.5, lip * 0.35, height * 0.08), (-lip, 0, height * 0.94), material)
    return [*parts, spout, *_drink(rng, lip * 0.8, height, 0.3)]


def vase(rng: np.random.Generator) -> Parts:
    height = rng.uniform(0.14, 0.36)
    radius = height * rng.uniform(0.16, 0.42)
    material = glass(rng, True) if rng.random() < 0.2 else ceramic(rng)
    kind = rng.integers(4)
    if kind == 0:  # belly and narrow neck
        outline = [(0, 0), (0.5, 0), (1.0, 0.4), (0.35, 0.78), (rng.uniform(0.35, 0.6), 1.0)]
    elif kind == 1:  # opens upwards
        outline = [(0, 0), (rng.uniform(0.3, 0.7), 0), (0.6, 0.5), (1.0, 1.0)]
    elif kind == 2:  # shoulders
        outline = [(0, 0), (0.55, 0), (1.0, 0.72), (0.6, 0.92), (0.65, 1.0)]
    else:  # straight or waisted
        outline = [(0, 0), (1.0, 0), (rng.uniform(0.6, 1.0), 0.5), (rng.uniform(0.8, 1.0), 1.0)]
    return vessel(radius, height, outline, material, 0.92) + band(rng, radius * 0.6, height, 0.1)


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
