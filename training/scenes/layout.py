"""Sample a tabletop scene: objects, stacks and fillings, or dropped clutter; and its cameras."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from spacesgg_ros.graph.types import Intrinsics

from .assets import Model
from .physics import settle, upright
from .renderer import Camera, Drawable
from .scene import FLOOR, WALL, Scene, paint, pick_model, surface_textures

MAX_OBJECT_M = 0.41
_CLUTTER_SHARE = 0.15
_REACH_M = (0.46, 0.36)
_NEAREST_M = 0.18
_FILLING_M = 0.14


@dataclass
class _Placed:
    """What is to be let go, one entry an object."""

    models: list[Model] = field(default_factory=list)
    scales: list[float] = field(default_factory=list)
    positions: list[tuple[float, float, float]] = field(default_factory=list)
    turns: list[np.ndarray] = field(default_factory=list)
    taken: list[tuple[float, float, float]] = field(default_factory=list)
    """``(x, y, radius)`` of what stands on the table itself."""

    def add(
        self,
        model: Model,
        scale: float,
        spot: tuple[float, float, float],
        turn: np.ndarray,
        radius: float,
    ) -> None:
        self.models.append(model)
        self.scales.append(scale)
        self.positions.append(spot)
        self.turns.append(turn)
        self.taken.append((spot[0], spot[1], radius))


class SceneSampler:
    """Draws tabletop scenes from a set of models."""

    def __init__(self, models: list[Model]) -> None:
        self._tables = [m for m in models if m.role == "support"]
        self._by_label: dict[str, list[Model]] = {}
        for model in models:
            if model.role == "object" and model.size.max() < MAX_OBJECT_M:
                self._by_label.setdefault(model.label, []).append(model)
        self._labels = sorted(self._by_label)
        self._chances = _chances([self._by_label[label] for label in self._labels])
        self._holders = self._labels_of(lambda model: bool(model.holds))
        self._containers = self._labels_of(lambda model: model.holds == "container")
        self._fillings = self._labels_of(
            lambda model: not model.holds and model.size[:2].max() < _FILLING_M
        )
        self._textures = surface_textures()

    @property
    def labels(self) -> list[str]:
        """Every label a scene can show, the table's included."""
        return sorted({*self._labels, *(t.label for t in self._tables)})

    def sample(self, rng: np.random.Generator) -> Scene:
        """One settled scene with 2 to 9 objects."""
        table = pick_model(rng, self._tables)
        top_z = float(table.size[2])
        half = (float(table.size[0]) / 2, float(table.size[1]) / 2)
        reach = tuple(min(h - 0.08, limit) for h, limit in zip(half, _REACH_M, strict=True))
        arrange = self._drop if rng.random() < _CLUTTER_SHARE else self._arrange
        placed = arrange(rng, (reach[0], reach[1]), top_z)
        scales = np.array(placed.scales)
        settled = settle(
            placed.models, scales, np.array(placed.positions), np.array(placed.turns), top_z, half
        )
        stayed = [i for i in range(len(scales)) if settled.poses[i, 2, 3] > top_z - 0.04]
        renumber = {old: new + 1 for new, old in enumerate(stayed)} | {-1: 0}
        poses = [np.eye(4)]
        for i in stayed:
            pose = settled.poses[i].copy()
            pose[:3, :3] *= scales[i]
            poses.append(pose)
        contacts = frozenset(
            (renumber[a], renumber[b])
            for a, b in settled.contacts
            if a in renumber and b in renumber
        )
        models = [table, *(placed.models[i] for i in stayed)]
        open_azimuth = float(rng.uniform(0, 2 * np.pi))
        drawables = self._surroundings(rng, open_azimuth)
        for index, (model, pose) in enumerate(zip(models, poses, strict=True)):
            chance = 0.5 if index == 0 else 0.0
            drawables += paint(rng, model, pose, index + 1, self._textures, chance)
        centres = np.array([p[:2, 3] for p in poses[1:] or poses])
        return Scene(
            "tabletop",
            models,
            np.stack(poses),
            contacts,
            drawables,
            np.array([*centres.mean(0), top_z]),
            1.0,
            open_azimuth,
            {0: top_z},
        )

    def _labels_of(self, wanted: Callable[[Model], bool]) -> list[str]:
        return [label for label in self._labels if any(map(wanted, self._by_label[label]))]

    def draw_labels(self, rng: np.random.Generator, count: int) -> list[str]:
        """``count`` different labels of things to put on the table."""
        drawn = rng.choice(self._labels, count, replace=False, p=self._chances)
        return [str(label) for label in drawn]

    def _choose(self, rng: np.random.Generator) -> list[tuple[Model, float]]:
        """3 to 9 models with scales, of different labels but for one scene in ten."""
        count = min(int(rng.integers(3, 10)), len(self._labels))
        labels = self.draw_labels(rng, count)
        if rng.random() < 0.1:
            labels[-1] = labels[0]  # two of a kind
        if rng.random() < 0.65:
            container = self._containers and rng.random() < 0.35
            labels[0] = str(rng.choice(self._containers if container else self._holders))
            if container:
                labels[1] = str(rng.choice(self._fillings))
        chosen = []
        for label in labels:
            model = pick_model(rng, self._by_label[label])
            chosen.append((model, float(rng.uniform(0.88, 1.14))))
        return chosen

    def _arrange(
        self, rng: np.random.Generator, reach: tuple[float, float], top_z: float
    ) -> _Placed:
        """Upright side by side; the second and third often in or on the first."""
        placed = _Placed()
        for i, (model, scale) in enumerate(self._choose(rng)):
            size = model.size * scale
            radius = float(np.hypot(size[0], size[1])) / 2
            holder = placed.models[0] if placed.models and placed.models[0].holds else None
            fits = holder is not None and max(size[:2]) < 0.95 * max(holder.size[:2])
            if i in (1, 2) and fits and holder is not None and rng.random() < 0.75:
                x, y = np.array(placed.positions[0][:2]) + rng.normal(size=2) * 0.012
                lift = 0.02 + 0.1 * (i - 1)
                z = top_z + float(holder.size[2]) * placed.scales[0] + lift
                spot = (float(x), float(y), z)
                radius = 0.0
            else:
                free = _free_spot(rng, reach, radius, placed.taken)
                if free is None:
                    continue
                spot = (*free, top_z + 0.003)
            placed.add(model, scale, spot, upright(float(rng.uniform(0, 2 * np.pi))), radius)
        return placed

    def _drop(self, rng: np.random.Generator, reach: tuple[float, float], top_z: float) -> _Placed:
        """Clutter: turned anyhow and let go from a little height, closer than when arranged."""
        placed = _Placed()
        near = (0.75 * reach[0], 0.75 * reach[1])
        for model, scale in self._choose(rng):
            size = model.size * scale
            radius = float(np.linalg.norm(size)) / 2
            free = _free_spot(rng, near, 0.6 * radius, placed.taken)
            if free is None:
                continue
            if model.rests or rng.random() < 0.3:
                turn, lift = upright(float(rng.uniform(0, 2 * np.pi))), 0.003
            else:
                turn = rng.normal(size=4)
                turn /= np.linalg.norm(turn)
                # the origin is the middle of the base: room for the model hanging below it
                lift = float(size[2]) + 0.02 + float(rng.uniform(0, 0.06))
            placed.add(model, scale, (*free, top_z + lift), turn, 0.6 * radius)
        return placed

    def _surroundings(self, rng: np.random.Generator, open_azimuth: float) -> list[Drawable]:
        """A floor and two walls behind the table, seen from ``open_azimuth``."""
        floor_texture, wall_texture = (
            self._textures[k] for k in rng.integers(len(self._textures), size=2)
        )
        red, green, blue = (float(v) for v in rng.uniform(0.6, 1.0, 3))
        tint = (red, green, blue)
        drawn = [Drawable(FLOOR, np.eye(4), 0, tint, floor_texture, casts_shadow=False)]
        for side in (-np.pi / 4, np.pi / 4):
            azimuth = open_azimuth + np.pi + side
            outward = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
            pose = np.eye(4)
            pose[:3, 2] = -outward
            pose[:3, 0] = np.cross((0, 0, 1), -outward)
            pose[:3, 1] = (0, 0, 1)
            pose[:3, 3] = outward * rng.uniform(1.0, 2.6)
            drawn.append(Drawable(WALL, pose, 0, tint, wall_texture, casts_shadow=False))
        return drawn


