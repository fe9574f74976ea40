"""Sample a room: furniture against walls and free in it, things on and under it; its cameras.

Furniture stands where footprints leave room; nothing falls, so no physics is needed. World
frame: z up, the back wall at +y, side walls at -x and +x, open towards -y. A model's front
faces its -y, as the catalogue has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from spacesgg_ros.graph.types import Intrinsics

from .assets import Model
from .footprints import Rectangle, corners_of, footprint, is_level_below, rectangles_meet
from .layout import MAX_OBJECT_M
from .renderer import Camera, Drawable
from .scene import FLOOR, PANEL, WALL, Scene, model_pose, paint, pick_model, surface_textures

_ANY_ROOM = 0.3
"""Share of pieces drawn from all kinds of rooms, so that nothing is told by its company."""
_THEMES: dict[str, tuple[str, str]] = {
    "living": (
        "sofa, sofa, bookcase, cabinet, piano, fireplace, radiator, shelves, television",
        "coffee table, coffee table, armchair, armchair, table, house plant, floor lamp, person, "
        "dog, guitar, rocking horse, aquarium, stool",
    ),
    "bedroom": (
        "bed, bed, wardrobe, wardrobe, cabinet, crib, desk, radiator, bookcase, television",
        "chair, house plant, floor lamp, laundry basket, suitcase, stroller, person, armchair, "
        "rocking horse, dog",
    ),
    "kitchen": (
        "stove, stove, sink, sink, refrigerator, refrigerator, cabinet, cabinet, washing machine, "
        "radiator, bench, shelves",
        "table, table, table, chair, stool, trash can, person, crate, dog, house plant",
    ),
    "bathroom": (
        "sink, sink, toilet, toilet, bathtub, bathtub, washing machine, cabinet, radiator",
        "laundry basket, stool, trash can, step ladder, house plant, person",
    ),
    "office": (
        "desk, desk, desk, bookcase, shelves, water cooler, cabinet, radiator, fire extinguisher, "
        "sofa, television",
        "office chair, office chair, table, chair, house plant, trash can, person, floor lamp, "
        "suitcase, wheelchair",
    ),
    "workshop": (
        "shelves, cabinet, bench, fire extinguisher, barrel, refrigerator, desk, water cooler",
        "table, stool, crate, barrel, step ladder, traffic cone, person, treadmill, wheelchair, "
        "trash can, suitcase, guitar, stroller",
    ),
}
_TABLES = ("table", "coffee table", "desk")
_UPPER_SURFACES = (*_TABLES, "cabinet", "washing machine", "stove", "crate", "bench")
_SEATS = ("sofa", "bed", "armchair", "chair")
_SEAT_TOYS = ("teddy bear", "book", "handbag", "laptop", "folded clothes", "hat", "doll", "towel")
_FLOOR_THINGS = ("shoes", "soccer ball", "teddy bear", "handbag", "cardboard box", "toy train")
_BENEATH = ("trash can", "suitcase", "stool", "laundry basket", "crate", "dog",
            "barrel", "traffic cone", "cardboard box", "shoes", "soccer ball")  # fmt: skip
_WALL_GAP_M = 0.015
_TELEVISION_Z_M = (0.9, 1.3)


@dataclass
class _Room:
    """A room while it is filled."""

    width_m: float
    depth_m: float
    models: list[Model] = field(default_factory=list)
    poses: list[np.ndarray] = field(default_factory=list)
    contacts: set[tuple[int, int]] = field(default_factory=set)
    rectangles: list[Rectangle] = field(default_factory=list)
    """Of what stands on the floor."""
    open_below: dict[int, float] = field(default_factory=dict)

    def add(self, model: Model, pose: np.ndarray) -> int:
        self.models.append(model)
        self.poses.append(pose)
        return len(self.models) - 1

    def at_wall(self, side: int, along_m: float, inset_m: float) -> tuple[float, float, float]:
        """x, y and yaw of what has the back (0), left (1) or right (2) wall behind it."""
        return (
            (along_m, self.depth_m / 2 - inset_m, 0.0),
            (-self.width_m / 2 + inset_m, along_m, np.pi / 2),
            (self.width_m / 2 - inset_m, along_m, -np.pi / 2),
        )[side]

    def stand(self, model: Model, x: float, y: float, yaw: float, scale: float = 1.0) -> int | None:
        """Put a model on the floor; None if another one or a wall is in the way."""
        half = model.size[:2] * scale / 2
        rectangle = (x, y, float(half[0]), float(half[1]), yaw)
        corners = corners_of(rectangle)
        slack = _WALL_GAP_M / 2
        if np.abs(corners[:, 0]).max() > self.width_m / 2 - slack:
            return None
        if np.abs(corners[:, 1]).max() > self.depth_m / 2 - slack:
            return None
        if any(rectangles_meet(rectangle, other, 0.03) for other in self.rectangles):
            return None
        self.rectangles.append(rectangle)
        return self.add(model, model_pose((x, y, 0.0), yaw, scale))


class RoomSampler:
    """Draws rooms from a set of models."""

    def __init__(self, models: list[Model]) -> None:
        self._by_label: dict[str, list[Model]] = {}
        for model in models:
            if model.role != "object" or model.size.max() < MAX_OBJECT_M:
                self._by_label.setdefault(model.label, []).append(model)
        self._small = sorted(
            label for label, group in self._by_label.items() if group[0].role == "object"
        )
        self._furniture = sorted(
            label for label, group in self._by_label.items() if group[0].role == "furniture"
        )
        self._themes = {}
        for name, (wall, free) in _THEMES.items():
            self._themes[name] = tuple(
                [v for v in labels.split(", ") if v in self._by_label] for labels in (wall, free)
            )
        self._textures = surface_textures()

    @property
    def labels(self) -> list[str]:
        """Every label a room can show."""
        return sorted(self._by_label)

    def sample(self, rng: np.random.Generator) -> Scene:
        """One room with 3 to 9 pieces of furniture and some small things."""
        room = _Room(float(rng.uniform(2.8, 4.8)), float(rng.uniform(2.6, 4.6)))
        themes = sorted(self._themes)
        theme = themes[rng.integers(len(themes))]
        for slot, count in ((0, int(rng.integers(2, 5))), (1, int(rng.integers(2, 5)))):
            for _ in range(count):
                source = theme
                if rng.random() < _ANY_ROOM:
                    source = themes[rng.integers(len(themes))]
                choice = self._themes[source][slot]
                if not choice:
                    continue
                label = str(rng.choice(choice))
                if slot == 0:
                    self._against_wall(rng, room, label)
                elif label in ("table", "coffee table"):
                    self._table_with_seats(rng, room, label)
                else:
                    self._anywhere(rng, room, label)
        if not room.models:
            self._anywhere(rng, room, self._furniture[0])
        standing = len(room.models)
        self._things_on(rng, room, standing)
        self._things_under(rng, room, standing)
        if rng.random() < 0.3:
            self._anywhere(rng, room, str(rng.choice(self._available(_FLOOR_THINGS))))
        drawables = self._shell(rng, room)
        for index, (model, pose) in enumerate(zip(room.models, room.poses, strict=True)):
            chance = 0.15 if model.role == "support" else 0.0
            drawables += paint(rng, model, pose, index + 1, self._textures, chance)
        return Scene(
            "room",
            room.models,
            np.stack(room.poses),
            frozenset(room.contacts),
            drawables,
            np.array([0.0, 0.0, 0.4]),
            3.0,
            -np.pi / 2,
            room.open_below,
        )

    def _available(self, labels: tuple[str, ...]) -> list[str]:
        return [label for label in labels if label in self._by_label] or self._small

    def _model(self, rng: np.random.Generator, label: str) -> tuple[Model, float]:
        model = pick_model(rng, self._by_label[label])
        return model, float(rng.uniform(0.92, 1.1))

    def _stood(self, room: _Room, index: int | None, scale: float) -> None:
        """Note what can be under a table."""
        if index is not None and room.models[index].label in _TABLES:
            room.open_below[index] = room.models[index].top_plane()[0] * scale

    def _against_wall(self, rng: np.random.Generator, room: _Room, label: str) -> None:
        model, scale = self._model(rng, label)
        television = label == "television"
        depth = float(model.size[1]) * scale
        for _ in range(12):
            side = int(rng.choice(3, p=[0.6, 0.2, 0.2]))
            across = room.width_m if side == 0 else room.depth_m
            free = across / 2 - float(model.size[0]) * scale / 2 - _WALL_GAP_M
            if free <= 0:
                continue
            along = float(rng.uniform(-free, free))
            inset = depth / 2 + _WALL_GAP_M
            x, y, yaw = room.at_wall(side, along, inset)
            if television and rng.random() < 0.5:  # on the wall, over whatever stands there
                rectangle = (x, y, float(model.size[0]) * scale / 2, depth / 2, yaw)
                z = float(rng.uniform(*_TELEVISION_Z_M))
                if not self._taller_than(room, rectangle, z - 0.05):
                    room.add(model, model_pose((x, y, z), yaw, scale))
                    return
                continue
            if television:
                holder, holder_scale = self._model(
                    rng, str(rng.choice(self._available(("cabinet", "coffee table"))))
                )
                self._television_on(rng, room, model, scale, holder, holder_scale, side)
                return
            index = room.stand(model, x, y, yaw, scale)
            if index is not None:
                self._stood(room, index, scale)
                return

    def _television_on(
        self,
        rng: np.random.Generator,
        room: _Room,
        television: Model,
        scale: float,
        holder: Model,
        holder_scale: float,
        side: int,
    ) -> None:
        if holder.role == "object" or holder.size[1] * holder_scale < television.size[1] * scale:
            return
        for _ in range(8):
            inset = float(holder.size[1]) * holder_scale / 2 + _WALL_GAP_M
            along = float(rng.uniform(-0.5, 0.5)) * (room.width_m if side == 0 else room.depth_m)
            x, y, yaw = room.at_wall(side, along, inset)
            below = room.stand(holder, x, y, yaw, holder_scale)
            if below is None:
                continue
            self._stood(room, below, holder_scale)
            top = holder.top_plane()[0] * holder_scale
            above = room.add(television, model_pose((x, y, top), yaw, scale))
            room.contacts.add((above, below))
            return

    def _taller_than(self, room: _Room, rectangle: Rectangle, height_m: float) -> bool:
        for model, pose in zip(room.models, room.poses, strict=True):
            top = float(pose[2, 3] + model.size[2] * np.linalg.norm(pose[:3, 2]))
            if top > height_m and rectangles_meet(rectangle, footprint(model, pose), 0.02):
                return True
        return False

    def _anywhere(self, rng: np.random.Generator, room: _Room, label: str) -> int | None:
        model, scale = self._model(rng, label)
        for _ in range(12):
            x = float(rng.uniform(-0.5, 0.5)) * room.width_m
            y = float(rng.uniform(-0.5, 0.5)) * room.depth_m
            turn = float(rng.uniform(-np.pi, np.pi))
            if label in _TABLES or rng.random() < 0.3:
                turn = round(turn / (np.pi / 2)) * np.pi / 2
            index = room.stand(model, x, y, turn, scale)
            if index is not None:
                self._stood(room, index, scale)
                return index
        return None

    def _table_with_seats(self, rng: np.random.Generator, room: _Room, label: str) -> None:
        index = self._anywhere(rng, room, label)
        if index is None or rng.random() < 0.15:
            return
        seats: tuple[str, ...] = ("chair", "chair", "chair", "office chair", "stool", "bench")
        if label == "coffee table":
            seats = ("armchair", "sofa", "chair", "armchair")
        seat_label = str(rng.choice(self._available(seats)))
        seat, scale = self._model(rng, seat_label)
        x, y, half_x, half_y, yaw = footprint(room.models[index], room.poses[index])
        for side in rng.permutation(4)[: int(rng.integers(1, 5))]:
            if rng.random() < 0.2:
                seat, scale = self._model(rng, seat_label)
            out = yaw + float(side) * np.pi / 2 - np.pi / 2
            reach = half_y if side % 2 == 0 else half_x
            spread = half_x if side % 2 == 0 else half_y
            away = reach + float(seat.size[1]) * scale / 2 + float(rng.uniform(0.04, 0.35))
            shift = float(rng.uniform(-0.6, 0.6)) * spread
            direction = np.array([np.cos(out), np.sin(out)])
            spot = (
                np.array([x, y])
                + away * direction
                + shift * np.array([-direction[1], direction[0]])
            )
            # its front, -y, looks back at the table
            facing = out - np.pi / 2 + float(rng.normal()) * 0.2
            room.stand(seat, float(spot[0]), float(spot[1]), facing, scale)

    def _things_on(self, rng: np.random.Generator, room: _Room, standing: int) -> None:
        """Small objects on tables, cabinets and, now and then, seats; at most eight."""
        total = 0
        for index in rng.permutation(standing):
            holder = room.models[index]
            if any(low == index for _, low in room.contacts):
                continue
            if holder.label in _UPPER_SURFACES:
                count = int(rng.integers(0, 5))
                labels = self._small
            elif holder.label in _SEATS and rng.random() < 0.2:
                count, labels = 1, self._available(_SEAT_TOYS)
            else:
                continue
            placed: list[np.ndarray] = []
            for _ in range(min(count, 8 - total)):
                model, scale = self._model(rng, str(rng.choice(labels)))
                if model.role != "object":
                    continue
                pose = self._spot_on(rng, holder, room.poses[index], model, scale, placed)
                if pose is not None:
                    room.contacts.add((room.add(model, pose), int(index)))
                    total += 1

    @staticmethod
    def _spot_on(
        rng: np.random.Generator,
        holder: Model,
        holder_pose: np.ndarray,
        model: Model,
        scale: float,
        placed: list[np.ndarray],
    ) -> np.ndarray | None:
        """A free pose on the holder's largest level surface; None if there is none."""
        holder_scale = float(np.linalg.norm(holder_pose[:3, 0]))
        plane, area = holder.top_plane()
        if area < 0.25 * float(np.prod(holder.size[:2])):
            return None
        points = holder.surface_points
        radius = float(np.hypot(*model.size[:2])) / 2 * scale / holder_scale
        half = holder.size[:2] / 2 - 0.9 * radius
        if (half <= 0).any():
            return None
        for _ in range(10):
            at = rng.uniform(-half, half)
            if any(np.hypot(*(at - p[:2])) < radius + p[2] for p in placed):
                continue
            near = (np.abs(points[:, :2] - at) < radius).all(1)
            if (near & (points[:, 2] > plane + 0.02)).any():
                continue
            if not is_level_below(holder, plane, at, 0.7 * radius):
                continue
            placed.append(np.array([*at, radius]))
            world = holder_pose @ np.array([*at, plane, 1.0])
            return model_pose(world[:3], float(rng.uniform(0, 2 * np.pi)), scale)
        return None

    def _things_under(self, rng: np.random.Generator, room: _Room, standing: int) -> None:
        for index in sorted(room.open_below):
            if index >= standing or rng.random() < 0.3:
                continue
            for _ in range(6):
                model, scale = self._model(rng, str(rng.choice(self._available(_BENEATH))))
                pose = self._spot_under(rng, room.models[index], room.poses[index], model, scale)
                if pose is not None:
                    room.add(model, pose)
                    break

    @staticmethod
    def _spot_under(
        rng: np.random.Generator, holder: Model, holder_pose: np.ndarray, model: Model, scale: float
    ) -> np.ndarray | None:
        """A pose on the floor below the holder's top, clear of its legs; None: it does not fit."""
        holder_scale = float(np.linalg.norm(holder_pose[:3, 0]))
        size = model.size * scale / holder_scale
        if size[2] > 0.92 * holder.top_plane()[0]:
            return None
        points = holder.surface_points[holder.surface_points[:, 2] < size[2], :2]
        for _ in range(10):
            quarter = int(rng.integers(4))
            half = (size[:2] if quarter % 2 == 0 else size[1::-1]) / 2
            room_for = holder.size[:2] / 2 - half
            if (room_for <= 0).any():
                continue
            at = rng.uniform(-room_for, room_for)
            if (np.abs(points - at) < half + 0.02).all(1).any():
                continue
            world = holder_pose @ np.array([*at, 0.0, 1.0])
            yaw = float(np.arctan2(holder_pose[1, 0], holder_pose[0, 0])) + quarter * np.pi / 2
            return model_pose((world[0], world[1], 0.0), yaw, scale)
        return None

    def _shell(self, rng: np.random.Generator, room: _Room) -> list[Drawable]:
        """Floor, ceiling, three walls, perhaps a rug and pictures; none of them labelled."""
        floor, wall, *others = (
            self._textures[k] for k in rng.integers(len(self._textures), size=6)
        )
        floor_tint, wall_tint = (_tint(rng, 0.5), _tint(rng, 0.65))
        drawn = [Drawable(FLOOR, np.eye(4), 0, floor_tint, floor, casts_shadow=False)]
        ceiling = np.diag([1.0, -1.0, -1.0, 1.0])
        ceiling[2, 3] = rng.uniform(2.4, 3.0)
        drawn.append(Drawable(FLOOR, ceiling, 0, _tint(rng, 0.8), None, casts_shadow=False))
        plain = None if rng.random() < 0.4 else wall
        walls = (
            (np.array([0.0, 1.0, 0.0]), room.depth_m / 2),
            (np.array([-1.0, 0.0, 0.0]), room.width_m / 2),
            (np.array([1.0, 0.0, 0.0]), room.width_m / 2),
        )
        for outward, distance in walls:
            pose = np.eye(4)
            pose[:3, 0] = np.cross((0, 0, 1), -outward)
            pose[:3, 1] = (0, 0, 1)
            pose[:3, 2] = -outward
            pose[:3, 3] = outward * distance
            drawn.append(Drawable(WALL, pose, 0, wall_tint, plain, casts_shadow=False))
            if rng.random() < 0.35:  # a picture or a window
                panel = pose.copy()
                panel[:3, 0] *= rng.uniform(0.4, 1.3)
                panel[:3, 1] *= rng.uniform(0.4, 1.1)
                panel[:3, 3] -= outward * 0.012
                panel[:3, 3] += pose[:3, 0] * rng.uniform(-1, 1) + (0, 0, rng.uniform(1.3, 1.8))
                tint = _tint(rng, 0.3, 2.0)
                drawn.append(Drawable(PANEL, panel, 0, tint, others[0], casts_shadow=False))
        if rng.random() < 0.4:  # a rug
            rug = model_pose(
                (*rng.uniform(-0.8, 0.8, 2), 0.004), float(rng.integers(2)) * np.pi / 2
            )
            rug[:3, 0] *= rng.uniform(1.0, 2.2)
            rug[:3, 1] *= rng.uniform(0.8, 1.6)
            drawn.append(Drawable(PANEL, rug, 0, _tint(rng, 0.5), others[1], casts_shadow=False))
        return drawn


