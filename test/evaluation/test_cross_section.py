import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="charts need matplotlib")

from matplotlib.backend_bases import MouseEvent
from matplotlib.backends.backend_agg import FigureCanvasAgg

from rs_denoise.drawing.figure import new_figure
from rs_denoise.evaluation.charts.section_chart import LinePicker, SectionChart
from rs_denoise.evaluation.cross_section import CrossSectionError, sample_line, write_csv
from rs_denoise.evaluation.frame_comparison import FrameComparison
from rs_denoise.recordings.frame import Frame
from scenes import camera, noisy_wall

# Each pixel tells where it is: 100 * row + column + 1.
NUMBERED = (100 * np.arange(8)[:, None] + np.arange(12)[None, :] + 1).astype(np.uint16)


def test_a_flat_line_takes_the_nearest_pixel_of_each_column():
    profile = sample_line(NUMBERED, (0, 0), (5, 2))
    assert profile.x_px.tolist() == [0, 1, 2, 3, 4, 5]
    assert profile.y_px.tolist() == [0, 0, 1, 1, 2, 2]
    assert profile.depth_mm.tolist() == [1, 2, 103, 104, 205, 206]
    assert profile.along_px == pytest.approx(np.arange(6) * np.sqrt(29) / 5)


def test_a_steep_line_takes_one_pixel_of_each_row():
    profile = sample_line(NUMBERED, (3, 7), (5, 1))
    assert profile.y_px.tolist() == [7, 6, 5, 4, 3, 2, 1]
    assert profile.x_px.tolist() == [3, 3, 4, 4, 4, 5, 5]
    assert profile.along_px[-1] == pytest.approx(np.hypot(2, 6))


@pytest.mark.parametrize(
    ("start", "end", "count"), [((0, 4), (11, 4), 12), ((6, 7), (6, 0), 8), ((0, 0), (7, 7), 8)]
)
def test_rows_columns_and_diagonals_are_complete(start, end, count):
    profile = sample_line(NUMBERED, start, end)
    assert len(profile.depth_mm) == count
    assert (profile.depth_mm == NUMBERED[profile.y_px, profile.x_px]).all()
    assert (profile.x_px[0], profile.y_px[0]) == start and (
        profile.x_px[-1],
        profile.y_px[-1],
    ) == end


def test_across_an_edge_there_is_no_depth_between_both_sides_and_a_hole_is_a_gap():
    depth = np.full((40, 40), 1000, np.uint16)
    depth[:, 20:] = 3000
    depth[:, 10:13] = 0
    profile = sample_line(depth, (0, 1), (39, 33))
    assert set(profile.depth_mm[np.isfinite(profile.depth_mm)]) == {1000, 3000}
    assert np.flatnonzero(np.isnan(profile.depth_mm)).tolist() == [10, 11, 12]


@pytest.mark.parametrize(
    ("start", "end", "complaint"),
    [((0, 0), (12, 3), "12,3 is not in the image of 12x8: x goes from 0 to 11, y from 0 to 7"),
     ((-1, 0), (3, 3), "-1,0 is not in the image of 12x8"),
     ((3, 8), (0, 0), "3,8 is not in the image"),
     ((4, 4), (4, 4), "starts and ends at 4,4")],
)  # fmt: skip
def test_a_line_that_cannot_be_is_a_sentence(start, end, complaint):
    with pytest.raises(CrossSectionError, match=complaint):
        sample_line(NUMBERED, start, end)


def test_csv_has_a_row_for_each_sample_and_empty_cells_for_holes(tmp_path):
    raw, truth = NUMBERED.copy(), NUMBERED
    raw[0, 1] = 0
    profiles = {
        "raw": sample_line(raw, (0, 0), (2, 0)),
        "ground truth": sample_line(truth, (0, 0), (2, 0)),
    }
    write_csv(tmp_path / "line.csv", profiles)
    assert (tmp_path / "line.csv").read_text().splitlines() == [
        "x_px,y_px,along_px,raw_mm,ground_truth_mm",
        "0,0,0.000,1,1",
        "1,0,1.000,,2",
        "2,0,2.000,3,3",
    ]


