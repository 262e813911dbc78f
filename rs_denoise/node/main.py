"""The program `denoise_node`: one camera, or several that share one network in memory."""

from __future__ import annotations

import argparse
import importlib.util
import signal
import sys
from threading import Event
from typing import TYPE_CHECKING

from rs_denoise.memory import tune_malloc

if TYPE_CHECKING:
    from rs_denoise.node.denoise_node import DenoiseNode

# A signal ends the process after so long at most.
SIGNAL_CHECK_S = 0.1
# Those who compute do so for all cameras.
OF_THE_PROCESS = ("num_threads", "frames_at_once")


def main(arguments: list[str] | None = None) -> int:
    """Runs until SIGINT or SIGTERM; 0 unless a node could not start or the device was lost."""
    # Before anything that needs it: a robot without torch gets a sentence, not a traceback.
    if importlib.util.find_spec("torch") is None:
        print(
            "rs_denoise needs PyTorch, which rosdep does not know: run 'pip install torch' "
            "(CPU only: add --index-url https://download.pytorch.org/whl/cpu), on Jetson install "
            "NVIDIA's wheel",
            file=sys.stderr,
        )
        return 1
    # Its own signal handling interrupts whatever runs, even the conversion of a message, with
    # whatever exception comes of that; here a signal ends the loop and nothing else. From here on,
    # because the imports take seconds.
    stopped = _stop_on_signals()
    tune_malloc()
    import rclpy
    from rclpy.exceptions import NameValidationException
    from rclpy.executors import ExternalShutdownException
    from rclpy.signals import SignalHandlerOptions
    from rclpy.utilities import remove_ros_args

    arguments = sys.argv if arguments is None else arguments
    try:
        namespaces = _namespaces(remove_ros_args(arguments)[1:])
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
        nodes = _make_nodes(namespaces)
    # rclpy raises all of them for what it cannot parse.
    except (ValueError, RuntimeError, NameValidationException) as error:
        print(f"denoise_node: {error}", file=sys.stderr)
        rclpy.try_shutdown()
        return 1
    try:
        return _run(nodes, stopped)
    except ExternalShutdownException:
        return 0
    finally:
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()


def _make_nodes(namespaces: list[str | None]) -> list[DenoiseNode]:
    """A node for each, with one network for all.

    Raises:
        ValueError: a parameter has an impossible value, or one that another camera does not
            share but must, or two nodes have one name.
        NameValidationException: a namespace is none.
    """
    from rclpy.validate_namespace import validate_namespace

    from rs_denoise.node.denoise_node import DenoiseNode
    from rs_denoise.pipeline.resources import Networks

    for namespace in filter(None, namespaces):
        validate_namespace(f"/{namespace.lstrip('/')}")
    networks = Networks()
    nodes = [DenoiseNode(networks, **_placed(namespace)) for namespace in namespaces]
    if len({node.get_namespace() for node in nodes}) < len(nodes):
        raise ValueError("--cameras names one twice")
    for name in OF_THE_PROCESS:
        values = [node.get_parameter(name).value for node in nodes]
        if len(set(values)) > 1:
            raise ValueError(
                f"{name} is of the process, which all cameras share: give them the same, not "
                f"{', '.join(map(str, values))}"
            )
    return nodes


def _placed(namespace: str | None) -> dict:
    """Where a node lies; before what the command line says for all, as launch groups do."""
    if namespace is None:
        return {}
    return {"cli_args": ["--ros-args", "-r", f"__ns:=/{namespace.lstrip('/')}"]}


def _run(nodes: list[DenoiseNode], stopped: Event) -> int:
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.lifecycle import TransitionCallbackReturn

    for node in nodes:
        if not node.get_parameter("autostart").value or stopped.is_set():
            continue
        for transition in (node.trigger_configure, node.trigger_activate):
            if transition() != TransitionCallbackReturn.SUCCESS:
                return 1
    executor = SingleThreadedExecutor()
    for node in nodes:
        executor.add_node(node)
    while not stopped.is_set():
        executor.spin_once(timeout_sec=SIGNAL_CHECK_S)
        if any(node.fatal is not None for node in nodes):
            return 1
    return 0


def _namespaces(arguments: list[str]) -> list[str | None]:
    """Namespaces of the drivers' topics; None is that of the command line's remapping."""
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
        help="a node for each in this one process, with one network in memory; what differs "
        "between them stands in a parameter file under NAMESPACE/denoise_node; "
        f"{' and '.join(OF_THE_PROCESS)} are the same for all",
    )
    return parser.parse_args(arguments).cameras


def _stop_on_signals() -> Event:
    """Set by SIGINT or SIGTERM; a second one of the same kind ends the process at once."""
    stopped = Event()

    def stop(number: int, _: object) -> None:
        stopped.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return stopped


if __name__ == "__main__":
    sys.exit(main())
