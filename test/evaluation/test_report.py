import base64
import re
import shutil
import zlib
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from conftest import REAL_DATA
from rs_denoise.evaluation.baselines import median_filter
from rs_denoise.evaluation.evaluate import evaluate
from rs_denoise.evaluation.metrics.blocks import Accuracy, NoReference, ObstacleCells
from rs_denoise.evaluation.report import pictures
from rs_denoise.evaluation.report.agreement import map_agreement
from rs_denoise.evaluation.report.cards import NO_BREAK, TOO_FEW, MetricChange
from rs_denoise.evaluation.report.headline import answer_questions, describe_right_infrared
from rs_denoise.evaluation.report.report import write_report
from rs_denoise.evaluation.report.report_frame import ReportFrame
from rs_denoise.evaluation.report.tables import make_tables
from rs_denoise.evaluation.summary import MethodSummary, RequirementResult, Summary
from rs_denoise.gate import Gate
from rs_denoise.offline import OfflineDenoiser
from rs_denoise.recordings.folders.frame_folder import read_frame
from rs_denoise.recordings.frame import Frame
from rs_denoise.recordings.resample import resample_frame
from scenes import camera, noisy_wall

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NASTY = "<script>window.ran = 1</script><img src=x onerror='window.ran = 1'>"


def box_frame(name="box"):
    """A box before a wall, seen with noise and holes."""
    depth, infrared = noisy_wall(96, 64, 3000.0)
    truth = np.full_like(depth, 3000)
    box = np.s_[20:50, 30:60]
    depth[box], truth[box] = depth[box] // 2, 1500
    frame = Frame(name, camera(96, 64), depth, infrared, truth)
    confidence = np.where(depth > 0, 0.9, np.nan).astype(np.float32)
    return ReportFrame(frame, median_filter(frame), confidence)


def bare_frame(name="bare"):
    """Depth and nothing else."""
    depth, _ = noisy_wall(96, 64, 2000.0, seed=1)
    frame = Frame(name, camera(96, 64), depth)
    return ReportFrame(frame, median_filter(frame), None)


def summary_of(*frames):
    """What is really measured of these frames."""
    return evaluate([f.frame for f in frames], {"denoised": median_filter}).summarise()


NOTHING = Accuracy()


def answers(same_raw=NOTHING, same=NOTHING, raw=NOTHING, published=NOTHING):
    denoised = MethodSummary(published=published, same=same, same_raw=same_raw)
    return answer_questions(
        Summary(methods={"raw": MethodSummary(published=raw), "denoised": denoised})
    )


# What the figures say.


@pytest.mark.parametrize(
    "before, after, word, start",
    [
        (20.0, 10.0, "better", "Better:"),
        (10.0, 20.0, "worse", "Worse:"),
        (20.0, 19.8, "unchanged", "No better:"),
    ],
)
def test_accuracy_is_judged_over_the_same_pixels(before, after, word, start):
    # Over all published pixels it is the opposite.
    before_mm, after_mm = Accuracy(mae_mm=before), Accuracy(mae_mm=after)
    better = answers(before_mm, after_mm, after_mm, before_mm)[0]
    assert better.word == word and better.sentences[0].startswith(start)
    percent = round(100 * (after / before - 1))
    assert f"mean error ({percent:+d}{NO_BREAK}%)" in better.sentences[1]


def test_some_errors_smaller_and_some_larger_is_mixed():
    before = Accuracy(mae_mm=20.0, high_frequency_error_px=0.1)
    after = Accuracy(mae_mm=10.0, high_frequency_error_px=0.2)
    better = answers(before, after)[0]
    assert better.word == "mixed"
    assert (
        better.sentences[1]
        == f"Improved: mean error (-50{NO_BREAK}%). Worse: high-frequency error (+100{NO_BREAK}%)."
    )


def test_a_danger_that_grows_over_the_same_pixels_is_worse_though_less_is_published():
    raw, published = Accuracy(false_free_pct=0.6), Accuracy(false_free_pct=0.3)
    before, after = Accuracy(false_free_pct=0.4), Accuracy(false_free_pct=0.5)
    safe = answers(before, after, raw, published)[1]
    assert safe.word == ""  # without accuracy there was no ground truth
    before, after = replace(before, mae_mm=1.0), replace(after, mae_mm=1.0)
    safe = answers(before, after, raw, published)[1]
    assert (
        safe.word == "worse" and safe.sentences[1] == f"Worse: false free space (+25{NO_BREAK}%)."
    )


