"""Made-up devices: telephones, cameras, laptops, coffee makers.

Each function draws one of its class, in metres, front towards -y.
"""

from __future__ import annotations

import numpy as np

from ..assets import Material
from .materials import ceramic, colour, dark, glass, metal, screen
from .shapes import Maker, Parts, arc, box, disc, ellipsoid, lathe, rotation, tube, turned


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
    if rng.random() < 0.4:
        return _cordless(rng)
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


def _cordless(rng: np.random.Generator) -> Parts:
    """A handset, standing or leaning in a small base or lying in a cradle."""
    body = dark(rng) if rng.random() < 0.5 else ceramic(rng)
    foot = body if rng.random() < 0.6 else (dark(rng) if rng.random() < 0.5 else ceramic(rng))
    width, thick, length = (
        rng.uniform(0.042, 0.06),
        rng.uniform(0.02, 0.032),
        rng.uniform(0.13, 0.2),
    )
    handset = [box((width, thick, length), (0, 0, length / 2), body)]
    for z in (0, length):  # round ends
        handset.append(ellipsoid((width / 2, thick / 2, width * 0.3), (0, 0, z), body, rings=4))
    face, high = -thick / 2 - 0.001, length * rng.uniform(0.2, 0.35)
    glow = Material((0.55, 0.75, 0.6)) if rng.random() < 0.5 else screen(rng)
    handset.append(box((width * 0.78, 0.003, high), (0, face, length * 0.7), glow))
    key = ceramic(rng)
    for i in range(3):
        for j in range(4):
            spot = ((i - 1) * width * 0.27, face, length * (0.12 + 0.1 * j))
            handset.append(box((width * 0.2, 0.004, length * 0.06), spot, key))
    if rng.random() < 0.25:  # an aerial
        at = (width * 0.35, 0, length)
        handset.append(tube([at, np.add(at, (0, 0, length * 0.35))], 0.004, dark(rng), 6))
    lying = rng.random() < 0.35
    reach = length * 1.05 if lying else rng.uniform(0.07, 0.12)
    broad, low = rng.uniform(1.4, 3.2) * width, rng.uniform(0.02, 0.05)
    base = box((broad, reach, low), (0, 0, low / 2), foot)
    base.vertices[base.vertices[:, 2] > low / 2, :2] *= rng.uniform(0.75, 1.0)
    parts: Parts = [base]
    if rng.random() < 0.3 and not lying:
        parts = [lathe([(0, 0), (broad / 2, 0), (broad * 0.42, low), (0, low)], foot)]
    lean = rotation(0, -np.pi / 2 + 0.12 if lying else -rng.uniform(0.05, 0.5))
    side = rng.uniform(-0.5, 0.5) * max(0.0, broad - 1.3 * width)
    spot = np.array([side, -length * 0.48 if lying else 0.0, low * 0.9 if lying else low * 0.6])
    for part in handset:
        turned(part, lean).vertices += spot.astype(np.float32)
        if lying:
            part.vertices[:, 2] += np.float32(thick / 2)
    if broad > 2.4 * width:  # keys on the base too
        for j in range(4):
            x = -np.sign(side or 1.0) * broad * 0.28
            parts.append(box((broad * 0.2, 0.012, 0.006), (x, (j - 1.5) * 0.02, low), key))
    return parts + handset


def camera(rng: np.random.Generator) -> Parts:
    if rng.random() < 0.4:
        return _compact_camera(rng)
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


