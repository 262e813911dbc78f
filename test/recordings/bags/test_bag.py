"""Bags of every format, whole and damaged."""

import os
import shutil
import sqlite3
import time

import numpy as np
import pytest
import zstandard
from mcap.writer import CompressionType
from recordings.bags.example_bags import (
    DEPTH,
    HEIGHT,
    INFO,
    INFRARED,
    RIGHT,
    RIGHT_INFO,
    START_NS,
    WIDTH,
    Ros,
    check,
    driver,
    picture,
    png,
    write_by_topic,
    write_mcap,
)
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from rs_denoise.recordings.bags.bag_reader import read_bag
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.recording import open_recording
from rs_denoise.recordings.skipped import Skipped

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


KINDS = ["mcap", "mcap of zstd", "mcap without chunks", "sqlite", "sqlite in zstd", "ros1"]


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_file_that_is_cut_off_all_that_is_there_is_read(tmp_path, kind):
    count, file = 60, whole(tmp_path, kind, 60)
    check(read(file)[0], count)
    for share in (0.99, 0.9, 0.6, 0.3):
        frames, skipped = read(cut(file, share, tmp_path / f"cut{file.suffix}"))
        check(frames, len(frames))
        # Each file is cut between frames, in a chunk of two frames, or in a block of zstd.
        lost = 16 if kind == "sqlite in zstd" else 4
        assert count * share - lost <= len(frames) <= count * share + 1
        assert any("cut off" in reason for reason in skipped.values()) or share == 0.99
    with pytest.raises(RecordingError):
        read(cut(file, 0.001, tmp_path / f"cut{file.suffix}"))


@pytest.mark.parametrize("kind", KINDS)
def test_no_damage_ends_in_anything_but_frames_or_a_sentence(tmp_path, kind):
    """Bytes turned at random, many times: frames, skipped ones, or a RecordingError."""
    data, rng = np.fromfile(whole(tmp_path, kind, 4), np.uint8), np.random.default_rng(0)
    damaged = tmp_path / "damaged"
    refused = 0
    for k in range(60):
        turned = data.copy()
        # Heads and indexes are a small part of a bag, and the more fragile one.
        span = len(data) if k % 2 else 3000
        at = rng.integers(0, span, 20)
        turned[at if k % 4 < 2 else -1 - at] = rng.integers(0, 256, 20)
        turned[:16] = data[:16]
        damaged.write_bytes(turned.tobytes())
        try:
            frames, _ = read(damaged)
            assert all(frame.depth_mm.shape == (HEIGHT, WIDTH) for frame in frames)
        except RecordingError:
            refused += 1
    assert refused < 60 or kind == "sqlite in zstd"  # nothing follows a bad byte of zstd


