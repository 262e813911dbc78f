"""rosbag2 recordings of a RealSense driver, read and written without ROS (by `rosbags`).

Depth is taken from an Image topic or its compressedDepth twin, infrared from an Image topic or
its compressed twin, both as image_transport makes them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.highlevel import AnyReader
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
from rs_denoise.recordings.frame import Frame, RecordingError

NAMESPACE = "/camera/camera"
DEPTH = "depth/image_rect_raw"
INFRARED = "infra1/image_rect_raw"
GROUND_TRUTH = "ground_truth/image_rect_raw"
IMAGE, COMPRESSED, INFO = (
    f"sensor_msgs/msg/{name}" for name in ("Image", "CompressedImage", "CameraInfo")
)
# image_transport's compressedDepth: an enum and two floats before the PNG (unused for 16 bit).
DEPTH_HEADER = struct.pack("<iff", 0, 0.0, 0.0)
DEFAULT_BASELINE_M = 0.05
# Depth and infrared of one moment differ by less, as in the node.
SLOP_NS = 5_000_000


def read_bag(path: Path) -> Iterator[Frame]:
    """The frames of a rosbag2 folder, in order of arrival; infrared is None where it is missing.

    Stamps are those of the depth images' headers. Infrared and ground truth are those nearest to the depth image, within 5 ms. Reads as it goes,
    with at most a second of messages in memory.

    Raises:
        RecordingError: not a rosbag2, no depth topic, no camera_info, or an undecodable image.
    """
    try:
        reader = AnyReader([path], default_typestore=get_typestore(Stores.ROS2_JAZZY))
        reader.open()
    except Exception as error:  # the reader raises one of many kinds
        raise RecordingError(f"{path}: not a readable rosbag2 ({error})") from error
    try:
        yield from _frames(reader, path)
    finally:
        reader.close()


def _frames(reader: AnyReader, path: Path) -> Iterator[Frame]:
    topics = _topics(reader, path)
    baseline = _first_baseline(reader)
    camera: Camera | None = None
    waiting: dict[str, dict[int, np.ndarray]] = {"depth": {}, "infrared": {}, "truth": {}}
    wanted = [c for c in reader.connections if c.topic in topics]
    for connection, _, raw in reader.messages(wanted):
        message: Any = reader.deserialize(raw, connection.msgtype)
        role = topics[connection.topic]
        if role == "info":
            camera = _camera(message, baseline)
            continue
        stamp = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
        waiting[role][stamp] = _decoded(message, connection.topic, path)
        # What belongs together arrives together: after a second nothing more will come.
        yield from _complete(waiting, stamp - 1_000_000_000, camera, path)
    yield from _complete(waiting, None, camera, path)


def _complete(
    waiting: dict[str, dict[int, np.ndarray]], until: int | None, camera: Camera | None, path: Path
) -> Iterator[Frame]:
    """The frames whose depth is older than `until`; what they and older images held is let go."""
    old = [s for s in sorted(waiting["depth"]) if until is None or s < until]
    for stamp in old:
        if camera is None:
            raise RecordingError(
                f"{path}: no camera_info before the first depth image; record it too"
            )
        depth = waiting["depth"].pop(stamp)
        infrared = _nearest(waiting["infrared"], stamp)
        truth = _nearest(waiting["truth"], stamp)
        yield Frame(f"{stamp}", camera, depth, infrared, truth, stamp_ns=stamp)
    if until is not None:
        for role in ("infrared", "truth"):
            waiting[role] = {s: i for s, i in waiting[role].items() if s >= until - SLOP_NS}


def _nearest(images: dict[int, np.ndarray], stamp: int) -> np.ndarray | None:
    nearest = min(images, key=lambda s: abs(s - stamp), default=None)
    return None if nearest is None or abs(nearest - stamp) > SLOP_NS else images[nearest]


def _topics(reader: AnyReader, path: Path) -> dict[str, str]:
    """Role of each topic that is needed: depth, infrared, truth and info."""
    kinds = {c.topic: c.msgtype for c in reader.connections}
    depth = _one_of(kinds, DEPTH, "compressedDepth")
    if depth is None:
        raise RecordingError(
            f"{path}: no topic that ends in {DEPTH} or {DEPTH}/compressedDepth; "
            f"it has {', '.join(sorted(kinds))}"
        )
    topics = {depth: "depth"}
    for name, codec, role in (
        (INFRARED, "compressed", "infrared"),
        (GROUND_TRUTH, "compressedDepth", "truth"),
    ):
        topic = _one_of(kinds, name, codec)
        if topic is not None:
            topics[topic] = role
    infos = [t for t in kinds if t.endswith("depth/camera_info") and kinds[t] == INFO]
    return topics | dict.fromkeys(infos[:1], "info")


def _one_of(kinds: dict[str, str], name: str, codec: str) -> str | None:
    wanted = ((name, IMAGE), (f"{name}/{codec}", COMPRESSED))
    found = [
        t for end, kind in wanted for t in sorted(kinds) if t.endswith(end) and kinds[t] == kind
    ]
    return found[0] if found else None


def _first_baseline(reader: AnyReader) -> float:
    right = [c for c in reader.connections if c.topic.endswith("infra2/camera_info")]
    for connection, _, raw in reader.messages(right) if right else ():
        info: Any = reader.deserialize(raw, connection.msgtype)
        if info.p[0] > 0 and info.p[3] < 0:
            return float(-info.p[3] / info.p[0])
    return DEFAULT_BASELINE_M


def _camera(info, baseline_m: float) -> Camera:
    k = info.k
    fx, fy, cx, cy = (float(value) for value in (k[0], k[4], k[2], k[5]))
    return Camera(info.width, info.height, fx, fy, cx, cy, baseline_m)


def _decoded(message, topic: str, path: Path) -> np.ndarray:
    data = np.asarray(message.data, np.uint8)
    if message.__msgtype__ == COMPRESSED:
        if topic.endswith("compressedDepth"):
            if not message.format.startswith(("16UC1", "mono16")):
                raise RecordingError(
                    f"{path}: {topic} has format '{message.format}', expected 16UC1: metric depth "
                    "is quantised in it; record the raw topic"
                )
            data = data[len(DEPTH_HEADER) :]
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        if image is None:
            raise RecordingError(f"{path}: an image on {topic} cannot be decoded")
        return image
    kinds = {"16UC1": "u2", "mono16": "u2", "32FC1": "f4", "mono8": "u1", "8UC1": "u1"}
    if message.encoding not in kinds:
        raise RecordingError(
            f"{path}: {topic} has encoding '{message.encoding}', expected one of {', '.join(kinds)}"
        )
    dtype = np.dtype(kinds[message.encoding]).newbyteorder(">" if message.is_bigendian else "<")
    needed = message.step * (message.height - 1) + message.width * dtype.itemsize
    if len(data) < needed or message.step < message.width * dtype.itemsize:
        raise RecordingError(
            f"{path}: an image on {topic} is cut off: it needs {needed} bytes, it has {len(data)}"
        )
    view: np.ndarray = np.ndarray(
        (message.height, message.width),
        dtype,
        data.tobytes(),
        strides=(message.step, dtype.itemsize),
    )
    if dtype.kind == "f":
        return np.nan_to_num(view * 1000.0, nan=0.0, posinf=0.0).astype(np.uint16)
    return view.astype(dtype.newbyteorder("="))


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