def test_a_dropped_thin_object_is_missed():
    same = Accuracy(mae_mm=1.0)
    raw, published = Accuracy(thin_recall_pct=80.0), Accuracy(thin_recall_pct=70.0)
    safe = answers(same, same, raw, published)[1]
    (thin,) = safe.cards
    assert safe.word == "worse"
    assert (thin.title, thin.changes[0].text) == ("Thin objects missed", "20.0 → 30.0 %")


def test_a_change_too_small_to_matter_is_none_whatever_its_ratio():
    before, after = (Accuracy(false_free_pct=pct, mae_mm=1) for pct in (0.001, 0.003))
    assert answers(before, after, before, after)[1].word == "unchanged"


def test_a_small_change_of_few_frames_may_be_chance():
    before = Accuracy(mae_mm=20.0)
    methods = {"raw": MethodSummary(published=before)}
    for frames, after, word, verdict in (
        (9, 18.4, TOO_FEW, f"-8{NO_BREAK}%, too few frames to tell"),
        (10, 18.4, "better", f"-8{NO_BREAK}%, better"),
        (9, 17.0, "better", f"-15{NO_BREAK}%, better"),
        (9, 25.0, "worse", f"+25{NO_BREAK}%, worse"),
        (9, 20.0, "unchanged", f"0{NO_BREAK}%, unchanged"),
        (10, 20.05, "unchanged", f"0{NO_BREAK}%, unchanged"),
    ):
        denoised = MethodSummary(same=Accuracy(mae_mm=after), same_raw=before)
        summary = Summary(frames=frames, methods=methods | {"denoised": denoised})
        better = answer_questions(summary)[0]
        assert (better.word, better.cards[0].changes[0].verdict) == (word, verdict)


def test_a_change_that_is_none_shows_no_percentage_that_contradicts():
    change = MetricChange(ObstacleCells.false_obstacle_cells, 0.25, 1.0)
    assert change.verdict == "unchanged"
    assert MetricChange(Accuracy.mae_mm, 0.0, 5.0).verdict == "worse"


def test_few_frames_of_obstacles_count_by_themselves():
    raw, denoised = (
        MethodSummary(obstacles=ObstacleCells(missed_cells=cells, frames=3)) for cells in (100, 92)
    )
    methods = {"raw": raw, "denoised": denoised}
    tables = {table.title: table for table in make_tables(Summary(frames=50, methods=methods))}
    ((metric, (_, cell)),) = [r for r in tables["Obstacles"].rows if r[0].field == "missed_cells"]
    assert (metric.name, cell.percent, cell.change) == ("Missed cells", f"-8{NO_BREAK}%", TOO_FEW)


def test_without_ground_truth_nothing_is_said_of_accuracy():
    raw = NoReference(plane_rms_mm=8.0, flying_ir_pct=2.0)
    denoised = NoReference(plane_rms_mm=4.0, flying_ir_pct=1.0, dropped_pct=3.0)
    methods = {"raw": MethodSummary(raw), "denoised": MethodSummary(denoised)}
    better, safe, cost = answer_questions(Summary(methods=methods))
    for answer in (better, safe):
        assert answer.word == "better"
        assert "unknown without ground truth" in answer.sentences[1]
    assert [card.title for card in better.cards] == ["Plane-fit RMS"]
    assert [(card.title, card.value) for card in cost.cards] == [("Dropped", "3.00 %")]


def test_the_right_infrared_is_explained_where_it_is_used():
    with_it, without = (
        MethodSummary(at_fill_97=Accuracy(mae_mm=mae, gross_pct=0.1)) for mae in (18.0, 20.0)
    )
    methods = {"raw": MethodSummary(), "denoised": with_it}
    assert describe_right_infrared(Summary(methods=methods)) == ""
    text = describe_right_infrared(Summary(methods=methods | {"denoised_left_only": without}))
    # The edge band was not measured.
    assert text.endswith(
        f"mean error 20.0 → 18.0 mm (-10{NO_BREAK}%), gross errors 0.10 → 0.10 % (0{NO_BREAK}%)."
    )


