"""Makes point clouds for Nav2 from denoised depth images.

ros2 launch rs_denoise points.launch.py camera_namespace:=/camera/front

Subscribes to <camera_namespace>/denoised/image_rect_raw and publishes denoised/points in the same
namespace, for the costmap and the collision monitor of config/nav2_costmap.yaml.
"""

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import ComposableNodeContainer
from launch_ros.descriptions import ComposableNode
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription


def generate_launch_description():
    share = FindPackageShare("rs_denoise")
    fastdds = PathJoinSubstitution([share, "launch", "fastdds.launch.py"])
    namespace = [LaunchConfiguration("camera_namespace"), "/denoised"]
    bridge = ComposableNodeContainer(
        package="rclcpp_components",
        executable="component_container",
        name="points_container",
        namespace=namespace,
        composable_node_descriptions=[
            ComposableNode(
                package="depth_image_proc",
                plugin="depth_image_proc::PointCloudXyzNode",
                name="points",
                # In the namespace of the node's outputs the component finds camera_info and names
                # its points correctly in all distributions.
                namespace=namespace,
                remappings=[("image_rect", "image_rect_raw")],
            )
        ],
        output="screen",
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "camera_namespace",
                default_value="/camera/camera",
                description="Namespace of the driver's topics.",
            ),
            IncludeLaunchDescription(PythonLaunchDescriptionSource(fastdds)),
            bridge,
        ]
    )
