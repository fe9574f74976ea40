"""Made-up plants: in pots, and cut flowers.

Each function draws one of its class, in metres.
"""

from __future__ import annotations

import numpy as np

from ..assets import Material, MeshPart
from .materials import ceramic, clay, colour, glass, leaf_green, wood
from .shapes import Maker, Parts, disc, ellipsoid, lathe, rotation, tube
from .tableware import vessel


def potted_plant(rng: np.random.Generator) -> Parts:
    parts, mouth, top = plant_pot(rng, rng.uniform(0.035, 0.085))
    if rng.random() < 0.3:
        return parts + _rosette(rng, mouth * rng.uniform(1.0, 2.0), top)
    return parts + foliage(rng, mouth, top, rng.uniform(0.08, 0.28))


def house_plant(rng: np.random.Generator) -> Parts:
    parts, mouth, top = plant_pot(rng, rng.uniform(0.12, 0.22))
    return parts + foliage(rng, mouth, top, rng.uniform(0.35, 1.1))


def flowers(rng: np.random.Generator) -> Parts:
    if rng.random() < 0.6:
        height, material = rng.uniform(0.1, 0.2), ceramic(rng)
        if rng.random() < 0.4:
            material = glass(rng, True)
        mouth = height * rng.uniform(0.2, 0.35)
        outline = [(0, 0), (0.7, 0), (1.1, 0.45), (0.7, 0.8), (1.0, 1.0)]
        parts = vessel(mouth, height, outline, material, 0.9)
    else:
        parts, mouth, height = plant_pot(rng, rng.uniform(0.04, 0.07))
    green = leaf_green(rng)
    petals = [Material(colour(rng), specular=0.05) for _ in range(int(rng.integers(1, 4)))]
    forms = rng.choice(["tulip", "daisy", "rose", "trumpet"], size=int(rng.integers(1, 3)))
    large, tallest = rng.uniform(0.012, 0.036), rng.uniform(0.1, 0.3)
    for _ in range(int(rng.integers(5, 20))):
        lean, angle = rng.uniform(0.0, 0.6), rng.uniform(0, 2 * np.pi)
        rise = tallest * rng.uniform(0.4, 1.0)
        out = np.array([np.cos(angle), np.sin(angle), 0]) * np.tan(lean) * rise
        root = np.array([0, 0, height * 0.95]) + out / rise * 0.03
        tip = np.array([0, 0, height + rise]) + out
        parts.append(tube([root, (root + tip) / 2, tip], 0.002, green, 5))
        facing = rotation(2, angle) @ rotation(1, lean + rng.uniform(0, 0.6))
        bloom, form = petals[rng.integers(len(petals))], str(rng.choice(forms))
        parts += _bloom(rng, form, tip, large * rng.uniform(0.7, 1.2), facing, bloom)
        if rng.random() < 0.6:
            leaf = rotation(2, rng.uniform(0, 6.28)) @ rotation(1, rng.uniform(0.3, 1.2))
            long = 0.25 * tallest * rng.uniform(0.5, 1.2)
            spot = root + rng.uniform(0.1, 0.7) * (tip - root) + leaf[:, 2] * long * 0.7
            parts.append(ellipsoid((0.003, 0.3 * long, long), spot, green, leaf, 4))
    return parts


# --- what several of them share -------------------------------------------------------------------