def test_the_images_agree_at_the_right_depth_only():
    rng = np.random.default_rng(0)
    left = cv2.GaussianBlur(rng.integers(0, 256, (64, 128)).astype(np.uint8), (3, 3), 0)
    depth = np.full(left.shape, 2125, np.uint16)  # 10 px
    frame = Frame("f", camera(128, 64), depth, left, None, np.roll(left, -10, axis=1))
    right, wrong = (map_agreement(frame, depth + np.uint16(off)) for off in (0, 500))
    inside = np.s_[5:-5, 10:-10]
    assert right.shape == (32, 64)
    assert right[inside].min() > 0.9 and wrong[inside].mean() < 0.75
    depth[:4] = 0
    assert np.isnan(map_agreement(frame, depth)[:2]).all()


# What is embedded.


def test_depth_is_packed_without_loss():
    rng = np.random.default_rng(0)
    depth = rng.integers(0, 65536, (5, 7), np.uint16)
    depth[0, :3] = 65535, 0, 65535
    planes = np.frombuffer(zlib.decompress(base64.b64decode(pictures.pack_depth(depth))), np.uint8)
    zigzag = planes[:35].astype(np.int32) | planes[35:].astype(np.int32) << 8
    steps = (zigzag >> 1) ^ -(zigzag & 1)
    assert np.array_equal(np.cumsum(steps.reshape(5, 7), axis=1).astype(np.uint16), depth)


def test_the_legend_stands_where_the_colours_are():
    ticks = pictures.draw_depth_legend((500.0, 4000.0)).ticks
    assert ticks[0] == (0.0, "0.5 m") and len(ticks) >= 4
    for place, text in ticks:
        # 2 / m at its near end, 0.25 / m at the other; even in between.
        assert 1 / float(text.removesuffix(" m")) == pytest.approx(2 - 1.75 * place)


def test_colours_are_readable():
    text = Path(pictures.__file__).with_name("style.css").read_text()
    for theme in re.findall(r":root \{(.*?)\}", text, re.DOTALL):
        colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", theme))
        for ink in ("ink", "muted", "better", "worse"):
            for ground in ("page", "panel"):
                assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
        for change in ("better", "worse"):
            assert contrast(colours[change], colours[f"{change}-tint"]) >= 4.5, change


def contrast(one, other):
    """WCAG 2's contrast ratio."""

    def luminance(colour):
        digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


# The page in a browser.


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="the browser is steered by playwright, not installed"
    )
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    flags = ["--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader",
             "--disable-background-networking"]  # fmt: skip
    with playwright.sync_playwright() as running:
        yield running.chromium.launch(executable_path=path, args=flags)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Two frames: one with everything, one with depth only."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    frames = [box_frame(), bare_frame()]
    requirements = [
        RequirementResult(True, "denoised.same.mae_mm <= 9"),
        RequirementResult(False, "denoised.same.mae_mm <= 0"),
    ]
    summary = replace(summary_of(frames[0]), recording="boxes", requirements=requirements)
    write_report(path, "Boxes", summary, frames)
    return path, summary, frames


@pytest.fixture(scope="module")
def show(browser):
    """Opens a page without a network; whatever it asks for or complains of is an error."""

    @contextmanager
    def opened(path, **settings):
        context = browser.new_context(offline=True, **settings)
        page = context.new_page()
        asked, wrong = [], []
        page.on("request", lambda request: asked.append(request.url.split(":")[0]))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.goto(path.as_uri())
        yield page
        context.close()
        assert wrong == [] and set(asked) <= {"file", "data", "blob"}

    return opened


@pytest.fixture(scope="module")
def window(report, show):
    with show(report[0], viewport={"width": 800, "height": 700}) as page:
        yield page


@pytest.fixture
def page(window):
    """The report in one window for many tests, as if just opened."""
    window.evaluate("showFrame(0), showView('depth'), setSplit(50)")
    wait(window, "$('section').data?.length === 3")
    return window