def sample_room_camera(rng: np.random.Generator, scene: Scene, width: int, height: int) -> Camera:
    """A mobile robot's camera: 0.5 to 1.5 m high, looking at a piece of furniture."""
    footprints = [footprint(m, p) for m, p in zip(scene.models, scene.poses, strict=True)]
    on_floor = [i for i, p in enumerate(scene.poses) if p[2, 3] < 0.05]
    focal = width * rng.uniform(0.7, 1.1)
    k = Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)
    eye, ahead = np.zeros(3), np.zeros(3)
    for _ in range(30):
        chosen = rng.choice(on_floor, min(3, len(on_floor)), replace=False)
        target = np.mean([scene.poses[i][:2, 3] for i in chosen], axis=0)
        azimuth = scene.open_azimuth + rng.uniform(-1.0, 1.0)
        distance, eye_z = rng.uniform(1.5, 4.5), rng.uniform(0.5, 1.5)
        out = np.array([np.cos(azimuth), np.sin(azimuth)])
        eye = np.array([*(target + distance * out), eye_z])
        tilt = np.arctan2(eye_z - 0.45, distance) + np.radians(rng.uniform(-9, 9))
        tilt = float(np.clip(tilt, np.radians(-5), np.radians(30)))
        sway = rng.uniform(-0.12, 0.12)
        heading = azimuth + np.pi + sway
        ahead = np.array(
            [np.cos(heading) * np.cos(tilt), np.sin(heading) * np.cos(tilt), -np.sin(tilt)]
        )
        if _clear(scene, footprints, eye, out):
            break
    return Camera.looking_at(k, eye, eye + ahead)


