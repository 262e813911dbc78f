"""Bags of ROS 1 and ROS 2 as drivers and librealsense write them, message by message."""

import cv2
import numpy as np
from mcap.writer import CompressionType, Writer
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import Stores, get_typestore

from rs_denoise.recordings.bags.messages import DEPTH_HEADER
from rs_denoise.recordings.recording import open_recording
from scenes import camera, noisy_wall

WIDTH, HEIGHT = 80, 64
PERIOD_NS = 33_000_000
START_NS = 10**9
DEPTH, INFRARED = "/camera/depth/image_rect_raw", "/camera/infra1/image_rect_raw"
RIGHT = "/camera/infra2/image_rect_raw"
INFO, RIGHT_INFO = "/camera/depth/camera_info", "/camera/infra2/camera_info"


class Ros:
    """Messages of one version of ROS."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.store = get_typestore(Stores.ROS1_NOETIC if version == 1 else Stores.ROS2_JAZZY)
        self.types = self.store.types

    def header(self, stamp_ns):
        time = self.types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 10**9))
        seq = (0,) if self.version == 1 else ()
        return self.types["std_msgs/msg/Header"](*seq, time, "camera")

    def image(self, pixels, encoding, stamp_ns, /, **changes):
        height, width = pixels.shape
        fields = {
            "header": self.header(stamp_ns), "height": height, "width": width,
            "encoding": encoding, "is_bigendian": 0, "step": width * pixels.itemsize,
            "data": np.frombuffer(np.ascontiguousarray(pixels).tobytes(), np.uint8),
        }  # fmt: skip
        return self.types["sensor_msgs/msg/Image"](**(fields | changes))

    def compressed(self, data: bytes, form, stamp_ns):
        kind = self.types["sensor_msgs/msg/CompressedImage"]
        return kind(self.header(stamp_ns), form, np.frombuffer(data, np.uint8))

    def compressed_depth(self, pixels, stamp_ns, form="16UC1; compressedDepth png"):
        return self.compressed(DEPTH_HEADER + png(pixels), form, stamp_ns)

    def info(self, stamp_ns, width=WIDTH, height=HEIGHT, fx=425.0, shift=0.0):
        k = np.array([fx, 0, (width - 1) / 2, 0, fx, (height - 1) / 2, 0, 0, 1.0])
        p = np.array([fx, 0, (width - 1) / 2, shift, 0, fx, (height - 1) / 2, 0, 0, 0, 1, 0.0])
        d, r = np.zeros(5), np.eye(3).ravel()
        roi = self.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
        return self.types["sensor_msgs/msg/CameraInfo"](
            self.header(stamp_ns), height, width, "plumb_bob", d, k, r, p, 0, 0, roi
        )

    def serialize(self, message) -> bytes:
        write = self.store.serialize_ros1 if self.version == 1 else self.store.serialize_cdr
        return bytes(write(message, message.__msgtype__))

    def write(self, path, messages, **options):
        """Writes (topic, message) in this order; see `write1` and `write2`."""
        return (write1 if self.version == 1 else write2)(path, self.store, messages, **options)


def png(pixels) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def write2(path, store, messages, plugin=StoragePlugin.MCAP, compression=None):
    writer = Writer2(path, version=9, storage_plugin=plugin)
    if compression:
        writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for k, (topic, message, *_) in enumerate(messages):
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            writer.write(connections[topic], START_NS + k, store.serialize_cdr(message, kind))
    return path


def write_mcap(
    path, ros, messages, compression=CompressionType.NONE, chunk_bytes=20_000, schemas=True,
    times_ns=None,
):  # fmt: skip
    """One file, as Foxglove's library writes it; `chunk_bytes` 0: without chunks."""
    profile, form = ("ros1", "ros1") if ros.version == 1 else ("ros2", "cdr")
    with path.open("wb") as file:
        writer = Writer(
            file, chunk_bytes, compression, use_chunking=chunk_bytes > 0, use_statistics=False
        )
        writer.start(profile=profile)
        channels = {}
        for k, (topic, message) in enumerate(messages):
            kind = message.__msgtype__
            if topic not in channels:
                name = kind.replace("/msg/", "/") if ros.version == 1 else kind
                schema = writer.register_schema(name, f"{profile}msg", b"") if schemas else 0
                channels[topic] = writer.register_channel(topic, form, schema)
            time_ns = times_ns[k] if times_ns else START_NS + k
            writer.add_message(channels[topic], time_ns, ros.serialize(message), time_ns)
        writer.finish()
    return path


