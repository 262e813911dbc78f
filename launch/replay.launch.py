"""Replays a recording through the node, on the recording's clock, and records the result.

ros2 launch rs_denoise replay.launch.py bag:=run1 camera_model:=d435
ros2 launch rs_denoise replay.launch.py bag:=run1 out:=run1_slow rate:=0.3

The node drops frames that it cannot keep up with, as on a robot: lower the rate until /diagnostics
reports none as dropped. Other arguments are those of denoise.launch.py.
"""

import os

from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import SetParameter
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState, StateTransition
from launch_ros.substitutions import FindPackageShare
from lifecycle_msgs.msg import Transition

from launch import LaunchDescription

# The inputs of the node and tf, without outputs of an earlier run that are in the recording.
PLAYED = ("depth/image_rect_raw", "depth/camera_info", "infra1/image_rect_raw",
          "infra1/camera_info", "infra2/image_rect_raw", "infra2/camera_info",
          "extrinsics/depth_to_infra2")  # fmt: skip
# The player waits this long before its first message: for discovery, and for the node to switch to
# reliable subscriptions, which it checks once a second.
DELAY_S = 3.0
# Time for the last frame to be denoised and recorded.
GRACE_S = 2.0


def _play_and_record(context):
    bag, out, rate, namespace = (
        LaunchConfiguration(name).perform(context)
        for name in ("bag", "out", "rate", "camera_namespace")
    )
    out = out or f"{bag.rstrip('/')}_denoised"
    play = ["ros2", "bag", "play", bag, "--rate", rate, "--delay", str(DELAY_S), *_clock()]
    play += ["--topics", *(f"{namespace}/{topic}" for topic in PLAYED), "/tf", "/tf_static"]
    record = ["ros2", "bag", "record", "--output", out, "--use-sim-time"]
    # By pattern, because the syntax for lists of topics differs between distributions.
    record += ["--regex", f"^({namespace}/denoised/|/diagnostics$)"]
    player = ExecuteProcess(cmd=play, output="screen")
    recorder = ExecuteProcess(cmd=record, output="screen")
    end = OpaqueFunction(function=_end)
    last_frame = TimerAction(period=GRACE_S, actions=[end])
    node = f"{namespace}/denoise_node"
    return [
        # Frames that arrive before the network is loaded would be lost, so launch activates the
        # node. If the node activated itself, its events could come before launch has found it.
        _when(node, "inactive", _change(node, Transition.TRANSITION_ACTIVATE)),
        _when(node, "active", recorder, player),
        _change(node, Transition.TRANSITION_CONFIGURE),
        RegisterEventHandler(OnProcessExit(target_action=player, on_exit=[last_frame])),
        RegisterEventHandler(OnProcessExit(target_action=recorder, on_exit=[end])),
    ]


def _change(node, transition_id):
    def matches(action):
        return action.node_name == node

    return EmitEvent(event=ChangeState(lifecycle_node_matcher=matches, transition_id=transition_id))


def _when(node, state, *entities):
    def reached(event):
        return (
            isinstance(event, StateTransition)
            and event.action.node_name == node
            and event.goal_state == state
        )

    return RegisterEventHandler(
        OnStateTransition(matcher=reached, entities=list(entities), handle_once=True)
    )


def _end(context):
    """Shuts launch down only once: a shutdown ends both processes, and launch fails on a second."""
    return [] if context.is_shutdown else [Shutdown(reason="player or recorder has ended")]


def _clock():
    """Publishes the clock with each message; Humble's player only knows a fixed rate, in Hz."""
    humble = os.environ.get("ROS_DISTRO") == "humble"
    return ["--clock", "200"] if humble else ["--clock-topics-all"]


def generate_launch_description():
    denoise = PathJoinSubstitution([FindPackageShare("rs_denoise"), "launch", "denoise.launch.py"])
    return LaunchDescription(
        [
            DeclareLaunchArgument("bag", description="The rosbag2 to play."),
            DeclareLaunchArgument(
                "out",
                default_value="",
                description="The rosbag2 to write; must not exist yet. Empty: <bag>_denoised.",
            ),
            DeclareLaunchArgument(
                "rate", default_value="1.0", description="Playback speed. 1: as recorded."
            ),
            SetParameter("use_sim_time", True),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(denoise),
                launch_arguments={"autostart": "false"}.items(),
            ),
            OpaqueFunction(function=_play_and_record),
        ]
    )
