"""An installation for launch: this package, and stubs of the packages of others."""

import sys

PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
PROGRAMS = {
    "rs_denoise": ("denoise_node", f'exec {sys.executable} -m rs_denoise.node.main "$@"'),
    "realsense2_camera": ("realsense2_camera_node", "true"),
    "rclcpp_components": ("component_container", "true"),
    "nav2_lifecycle_manager": ("lifecycle_manager", "true"),
}
# Takes what the driver's own does and, as that one, minds every argument that it does not know.
DRIVER = """
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration as Value
from launch_ros.actions import Node

NAMES = ("camera_namespace", "camera_name", "serial_no", "enable_depth", "enable_infra1",
         "enable_infra2", "depth_module.depth_profile", "depth_module.infra_profile", "config_file")

def check(context):
    assert not set(context.launch_configurations) - set(NAMES)

def generate_launch_description():
    return LaunchDescription(
        [DeclareLaunchArgument(name, default_value="''") for name in NAMES]
        + [OpaqueFunction(function=check)]
        + [Node(package="realsense2_camera", executable="realsense2_camera_node",
                namespace=Value("camera_namespace"), name=Value("camera_name"),
                parameters=[{name: Value(name) for name in NAMES}])])
"""
