"""`rs_denoise evaluate` and `denoise` on several recordings in one call."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from cli.in_process import run_in_process, words
from rs_denoise.cli.evaluate_batch import exit_code
from rs_denoise.cli.main import main
from rs_denoise.evaluation.batch.run_comparison import PairedMetric, RunComparison
from rs_denoise.evaluation.metrics.blocks import Accuracy
from rs_denoise.evaluation.report.cards import MetricChange
from rs_denoise.evaluation.summary import RequirementResult, Summary
from rs_denoise.model import Model
from rs_denoise.offline import OfflineDenoiser
from rs_denoise.recordings.bags.rosbag2_writer import write_rosbag2
from rs_denoise.recordings.folders.frame_folder import write_frame
from rs_denoise.recordings.frame import Frame
from rs_denoise.recordings.recording import open_recording
from scenes import Scaled, camera, noisy_wall

FEW = ("--model", "unet-tiny")


def run(*arguments):
    return run_in_process(main, *arguments)


def frame(name="a", seed=0, truth_mm=2000):
    depth, infrared = noisy_wall(96, 64, seed=seed)
    truth = None if truth_mm is None else np.full_like(depth, truth_mm)
    return Frame(name, camera(96, 64), depth, infrared, truth, stamp_ns=10**9 + seed)


@pytest.fixture
def recordings(tmp_path):
    """A folder with frame folders, a bag, and a bag that is broken."""
    folder = tmp_path / "all"
    for k in range(2):
        write_frame(folder / "wall" / f"{k}", frame(f"{k}", k))
    write_rosbag2(folder / "bag", [frame(seed=3, truth_mm=None), frame(seed=4, truth_mm=None)])
    (folder / "broken").mkdir()
    (folder / "broken" / "x.mcap").write_bytes(b"\x89MCAP0\r\n nothing")
    return folder


@pytest.mark.parametrize("command", ["denoise", "evaluate"])
def test_brackets_in_names_are_printed_as_they_are(recordings, tmp_path, command):
    """Rich takes [a] for a colour, and ends with an error at [/a]."""
    folder = tmp_path / "in[" / "a]"
    folder.mkdir(parents=True)
    for name, found in (("run[red]", "wall"), ("b:car:", "bag"), ("[", "broken")):
        shutil.copytree(recordings / found, folder / name)
    shutil.move(folder / "[", folder / "x[")
    out = tmp_path / "out[" / "b]"
    ended = run(command, folder, *([out] if command == "denoise" else []), *FEW)
    assert ended.returncode == 3, ended.stderr
    assert f"failed: x[: {folder}/x[: not a readable bag" in words(ended)
    assert "run[red]" in words(ended) and "b:car:" in words(ended)
    if command == "denoise":
        assert f"2 frames in {out}/run[red]" in words(ended)
        assert f"2 of 3 recordings in {out}" in words(ended)


def test_a_folder_is_measured_recording_by_recording_and_a_broken_one_is_named(
    recordings, tmp_path
):
    files = {k: tmp_path / f"out.{k}" for k in ("json", "html", "md")}
    out = run("evaluate", recordings, *FEW, "--json", files["json"], "--html", files["html"],
              "--markdown", files["md"],
              "--require", "denoised.published.fill_pct >= 0")  # fmt: skip
    assert out.returncode == 3, out.stderr + out.stdout
    assert "worst first by same.mae_mm" in out.stdout and "mean over frames" in out.stdout
    assert "failed: broken: " in words(out) and "requirements met by 1 of 2" in words(out)
    # Without ground truth the requirement on it cannot hold; the other recording meets it.
    assert "not met: bag: " in words(out) and "not met: wall" not in words(out)
    found = json.loads(files["json"].read_text())
    assert set(found["recordings"]) == {"wall", "bag"} and set(found["failed"]) == {"broken"}
    # Each as for a single recording, and their mean over four frames, two with ground truth.
    single = tmp_path / "single.json"
    assert run("evaluate", recordings / "wall", *FEW, "--json", single).returncode == 0
    alone, among = json.loads(single.read_text()), found["recordings"]["wall"]
    assert set(among) - set(alone) == {"requirements"}
    assert {k: v for k, v in alone.items() if k != "timing"} == {
        k: v for k, v in among.items() if k not in ("timing", "requirements")
    }
    assert (found["mean"]["frames"], found["mean"]["without_truth"]) == (2, 2)
    fills = [found["recordings"][n]["methods"]["raw"]["alone"]["fill_pct"] for n in ("wall", "bag")]
    assert found["mean"]["methods"]["raw"]["alone"]["fill_pct"] == round(sum(fills) / 2, 4)
    assert "| wall | 2 |" in files["md"].read_text() and "Failed: broken" in files["md"].read_text()
    page = files["html"].read_text()
    links = {unquote(link) for link in re.findall(r'<a href="([^"]+)"', page)}
    assert len(links) == 2 and all((tmp_path / link).stat().st_size > 1e6 for link in links)
    assert "broken</b>: " in page and 'title="wall: ' in page


def test_what_is_missing_in_a_recording_is_told_with_its_name(tmp_path):
    for name in ("whole", "damaged", "dark"):
        for k in range(2):
            shown = frame(seed=k)
            write_frame(
                tmp_path / name / f"{k}", replace(shown, infrared=None) if name == "dark" else shown
            )
    (tmp_path / "damaged" / "1" / "depth.png").write_bytes(b"not a picture")
    out = run("evaluate", tmp_path, *FEW)
    assert out.returncode == 0, out.stderr
    assert "dark: no infrared of the left imager: depth is denoised alone" in words(out)
    assert "skipped damaged: 1: " in words(out)


def test_two_runs_are_compared_recording_by_recording(recordings, tmp_path, make_model):
    """The network that halves depth is worse on every recording than the one that keeps it."""
    (recordings / "broken" / "x.mcap").unlink()
    (recordings / "broken").rmdir()
    write_frame(recordings / "floor" / "a", frame(seed=7))
    kept, halved = tmp_path / "kept.json", tmp_path / "halved.json"
    good = make_model(Scaled(1.0)).path.rename(tmp_path / "good.pt")
    bad = make_model(Scaled(2.0)).path.rename(tmp_path / "bad.pt")
    everything = ("--min-confidence", "0", "--fill-confidence", "1.01")
    assert run("evaluate", recordings, "--model", good, *everything, "--json", kept).returncode == 0
    again = run("evaluate", recordings, "--model", good, *everything, "--against", kept)
    assert again.returncode == 0, again.stdout + again.stderr
    out = run("evaluate", recordings, "--model", bad, *everything, "--against", kept,
              "--json", halved)  # fmt: skip
    assert out.returncode == 1, out.stdout + out.stderr
    assert "worse: published.mae_mm: " in words(out)
    found = {m["metric"]: m for m in json.loads(halved.read_text())["against"]["metrics"]}
    error = found["published.mae_mm"]
    assert error["verdict"] == "worse" and set(error["recordings"]) == {"wall", "floor"}
    # Twice the disparity is half the depth: 1 m too near.
    assert error["difference"] == pytest.approx(1000, abs=30)
    # The other way round, a single recording: nearer to the truth, but noise grows with depth.
    back = run("evaluate", recordings / "wall", "--model", good, *everything, "--against", halved)
    rows = {row[0]: row[-1] for row in map(str.split, back.stdout.splitlines()) if row}
    assert rows["published.mae_mm"] == "better" and rows["alone.plane_rms_mm"] == "worse"
    assert back.returncode == 1 and "not compared: floor: only in the earlier run" in words(back)
    other = run("evaluate", recordings / "wall", "--against", tmp_path / "good.pt")
    assert other.returncode == 2 and "expected a file that" in " ".join(other.stderr.split())


def test_exit_codes_of_requirements_and_of_a_comparison():
    met, broken = RequirementResult(True, "a"), RequirementResult(False, "b")
    unknown = RequirementResult(False, "c", evaluated=False)
    worse = PairedMetric("x", Accuracy.mae_mm, {"r": MetricChange(Accuracy.mae_mm, 1.0, 2.0)})
    better = PairedMetric("x", Accuracy.mae_mm, {"r": MetricChange(Accuracy.mae_mm, 2.0, 1.0)})
    cases = [
        ([[]], None, 0), ([[met], [met]], None, 0), ([[met], [met, broken]], None, 1),
        ([[broken], [unknown]], None, 2), ([[met]], (better,), 0), ([[met]], (better, worse), 1),
        # Two runs without anything in common must not pass a gate.
        ([[met]], (), 2),
    ]  # fmt: skip
    for requirements, metrics, code in cases:
        comparison = None if metrics is None else RunComparison(metrics, {})
        assert exit_code([Summary(requirements=r) for r in requirements], comparison) == code


def test_each_recording_is_denoised_into_a_folder_of_its_own(recordings, tmp_path):
    out = run("denoise", recordings / "wall", recordings / "bag", recordings / "broken",
              tmp_path / "missing", tmp_path / "out", *FEW)  # fmt: skip
    assert out.returncode == 3, out.stdout + out.stderr
    assert "2 of 4 recordings failed" in words(out) and "2 of 4 recordings in" in words(out)
    assert "missing: no such file or folder" in words(out)
    denoise = OfflineDenoiser(Model.load("unet-tiny"))
    for name in ("wall", "bag"):
        results = list(open_recording(tmp_path / "out" / name))
        sources = list(open_recording(recordings / name))
        assert len(results) == len(sources) == 2
        for source, result in zip(sources, results, strict=True):
            np.testing.assert_array_equal(result.depth_mm, denoise(source))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"wall", "bag"}
    again = run("denoise", recordings / "wall", recordings / "bag", tmp_path / "out", *FEW)
    assert again.returncode == 0 and words(again).count("2 of them from an earlier run") == 2


def test_bags_that_were_finished_before_are_not_failures(recordings, tmp_path):
    command = ("denoise", recordings / "wall", recordings / "bag", tmp_path / "out", *FEW,
               "--format", "rosbag2")  # fmt: skip
    assert run(*command).returncode == 0
    shutil.rmtree(tmp_path / "out" / "wall")
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "bag").iterdir()}
    again = run(*command)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "bag: already finished" in words(again) and "2 frames in" in words(again)
    assert kept == {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "bag").iterdir()}
    other = run(*command, "--min-confidence", 0.9)
    assert other.returncode == 3 and "begun with other settings (min_confidence: " in words(other)
    # Denoised depth in it is found as in any bag.
    assert len(list(open_recording(tmp_path / "out" / "bag"))) == 2


def test_the_order_can_be_chosen_and_is_checked_before_any_work(recordings):
    out = run("evaluate", recordings, "--worst-by", "alone.depth")
    assert out.returncode == 2 and "expected one of" in " ".join(out.stderr.split())
    assert Path(recordings).is_dir()
