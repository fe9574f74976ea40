"""Made-up things to sit and lie on.

Each function draws one of its class, in metres, front towards -y.
"""

from __future__ import annotations

import numpy as np

from ..assets import Material
from .materials import cloth, dark, metal, wood
from .shapes import Maker, Parts, box, ellipsoid, lathe, legs_at, rotation, tube, turned


def stool(rng: np.random.Generator) -> Parts:
    height, half = rng.uniform(0.42, 0.82), rng.uniform(0.15, 0.2)
    seat = cloth(rng) if rng.random() < 0.4 else wood(rng)
    if rng.random() < 0.12:
        return _drum_stool(rng, height, half)
    thick = rng.uniform(0.02, 0.08)
    if rng.random() < 0.7:
        outline = [
            (0, height - thick),
            (half, height - thick),
            (half, height - 0.3 * thick),
            (half * 0.93, height),
            (0, height),
        ]
        parts = [lathe(outline, seat)]
    else:
        parts = [box((2 * half, 2 * half, thick), (0, 0, height - thick / 2), seat)]
    frame = wood(rng) if rng.random() < 0.5 else metal(rng)
    low = height - thick
    if rng.random() < 0.3:  # a column
        foot = half * rng.uniform(0.9, 1.2)
        parts.append(
            lathe([(0, 0), (foot, 0), (foot, 0.02), (0.03, 0.04), (0.025, low), (0, low)], frame)
        )
        ring = 0.3 * height
    else:
        count, splay = int(rng.integers(3, 5)), rng.uniform(1.0, 1.35)
        for k in range(count):
            angle = 2 * np.pi * k / count + np.pi / 4
            out = np.array([np.cos(angle), np.sin(angle), 0]) * half * 0.85
            parts.append(tube([out * splay, out + (0, 0, low)], rng.uniform(0.012, 0.02), frame))
        ring = rng.uniform(0.2, 0.5) * height
    if rng.random() < 0.6:
        angle = np.linspace(0, 2 * np.pi, 17)
        circle = np.c_[np.cos(angle), np.sin(angle), np.zeros(17)] * half * 0.9 + (0, 0, ring)
        parts.append(tube(list(circle), 0.009, frame))
    return parts


def _drum_stool(rng: np.random.Generator, height: float, half: float) -> Parts:
    """Closed down to the floor: upholstered, turned, or a tree's trunk."""
    material = cloth(rng) if rng.random() < 0.6 else wood(rng)
    waist = half * rng.uniform(0.6, 1.05)
    height = min(height, 0.5)
    outline = [(0, 0), (half * 0.95, 0), (waist, height * 0.5), (half, height * 0.95), (0, height)]
    return [lathe(outline, material)]


def chair(rng: np.random.Generator) -> Parts:
    width, depth = rng.uniform(0.38, 0.5), rng.uniform(0.38, 0.5)
    seat_z, top = rng.uniform(0.42, 0.48), rng.uniform(0.76, 1.05)
    frame = wood(rng) if rng.random() < 0.65 else metal(rng)
    pad = frame if rng.random() < 0.4 else cloth(rng)
    parts = [box((width, depth, 0.035), (0, 0, seat_z - 0.017), pad)]
    x, y = width / 2 - 0.02, depth / 2 - 0.02
    parts += legs_at([(x, -y), (-x, -y), (x, y), (-x, y)], seat_z - 0.03, 0.017, frame)
    lean = rotation(0, -rng.uniform(0.05, 0.22))
    rise, hinge = top - seat_z, (0, depth / 2 - 0.02, seat_z)
    back: Parts = []
    for sign in (-1, 1):
        back.append(box((0.03, 0.025, rise), (sign * x, y, seat_z + rise / 2), frame))
    kind = rng.integers(4)
    if kind == 0:  # a panel
        high = rise * rng.uniform(0.4, 0.85)
        back.append(box((width * 0.9, 0.02, high), (0, y, top - high / 2), pad))
    elif kind == 1:  # ladder
        for z in np.linspace(seat_z + 0.35 * rise, top - 0.04, int(rng.integers(2, 5))):
            back.append(box((width * 0.9, 0.018, 0.05), (0, y, z), frame))
    else:  # slats
        back.append(box((width * 0.95, 0.022, 0.06), (0, y, top - 0.03), frame))
        for at in np.linspace(-0.35, 0.35, int(rng.integers(3, 7))) * width:
            back.append(box((0.02, 0.015, rise * 0.95), (at, y, seat_z + rise * 0.48), frame))
    parts += [turned(part, lean, hinge) for part in back]
    if rng.random() < 0.2:
        parts += _arm_rests(width, depth, seat_z, frame)
    return parts


