import json

import cv2
import numpy as np
import pytest

from cli.in_process import run_as_process, run_in_process
from conftest import REAL_DATA
from rs_denoise.cli.main import main
from rs_denoise.model import save
from rs_denoise.recordings.folders.frame_folder import write_frame
from rs_denoise.recordings.frame import Frame
from rs_denoise.recordings.recording import open_recording
from scenes import Matched, camera, kind_fields, manifest, noisy_wall


def run(*arguments):
    return run_in_process(main, *arguments)


@pytest.fixture
def frames(tmp_path):
    depth, infrared = noisy_wall(96, 64)
    for name, truth in (("a", np.full_like(depth, 2000)), ("b", None)):
        write_frame(tmp_path / "in" / name, Frame(name, camera(96, 64), depth, infrared, truth))
    (tmp_path / "in" / "c").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "c" / "depth.png"), depth)
    return tmp_path / "in"


def test_evaluate_prints_and_writes_figures_and_names_what_it_skipped(frames, tmp_path):
    out = run(
        "evaluate", frames, "--json", tmp_path / "out.json", "--markdown", tmp_path / "out.md"
    )
    assert out.returncode == 0, out.stderr
    summary = json.loads((tmp_path / "out.json").read_text())
    assert summary["frames"] == 1
    assert summary["without_truth"] == 1 and summary["skipped"] == {
        "c": "no camera.json; set the camera with --camera"
    }
    keys = set(summary["methods"]["raw"]["published"])
    assert keys == {
        "fill_pct", "mae_mm", "rmse_mm", "bad5_pct", "false_free_pct", "phantom_pct", "flying_pct",
        "ripple_px", "interior_mae_px", "rim_mae_px", "disparity_mae_px", "med_rel_pct",
        "thin_recall_pct", "rel_pct", "delta_105_pct", "delta_110_pct", "delta_125_pct",
        "gross_pct", "gross_near_pct", "gross_far_pct", "disparity_median_px",
    }  # fmt: skip
    assert set(summary["methods"]) == {"raw", "denoised", "denoised_cautious", "denoised_complete"}
    blocks = summary["methods"]["denoised"]
    accuracy = {"published", "same", "same_raw", "at_fill_97", "at_fill_90"}
    assert all(set(blocks[name]) == keys for name in accuracy)
    assert set(blocks) - accuracy == {"ranking", "alone", "temporal"}
    assert summary["model"].startswith("unet") and summary["timing"]["frames"] == 2
    assert "obstacles" in summary["not_computed"] and summary["recording"] == "in"
    text = (tmp_path / "out.md").read_text()
    assert "| method | fill % | MAE |" in text and "most confident 90 %" in text
    assert {len(line.split("|")) for line in text.splitlines() if "|" in line} == {16}
    assert "mean over 1 frame of 2" in out.stdout
    assert "mae_mm" in out.stdout and "skipped c: no camera.json" in out.stdout
    verdict = out.stdout.splitlines()[-1]
    assert verdict.startswith(
        "Better: over the same pixels, denoised depth is nearer to the truth."
    )
    assert "Only one frame: a small difference may be chance." in out.stdout
    assert "still_pairs" not in out.stdout and "over still stretches" not in out.stdout


