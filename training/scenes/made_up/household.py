"""Made-up things of the house: plants and lamps, electronics, shoes, a dog.

Each function draws one of its class, in metres, front towards -y.
"""

from __future__ import annotations

import numpy as np

from ..assets import Material
from .shapes import (
    Maker,
    Parts,
    arc,
    box,
    ceramic,
    cloth,
    colour,
    dark,
    disc,
    ellipsoid,
    glass,
    lathe,
    leaf_green,
    metal,
    rotation,
    screen,
    tube,
    turned,
    wood,
)
from .tableware import vessel


def potted_plant(rng: np.random.Generator) -> Parts:
    parts, mouth, top = plant_pot(rng, rng.uniform(0.04, 0.085))
    return parts + foliage(rng, mouth, top, rng.uniform(0.1, 0.26))


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
    middle = Material((0.85, 0.7, 0.1))
    for _ in range(int(rng.integers(6, 16))):
        lean, angle = rng.uniform(0.0, 0.6), rng.uniform(0, 2 * np.pi)
        rise = rng.uniform(0.07, 0.17)
        out = np.array([np.cos(angle), np.sin(angle), 0]) * np.tan(lean) * rise
        root = np.array([0, 0, height * 0.95]) + out / rise * 0.03
        tip = np.array([0, 0, height + rise]) + out
        parts.append(tube([root, (root + tip) / 2, tip], 0.002, green, 5))
        size = rng.uniform(0.012, 0.026)
        bloom = petals[rng.integers(len(petals))]
        if rng.random() < 0.5:
            parts.append(ellipsoid((size, size, size * rng.uniform(0.6, 1.2)), tip, bloom, rings=4))
        else:
            facing = rotation(2, angle) @ rotation(1, lean)
            parts.append(ellipsoid((size, size, size * 0.3), tip, bloom, facing, 4))
            parts.append(ellipsoid((size * 0.35,) * 3, tip + 0.003 * facing[:, 2], middle, rings=4))
        if rng.random() < 0.6:
            leaf = rotation(2, rng.uniform(0, 6.28)) @ rotation(1, rng.uniform(0.3, 1.2))
            spot = root + 0.5 * (tip - root) + leaf[:, 2] * 0.02
            parts.append(ellipsoid((0.003, 0.01, 0.03), spot, green, leaf, 4))
    return parts


def candle(rng: np.random.Generator) -> Parts:
    height, radius = rng.uniform(0.05, 0.2), rng.uniform(0.012, 0.045)
    wax = Material(colour(rng), specular=0.1, shininess=20)
    base, parts = 0.0, []
    kind = rng.random()
    if kind < 0.3:  # a dish
        base, rim = 0.008, radius * rng.uniform(1.4, 2.2)
        parts.append(
            lathe([(0, 0), (rim, 0), (rim * 1.1, 0.018), (rim, 0.012), (0, 0.008)], metal(rng))
        )
    elif kind < 0.55:  # a candlestick
        base, radius = rng.uniform(0.05, 0.18), min(radius, 0.016)
        foot = radius * rng.uniform(2.0, 3.0)
        parts.append(
            lathe(
                [
                    (0, 0),
                    (foot, 0),
                    (foot * 0.9, 0.012),
                    (radius * 0.5, 0.03),
                    (radius * 0.5, base * 0.8),
                    (radius * 1.5, base),
                    (0, base),
                ],
                metal(rng),
            )
        )
    elif kind < 0.75:  # in a glass
        jar = glass(rng, rng.random() < 0.5)
        parts += vessel(radius * 1.25 + 0.004, height * 1.15, [(0, 0), (1, 0), (1, 1)], jar, 0.95)
        base, height = 0.003, height * 0.8
    parts.append(
        lathe([(0, base), (radius, base), (radius, base + height), (0, base + height)], wax)
    )
    top = base + height
    parts.append(tube([(0, 0, top), (0.001, 0, top + 0.01)], 0.0012, dark(rng), 5))
    if rng.random() < 0.3:
        parts.append(
            ellipsoid(
                (0.004, 0.004, 0.012), (0, 0, top + 0.018), Material((1.0, 0.8, 0.3)), rings=4
            )
        )
    return parts