def _bloom(
    rng: np.random.Generator,
    form: str,
    at: np.ndarray,
    size: float,
    facing: np.ndarray,
    petal: Material,
) -> Parts:
    """A flower's head; ``facing``: ``(3, 3)``, its third column is where it looks."""
    if form == "tulip":
        return [ellipsoid((size * 0.8, size * 0.8, size * 1.2), at, petal, facing, 4)]
    if form == "daisy":
        middle = Material((0.85, 0.7, 0.1))
        return [
            ellipsoid((size, size, size * 0.3), at, petal, facing, 4),
            ellipsoid((size * 0.35,) * 3, at + 0.15 * size * facing[:, 2], middle, rings=4),
        ]
    if form == "rose":  # leaves around leaves
        parts = [ellipsoid((size * 0.6,) * 3, at, petal, rings=4)]
        for k in range(5):
            turn = facing @ rotation(2, k * 2 * np.pi / 5) @ rotation(1, rng.uniform(0.3, 0.7))
            spot = at + turn[:, 0] * size * 0.5
            parts.append(ellipsoid((size * 0.2, size * 0.6, size * 0.7), spot, petal, turn, 4))
        return parts
    horn = lathe([(size * 0.12, -size), (size * 0.3, 0), (size * 1.1, size)], petal, segments=10)
    horn.vertices = (horn.vertices @ facing.T + at).astype(np.float32)
    horn.normals = (horn.normals @ facing.T).astype(np.float32)
    return [horn]


def foliage(rng: np.random.Generator, mouth: float, base: float, height: float) -> Parts:
    """Leaves over a pot: blades, a ball of leaves, broad leaves on stems, canes, or fronds."""
    green, kind = leaf_green(rng), rng.integers(5)
    if kind == 3:
        return _canes(rng, mouth, base, height)
    if kind == 4:
        return _fronds(rng, base, height)
    parts: Parts = []
    spread = height * rng.uniform(0.35, 0.65)
    for _ in range(int(rng.integers(14, 30))):
        angle = rng.uniform(0, 2 * np.pi)
        shade = leaf_green(rng) if rng.random() < 0.2 else green
        if kind == 0:  # blades
            lean, length = rng.uniform(0.05, 0.8), height * rng.uniform(0.6, 1.0)
            turn = rotation(2, angle) @ rotation(1, lean)
            spot = np.array([0, 0, base]) + turn[:, 2] * length / 2
            parts.append(ellipsoid((height * 0.008, height * 0.035, length / 2), spot, shade, turn))
        elif kind == 1:  # a ball of leaves
            up = np.arccos(rng.uniform(-0.7, 1.0))
            out = np.array([np.sin(up) * np.cos(angle), np.sin(up) * np.sin(angle), np.cos(up)])
            spot = np.array([0, 0, base + height * 0.55]) + out * height * 0.38
            turn = rotation(2, angle) @ rotation(1, up)
            size = height * rng.uniform(0.1, 0.2)
            parts.append(ellipsoid((size, size * 0.7, size * 0.3), spot, shade, turn, 4))
        else:  # broad leaves on stems
            out = np.array([np.cos(angle), np.sin(angle), 0]) * spread * rng.uniform(0.3, 1.0)
            tip = out + (0, 0, base + height * rng.uniform(0.35, 1.0))
            root = np.array([0, 0, base])
            parts.append(tube([root, (root + tip) / 2 + out * 0.1, tip], height * 0.012, shade, 5))
            turn = rotation(2, angle) @ rotation(1, rng.uniform(0.5, 1.6))
            size = height * rng.uniform(0.13, 0.24)
            parts.append(
                ellipsoid(
                    (size * 0.1, size * 0.6, size), tip + turn[:, 2] * size * 0.6, shade, turn, 4
                )
            )
    if kind == 1:
        trunk = [np.array([0, 0, base]), np.array([0, 0, base + height * 0.5])]
        parts.append(tube(trunk, height * 0.03, wood(rng), 6))
        core = (0, 0, base + height * 0.55)
        parts.append(ellipsoid((height * 0.34,) * 3, core, green, rings=4))
    return parts


