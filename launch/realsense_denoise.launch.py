"""Camera driver and denoising node. Arguments are those of the two files that it includes.

ros2 launch rs_denoise realsense_denoise.launch.py camera_model:=d435
"""

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription


def _include(name):
    path = PathJoinSubstitution([FindPackageShare("rs_denoise"), "launch", name])
    return IncludeLaunchDescription(PythonLaunchDescriptionSource(path))


def generate_launch_description():
    return LaunchDescription(
        [
            _include("realsense.launch.py"),
            # After camera_name, and before denoise.launch.py, whose default does not follow it.
            DeclareLaunchArgument(
                "camera_namespace",
                default_value=["/camera/", LaunchConfiguration("camera_name")],
                description="Namespace of the driver's topics. Follows camera_name.",
            ),
            _include("denoise.launch.py"),
        ]
    )
