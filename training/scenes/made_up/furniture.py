"""Made-up tables, cases and appliances.

Each function draws one of its class, in metres, front towards -y.
"""

from __future__ import annotations

import itertools

import numpy as np

from ..assets import Material, MeshPart
from .materials import ceramic, cloth, colour, dark, metal, screen, wood
from .shapes import Maker, Parts, box, ellipsoid, lathe, legs_at, rotation, tube, turned

_BOARD_M = 0.022


def table(rng: np.random.Generator) -> Parts:
    width, depth = rng.uniform(1.2, 1.7), rng.uniform(0.7, 1.0)
    return _table(rng, width, depth, rng.uniform(0.66, 0.78))


def desk(rng: np.random.Generator) -> Parts:
    width, depth, height = rng.uniform(1.0, 1.7), rng.uniform(0.5, 0.8), rng.uniform(0.7, 0.78)
    material = wood(rng)
    parts = [box((width, depth, 0.03), (0, 0, height - 0.015), material)]
    drawers = rng.choice(["left", "right", "both", "none"], p=[0.3, 0.3, 0.25, 0.15])
    for name, sign in (("left", -1), ("right", 1)):
        x = sign * (width / 2 - 0.2)
        if drawers in (name, "both"):
            parts += _fronts(
                rng, 0.38, depth * 0.92, height - 0.03, 1, int(rng.integers(2, 5)), material, (x, 0)
            )
        else:
            x = sign * (width / 2 - 0.03)
            if rng.random() < 0.5:
                parts.append(box((0.03, depth * 0.95, height), (x, 0, height / 2), material))
            else:
                parts += legs_at([(x, depth * 0.44), (x, -depth * 0.44)], height, 0.02, metal(rng))
    if rng.random() < 0.5:
        back = (width * 0.9, 0.02, height * 0.5)
        parts.append(box(back, (0, depth * 0.45, height * 0.65), material))
    if rng.random() < 0.25:  # a shelf on top
        rise = rng.uniform(0.2, 0.45)
        parts.append(box((width, 0.22, 0.02), (0, depth / 2 - 0.11, height + rise), material))
        for sign in (-1, 1):
            side = (sign * (width / 2 - 0.01), depth / 2 - 0.11, height + rise / 2)
            parts.append(box((0.02, 0.22, rise), side, material))
    return parts


def coffee_table(rng: np.random.Generator) -> Parts:
    width, depth, height = rng.uniform(0.6, 1.3), rng.uniform(0.45, 0.8), rng.uniform(0.34, 0.5)
    parts = _table(rng, width, depth, height)
    if rng.random() < 0.4:
        shelf = (width * 0.85, depth * 0.85, 0.018)
        parts.append(box(shelf, (0, 0, height * 0.35), wood(rng)))
    return parts


def bookcase(rng: np.random.Generator) -> Parts:
    width, depth, height = rng.uniform(0.4, 1.6), rng.uniform(0.22, 0.4), rng.uniform(0.9, 2.3)
    material = wood(rng)
    parts, low = _carcass(width, depth, height, material), 0.05
    if rng.random() < 0.3:  # doors or drawers below
        low = height * rng.uniform(0.2, 0.4)
        rows = 1 if rng.random() < 0.6 else 2
        parts += _fronts(rng, width, depth, low, max(1, round(width / 0.45)), rows, material)
    columns = max(1, round(width / rng.uniform(0.45, 1.0)))
    for x in np.linspace(-width / 2, width / 2, columns + 1)[1:-1]:
        parts.append(box((_BOARD_M, depth, height - low), (x, 0, (height + low) / 2), material))
    fill = rng.choice([0.9, 0.6, 0.25])
    rows = max(2, round((height - low) / rng.uniform(0.26, 0.42)))
    levels = np.linspace(low, height - _BOARD_M, rows + 1)
    for bottom, top in itertools.pairwise(levels):
        parts.append(box((width, depth, _BOARD_M), (0, 0, bottom), material))
        for column in range(columns):
            if rng.random() < fill:
                left = -width / 2 + column * width / columns + 0.02
                right = left + width / columns - 0.04
                parts += _books(rng, left, right, depth, bottom + 0.01, top - bottom)
    return parts