def row_of(page):
    """What the chart shows, by name, once it shows the chosen row."""
    wait(page, "$('section-title').textContent.endsWith(` ${chosen.row}`)")
    data = page.evaluate("$('section').data.map(t => [t.name, [...t.y]])")
    return page.evaluate("chosen.row"), dict(data)


def wait(page, expression):
    """Until it holds. (Playwright's own way is forbidden by the page's policy.)"""
    for _ in range(1000):
        if page.evaluate(f"Boolean({expression})"):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"never came true: {expression}")


def metres(row_mm):
    return [mm / 1000 if mm else None for mm in row_mm.tolist()]


def shown_pictures(page):
    return page.locator(".frame-views.shown .view.shown figcaption").all_inner_texts()


def test_the_page_answers_first_and_its_buttons_change_the_picture(report, page):
    summary = report[1]
    denoised = summary.methods["denoised"]
    answers = page.locator("#answers").inner_text()
    better, safe, _ = answer_questions(summary)
    for sentence in (*better.sentences, *safe.sentences, "1 of 2 met."):
        assert sentence in answers
    first = page.locator(".card").first.inner_text()
    assert f"{denoised.same_raw.mae_mm:.1f} → {denoised.same.mae_mm:.1f} mm" in first
    for label, captions in {
        "Error": ["Error of the camera", "Error, denoised"],
        "Ground truth": ["Ground truth"],
        "Change": ["Change made to the camera's depth"],
        "Infrared": ["Infrared, left, brightened"],
        "Confidence": ["Confidence"],
        "Depth": ["Camera", "Denoised"],
    }.items():
        page.get_by_role("group", name="Picture").get_by_role("button", name=label).click()
        assert shown_pictures(page) == captions
        images = page.locator(".frame-views.shown .view.shown img").all()
        assert all(image.evaluate("image => image.naturalWidth > 0") for image in images)


def test_the_page_opens_at_the_errors_and_keeps_the_choice(report, show):
    with show(report[0]) as page:
        assert shown_pictures(page) == ["Error of the camera", "Error, denoised"]
        page.get_by_role("button", name="bare").click()
        assert shown_pictures(page) == ["Camera", "Denoised"]
        page.get_by_role("button", name="box").click()
        assert shown_pictures(page) == ["Error of the camera", "Error, denoised"]


def test_tables_fit_a_window_of_1300_px(tmp_path, show):
    frame = box_frame()
    summary = summary_of(frame)
    names = ("denoised_cautious", "denoised_complete", "denoised_left_only", "unet-tiny")
    summary.methods.update(dict.fromkeys(names, summary.methods["denoised"]))
    write_report(tmp_path / "wide.html", "Wide", summary, [frame])
    with show(tmp_path / "wide.html", viewport={"width": 1300, "height": 800}) as page:
        for table in page.locator(".scrolls").all():
            assert table.evaluate("box => box.scrollWidth <= box.clientWidth")
        heads = page.locator("#methods table >> nth=0").locator("thead th").all_inner_texts()
        assert heads == ["Metric", "raw (camera)", "denoised", *names]


def test_distances_with_few_pixels_do_not_set_the_scale(tmp_path, show):
    frame = box_frame()
    summary = summary_of(frame)
    raw, denoised = (summary.by_distance.methods[name] for name in ("raw", "denoised"))
    for bins in (raw, denoised):
        # The last distance has one pixel, which is metres off.
        bins.pixels[-1], bins.mae_mm[-1], bins.bad5_pct[-1] = 1, 4000.0, 100.0
    write_report(tmp_path / "few.html", "Few", summary, [frame])
    with show(tmp_path / "few.html") as page:
        wait(page, "$('distances').data")
        top = page.evaluate("$('distances').layout.yaxis.range[1]")
        assert top == pytest.approx(
            1.08 * max(v for v in raw.mae_mm[:-1] + denoised.mae_mm[:-1] if v)
        )


def test_a_frame_without_truth_and_infrared_says_so(report, page):
    frames = report[2]
    page.get_by_role("button", name="Error").click()
    page.get_by_role("button", name="bare").click()
    assert shown_pictures(page) == ["Camera", "Denoised"]
    missing = page.locator("#missing").inner_text()
    assert missing == "This frame has no error, ground truth, infrared, match, confidence."
    assert page.locator("#views").get_by_role("button", name="Infrared").is_disabled()
    wait(page, "$('section').data?.length === 2")
    row, shown = row_of(page)
    assert set(shown) == {"camera", "denoised"}
    assert shown["camera"] == metres(frames[1].frame.depth_mm[row])


