"""Makes Fast DDS's shared memory large enough for images, for what the scope launches afterwards.

The sender's setting counts: include this before your own camera driver as well.
"""

from launch.actions import SetEnvironmentVariable
from launch.substitutions import EnvironmentVariable, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

# Where Fast DDS 2 (Humble, Jazzy) and 3 look for their profile.
PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def generate_launch_description():
    ours = PathJoinSubstitution([FindPackageShare("rs_denoise"), "config", "fastdds.xml"])
    return LaunchDescription(
        # A profile of the user's own stays.
        [
            SetEnvironmentVariable(name, EnvironmentVariable(name, default_value=[ours]))
            for name in PROFILES
        ]
    )
