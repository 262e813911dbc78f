"""Other reports in a browser: with many methods, of real frames, hostile and empty ones."""

from dataclasses import replace

import numpy as np
import pytest

from conftest import REAL_DATA
from evaluation.report.report_frames import box_frame, summary_of
from evaluation.report.shown_page import metres, row_of, wait
from rs_denoise.evaluation.baselines import median_filter
from rs_denoise.evaluation.report.report import write_report
from rs_denoise.evaluation.report.report_frame import ReportFrame
from rs_denoise.evaluation.summary import RequirementResult, Summary
from rs_denoise.gate import Gate
from rs_denoise.offline import OfflineDenoiser
from rs_denoise.recordings.folders.frame_folder import read_frame
from rs_denoise.recordings.resample import resample_frame

NASTY = "<script>window.ran = 1</script><img src=x onerror='window.ran = 1'>"


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
