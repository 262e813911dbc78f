"""Truncated and damaged bags, and files that are no bags."""

import shutil
import sqlite3

import numpy as np
import pytest
import zstandard
from recordings.bags.example_bags import (
    HEIGHT,
    SQLITE,
    START_NS,
    WIDTH,
    Ros,
    bag,
    check,
    cut,
    driver,
    file_of,
    picture,
    read,
    whole,
)
from rosbags.rosbag1 import Writer as Writer1

from rs_denoise.recordings.bags.bag_reader import read_bag
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.recording import open_recording

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


@pytest.mark.parametrize("order", ["by time", "by topic"])
def test_a_damaged_page_of_a_db3_costs_only_the_message_in_it(tmp_path, order):
    """As a bad sector leaves it: of an image of several pages, the link to the next is lost."""
    file = file_of(bag(tmp_path / "bag", 40, SQLITE))
    with sqlite3.connect(file) as database:
        if order == "by topic":
            database.execute("UPDATE messages SET timestamp = timestamp + 60000000000 * topic_id")
    page, data = 4096, bytearray(file.read_bytes())
    start = data.index(picture(20)[0].tobytes()[4000:4200]) // page
    data[start * page : (start + 1) * page] = bytes(page)
    file.write_bytes(data)
    frames, skipped = read(file)
    assert [f.stamp_ns for f in frames] == [START_NS + k * 33_000_000 for k in range(40) if k != 20]
    (name,) = (name for name, reason in skipped.items() if "damaged or cut off" in reason)
    assert name.startswith("message ")


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


def test_reading_twice_gives_the_same_and_tells_the_same(tmp_path):
    file = file_of(bag(tmp_path / "bag", 30, SQLITE))
    recording = open_recording(cut(file, 0.5, tmp_path / "cut.db3"))
    first = [frame.name for frame in recording]
    told = dict(recording.skipped)
    assert [frame.name for frame in recording] == first
    assert recording.skipped == told