def _books(
    rng: np.random.Generator, left: float, right: float, depth: float, z: float, room: float
) -> Parts:
    """A row of books on a board, or a pile, or something else that people keep there."""
    kind = rng.random()
    if kind < 0.12:  # a pile
        parts, across = list[MeshPart](), min(0.24, 0.8 * (right - left))
        x = rng.uniform(left + across / 2, right - across / 2)
        for _ in range(int(rng.integers(2, 6))):
            thick = rng.uniform(0.02, 0.045)
            parts.append(
                box((across, depth * 0.6, thick * 0.95), (x, 0, z + thick / 2), cloth(rng))
            )
            z += thick
        return parts
    if kind < 0.22:
        radius = min(0.3 * room, 0.35 * depth, 0.4 * (right - left))
        outline = [(0, z), (radius * 0.6, z), (radius, z + radius), (radius * 0.4, z + 2 * radius)]
        return [lathe(outline, ceramic(rng), ((left + right) / 2, 0, 0))]
    x, parts, bindings = left, [], [cloth(rng) for _ in range(int(rng.integers(2, 9)))]
    full = right - rng.uniform(0.0, 0.5) * (rng.random() < 0.5) * (right - left)
    tallest = rng.uniform(0.55, 0.9)
    while x < full - 0.05:
        thick, tall = rng.uniform(0.02, 0.06), room * tallest * rng.uniform(0.8, 1.0)
        spot = (x + thick / 2, -depth * 0.1, z + tall / 2)
        binding = bindings[rng.integers(len(bindings))]
        parts.append(box((thick * 0.94, depth * 0.6, tall), spot, binding))
        x += thick
    return parts


def shelves(rng: np.random.Generator) -> Parts:
    width, depth, height = rng.uniform(0.5, 1.4), rng.uniform(0.22, 0.5), rng.uniform(0.6, 2.0)
    boards = wood(rng)
    kind = rng.choice(["posts", "sides", "cubes", "ladder"], p=[0.4, 0.25, 0.2, 0.15])
    frame = boards if rng.random() < 0.4 else metal(rng)
    x, y = width / 2 - 0.015, depth / 2 - 0.015
    if kind == "sides":
        parts = [box((0.02, depth, height), (s * x, 0, height / 2), boards) for s in (-1, 1)]
        if rng.random() < 0.4:
            parts.append(box((width, 0.01, height), (0, y, height / 2), boards))
    elif kind == "posts":
        parts = legs_at([(x, -y), (-x, -y), (x, y), (-x, y)], height, 0.014, frame)
        if rng.random() < 0.35:  # braced
            for line in (
                [(-x, y, 0.1), (x, y, height - 0.1)],
                [(x, y, 0.1), (-x, y, height - 0.1)],
            ):
                parts.append(tube(line, 0.006, frame, 5))
    elif kind == "ladder":
        parts = []
        for sign in (-1, 1):
            parts.append(tube([(sign * x, -y, 0), (sign * x, y, height)], 0.016, frame))
            parts.append(tube([(sign * x, y, 0), (sign * x, y, height)], 0.016, frame))
    else:
        columns = max(2, round(width / 0.38))
        parts = _carcass(width, depth, height, boards)
        for at in np.linspace(-width / 2, width / 2, columns + 1)[1:-1]:
            parts.append(box((_BOARD_M, depth, height), (at, 0, height / 2), boards))
    levels = np.linspace(rng.uniform(0.03, 0.2), height - 0.01, int(rng.integers(3, 6)))
    step, keeps = float(levels[1] - levels[0]), rng.choice([0.1, 0.5, 0.9])
    for z in levels:
        deep = depth * (1 - 0.6 * z / height) if kind == "ladder" else depth
        parts.append(box((width, deep, 0.02), (0, (depth - deep) / 2, z), boards))
        if z > height - 0.1 and kind != "posts":
            continue
        at = -width / 2 + 0.03
        while at < width / 2 - 0.15:
            across, tall = rng.uniform(0.08, 0.3), rng.uniform(0.3, 0.8) * min(step, 0.4)
            if rng.random() < keeps and at + across < width / 2:
                size, spot = (across, deep * 0.6, tall), (at + across / 2, (depth - deep) / 2, z)
                parts.append(box(size, np.add(spot, (0, 0, tall / 2)), cloth(rng)))
            at += across + rng.uniform(0.01, 0.1)
    return parts


def wardrobe(rng: np.random.Generator) -> Parts:
    width, depth, height = rng.uniform(0.8, 2.1), rng.uniform(0.5, 0.65), rng.uniform(1.75, 2.35)
    material = wood(rng)
    columns = max(2, round(width / 0.5))
    if rng.random() < 0.35:
        drawers = rng.uniform(0.25, 0.5)
        parts = _fronts(rng, width, depth, drawers, columns, 1, material)
        upper = _fronts(rng, width, depth, height - drawers, columns, 1, material)
        for part in upper:
            part.vertices[:, 2] += np.float32(drawers)
        return parts + upper
    return _fronts(rng, width, depth, height, columns, 1, material)


