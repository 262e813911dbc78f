"""`rs_denoise live` as a program, with librealsense's own devices and no camera."""

import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import islice

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from rs_denoise.cli import live
from rs_denoise.cli.main import app
from rs_denoise.live.camera_stream import CameraStream, LiveError
from rs_denoise.live.devices import software_camera
from rs_denoise.live.view import Statistics
from rs_denoise.recordings.bags.sdk_writer import write_sdk_recording
from rs_denoise.recordings.folders.frame_folder import read_frame, write_frame
from rs_denoise.recordings.frame import Frame, RecordingError, repeat_frames
from rs_denoise.recordings.recording import open_recording
from scenes import camera, noisy_wall

rs = pytest.importorskip("pyrealsense2", reason="pyrealsense2 or its libusb is not installed")


@pytest.fixture(autouse=True)
def no_display(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


def run(*arguments):
    """Exit code, what was printed, and the error that becomes a sentence."""
    result = CliRunner().invoke(app, ["live", *map(str, arguments)])
    return result.exit_code, " ".join(result.output.replace("│", " ").split()), result.exception


def frames(count):
    for k in range(count):
        depth, infrared = noisy_wall(96, 64, seed=k)
        yield Frame(f"{k:03d}", camera(96, 64), depth, infrared)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("sdk") / "wall.db3"
    write_sdk_recording(path, frames(30))
    return path


def test_a_recording_of_the_sdk_becomes_pictures_and_statistics(recording, tmp_path):
    code, printed, error = run(recording, "--out", tmp_path / "view")
    assert code == 0, error
    assert "no window: there is no display" in printed
    # 2 % of the pixels are holes, more or less in those frames that a slow machine gets to.
    assert "denoising" in printed and re.search(r"valid 9[78]\.", printed)
    pictures = [cv2.imread(str(p)) for p in sorted((tmp_path / "view").iterdir())]
    assert 1 < len(pictures) <= 30
    left, right = pictures[-1][30:590, :848], pictures[-1][30:590, -848:]
    assert left.std() > 1 and (left != right).any()


def test_any_recording_plays_as_a_camera_into_a_video(tmp_path):
    for frame in frames(20):
        write_frame(tmp_path / "in" / frame.name, frame)
    code, printed, error = run("--software", tmp_path / "in", "--out", tmp_path / "view.mp4")
    assert code == 0 and "of 20 (" in printed, error
    assert printed.endswith(f" % view: {tmp_path / 'view.mp4'}"), "a line of its own"
    video = cv2.VideoCapture(str(tmp_path / "view.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) >= 10 and video.read()[0]


def test_missing_infrared_is_reported(tmp_path):
    for frame in frames(20):
        write_frame(tmp_path / "in" / frame.name, replace(frame, infrared=None))
    code, printed, error = run("--software", tmp_path / "in")
    assert code == 0 and "no infrared: depth is denoised without it" in printed, error


def test_it_ends_when_time_is_up(tmp_path):
    for frame in frames(150):
        write_frame(tmp_path / "in" / frame.name, frame)
    code, printed, error = run("--software", tmp_path / "in", "--seconds", 0.3)
    assert code == 0, error
    assert 5 < int(re.search(r"of (\d+) \(", printed)[1]) < 140


def test_ctrl_c_ends_it_in_order(tmp_path):
    for frame in frames(900):
        write_frame(tmp_path / "in" / frame.name, frame)
    arguments = ["live", "--software", tmp_path / "in", "--out", tmp_path / "view"]
    process = subprocess.Popen(
        [sys.executable, "-m", "rs_denoise.cli.main", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (tmp_path / "view" / "000001.png").exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    stderr = process.communicate(timeout=30)[1]
    assert process.returncode == 130 and "Traceback" not in stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--software"], "--software needs a recording"),
        (["{sdk}", "--serial", "123"], "give it or a recording, not both"),
        (["{sdk}", "--camera", "d435"], "--camera and topics need --software"),
        (["{sdk}", "--size", "big"], "expected WIDTHxHEIGHT"),
        (["{sdk}", "--out", "{tmp}/no/view.mp4"], "create it first"),
        (["{tmp}/nowhere.db3"], "no such file or folder"),
        (["{tmp}/broken.db3"], "librealsense cannot play it"),
        (["{tmp}/nowhere", "--software"], "no such file or folder"),
    ],
)
def test_what_is_wrong_is_a_sentence(recording, tmp_path, arguments, said):
    (tmp_path / "broken.db3").write_bytes(recording.read_bytes()[:5000])
    code, printed, error = run(*(a.format(sdk=recording, tmp=tmp_path) for a in arguments))
    assert code != 0 and said in f"{printed} {error}"
    # These end as sentences.
    assert isinstance(error, (LiveError, RecordingError, OSError, SystemExit))


def test_a_camera_that_goes_away_ends_it_with_an_error(recording, monkeypatch):
    class Unplugged(CameraStream):
        """What librealsense tells of a camera cannot be had without one."""

        def _put(self, pair):
            super()._put(pair)
            if self.received == 5:
                self.end(LiveError("the camera was unplugged, or lost its power"))

    monkeypatch.setattr("rs_denoise.live.devices.CameraStream", Unplugged)
    code, printed, error = run(recording)
    assert code != 0 and "unplugged" in str(error) and "denoising" in printed


class Hands:
    """A screen before which somebody presses keys."""

    def __init__(self, keys):
        self.keys, self.pictures = list(keys), []

    def show(self, picture):
        self.pictures.append(picture)
        return self.keys.pop(0)

    def close(self):
        pass


def test_keys_save_a_frame_compare_and_quit(recording, tmp_path, monkeypatch):
    hands = Hands(["", "s", " ", "q"])
    monkeypatch.setattr("rs_denoise.cli.live._open_screens", lambda out, console: [hands])
    code, _, error = run(recording, "--saved", tmp_path)
    assert code == 0, error
    assert not hands.keys and len(hands.pictures) == 4  # q was the last
    (folder,) = tmp_path.iterdir()
    saved = read_frame(folder)
    written = {f.depth_mm.tobytes() for f in frames(30)}
    assert saved.depth_mm.tobytes() in written and saved.camera == camera(96, 64)
    assert cv2.imread(str(folder / "denoised.png"), cv2.IMREAD_UNCHANGED).dtype == "uint16"
    same = [(p[30:590, :848] == p[30:590, -848:]).all() for p in hands.pictures]
    assert same == [False, False, False, True]


def test_a_saved_frame_of_a_d405_keeps_its_unit_in_both_images(tmp_path):
    depth_mm = np.full((64, 96), 100.3, np.float32)
    statistics = Statistics(30.0, 30.0, 1, 0, 10.0, 100.0, 100.0)
    hands = Hands(["s"])
    view = live._View(None, None, [hands], tmp_path)
    view._show([hands], Frame("a", camera(96, 64), depth_mm), depth_mm - 0.1, statistics)
    for name, tenths in (("depth", 1003), ("denoised", 1002)):
        image = cv2.imread(str(tmp_path / "a" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        assert (image == tenths).all(), name


def test_a_recording_is_played_in_a_loop_until_time_is_up(tmp_path):
    for frame in frames(3):
        write_frame(tmp_path / "in" / frame.name, frame)
    code, printed, error = run(tmp_path / "in", "--software", "--loop", "--seconds", 2)
    assert code == 0, error
    assert run(tmp_path / "in", "--loop")[0] == 2
    played = list(islice(repeat_frames(frames(3)), 3))
    assert [frame.name for frame in played] == ["000", "001", "002"]
    recording = open_recording(tmp_path / "in")
    stamps = [frame.stamp_ns for frame in islice(repeat_frames(recording), 7)]
    assert len(set(np.diff(stamps) // 1000)) == 1, "stamps go on evenly"


def test_stamps_of_a_loop_go_on_evenly_if_the_first_one_is_zero():
    stamped = [replace(frame, stamp_ns=k * 10**8) for k, frame in enumerate(frames(3))]
    stamps = [frame.stamp_ns for frame in islice(repeat_frames(stamped, rate_hz=10), 7)]
    assert stamps == [k * 10**8 for k in range(7)]


def test_a_paused_camera_in_software_waits(tmp_path):
    for frame in frames(3):
        write_frame(tmp_path / "in" / frame.name, frame)
    with software_camera(repeat_frames(open_recording(tmp_path / "in"))) as stream:
        taken = iter(stream)
        next(taken)
        stream.paused.set()
        time.sleep(0.3)
        received = stream.received
        time.sleep(0.5)
        assert stream.received == received
        stream.paused.clear()
        next(taken), next(taken), next(taken)
        assert stream.received >= received + 2
