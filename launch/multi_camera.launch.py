"""Several cameras with a denoising node each. Topics lie in /camera/<name>.

ros2 launch rs_denoise multi_camera.launch.py cameras:=front,rear camera_models:=d455,d435
ros2 launch rs_denoise multi_camera.launch.py cameras:=front,rear start_cameras:=true \
    serial_nos:=_843112073259,_832112070255 points:=true

Other arguments of the files that it includes (params_file, profile, ...) hold for all cameras.
"""

import os

from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
)
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

ARGUMENTS = {
    "cameras": (None, "Their names, by commas."),
    "camera_models": ("auto", "As camera_model of denoise.launch.py: one for all, or one each."),
    "start_cameras": ("false", "Start the drivers too."),
    "serial_nos": ("", "Of the cameras to start, one each, with leading underscores."),
    "points": ("false", "A point cloud of each for Nav2, as nav2_depth.launch.py has it."),
    "num_threads": ("0", "Cores for each network on a CPU; 0: an equal share."),
}


def _cameras(context):
    names = _listed(context, "cameras")
    models = _listed(context, "camera_models")
    if len(models) == 1:
        models *= len(names)
    started = IfCondition(LaunchConfiguration("start_cameras")).evaluate(context)
    serial_nos = _listed(context, "serial_nos") if started else [""] * len(names)
    _require_one_each(names, camera_models=models, serial_nos=serial_nos)
    node = (
        "nav2_depth" if IfCondition(LaunchConfiguration("points")).evaluate(context) else "denoise"
    )
    num_threads = int(LaunchConfiguration("num_threads").perform(context))
    threads = str(num_threads or _share_of_cores(len(names)))
    return [
        GroupAction(
            ([_include("realsense", camera_name=name, serial_no=serial_no)] if started else [])
            + [
                _include(
                    node,
                    camera_namespace=f"/camera/{name}",
                    camera_model=model,
                    num_threads=threads,
                )
            ]
        )
        for name, model, serial_no in zip(names, models, serial_nos, strict=True)
    ]


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
        + [OpaqueFunction(function=_cameras)]
    )
