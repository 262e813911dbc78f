"""Images stored without a camera: the user's is used, and only what is missing is assumed."""

import dataclasses
import json

import cv2
import numpy as np
import pytest
from recordings.bags.example_bags import DEPTH, INFO, INFRARED, Ros

from cli.in_process import run_in_process
from rs_denoise.camera import Camera
from rs_denoise.cli.main import main
from rs_denoise.recordings.folders.frame_folder import write_frame
from rs_denoise.recordings.frame import Frame, RecordingError
from rs_denoise.recordings.overrides import Overrides
from rs_denoise.recordings.recording import open_recording
from scenes import noisy_wall

WIDTH, HEIGHT = 848, 480
MINE = Camera(WIDTH, HEIGHT, 500.0, 501.0, 420.5, 239.5, 0.09)


@pytest.fixture(params=["frame folder", "Denoise-Autoencoder", "raw", "bag", "damaged camera_info"])
def images(request, tmp_path):
    """One frame without a camera, or with one of zeros, as some drivers publish it."""
    folder = tmp_path / "images"
    depth, infrared = noisy_wall(WIDTH, HEIGHT)
    if request.param in ("bag", "damaged camera_info"):
        ros = Ros(2)
        messages = [
            (DEPTH, ros.image(depth, "16UC1", 1)),
            (INFRARED, ros.image(infrared, "mono8", 1)),
        ]
        if request.param == "damaged camera_info":
            messages.insert(0, (INFO, ros.info(1, WIDTH, HEIGHT, fx=0.0)))
        return ros.write(folder, messages)
    folder.mkdir()
    if request.param == "frame folder":
        write_frame(folder / "0", Frame("0", MINE, depth, infrared))
        (folder / "0" / "camera.json").unlink()
    elif request.param == "raw":
        depth.tofile(folder / "0_Depth.raw")
        infrared.tofile(folder / "0_Infrared.raw")
    else:
        cv2.imwrite(str(folder / "res-0.png"), depth)
        cv2.imwrite(str(folder / "left-0.png"), infrared)
    return folder


@pytest.fixture
def camera_json(tmp_path):
    MINE.to_file(tmp_path / "mine.json")
    return str(tmp_path / "mine.json")


def test_a_camera_json_or_a_model_is_taken_and_nothing_assumed(images, camera_json):
    for name, expected in ((camera_json, MINE), ("d455", Camera.d455(WIDTH, HEIGHT))):
        recording = open_recording(images, Overrides(camera=name))
        (frame,) = recording
        assert frame.camera == expected and frame.depth_mm.shape == (HEIGHT, WIDTH)
        assert recording.notes == [] and recording.assumed == []
        assert set(recording.skipped) <= {"a camera_info"}


def test_the_baseline_alone_leaves_the_focal_length_assumed(images):
    if not list(images.glob("*.png")) + list(images.glob("*.raw")):
        pytest.skip("frame folders and bags without a camera are read with --camera only")
    recording = open_recording(images, Overrides(baseline_m=0.095))
    (frame,) = recording
    assert frame.camera == dataclasses.replace(Camera.d435(WIDTH, HEIGHT), baseline_m=0.095)
    assert recording.assumed == ["fx", "fy", "cx", "cy"]
    assert "focal length is assumed; set it with --camera" in recording.notes[0]


def test_a_camera_of_another_size_is_refused(images, tmp_path):
    name = tmp_path / "small.json"
    Camera.d435(640, 480).to_file(name)
    with pytest.raises(RecordingError, match="images of 640x480, and the recording's are 848x480"):
        list(open_recording(images, Overrides(camera=str(name))))


def test_denoise_writes_the_camera_that_was_given(images, camera_json, tmp_path):
    out = tmp_path / "out"
    options = ("--camera", camera_json, "--model", "unet-tiny")
    assert run_in_process(main, "denoise", images, out, *options).returncode == 0
    (written,) = out.glob("*/camera.json")
    fields = json.loads(written.read_text())
    assert Camera.from_file(written) == MINE and "assumed" not in fields


def test_an_unknown_camera_is_a_sentence(tmp_path):
    out = run_in_process(main, "denoise", tmp_path, tmp_path / "out", "--camera", "d999")
    assert out.returncode == 2
    assert "d999: neither a camera.json nor a camera model; models are d405, d415" in out.stderr


def test_a_recorded_camera_is_not_replaced(tmp_path):
    write_frame(tmp_path / "0", Frame("0", MINE, np.full((HEIGHT, WIDTH), 900, np.uint16)))
    (frame,) = open_recording(tmp_path, Overrides(camera="d455"))
    assert frame.camera == MINE
