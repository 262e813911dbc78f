"""The program `denoise_node`."""

from __future__ import annotations

import ctypes
import importlib.util
import sys

# glibc's mallopt: M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD with values in bytes.
KEEP_MEMORY = {-1: 2**31 - 1, -2: 256 * 2**20, -3: 2**30}


def _keep_memory() -> None:
    """Lets the process keep what a frame allocates for the next one.

    Otherwise each frame's tensors are given back to the kernel and faulted in again, page by page:
    a fifth of the frame rate on a CPU. Where the C library is another one, nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in KEEP_MEMORY.items():
            mallopt(option, value)


def main(arguments: list[str] | None = None) -> int:
    """Runs the node until SIGINT or SIGTERM; 0 unless it could not start."""
    # Before anything that needs it: a robot without torch gets a sentence, not a traceback.
    if importlib.util.find_spec("torch") is None:
        print(
            "rs_denoise needs PyTorch, which rosdep does not know: run 'pip install torch' "
            "(CPU only: add --index-url https://download.pytorch.org/whl/cpu), on Jetson install "
            "NVIDIA's wheel",
            file=sys.stderr,
        )
        return 1
    _keep_memory()
    import rclpy
    from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
    from rclpy.lifecycle import TransitionCallbackReturn

    from rs_denoise.node.denoise_node import DenoiseNode

    rclpy.init(args=arguments)
    try:
        node = DenoiseNode()
    except ValueError as error:
        print(f"denoise_node: {error}", file=sys.stderr)
        rclpy.try_shutdown()
        return 1
    try:
        if node.get_parameter("autostart").value:
            for transition in (node.trigger_configure, node.trigger_activate):
                if transition() != TransitionCallbackReturn.SUCCESS:
                    return 1
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:  # a call in flight while the context goes down
        if rclpy.ok():
            raise
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