def table_lamp(rng: np.random.Generator) -> Parts:
    height = rng.uniform(0.24, 0.4)
    shade = height * rng.uniform(0.25, 0.38)
    return _lamp(rng, height, shade, rng.uniform(0.3, 0.45) * height, fat=rng.random() < 0.6)


def floor_lamp(rng: np.random.Generator) -> Parts:
    height = rng.uniform(1.2, 1.85)
    return _lamp(rng, height, rng.uniform(0.14, 0.24), rng.uniform(0.15, 0.32), fat=False)


def mobile_phone(rng: np.random.Generator) -> Parts:
    width, length, thick = rng.uniform(0.06, 0.08), rng.uniform(0.12, 0.17), 0.009
    case = Material(colour(rng), specular=0.4, shininess=120)
    if rng.random() < 0.4:
        case = dark(rng)
    parts = [box((width, length, thick), (0, 0, thick / 2), case)]
    if rng.random() < 0.75:
        margin, face = rng.uniform(0.9, 0.98), screen(rng)
        keys = rng.random() < 0.2
        share = 0.5 if keys else rng.uniform(0.85, 0.97)
        middle = length * (0.22 if keys else 0.0)
        parts.append(box((width * margin, length * share, 0.001), (0, middle, thick), face))
        if keys:
            for x in (-0.3, 0, 0.3):
                for y in (-0.4, -0.28, -0.16, -0.05):
                    key = (width * 0.2, length * 0.07, 0.002)
                    parts.append(box(key, (width * x, length * y, thick), ceramic(rng)))
    else:  # face down: a camera on the back
        parts.append(box((0.02, 0.025, 0.002), (width * 0.25, length * 0.35, thick), dark(rng)))
    return parts


def telephone(rng: np.random.Generator) -> Parts:
    width, depth, height = rng.uniform(0.14, 0.2), rng.uniform(0.16, 0.22), rng.uniform(0.04, 0.08)
    body = dark(rng) if rng.random() < 0.45 else ceramic(rng)
    base = box((width, depth, height), (0, 0, height / 2), body)
    front = (base.vertices[:, 1] < 0) & (base.vertices[:, 2] > height / 2)
    base.vertices[front, 2] *= rng.uniform(0.35, 0.6)
    parts = [base]
    slope = np.arctan2(height * 0.5, depth)
    across = rng.random() < 0.4
    if across:  # over the back, as old ones have it
        ends = [(-width * 0.55, depth * 0.28), (width * 0.55, depth * 0.28)]
    else:
        ends = [(-width * 0.34, -depth * 0.42), (-width * 0.34, depth * 0.42)]
    lift = height * 1.25
    line = [
        np.array([*ends[0], lift]),
        np.array([*np.mean(ends, 0), lift + 0.02]),
        np.array([*ends[1], lift]),
    ]
    parts.append(tube(line, 0.013, body))
    for x, y in ends:
        parts.append(ellipsoid((0.026, 0.026, 0.02), (x, y, lift - 0.01), body))
    face = (0.0, -depth * 0.1) if across else (width * 0.14, -depth * 0.12)
    if across and rng.random() < 0.6:  # a dial
        dial = lathe([(0.045, 0.0), (0.045, 0.012), (0, 0.012)], metal(rng))
        turned(dial, rotation(0, slope)).vertices += np.array([*face, height * 0.75], np.float32)
        parts.append(dial)
    else:
        key = ceramic(rng)
        for i in range(3):
            for j in range(4):
                y = face[1] + (j - 1.5) * 0.026
                z = height * (0.5 + 0.5 * (y + depth / 2) / depth) + 0.006
                parts.append(box((0.018, 0.014, 0.008), (face[0] + (i - 1) * 0.025, y, z), key))
        if rng.random() < 0.6:
            spot = (face[0], depth * 0.33, height * 1.02)
            parts.append(box((width * 0.45, depth * 0.18, 0.006), spot, screen(rng)))
    return parts


