"""The denoising node, and point clouds for Nav2 from its depth images.

ros2 launch rs_denoise nav2_depth.launch.py camera_model:=d435

Arguments are those of denoise.launch.py. Publishes <camera_namespace>/denoised/points, for the
costmap and the collision monitor of config/nav2_costmap.yaml.
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
                PythonLaunchDescriptionSource(PathJoinSubstitution([launch, f"{name}.launch.py"]))
            )
            for name in ("denoise", "points")
        ]
    )
