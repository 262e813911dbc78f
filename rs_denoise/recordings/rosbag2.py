"""rosbag2 recordings with the topics of a RealSense driver, written without ROS (by `rosbags`)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from rs_denoise.camera import Camera
from rs_denoise.recordings.bag_frames import read_bag
from rs_denoise.recordings.frame import Frame, RecordingError
from rs_denoise.recordings.messages import COMPRESSED, DEPTH_HEADER, INFO
from rs_denoise.recordings.topics import DEPTH, GROUND_TRUTH, INFRARED

__all__ = ["read_bag", "write_bag"]

NAMESPACE = "/camera/camera"


def write_bag(path: Path, frames: Iterable[Frame]) -> int:
    """Writes an mcap rosbag2 with the topics of a RealSense driver; gives the number of frames.

    Depth and ground truth go as compressedDepth, infrared as PNG: noise does not compress further.

    Raises:
        RecordingError: `path` exists, or a frame has no stamp.
    """
    if path.exists():
        raise RecordingError(f"{path}: exists already; remove it first")
    store = get_typestore(Stores.ROS2_JAZZY)
    count = 0
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections: dict[str, Any] = {}

        def put(topic: str, kind: str, stamp_ns: int, message) -> None:
            if topic not in connections:
                connections[topic] = writer.add_connection(
                    f"{NAMESPACE}/{topic}", kind, typestore=store, offered_qos_profiles=[_qos()]
                )
            raw = store.serialize_cdr(message, kind)
            writer.write(connections[topic], stamp_ns, raw)

        for frame in frames:
            stamp = frame.stamp_ns
            if stamp is None:
                raise RecordingError(f"frame {frame.name} has no time: a bag needs one")
            for name, eye, offset in (("depth", 1, 0.0), ("infra1", 1, 0.0), ("infra2", 2, 1.0)):
                info = _info_message(store, frame.camera, stamp, name, eye, offset)
                put(f"{name}/camera_info", INFO, stamp, info)
            for topic, codec, image, optical in (
                (DEPTH, "compressedDepth", frame.depth_mm, "depth"),
                (INFRARED, "compressed", frame.infrared, "infra1"),
                (GROUND_TRUTH, "compressedDepth", frame.ground_truth_mm, "depth"),
            ):
                if image is not None:
                    message = _compressed(store, image, codec, stamp, optical)
                    put(f"{topic}/{codec}", COMPRESSED, stamp, message)
            count += 1
    return count


def _header(store, stamp_ns: int, optical: str):
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    time = store.types["builtin_interfaces/msg/Time"](sec=sec, nanosec=nanosec)
    frame_id = f"camera_{optical}_optical_frame"
    return store.types["std_msgs/msg/Header"](stamp=time, frame_id=frame_id)


def _compressed(store, image: np.ndarray, codec: str, stamp_ns: int, optical: str):
    encoded = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1]
    if codec == "compressedDepth":
        form, data = "16UC1; compressedDepth png", DEPTH_HEADER + encoded.tobytes()
    else:
        form, data = "mono8; png compressed", encoded.tobytes()
    return store.types[COMPRESSED](
        header=_header(store, stamp_ns, optical), format=form, data=np.frombuffer(data, np.uint8)
    )


def _info_message(store, camera: Camera, stamp_ns: int, name: str, eye: int, offset: float):
    c = camera
    k = [c.fx, 0.0, c.cx, 0.0, c.fy, c.cy, 0.0, 0.0, 1.0]
    shift = -offset * c.fx * c.baseline_m
    p = [c.fx, 0.0, c.cx, shift, 0.0, c.fy, c.cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    roi = store.types["sensor_msgs/msg/RegionOfInterest"](
        x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
    )
    return store.types[INFO](
        header=_header(store, stamp_ns, name),
        height=c.height,
        width=c.width,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=np.array(k),
        r=np.eye(3).ravel(),
        p=np.array(p),
        binning_x=0,
        binning_y=0,
        roi=roi,
    )


def _qos() -> Qos:
    """What the driver offers: reliable, volatile, the last 10."""
    forever = QosTime(2147483647, 4294967295)
    return Qos(
        QosHistory.KEEP_LAST, 10, QosReliability.RELIABLE, QosDurability.VOLATILE,
        forever, forever, QosLiveliness.AUTOMATIC, forever, False,
    )  # fmt: skip
