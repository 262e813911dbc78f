"""Several cameras with a denoising node each. Topics are in /camera/<name>.

ros2 launch rs_denoise multi_camera.launch.py cameras:=front,rear camera_models:=d455,d435
ros2 launch rs_denoise multi_camera.launch.py cameras:=front,rear start_cameras:=true \
    serial_nos:=_843112073259,_832112070255 points:=true
ros2 launch rs_denoise multi_camera.launch.py cameras:=front,rear one_process:=true

Other arguments of the files that it includes (params_file, profile, ...) apply to all cameras.
"""

import tempfile
from pathlib import Path

import yaml
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.conditions import IfCondition
from launch.event_handlers import OnShutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription
from rs_denoise.camera_models import BASELINES_M
from rs_denoise.cpu_cores import default_num_threads

ARGUMENTS = {
    "cameras": (None, "Names of the cameras, separated by commas."),
    "camera_models": (
        "auto",
        "Like camera_model of denoise.launch.py: one for all cameras, or one for each.",
    ),
    "start_cameras": ("false", "Also start the camera drivers."),
    "serial_nos": ("", "Serial numbers of the cameras to start, each with a leading underscore."),
    "points": (
        "false",
        "Also make a point cloud of each camera for Nav2, like points.launch.py.",
    ),
    "model_path": ("", "Like model_path of denoise.launch.py, for all cameras."),
    "device": ("", "Like device of denoise.launch.py, for all cameras."),
    "right_infrared": ("true", "Stream and use the right infrared images."),
    "num_threads": ("0", "Cores for each network on a CPU. 0: divided equally."),
    "one_process": (
        "false",
        "Run all nodes in one process with one network in memory, for a GPU or if memory is short. "
        "A crash then stops all cameras.",
    ),
}
# With one_process the nodes activate themselves: the allowed values of these arguments.
UNMANAGED = {"lifecycle_manager": ("", "false"), "autostart": ("", "true")}


def _cameras(context):
    names = _listed(context, "cameras")
    models = _listed(context, "camera_models")
    if len(models) == 1:
        models *= len(names)
    started = IfCondition(LaunchConfiguration("start_cameras")).evaluate(context)
    serial_nos = _listed(context, "serial_nos") if started else [""] * len(names)
    _require_one_each(names, camera_models=models, serial_nos=serial_nos)
    points = IfCondition(LaunchConfiguration("points")).evaluate(context)
    shared = IfCondition(LaunchConfiguration("one_process")).evaluate(context)
    threads = str(_num_threads(context) or max(1, default_num_threads() // len(names)))
    groups = []
    for name, model, serial_no in zip(names, models, serial_nos, strict=True):
        where = {"camera_namespace": f"/camera/{name}"}
        parts = []
        if started:
            parts.append(_include("realsense", camera_name=name, serial_no=serial_no))
        if not shared:
            parts.append(_include("denoise", camera_model=model, num_threads=threads, **where))
        if points:
            parts.append(_include("points", **where))
        groups.append(GroupAction(parts))
    if shared:
        groups += _one_process(context, dict(zip(names, models, strict=True)))
    return groups


def _one_process(context, models):
    """One process with a node for each camera; `models` by name."""
    unknown = [model for model in models.values() if model not in ("auto", *BASELINES_M)]
    if unknown:
        expected = ", ".join(("auto", *BASELINES_M))
        raise RuntimeError(f"camera_models must be among {expected}, got {', '.join(unknown)}")
    for argument in ("lifecycle_manager", "autostart"):
        if context.launch_configurations.get(argument, "") not in UNMANAGED[argument]:
            raise RuntimeError(f"with one_process the nodes activate themselves: omit {argument}")
    files = _parameters_of_each(context, models)
    node = Node(
        package="rs_denoise",
        executable="denoise_node",
        arguments=["--cameras", *(f"/camera/{name}" for name in models)],
        parameters=[LaunchConfiguration("params_file"), *files],
        output="screen",
        # A lost device ends the process; only a new process can use it again.
        respawn=True,
        respawn_delay=2.0,
    )
    return [_include("fastdds"), node, *(_delete_at_the_end(Path(file)) for file in files)]


def _parameters_of_each(context, models):
    """Parameter files, which launch_ros needs to distinguish the nodes of a process."""
    texts = {n: LaunchConfiguration(n).perform(context) for n in ("model_path", "device")}
    common = {name: text for name, text in texts.items() if text}
    if threads := _num_threads(context):
        common["num_threads"] = threads
    if not IfCondition(LaunchConfiguration("right_infrared")).evaluate(context):
        common["right_infrared"] = "off"
    own = {
        f"/camera/{name}/denoise_node": {**common, "baseline_m": BASELINES_M[model]}
        if model in BASELINES_M
        else common
        for name, model in models.items()
    }
    nodes = {name: {"ros__parameters": values} for name, values in own.items() if values}
    if not nodes:
        return []
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False) as file:
        yaml.safe_dump(nodes, file)
    return [file.name]


def _delete_at_the_end(file):
    """Not before: a node that is started again reads its parameters again."""
    delete = OpaqueFunction(function=lambda context: file.unlink(missing_ok=True))
    return RegisterEventHandler(OnShutdown(on_shutdown=[delete]))


def _num_threads(context):
    return int(LaunchConfiguration("num_threads").perform(context))


def _listed(context, name):
    return [part.strip() for part in LaunchConfiguration(name).perform(context).split(",")]


def _require_one_each(names, **lists):
    if len(set(names)) < len(names):
        raise RuntimeError(f"cameras contains a name twice: {','.join(names)}")
    for argument, values in lists.items():
        if len(values) != len(names):
            raise RuntimeError(
                f"{argument} has {len(values)} entries for {len(names)} cameras: give one for each "
                "(rs-enumerate-devices -s lists models and serial numbers)"
            )


def _include(name, **arguments):
    path = PathJoinSubstitution([FindPackageShare("rs_denoise"), "launch", f"{name}.launch.py"])
    return IncludeLaunchDescription(
        PythonLaunchDescriptionSource(path), launch_arguments=arguments.items()
    )


def generate_launch_description():
    return LaunchDescription(
        [
            DeclareLaunchArgument(name, default_value=default, description=description)
            for name, (default, description) in ARGUMENTS.items()
        ]
        + [
            DeclareLaunchArgument(
                "params_file",
                default_value=PathJoinSubstitution(
                    [FindPackageShare("rs_denoise"), "config", "denoise.yaml"]
                ),
                description="Parameter file of all nodes.",
            ),
            OpaqueFunction(function=_cameras),
        ]
    )
