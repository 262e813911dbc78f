"""The program `denoise_node`: serves one camera, or several with one network in memory."""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import sys
from threading import Event
from typing import TYPE_CHECKING

from rs_denoise.memory import tune_malloc
from rs_denoise.missing_package import ROS_MISSING

if TYPE_CHECKING:
    from rs_denoise.node.denoise_node import DenoiseNode

# A signal is handled within this time.
SIGNAL_CHECK_S = 0.1
# The cameras of a process share its workers, so these are the same for all.
SHARED_PARAMETERS = ("num_threads", "concurrent_frames")


def main(arguments: list[str] | None = None) -> int:
    """Runs until SIGINT or SIGTERM; 0 unless a node could not start or the device was lost."""
    # Before anything that needs torch, so that without it there is a message and no traceback.
    if importlib.util.find_spec("torch") is None:
        print(
            "rs_denoise needs PyTorch, which rosdep does not know: run 'pip install torch' "
            "(CPU only: add --index-url https://download.pytorch.org/whl/cpu), on Jetson install "
            "NVIDIA's wheel",
            file=sys.stderr,
        )
        return 1
    # rclpy's signal handling interrupts any code, even the conversion of a message, with various
    # exceptions. This handler only ends the loop. It is installed before the imports below, which
    # take seconds.
    stopped = _stop_on_signals()
    tune_malloc()
    try:
        import rclpy
        from rclpy.exceptions import NameValidationException
        from rclpy.signals import SignalHandlerOptions
        from rclpy.utilities import remove_ros_args
    except ImportError as error:
        print(f"denoise_node: {error}; {ROS_MISSING}", file=sys.stderr)
        return 1

    arguments = sys.argv if arguments is None else arguments
    try:
        namespaces = _parse_namespaces(remove_ros_args(arguments)[1:])
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
        nodes = _make_nodes(namespaces)
    # rclpy raises any of these for arguments that it cannot parse.
    except (ValueError, RuntimeError, NameValidationException) as error:
        print(f"denoise_node: {error}", file=sys.stderr)
        rclpy.try_shutdown()
        return 1
    code = _serve(nodes, stopped)
    if any(node.hangs for node in nodes):
        # A normal exit of Python and CUDA would wait for the thread that hangs, or crash.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _make_nodes(namespaces: list[str | None]) -> list[DenoiseNode]:
    """Makes a node for each namespace, with one network for all.

    Raises:
        ValueError: a parameter has an invalid value, cameras differ in a parameter that they
            share, or two nodes have the same name.
        NameValidationException: a namespace is not valid.
    """
    from rclpy.validate_namespace import validate_namespace

    from rs_denoise.node.denoise_node import DenoiseNode
    from rs_denoise.pipeline.resources import SharedResources

    for namespace in filter(None, namespaces):
        validate_namespace(f"/{namespace.lstrip('/')}")
    resources = SharedResources(cameras=len(namespaces))
    nodes = [DenoiseNode(resources, **_make_arguments(namespace)) for namespace in namespaces]
    if len({node.get_namespace() for node in nodes}) < len(nodes):
        raise ValueError("--cameras contains a namespace twice")
    for name in SHARED_PARAMETERS:
        values = [node.get_parameter(name).value for node in nodes]
        if len(set(values)) > 1:
            raise ValueError(
                f"{name} applies to all cameras of a process: give them the same value, not "
                f"{', '.join(map(str, values))}"
            )
    return nodes


def _make_arguments(namespace: str | None) -> dict:
    """Arguments for a node's namespace. They take precedence over the command line's __ns."""
    if namespace is None:
        return {}
    return {"cli_args": ["--ros-args", "-r", f"__ns:=/{namespace.lstrip('/')}"]}


def _serve(nodes: list[DenoiseNode], stopped: Event) -> int:
    """Runs the nodes until the program stops, then destroys them; returns the exit code."""
    import rclpy
    from rclpy.executors import ExternalShutdownException

    from rs_denoise.node.ros_log import log_to_ros

    try:
        with log_to_ros(nodes[0].get_logger()):
            return _run(nodes, stopped)
    except ExternalShutdownException:
        return 0
    finally:
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()


def _run(nodes: list[DenoiseNode], stopped: Event) -> int:
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.lifecycle import TransitionCallbackReturn

    for node in nodes:
        if not node.get_parameter("autostart").value or stopped.is_set():
            continue
        for transition in (node.trigger_configure, node.trigger_activate):
            if transition() != TransitionCallbackReturn.SUCCESS:
                node.publish_last_diagnostics()
                return 1
    executor = SingleThreadedExecutor()
    for node in nodes:
        executor.add_node(node)
    while not stopped.is_set():
        executor.spin_once(timeout_sec=SIGNAL_CHECK_S)
        if any(node.fatal is not None for node in nodes):
            return 1
    return 0


def _parse_namespaces(arguments: list[str]) -> list[str | None]:
    """The namespaces of the drivers' topics; None: the one that the command line remaps to."""
    parser = argparse.ArgumentParser(
        prog="denoise_node",
        description="Denoises depth images. Everything else is a ROS parameter or a remapping: "
        "--ros-args -r __ns:=/camera/camera -p NAME:=VALUE",
    )
    parser.add_argument(
        "--cameras",
        nargs="+",
        metavar="NAMESPACE",
        default=[None],
        help="run a node for each camera in this process, with one network in memory. Put "
        "parameters that differ into a parameter file under NAMESPACE/denoise_node; "
        f"{' and '.join(SHARED_PARAMETERS)} must be the same for all",
    )
    return parser.parse_args(arguments).cameras


def _stop_on_signals() -> Event:
    """Set by SIGINT or SIGTERM; a second signal of the same kind kills the process."""
    stopped = Event()

    def stop(number: int, _: object) -> None:
        stopped.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return stopped


if __name__ == "__main__":
    sys.exit(main())
