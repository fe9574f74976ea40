"""The node of the sourced workspace starts, reports and ends when it is told to."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import rclpy
from ament_index_python.packages import get_package_prefix
from diagnostic_msgs.msg import DiagnosticArray

import spacesgg_ros
import spacesgg_ros.msg


def main() -> int:
    prefix = Path(get_package_prefix("spacesgg_ros"))
    for module in (spacesgg_ros, spacesgg_ros.msg):
        assert prefix in Path(module.__file__).parents, f"{module.__file__} is not in {prefix}"
    node = subprocess.Popen([str(prefix / "lib" / "spacesgg_ros" / "scene_graph_node")])
    rclpy.init()
    listener = rclpy.create_node("smoke")
    reports: list[DiagnosticArray] = []
    listener.create_subscription(DiagnosticArray, "/diagnostics", reports.append, 10)
    deadline = time.monotonic() + 30
    while not reports and time.monotonic() < deadline and node.poll() is None:
        rclpy.spin_once(listener, timeout_sec=0.2)
    node.send_signal(signal.SIGINT)
    code = node.wait(20)
    print(f"{prefix}: {len(reports)} reports, exit code {code}")
    return 0 if reports and code == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