def office_chair(rng: np.random.Generator) -> Parts:
    seat_z, width = rng.uniform(0.43, 0.52), rng.uniform(0.42, 0.52)
    frame = dark(rng) if rng.random() < 0.7 else metal(rng)
    pad = dark(rng) if rng.random() < 0.4 else cloth(rng)
    parts, reach = [tube([(0, 0, 0.08), (0, 0, seat_z)], 0.03, frame)], rng.uniform(0.24, 0.34)
    for k in range(5):
        out = np.array([np.cos(k * 2 * np.pi / 5), np.sin(k * 2 * np.pi / 5), 0]) * reach
        parts.append(tube([np.array([0, 0, 0.12]), out + (0, 0, 0.07)], 0.02, frame))
        parts.append(ellipsoid((0.03, 0.03, 0.03), out + (0, 0, 0.03), dark(rng), rings=4))
    if rng.random() < 0.5:
        parts.append(box((width, width, 0.07), (0, 0, seat_z), pad))
    else:  # round corners
        parts.append(ellipsoid((width * 0.55, width * 0.55, 0.06), (0, 0, seat_z), pad))
    high, low = rng.uniform(0.28, 0.7), rng.uniform(0.05, 0.2)
    size, spot = (width * rng.uniform(0.7, 1.0), 0.06, high), (0, 0, seat_z + low + high / 2)
    back = box(size, spot, pad)
    if rng.random() < 0.45:
        back = ellipsoid((size[0] / 2, 0.05, high / 2), spot, pad)
    back.vertices[:, 1] += width / 2
    post = tube([(0, width / 2 - 0.06, seat_z), (0, width / 2 + 0.03, seat_z + 0.3)], 0.02, frame)
    lean = rotation(0, -rng.uniform(0.0, 0.25))
    parts += [turned(part, lean, (0, width / 2, seat_z)) for part in (back, post)]
    if rng.random() < 0.65:
        parts += _arm_rests(width + 0.06, width, seat_z, frame)
    return parts


def armchair(rng: np.random.Generator) -> Parts:
    kind = rng.random()
    if kind < 0.2:
        return _tub_chair(rng)
    if kind < 0.45:
        return _lounge_chair(rng)
    return _upholstered(rng, rng.uniform(0.68, 1.0), 1)


def _tub_chair(rng: np.random.Generator) -> Parts:
    """Back and arms in one round shell, around a cushion."""
    radius, seat_z = rng.uniform(0.34, 0.42), rng.uniform(0.36, 0.45)
    top, thick = rng.uniform(0.62, 0.85), rng.uniform(0.07, 0.13)
    body, feet = cloth(rng), rng.uniform(0.02, 0.14)
    cushion = body if rng.random() < 0.6 else cloth(rng)
    rise, arm = top - feet, rng.uniform(0.55, 0.8)
    shell = lathe(
        [
            (radius, feet),
            (radius, feet + rise),
            (radius - thick, feet + rise),
            (radius - thick, feet),
        ],
        body,
    )
    # the arms are lower than the back, and the front is open
    ahead = np.clip(-shell.vertices[:, 1] / radius + 0.2, 0, 1)
    high = shell.vertices[:, 2] > seat_z
    low = np.where(shell.vertices[:, 1] < -0.72 * radius, seat_z / top, 1 - (1 - arm) * ahead)
    shell.vertices[high, 2] *= low[high]
    under, inner = seat_z - 0.12, radius - thick
    parts = [
        shell,
        lathe([(0, feet), (radius * 0.97, feet), (radius * 0.97, under), (0, under)], body),
        lathe([(0, under), (inner, under), (inner, seat_z), (0, seat_z)], cushion),
    ]
    x = radius * 0.65
    return parts + legs_at([(x, -x), (-x, -x), (x, x), (-x, x)], feet, 0.02, wood(rng))


def _lounge_chair(rng: np.random.Generator) -> Parts:
    """Cushions in an open frame of wood or metal, with arms."""
    width, depth = rng.uniform(0.58, 0.78), rng.uniform(0.6, 0.8)
    seat_z, top = rng.uniform(0.34, 0.43), rng.uniform(0.72, 1.05)
    frame = wood(rng) if rng.random() < 0.7 else metal(rng)
    pad, thick = cloth(rng), rng.uniform(0.07, 0.15)
    lean = rotation(0, -rng.uniform(0.15, 0.4))
    rise, hinge = top - seat_z, (0, depth / 2 - thick, seat_z)
    back = box((width * 0.9, thick, rise), (0, depth / 2 - thick / 2, seat_z + rise / 2), pad)
    parts = [
        box((width * 0.9, depth * 0.95, thick), (0, 0, seat_z - thick / 2), pad),
        turned(back, lean, hinge),
    ]
    arm_z = seat_z + rng.uniform(0.15, 0.25)
    for sign in (-1, 1):
        x = sign * width / 2
        for y in (-depth * 0.45, depth * 0.4):
            parts.append(tube([(x, y * rng.uniform(0.95, 1.1), 0), (x, y, arm_z)], 0.02, frame))
        parts.append(box((0.06, depth, 0.025), (x, 0, arm_z), frame))
        parts.append(box((0.03, depth * 0.9, 0.04), (x, 0, seat_z - thick), frame))
    return parts


