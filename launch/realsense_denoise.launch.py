"""Camera driver and denoising node. Arguments are those of the two files that it includes.

ros2 launch rs_denoise realsense_denoise.launch.py camera_model:=d435
"""

from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription


def generate_launch_description():
    launch = PathJoinSubstitution([FindPackageShare("rs_denoise"), "launch"])
    return LaunchDescription(
        [
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(PathJoinSubstitution([launch, name]))
            )
            for name in ("realsense.launch.py", "denoise.launch.py")
        ]
    )
