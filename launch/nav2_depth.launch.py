"""The denoising node and the bridge from its depth images to the point cloud that Nav2 takes.

ros2 launch rs_denoise nav2_depth.launch.py camera_model:=d435

Arguments are those of denoise.launch.py. Out comes <camera_namespace>/denoised/points, for the
costmap and the collision monitor of config/nav2_costmap.yaml.
"""

from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import ComposableNodeContainer
from launch_ros.descriptions import ComposableNode
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription


def generate_launch_description():
    launch = PathJoinSubstitution([FindPackageShare("rs_denoise"), "launch"])
    denoise = PythonLaunchDescriptionSource(PathJoinSubstitution([launch, "denoise.launch.py"]))
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
                # Among the node's outputs: its camera_info is found and its points are named by
                # that alone, in all distributions.
                namespace=namespace,
                remappings=[("image_rect", "image_rect_raw")],
            )
        ],
        output="screen",
    )
    # In this order: camera_namespace and the environment are set by denoise.launch.py.
    return LaunchDescription([IncludeLaunchDescription(denoise), bridge])