def cabinet(rng: np.random.Generator) -> Parts:
    width, depth, height = rng.uniform(0.4, 1.5), rng.uniform(0.35, 0.6), rng.uniform(0.5, 1.05)
    columns = max(1, round(width / rng.uniform(0.4, 0.7)))
    rows = int(rng.integers(2, 5)) if rng.random() < 0.55 else 1
    return _fronts(
        rng,
        width,
        depth,
        height,
        columns,
        rows,
        wood(rng),
        legs=rng.uniform(0.05, 0.18) if rng.random() < 0.4 else 0.0,
    )


def refrigerator(rng: np.random.Generator) -> Parts:
    width, depth, height = rng.uniform(0.55, 0.95), rng.uniform(0.6, 0.8), rng.uniform(1.3, 2.0)
    kind = rng.random()
    enamel = Material((0.92, 0.92, 0.9), specular=0.4, shininess=120)
    body = enamel if kind < 0.5 else (metal(rng) if kind < 0.85 else ceramic(rng))
    parts = [box((width, depth, height), (0, 0, height / 2), dark(rng))]
    split, gap = rng.choice([0.3, 0.4, 0.62, 0.7]), 0.012
    doors = [(0.0, width, 0.0, split), (0.0, width, split, 1.0)]
    if width > 0.8:
        doors = [(-width / 4, width / 2, 0.0, 1.0), (width / 4, width / 2, 0.0, 1.0)]
    for x, across, low, high in doors:
        size = (across - gap, 0.06, (high - low) * height - gap)
        parts.append(box(size, (x, -depth / 2 - 0.02, (low + high) / 2 * height), body))
        side = np.sign(-x) if x else 1.0
        at = x + side * (across / 2 - 0.05)
        span = size[2] * rng.uniform(0.25, 0.6)
        parts.append(
            box((0.02, 0.03, span), (at, -depth / 2 - 0.07, (low + high) / 2 * height), metal(rng))
        )
    for sign in (-1, 1):
        parts.append(box((0.01, depth, height), (sign * width / 2, 0, height / 2), body))
    parts.append(box((width, depth, 0.01), (0, 0, height), body))
    return parts


def washing_machine(rng: np.random.Generator) -> Parts:
    width, depth, height = rng.uniform(0.56, 0.64), rng.uniform(0.5, 0.65), rng.uniform(0.8, 0.9)
    kind = rng.random()
    body = Material((0.9, 0.9, 0.9), specular=0.3, shininess=90) if kind < 0.75 else metal(rng)
    parts = [box((width, depth, height), (0, 0, height / 2), body)]
    radius, middle = width * rng.uniform(0.26, 0.36), height * 0.45
    ring = metal(rng) if rng.random() < 0.6 else ceramic(rng)
    door = lathe([(radius, 0), (radius, 0.03), (radius * 0.75, 0.035)], ring)
    window = lathe([(radius * 0.75, 0.03), (radius * 0.4, 0.05), (0, 0.055)], dark(rng))
    for part in (door, window):
        turned(part, rotation(0, np.pi / 2)).vertices += np.array([0, -depth / 2, middle], "f4")
        parts.append(part)
    strip = (width * 0.98, 0.012, height * 0.12)
    parts.append(
        box(strip, (0, -depth / 2, height * 0.92), dark(rng) if kind > 0.4 else ceramic(rng))
    )
    knob = (rng.uniform(-0.1, 0.3) * width, -depth / 2 - 0.01, height * 0.92)
    parts.append(ellipsoid((0.03, 0.02, 0.03), knob, metal(rng), rings=4))
    tray = (width * 0.25, 0.015, height * 0.09)
    parts.append(box(tray, (-width * 0.34, -depth / 2 - 0.005, height * 0.92), body))
    return parts


def sink(rng: np.random.Generator) -> Parts:
    width, depth, height = rng.uniform(0.45, 0.9), rng.uniform(0.42, 0.55), rng.uniform(0.78, 0.9)
    white = Material((0.93, 0.93, 0.92), specular=0.5, shininess=150)
    if rng.random() < 0.35:  # on a pedestal
        parts = [lathe([(0.13, 0), (0.08, height * 0.5), (0.11, height * 0.85)], white)]
    else:
        parts = _fronts(
            rng, width * 0.95, depth * 0.92, height - 0.1, max(1, round(width / 0.45)), 1, wood(rng)
        )
    rim, low = 0.04, height - 0.14
    for sign in (-1, 1):
        parts.append(box((width, rim, 0.14), (0, sign * (depth - rim) / 2, low + 0.07), white))
        parts.append(box((rim, depth, 0.14), (sign * (width - rim) / 2, 0, low + 0.07), white))
    parts.append(box((width, depth, 0.02), (0, 0, low), white))
    tap, back = metal(rng), depth / 2 - 0.03
    rise = height + rng.uniform(0.1, 0.25)
    line = [
        (0, back, height),
        (0, back, rise),
        (0, back - 0.06, rise + 0.03),
        (0, back - 0.13, rise - 0.01),
    ]
    return [*parts, tube(line, 0.012, tap)]