def _canes(rng: np.random.Generator, mouth: float, base: float, height: float) -> Parts:
    """Upright stalks with a tuft of leaves here and there."""
    green = leaf_green(rng)
    cane = green if rng.random() < 0.6 else wood(rng)
    parts: Parts = []
    for _ in range(int(rng.integers(2, 7))):
        foot = np.array([*rng.uniform(-0.6, 0.6, 2) * mouth, base])
        top = foot + (*rng.uniform(-0.08, 0.08, 2) * height, height * rng.uniform(0.5, 0.95))
        parts.append(tube([foot, top], max(0.003, height * 0.018), cane, 6))
        for share in (1.0, rng.uniform(0.4, 0.9)):
            for angle in rng.uniform(0, 2 * np.pi, 4):
                turn = rotation(2, angle) @ rotation(1, rng.uniform(0.3, 1.2))
                length = height * rng.uniform(0.08, 0.16)
                spot = foot + share * (top - foot) + turn[:, 2] * length
                size = (length * 0.06, length * 0.25, length)
                parts.append(ellipsoid(size, spot, green, turn, 4))
    return parts


def _fronds(rng: np.random.Generator, base: float, height: float) -> Parts:
    """Arching stems with leaflets on both sides, as palms and ferns have."""
    green, parts = leaf_green(rng), list[MeshPart]()
    root = np.array([0, 0, base])
    for angle in rng.uniform(0, 2 * np.pi, int(rng.integers(5, 11))):
        out = np.array([np.cos(angle), np.sin(angle), 0])
        along, reach = np.linspace(0, 1, 7)[:, None], height * rng.uniform(0.35, 0.7)
        rise = height * rng.uniform(0.7, 1.0)
        line = root + along * reach * out + (along - 0.55 * along**2) * 1.5 * rise * (0, 0, 1)
        parts.append(tube(list(line), height * 0.008, green, 5))
        for k in range(2, 7):
            for side in (-1, 1):
                turn = rotation(2, angle + side * 1.2) @ rotation(1, np.pi / 2)
                length = height * 0.11 * (1.2 - 0.1 * k)
                spot = line[k] + turn[:, 2] * length
                size = (length * 0.1, length * 0.3, length)
                parts.append(ellipsoid(size, spot, green, turn, 3))
    return parts


def _rosette(rng: np.random.Generator, reach: float, base: float) -> Parts:
    """A succulent: thick leaves around a middle, the inner ones steeper and shorter."""
    green = leaf_green(rng)
    tip = Material(colour(rng)) if rng.random() < 0.15 else green
    thick, broad = rng.uniform(0.06, 0.16), rng.uniform(0.16, 0.4)
    rings, parts = int(rng.integers(3, 6)), list[MeshPart]()
    for ring in range(rings):
        inside = ring / rings
        length = reach * (1 - 0.55 * inside)
        for k in range(max(4, round(11 - 6 * inside))):
            angle = k * 2 * np.pi / max(4, round(11 - 6 * inside)) + ring * 0.5
            lean = np.pi / 2 - rng.uniform(0.15, 0.5) - inside * rng.uniform(0.6, 1.0)
            turn = rotation(2, angle) @ rotation(1, lean)
            spot = np.array([0, 0, base + 0.012 * ring]) + turn[:, 2] * length / 2
            size = (length * thick, length * broad, length / 2)
            parts.append(ellipsoid(size, spot, tip if ring == rings - 1 else green, turn, 4))
    return parts


def plant_pot(rng: np.random.Generator, radius: float) -> tuple[Parts, float, float]:
    """A filled pot; also its mouth's radius and the height of the earth."""
    height = radius * rng.uniform(1.2, 2.4)
    made_of = clay(rng) if rng.random() < 0.35 else ceramic(rng)
    outline = [(0, 0), (rng.uniform(0.6, 1.0), 0), (1.0, 0.85), (1.0, 1.0)]
    parts = vessel(radius, height, outline, made_of, 0.9)
    if rng.random() < 0.5:
        rim = [(radius, height * 0.82), (radius * 1.12, height * 0.84), (radius * 1.12, height)]
        parts.append(lathe([*rim, (radius * 0.9, height)], made_of))
    parts.append(disc(radius * 0.9, height * 0.88, Material((0.15, 0.1, 0.06))))
    return parts, radius, height * 0.88


MAKERS: dict[str, Maker] = {
    "potted plant": potted_plant,
    "house plant": house_plant,
    "flowers": flowers,
}
