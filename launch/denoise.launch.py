"""The denoising node beside a camera driver that is already running.

ros2 launch rs_denoise denoise.launch.py camera_model:=d435
"""

import os

from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

# Data sheet, in m. 0 leaves it to the parameter file and the camera's own topics.
BASELINES_M = {"auto": 0.0, "d415": 0.055, "d435": 0.050, "d435i": 0.050, "d455": 0.095,
               "d405": 0.018}  # fmt: skip

# Where Fast DDS 2 (Humble, Jazzy) and 3 look for their profile.
PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def _node(context):
    baseline = BASELINES_M[LaunchConfiguration("camera_model").perform(context)]
    return [
        Node(
            package="rs_denoise",
            executable="denoise_node",
            name="denoise_node",
            namespace=LaunchConfiguration("camera_namespace"),
            # A known camera model goes before the file, "auto" leaves the file's word.
            parameters=[LaunchConfiguration("params_file")]
            + ([{"baseline_m": baseline}] if baseline else []),
            output="screen",
            # A device that is lost ends the process; a new one begins cleanly.
            respawn=True,
            respawn_delay=2.0,
        )
    ]


def generate_launch_description():
    share = FindPackageShare("rs_denoise")
    profile = PathJoinSubstitution([share, "config", "fastdds.xml"])
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "camera_namespace",
                default_value="/camera/camera",
                description="Namespace of the driver's topics.",
            ),
            DeclareLaunchArgument(
                "camera_model",
                default_value="auto",
                choices=list(BASELINES_M),
                description="Sets the baseline.",
            ),
            DeclareLaunchArgument(
                "params_file",
                default_value=PathJoinSubstitution([share, "config", "denoise.yaml"]),
                description="Parameters of the node.",
            ),
        ]
        # Room for images in shared memory, unless the user has a profile of their own.
        + [SetEnvironmentVariable(name, profile) for name in PROFILES if name not in os.environ]
        + [OpaqueFunction(function=_node)]
    )