def toilet(rng: np.random.Generator) -> Parts:
    width, depth, rim = rng.uniform(0.33, 0.4), rng.uniform(0.6, 0.75), rng.uniform(0.38, 0.44)
    white = Material((0.94, 0.94, 0.93), specular=0.5, shininess=150)
    tank_depth, tank_z = 0.18, rng.uniform(0.68, 0.85)
    long = (depth - tank_depth) / 2
    bowl_y = -tank_depth / 2
    pan = lathe(
        [
            (0.5, 0),
            (0.45, 0.12),
            (0.6, 0.55),
            (1.0, 0.92),
            (1.0, 1.0),
            (0.75, 1.0),
            (0.5, 0.75),
            (0, 0.7),
        ],
        white,
    )
    seat = lathe(
        [(0.7, 1.0), (1.03, 1.0), (1.03, 1.06), (0.7, 1.06)],
        ceramic(rng) if rng.random() < 0.3 else white,
    )
    for part in (pan, seat):
        part.vertices = (part.vertices * (width / 2, long, rim) + (0, bowl_y, 0)).astype("f4")
    tank = (width * rng.uniform(0.95, 1.2), tank_depth, tank_z - rim * 0.8)
    wall = depth / 2 - tank_depth / 2
    parts = [pan, seat, box(tank, (0, wall, (tank_z + rim * 0.8) / 2), white)]
    parts.append(box((tank[0] * 1.04, tank_depth * 1.05, 0.03), (0, wall, tank_z), white))
    parts.append(ellipsoid((0.02, 0.02, 0.012), (0, wall, tank_z + 0.02), metal(rng), rings=4))
    if rng.random() < 0.5:  # the lid: closed, or up
        cover = lathe([(0, 0.03), (0.95, 0.02), (1.0, 0)], white)
        cover.vertices = (cover.vertices * (width / 2, long, 1) + (0, bowl_y, rim * 1.07)).astype(
            "f4"
        )
        if rng.random() < 0.5:
            turned(cover, rotation(0, -1.65), (0, bowl_y + long, rim * 1.07))
        parts.append(cover)
    return parts


def television(rng: np.random.Generator) -> Parts:
    width = rng.uniform(0.55, 1.2)
    height, lift = width * rng.uniform(0.54, 0.66), rng.uniform(0.04, 0.1)
    case = dark(rng) if rng.random() < 0.8 else metal(rng)
    thick = rng.uniform(0.03, 0.07)
    if rng.random() < 0.15:  # a tube
        width, height, thick, lift = 0.55, 0.45, 0.35, 0.0
    z = lift + height / 2
    margin = rng.uniform(0.88, 0.97)
    face = (width * margin, 0.004, height * margin)
    parts = [
        box((width, thick, height), (0, 0, z), case),
        box(face, (0, -thick / 2, z), screen(rng)),
    ]
    if lift and rng.random() < 0.5:
        parts.append(box((width * 0.4, 0.22, 0.012), (0, 0, 0.006), case))
        parts.append(box((0.08, 0.03, lift + 0.05), (0, 0, lift / 2), case))
    elif lift:
        for sign in (-1, 1):
            parts.append(box((0.03, 0.22, lift), (sign * width * 0.35, 0, lift / 2), case))
    return parts


def radiator(rng: np.random.Generator) -> Parts:
    width, height, depth = rng.uniform(0.5, 1.4), rng.uniform(0.35, 0.75), rng.uniform(0.06, 0.16)
    white = Material((0.9, 0.9, 0.88), specular=0.3, shininess=80)
    body = white if rng.random() < 0.7 else metal(rng)
    low, count = rng.uniform(0.04, 0.12), round(width / rng.uniform(0.05, 0.09))
    parts: Parts = []
    for x in np.linspace(-width / 2, width / 2, count):
        rib = (0.6 * width / count, depth, height - low)
        parts.append(box(rib, (x, 0, (height + low) / 2), body))
    for z in (low + 0.04, height - 0.04):
        parts.append(tube([(-width / 2, 0, z), (width / 2, 0, z)], 0.02, body))
    x = width * 0.4
    return parts + legs_at([(x, 0), (-x, 0)], low + 0.05, 0.02, body)


