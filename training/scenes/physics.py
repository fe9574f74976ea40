"""Let objects settle on a table with MuJoCo; contacts tell what rests on what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spacesgg_ros.extras import require

from .assets import Model

_TIMESTEP_S = 0.004
_MAX_STEPS = 350
_DAMPING_AFTER = 60
_MIN_STEPS = 120
_AT_REST_SPEED = 0.03

SUPPORT = -1
"""Index that stands for the table in :attr:`Settled.contacts`."""


@dataclass(frozen=True)
class Settled:
    """Where things came to rest.

    Attributes:
        poses: ``(n, 4, 4)`` object to world.
        contacts: ``(upper, lower)`` object indices of every supporting contact, the lower one
            :data:`SUPPORT` for the table.
    """

    poses: np.ndarray
    contacts: frozenset[tuple[int, int]]


def upright(yaw: float) -> np.ndarray:
    """Quaternion (w x y z) of a turn by ``yaw`` (rad) about the vertical."""
    return np.array([np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)])


def settle(
    models: list[Model],
    scales: np.ndarray,
    positions: np.ndarray,
    turns: np.ndarray,
    table_top_z: float,
    table_half_size: tuple[float, float],
) -> Settled:
    """Let ``models`` fall from ``positions`` (n, 3), turned by quaternions (n, 4) w x y z."""
    mujoco = require("mujoco", "scenes")
    spec = mujoco.MjSpec()
    spec.option.timestep = _TIMESTEP_S
    world = spec.worldbody
    world.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[5, 5, 0.1], name="floor")
    world.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[*table_half_size, 0.02],
        pos=[0, 0, table_top_z - 0.02],
        name="table",
    )
    for i, (model, scale, position, turn) in enumerate(
        zip(models, scales, positions, turns, strict=True)
    ):
        body = world.add_body()
        body.name = f"object{i}"
        body.pos, body.quat = list(position), list(turn)
        if not model.rests:
            body.add_freejoint()
        for k, hull in enumerate(model.hulls):
            mesh = spec.add_mesh()
            mesh.name = f"hull{i}_{k}"
            mesh.uservert = (hull * scale).ravel()
            mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX
            geom = body.add_geom()
            geom.type, geom.meshname = mujoco.mjtGeom.mjGEOM_MESH, mesh.name
            geom.density, geom.friction, geom.condim = 400, [1, 0.05, 0.01], 6
    compiled = spec.compile()
    data = mujoco.MjData(compiled)
    for step in range(_MAX_STEPS):
        mujoco.mj_step(compiled, data)
        if step > _DAMPING_AFTER:
            data.qvel[:] *= 0.97
        if step > _MIN_STEPS and (not len(data.qvel) or np.abs(data.qvel).max() < _AT_REST_SPEED):
            break
    poses = np.tile(np.eye(4), (len(models), 1, 1))
    index_of_body = {}
    for i in range(len(models)):
        body_id = compiled.body(f"object{i}").id
        index_of_body[body_id] = i
        poses[i, :3, :3] = data.xmat[body_id].reshape(3, 3)
        poses[i, :3, 3] = data.xpos[body_id]
    table_geom = compiled.geom("table").id
    contacts = set()
    for c in range(data.ncon):
        contact = data.contact[c]
        first, second = (
            index_of_body.get(int(compiled.geom_bodyid[g]), SUPPORT if g == table_geom else None)
            for g in contact.geom
        )
        if first is None or second is None or first == second:
            continue
        normal_z = float(contact.frame[2])  # normal points from the first to the second geom
        if normal_z > 0.5:
            contacts.add((second, first))
        elif normal_z < -0.5:
            contacts.add((first, second))
    for i, model in enumerate(models):
        if model.rests:  # held still, so no contact is solved
            contacts.add((i, SUPPORT))
    return Settled(poses, frozenset((u, low) for u, low in contacts if u != SUPPORT))
