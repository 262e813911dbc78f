"""The program `denoise_node`."""

from __future__ import annotations

import importlib.util
import signal
import sys
from threading import Event

from rs_denoise.memory import keep_memory

# A signal ends the process after so long at most.
SIGNAL_CHECK_S = 0.1


def main(arguments: list[str] | None = None) -> int:
    """Runs the node until SIGINT or SIGTERM; 0 unless it could not start or lost its device."""
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
    keep_memory()
    import rclpy
    from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
    from rclpy.lifecycle import TransitionCallbackReturn
    from rclpy.signals import SignalHandlerOptions

    from rs_denoise.node.denoise_node import DenoiseNode

    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = DenoiseNode()
    except ValueError as error:
        print(f"denoise_node: {error}", file=sys.stderr)
        rclpy.try_shutdown()
        return 1
    try:
        if node.get_parameter("autostart").value and not stopped.is_set():
            for transition in (node.trigger_configure, node.trigger_activate):
                if transition() != TransitionCallbackReturn.SUCCESS:
                    return 1
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        while not stopped.is_set():
            executor.spin_once(timeout_sec=SIGNAL_CHECK_S)
            if node.fatal is not None:
                return 1
    except ExternalShutdownException:
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


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
