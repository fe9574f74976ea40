"""The scene graph node for one camera.

    ros2 launch spacesgg_ros scene_graph.launch.py image:=/camera/color/image_raw \\
        depth:=/camera/aligned_depth_to_color/image_raw camera_info:=/camera/color/camera_info
"""

from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription
from spacesgg_ros.node.main import use_shared_memory_profile
from spacesgg_ros.resources import resource

ARGUMENTS = (
    ("image", "image", "colour topic"),
    ("depth", "depth", "depth topic, registered to colour"),
    ("camera_info", "camera_info", "calibration of the colour image"),
    ("model", "", "overrides the parameter file: 'embedded', a folder or a Hugging Face id"),
    ("params_file", str(resource("config/scene_graph.yaml")), "all other parameters"),
    ("namespace", "", "namespace of the node and its topics"),
    ("use_sim_time", "false", "take time from /clock (bags, simulation)"),
    ("autostart", "true", "configure and activate by itself"),
    ("log_level", "info", "debug, info, warn, error"),
)


def make_node(context):
    """The node's action, from the arguments' values."""
    values = {name: LaunchConfiguration(name).perform(context) for name, *_ in ARGUMENTS}
    overrides = {
        "use_sim_time": values["use_sim_time"].lower() == "true",
        "autostart": values["autostart"].lower() == "true",
    }
    if values["model"]:
        overrides["model"] = values["model"]
    # The process that is started inherits it; a profile already set in the environment stays.
    use_shared_memory_profile()
    return [
        Node(
            package="spacesgg_ros",
            executable="scene_graph_node",
            name="scene_graph",
            namespace=values["namespace"],
            output="screen",
            parameters=[values["params_file"], overrides],
            remappings=[(name, values[name]) for name in ("image", "depth", "camera_info")],
            arguments=["--ros-args", "--log-level", values["log_level"]],
        )
    ]


def generate_launch_description():
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=make_node)])