def camera(rng: np.random.Generator) -> Parts:
    width, depth, height = rng.uniform(0.1, 0.15), rng.uniform(0.035, 0.06), rng.uniform(0.06, 0.1)
    body = dark(rng) if rng.random() < 0.6 else ceramic(rng)
    parts = [box((width, depth, height), (0, 0, height / 2), body)]
    reach, radius = rng.uniform(0.02, 0.11), height * rng.uniform(0.32, 0.48)
    barrel = lathe(
        [
            (radius, 0),
            (radius, reach * 0.5),
            (radius * 0.9, reach * 0.5),
            (radius * 0.9, reach),
            (radius * 0.75, reach),
            (0, reach * 0.85),
        ],
        dark(rng),
    )
    turned(barrel, rotation(0, np.pi / 2))
    shift = width * rng.uniform(-0.1, 0.1)
    barrel.vertices += np.array([shift, -depth / 2, height * 0.48], np.float32)
    parts.append(barrel)
    if rng.random() < 0.6:  # viewfinder
        hump = (width * 0.35, depth * 0.9, height * 0.25)
        parts.append(box(hump, (shift, 0, height * 1.1), body))
    if rng.random() < 0.6:  # grip
        parts.append(
            box(
                (width * 0.2, depth * 0.6, height * 0.9),
                (-width * 0.42, -depth * 0.5, height * 0.46),
                dark(rng),
            )
        )
    parts.append(
        lathe(
            [(0.008, height), (0.008, height + 0.007), (0, height + 0.007)],
            metal(rng),
            (width * 0.36, 0, 0),
        )
    )
    parts.append(box((width * 0.6, 0.001, height * 0.6), (0, depth / 2, height / 2), screen(rng)))
    return parts


def laptop(rng: np.random.Generator) -> Parts:
    width, depth = rng.uniform(0.27, 0.38), rng.uniform(0.19, 0.26)
    case = dark(rng) if rng.random() < 0.5 else Material(colour(rng), specular=0.5, shininess=120)
    thick, lid = rng.uniform(0.012, 0.028), rng.uniform(0.006, 0.012)
    keys = dark(rng)
    parts = [
        box((width, depth, thick), (0, 0, thick / 2), case),
        box((width * 0.9, depth * 0.45, 0.002), (0, depth * 0.15, thick), keys),
        box((width * 0.3, depth * 0.25, 0.002), (0, -depth * 0.3, thick), keys),
    ]
    hinge, lean = (0, depth / 2, thick), rotation(0, -rng.uniform(-0.1, 0.75))
    up = depth * 0.97
    frame = box((width, lid, up), (0, depth / 2, thick + up / 2), case)
    face = box(
        (width * 0.92, 0.001, up * 0.88), (0, depth / 2 - lid / 2, thick + up / 2), screen(rng)
    )
    return [*parts, turned(frame, lean, hinge), turned(face, lean, hinge)]


