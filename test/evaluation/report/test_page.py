"""The page of a report in a browser: its pictures, charts and controls."""

from dataclasses import replace

import numpy as np
import pytest

from evaluation.report.report_frames import bare_frame, box_frame, summary_of
from evaluation.report.shown_page import metres, row_of, shown_pictures, wait
from rs_denoise.evaluation.report.headline import answer_questions
from rs_denoise.evaluation.report.report import write_report
from rs_denoise.evaluation.summary import RequirementResult


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
def window(report, show):
    with show(report[0], viewport={"width": 800, "height": 700}) as page:
        yield page


@pytest.fixture
def page(window):
    """The report in one window for many tests, as if just opened."""
    window.evaluate("showFrame(0), showView('depth'), setSplit(50)")
    wait(window, "$('section').data?.length === 3")
    return window


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


def test_a_frame_without_truth_and_infrared_says_so(report, page):
    frames = report[2]
    page.get_by_role("button", name="Error").click()
    page.get_by_role("button", name="bare").click()
    assert shown_pictures(page) == ["Camera", "Denoised"]
    missing = page.locator("#missing").inner_text()
    names = "error, ground truth, infrared, match, confidence"
    assert missing == f"Not available for this frame: {names}."
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
