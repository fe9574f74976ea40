"""``spacesgg-node`` and ``ros2 run spacesgg_ros scene_graph_node``."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import cv2

from spacesgg_ros.resources import resource

if TYPE_CHECKING:
    from spacesgg_ros.node.node import SceneGraphNode

_PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
_USAGE = """\
spacesgg-node [--ros-args -p NAME:=VALUE ... -r FROM:=TO ... --params-file FILE]

Runs the scene graph node: image, depth and camera_info in, scene_graph out. Ctrl-C ends it.

  spacesgg-node --ros-args -r image:=/camera/color/image_raw \\
      -r depth:=/camera/aligned_depth_to_color/image_raw -r camera_info:=/camera/color/camera_info

Parameters: docs/parameters.md, or `ros2 param describe` while it runs."""
_SIGNAL_CHECK_S = 0.1
_FAST_DDS_2 = ("humble", "iron", "jazzy")  # read the second name; later ones the first


def use_shared_memory_profile() -> None:
    """Have Fast DDS use shared memory that images fit in; call before ``rclpy.init``.

    A profile that the environment names already stays. Without either, half of all 640x480
    images are lost without a word.
    """
    if not any(os.environ.get(name) for name in _PROFILE_VARIABLES):
        # One of them only: Fast DDS 3 would load the file twice and refuse it.
        name = _PROFILE_VARIABLES[os.environ.get("ROS_DISTRO") in _FAST_DDS_2]
        os.environ[name] = str(resource("config/fastdds_shm.xml"))


def explain_missing_ros() -> str:
    """What to do where ROS or this package's messages cannot be imported; empty if they can."""
    try:
        import rclpy  # noqa: F401
    except ImportError as error:
        return (
            f"The node needs ROS 2 ({error}). On a robot: source its setup.bash, build this "
            "package with colcon and source install/setup.bash. Without ROS, on x86-64 Linux: "
            "pip install '.[ros]' -C ros=kilted in the folder of this package."
        )
    try:
        import spacesgg_ros.msg
        import spacesgg_ros.srv  # noqa: F401
    except ImportError as error:
        return (
            f"ROS 2 is here, but the messages of spacesgg_ros are not compiled ({error}). "
            "Run: pip install --force-reinstall --no-deps '.[ros]' -C ros=kilted in the folder of "
            "this package (pip 23.1 or newer), or build it with colcon."
        )
    return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node until it is interrupted. 0: ended as asked; 2: could not start.

    Args:
        arguments: ROS arguments (``--ros-args ...``); None: the command line's.
    """
    if {"-h", "--help"} & set((sys.argv[1:] if arguments is None else arguments)[:1]):
        print(_USAGE)
        return 0
    if problem := explain_missing_ros():
        print(problem, file=sys.stderr)
        return 2
    from spacesgg_ros.node.node import SceneGraphNode

    return run_node(SceneGraphNode, arguments)


def run_node(
    make_node: Callable[[], SceneGraphNode], arguments: Sequence[str] | None = None
) -> int:
    """Initialise ROS, make the node, start it if ``autostart`` says so, and spin."""
    use_shared_memory_profile()
    # OpenCV's pool costs the camera path more CPU than it saves, and the model wants the cores.
    cv2.setNumThreads(1)
    import rclpy
    from rclpy.exceptions import ParameterException
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.signals import SignalHandlerOptions

    # rclpy's own handlers shut ROS down on a thread of theirs while ours still publish, which
    # now and then is a segmentation fault. Here a signal only ends the loop below: first our
    # threads end, then the node, then ROS.
    interrupted = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: interrupted.set())
    rclpy.init(
        args=None if arguments is None else list(arguments),
        signal_handler_options=SignalHandlerOptions.NO,
    )
    try:
        node = make_node()
    except ParameterException as error:
        print(f"The node cannot start: {error}", file=sys.stderr)
        rclpy.shutdown()
        return 2
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    # What is loaded stays: the collector need not look through all of it during frames.
    gc.freeze()
    try:
        if node.parameters.autostart:
            node.trigger_configure()
            node.trigger_activate()
        while not interrupted.is_set():
            executor.spin_once(_SIGNAL_CHECK_S)
    finally:
        node.destroy_node()
        executor.shutdown()
        rclpy.shutdown()
        gc.unfreeze()  # else the participant is never collected, and its shared memory stays
    return 0


if __name__ == "__main__":
    sys.exit(main())
