"""Writes rosbag2 recordings with the topics of a RealSense driver, without ROS (by `rosbags`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

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
from rs_denoise.camera_info import camera_info_fields
from rs_denoise.depth import to_uint16_mm
from rs_denoise.recordings.bags.messages import COMPRESSED, DEPTH_HEADER, INFO
from rs_denoise.recordings.bags.topic_names import DEPTH, GROUND_TRUTH, INFRARED, INFRARED_RIGHT
from rs_denoise.recordings.frame import Frame, RecordingError
from rs_denoise.recordings.images import encode_png

NAMESPACE = "/camera/camera"
DENOISED, CONFIDENCE = "denoised/image_rect_raw", "denoised/confidence"
STORE = get_typestore(Stores.ROS2_JAZZY)


def write_rosbag2(
    path: Path,
    frames: Iterable[Frame],
    denoise: Callable[[Frame], np.ndarray] | None = None,
    find_confidence: Callable[[Frame], np.ndarray] | None = None,
) -> int:
    """Writes an mcap rosbag2 with the topics of a RealSense driver; returns the number of frames.

    Depth and ground truth are written as compressedDepth in whole mm, infrared as PNG.

    Args:
        path: folder of the bag.
        frames: with stamps.
        denoise: returns a frame's denoised depth, [H, W] mm, 0 = invalid; or None.
        find_confidence: returns the confidence of that depth, [H, W] uint8, 255 = certain; or None.

    Raises:
        RecordingError: `path` exists, or a frame has no stamp.
    """
    if path.exists():
        raise RecordingError(f"{path}: exists already; remove it first")
    count = 0
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        driver = TopicWriter(writer, NAMESPACE)
        for frame in frames:
            stamp = frame.stamp_ns
            if stamp is None:
                raise RecordingError(f"frame {frame.name} has no stamp, but a bag needs one")
            for name in ("depth", "infra1"):
                driver.put_info(name, stamp, frame.camera)
            driver.put_info("infra2", stamp, frame.camera, frame.camera.baseline_m)
            driver.put_image(DEPTH, stamp, to_uint16_mm(frame.depth_mm))
            if frame.infrared is not None:
                driver.put_image(INFRARED, stamp, frame.infrared)
            if frame.infrared_right is not None:
                driver.put_image(INFRARED_RIGHT, stamp, frame.infrared_right)
            if frame.ground_truth_mm is not None:
                driver.put_image(GROUND_TRUTH, stamp, frame.ground_truth_mm)
            if denoise is not None:
                driver.put_image(DENOISED, stamp, to_uint16_mm(denoise(frame)))
                driver.put_info("denoised", stamp, frame.camera)
            if find_confidence is not None:
                driver.put_image(CONFIDENCE, stamp, find_confidence(frame))
            count += 1
    return count


class TopicWriter:
    """Writes images and camera_info below one namespace of a bag.

    Args:
        writer: of the bag, open.
        namespace: put before the names of all topics; starts with a slash.
    """

    def __init__(self, writer: Writer, namespace: str) -> None:
        self._writer, self._namespace = writer, namespace
        self._connections: dict[str, Any] = {}

    def put_image(
        self, topic: str, stamp_ns: int, image: np.ndarray, time_ns: int | None = None,
        frame_id: str | None = None,
    ) -> None:  # fmt: skip
        """Writes an image with lossless compression: uint16 as depth, uint8 as grey.

        Args:
            topic: below the namespace, without the codec.
            stamp_ns: of its header.
            image: [H, W].
            time_ns: time of arrival; None: its stamp.
            frame_id: of its header; None: the driver's name of the imager's optical frame.
        """
        encoded = encode_png(image)
        if image.dtype == np.uint16:
            codec, form, data = "compressedDepth", "16UC1; compressedDepth png", DEPTH_HEADER
        else:
            codec, form, data = "compressed", "mono8; png compressed", b""
        message = STORE.types[COMPRESSED](
            header=_make_header(stamp_ns, topic, frame_id),
            format=form,
            data=np.frombuffer(data + encoded, np.uint8),
        )
        self._put(f"{topic}/{codec}", COMPRESSED, stamp_ns if time_ns is None else time_ns, message)

    def put_info(
        self, name: str, stamp_ns: int, camera: Camera, baseline_m: float = 0.0,
        time_ns: int | None = None, frame_id: str | None = None,
    ) -> None:  # fmt: skip
        """Writes the camera_info of the images of `name`; `baseline_m` > 0: of the right imager."""
        message = _make_info(camera, _make_header(stamp_ns, name, frame_id), baseline_m)
        time_ns = stamp_ns if time_ns is None else time_ns
        self._put(f"{name}/camera_info", INFO, time_ns, message)

    def _put(self, topic: str, kind: str, time_ns: int, message) -> None:
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                f"{self._namespace}/{topic}",
                kind,
                typestore=STORE,
                offered_qos_profiles=[_driver_qos()],
            )
        self._writer.write(self._connections[topic], time_ns, STORE.serialize_cdr(message, kind))


def _make_header(stamp_ns: int, topic: str, frame_id: str | None):
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    time = STORE.types["builtin_interfaces/msg/Time"](sec=sec, nanosec=nanosec)
    if frame_id is None:
        # Ground truth and denoised depth belong to the same imager as depth.
        name = topic.partition("/")[0]
        optical = name if name.startswith("infra") else "depth"
        frame_id = f"camera_{optical}_optical_frame"
    return STORE.types["std_msgs/msg/Header"](stamp=time, frame_id=frame_id)


def _make_info(camera: Camera, header: Any, baseline_m: float):
    fields = camera_info_fields(camera, baseline_m)
    arrays = {n: np.array(v) if isinstance(v, list) else v for n, v in fields.items()}
    roi = STORE.types["sensor_msgs/msg/RegionOfInterest"](
        x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
    )
    return STORE.types[INFO](header=header, **arrays, binning_x=0, binning_y=0, roi=roi)


def _driver_qos() -> Qos:
    """The QoS that the driver offers: reliable, volatile, the last 10."""
    forever = QosTime(2147483647, 4294967295)
    return Qos(
        QosHistory.KEEP_LAST, 10, QosReliability.RELIABLE, QosDurability.VOLATILE,
        forever, forever, QosLiveliness.AUTOMATIC, forever, False,
    )  # fmt: skip
