import csv
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

pytest.importorskip("matplotlib", reason="charts need matplotlib")

from PIL import Image

from conftest import SAMPLE
from rs_denoise.cli.animate import MAX_GIF_BYTES, animate
from rs_denoise.cli.cross_section import cross_section
from rs_denoise.cli.plane_fit import plane_fit
from rs_denoise.drawing.figure import ChartError
from rs_denoise.evaluation.charts.plane_chart import draw_plane_chart
from rs_denoise.evaluation.frame_comparison import FrameComparison
from rs_denoise.evaluation.metrics.planes import Roi, fit_plane
from rs_denoise.recordings.folders.frame_folder import write_frame
from rs_denoise.recordings.frame import Frame
from rs_denoise.synthetic_frame import synthetic_frame, typical_camera
from scenes import Scaled, camera, noisy_wall

app = typer.Typer()
for command in (cross_section, plane_fit, animate):
    app.command(command.__name__)(command)

WIDTH, HEIGHT = 128, 96


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def complaint(result):
    """What the user reads, of an error in the options or of one of ours; nothing else may fail."""
    text = result.output if result.exit_code == 2 else str(result.exception)
    assert result.exit_code == 2 or type(result.exception).__module__.startswith("rs_denoise")
    return " ".join(text.replace("│", " ").split())


@pytest.fixture
def frames(tmp_path):
    """Two frames of a wall at 2 m; the second knows the truth and has a hole of 8x10 px."""
    for name, seed in (("a", 0), ("b", 1)):
        depth, infrared = noisy_wall(WIDTH, HEIGHT, seed=seed)
        depth[depth == 0] = 2000
        truth = np.full_like(depth, 2000) if name == "b" else None
        if truth is not None:
            depth[40:48, 50:60] = 0
        write_frame(
            tmp_path / "in" / name, Frame(name, camera(WIDTH, HEIGHT), depth, infrared, truth)
        )
    return tmp_path / "in"


@pytest.fixture
def nearer(make_model, tmp_path):
    """A model that loads fast and takes all depth for half of what it is."""
    make_model(Scaled(2.0))
    return tmp_path / "model.pt"


@pytest.fixture
def headless(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND"):
        monkeypatch.delenv(name, raising=False)


def test_cross_section_writes_what_is_along_the_line(frames, tmp_path):
    out, samples = tmp_path / "line.png", tmp_path / "line.csv"
    result = run("cross_section", frames, "--frame", "b", "--from", "20,43", "--to", "100,43",
                 "--out", out, "--csv", samples)  # fmt: skip
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(samples.open()))
    raw = cv2.imread(str(frames / "b" / "depth.png"), cv2.IMREAD_UNCHANGED)[43, 20:101]
    assert [row["raw_mm"] for row in rows] == [str(mm) if mm else "" for mm in raw]
    assert {row["ground_truth_mm"] for row in rows} == {"2000"}
    denoised = np.array([float(row["denoised_mm"]) for row in rows if row["denoised_mm"]])
    assert len(denoised) > 40 and np.abs(denoised - 2000).mean() < 20
    assert cv2.imread(str(out)).std() > 20
    assert "frame b, 81 px from 20,43 to 100,43" in result.output


def test_rows_and_columns_are_whole_lines_and_the_model_is_the_one_named(frames, nearer, tmp_path):
    out = tmp_path / "x.csv"
    for option, number, count in (("--row", 5, WIDTH), ("--column", 7, HEIGHT)):
        result = run("cross_section", frames, option, number, "--csv", out, "--model", nearer)
        assert result.exit_code == 0, result.output
        rows = list(csv.DictReader(out.open()))
        assert len(rows) == count
        assert {row["y_px" if option == "--row" else "x_px"] for row in rows} == {str(number)}
        assert all(abs(float(r["denoised_mm"]) - float(r["raw_mm"]) / 2) <= 0.5 for r in rows)


