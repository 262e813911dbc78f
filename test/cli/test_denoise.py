"""`rs_denoise denoise` on bags, and how it resumes a stopped run."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import cv2
import numpy as np
import pytest
import yaml
from recordings.bags.example_bags import Ros, driver, write_mcap
from rosbags.rosbag2 import Reader, StoragePlugin, Writer

from cli.in_process import run_in_process, words
from rs_denoise.cli.main import main
from rs_denoise.gate import Gate
from rs_denoise.model import Model
from rs_denoise.offline import OfflineDenoiser
from rs_denoise.recordings.bags.bag import Bag
from rs_denoise.recordings.bags.rosbag2_writer import STORE, write_rosbag2
from rs_denoise.recordings.folders.frame_folder import read_frame, write_frame
from rs_denoise.recordings.frame import Frame
from rs_denoise.recordings.overrides import Overrides
from rs_denoise.recordings.recording import open_recording
from rs_denoise.recordings.skipped import Skipped
from scenes import camera, noisy_wall

STRING = "std_msgs/msg/String"


def program(*arguments):
    return [sys.executable, "-m", "rs_denoise.cli.main", "denoise", *map(str, arguments)]


def run(*arguments):
    return run_in_process(main, "denoise", *arguments)


def frames(count):
    for k in range(count):
        depth, infrared = noisy_wall(96, 64, seed=k)
        stamp = 10**9 + k * 33_000_000
        yield Frame(f"{stamp}", camera(96, 64), depth, infrared, stamp_ns=stamp)


@pytest.fixture
def bag(tmp_path):
    """A bag with a topic of which rs_denoise knows nothing."""
    write_rosbag2(tmp_path / "camera", frames(3))
    with (
        Reader(tmp_path / "camera") as reader,
        Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.SQLITE3) as writer,
    ):
        copies = {
            c.id: writer.add_connection(c.topic, c.msgtype, typestore=STORE)
            for c in reader.connections
        }
        for connection, time_ns, raw in reader.messages():
            writer.write(copies[connection.id], time_ns + 5, raw)  # it came a little later
        said = writer.add_connection("/said", STRING, typestore=STORE)
        writer.write(said, 10**9 + 7, STORE.serialize_cdr(STORE.types[STRING]("hello"), STRING))
    return tmp_path / "bag"


def written(path):
    """Every message of a bag: topic, time, bytes."""
    with Reader(path) as reader:
        return [(c.topic, time_ns, bytes(raw)) for c, time_ns, raw in reader.messages()]


def test_a_bag_is_copied_with_denoised_depth_beside_every_depth_image(bag, tmp_path):
    out = run(bag, tmp_path / "out", "--format", "rosbag2")
    assert out.returncode == 0, out.stderr
    before, after = written(bag), written(tmp_path / "out")
    ours = [message for message in after if "/denoised/" in message[0]]
    assert sorted(set(after) - set(ours)) == sorted(before) and len(ours) == 3 * 3
    assert not (tmp_path / "out.part").exists()
    denoise = OfflineDenoiser(Model.load(), Gate())
    topics = Overrides(depth="/camera/camera/denoised/image_rect_raw/compressedDepth")
    results = list(open_recording(tmp_path / "out", topics))
    for source, result in zip(frames(3), results, strict=True):
        assert result.stamp_ns == source.stamp_ns
        np.testing.assert_array_equal(result.depth_mm, denoise(source))
    # Denoised depth comes with its depth, not at its stamp: clocks of camera and recorder differ.
    times = {time_ns for topic, time_ns, _ in ours}
    assert times == {time_ns for topic, time_ns, _ in before if "depth/image" in topic}


def test_frames_that_denoising_empties_are_counted(tmp_path):
    dark = Frame("2000000000", camera(96, 64), np.zeros((64, 96), np.uint16), stamp_ns=2 * 10**9)
    write_rosbag2(tmp_path / "bag", [*frames(2), dark])
    out = run(tmp_path / "bag", tmp_path / "all", "--min-confidence", 0)
    assert out.returncode == 0 and "valid pixels" not in words(out), out.stderr
    out = run(tmp_path / "bag", tmp_path / "none", "--min-confidence", 1, "--fill-confidence", 1.01)
    assert out.returncode == 0, out.stderr
    assert "2 of 3 frames have less than 2 % valid pixels after denoising" in words(out)


def test_denoised_depth_that_a_bag_has_already_is_replaced(bag, tmp_path):
    """As in the recording of all topics of a robot on which the node runs."""
    gates = (("--min-confidence", 1, "--fill-confidence", 1.01), ("--min-confidence", 0))
    sources = (bag, tmp_path / "first")
    for source, name, gate in zip(sources, ("first", "second"), gates, strict=True):
        out = run(source, tmp_path / name, "--format", "rosbag2", *gate)
        assert out.returncode == 0, out.stderr
    for topic in ("camera_info", "confidence/compressed", "image_rect_raw/compressedDepth"):
        topic = f"/camera/camera/denoised/{topic}"
        assert f"{topic} is not copied: the new denoised depth replaces it" in words(out)
    first, second = (written(tmp_path / name) for name in ("first", "second"))
    assert sorted(m[:2] for m in first) == sorted(m[:2] for m in second)
    topics = Overrides(depth="/camera/camera/denoised/image_rect_raw/compressedDepth")
    assert all(f.depth_mm.any() for f in open_recording(tmp_path / "second", topics))


def test_several_bags_of_a_folder_in_a_folder_give_one_new_bag(tmp_path):
    """Not an error after all frames are denoised, because both have a topic of depth."""
    ros, day = Ros(2), tmp_path / "trip" / "day"
    day.mkdir(parents=True)
    for name in ("front", "rear"):
        write_mcap(day / f"{name}.mcap", ros, list(driver(ros, 2, f"/{name}")))
    out = run(tmp_path / "trip", tmp_path / "out", "--format", "rosbag2", "--model", "unet-tiny")
    assert out.returncode == 0, out.stderr
    assert "4 frames in" in words(out) and "day are copied: it is not one bag" in words(out)


@pytest.mark.parametrize("damage", ["cut off", "metadata that is no text", "empty metadata"])
def test_what_is_no_whole_ros_bag_gives_a_new_bag_and_says_so(bag, tmp_path, damage):
    source = tmp_path / "camera"
    if damage == "cut off":
        mcap, source = next(source.glob("*.mcap")), tmp_path / "cut.mcap"
        source.write_bytes(mcap.read_bytes()[:-1000])
    else:
        (source / "metadata.yaml").write_bytes(b"" if "empty" in damage else b"\xff\xfe: [")
    out = run(source, tmp_path / "out", "--format", "rosbag2")
    assert out.returncode == 0, out.stderr
    assert f"only depth, infrared and ground truth of {source.name} are copied: it is damaged" in (
        words(out)
    )
    names = ("denoised/image_rect_raw/compressedDepth", "denoised/confidence/compressed")
    found = Bag(tmp_path / "out").messages([f"/camera/camera/{name}" for name in names], Skipped())
    counts = Counter(topic for topic, _, _ in found)
    assert list(counts.values()) == [len(list(open_recording(source)))] * 2


def test_it_goes_on_where_it_was_killed_and_gives_the_same(tmp_path):
    write_rosbag2(tmp_path / "bag", frames(30))
    process = subprocess.Popen(program(tmp_path / "bag", tmp_path / "out"), start_new_session=True)
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "out").glob("*/camera.json"))) < 5:
        assert time.monotonic() < deadline and process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = sorted((tmp_path / "out").glob("*/camera.json"))
    assert 5 <= len(done) < 30
    stamps = {path: path.stat().st_mtime_ns for path in done}
    assert run(tmp_path / "bag", tmp_path / "out").returncode == 0
    assert (
        stamps.items()
        <= {
            path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/camera.json")
        }.items()
    )
    denoise = OfflineDenoiser(Model.load(), Gate())
    results = list(open_recording(tmp_path / "out"))
    assert len(results) == 30
    for source, result in zip(frames(30), results, strict=True):
        np.testing.assert_array_equal(result.depth_mm, denoise(source))


def test_a_folder_is_not_continued_with_other_settings(bag, tmp_path):
    assert run(bag, tmp_path / "out").returncode == 0
    other = run(bag, tmp_path / "out", "--min-confidence", "0.9")
    assert other.returncode == 2
    said = "begun with other settings (min_confidence: 0.4 -> 0.9)"
    assert said in " ".join(other.stderr.split())
    settings = json.loads((tmp_path / "out" / "denoised.json").read_text())
    assert settings["min_confidence"] == "0.4"
    again = run(bag, tmp_path / "out")
    assert "3 frames in" in again.stdout and "3 of them from an earlier run" in " ".join(
        again.stdout.split()
    )


def test_another_recording_of_the_same_path_is_denoised_anew(tmp_path):
    """Results of the recording that was there before were taken for those of the new one."""
    source, out, copy = (tmp_path / name for name in ("frames", "out", "copy"))

    def record(depths_mm):
        shutil.rmtree(source, ignore_errors=True)
        for k, depth_mm in enumerate(depths_mm):
            depth, infrared = noisy_wall(96, 64, depth_mm)
            write_frame(source / f"{k}", Frame("", camera(96, 64), depth, infrared, stamp_ns=k))

    record([1000, 2000, 3000])
    run(source, out)
    run(source, copy, "--format", "rosbag2")
    record([1000, 2500])
    said = words(run(source, out))
    assert "2 frames in" in said and "1 of them from an earlier run" in said
    assert "1 folders in" in said and "such as 2: remove them" in said
    assert np.median(read_frame(out / "1").depth_mm) == pytest.approx(2500, abs=30)
    again = run(source, copy, "--format", "rosbag2")
    assert again.returncode == 2 and "recording_bytes: " in again.stderr


def test_what_is_there_is_not_taken_for_a_result(bag, tmp_path):
    """Raw depth must not pass for denoised depth: neither onto itself nor among other things."""
    for folder in (bag, tmp_path / "other"):
        folder.mkdir(exist_ok=True)
        (folder / "thing").touch()
        out = run(bag, folder)
        assert out.returncode == 2 and "holds something else already" in " ".join(
            out.stderr.split()
        )
    assert {path.name for path in (tmp_path / "other").iterdir()} == {"thing"}


@pytest.mark.parametrize("plugin", list(StoragePlugin))
@pytest.mark.parametrize("version", [8, 9])
def test_a_reindexed_bag_whose_metadata_has_no_qos_is_copied_whole(tmp_path, plugin, version):
    write_rosbag2(tmp_path / "camera", frames(2))
    with (
        Reader(tmp_path / "camera") as reader,
        Writer(tmp_path / "bag", version=version, storage_plugin=plugin) as writer,
    ):
        copies = {
            c.id: writer.add_connection(
                c.topic, c.msgtype, typestore=STORE, offered_qos_profiles=c.ext.offered_qos_profiles
            )
            for c in reader.connections
        }
        for connection, time_ns, raw in reader.messages():
            writer.write(copies[connection.id], time_ns, raw)
    metadata = tmp_path / "bag" / "metadata.yaml"
    content = yaml.safe_load(metadata.read_text())
    for topic in content["rosbag2_bagfile_information"]["topics_with_message_count"]:
        topic["topic_metadata"]["offered_qos_profiles"] = "" if version < 9 else []
    metadata.write_text(yaml.safe_dump(content))
    out = run(tmp_path / "bag", tmp_path / "out", "--format", "rosbag2", "--model", "unet-tiny")
    assert out.returncode == 0 and "copied" not in out.stdout, out.stderr + out.stdout
    after = written(tmp_path / "out")
    assert len(after) == len(written(tmp_path / "camera")) + 2 * 3


def test_denoised_depth_has_the_frame_id_of_its_depth(tmp_path):
    """A driver names its frames after its camera, or the user does."""
    ros = Ros(2)
    bag = ros.write(tmp_path / "bag", driver(ros, 2))
    out = run(bag, tmp_path / "out", "--format", "rosbag2", "--model", "unet-tiny")
    assert out.returncode == 0, out.stderr
    with Reader(tmp_path / "out") as reader:
        headers = {
            c.topic: STORE.deserialize_cdr(raw, c.msgtype).header for c, _, raw in reader.messages()
        }
    assert sum("/denoised/" in topic for topic in headers) == 3
    assert {header.frame_id for header in headers.values()} == {"camera"}


def test_frames_of_equal_stamps_keep_their_own_results(tmp_path):
    stamp = 10**9
    same = [Frame(f"{k}", f.camera, f.depth_mm, f.infrared, stamp_ns=stamp)
            for k, f in enumerate(frames(3))]  # fmt: skip
    write_rosbag2(tmp_path / "bag", same)
    out = run(tmp_path / "bag", tmp_path / "out", "--format", "rosbag2")
    assert out.returncode == 0, out.stderr
    denoise = OfflineDenoiser(Model.load(), Gate())
    topics = Overrides(depth="/camera/camera/denoised/image_rect_raw/compressedDepth")
    results = list(open_recording(tmp_path / "out", topics))
    for source, result in zip(same, results, strict=True):
        np.testing.assert_array_equal(result.depth_mm, denoise(source))


def test_a_damaged_depth_message_costs_one_frame_of_the_copy(tmp_path, bag):
    import sqlite3

    (file,) = bag.glob("*.db3")
    with sqlite3.connect(file) as database:
        rows = database.execute(
            "SELECT m.id FROM messages m JOIN topics t ON t.id = m.topic_id WHERE name LIKE ?",
            ("%/depth/image_rect_raw/%",),
        ).fetchall()
        database.execute("UPDATE messages SET data = substr(data, 1, 60) WHERE id = ?", rows[1])
    out = run(bag, tmp_path / "out", "--format", "rosbag2", "--model", "unet-tiny")
    assert out.returncode == 0 and "2 frames in" in out.stdout, out.stderr
    ours = [message for message in written(tmp_path / "out") if "/denoised/" in message[0]]
    assert len(ours) == 2 * 3


def damage(kind, out):
    folder = sorted(path for path in out.iterdir() if path.is_dir())[1]
    if kind == "settings":
        (out / "denoised.json").write_bytes(b"")
    elif kind == "camera":
        (folder / "camera.json").write_bytes(b"")
    else:
        image = folder / f"{kind}.png"
        image.write_bytes(image.read_bytes()[: image.stat().st_size // 2])


@pytest.mark.parametrize("kind", ["settings", "camera", "depth", "confidence"])
def test_what_a_full_disk_or_a_kill_left_damaged_is_made_again(bag, tmp_path, kind):
    assert run(bag, tmp_path / "out", "--model", "unet-tiny").returncode == 0
    shutil.copytree(tmp_path / "out", tmp_path / "whole")
    damage(kind, tmp_path / "out")
    again = run(bag, tmp_path / "out", "--model", "unet-tiny")
    assert again.returncode == 0, again.stderr
    for path in (tmp_path / "whole").rglob("*.*"):
        assert (
            path.read_bytes()
            == (tmp_path / "out" / path.relative_to(tmp_path / "whole")).read_bytes()
        )
    if kind != "settings":
        assert "2 of them from an earlier run" in " ".join(again.stdout.split())


def test_a_folder_of_which_no_frame_can_be_read_is_an_error(tmp_path):
    folder = tmp_path / "frames" / "f"
    folder.mkdir(parents=True)
    (folder / "depth.png").write_bytes(b"x")
    (folder / "camera.json").write_text("{}")
    for k, options in enumerate(([], ["--format", "rosbag2"])):
        out = run(tmp_path / "frames", tmp_path / f"out{k}", "--model", "unet-tiny", *options)
        assert out.returncode == 2 and "no frame can be used" in out.stderr
    assert not (tmp_path / "out0" / "f").exists()


def test_the_picture_of_a_small_image_has_no_scale(tmp_path):
    depth, infrared = noisy_wall(16, 16)
    write_frame(tmp_path / "in" / "0", Frame("0", camera(16, 16), depth, infrared))
    done = run(tmp_path / "in", tmp_path / "out", "--pictures")
    assert done.returncode == 0, done.stderr
    assert "1 frame in" in words(done)
    assert cv2.imread(str(tmp_path / "out" / "0" / "picture.png")).shape == (16, 16, 3)


def test_pictures_show_denoised_depth_in_colours_above_a_scale(bag, tmp_path):
    out = tmp_path / "out"
    holes = "--fill-confidence", 1.01
    assert run(bag, out, *holes).returncode == 0
    assert not list(out.glob("*/picture.png"))
    # A run that resumes, with all frames done, adds the pictures.
    assert run(bag, out, *holes, "--pictures").returncode == 0
    pictures = [cv2.imread(str(path)) for path in sorted(out.glob("*/picture.png"))]
    assert len(pictures) == 3 and {picture.shape for picture in pictures} == {(64 + 40, 96, 3)}
    invalid = cv2.imread(str(next(out.glob("*/depth.png"))), cv2.IMREAD_UNCHANGED) == 0
    drawn = cv2.imread(str(next(out.glob("*/picture.png"))))[:64]
    assert ((drawn == drawn[invalid][0]).all(-1) == invalid).all() and invalid.any()
    refused = run(bag, tmp_path / "other", "--pictures", "--format", "rosbag2")
    assert refused.returncode == 2 and "--pictures" in refused.stderr


def test_what_could_not_be_read_can_be_repeated_with_the_option_that_the_message_names(tmp_path):
    (tmp_path / "in" / "f").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "in" / "f" / "depth.png"), np.full((240, 424), 1000, np.uint16))
    command = tmp_path / "in", tmp_path / "out", "--model", "unet-tiny"
    failed = run(*command)
    assert failed.returncode == 2 and "set the camera with --camera" in failed.stderr
    repeated = run(*command, "--camera", "d435")
    assert repeated.returncode == 0, repeated.stderr
    assert "1 frame in" in repeated.stdout
