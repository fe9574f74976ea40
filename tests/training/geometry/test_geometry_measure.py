"""The measuring stage end to end, on painted worlds."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spacesgg_ros.training.data.geometry.errors import GeometryError
from spacesgg_ros.training.data.geometry.measure import (
    MeasureConfig,
    MeasureStage,
    measure_image,
)
from spacesgg_ros.training.data.grounded import DepthFile, GroundedImage
from spacesgg_ros.training.data.rejected import Rejected

# Left to right, near to far; the cup is higher in the picture.
THINGS = [
    ("cup", (20, 20, 40, 40), 1.0),
    ("plate", (75, 70, 95, 90), 2.0),
    ("lamp", (125, 60, 145, 100), 3.0),
]


def predicates(image: GroundedImage, subject: int, target: int, view: str = "camera") -> set[str]:
    found = [o for o in image.orders if (o.view, o.subject, o.target) == (view, subject, target)]
    return {o.predicate for o in found}


def test_a_scene_is_measured_layered_and_ordered(world):
    measured = measure_image(world.image(THINGS), world.root)

    assert measured.layers == ((0,), (1,), (2,))
    assert [o.measured.depth for o in measured.objects] == [(1.0,) * 3, (2.0,) * 3, (3.0,) * 3]
    # x = (u - 79.5) / 100 z; the middle of columns 20..39 is 29.5 or 30.
    assert measured.objects[0].measured.position == pytest.approx((-0.5, -0.3, 1.0), abs=0.01)
    assert predicates(measured, 0, 1) == {"to the left of", "in front of", "above"}
    assert predicates(measured, 0, 1, "back") == {"to the right of", "behind", "above"}
    assert measured.provenance["measure"] == {
        "depth": "metric", "up": "camera", "camera": "given", "unmeasured": 0,
    }  # fmt: skip


def test_what_is_measured_survives_json(world):
    measured = measure_image(world.image(THINGS), world.root)

    assert GroundedImage.from_dict(json.loads(json.dumps(measured.to_dict()))) == measured


def test_the_same_input_gives_the_same_bytes(world):
    image = world.image(THINGS, masks=False)

    first, second = (json.dumps(measure_image(image, world.root).to_dict()) for _ in range(2))

    assert first == second


def test_measuring_again_changes_nothing(world):
    once = measure_image(world.image(THINGS), world.root)

    assert measure_image(once, world.root) == once


def test_boxes_measure_as_masks_do_where_the_box_is_full(world):
    with_masks = measure_image(world.image(THINGS), world.root)
    with_boxes = measure_image(world.image(THINGS, masks=False), world.root)

    assert with_boxes.layers == with_masks.layers
    assert [replace(o, gap=0) for o in with_boxes.orders] == [
        replace(o, gap=0) for o in with_masks.orders
    ]


@pytest.mark.parametrize("masks", [True, False])
@pytest.mark.parametrize(
    ("kind", "convert"),
    [
        ("metric", lambda d: d),
        ("relative", lambda d: 7.0 * d),
        ("inverse", lambda d: 0.3 / d),
    ],
)
def test_layers_and_orders_do_not_depend_on_the_kind_of_depth(world, kind, convert, masks):
    expected = measure_image(world.image(THINGS, masks), world.root)
    image = world.image(THINGS, masks, depth=DepthFile("depth.npy", kind, 1.0))
    np.save(world.root / "depth.npy", convert(world.depth_of(THINGS)))

    measured = measure_image(image, world.root)

    assert measured.layers == expected.layers
    assert {(o.view, o.subject, o.predicate, o.target) for o in measured.orders} == {
        (o.view, o.subject, o.predicate, o.target) for o in expected.orders
    }


def test_a_camera_looking_down_sees_height_by_its_pose(world):
    """Two things on one floor, seen 45 degrees from above: the far one is not above the near one
    although it is higher in the picture."""
    image = world.image([("near", (70, 80, 90, 100), 2.0), ("far", (70, 10, 90, 30), 2.0)])
    s = 0.5**0.5
    # The floor falls through both: depth so that height = s y + s z is the same at both middles.
    depth = world.depth_of([])
    rows = (np.arange(120) - 59.5) / 100
    depth[:] = (1.5 / (s * rows + s))[:, None]
    np.save(world.root / "depth.npy", depth)
    tilted = ((1.0, 0.0, 0.0, 0.0), (0.0, -s, s, 0.0), (0.0, -s, -s, 1.5), (0.0, 0.0, 0.0, 1.0))

    flat = measure_image(image, world.root)
    posed = measure_image(replace(image, camera_to_world=tilted), world.root)

    assert "under" in predicates(flat, 0, 1)
    assert predicates(posed, 0, 1) == {"in front of"}
    assert posed.provenance["measure"]["up"] == "pose"


def test_without_intrinsics_there_are_orders_but_no_positions(world):
    given = measure_image(world.image(THINGS), world.root)
    measured = measure_image(world.image(THINGS, camera=None), world.root)

    assert all(o.measured.position is o.measured.low is None for o in measured.objects)
    assert measured.layers == given.layers
    assert predicates(measured, 0, 1) == predicates(given, 0, 1)
    assert measured.camera is None
    assert measured.provenance["measure"]["camera"] == "assumed 60 deg wide"


def test_an_object_without_readings_stays_unmeasured(world):
    depth = world.depth_of(THINGS)
    depth[70:90, 75:95] = np.nan
    image = world.image(THINGS)
    np.save(world.root / "depth.npy", depth)

    measured = measure_image(image, world.root)

    assert measured.objects[1].measured is None
    assert measured.layers == ((0,), (2,))
    assert all(1 not in (o.subject, o.target) for o in measured.orders)
    assert measured.provenance["measure"]["unmeasured"] == 1


def test_an_image_without_objects_is_measured_too(world):
    measured = measure_image(world.image([]), world.root)

    assert measured.layers == measured.orders == ()


def test_depth_of_half_the_resolution_gives_the_same_orders(world):
    full = measure_image(world.image(THINGS), world.root)
    np.save(world.root / "depth.npy", world.depth_of(THINGS)[::2, ::2])

    half = measure_image(
        world.image(THINGS, depth=DepthFile("half.npy", "metric", 1.0)), _halve(world)
    )

    assert half.layers == full.layers
    assert predicates(half, 0, 2) == predicates(full, 0, 2)


def _halve(world) -> Path:
    np.save(world.root / "half.npy", world.depth_of(THINGS)[::2, ::2])
    return world.root


def test_a_mask_of_another_size_is_an_error(world):
    image = world.image(THINGS)
    thing = replace(image.objects[0], mask={"size": [2, 2], "counts": [4]})

    with pytest.raises(GeometryError) as caught:
        measure_image(image.with_objects((thing,)), world.root)

    assert caught.value.reason == "bad mask"


def test_the_stage_keeps_the_good_and_says_why_not_of_the_bad(world):
    good = world.image(THINGS)
    batch = [
        good.to_dict(),
        replace(good, id="two", depth=None).to_dict(),
        {"id": "three", "image": "a.png"},
        replace(good, id="four").to_dict(),
    ]

    out = MeasureStage(world.root)(batch)

    assert [o.id if isinstance(o, Rejected) else o["id"] for o in out] == [
        "one", "two", "three", "four",
    ]  # fmt: skip
    assert [o.reason for o in out if isinstance(o, Rejected)] == [
        "no depth",
        "not a grounded image",
    ]


def test_the_stage_travels_to_a_worker(world):
    stage = MeasureStage(world.root, MeasureConfig(neighbours=3))

    assert pickle.loads(pickle.dumps(stage)) == stage


@pytest.mark.parametrize(
    "values",
    [
        {"least_readings": 0},
        {"samples": 4},
        {"neighbours": 0},
        {"tail": 0.5},
        {"assumed_fov_deg": 180.0},
        {"dead_band_m": -0.1},
        {"max_depth_m": 0.0},
    ],
)
def test_a_configuration_that_cannot_work_is_refused(values):
    with pytest.raises(ValueError, match="measuring needs"):
        MeasureConfig(**values)