def write1(path, store, messages, compression=None, chunk_bytes=20_000, times_ns=None):
    """A third member of a message is appended to its bytes, as librealsense does."""
    writer = Writer1(path)
    writer.chunk_threshold = chunk_bytes
    if compression:
        writer.set_compression(compression)
    with writer:
        connections = {}
        for k, (topic, message, *extra) in enumerate(messages):
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            raw = bytes(store.serialize_ros1(message, kind)) + b"".join(extra)
            writer.write(connections[topic], times_ns[k] if times_ns else START_NS + k, raw)
    return path


def write_by_topic(path, ros, messages, topics, **options):
    """Writes messages of each topic after those of the one before, with the times of their stamps.

    Args:
        options: of `write_mcap`; a path without the suffix .mcap is written as a bag of ROS 1.
    """
    messages = sorted(messages, key=lambda message: topics.index(message[0]))
    stamps = [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for _, m in messages]
    if path.suffix == ".mcap":
        return write_mcap(path, ros, messages, times_ns=stamps, **options)
    return write1(path, ros.store, messages, times_ns=stamps, **options)


def picture(k):
    """Depth and infrared of frame `k`."""
    return noisy_wall(WIDTH, HEIGHT, depth_mm=1500 + 10 * k, seed=k)


def right_picture(k):
    """Right infrared of frame `k`."""
    return 255 - picture(k)[1]


def driver(ros, count=5, namespace="/camera", right=False):
    """What a driver publishes, raw: camera infos, depth and infrared of `count` frames."""
    for k in range(count):
        stamp = START_NS + k * PERIOD_NS
        depth, infrared = picture(k)
        yield f"{namespace}/depth/camera_info", ros.info(stamp)
        yield f"{namespace}/infra2/camera_info", ros.info(stamp, shift=-425 * 0.055)
        yield f"{namespace}/depth/image_rect_raw", ros.image(depth, "16UC1", stamp)
        yield f"{namespace}/infra1/image_rect_raw", ros.image(infrared, "mono8", stamp)
        if right:
            yield f"{namespace}/infra2/image_rect_raw", ros.image(right_picture(k), "mono8", stamp)


def check(frames, count=5, baseline_m=0.055, right=False):
    """That these are the first frames of `driver`; the last may have lost its infrared.

    Args:
        right: the right infrared must be there, and be that of its frame.
    """
    assert [frame.stamp_ns for frame in frames] == [START_NS + k * PERIOD_NS for k in range(count)]
    for k, frame in enumerate(frames):
        depth, infrared = picture(k)
        np.testing.assert_array_equal(frame.depth_mm, depth)
        if frame.infrared is not None or k < count - 1:
            np.testing.assert_array_equal(frame.infrared, infrared)
        if right:
            np.testing.assert_array_equal(frame.infrared_right, right_picture(k))
        assert frame.camera == camera(WIDTH, HEIGHT, baseline_m=baseline_m)


ROS2 = Ros(2)
MCAP, SQLITE = StoragePlugin.MCAP, StoragePlugin.SQLITE3


def bag(path, count=5, plugin=MCAP, **options):
    return ROS2.write(path, driver(ROS2, count, right=True), plugin=plugin, **options)


def file_of(folder):
    (file,) = (f for f in folder.iterdir() if f.name != "metadata.yaml")
    return file


def read(path):
    """Frames and what was skipped; opening is what a user does."""
    recording = open_recording(path)
    return list(recording), recording.skipped


def cut(path, share, target):
    target.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return target


def whole(path, kind, count):
    """A bag of one file."""
    if kind == "ros1":
        return Ros(1).write(path / "a.bag", driver(Ros(1), count))
    if kind.startswith("mcap"):
        chunk_bytes = 0 if "without chunks" in kind else 20_000
        zstd = CompressionType.ZSTD if "zstd" in kind else CompressionType.NONE
        return write_mcap(path / "a.mcap", ROS2, driver(ROS2, count), zstd, chunk_bytes)
    mode = CompressionMode.FILE if "zstd" in kind else CompressionMode.NONE
    return file_of(bag(path / "bag", count, SQLITE, compression=mode))
