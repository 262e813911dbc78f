"""How programs exit on errors: no input file ends one with a traceback."""

import json
import os
import re
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recordings.bags.example_bags import Ros, driver
from rosbags.rosbag2 import StoragePlugin
from typer.testing import CliRunner

from cli.in_process import run_as_process, run_in_process
from rs_denoise.camera import CameraError
from rs_denoise.cli import autoencoder, main
from rs_denoise.cli.program import TRACEBACK, run
from rs_denoise.recordings.folders.frame_folder import write_frame
from rs_denoise.recordings.frame import Frame, RecordingError
from rs_denoise.recordings.recording import open_recording
from rs_denoise.shipped_models import model_file
from scenes import camera, noisy_wall

NAMES = ("bag.mcap", "bag.db3", "bag.bag", "folder", "autoencoder", "raw")


def fail():
    raise ZeroDivisionError("of nothing")


def failing_program():
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(fail)
    return app


def test_an_unforeseen_error_is_a_sentence_that_says_how_to_see_more(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["program"])
    with pytest.raises(SystemExit) as end:
        run(failing_program(), "program")
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert "unexpected ZeroDivisionError in 'program': of nothing" in said and TRACEBACK in said


def test_a_developer_can_see_the_traceback(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["program"])
    monkeypatch.setenv(TRACEBACK, "1")
    with pytest.raises(ZeroDivisionError):
        run(failing_program(), "program")


def wall(number=0):
    depth, infrared = noisy_wall(96, 64, seed=number)
    return Frame(f"{number}", camera(96, 64), depth, infrared, stamp_ns=10**9 + number)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """A small recording of each kind, as the file that is damaged and the path that is opened."""
    folder = tmp_path_factory.mktemp("recordings")
    ros = Ros(2)
    ros.write(folder / "mcap", driver(ros, 2), plugin=StoragePlugin.MCAP)
    ros.write(folder / "db3", driver(ros, 2), plugin=StoragePlugin.SQLITE3)
    shutil.copy(next((folder / "mcap").glob("*.mcap")), folder / "bag.mcap")
    shutil.copy(next((folder / "db3").glob("*.db3")), folder / "bag.db3")
    Ros(1).write(folder / "bag.bag", driver(Ros(1), 2))
    write_frame(folder / "folder" / "f", wall())
    (folder / "autoencoder").mkdir()
    cv2.imwrite(str(folder / "autoencoder" / "res-a.png"), wall().depth_mm)
    shutil.copy(folder / "folder" / "f" / "camera.json", folder / "autoencoder" / "camera.json")
    (folder / "raw").mkdir()
    (folder / "raw" / "a_Depth.raw").write_bytes(bytes(424 * 240 * 2))
    return folder


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
def test_reading_what_is_damaged_gives_frames_or_an_error_of_this_package(recordings, name, data):
    target = recordings / "damaged"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    source = recordings / name
    (shutil.copytree if source.is_dir() else shutil.copy)(source, target / name)
    files = sorted(p for p in target.rglob("*") if p.is_file())
    file = data.draw(st.sampled_from(files))
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        content[start : start + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=40))
    file.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        for frame in open_recording(target / name):
            assert frame.depth_mm.dtype == np.uint16
    except (RecordingError, CameraError):
        pass


CAMERA = {"width": 96, "height": 64, "fx": 48.0, "fy": 48.0, "cx": 47.5, "cy": 31.5,
          "baseline_m": 0.05}  # fmt: skip


@pytest.mark.parametrize("value", ["1", None, [1], {}, True, 10**400, float("nan"), -1])
@pytest.mark.parametrize("key", [*CAMERA, "stamp_ns"])
def test_a_camera_json_of_wrong_values_skips_its_frame_by_name(tmp_path, key, value):
    for name in ("good", "odd"):
        write_frame(tmp_path / name, wall())
    text = json.dumps({**CAMERA, key: value})
    (tmp_path / "odd" / "camera.json").write_text(text)
    recording = open_recording(tmp_path)
    names = [frame.name for frame in recording]
    harmless = (key in ("cx", "cy") and value == -1) or (key == "stamp_ns" and value is None)
    assert names == (["good", "odd"] if harmless else ["good"])
    assert harmless or "camera.json" in recording.skipped["odd"]


def test_a_camera_json_that_an_editor_wrote_with_a_byte_order_mark_is_read(tmp_path):
    write_frame(tmp_path, wall())
    file = tmp_path / "camera.json"
    file.write_text(file.read_text(), "utf-8-sig")
    (frame,) = open_recording(tmp_path)
    assert frame.camera == wall().camera and frame.stamp_ns == 10**9


def test_negative_stamps_are_replaced_by_the_time_of_arrival(tmp_path):
    ros = Ros(2)
    messages = [(topic, ros.info(-5 * 10**9) if "info" in topic
                 else ros.image(wall().depth_mm, "16UC1", -5 * 10**9))
                for topic, _ in driver(ros, 1) if "infra" not in topic]  # fmt: skip
    messages = [(t, ros.info(-5 * 10**9, 96, 64) if "info" in t else m) for t, m in messages]
    (frame,) = open_recording(ros.write(tmp_path / "bag", messages))
    assert frame.stamp_ns == 10**9 + 1


