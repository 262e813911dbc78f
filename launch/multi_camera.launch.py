"""Several cameras with a denoising node each. Topics lie in /camera/<name>.

ros2 launch rs_denoise multi_camera.launch.py cameras:=front,rear camera_models:=d455,d435
ros2 launch rs_denoise multi_camera.launch.py cameras:=front,rear start_cameras:=true \
    serial_nos:=_843112073259,_832112070255 points:=true
ros2 launch rs_denoise multi_camera.launch.py cameras:=front,rear one_process:=true

Other arguments of the files that it includes (params_file, profile, ...) hold for all cameras.
"""

import os
import tempfile

import yaml
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
)
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription
from rs_denoise.camera import BASELINES_M

ARGUMENTS = {
    "cameras": (None, "Their names, by commas."),
    "camera_models": ("auto", "As camera_model of denoise.launch.py: one for all, or one each."),
    "start_cameras": ("false", "Start the drivers too."),
    "serial_nos": ("", "Of the cameras to start, one each, with leading underscores."),
    "points": ("false", "A point cloud of each for Nav2, as points.launch.py makes it."),
    "num_threads": ("0", "Cores for each network on a CPU; 0: an equal share."),
    "one_process": (
        "false",
        "One process and one network in memory for all: on a GPU, or where memory is short. What "
        "ends it ends all.",
    ),
}
# What one_process may be given of denoise.launch.py's arguments about who activates the node.
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
    threads = str(_num_threads(context) or _share_of_cores(len(names)))
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
        raise RuntimeError(f"camera_models must be of {expected}, got {', '.join(unknown)}")
    for argument in ("lifecycle_manager", "autostart"):
        if context.launch_configurations.get(argument, "") not in UNMANAGED[argument]:
            raise RuntimeError(f"one_process starts by itself: leave {argument} out")
    node = Node(
        package="rs_denoise",
        executable="denoise_node",
        arguments=["--cameras", *(f"/camera/{name}" for name in models)],
        parameters=[LaunchConfiguration("params_file"), *_parameters_of_each(context, models)],
        output="screen",
        # A device that is lost ends the process; a new one begins cleanly.
        respawn=True,
        respawn_delay=2.0,
    )
    return [_include("fastdds"), node]


def _parameters_of_each(context, models):
    """Files: launch_ros gives all nodes of a process the same, but a file may tell them apart."""
    threads = _num_threads(context)
    of_all = {"num_threads": threads} if threads else {}
    own = {
        f"/camera/{name}/denoise_node": {**of_all, "baseline_m": BASELINES_M[model]}
        if model in BASELINES_M
        else of_all
        for name, model in models.items()
    }
    nodes = {name: {"ros__parameters": values} for name, values in own.items() if values}
    if not nodes:
        return []
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False) as file:
        yaml.safe_dump(nodes, file)
    return [file.name]


def _num_threads(context):
    return int(LaunchConfiguration("num_threads").perform(context))


def _listed(context, name):
    return LaunchConfiguration(name).perform(context).split(",")


def _require_one_each(names, **lists):
    if len(set(names)) < len(names):
        raise RuntimeError(f"cameras names one twice: {','.join(names)}")
    for argument, values in lists.items():
        if len(values) != len(names):
            raise RuntimeError(
                f"{argument} has {len(values)} entries for {len(names)} cameras: give one for each "
                "(rs-enumerate-devices -s lists models and serial numbers)"
            )


def _share_of_cores(count):
    """Equal parts; as in the node, one core of four or more is left to drivers and robot."""
    cores = len(os.sched_getaffinity(0))
    return max(1, (cores - 1 if cores >= 4 else cores) // count)


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
                description="Parameters of all nodes.",
            ),
            OpaqueFunction(function=_cameras),
        ]
    )
