"""Bags of every format, of one file and of many."""

import os
import shutil
import time

import numpy as np
import pytest
import zstandard
from recordings.bags.example_bags import (
    DEPTH,
    INFO,
    INFRARED,
    MCAP,
    ROS2,
    SQLITE,
    START_NS,
    Ros,
    bag,
    check,
    driver,
    file_of,
    picture,
    png,
    read,
    whole,
    write_mcap,
)
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionMode

from rs_denoise.recordings.bags.bag_reader import read_bag
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.skipped import Skipped


@pytest.mark.parametrize("plugin", [MCAP, SQLITE])
@pytest.mark.parametrize("mode", list(CompressionMode))
@pytest.mark.parametrize("metadata", ["with metadata", "without"])
def test_every_storage_and_compression(tmp_path, plugin, mode, metadata):
    if (plugin, mode) == (SQLITE, CompressionMode.STORAGE):
        pytest.skip("sqlite has no compression of its own")
    bag(tmp_path / "bag", plugin=plugin, compression=mode)
    if metadata == "without":
        (tmp_path / "bag" / "metadata.yaml").unlink()
    frames, skipped = read(tmp_path / "bag")
    check(frames, right=True)
    assert not skipped
    check(read(file_of(tmp_path / "bag"))[0], right=True)


@pytest.mark.parametrize("compression", [None, *Writer1.CompressionFormat])
def test_bags_of_ros_1(tmp_path, compression):
    ros = Ros(1)
    ros.write(tmp_path / "a.bag", driver(ros, right=True), compression=compression)
    frames, skipped = read(tmp_path / "a.bag")
    check(frames, right=True)
    assert not skipped


@pytest.mark.parametrize("kind", ["mcap", "sqlite", "ros1"])
def test_a_file_is_known_by_its_first_bytes_whatever_its_name(tmp_path, kind):
    target = tmp_path / "what? 100%#1"
    shutil.copy(whole(tmp_path, kind, 5), target)
    check(read(target)[0])


def test_the_parts_of_a_split_bag_in_their_order(tmp_path):
    (tmp_path / "bag").mkdir()
    messages = list(driver(ROS2, 11))
    for part in range(11):
        ROS2.write(tmp_path / f"{part}", messages[4 * part : 4 * part + 4])
        file_of(tmp_path / f"{part}").rename(tmp_path / "bag" / f"bag_{part}.mcap")
    (tmp_path / "bag" / "._bag_3.mcap").write_bytes(b"of macOS")  # hidden, so no part
    frames, skipped = read(tmp_path / "bag")
    check(frames, 11)
    assert not skipped
    (tmp_path / "bag" / "bag_4.mcap").write_bytes(b"")
    frames, skipped = read(tmp_path / "bag")
    assert len(frames) == 10 and "bag_4.mcap" in skipped


def test_several_bags_of_a_folder_one_after_the_other(tmp_path):
    for name in ("kitchen", "hall"):
        bag(tmp_path / "bags" / name, 2)
        bag(tmp_path / name, 2)
        (tmp_path / "files").mkdir(exist_ok=True)
        shutil.copy(file_of(tmp_path / name), tmp_path / "files" / f"{name}.mcap")
    (tmp_path / "bags" / "broken").mkdir()
    (tmp_path / "bags" / "broken" / "a.mcap").write_bytes(b"")
    for folder, ending in (("bags", ""), ("files", ".mcap")):
        frames, skipped = read(tmp_path / folder)
        stamps = (START_NS, START_NS + 33_000_000)
        expected = [f"{name}{ending}_{s}" for name in ("hall", "kitchen") for s in stamps]
        assert [frame.name for frame in frames] == expected
        assert list(skipped) == (["broken"] if folder == "bags" else [])


@pytest.mark.parametrize("plugin", [MCAP, SQLITE])
def test_a_long_recording_takes_no_more_memory_than_a_short_one(tmp_path, plugin):
    """10,000 frames: what they hold is 15 MB for each 5,000 of them."""
    width, height = 32, 32
    depth, infrared = np.full((height, width), 2000, np.uint16), np.zeros((height, width), np.uint8)

    def messages():
        yield INFO, ROS2.info(START_NS, width, height)
        for k in range(10_000):
            stamp = START_NS + k * 33_000_000
            yield DEPTH, ROS2.image(depth, "16UC1", stamp)
            yield INFRARED, ROS2.image(infrared, "mono8", stamp)

    ROS2.write(tmp_path / "bag", messages(), plugin=plugin)
    page, used, count = os.sysconf("SC_PAGE_SIZE"), {}, 0
    for count, frame in enumerate(read_bag(tmp_path / "bag"), 1):
        assert frame.infrared is not None
        if count in (2000, 10_000):
            with open("/proc/self/statm") as file:
                used[count] = int(file.read().split()[1]) * page
    assert count == 10_000
    assert used[10_000] - used[2000] < 4e6