# --- what several of them share -------------------------------------------------------------------


def _table(rng: np.random.Generator, width: float, depth: float, height: float) -> Parts:
    top, thick = wood(rng), rng.uniform(0.02, 0.05)
    frame = top if rng.random() < 0.6 else metal(rng)
    low = height - thick
    if rng.random() < 0.15:  # round, on a column
        radius = max(width, depth) / 2
        return [
            lathe([(0, low), (radius, low), (radius, height), (0, height)], top, segments=40),
            lathe(
                [(0, 0), (radius * 0.6, 0), (radius * 0.55, 0.03), (0.05, 0.06), (0.05, low)], frame
            ),
        ]
    parts = [box((width, depth, thick), (0, 0, height - thick / 2), top)]
    inset, radius = rng.uniform(0.02, 0.12), rng.uniform(0.018, 0.045)
    x, y = width / 2 - inset - radius, depth / 2 - inset - radius
    if rng.random() < 0.15:  # boards for legs
        parts += [box((0.04, depth * 0.85, low), (s * x, 0, low / 2), frame) for s in (-1, 1)]
    else:
        parts += legs_at([(x, -y), (-x, -y), (x, y), (-x, y)], low, radius, frame)
    if rng.random() < 0.5:
        apron = rng.uniform(0.05, 0.1)
        for sign in (-1, 1):
            parts.append(box((2 * x, 0.02, apron), (0, sign * y, low - apron / 2), frame))
            parts.append(box((0.02, 2 * y, apron), (sign * x, 0, low - apron / 2), frame))
    return parts


def _carcass(width: float, depth: float, height: float, material: Material) -> Parts:
    """Sides, top and back of a case that is open in front."""
    sides = [
        box((_BOARD_M, depth, height), (sign * width / 2, 0, height / 2), material)
        for sign in (-1, 1)
    ]
    return [
        *sides,
        box((width, depth, _BOARD_M), (0, 0, height), material),
        box((width, 0.01, height), (0, depth / 2, height / 2), material),
    ]


def _fronts(
    rng: np.random.Generator,
    width: float,
    depth: float,
    height: float,
    columns: int,
    rows: int,
    material: Material,
    at: tuple[float, float] = (0.0, 0.0),
    legs: float = 0.0,
) -> Parts:
    """A closed case with a grid of doors or drawers in front, and their handles."""
    x0, y0 = at
    doors = material if rng.random() < 0.6 else (wood(rng) if rng.random() < 0.6 else ceramic(rng))
    body = (width, depth, height - legs)
    parts = [box(body, (x0, y0, (height + legs) / 2), material)]
    across, up = width / columns, (height - legs) / rows
    pull, knobs, groove = metal(rng), rng.random() < 0.5, rng.uniform(0.006, 0.02)
    for i in range(columns):
        for j in range(rows):
            x = x0 - width / 2 + (i + 0.5) * across
            z = legs + (j + 0.5) * up
            front = y0 - depth / 2
            parts.append(box((across - groove, 0.02, up - groove), (x, front - 0.005, z), doors))
            if rows == 1 and up > across:  # a door: the handle at its side
                grip = (x + across * 0.38 * (1 if i % 2 == 0 else -1), front - 0.02, z)
                size = (0.015, 0.02, min(0.2, up * 0.2))
            else:
                grip, size = (x, front - 0.02, z + up * 0.1), (min(0.14, across * 0.4), 0.02, 0.015)
            if knobs:
                parts.append(ellipsoid((0.015, 0.015, 0.015), grip, pull, rings=4))
            else:
                parts.append(box(size, grip, pull))
    if legs:
        x, y = width / 2 - 0.04, depth / 2 - 0.04
        spots = [(x0 + x, y0 - y), (x0 - x, y0 - y), (x0 + x, y0 + y), (x0 - x, y0 + y)]
        parts += legs_at(spots, legs, 0.02, Material(colour(rng)) if rng.random() < 0.2 else doors)
    return parts


MAKERS: dict[str, Maker] = {
    "table": table,
    "desk": desk,
    "coffee table": coffee_table,
    "bookcase": bookcase,
    "shelves": shelves,
    "wardrobe": wardrobe,
    "cabinet": cabinet,
    "refrigerator": refrigerator,
    "washing machine": washing_machine,
    "sink": sink,
    "toilet": toilet,
    "television": television,
    "radiator": radiator,
}
