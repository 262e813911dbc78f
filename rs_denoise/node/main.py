"""The program `denoise_node`."""

from __future__ import annotations

import importlib.util
import sys


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
    import rclpy
    from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
    from rclpy.lifecycle import TransitionCallbackReturn

    from rs_denoise.node.denoise_node import DenoiseNode

    rclpy.init(args=arguments)
    node = None
    try:
        node = DenoiseNode()
        if node.get_parameter("autostart").value:
            for transition in (node.trigger_configure, node.trigger_activate):
                if transition() != TransitionCallbackReturn.SUCCESS:
                    return 1
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except ValueError as error:
        print(f"denoise_node: {error}", file=sys.stderr)
        return 1
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
