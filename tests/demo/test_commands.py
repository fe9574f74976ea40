import sys

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from spacesgg_ros.cli import bag, demo
from spacesgg_ros.cli.console import InputError
from spacesgg_ros.demo import DemoError
from spacesgg_ros.demo.processes import Child
from spacesgg_ros.demo.recording import Recording
from spacesgg_ros.demo.session import ros_environment
from spacesgg_ros.demo.still_camera import read_still

pytest.importorskip("rosbags")


@pytest.fixture
def run():
    app = typer.Typer()
    app.command("demo")(demo.demo)
    app.add_typer(bag.app, name="bag")
    runner = CliRunner()
    return lambda *words: runner.invoke(app, [str(word) for word in words])


@pytest.fixture
def pictures(tmp_path):
    """A colour picture and a depth picture of one pixel row each metre."""
    rgb, depth = tmp_path / "rgb.png", tmp_path / "depth.png"
    cv2.imwrite(str(rgb), np.full((12, 16, 3), (10, 20, 30), np.uint8))
    cv2.imwrite(str(depth), np.full((12, 16), 1500, np.uint16))
    return rgb, depth


def test_images_become_a_recording_the_demo_can_play(run, pictures, tmp_path):
    out = tmp_path / "still.mcap"
    result = run("bag", "from-images", *pictures, "--intrinsics", "20,20,8,6", "--out", out,
                 "--frames", 3)  # fmt: skip
    assert result.exit_code == 0, result.output
    with Recording(out) as recording:
        assert recording.image_count == 3
        depth = next(e for e in recording.load() if e.role == "depth")
        assert np.frombuffer(recording.image(depth)[1].data, np.uint16)[0] == 1500


@pytest.mark.parametrize(
    ("intrinsics", "message"),
    [("1,2,3", "four numbers"), ("a,b,c,d", "four numbers"), ("0,1,2,3", "fx, fy > 0")],
)
def test_wrong_intrinsics_say_what_is_expected(pictures, intrinsics, message):
    with pytest.raises(DemoError, match=message):
        read_still(*pictures, intrinsics)


def test_depth_of_another_size_is_refused(pictures, tmp_path):
    small = tmp_path / "small.npy"
    np.save(small, np.ones((3, 4), np.float32))
    with pytest.raises(DemoError, match="4x3, colour 16x12"):
        read_still(pictures[0], small, "20,20,8,6")


def test_colour_is_no_depth(pictures):
    with pytest.raises(DemoError, match="16 bits"):
        read_still(pictures[0], pictures[0], "20,20,8,6")


def test_info_lists_the_topics(run, blocks_bag):
    result = run("bag", "info", blocks_bag)
    assert "/camera/depth/compressed" in result.output
    assert "6 images" in result.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--bag", "nothing.mcap"], "no recording at"),
        (["--bag", "BAG", "--image-topic", "/x"], "Its topics"),
    ],
)
def test_a_recording_that_cannot_be_played_is_refused(run, blocks_bag, words, message):
    result = run("demo", *[blocks_bag if word == "BAG" else word for word in words])
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)


@pytest.mark.parametrize("query", ["mug", "a,b", "a,b,c,above", "a,b,c,d,e"])
def test_a_query_of_the_wrong_form_is_a_usage_error(run, query):
    assert run("demo", "--query", query).exit_code == 2


def test_the_ros_network_is_kept_to_this_machine():
    environment = ros_environment({"A": "b"}, 42, local_only=True)
    assert environment == {
        "A": "b",
        "ROS_DOMAIN_ID": "42",
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    humble = ros_environment({"ROS_DISTRO": "humble"}, 42, local_only=True)
    assert humble["ROS_LOCALHOST_ONLY"] == "1"
    assert "ROS_AUTOMATIC_DISCOVERY_RANGE" not in ros_environment({}, 42, local_only=False)


def child(folder, code):
    return Child("child", [sys.executable, "-c", code], {}, folder)


def test_a_child_that_ends_leaves_its_words(tmp_path):
    ended = child(tmp_path, "import sys; print('out'); print('why', file=sys.stderr); sys.exit(3)")
    ended._process.wait(20)
    assert ended.exit_code == 3
    assert ended.last_line() == "out"
    assert ended.log_tail() == "why"


def test_a_child_is_stopped_by_sigint(tmp_path):
    code = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, lambda *_: sys.exit(0))\n"
        "print('up', flush=True)\n"
        "signal.pause()"
    )
    running = child(tmp_path, code)
    while not running.last_line():
        assert running.exit_code is None
    assert running.stop() == 0


def test_a_real_picture_has_metric_depth():
    pytest.importorskip("skimage")
    import importlib.util
    from pathlib import Path

    path = Path(__file__).parents[2] / "examples" / "motorcycle.py"
    spec = importlib.util.spec_from_file_location("motorcycle", path)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    still = example.read_motorcycle()
    assert still.rgb.shape == (500, 741, 3)
    # The nearest parts of the motorcycle are about two metres away, the wall five.
    near, far = np.nanpercentile(still.depth_m, [1, 99])
    assert 1.5 < near < 2.6
    assert 3.5 < far < 6.5
