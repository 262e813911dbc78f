"""Makes Fast DDS's shared memory large enough for images, for all later actions of the scope.

The sender's setting is what matters: include this before your own camera driver too.
"""

from launch.actions import SetEnvironmentVariable
from launch.substitutions import EnvironmentVariable, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

# Variables with the profile of Fast DDS 2 (Humble, Jazzy) and 3.
PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def generate_launch_description():
    ours = PathJoinSubstitution([FindPackageShare("rs_denoise"), "config", "fastdds.xml"])
    return LaunchDescription(
        # A profile that the user has set is kept.
        [
            SetEnvironmentVariable(name, EnvironmentVariable(name, default_value=[ours]))
            for name in PROFILES
        ]
    )
