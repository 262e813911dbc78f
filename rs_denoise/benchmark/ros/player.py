"""Plays a recording as a RealSense driver would.

    python -m rs_denoise.benchmark.ros.player RECORDING

It publishes raw images on the driver's topics with its frame ids and reliability, at a steady rate
and in a loop, as soon as the node subscribes. Stamps follow the schedule, start + n / rate, so that
a receiver can tell which frame it has. It prints "ready", then the schedule as a line of JSON, and
after the last frame "ended".
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from itertools import islice
from pathlib import Path

import rclpy
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from rs_denoise.camera import Camera
from rs_denoise.camera_info import camera_info_fields
from rs_denoise.depth import to_uint16_mm
from rs_denoise.node.images import image_message
from rs_denoise.recordings.frame import Frame
from rs_denoise.recordings.recording import open_recording

# 5 s at 30 Hz, decoded in advance: decoding during playback would disturb the measurement.
MAX_FRAMES = 150
# The node loads and measures its models before it subscribes.
DISCOVERY_TIMEOUT_S = 120.0
# The topics outlive the last frame, or the node would warn that the camera has gone.
LINGER_S = 10.0


class Player(Node):
    """Publishes frames as the driver does."""

    def __init__(self, frames: list[Frame], rate_hz: float, **node_arguments) -> None:
        super().__init__("player", **node_arguments)
        self._frames, self._rate_hz = frames, rate_hz
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self._depth = self.create_publisher(Image, "depth/image_rect_raw", qos)
        self._infrared = self.create_publisher(Image, "infra1/image_rect_raw", qos)
        self._infrared_right = None
        if any(frame.infrared_right is not None for frame in frames):
            self._infrared_right = self.create_publisher(Image, "infra2/image_rect_raw", qos)
        self._infos = {
            name: self.create_publisher(CameraInfo, f"{name}/camera_info", qos)
            for name in ("depth", "infra1", "infra2")
        }

    def wait_for_listeners(self, timeout_s: float) -> bool:
        """Waits until the topics that the node needs have subscribers; False after the timeout.

        If one were missing, the node would lose the first frame.
        """
        needed = [self._depth, self._infos["depth"]]
        if self._frames[0].infrared is not None:
            needed.append(self._infrared)
        deadline = time.monotonic() + timeout_s
        while not all(publisher.get_subscription_count() > 0 for publisher in needed):
            if time.monotonic() > deadline:
                return False
            rclpy.spin_once(self, timeout_sec=0.05)
        return True

    def play(self, count: int) -> None:
        """Publishes `count` frames on schedule, in a loop."""
        start_ns = self.get_clock().now().nanoseconds
        period_ns = round(1e9 / self._rate_hz)
        schedule = {"start_ns": start_ns, "period_ns": period_ns, "loop": len(self._frames)}
        print(json.dumps(schedule), flush=True)
        for k in range(count):
            stamp_ns = start_ns + k * period_ns
            time.sleep(max(0, stamp_ns - self.get_clock().now().nanoseconds) / 1e9)
            self._publish(self._frames[k % len(self._frames)], stamp_ns)
            rclpy.spin_once(self, timeout_sec=0)
        for publisher in filter(None, (self._depth, self._infrared, self._infrared_right)):
            # Messages in flight are lost when their publisher is destroyed.
            publisher.wait_for_all_acked(Duration(seconds=1))

    def _publish(self, frame: Frame, stamp_ns: int) -> None:
        for name, publisher in self._infos.items():
            publisher.publish(_camera_info(frame.camera, name, _header(stamp_ns, name)))
        header = _header(stamp_ns, "depth")
        self._depth.publish(image_message(to_uint16_mm(frame.depth_mm), "16UC1", header))
        if frame.infrared is not None:
            header = _header(stamp_ns, "infra1")
            self._infrared.publish(image_message(frame.infrared, "mono8", header))
        if frame.infrared_right is not None and self._infrared_right is not None:
            header = _header(stamp_ns, "infra2")
            self._infrared_right.publish(image_message(frame.infrared_right, "mono8", header))


def load_frames(recording: Path) -> list[Frame]:
    """The first frames of a recording, decoded."""
    return list(islice(open_recording(recording), MAX_FRAMES))


def _header(stamp_ns: int, name: str) -> Header:
    header = Header(frame_id=f"camera_{name}_optical_frame")
    header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
    return header


def _camera_info(camera: Camera, name: str, header: Header) -> CameraInfo:
    baseline_m = camera.baseline_m if name == "infra2" else 0.0
    return CameraInfo(header=header, **camera_info_fields(camera, baseline_m))


def main() -> int:
    """Plays the recording given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--rate", type=float, default=30.0)
    arguments, ros_arguments = parser.parse_known_args()
    frames = load_frames(arguments.recording)
    if not frames:
        print(f"{arguments.recording}: no depth frame in it", file=sys.stderr)
        return 1
    rclpy.init(args=[sys.argv[0], *ros_arguments])
    player = Player(frames, arguments.rate)
    print("ready", flush=True)
    try:
        if not player.wait_for_listeners(DISCOVERY_TIMEOUT_S):
            print("nobody subscribes to depth, its camera_info and infra1", file=sys.stderr)
            return 1
        player.play(arguments.frames)
        print("ended", flush=True)
        deadline = time.monotonic() + LINGER_S
        while time.monotonic() < deadline:
            rclpy.spin_once(player, timeout_sec=0.1)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:  # the context may go down during a publish
        if player.context.ok():
            raise
    finally:
        player.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