def sofa(rng: np.random.Generator) -> Parts:
    seats = int(rng.integers(2, 4))
    return _upholstered(rng, 0.35 + 0.58 * seats + rng.uniform(0, 0.3), seats)


def bed(rng: np.random.Generator) -> Parts:
    width, length, height = rng.uniform(0.9, 1.9), rng.uniform(1.9, 2.15), rng.uniform(0.4, 0.6)
    frame = wood(rng) if rng.random() < 0.7 else cloth(rng)
    sheet, cover = cloth(rng), cloth(rng)
    low = height * 0.55
    parts = [
        box((width, length, low * 0.6), (0, 0, low * 0.7), frame),
        box((width * 0.97, length * 0.97, height - low), (0, 0, (height + low) / 2), sheet),
        box(
            (width * 0.99, length * rng.uniform(0.4, 0.75), height - low),
            (0, -length * 0.12, (height + low) / 2 + 0.015),
            cover,
        ),
    ]
    x, y = width * 0.45, length * 0.45
    parts += legs_at([(x, -y), (-x, -y), (x, y), (-x, y)], low * 0.5, 0.03, frame)
    for at in (-0.25, 0.25) if width > 1.2 else (0.0,):
        parts.append(
            ellipsoid(
                (width * (0.2 if width > 1.2 else 0.36), 0.2, 0.08),
                (at * width, length * 0.36, height + 0.05),
                cloth(rng),
            )
        )
    if rng.random() < 0.85:
        top = rng.uniform(0.75, 1.2)
        parts.append(box((width * 1.03, 0.05, top), (0, length / 2 + 0.02, top / 2), frame))
    if rng.random() < 0.35:
        foot = rng.uniform(height * 0.9, height * 1.3)
        parts.append(box((width * 1.03, 0.04, foot), (0, -length / 2 - 0.02, foot / 2), frame))
    return parts


# --- what several of them share -------------------------------------------------------------------


def _arm_rests(width: float, depth: float, seat_z: float, material: Material) -> Parts:
    parts: Parts = []
    for sign in (-1, 1):
        x = sign * width / 2
        parts.append(box((0.04, depth * 0.7, 0.03), (x, 0, seat_z + 0.2), material))
        parts.append(box((0.03, 0.03, 0.2), (x, -depth * 0.25, seat_z + 0.1), material))
    return parts


def _upholstered(rng: np.random.Generator, width: float, seats: int) -> Parts:
    depth, seat_z, top = rng.uniform(0.75, 0.95), rng.uniform(0.38, 0.46), rng.uniform(0.7, 1.0)
    arm, arm_z = rng.uniform(0.08, 0.22), rng.uniform(0.5, 0.68)
    back = rng.uniform(0.14, 0.25)
    body, feet = cloth(rng), rng.uniform(0.03, 0.14)
    cushion = body if rng.random() < 0.7 else cloth(rng)
    inner = width - 2 * arm
    parts = [
        box((inner, depth, seat_z - feet - 0.12), (0, 0, (seat_z - 0.12 + feet) / 2), body),
        box((inner, back, top - feet), (0, (depth - back) / 2, (top + feet) / 2), body),
    ]
    round_arms = rng.random() < 0.4
    for sign in (-1, 1):
        x = sign * (width - arm) / 2
        parts.append(box((arm, depth, arm_z - feet), (x, 0, (arm_z + feet) / 2), body))
        if round_arms:
            roll = [(x, -depth / 2, arm_z), (x, depth / 2, arm_z)]
            parts.append(tube(roll, arm * 0.6, body, 12))
    for k in range(seats):
        x = (k - (seats - 1) / 2) * inner / seats
        size = (inner / seats * 0.98, depth - back, 0.13)
        parts.append(box(size, (x, -back / 2, seat_z - 0.065), cushion))
        if rng.random() < 0.7:
            rise = top - seat_z
            parts.append(
                box(
                    (inner / seats * 0.95, 0.14, rise * 0.85),
                    (x, depth / 2 - back - 0.05, seat_z + rise * 0.45),
                    cushion,
                )
            )
        if rng.random() < 0.25:
            turn = rotation(0, -0.3)
            spot = (x, depth / 2 - back - 0.18, seat_z + 0.17)
            parts.append(ellipsoid((0.2, 0.07, 0.18), spot, cloth(rng), turn))
    x, y = width / 2 - 0.06, depth / 2 - 0.06
    return parts + legs_at([(x, -y), (-x, -y), (x, y), (-x, y)], feet, 0.025, wood(rng))


MAKERS: dict[str, Maker] = {
    "stool": stool,
    "chair": chair,
    "office chair": office_chair,
    "armchair": armchair,
    "sofa": sofa,
    "bed": bed,
}
