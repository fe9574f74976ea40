"""Splits and shards, rendered from a handful of boxes: no furniture package is needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("mujoco")
pytest.importorskip("moderngl")

from spacesgg_ros.training.scenes import dataset, label_map, sheet
from spacesgg_ros.training.scenes.assets import Model
from spacesgg_ros.training.scenes.dataset import SceneSetConfig, read_shards

CACHE = Path("unused")
SIZES = {
    "mug": ("object", (0.1, 0.1, 0.12)),
    "book": ("object", (0.2, 0.15, 0.03)),
    "apple": ("object", (0.08, 0.08, 0.08)),
    "bowl": ("object", (0.25, 0.25, 0.1)),
    "table": ("support", (1.2, 0.8, 0.7)),
    "cabinet": ("furniture", (0.6, 0.5, 0.8)),
    "sofa": ("furniture", (1.6, 0.8, 0.8)),
    "chair": ("furniture", (0.45, 0.45, 0.9)),
    "stool": ("furniture", (0.3, 0.3, 0.5)),
}


@pytest.fixture
def models(
    box_model: Callable[..., Model], monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[Model]]:
    """A trained and a held-out box of nine classes, in place of the furniture catalogue."""
    made = []
    for label, (role, size) in SIZES.items():
        for unseen in (False, True):
            holds = "container" if label == "bowl" else ""
            model = box_model(label, size, role=role, unseen=unseen, holds=holds)
            model.key = f"Scopia/{label}-{'new' if unseen else 'known'}"
            made.append(model)
    monkeypatch.setattr(dataset, "load_models", lambda _: made)
    monkeypatch.setattr(dataset, "SCENES_PER_SHARD", 2)
    dataset._studio.cache_clear()
    yield made
    dataset._studio.cache_clear()


def tiny(split: str, **changes: int) -> SceneSetConfig:
    return SceneSetConfig(split, **({"frames": 2, "width": 96, "height": 72} | changes))


def records(config: SceneSetConfig, folder: Path) -> list[dict]:
    path = config.shard_paths(folder)[0]
    return [r for r, _ in read_shards([dataset._write_shard(config, 0, path, CACHE)])]


def test_a_shard_is_the_same_to_the_byte(models: list[Model], tmp_path: Path) -> None:
    config = tiny("train", views_per_scene=1)
    first = dataset._write_shard(config, 0, tmp_path / "a.tar", CACHE).read_bytes()
    dataset._studio.cache_clear()
    again = dataset._write_shard(config, 0, tmp_path / "b.tar", CACHE).read_bytes()
    assert first == again
    other = tiny("train", views_per_scene=1, seed=1)
    assert dataset._write_shard(other, 0, tmp_path / "c.tar", CACHE).read_bytes() != first


def test_only_the_unseen_split_shows_held_out_models(models: list[Model], tmp_path: Path) -> None:
    for split in dataset.SPLITS:
        shown = {o["model"] for r in records(tiny(split), tmp_path) for o in r["objects"]}
        assert shown
        assert all(m.endswith("-new") == (split == "test-unseen-models") for m in shown), split


@pytest.mark.parametrize(
    ("split", "kinds"),
    [
        ("train", {"tabletop": 30, "room": 20}),
        ("val", {"tabletop": 30, "room": 20}),
        ("test-unseen-models", {"tabletop": 30, "room": 20}),
        ("test-seen", {"tabletop": 50}),
        ("test-rooms", {"room": 50}),
        ("demo", {"tabletop": 50}),
    ],
)
def test_every_shard_has_the_same_mix(split: str, kinds: dict[str, int]) -> None:
    config = SceneSetConfig(split, 1)
    for shard in (0, 7):
        of_shard = [config.kind(i) for i in range(50 * shard, 50 * (shard + 1))]
        assert {k: of_shard.count(k) for k in set(of_shard)} == kinds


def test_members_and_records_of_a_room(models: list[Model], tmp_path: Path) -> None:
    config = tiny("test-rooms", views_per_scene=1)
    path = dataset._write_shard(config, 0, tmp_path / "r.tar", CACHE)
    for record, files in read_shards([path]):
        assert record["kind"] == "room"
        assert set(files) == {"jpg", "depth.png", "holes.png", "instances.png"}
        for name in ("depth.png", "holes.png", "instances.png"):
            image = cv2.imdecode(np.frombuffer(files[name], np.uint8), cv2.IMREAD_UNCHANGED)
            assert image.shape == (72, 96)
        told = [o["index"] for o in record["objects"]] + [o["index"] for o in record["ignored"]]
        assert len(told) == len(set(told))
        assert all(0 < o["visibility"] <= 1 and 0 < o["in_view"] <= 1 for o in record["objects"])
        listed = {o["index"] for o in record["objects"]}
        assert all({s, o} <= listed for s, _, o in record["relations"])


def test_furniture_stands_apart_and_within_the_walls(models: list[Model]) -> None:
    from spacesgg_ros.training.scenes.footprints import footprint, rectangles_meet
    from spacesgg_ros.training.scenes.rooms import RoomSampler

    sampler = RoomSampler([m for m in models if not m.unseen])
    for seed in range(20):
        scene = sampler.sample(np.random.default_rng(seed))
        lifted = {upper for upper, _ in scene.contacts}
        beneath = {
            i
            for i, m in enumerate(scene.models)
            for j in scene.open_below
            if m.size[2] < scene.open_below[j] and i != j
        }
        standing = [i for i in range(len(scene.models)) if i not in lifted | beneath]
        areas = [footprint(scene.models[i], scene.poses[i]) for i in standing]
        assert not any(rectangles_meet(a, b, 0.0) for k, a in enumerate(areas) for b in areas[:k])
        for upper, lower in scene.contacts:
            top = scene.poses[lower][2, 2] * scene.models[lower].size[2]
            assert scene.poses[upper][2, 3] == pytest.approx(top, abs=1e-6)


def test_rendering_goes_on_after_a_half_written_shard(
    models: list[Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "ProcessPoolExecutor", _InThisProcess)
    config = tiny("val", frames=8, views_per_scene=2)
    whole = {p.name: p.read_bytes() for p in dataset.write_scenes(config, tmp_path / "a", CACHE)}
    assert len(whole) == 2

    broken = tmp_path / "b"
    broken.mkdir()
    (broken / "val-00000.tar").write_bytes(whole["val-00000.tar"])
    (broken / "val-00001.tmp").write_bytes(whole["val-00001.tar"][:700])
    rendered_at = (broken / "val-00000.tar").stat().st_mtime_ns
    resumed = {p.name: p.read_bytes() for p in dataset.write_scenes(config, broken, CACHE)}
    assert resumed == whole
    assert (broken / "val-00000.tar").stat().st_mtime_ns == rendered_at
    assert not list(broken.glob("*.tmp"))
    assert (
        "| sofa | Scopia/sofa-known | Scopia | CC BY 3.0 |"
        in (broken / "ATTRIBUTION.md").read_text()
    )


def test_shards_of_another_seed_are_not_taken_for_these(
    models: list[Model], tmp_path: Path
) -> None:
    config = tiny("val")
    config.shard_paths(tmp_path)[0].write_bytes(b"")
    (tmp_path / "val.json").write_text(json.dumps({**config.__dict__, "seed": 3}))
    with pytest.raises(ValueError, match=r"seed=3 \(now 0\)"):
        list(dataset.write_scenes(config, tmp_path, CACHE))


def test_the_sheet_shows_frames_with_their_boxes(models: list[Model], tmp_path: Path) -> None:
    config = tiny("train", views_per_scene=1)
    path = dataset._write_shard(config, 0, tmp_path / "t.tar", CACHE)
    sheet.write_sheet([path], tmp_path / "sheet.jpg")
    picture = cv2.imread(str(tmp_path / "sheet.jpg"))
    assert picture.shape == (210, 6 * 280, 3)
    assert picture[:, : 2 * 280].std() > 5
    assert picture[:, 2 * 280 + 8 :].max() < 16  # two frames, the rest of the row stays black


def test_labels_are_counted_from_shards(models: list[Model], tmp_path: Path) -> None:
    config = tiny("train")
    told = [o["label"] for r in records(config, tmp_path) for o in r["objects"]]
    counts = label_map.count_labels(config.shard_paths(tmp_path))
    assert counts == {label: told.count(label) for label in set(told)}


def test_every_class_keeps_a_trained_model_and_the_docs_say_so() -> None:
    entries = label_map.read_label_map()
    assert len(entries) >= 100
    assert all(entry.trained for entry in entries)
    docs = Path(__file__).parents[2] / "docs" / "scenes.md"
    assert label_map.write_table(entries) in docs.read_text(), "spacesgg scenes labels"


def test_the_command_line_prints_the_map_and_refuses_an_unknown_split(
    models: list[Model], tmp_path: Path
) -> None:
    import typer
    from typer.testing import CliRunner

    from spacesgg_ros.cli.console import InputError
    from spacesgg_ros.training.scenes import cli

    app = typer.Typer()
    cli.register(app)
    records(tiny("val"), tmp_path)
    told = CliRunner().invoke(app, ["scenes", "labels", "--data", str(tmp_path), "--split", "val"])
    assert told.stdout.startswith("| class | role | models | held out | licences | objects |")
    nothing = CliRunner().invoke(app, ["scenes", "labels", "--data", str(tmp_path)])
    assert isinstance(nothing.exception, InputError)
    refused = CliRunner().invoke(app, ["scenes", "render", "tset", "3", "--out", str(tmp_path)])
    assert isinstance(refused.exception, InputError)
    assert "unknown split 'tset'" in str(refused.exception)


class _InThisProcess:
    """A pool that works at once, so that tests need no second interpreter."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> _InThisProcess:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, work: Callable[..., Path], *args: object) -> _InThisProcess:
        self._result = work(*args)
        done = _InThisProcess()
        done._result = self._result
        return done

    def result(self) -> Path:
        return self._result
