import time
from dataclasses import replace

import cv2
import numpy as np
import pytest

from rs_denoise.drawing.picture import colour_depth
from rs_denoise.live.screens import (
    QUIT,
    NoDisplay,
    PictureFolder,
    TkWindow,
    VideoFile,
    open_window,
)
from rs_denoise.live.view import GAP, LINE_HEIGHT, PANEL_WIDTH, ColourRange, Meter, Statistics
from rs_denoise.live.view import draw_view as view

STATISTICS = Statistics(30.0, 18.5, 100, 38, 54.0, 90.0, 92.5)
RANGE = (500.0, 4000.0)


def steps():
    """Near on the left, far on the right, and a hole; denoised fills it."""
    raw = np.full((480, 848), 800, np.uint16)
    raw[:, 424:] = 3000
    raw[100:200, 100:200] = 0
    return raw, np.where(raw == 0, 800, raw).astype(np.uint16)


def panels(picture):
    left = picture[LINE_HEIGHT : LINE_HEIGHT + 480, :PANEL_WIDTH]
    return left, picture[LINE_HEIGHT : LINE_HEIGHT + 480, PANEL_WIDTH + GAP :]


def test_the_view_shows_both_in_the_same_colours():
    raw, denoised = steps()
    left, right = panels(view(raw, denoised, STATISTICS, RANGE))
    np.testing.assert_array_equal(left, colour_depth(raw, *RANGE))
    np.testing.assert_array_equal(right, colour_depth(denoised, *RANGE))
    assert (left != right).any(axis=2).sum() == 100 * 100


def test_blinking_shows_raw_depth_in_the_place_of_denoised_depth():
    raw, denoised = steps()
    left, right = panels(view(raw, denoised, STATISTICS, RANGE, blink=True))
    np.testing.assert_array_equal(left, right)


def test_the_figures_are_written_below():
    raw, denoised = steps()
    picture = view(raw, denoised, STATISTICS, RANGE)
    text = picture[LINE_HEIGHT + 480 :]
    assert text.shape[0] == 3 * LINE_HEIGHT and (text < 128).sum() > 1000
    assert "in 30.0 Hz   out 18.5 Hz   dropped 38 of 100 (38 %)" in STATISTICS.lines()[0]
    assert STATISTICS.lines()[1] == "denoising  54.0 ms (p50)   valid 90.0 -> 92.5 %"


def test_a_right_image_that_is_not_used_is_said():
    rejected = replace(STATISTICS, right_rejected=True)
    assert "right infrared does not match, not used" in rejected.lines()[1]


@pytest.mark.parametrize("size", [(96, 64), (1280, 720)])
def test_frames_of_any_size_fit_the_screen(size):
    depth = np.full(size[::-1], 1000, np.uint16)
    picture = view(depth, depth, STATISTICS, RANGE)
    assert picture.shape[1] == 2 * PANEL_WIDTH + GAP and picture.shape[0] < 800


def test_the_meter_tells_rates_medians_and_fill():
    meter = Meter()
    raw, denoised = np.array([[1, 0]], np.uint16), np.array([[1, 1]], np.uint16)
    for k, took_ms in enumerate([500.0, 20.0, 30.0, 40.0, 50.0]):
        meter.add(10 + 0.05 * k, took_ms, raw, denoised)
    statistics = meter.statistics(29.9, 8, 3)
    assert statistics == Statistics(29.9, pytest.approx(20), 8, 3, 40.0, 50.0, 100.0)


def test_colours_follow_the_scene_slowly_and_do_not_mind_an_empty_frame():
    colours = ColourRange()
    near = np.tile(np.linspace(500, 1000, 64).astype(np.uint16), (64, 1))
    assert colours.update(near) == pytest.approx((505, 985), rel=0.03)
    jumped = colours.update(4 * near)
    assert jumped == pytest.approx((1.3 * 505, 1.3 * 985), rel=0.03)
    assert all(np.isfinite(colours.update(0 * near)))
    first = ColourRange().update(0 * near)
    assert 0 < first[0] < first[1]


def test_a_video_runs_at_real_speed(tmp_path):
    screen = VideoFile(tmp_path / "view.mp4")
    raw, denoised = steps()
    picture = view(raw, denoised, STATISTICS, RANGE)
    shown = []
    for _ in range(4):
        shown.append(time.monotonic())
        screen.show(picture[:-1])  # an odd height, which codecs do not take
        time.sleep(0.2)
    screen.close()
    video = cv2.VideoCapture(str(tmp_path / "view.mp4"))
    count = video.get(cv2.CAP_PROP_FRAME_COUNT)
    # Until the last picture came, however long the machine took to write it.
    seconds = count / video.get(cv2.CAP_PROP_FPS)
    assert seconds == pytest.approx(shown[-1] - shown[0], abs=0.1)
    read, first = video.read()
    assert read and np.abs(first.astype(int) - picture[: first.shape[0]]).mean() < 8


def test_a_video_that_cannot_be_written_is_a_sentence(tmp_path):
    with pytest.raises(OSError, match="the video cannot be written"):
        VideoFile(tmp_path / "missing" / "view.mp4").show(np.zeros((64, 64, 3), np.uint8))


def test_pictures_are_numbered(tmp_path):
    screen = PictureFolder(tmp_path / "out")
    for grey in (10, 200):
        assert screen.show(np.full((8, 8, 3), grey, np.uint8)) == ""
    found = [cv2.imread(str(p))[0, 0, 0] for p in sorted((tmp_path / "out").iterdir())]
    assert found == [10, 200]


def test_a_window_shows_the_picture_and_gives_the_keys(display, monkeypatch):
    monkeypatch.setenv("DISPLAY", display)
    window = TkWindow()
    raw, denoised = steps()
    picture = view(raw, denoised, STATISTICS, RANGE)
    assert window.show(picture) == ""
    pixels = window._photo.get(100, LINE_HEIGHT + 300), window._photo.get(700, LINE_HEIGHT + 300)
    assert pixels == tuple(
        tuple(int(c) for c in picture[LINE_HEIGHT + 300, x, ::-1]) for x in (100, 700)
    )
    window._root.focus_force()
    window._root.update()
    for name, key in (("s", "s"), ("space", " ")):
        window._root.event_generate("<Key>", keysym=name)
        assert window.show(picture) == key
    window._on_close()  # what the window manager calls
    assert window.show(picture) == QUIT
    window.close()


def test_a_display_gives_a_window_and_none_gives_a_reason(display, monkeypatch):
    monkeypatch.setenv("DISPLAY", display)
    window = open_window()
    window.show(np.zeros((64, 64, 3), np.uint8))
    window.close()
    monkeypatch.setenv("DISPLAY", ":9999")
    with pytest.raises(NoDisplay, match="cannot open the display"):
        TkWindow()
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(NoDisplay, match="DISPLAY is not set"):
        open_window()