@pytest.fixture
def chart():
    """A wall 96 px wide, seen raw and denoised: 1 m nearer, to tell them apart."""
    depth, infrared = noisy_wall(96, 64)
    depth[30:34, 40:60] = 0
    depth[32, 80] = 60000
    frame = Frame("f", camera(96, 64), depth, infrared)
    figure = new_figure(6, 4)
    FigureCanvasAgg(figure)
    denoised = np.where(depth > 0, 1000, 0).astype(np.uint16)
    return SectionChart(figure, FrameComparison(frame, denoised))


def test_a_chart_has_gaps_where_depth_is_invalid_and_says_what_is_beyond_its_axis(chart):
    chart.show((0, 32), (95, 32))
    x, y = chart.curves["raw"].get_data()
    depth = chart.comparison.frame.depth_mm[32]
    assert list(x) == list(range(96))
    assert np.isnan(y[40:60]).all() and (np.isfinite(y) == (depth > 0)).all()
    assert chart.chart.get_ylim()[1] < 5000
    assert chart.beyond.get_text() == "1 samples beyond the axis"
    assert [drawn.get_ydata() for drawn in chart.drawn] == [[32, 32]] * len(chart.drawn)
    assert set(chart.curves) == {"raw", "denoised"}


def test_a_line_of_holes_says_so(chart):
    chart.show((41, 31), (58, 32))
    assert chart.beyond.get_text() == "no valid sample along this line"


class Mouse:
    """Sends matplotlib's own events to the canvas, at a pixel of one of the pictures."""

    def __init__(self, chart):
        self.chart, self.canvas = chart, chart.figure.canvas
        self.canvas.draw()

    def send(self, kind, x, y, button=1, picture=0):
        place = self.chart.pictures[picture].transData.transform((x, y))
        self.canvas.callbacks.process(kind, MouseEvent(kind, self.canvas, *place, button))

    def press(self, x, y, **where):
        self.send("button_press_event", x, y, **where)

    def move(self, x, y, **where):
        self.send("motion_notify_event", x, y, **where)

    def release(self, x, y, **where):
        self.send("button_release_event", x, y, **where)


def test_a_line_is_drawn_by_dragging_and_the_chart_follows(chart):
    picker, mouse = LinePicker(chart), Mouse(chart)
    mouse.press(10, 20)
    assert chart.line is None
    mouse.move(30, 22)
    assert chart.line == ((10, 20), (30, 22))
    mouse.move(70, 50)
    mouse.release(70, 50)
    mouse.move(90, 60)
    assert chart.line == ((10, 20), (70, 50)) and picker.start is None
    assert len(chart.curves["raw"].get_xdata()) == 61


def test_a_line_is_drawn_with_two_clicks_however_shaky(chart):
    picker, mouse = LinePicker(chart), Mouse(chart)
    mouse.press(10, 20)
    mouse.move(11, 21)
    mouse.release(11, 21)
    mouse.move(50, 40, button=None)
    assert chart.line == ((10, 20), (50, 40))
    mouse.press(80, 20)
    mouse.release(80, 20)
    mouse.move(5, 5, button=None)
    assert chart.line == ((10, 20), (80, 20)) and picker.start is None


def test_every_picture_takes_a_line_and_the_chart_and_other_buttons_do_not(chart):
    picker, mouse = LinePicker(chart), Mouse(chart)
    mouse.press(5, 5, button=3)
    place = chart.chart.transAxes.transform((0.5, 0.5))
    event = MouseEvent("button_press_event", mouse.canvas, *place, 1)
    mouse.canvas.callbacks.process("button_press_event", event)
    assert picker.start is None
    mouse.press(5, 5, picture=2)
    mouse.move(5, 45, picture=2)
    assert chart.line == ((5, 5), (5, 45))