def sample_table_camera(rng: np.random.Generator, scene: Scene, width: int, height: int) -> Camera:
    """A camera at a robot arm's or a person's height over the table, framing the objects."""
    middle = scene.centre + np.array([0, 0, 0.06])
    eye = middle
    for _ in range(8):
        azimuth = scene.open_azimuth + rng.uniform(-0.7, 0.7)
        elevation, distance = rng.uniform(0.22, 1.15), rng.uniform(0.5, 1.3)
        eye = middle + distance * np.array(
            [
                np.cos(azimuth) * np.cos(elevation),
                np.sin(azimuth) * np.cos(elevation),
                np.sin(elevation),
            ]
        )
        if _clearance(scene, eye) > _NEAREST_M:
            break
    focal = width * rng.uniform(0.75, 1.2)
    k = Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)
    return Camera.looking_at(k, eye, middle + rng.normal(size=3) * 0.04)


def _clearance(scene: Scene, eye: np.ndarray) -> float:
    """Distance to the nearest object's surrounding ball (not the table's), metres."""
    return min(
        (
            float(np.linalg.norm(eye - pose[:3, 3]) - 0.5 * np.linalg.norm(model.size))
            for model, pose in zip(scene.models[1:], scene.poses[1:], strict=True)
        ),
        default=np.inf,
    )


def _chances(groups: list[list[Model]]) -> np.ndarray | None:
    """Of each class: all alike (None); where there are variants, by the root of how many models
    it has, so that each of many is seen."""
    if not any(model.variant for group in groups for model in group):
        return None
    roots = np.sqrt([len(group) for group in groups])
    chances: np.ndarray = roots / roots.sum()
    return chances


def _free_spot(
    rng: np.random.Generator,
    reach: tuple[float, float],
    radius: float,
    taken: list[tuple[float, float, float]],
) -> tuple[float, float] | None:
    for _ in range(40):
        x, y = (float(rng.uniform(-r, r)) for r in reach)
        if all(np.hypot(x - u, y - v) > 0.88 * (radius + r) for u, v, r in taken):
            return x, y
    return None