def _compact_camera(rng: np.random.Generator) -> Parts:
    """For the pocket: flat, a small lens to one side or in the middle, a flash, a screen."""
    width, height = rng.uniform(0.085, 0.12), rng.uniform(0.052, 0.08)
    depth = rng.uniform(0.02, 0.045)
    shell = (metal(rng), dark(rng), ceramic(rng))[rng.integers(3)]
    parts = [box((width, depth, height), (0, 0, height / 2), shell)]
    if rng.random() < 0.6:  # round ends
        for sign in (-1, 1):
            at = (sign * width / 2, 0, 0)
            end = lathe([(0, 0), (depth / 2, 0), (depth / 2, height), (0, height)], shell, at, 12)
            parts.append(end)
    if rng.random() < 0.5:
        other = (width * 0.98, depth * 1.04, height * rng.uniform(0.2, 0.45))
        z = height * rng.choice([0.22, 0.8])
        parts.append(box(other, (0, 0, z), dark(rng) if rng.random() < 0.6 else metal(rng)))
    radius, reach = height * rng.uniform(0.24, 0.42), rng.uniform(0.004, 0.035)
    x = width * rng.choice([-0.15, 0.0, 0.15])
    spot = np.array([x, -depth / 2, height * rng.uniform(0.42, 0.55)], np.float32)
    barrel = lathe([(radius, 0), (radius, reach), (radius * 0.7, reach)], metal(rng))
    lens = lathe([(radius * 0.72, reach), (0, reach + 0.004)], dark(rng))
    for part in (barrel, lens):
        turned(part, rotation(0, np.pi / 2)).vertices += spot
        parts.append(part)
    pale = Material((0.9, 0.9, 0.85), specular=0.6)
    top = (rng.choice([-0.35, 0.3]) * width, -depth / 2, height * 0.83)
    parts.append(box((width * 0.14, 0.004, height * 0.12), top, pale))
    button = [(0.006, height), (0.006, height + 0.005), (0, height + 0.005)]
    parts.append(lathe(button, metal(rng), (width * rng.choice([-0.33, 0.33]), 0, 0)))
    parts.append(box((width * 0.6, 0.001, height * 0.7), (0, depth / 2, height / 2), screen(rng)))
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
    if rng.random() < 0.3:
        return _round_coffee_maker(rng)
    width, depth, height = rng.uniform(0.15, 0.24), rng.uniform(0.2, 0.28), rng.uniform(0.26, 0.38)
    body = dark(rng) if rng.random() < 0.5 else (metal(rng) if rng.random() < 0.5 else ceramic(rng))
    back, top = depth * rng.uniform(0.3, 0.4), height * rng.uniform(0.22, 0.36)
    second = body if rng.random() < 0.5 else (dark(rng) if rng.random() < 0.5 else metal(rng))
    column = width * (1.0 if rng.random() < 0.7 else rng.uniform(0.5, 0.8))
    parts = [
        box((width, depth, 0.03), (0, 0, 0.015), second),
        box((column, back, height), (0, (depth - back) / 2, height / 2), body),
        box(
            (width, depth * rng.uniform(0.75, 0.97), top), (0, depth * 0.02, height - top / 2), body
        ),
    ]
    if rng.random() < 0.3:  # a tank to see the water in
        tank = (width * 0.2, back * 0.6, height * 0.7)
        parts.append(box(tank, (column * 0.45, (depth - back) / 2, height * 0.5), glass(rng)))
    room = height - top - 0.03
    radius, y = min(width * 0.42, (depth - back) * 0.55), -back / 2
    if rng.random() < 0.65:  # a jug under a filter
        jar = glass(rng) if rng.random() < 0.75 else metal(rng)
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


def _round_coffee_maker(rng: np.random.Generator) -> Parts:
    """Rounded: a base that warms the jug, a column behind it, a drum with the filter above."""
    body = (dark(rng), ceramic(rng), metal(rng))[rng.integers(3)]
    other = body if rng.random() < 0.5 else (dark(rng), metal(rng))[rng.integers(2)]
    height, radius = rng.uniform(0.25, 0.38), rng.uniform(0.075, 0.11)
    drum, low = height * rng.uniform(0.25, 0.38), 0.035
    narrow, back = rng.uniform(0.7, 1.0), radius * rng.uniform(0.8, 1.2)
    rim = height - drum
    parts = [
        lathe([(0, 0), (radius * 1.1, 0), (radius * 1.05, low), (0, low)], other),
        lathe([(0, rim), (radius * narrow, rim), (radius, height * 0.97), (0, height)], body),
        box((radius * 1.3, radius * 0.7, height * 0.95), (0, back, height * 0.475), body),
    ]
    jar = glass(rng) if rng.random() < 0.7 else metal(rng)
    room, wide = rim - low, radius * rng.uniform(0.75, 0.98)
    mouth = wide * rng.uniform(0.5, 0.9)
    sides = [(wide, 0.0), (wide, room * 0.4), (mouth, room * 0.85), (0, room * 0.9)]
    spot = (0, -radius * 0.1, low)
    parts.append(lathe(sides, jar, spot))
    parts.append(disc(wide * 0.95, room * 0.4, Material((0.1, 0.05, 0.03), specular=0.4), spot))
    cover = dark(rng)
    parts.append(
        lathe([(mouth * 1.1, room * 0.8), (mouth * 1.1, room * 0.93), (0, room)], cover, spot)
    )
    grip = arc((0, -wide * 0.8, low + room * 0.5), (0, -wide * 0.75, 0), room * 0.65)
    return [*parts, tube(grip, 0.009, cover)]


MAKERS: dict[str, Maker] = {
    "mobile phone": mobile_phone,
    "telephone": telephone,
    "camera": camera,
    "laptop": laptop,
    "coffee maker": coffee_maker,
}