def _clear(
    scene: Scene,
    footprints: list[Rectangle],
    eye: np.ndarray,
    out: np.ndarray,
) -> bool:
    """Nothing tall within 0.9 m before the eye, which is within the side walls."""
    limit = max(abs(d.pose[0, 3]) for d in scene.drawables if d.instance == 0)
    if abs(eye[0]) > limit - 0.15 or eye[1] < -3.8:
        return False
    for reach in (0.0, 0.3, 0.6, 0.9):
        x, y = eye[:2] - reach * out
        probe = (float(x), float(y), 0.12 + 0.3 * reach, 0.12 + 0.3 * reach, 0.0)
        for rectangle, model, pose in zip(footprints, scene.models, scene.poses, strict=True):
            top = pose[2, 3] + model.size[2] * np.linalg.norm(pose[:3, 2])
            if top > eye[2] - 0.2 - 0.3 * reach and rectangles_meet(probe, rectangle, 0.0):
                return False
    return True


def _tint(rng: np.random.Generator, low: float, high: float = 1.1) -> tuple[float, float, float]:
    """Mostly pale, now and then a strong colour."""
    spread = 0.6 if rng.random() < 0.15 else 0.12
    r, g, b = (float(v) for v in rng.uniform(low, high) * (1 - rng.uniform(0, spread, 3)))
    return r, g, b
