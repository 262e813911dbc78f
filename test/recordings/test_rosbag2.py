from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from conftest import SAMPLE
from rs_denoise.recordings.frame import Frame, RecordingError
from rs_denoise.recordings.rosbag2 import read_bag, write_bag
from scenes import camera, noisy_wall


def frames(count=5):
    for k in range(count):
        depth, infrared = noisy_wall(80, 64, seed=k)
        truth = depth + 1 if k % 2 == 0 else None
        stamp = 10**9 + k * 33_000_000
        yield Frame("", camera(80, 64), depth, infrared, truth, stamp_ns=stamp)


def test_what_is_written_is_read(tmp_path):
    assert write_bag(tmp_path / "bag", frames()) == 5
    for read, written in zip(read_bag(tmp_path / "bag"), frames(), strict=True):
        assert read.stamp_ns == written.stamp_ns and read.camera == written.camera
        np.testing.assert_array_equal(read.depth_mm, written.depth_mm)
        np.testing.assert_array_equal(read.infrared, written.infrared)
        assert (read.ground_truth_mm is None) == (written.ground_truth_mm is None)


def test_the_sample_is_what_a_driver_would_record():
    size = sum(f.stat().st_size for f in Path(SAMPLE).iterdir())
    read = list(read_bag(SAMPLE))
    assert size <= 10e6 and len(read) >= 24
    assert sum(m.ground_truth_mm is not None for m in read) >= 5
    assert all(m.depth_mm.shape == (480, 848) and m.infrared is not None for m in read)
    steps = np.diff([m.stamp_ns for m in read])
    assert abs(steps - 1e9 / 30).max() < 1e6
    # The camera moves: frames far apart differ by more than noise.
    a, b = (read[k].infrared.astype(float) for k in (0, 8))
    assert np.abs(a - b).mean() > 1.5 * np.abs(a - read[1].infrared).mean() > 0


def bag_of(path, topics, plugin=StoragePlugin.SQLITE3):
    """A bag with these (topic, type, message) in order."""
    store = get_typestore(Stores.ROS2_JAZZY)
    with Writer(path, version=9, storage_plugin=plugin) as writer:
        connections = {}
        for k, (topic, kind, message) in enumerate(topics(store)):
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            writer.write(connections[topic], 10**9 + k, store.serialize_cdr(message, kind))


def raw_messages(encoding="16UC1", cut=0):
    def build(store):
        kinds = store.types
        time = kinds["builtin_interfaces/msg/Time"](sec=1, nanosec=0)
        header = kinds["std_msgs/msg/Header"](stamp=time, frame_id="camera")
        depth, infrared = noisy_wall(80, 64)
        roi = kinds["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
        info = kinds["sensor_msgs/msg/CameraInfo"](
            header, 64, 80, "plumb_bob", np.zeros(0), np.array([425.0, 0, 40, 0, 425, 32, 0, 0, 1]),
            np.eye(3).ravel(), np.zeros(12), 0, 0, roi,
        )  # fmt: skip
        yield "/robot/cam/depth/camera_info", "sensor_msgs/msg/CameraInfo", info
        for topic, image, code in (("depth/image_rect_raw", depth, encoding),
                                   ("infra1/image_rect_raw", infrared, "mono8")):  # fmt: skip
            data = np.frombuffer(image.tobytes(), np.uint8)
            data = data[: len(data) - cut]
            step = 80 * image.itemsize
            message = kinds["sensor_msgs/msg/Image"](header, 64, 80, code, 0, step, data)
            yield f"/robot/cam/{topic}", "sensor_msgs/msg/Image", message

    return build


@pytest.mark.parametrize("plugin", list(StoragePlugin))
@pytest.mark.parametrize("encoding", ["16UC1", "mono16"])
def test_raw_topics_of_another_namespace_and_storage(tmp_path, plugin, encoding):
    bag_of(tmp_path / "bag", raw_messages(encoding), plugin)
    (frame,) = read_bag(tmp_path / "bag")
    depth, infrared = noisy_wall(80, 64)
    np.testing.assert_array_equal(frame.depth_mm, depth)
    np.testing.assert_array_equal(frame.infrared, infrared)


def test_a_bag_without_depth_names_its_topics(tmp_path):
    bag_of(tmp_path / "bag", lambda store: list(raw_messages()(store))[::2])
    with pytest.raises(
        RecordingError, match=r"no topic that ends in depth/image_rect_raw.* it has"
    ):
        list(read_bag(tmp_path / "bag"))


def test_a_bag_without_camera_info(tmp_path):
    bag_of(tmp_path / "bag", lambda store: list(raw_messages()(store))[1:])
    with pytest.raises(RecordingError, match="no camera_info before the first depth image"):
        list(read_bag(tmp_path / "bag"))


def test_an_image_that_is_cut_off(tmp_path):
    bag_of(tmp_path / "bag", raw_messages(cut=100))
    with pytest.raises(RecordingError, match="cut off: it needs 10240 bytes, it has 10140"):
        list(read_bag(tmp_path / "bag"))


@pytest.mark.parametrize("name", ["missing", "empty", "file"])
def test_what_is_no_bag(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("no bag")
    with pytest.raises(RecordingError, match="not a readable rosbag2"):
        list(read_bag(tmp_path / name))


def test_nothing_is_overwritten(tmp_path):
    write_bag(tmp_path / "bag", frames(1))
    with pytest.raises(RecordingError, match="exists already"):
        write_bag(tmp_path / "bag", frames(1))


def test_infrared_stamped_a_little_later_still_belongs(tmp_path):
    """Two frames; their infrared comes 3 ms and 8 ms after depth: the first is near enough."""

    def messages(store):
        for k, late_ms in enumerate((3, 8)):
            for topic, kind, message in raw_messages()(store):
                message.header.stamp.sec = 1 + k
                if "infra1" in topic:
                    stamp = store.types["builtin_interfaces/msg/Time"](1 + k, late_ms * 1_000_000)
                    message.header = store.types["std_msgs/msg/Header"](stamp, "camera")
                yield topic, kind, message

    bag_of(tmp_path / "bag", messages)
    assert [m.infrared is not None for m in read_bag(tmp_path / "bag")] == [True, False]


def test_quantised_metric_depth_is_refused(tmp_path):
    def messages(store):
        info, depth, _ = raw_messages()(store)
        compressed = store.types["sensor_msgs/msg/CompressedImage"](
            depth[2].header, "32FC1; compressedDepth png", np.zeros(50, np.uint8)
        )
        yield info
        topic = "/robot/cam/depth/image_rect_raw/compressedDepth"
        yield topic, "sensor_msgs/msg/CompressedImage", compressed

    bag_of(tmp_path / "bag", messages)
    with pytest.raises(RecordingError, match="format '32FC1.*expected 16UC1.*record the raw topic"):
        list(read_bag(tmp_path / "bag"))