def test_nothing_is_written_beside_a_recording(tmp_path):
    file = file_of(bag(tmp_path / "bag", plugin=SQLITE))
    before = sorted((f.name, f.stat().st_mtime_ns) for f in file.parent.iterdir())
    time.sleep(0.01)
    read(file)
    assert sorted((f.name, f.stat().st_mtime_ns) for f in file.parent.iterdir()) == before


def test_skipped_stays_small_and_counts():
    skipped = Skipped()
    for k in range(100_000):
        skipped.add(f"a{k}", "cut off")
        skipped.add(f"b{k}", f"needs {k} bytes")
        if k == 4:
            assert [name for name, reason in skipped.items() if reason == "cut off"] == [
                f"a{n}" for n in range(5)
            ]
    assert len(skipped) < 30
    assert skipped["100000 from a0 on"] == "cut off"
    assert skipped["99981 from b19 on"] == "other reasons than those listed"


def test_a_file_that_metadata_does_not_name_is_not_read(tmp_path):
    bag(tmp_path / "bag")
    bag(tmp_path / "other", 3)
    shutil.copy(file_of(tmp_path / "other"), tmp_path / "bag" / "old_try.mcap")
    frames, skipped = read(tmp_path / "bag")
    check(frames)
    assert list(skipped) == ["old_try.mcap"] and "does not list" in skipped["old_try.mcap"]


@pytest.mark.parametrize("metadata", [True, False])
def test_a_file_unpacked_beside_its_compressed_one_is_read_once(tmp_path, metadata):
    bag(tmp_path / "bag", compression=CompressionMode.FILE)
    packed = file_of(tmp_path / "bag")
    with packed.open("rb") as file, packed.with_suffix("").open("wb") as out:
        zstandard.ZstdDecompressor().copy_stream(file, out)
    if not metadata:
        (tmp_path / "bag" / "metadata.yaml").unlink()
    check(read(tmp_path / "bag")[0])


def test_a_missing_file_of_a_bag_is_named(tmp_path):
    bag(tmp_path / "bag")
    metadata = tmp_path / "bag" / "metadata.yaml"
    (name,) = (f.name for f in [file_of(tmp_path / "bag")])
    text = metadata.read_text()
    assert f"- {name}" in text
    metadata.write_text(text.replace(f"- {name}", f"- {name}\n  - lost_1.mcap", 1))
    frames, skipped = read(tmp_path / "bag")
    check(frames)
    assert "lost_1.mcap" in skipped


def test_files_that_were_renamed_are_read_although_metadata_does_not_name_them(tmp_path):
    bag(tmp_path / "bag")
    file_of(tmp_path / "bag").rename(tmp_path / "bag" / "kitchen.mcap")
    check(read(tmp_path / "bag")[0])


def test_messages_of_ros_1_in_mcap(tmp_path):
    frames, skipped = read(write_mcap(tmp_path / "a.mcap", Ros(1), driver(Ros(1), right=True)))
    check(frames, right=True)
    assert not skipped


@pytest.mark.parametrize("version", [1, 2])
def test_without_schemas_the_drivers_topic_names_say_the_types(tmp_path, version):
    ros = Ros(version)
    depth, infrared = picture(0)
    compressed = [
        (INFO, ros.info(START_NS)),
        (f"{DEPTH}/compressedDepth", ros.compressed_depth(depth, START_NS)),
        (f"{INFRARED}/compressed", ros.compressed(png(infrared), "mono8; png", START_NS)),
    ]  # fmt: skip
    for name, messages in (("raw", driver(ros, 1)), ("compressed", compressed)):
        path = write_mcap(tmp_path / f"{name}.mcap", ros, messages, schemas=False)
        (frame,) = read(path)[0]
        np.testing.assert_array_equal(frame.depth_mm, depth)
        np.testing.assert_array_equal(frame.infrared, infrared)


def test_an_mcap_of_unknown_types_says_so(tmp_path):
    messages = [("/said", Ros(2).types["std_msgs/msg/String"]("x"))]
    path = write_mcap(tmp_path / "a.mcap", ROS2, messages, schemas=False)
    with pytest.raises(RecordingError, match="has no schemas, .* it has /said"):
        read(path)
