"""The camera alone, set up for denoising: infrared on, profiles matched, no filters.

ros2 launch rs_denoise realsense.launch.py profile:=848x480x30
"""

from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription


def _include(package, name):
    path = PathJoinSubstitution([FindPackageShare(package), "launch", name])
    return IncludeLaunchDescription(PythonLaunchDescriptionSource(path))


def generate_launch_description():
    config = PathJoinSubstitution([FindPackageShare("rs_denoise"), "config"])
    arguments = {
        "camera_name": (
            "camera",
            "Name of the camera: topics are in /camera/<name>, frames begin with <name>_.",
        ),
        "profile": ("848x480x30", "Width x height x rate of depth and infrared."),
        "serial_no": (
            "''",
            "Serial number with a leading underscore. Empty: the first camera found.",
        ),
        "right_infrared": (
            "true",
            "Also stream the right infrared image. false saves 12 MB/s of USB at 848x480x30.",
        ),
        "config_file": (
            PathJoinSubstitution([config, "realsense.yaml"]),
            "Parameter file of realsense2_camera.",
        ),
    }
    driver = GroupAction(
        # This scope does not inherit the environment either, so it is set inside.
        [
            _include("rs_denoise", "fastdds.launch.py"),
            _include("realsense2_camera", "rs_launch.py"),
        ],
        # rs_launch.py warns about every launch configuration that it does not know.
        scoped=True,
        forwarding=False,
        launch_configurations={
            "camera_namespace": "camera",
            "camera_name": LaunchConfiguration("camera_name"),
            "serial_no": LaunchConfiguration("serial_no"),
            "enable_depth": "true",
            "enable_infra1": "true",
            "enable_infra2": LaunchConfiguration("right_infrared"),
            "depth_module.depth_profile": LaunchConfiguration("profile"),
            "depth_module.infra_profile": LaunchConfiguration("profile"),
            "config_file": LaunchConfiguration("config_file"),
        },
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument(name, default_value=default, description=description)
            for name, (default, description) in arguments.items()
        ]
        + [driver]
    )