def test_the_slider_moves_with_keys_and_with_the_mouse(report, page):
    split = page.get_by_label("Camera | denoised")
    split.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    clip = (
        "getComputedStyle(document.querySelector('.frame-views.shown .view.shown .after')).clipPath"
    )
    assert split.input_value() == "53" and page.evaluate(clip) == "inset(0px 0px 0px 53%)"
    frame = page.locator(".frame-views.shown .view.shown .frame")
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    page.mouse.move(box["x"] + 0.53 * box["width"], box["y"] + 0.1 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.2 * box["height"], steps=4)
    page.mouse.up()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.2 * box["height"])
    assert split.input_value() == "25"


def test_dragging_the_line_draws_the_depth_of_that_row(report, page):
    shown_frame = report[2][0]
    frame, line = page.locator(".frame-views.shown .view.shown .frame"), page.locator("#row-line")
    frame.scroll_into_view_if_needed()
    box, grip = frame.bounding_box(), line.bounding_box()
    page.mouse.move(box["x"] + 30, grip["y"] + grip["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 30, box["y"] + box["height"] * 25.5 / 64, steps=3)
    page.mouse.up()
    rows = [row_of(page)]
    page.get_by_label("Row").focus()
    page.keyboard.press("ArrowRight")
    rows.append(row_of(page))
    assert [row for row, _ in rows] == [25, 26]
    for row, shown in rows:
        assert shown["camera"] == metres(shown_frame.frame.depth_mm[row])
        assert shown["denoised"] == metres(shown_frame.denoised_mm[row])
        assert shown["ground truth"] == metres(shown_frame.frame.ground_truth_mm[row])
        assert None in shown["camera"] or (shown_frame.frame.depth_mm[row] > 0).all()


def test_the_points_are_those_of_the_camera_with_up_upwards(report, page):
    frame = report[2][0].frame
    page.locator("#cloud").scroll_into_view_if_needed()
    for label, depth_mm in (
        ("Camera", frame.depth_mm),
        ("Ground truth", frame.ground_truth_mm),
    ):
        page.locator("#clouds").get_by_role("button", name=label).click()
        name = label.lower()
        wait(page, f"$('cloud').data?.[0].name === {name!r}")
        trace = page.evaluate("['x', 'y', 'z'].map((axis) => [...$('cloud').data[0][axis]])")
        right, down, forward = frame.camera.points_m(depth_mm)[depth_mm > 0].T
        assert np.allclose(trace, [right, forward, -down], atol=1e-5)
    assert page.locator("#cloud canvas").count() > 0
    # The wheel scrolls the page, and the points only once they were clicked.
    page.locator("#cloud").hover()
    before = page.evaluate("scrollY")
    page.mouse.wheel(0, -200)
    wait(page, f"scrollY < {before}")


def test_the_chart_over_distance_shows_the_summary(report, page):
    summary = report[1]
    wait(page, "$('distances').data")
    found = page.evaluate("$('distances').data.map(t => [t.name, [...t.y]])")
    raw = summary.by_distance.methods["raw"]
    assert [y for name, y in found if name == "camera"] == [
        raw.mae_mm, raw.bad5_pct, raw.pixels
    ]  # fmt: skip
    assert "Of 2 distances" in page.locator("#distance").inner_text()


def test_on_a_phone_nothing_hangs_over(report, show):
    with show(report[0], viewport={"width": 360, "height": 740}, has_touch=True) as page:
        wait(page, "$('distances').data")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360
        frame = page.locator(".frame-views.shown .view.shown .frame")
        frame.scroll_into_view_if_needed()
        box = frame.bounding_box()
        page.touchscreen.tap(box["x"] + 0.75 * box["width"], box["y"] + 0.2 * box["height"])
        assert page.get_by_label("Camera | denoised").input_value() == "75"


def test_on_paper_there_are_figures_and_pictures_and_no_controls(report, show):
    with show(report[0], color_scheme="dark") as page:
        page.emulate_media(media="print")
        for seen in ("h1", "#answers", ".card >> nth=0", "#methods table >> nth=0"):
            assert page.locator(seen).is_visible(), seen
        figures = page.locator(".frame-views figure")
        assert figures.count() == 11 and all(f.is_visible() for f in figures.all())
        for hidden in ("#views", "#cloud", "#split", "#overlay"):
            assert not page.locator(hidden).is_visible(), hidden
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == "rgb(255, 255, 255)"
        wait(page, "$('section').data && $('distances').data")
        # At once, as printing does not wait for charts to be drawn anew.
        page.evaluate(
            "document.body.style.width = '500px', dispatchEvent(new Event('beforeprint'))"
        )
        for box in (svg.bounding_box() for svg in page.locator(".main-svg").all()):
            assert 400 < box["width"] <= 500 and box["height"] > 100
        assert page.pdf(format="A4")[:5] == b"%PDF-"


def test_without_scripts_the_figures_and_all_pictures_are_there(report, show):
    with show(report[0], java_script_enabled=False) as page:
        assert page.locator("#answers").is_visible() and page.locator("#no-script").is_visible()
        figures = page.locator(".frame-views figure")
        assert figures.count() == 11 and all(f.is_visible() for f in figures.all())


def test_names_are_text_and_never_run(tmp_path, show):
    frame = box_frame(NASTY)
    summary = replace(
        summary_of(frame), recording=NASTY, model=NASTY, notes=[NASTY], skipped={NASTY: NASTY},
        not_computed={"obstacles": NASTY}, requirements=[RequirementResult(True, NASTY)],
    )  # fmt: skip
    summary.methods[NASTY] = summary.methods["denoised"]
    distances = summary.by_distance.methods
    distances[NASTY] = distances["denoised"]
    write_report(tmp_path / "r.html", NASTY, summary, [frame])
    with show(tmp_path / "r.html") as page:
        wait(page, "$('distances').data")
        assert page.title() == page.locator("h1").inner_text() == NASTY
        assert page.evaluate("window.ran") is None
        assert page.locator("script").count() == 3
        assert f"Obstacles: {NASTY}" in page.locator("#not-computed").inner_text()


def test_nothing_measured_is_said(tmp_path, show):
    write_report(tmp_path / "r.html", "Nothing", Summary(), [])
    with show(tmp_path / "r.html") as page:
        assert "Accuracy is unknown without ground truth." in page.locator("main").inner_text()
        missing = page.locator("#not-computed").inner_text()
        assert "Accuracy: not measured." in missing and "Obstacles: not measured." in missing
        assert page.locator("#frames").count() == 0


def test_the_sample_recording_fits_into_a_page(tmp_path, show, sample_frame, shipped):
    answer = OfflineDenoiser(shipped, Gate()).denoise(sample_frame)
    shown_frame = ReportFrame(
        sample_frame, np.rint(answer.depth_mm).astype(np.uint16), answer.confidence
    )
    path = tmp_path / "room.html"
    write_report(path, "Room", Summary(frames=1), [shown_frame])
    assert path.stat().st_size < 7e6  # 4.8 MB of it is plotly.js
    with show(path) as page:
        row, shown = row_of(page)
        assert shown["denoised"] == metres(shown_frame.denoised_mm[row])
        whole = page.evaluate("depthsOf(data.frames[0]).then(d => [...d.raw])")
        assert np.array_equal(whole, sample_frame.depth_mm.ravel())


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="no real frames here")
def test_real_frames_with_and_without_truth(tmp_path, show):
    frame = resample_frame(read_frame(REAL_DATA / "faro_0441"), 424, 240)
    bare = replace(resample_frame(read_frame(REAL_DATA / "d415_640x360"), 424, 240), infrared=None)
    frames = [ReportFrame(f, median_filter(f), None) for f in (frame, bare)]
    write_report(tmp_path / "real.html", "Real", summary_of(*frames), frames)
    with show(tmp_path / "real.html") as page:
        row, shown = row_of(page)
        assert shown["ground truth"] == metres(frame.ground_truth_mm[row])
        page.get_by_role("button", name="d415_640x360").click()
        wait(page, "$('section').data?.length === 2")
        assert "1 frame has no ground truth" in page.locator("main").inner_text()
