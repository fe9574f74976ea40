"""A recorded camera, the node and, where there is one, RViz.

    ros2 launch spacesgg_ros demo.launch.py
    ros2 launch spacesgg_ros demo.launch.py bag:=FILE rviz:=true

The same with a terminal view and a page, without ROS' launch system: ``spacesgg demo``. Both read
recordings with rosbags (``pip install rosbags``).
"""

import sys
from pathlib import Path

from launch.actions import DeclareLaunchArgument, ExecuteProcess, IncludeLaunchDescription
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription
from spacesgg_ros.node.main import use_shared_memory_profile
from spacesgg_ros.resources import resource

HERE = Path(__file__).parent
CAMERA = {
    "image": "camera/color/image_raw",
    "depth": "camera/aligned_depth_to_color/image_raw",
    "camera_info": "camera/color/camera_info",
}


def generate_launch_description():
    use_shared_memory_profile()  # for the player as well as for the node
    player = ExecuteProcess(
        cmd=[
            sys.executable,
            "-m",
            "spacesgg_ros.demo.player",
            LaunchConfiguration("bag"),
            "--repeat",
            "BACK_AND_FORTH",  # until Ctrl-C, and without a jump of the camera
        ],
        output="log",
    )
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(HERE / "scene_graph.launch.py")),
        launch_arguments={**CAMERA, "model": LaunchConfiguration("model")}.items(),
    )
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", str(HERE.parent / "rviz" / "scene_graph.rviz")],
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "bag",
                default_value=str(resource("examples") / "demo_rgbd.mcap"),
                description="recording to play",
            ),
            DeclareLaunchArgument(
                "model", default_value="", description="'embedded', a folder or a Hugging Face id"
            ),
            DeclareLaunchArgument("rviz", default_value="false", description="start RViz too"),
            player,
            node,
            rviz,
        ]
    )
