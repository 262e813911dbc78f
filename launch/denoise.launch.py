"""The denoising node, for a camera driver that is already running.

ros2 launch rs_denoise denoise.launch.py camera_model:=d435
"""

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription
from rs_denoise.camera_models import BASELINES_M


def _node(context):
    """The node, with Nav2's lifecycle manager on demand."""
    managed = IfCondition(LaunchConfiguration("lifecycle_manager")).evaluate(context)
    node = LifecycleNode(
        package="rs_denoise",
        executable="denoise_node",
        name="denoise_node",
        namespace=LaunchConfiguration("camera_namespace"),
        parameters=[LaunchConfiguration("params_file"), _overrides(context, managed)],
        output="screen",
        # A lost device ends the process; only a new process can use it again.
        respawn=True,
        respawn_delay=2.0,
    )
    return [node, _manager()] if managed else [node]


def _overrides(context, managed):
    """Values that take precedence over the parameter file, from arguments that were given."""
    overrides = {}
    model = LaunchConfiguration("camera_model").perform(context)
    if model in BASELINES_M:
        overrides["baseline_m"] = BASELINES_M[model]
    for name in ("model_path", "device"):
        if value := LaunchConfiguration(name).perform(context):
            overrides[name] = value
    if num_threads := LaunchConfiguration("num_threads").perform(context):
        overrides["num_threads"] = int(num_threads)
    if not IfCondition(LaunchConfiguration("right_infrared")).evaluate(context):
        overrides["right_infrared"] = "off"
    autostart = "false" if managed else LaunchConfiguration("autostart").perform(context)
    if autostart:
        overrides["autostart"] = autostart == "true"
    return overrides


def _manager():
    return Node(
        package="nav2_lifecycle_manager",
        executable="lifecycle_manager",
        name="lifecycle_manager_denoise",
        namespace=LaunchConfiguration("camera_namespace"),
        # rclpy nodes have no bond; with a timeout, the manager would consider the node dead.
        # Configuring loads the network, which may take longer than the manager's 5 s.
        parameters=[
            {
                "node_names": ["denoise_node"],
                "autostart": True,
                "bond_timeout": 0.0,
                "service_timeout": 60.0,
            }
        ],
        output="screen",
    )


def generate_launch_description():
    share = FindPackageShare("rs_denoise")
    fastdds = PathJoinSubstitution([share, "launch", "fastdds.launch.py"])
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "camera_namespace",
                default_value="/camera/camera",
                description="Namespace of the driver's topics.",
            ),
            DeclareLaunchArgument(
                "camera_model",
                default_value="auto",
                choices=["auto", *BASELINES_M],
                description="Sets the baseline. auto: from the parameter file or the topics.",
            ),
            DeclareLaunchArgument(
                "params_file",
                default_value=PathJoinSubstitution([share, "config", "denoise.yaml"]),
                description="Parameter file of the node.",
            ),
            DeclareLaunchArgument(
                "model_path",
                default_value="",
                description="auto, the name of a shipped model, or a model file. Empty: as in the "
                "parameter file.",
            ),
            DeclareLaunchArgument(
                "device",
                default_value="",
                description="auto, cpu, cuda, openvino:GPU, ... Empty: as in the parameter file.",
            ),
            DeclareLaunchArgument(
                "right_infrared",
                default_value="true",
                choices=["true", "false"],
                description="false: do not use the right infrared image. true: as in the "
                "parameter file.",
            ),
            DeclareLaunchArgument(
                "num_threads",
                default_value="",
                description="Cores for the network on a CPU. Empty: as in the parameter file.",
            ),
            DeclareLaunchArgument(
                "autostart",
                default_value="",
                choices=["", "true", "false"],
                description="false: a manager activates the node. Empty: as in the parameter file.",
            ),
            DeclareLaunchArgument(
                "lifecycle_manager",
                default_value="false",
                choices=["true", "false"],
                description="Also start a nav2_lifecycle_manager, which activates the node.",
            ),
            IncludeLaunchDescription(PythonLaunchDescriptionSource(fastdds)),
            OpaqueFunction(function=_node),
        ]
    )