def coffee_maker(rng: np.random.Generator) -> Parts:
    width, depth, height = rng.uniform(0.15, 0.24), rng.uniform(0.2, 0.28), rng.uniform(0.26, 0.38)
    body = dark(rng) if rng.random() < 0.5 else (metal(rng) if rng.random() < 0.5 else ceramic(rng))
    back, top = depth * rng.uniform(0.3, 0.4), height * rng.uniform(0.22, 0.36)
    parts = [
        box((width, depth, 0.03), (0, 0, 0.015), body),
        box((width, back, height), (0, (depth - back) / 2, height / 2), body),
        box((width, depth * 0.95, top), (0, depth * 0.02, height - top / 2), body),
    ]
    room = height - top - 0.03
    radius, y = min(width * 0.42, (depth - back) * 0.55), -back / 2
    if rng.random() < 0.65:  # a jug under a filter
        jar = glass(rng)
        profile = [
            (0, 0.031),
            (radius * 0.8, 0.031),
            (radius, 0.03 + room * 0.35),
            (radius * 0.6, 0.03 + room * 0.85),
            (0, 0.03 + room * 0.9),
        ]
        coffee = Material((0.1, 0.05, 0.03), specular=0.4)
        filled = [(r * 0.95, 0.03 + (z - 0.03) * 0.6) for r, z in profile[:3]]
        parts += [
            lathe(profile, jar, (0, y, 0)),
            lathe([*filled, (0, filled[-1][1])], coffee, (0, y, 0)),
        ]
        grip = arc((0, y - radius * 0.8, 0.03 + room * 0.5), (0, -radius * 0.6, 0), room * 0.6)
        parts.append(tube(grip, 0.008, dark(rng)))
    else:  # a portafilter over a cup
        spot = np.array([0, y, height - top])
        parts.append(lathe([(0.03, -0.035), (0.03, 0), (0, 0)], metal(rng), spot))
        parts.append(tube([spot - (0, 0.02, 0.02), spot - (0, 0.13, 0.02)], 0.01, dark(rng)))
        parts.append(lathe([(0, 0.032), (0.025, 0.032), (0.033, 0.085)], ceramic(rng), (0, y, 0)))
    for x in rng.uniform(-0.4, 0.4, int(rng.integers(1, 4))) * width:
        knob = (x, -depth * 0.455, height - top / 2)
        parts.append(ellipsoid((0.01, 0.006, 0.01), knob, metal(rng), rings=4))
    return parts


def shoes(rng: np.random.Generator) -> Parts:
    length, width = rng.uniform(0.22, 0.29), rng.uniform(0.07, 0.095)
    upper = dark(rng) if rng.random() < 0.35 else cloth(rng)
    sole, lining = cloth(rng), dark(rng)
    ankle = rng.uniform(0.06, 0.1) + (0.08 if rng.random() < 0.2 else 0.0)
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


def foliage(rng: np.random.Generator, mouth: float, base: float, height: float) -> Parts:
    """Leaves over a pot: blades, a ball of leaves, or broad leaves on stems."""
    green, kind = leaf_green(rng), rng.integers(3)
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


def plant_pot(rng: np.random.Generator, radius: float) -> tuple[Parts, float, float]:
    """A filled pot; also its mouth's radius and the height of the earth."""
    height = radius * rng.uniform(1.2, 2.4)
    clay = Material((0.65, 0.33, 0.2)) if rng.random() < 0.35 else ceramic(rng)
    outline = [(0, 0), (rng.uniform(0.6, 1.0), 0), (1.0, 0.85), (1.0, 1.0)]
    parts = vessel(radius, height, outline, clay, 0.9)
    if rng.random() < 0.5:
        rim = [(radius, height * 0.82), (radius * 1.12, height * 0.84), (radius * 1.12, height)]
        parts.append(lathe([*rim, (radius * 0.9, height)], clay))
    parts.append(disc(radius * 0.9, height * 0.88, Material((0.15, 0.1, 0.06))))
    return parts, radius, height * 0.88


def _lamp(rng: np.random.Generator, height: float, shade: float, tall: float, fat: bool) -> Parts:
    material = ceramic(rng) if fat else metal(rng)
    foot = shade * rng.uniform(0.5, 0.95)
    low = height - tall
    if fat:
        body = foot * rng.uniform(0.7, 1.1)
        outline = [(0, 0), (foot * 0.7, 0), (body, low * 0.4), (body * 0.4, low * 0.8), (0.01, low)]
        parts = [lathe(outline, material)]
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
    "potted plant": potted_plant,
    "house plant": house_plant,
    "flowers": flowers,
    "candle": candle,
    "lamp": table_lamp,
    "floor lamp": floor_lamp,
    "mobile phone": mobile_phone,
    "telephone": telephone,
    "camera": camera,
    "laptop": laptop,
    "coffee maker": coffee_maker,
    "shoes": shoes,
    "dog": dog,
}