@pytest.mark.parametrize("command", [
    ["evaluate", "{}"], ["denoise", "{}", "{}-out"], ["convert", "{}", "{}-out"],
    ["animate", "{}", "--out", "{}.gif"], ["cross-section", "{}", "--row", "4", "--out", "{}.png"],
    ["plane-fit", "{}"],
])  # fmt: skip
def test_no_reading_command_ends_in_a_traceback(tmp_path, command):
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "depth.png").write_bytes(b"\x89PNG\r\n\x1a\nxxxx")
    (tmp_path / "f" / "camera.json").write_text(json.dumps({**CAMERA, "fx": "wide"}))
    arguments = [part.format(tmp_path / "f") for part in command]
    out = run_in_process(main.main, *arguments)
    assert out.returncode == 2 and "Traceback" not in out.stderr, out.stderr
    assert "fx is 'wide', expected a number" in " ".join(out.stderr.split())


def test_names_that_are_no_text_are_printed_and_written_with_escapes(tmp_path):
    names = [os.fsdecode(b"r\xfcck"), "hin"]  # as a computer set to Latin-1 wrote it
    page = tmp_path / os.fsdecode(b"\xfcbersicht.html")
    for name in names:
        frame = Frame("0", camera(96, 64), *noisy_wall(96, 64))
        write_frame(tmp_path / name / "0", frame)
    evaluated = run_in_process(
        main.main, "evaluate", *(tmp_path / name for name in names), "--model", "unet-tiny",
        "--html", page,
    )  # fmt: skip
    assert evaluated.returncode == 0, evaluated.stderr
    assert r">r\udcfcck</a>" in page.read_text() and '"%FCbersicht_recordings/' in page.read_text()
    denoised = run_as_process(
        main.main, "denoise", tmp_path / names[0], tmp_path / os.fsdecode(b"\xfc"),
        "--model", "unet-tiny", env=os.environ | {"PYTHONIOENCODING": "ascii:strict"},
    )  # fmt: skip
    assert denoised.returncode == 0 and r"\udcfc" in denoised.stdout, denoised.stderr


@pytest.mark.parametrize("option", [
    ["--camera-height", "inf"], ["--camera-height", "1", "--camera-pitch", "nan"],
])  # fmt: skip
def test_a_camera_at_no_finite_place_is_refused(tmp_path, option):
    result = CliRunner().invoke(main.app, ["evaluate", str(tmp_path), *option])
    assert result.exit_code == 2 and "must be a finite number" in result.output


def test_markdown_of_a_recording_without_ground_truth_is_written(tmp_path):
    write_frame(tmp_path / "frames" / "f", wall())
    out = tmp_path / "out.md"
    arguments = ["evaluate", tmp_path / "frames", "--model", "unet-tiny", "--markdown", out]
    result = CliRunner().invoke(main.app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    assert out.read_text().startswith("0 frames")


@pytest.mark.parametrize("width, height", [(96, 12), (3, 2)])
def test_frames_smaller_than_the_parts_that_are_looked_at_are_evaluated(tmp_path, width, height):
    depth_mm = np.full((height, width), 1000, np.uint16)
    write_frame(tmp_path / "f", Frame("f", camera(width, height), depth_mm))
    arguments = ["evaluate", tmp_path, "--model", "unet-tiny", "--roi", "500,0,20,20"]
    result = CliRunner().invoke(main.app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    assert "no --roi is within the image and shows a plane" in " ".join(result.output.split())


def test_a_broken_image_does_not_end_the_tests_of_an_autoencoder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    images = tmp_path / "images" / "test"
    for folder in (images, autoencoder.DENOISED, autoencoder.TEST_CROPPED, "models/a.model"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(model_file("unet-tiny"), "models/a.model/model.pt")
    (images / "res-broken.png").write_bytes(b"no")
    old = autoencoder.DENOISED / "res-old.png"
    old.write_bytes(b"old")
    with pytest.raises(autoencoder.AutoencoderError, match="no frame in it can be read"):
        autoencoder._test(images, Path("models/a.model"))
    assert old.exists()
    cv2.imwrite(str(images / "res-whole.png"), wall().depth_mm)
    autoencoder._test(images, Path("models/a.model"))
    assert [p.name for p in autoencoder.DENOISED.iterdir()] == ["res-whole.png"]
    assert "skipped broken" in capsys.readouterr().err


def test_an_unusable_frame_is_replaced_by_the_next_in_a_training(caplog):
    from dataclasses import replace

    from rs_denoise.training.crop_dataset import CropDataset

    def broken():
        raise RecordingError("b/depth.png: not a readable PNG")

    good = replace(wall(), ground_truth_mm=wall().depth_mm)
    data = CropDataset([broken, lambda: wall(), lambda: good], 32, 1, False, 0)
    assert [tuple(data[k]["truth_px"].shape) for k in range(3)] == [(1, 1, 32, 32)] * 3
    assert "b/depth.png" in caplog.text and "0: training needs ground truth" in caplog.text


def test_a_frame_that_is_mostly_wrong_is_skipped_where_settings_say_so(caplog):
    from dataclasses import replace

    from rs_denoise.training.crop_dataset import CropDataset

    good = replace(wall(), ground_truth_mm=wall().depth_mm)
    truth_mm = wall().depth_mm.copy()
    truth_mm[:, : truth_mm.shape[1] // 4] *= 2  # measured at half of its depth
    bad = replace(wall(), name="bad", ground_truth_mm=truth_mm)
    readers = [lambda: bad, lambda: good]
    whole = CropDataset(readers, 32, 4, False, 0)
    strict = CropDataset(readers, 32, 4, False, 0, max_wrong_pct=3)
    assert len(whole) == len(strict) == 2 and whole[0] and caplog.text == ""
    item = strict[0]
    assert torch.equal(item["truth_px"], item["disparity_px"])
    assert re.search("bad: 2[0-9] % of its depth is wrong, and max_wrong_pct is 3", caplog.text)