def test_a_damaged_chunk_costs_only_what_is_in_it(tmp_path):
    ros = Ros(1)
    path = ros.write(tmp_path / "a.bag", driver(ros, 20), compression=Writer1.CompressionFormat.BZ2)
    data = bytearray(path.read_bytes())
    middle = data.index(b"BZh", len(data) // 2)
    data[middle + 100 : middle + 120] = bytes(20)
    path.write_bytes(data)
    frames, skipped = read(path)
    assert 14 <= len(frames) < 20 and frames[-1].stamp_ns == START_NS + 19 * 33_000_000
    assert any("cannot be unpacked" in reason for reason in skipped.values())


def test_what_a_killed_recorder_left_in_its_write_ahead_log(tmp_path):
    file = file_of(bag(tmp_path / "bag", plugin=SQLITE))
    live = tmp_path / "live.db3"
    database = sqlite3.connect(live)
    database.execute("PRAGMA journal_mode=WAL")
    with sqlite3.connect(file) as source:
        for statement in source.iterdump():
            if not statement.startswith(("BEGIN", "COMMIT")):
                database.execute(statement)
    database.commit()
    (tmp_path / "killed").mkdir()
    for name in ("live.db3", "live.db3-wal"):
        shutil.copy(tmp_path / name, tmp_path / "killed" / name)
    database.close()
    assert (tmp_path / "killed" / "live.db3").stat().st_size < file.stat().st_size / 2
    check(read(tmp_path / "killed" / "live.db3")[0])


def test_the_parts_of_a_split_bag_in_their_order(tmp_path):
    (tmp_path / "bag").mkdir()
    messages = list(driver(ROS2, 11))
    for part in range(11):
        ROS2.write(tmp_path / f"{part}", messages[4 * part : 4 * part + 4])
        file_of(tmp_path / f"{part}").rename(tmp_path / "bag" / f"bag_{part}.mcap")
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


@pytest.mark.parametrize("name", ["missing", "empty", "file"])
def test_what_is_no_bag(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("no bag")
    with pytest.raises(RecordingError, match="no such file|not a readable bag"):
        list(read_bag(tmp_path / name))
    with pytest.raises(RecordingError, match="expected.*rosbag2"):
        open_recording(tmp_path / name)


def test_a_database_that_is_no_bag(tmp_path):
    with sqlite3.connect(tmp_path / "a.db3") as database:
        database.execute("CREATE TABLE birds (name TEXT)")
    with pytest.raises(RecordingError, match="its list of topics cannot be read .*is it a rosbag2"):
        open_recording(tmp_path / "a.db3")


def test_what_unpacks_to_far_more_than_a_recording_is_refused(tmp_path):
    (tmp_path / "a.db3.zstd").write_bytes(zstandard.compress(bytes(300 << 20), 19))
    with pytest.raises(RecordingError, match="unpacks to more than 1000 times its size"):
        open_recording(tmp_path / "a.db3.zstd")


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


def test_reading_twice_gives_the_same_and_tells_the_same(tmp_path):
    file = file_of(bag(tmp_path / "bag", 30, SQLITE))
    recording = open_recording(cut(file, 0.5, tmp_path / "cut.db3"))
    first = [frame.name for frame in recording]
    told = dict(recording.skipped)
    assert [frame.name for frame in recording] == first
    assert recording.skipped == told


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
    assert list(skipped) == ["old_try.mcap"] and "does not name" in skipped["old_try.mcap"]


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


@pytest.mark.parametrize("last", [INFO, INFRARED])
def test_a_db3_written_topic_after_topic_is_read_in_the_order_of_time(tmp_path, last):
    path = tmp_path / "bag"
    bag(path, 60, SQLITE)
    with sqlite3.connect(file_of(path)) as database:
        database.execute(f"UPDATE messages SET timestamp = {START_NS} + (id - 1) / 5 * 33000000")
        database.execute(
            "UPDATE messages SET id = id + 1000 * topic_id + "
            "100000 * (topic_id = (SELECT id FROM topics WHERE name = ?))",
            (last,),
        )
    frames, skipped = read(path)
    check(frames, 60)
    assert not skipped and all(frame.infrared is not None for frame in frames)


TOPICS = [INFO, RIGHT_INFO, DEPTH, INFRARED, RIGHT]
UNORDERED = ["mcap", "mcap without index", "mcap without chunks or index", "ros1", "ros1 killed"]


def unordered(path, kind, last, messages):
    """A file in which the messages of each topic follow those of another; of `last`, come last."""
    ros = Ros(1 if "ros1" in kind else 2)
    order = [topic for topic in TOPICS if topic != last] + [last]
    options = {"chunk_bytes": 0 if "without chunks" in kind else 50_000}
    suffix = ".bag" if "ros1" in kind else ".mcap"
    file = write_by_topic(path / f"a{suffix}", ros, messages(ros), order, **options)
    if "without" in kind or "killed" in kind:
        data = file.read_bytes()
        # The footer's magic, and in ROS 1 the last connection and chunk info: as after a kill.
        file.write_bytes(data[:-40])
    return file


@pytest.mark.parametrize("last", [INFO, INFRARED])
@pytest.mark.parametrize("kind", UNORDERED)
def test_a_file_written_topic_after_topic_is_read_in_the_order_of_time(tmp_path, kind, last):
    file = unordered(tmp_path, kind, last, lambda ros: driver(ros, 60, right=True))
    frames, _ = read(file)
    check(frames, 60, right=True)
    assert all(frame.infrared is not None for frame in frames)


@pytest.mark.parametrize("kind", ["mcap without index", "ros1"])
def test_a_long_file_written_topic_after_topic_takes_little_memory(tmp_path, kind):
    """5,000 frames of 3 kB: all of them would take 15 MB."""
    depth, infrared = np.full((32, 32), 2000, np.uint16), np.zeros((32, 32), np.uint8)

    def messages(ros):
        yield INFO, ros.info(START_NS, 32, 32)
        for k in range(5000):
            stamp = START_NS + k * 33_000_000
            yield DEPTH, ros.image(depth, "16UC1", stamp)
            yield INFRARED, ros.image(infrared, "mono8", stamp)

    file = unordered(tmp_path, kind, INFRARED, messages)
    page, used, count = os.sysconf("SC_PAGE_SIZE"), {}, 0
    for count, frame in enumerate(read_bag(file), 1):
        assert frame.infrared is not None
        if count in (500, 5000):
            with open("/proc/self/statm") as status:
                used[count] = int(status.read().split()[1]) * page
    assert count == 5000
    assert used[5000] - used[500] < 4e6


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