def test_without_a_display_a_line_and_a_file_have_to_be_given(headless, frames):
    text = complaint(run("cross_section", frames, "--csv", "x.csv"))
    assert "no display" in text and "--row N" in text and "--from x,y --to x,y" in text
    text = complaint(run("cross_section", frames, "--row", 5))
    assert "no display" in text and "--out FILE.png" in text and "--row" not in text


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [(["cross_section", "--row", "96", "--csv", "x"], "0,96 is not in the image of 128x96"),
     (["cross_section", "--from", "1,2", "--csv", "x"], "--from needs --to"),
     (["cross_section", "--row", "1", "--column", "2"], "more than one line is given"),
     (["cross_section", "--from", "1;2", "--to", "3,4", "--csv", "x"], "as x,y, such as"),
     (["cross_section", "--row", "1", "--out", "x.jpeg"], "end in .png or .pdf or .svg"),
     (["cross_section", "--row", "1", "--csv", "x", "--frame", "2"],
      "no frame '2': expected a name, or a number from 0 to 1"),
     (["plane_fit", "--roi", "1,2,3"], "four whole numbers"),
     (["plane_fit", "--roi", "100,0,29,9"], "the image is 128x96"),
     (["plane_fit", "--wall", "2000"], "--wall needs --roi"),
     (["plane_fit", "--all-frames", "--frame", "a"], "exclude each other"),
     (["animate", "--out", "x.webm"], "x.webm: its name must end in .gif or .mp4"),
     (["animate", "--out", "x.mp4", "--size", "301x200"], "even width and height, got 301x200")],
)  # fmt: skip
def test_what_the_user_can_correct_is_a_sentence(frames, nearer, arguments, expected):
    result = run(arguments[0], frames, *arguments[1:], "--model", nearer)
    assert expected in complaint(result)


def test_plane_fit_prints_intels_figures_and_draws_the_distances(frames, tmp_path):
    result = run("plane_fit", frames, "--frame", "1", "--roi", "45,36,40,40", "--wall", "1900",
                 "--out", tmp_path / "plane.png")  # fmt: skip
    assert result.exit_code == 0, result.output
    rows = {line.split("│")[1].strip(): line.split("│")[2:-1] for line in result.output.splitlines()
            if line.startswith("│")}  # fmt: skip
    fill, rms_mm, _, rms_px, distance, tilt, accuracy = (float(c) for c in rows["raw"])
    # 80 of 1600 px are the hole; the noise is 8 mm, which is 0.0425 px at 2 m.
    assert fill == 95.0 and abs(rms_mm - 8) < 0.5 and abs(rms_px - 0.0425) < 0.004
    assert abs(distance - 2000) < 3 and tilt < 1 and abs(accuracy - 5.26) < 0.1
    assert [float(c) for c in rows["ground truth"]] == [100, 0, 0, 0, 2000, 0, 5.26]
    assert float(rows["denoised"][1]) < rms_mm
    assert cv2.imread(str(tmp_path / "plane.png")).std() > 20


def test_plane_fit_finds_the_wall_and_takes_all_frames(frames):
    result = run("plane_fit", frames, "--all-frames")
    assert result.exit_code == 0, result.output
    assert "mean over 2 frames" in result.output and "1: region" in result.output
    counts = {line.split("│")[1].strip(): line.split("│")[-2].strip()
              for line in result.output.splitlines() if line.startswith("│")}  # fmt: skip
    assert counts == {"raw": "2", "denoised": "2", "ground truth": "1"}


def test_plane_fit_says_when_there_is_no_plane(nearer, tmp_path):
    depth = np.random.default_rng(0).integers(500, 4000, (HEIGHT, WIDTH)).astype(np.uint16)
    write_frame(tmp_path / "f", Frame("f", camera(WIDTH, HEIGHT), depth))
    assert "no plane found in frame f" in complaint(
        run("plane_fit", tmp_path / "f", "--model", nearer)
    )


def test_distances_from_the_plane_are_signed_and_share_one_scale():
    raw = np.full((96, 128), 2000, np.uint16)
    raw[40:44, 60:64] = 1950
    raw[50:54, 60:64] = 2020
    raw[60:64, 60:64] = 0
    seen, roi = camera(WIDTH, HEIGHT), Roi(30, 20, 70, 60)
    denoised = np.full_like(raw, 2000)
    fits = {name: [fit_plane(d, seen, roi)] for name, d in (("raw", raw), ("denoised", denoised))}
    figure = draw_plane_chart(FrameComparison(Frame("f", seen, raw), denoised), [roi], fits)
    before, after = (panel.images[1] for panel in figure.axes[1:3])
    assert before.get_clim() == after.get_clim() and sum(before.get_clim()) == 0
    distance = before.get_array().filled(np.nan)
    assert distance[41, 61] == pytest.approx(-50, abs=1)
    assert distance[51, 61] == pytest.approx(20, abs=1)
    assert np.isnan(distance[61, 61]) and np.isnan(distance[10, 61]) and np.isnan(distance[41, 20])
    assert np.nanmax(np.abs(after.get_array())) < 0.01


