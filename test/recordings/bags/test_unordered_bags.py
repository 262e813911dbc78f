"""Bags whose messages are not in time order."""

import os
import sqlite3

import numpy as np
import pytest
from recordings.bags.example_bags import (
    DEPTH,
    INFO,
    INFRARED,
    RIGHT,
    RIGHT_INFO,
    SQLITE,
    START_NS,
    Ros,
    bag,
    check,
    driver,
    file_of,
    read,
    write_by_topic,
)

from rs_denoise.recordings.bags.bag_reader import read_bag


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
