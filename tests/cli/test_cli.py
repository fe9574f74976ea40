import json
import sys

import cv2
import numpy as np
import pytest

from spacesgg_ros.cli import main as cli
from spacesgg_ros.cli.graph import lift_still, read_depth
from spacesgg_ros.graph import RGBDFrame, parse_graph
from spacesgg_ros.vlm import GraphLimits, ModelGraph, RuntimeInfo, SceneGraphModel

TEXT = (
    "<ref>mug</ref><box>[[200, 400, 400, 600]]</box>\n"
    "<ref>plate</ref><box>[[600, 400, 800, 600]]</box>\n"
    "<pred>left of</pred><box>[[200, 400, 400, 600]]</box><box>[[600, 400, 800, 600]]</box>"
)


class FixedModel:
    """Stands for a loaded model: writes ``TEXT`` about every picture."""

    model_id = "fixed"
    runtime_info = RuntimeInfo("onnx", "cpu", "cpu", "fp32", 1)

    def write_graph(self, rgb, *, limits: GraphLimits | None = None, should_stop=None):
        return ModelGraph(TEXT, parse_graph(TEXT), (1, 2), 2, "eos", {"decode": 1.0})


@pytest.fixture
def fixed_model(monkeypatch) -> None:
    monkeypatch.setattr(SceneGraphModel, "load", lambda *_, **__: FixedModel())


@pytest.fixture
def picture(tmp_path):
    file = tmp_path / "picture.png"
    rng = np.random.default_rng(0)
    cv2.imwrite(str(file), rng.integers(0, 256, (120, 160, 3), dtype=np.uint8))
    return file


@pytest.fixture
def depth(tmp_path):
    file = tmp_path / "depth.png"
    cv2.imwrite(str(file), np.full((120, 160), 1500, np.uint16))
    return file


def run(*arguments) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main([str(argument) for argument in arguments])
    return end.value.code or 0


def test_help_lists_the_subcommands(capsys) -> None:
    assert run("--help") == 0
    shown = capsys.readouterr().out
    assert "graph" in shown
    assert "export" in shown


def test_version_is_printed(capsys) -> None:
    from spacesgg_ros import __version__

    assert run("--version") == 0
    assert capsys.readouterr().out.strip() == __version__


def test_a_graph_is_printed_as_tables(fixed_model, picture, capsys) -> None:
    assert run("graph", picture) == 0
    shown = capsys.readouterr().out
    assert "2 objects" in shown
    assert "mug #1" in shown
    assert "left of" in shown


def test_a_label_is_no_markup(fixed_model, picture, capsys, monkeypatch) -> None:
    text = "<ref>[/] mug</ref><box>[[200, 400, 400, 600]]</box>"
    written = ModelGraph(text, parse_graph(text), (1,), 1, "eos")
    monkeypatch.setattr(FixedModel, "write_graph", lambda *_, **__: written)
    assert run("graph", picture) == 0
    assert "[/] mug" in capsys.readouterr().out