@pytest.mark.parametrize("command", ["cross_section", "plane_fit", "animate"])
def test_images_without_a_camera_need_one_named(command, frames, tmp_path):
    """Every command that suggests --camera has it, and says what was assumed or not used."""
    for name in "ab":
        (frames / name / "camera.json").replace(tmp_path / "camera.json")
    more = {"cross_section": ("--row", 3), "plane_fit": (), "animate": ("--seconds", 0.5)}
    out = tmp_path / ("x.gif" if command == "animate" else "x.png")
    arguments = [command, frames, "--out", out, *more[command]]
    assert "set the camera with --camera" in complaint(run(*arguments))
    done = run(*arguments, "--camera", tmp_path / "camera.json")
    assert done.exit_code == 0 and out.exists(), done.exception


@pytest.mark.parametrize("command", ["cross_section", "plane_fit", "animate"])
def test_a_right_image_that_is_not_used_is_named(command, tmp_path):
    depth, left, right = synthetic_frame(typical_camera(424, 240))
    swapped = Frame("", typical_camera(424, 240), depth, right, infrared_right=left)
    write_frame(tmp_path / "in" / "a", swapped)
    more = {"cross_section": ("--row", 3), "plane_fit": (), "animate": ("--seconds", 0.5)}
    out = tmp_path / ("x.gif" if command == "animate" else "x.png")
    done = run(command, tmp_path / "in", "--out", out, *more[command])
    assert done.exit_code == 0, done.exception
    assert "infra1 and infra2 swapped" in " ".join(done.output.split())


def test_animate_writes_a_gif_of_the_sample_that_swings_and_is_not_too_large(tmp_path):
    out = tmp_path / "turn.gif"
    result = run("animate", SAMPLE, "--out", out, "--seconds", "0.5", "--size", "480x240")
    assert result.exit_code == 0, result.output
    with Image.open(out) as gif:
        assert (gif.n_frames, gif.size, gif.info["duration"]) == (5, (480, 240), 100)
        assert gif.info["loop"] == 0
        pictures = []
        for number in range(5):
            gif.seek(number)
            pictures.append(np.asarray(gif.convert("RGB")).astype(int))
    assert out.stat().st_size <= MAX_GIF_BYTES
    # Of three clouds, each is of many colours, and each moves.
    for left in (0, 160, 320):
        panels = [picture[40:, left + 2 : left + 158] for picture in pictures]
        assert len(np.unique(panels[0].reshape(-1, 3), axis=0)) > 30
        assert all((panel != panels[0]).mean() > 0.1 for panel in panels[1:3])
    assert "frame 1000000000, 5 pictures" in result.output


def test_animate_writes_an_mp4_that_opencv_reads(frames, tmp_path):
    out = tmp_path / "turn.mp4"
    result = run("animate", frames, "--out", out, "--seconds", "0.5", "--size", "258x130")
    assert result.exit_code == 0, result.output
    video = cv2.VideoCapture(str(out))
    assert (video.get(cv2.CAP_PROP_FPS), video.get(cv2.CAP_PROP_FRAME_COUNT)) == (25, 12)
    read, picture = video.read()
    assert read and picture.shape == (130, 258, 3) and picture.std() > 20


def test_a_video_that_cannot_be_written_is_a_sentence(tmp_path):
    from rs_denoise.cli.animate import FORMATS

    picture = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(ChartError, match="cannot write it"):
        FORMATS[".mp4"].write(tmp_path / "missing" / "x.mp4", [picture], 25.0)


WINDOW = """
import sys
from matplotlib import pyplot
from matplotlib.backend_bases import MouseEvent
from rs_denoise.cli.cross_section import cross_section
import typer

def act():
    canvas = pyplot.gcf().canvas
    canvas.draw()
    for kind, x, y in (("button_press", 10, 20), ("motion_notify", 60, 40),
                       ("button_release", 60, 40)):
        place = pyplot.gcf().axes[0].transData.transform((x, y))
        event = MouseEvent(kind + "_event", canvas, *place, 1)
        canvas.callbacks.process(event.name, event)
    pyplot.close("all")

show = pyplot.show
def show_and_act():
    pyplot.gcf().canvas.get_tk_widget().after(300, act)
    show()
pyplot.show = show_and_act
typer.run(cross_section)
"""


def test_a_line_is_drawn_in_a_window(frames, tmp_path, display):
    result = subprocess.run(
        [sys.executable, "-c", WINDOW, str(frames), "--csv", str(tmp_path / "line.csv")],
        env={**os.environ, "DISPLAY": display, "MPLBACKEND": "tkagg"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    rows = list(csv.DictReader((tmp_path / "line.csv").open()))
    assert [rows[0]["x_px"], rows[0]["y_px"]] == ["10", "20"]
    assert [rows[-1]["x_px"], rows[-1]["y_px"]] == ["60", "40"]