def test_a_model_is_measured_with_and_without_the_right_infrared_and_bars_are_read(tmp_path):
    depth, infrared = noisy_wall(96, 64)
    seen = Frame(
        "a", camera(96, 64), depth, infrared, np.full_like(depth, 2000), noisy_wall(96, 64)[1]
    )
    write_frame(tmp_path / "in" / "a", seen)
    model, bars = tmp_path / "stereo.pt", tmp_path / "bars.txt"
    save(Matched(), manifest(**kind_fields("laplace-stereo")), model)
    bars.write_text(
        "# with the right infrared the test's network is 1 % nearer\n\n"
        "denoised.at_fill_97.mae_mm > denoised_left_only.at_fill_97.mae_mm  # 20 mm\n"
        "stereo_left_only.same.mae_mm == denoised_left_only.same.mae_mm\n"
    )
    out = run(
        "evaluate", tmp_path / "in", "--model", model, "--beside", model, "--html",
        tmp_path / "r.html", "--require", f"@{bars}",
    )  # fmt: skip
    assert out.returncode == 0, out.stdout + out.stderr
    assert out.stdout.count("met: ") == 2
    page = (tmp_path / "r.html").read_text()
    assert "also uses the right infrared image" in page and "Match at denoised depth" in page
    bars.write_text("# nothing\n")
    out = run("evaluate", tmp_path / "in", "--require", f"@{bars}")
    assert out.returncode == 2 and "contains no requirement" in out.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("share", "code", "said"),
    [(2, 0, "met: "), (0.01, 1, "not met: "), (2, 2, "no metric 'nothing'")],
)
def test_a_requirement_decides_the_exit_code_and_loses_no_figure(
    frames, tmp_path, share, code, said
):
    report, figures = tmp_path / "report.html", tmp_path / "out.json"
    out = run(
        "evaluate", frames, "--json", figures, "--html", report,
        "--require", f"denoised.same.mae_mm <= {share}*denoised.same_raw.mae_mm",
        *(["--require", "denoised.same.nothing < 1"] if code == 2 else []),
    )  # fmt: skip
    assert out.returncode == code, out.stderr
    summary = json.loads(figures.read_text())
    holds = [r["holds"] for r in summary["requirements"]]
    assert holds == {0: [True], 1: [False], 2: [True, False]}[code]
    assert said in " ".join(out.stdout.split())
    assert report.read_text().startswith("<!doctype html>") and report.stat().st_size > 1e6


def test_denoise_writes_depth_and_confidence(frames, tmp_path):
    out = run_as_process(main, "denoise", frames, tmp_path / "out")
    assert out.returncode == 0, out.stderr
    for name in ("a", "b"):
        depth = cv2.imread(str(tmp_path / "out" / name / "depth.png"), cv2.IMREAD_UNCHANGED)
        confidence = cv2.imread(
            str(tmp_path / "out" / name / "confidence.png"), cv2.IMREAD_UNCHANGED
        )
        assert depth.dtype == np.uint16 and confidence.dtype == np.uint8
        assert depth.shape == confidence.shape == (64, 96)
        assert ((depth > 0) == (confidence > 0)).all() and (depth > 0).mean() > 0.5
    assert "skipped c: no camera.json" in out.stdout
    # What was written is a recording itself.
    assert [frame.name for frame in open_recording(tmp_path / "out")] == ["a", "b"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [(["evaluate", "missing"], "missing: no such file or folder"),
     (["evaluate", "{frames}", "--require", "mae < 3"], "requirement 'mae < 3'"),
     (["evaluate", "{frames}", "--html", "none/r.html"], "create it first"),
     (["live", "--software", "{frames}", "--out", "x.avi"], "--out must be a video (.mp4)"),
     (["evaluate", "{frames}", "--wall", "900"], "--wall needs --roi"),
     (["evaluate", "{frames}", "--roi", "1,2,3"], "x,y,w"),
     (["evaluate", "{frames}", "--camera-pitch", "3"], "needs --camera-height"),
     (["denoise", "{frames}", "{frames}", "--format", "rosbag2"], "exists already"),
     (["evaluate", "{frames}", "--size", "848"], "expected WIDTHxHEIGHT"),
     (["evaluate", "{frames}", "--model", "{frames}/a/depth.png"], "not a model file"),
     (["denoise", "{frames}", "/proc/none"], "/proc"),
     (["evaluate", "{frames}", "--json", "{frames}"], "is a folder; name a file"),
     (["evaluate", "{frames}", "--json", "x", "--html", "./x"], "is given for two outputs"),
     (["evaluate", "{frames}", "--worst-by", "mae"], "expected BLOCK.METRIC"),
     (["evaluate", "{frames}", "--size", "99999x99999"], "from 64x64 to 4096x4096"),
     (["denoise", "{frames}", "x", "--scheduler", "host"], "such as tcp://host:8786"),
     (["convert", "{frames}", "x", "--rate", "inf"], "less than or equal to 1000"),
     (["bench", "--rate", "0"], "greater than or equal to 1"),
     (["bench", "--rate", "nan"], "less than or equal to 1000"),
     (["bench", "--threads", "100000"], "less than or equal to 1024"),
     (["simulate", "x", "--picture", "x.png"], "--picture need --check"),
     (["simulate", "--check", "--picture", "none/x.png"], "create it first"),
     (["simulate", "--check", "--length", "2"], "--check looks at single frames"),
     (["demo", "missing"], "missing: no such file or folder"),
     (["demo", "{frames}", "--seconds", "inf"], "less than or equal to 3600"),
     (["demo", "{frames}", "--out", "{frames}/a/depth.png"], "is a file, not a folder; name"),
     (["denoise", "{frames}", "{frames}/a/depth.png"], "is a file, not a folder; name another"),
     (["denoise", "{frames}", "{frames}/a/depth.png/x", "--format", "rosbag2"], "is a file, not"),
     (["convert", "{frames}", "{frames}/a/depth.png/x"], "is a file, not a folder; name another"),
     (["simulate", "x", "--frames", "1", "--camera", "kinect"], "camera must be one of d415")],
)  # fmt: skip
def test_what_the_user_can_correct_is_a_sentence(frames, arguments, complaint):
    out = run(*(a.format(frames=frames) for a in arguments))
    assert out.returncode == 2
    assert (
        complaint in " ".join(out.stderr.replace("│", " ").split())
        and "Traceback" not in out.stderr
    )


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"no real frames in {REAL_DATA}")
def test_real_frames_without_camera_or_truth_are_named(tmp_path):
    out = run("evaluate", REAL_DATA, "--size", "424x240", "--json", tmp_path / "out.json")
    summary = json.loads((tmp_path / "out.json").read_text())
    assert out.returncode == 0 and summary["frames"] == 6
    assert summary["skipped"]["d415_depth_only_0"] == "no camera.json; set the camera with --camera"
    assert summary["without_truth"] == 3  # 640x360 and the two of the D435i