def test_depth_gives_positions_and_measured_relations(fixed_model, picture, depth, capsys) -> None:
    assert run("graph", picture, "--depth", depth, "--intrinsics", "150,150,80,60", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert [item["label"] for item in result["objects"]] == ["mug", "plate"]
    assert all(abs(item["extent"]["position"][2] - 1.5) < 0.1 for item in result["objects"])
    assert any(relation["source"] == "both" for relation in result["relations"])
    assert result["runtime"]["provider_used"] == "cpu"
    assert result["text"] == TEXT


def test_the_text_is_what_the_model_wrote(fixed_model, picture, capsys) -> None:
    assert run("graph", picture, "--text") == 0
    assert capsys.readouterr().out.strip() == TEXT


def test_an_annotated_picture_is_written(fixed_model, picture, tmp_path) -> None:
    assert run("graph", picture, "--out", tmp_path / "out.png") == 0
    annotated = cv2.imread(str(tmp_path / "out.png"))
    assert annotated.shape == (120, 160, 3)
    assert (annotated != cv2.imread(str(picture))).any()


def test_a_still_picture_keeps_its_stamp_and_boxes() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    scene = lift_still(RGBDFrame(77, "camera", rgb), parse_graph(TEXT), "model")
    assert (scene.stamp_ns, scene.keyframe_stamp_ns) == (77, 77)
    np.testing.assert_allclose(scene.objects[0].box_px, (20, 40, 40, 60), atol=0.2)


@pytest.mark.parametrize(
    "options",
    [
        ["--depth", "depth.png"],
        ["--intrinsics", "1,1,1,1"],
        ["--depth", "depth.png", "--intrinsics", "1,2,3"],
        ["--no-such-option"],
    ],
)
def test_wrong_usage_exits_with_2(picture, options) -> None:
    assert run("graph", picture, *options) == 2


@pytest.mark.parametrize("content", [None, b"", b"no picture"])
def test_an_unusable_picture_exits_with_3(tmp_path, content, capsys) -> None:
    file = tmp_path / "bad.png"
    if content is not None:
        file.write_bytes(content)
    assert run("graph", file) == 3
    assert "bad.png" in capsys.readouterr().err


def test_intrinsics_that_describe_no_camera_exit_with_3(picture, depth, capsys) -> None:
    assert run("graph", picture, "--depth", depth, "--intrinsics", "nan,1,1,1") == 3
    assert "intrinsics" in capsys.readouterr().err


def test_a_missing_model_exits_with_4(picture, capsys) -> None:
    assert run("graph", picture, "--model", "/no/such/model") == 4
    assert "/no/such/model" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[1500, 0]], np.uint16), [[1.5, np.nan]]),
        (np.array([[1.5, np.inf], [-1, np.nan]], np.float32), [[1.5, np.nan], [np.nan, np.nan]]),
        (np.array([[2.0]], np.float64), [[2.0]]),
    ],
)
def test_depth_files_are_read_as_metres(tmp_path, array, expected) -> None:
    np.save(tmp_path / "depth.npy", array)
    depth_m = read_depth(tmp_path / "depth.npy", 1000.0)
    assert depth_m.dtype == np.float32
    np.testing.assert_allclose(depth_m, expected)


@pytest.mark.parametrize(
    "array", [np.zeros((2, 2, 3)), np.zeros((2, 2), np.uint8), np.array(["a"])]
)
def test_what_is_no_depth_exits_with_3(picture, tmp_path, array, capsys) -> None:
    np.save(tmp_path / "depth.npy", array)
    options = ["--depth", tmp_path / "depth.npy", "--intrinsics", "1,1,1,1"]
    assert run("graph", picture, *options) == 3
    assert "depth.npy" in capsys.readouterr().err


def test_depth_of_another_resolution_is_aligned(fixed_model, picture, tmp_path, capsys) -> None:
    np.save(tmp_path / "depth.npy", np.full((60, 80), 2.0, np.float32))
    options = ["--depth", tmp_path / "depth.npy", "--intrinsics", "150,150,80,60", "--json"]
    assert run("graph", picture, *options) == 0
    result = json.loads(capsys.readouterr().out)
    assert all(item["extent"] is not None for item in result["objects"])


def test_a_broken_subcommand_hurts_itself_alone(monkeypatch, capsys) -> None:
    monkeypatch.setitem(cli._MODULES, "broken_module", ("broken",))
    real = cli.importlib.import_module

    def import_module(name: str):
        if name == "broken_module":
            raise ModuleNotFoundError("No module named 'mujoco'", name="mujoco")
        return real(name)

    monkeypatch.setattr(cli.importlib, "import_module", import_module)
    assert run("broken") == 5
    assert "mujoco" in capsys.readouterr().err
    assert run("graph", "--help") == 0


def test_a_subcommand_that_is_not_installed_is_left_out(monkeypatch, capsys) -> None:
    monkeypatch.setitem(cli._MODULES, "spacesgg_ros.no_such", ("absent",))
    assert run("--help") == 0
    assert "absent" not in capsys.readouterr().out
    assert run("absent") == 2


def test_export_without_torch_names_the_extra(tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "llava", "text_config": {}, "vision_config": {}})
    )
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert run("export", tmp_path) == 5
    assert "spacesgg_ros[torch]" in capsys.readouterr().err


def test_training_without_torch_names_the_extra(monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert run("train", "tower") == 5
    assert "spacesgg_ros[train]" in capsys.readouterr().err


def test_the_help_says_what_an_option_is_if_it_is_not_given(capsys) -> None:
    assert run("export", "--help") == 0
    assert "fp32 and int8" in capsys.readouterr().out


def test_the_help_needs_no_model_runtime(monkeypatch) -> None:
    for name in ("torch", "transformers", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    assert run("graph", "--help") == 0
