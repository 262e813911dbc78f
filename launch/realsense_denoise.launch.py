"""Camera and denoising node together: infrared on, profiles matched.

ros2 launch rs_denoise realsense_denoise.launch.py camera_model:=d435
"""

import os

from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

# Where Fast DDS 2 (Humble, Jazzy) and 3 look for their profile.
PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def _include(context):
    values = {
        name: LaunchConfiguration(name).perform(context)
        for name in ("profile", "serial_no", "camera_model", "params_file", "config_file")
    }
    share = FindPackageShare("rs_denoise")
    fastdds = PathJoinSubstitution([share, "config", "fastdds.xml"])
    camera = GroupAction(
        # The sender needs the larger shared-memory segment, and a scope that does not forward also
        # forgets the environment, so it is set inside.
        [SetEnvironmentVariable(name, fastdds) for name in PROFILES if name not in os.environ]
        + [
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(
                    PathJoinSubstitution(
                        [FindPackageShare("realsense2_camera"), "launch", "rs_launch.py"]
                    )
                ),
                launch_arguments={
                    "camera_namespace": "camera",
                    "camera_name": "camera",
                    "serial_no": values["serial_no"],
                    "enable_depth": "true",
                    "enable_infra1": "true",
                    "depth_module.depth_profile": values["profile"],
                    "depth_module.infra_profile": values["profile"],
                    "config_file": values["config_file"],
                }.items(),
            ),
        ],
        # rs_launch.py warns about every launch configuration that it does not know.
        scoped=True,
        forwarding=False,
    )
    denoise = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(PathJoinSubstitution([share, "launch", "denoise.launch.py"])),
        launch_arguments={
            "camera_namespace": "/camera/camera",
            "camera_model": values["camera_model"],
            "params_file": values["params_file"],
        }.items(),
    )
    return [camera, denoise]


def generate_launch_description():
    config = PathJoinSubstitution([FindPackageShare("rs_denoise"), "config"])
    arguments = {
        "profile": ("848x480x30", "Of depth and infrared alike: width x height x rate."),
        "serial_no": ("''", "Of the camera, with a leading underscore; empty: the first found."),
        "camera_model": ("auto", "d415, d435, d435i, d455, d405 or auto: sets the baseline."),
        "params_file": (PathJoinSubstitution([config, "denoise.yaml"]), "Of denoise_node."),
        "config_file": (PathJoinSubstitution([config, "realsense.yaml"]), "Of realsense2_camera."),
    }
    return LaunchDescription(
        [
            DeclareLaunchArgument(name, default_value=default, description=description)
            for name, (default, description) in arguments.items()
        ]
        + [OpaqueFunction(function=_include)]
    )