def test_bench_times_the_shipped_models_beside_librealsense(tmp_path):
    out = run_as_process(
        main, "bench", "--size", "128x96", "--frames", 10, "--no-node",
        "--json", tmp_path / "out.json",
    )  # fmt: skip
    assert out.returncode == 0, out.stderr
    rows = json.loads((tmp_path / "out.json").read_text())["core"]
    assert {"model", "device", "precision", "p50_ms", "vs_librealsense"} <= set(rows[0])
    assert all(0 < row["p50_ms"] <= row["p99_ms"] for row in rows)
    assert (rows[0]["width"], rows[0]["height"]) == (128, 96) and "p50 ms" in out.stdout


def test_bench_says_how_time_grows_with_work(tmp_path):
    files = {name: tmp_path / f"out.{name}" for name in ("json", "md", "png")}
    out = run_as_process(
        main, "bench", "--model", "unet-tiny-stereo", "--frames", 10, "--no-node", "--scaling",
        "--json", files["json"], "--markdown", files["md"], "--plot", files["png"],
    )  # fmt: skip
    assert out.returncode == 0, out.stderr
    speeds = json.loads(files["json"].read_text())
    first = speeds["first_frames"]
    assert [(f["width"], f["height"], len(f["times_ms"])) for f in first] == [
        (848, 480, 6), (640, 480, 6), (1280, 720, 6), (424, 240, 6)
    ]  # fmt: skip
    assert all(ms > 0 for f in first for ms in f["times_ms"])
    ((name, costs),) = speeds["scaling"].items()
    amounts = {}
    for cost in costs:
        assert cost["ms"] > 0
        amounts.setdefault(cost["dimension"], []).append(cost["amount"])
    assert name.startswith("unet-tiny") and amounts == {
        "pixels": [0.102, 0.23, 0.307, 0.407, 0.922],
        "tiles": amounts["tiles"], "batch": [1, 2, 4, 8],
        "cameras in turn": [1, 2, 3, 4], "concurrent cameras": [1, 2, 3, 4],
    }  # fmt: skip
    assert amounts["tiles"][0] == 1 and amounts["tiles"] == sorted(amounts["tiles"])
    text = files["md"].read_text()
    assert (
        "Cameras in turn, ms per frame:" in text
        and "first frames, ms" in text
        and "| 848x480: 0.407 |" in text
    )
    assert cv2.imread(str(files["png"])).shape[0] > 400


def test_bench_refuses_a_plot_before_the_work(tmp_path):
    out = run("bench", "--plot", tmp_path / "out.gif")
    assert out.returncode == 2 and "must end in .png" in " ".join(out.stderr.split())
