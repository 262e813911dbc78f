from dataclasses import replace

import pytest

pytest.importorskip("mitsuba", reason="Mitsuba is not installed")

from cli.in_process import run_in_process
from rs_denoise.cli.main import main
from rs_denoise.recordings.folders.frame_folder import find_frames, read_frame, write_frame
from rs_denoise.recordings.frame import Frame
from scenes import camera, noisy_wall


def run(*arguments):
    return run_in_process(main, "simulate", *arguments)


def test_shards_make_a_data_set_which_is_then_checked(tmp_path):
    settings = (tmp_path, "--frames", 2, "--size", "424x240", "--camera", "d415", "--place", "room")
    for part in ("1/2", "2/2"):
        out = run(*settings, "--shard", part)
        assert out.returncode == 0, out.stderr
        assert "1 of 1 scenes" in out.stdout and out.stdout.count("rendering with") == 1
    assert [path.name for path in find_frames(tmp_path)[0]] == ["000000_0", "000001_0"]
    checked = run(*settings, "--check", "--picture", tmp_path / "sheet.png")
    assert checked.returncode == 0, checked.stderr
    assert "medians over 2 simulated frames" in checked.stdout and "sigma_px" in checked.stdout
    assert (tmp_path / "sheet.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--camera", "d999"], "camera must be one of d415, d435"),
        (["--place", "moon"], "place must be one of room"),
        (["--size", "800x600"], "size must be one of 1280x720"),
        (["--shard", "3/2"], "expected i/n with 1 <= i <= n"),
    ],
)
def test_wrong_arguments_are_sentences(tmp_path, arguments, said):
    out = run(tmp_path / "out", *arguments)
    assert out.returncode == 2 and said in " ".join(out.stderr.replace("│", " ").split())
    assert not (tmp_path / "out").exists()


def test_a_shard_without_scenes_is_no_failure(tmp_path):
    out = run(tmp_path / "out", "--frames", 1, "--shard", "2/2")
    assert out.returncode == 0 and "0 of 0 scenes" in out.stdout, out.stderr


def write_frames(folder):
    """A frame that cannot be read, one without camera.json, and one without its right infrared."""
    depth, infrared = noisy_wall(96, 64)
    for name in "abc":
        write_frame(folder / name, Frame(name, camera(96, 64), depth, infrared))
    (folder / "a" / "depth.png").write_bytes(b"")
    (folder / "b" / "camera.json").unlink()


def test_frames_beside_without_truth_are_told_before_any_work(tmp_path):
    write_frames(tmp_path)
    (tmp_path / "a" / "camera.json").unlink()
    out = run("--check", "--frames", 1, "--beside", tmp_path)
    assert out.returncode == 2 and "no frame with camera.json has ground truth" in out.stderr


def test_fidelity_says_of_each_frame_why_it_cannot_be_used(tmp_path):
    write_frames(tmp_path)
    out = run("--fidelity", tmp_path)
    assert out.returncode == 2 and "no frame can be used; of the first one, b: " in out.stderr
    frame = read_frame(tmp_path / "c")
    write_frame(tmp_path / "d", replace(frame, infrared_right=frame.infrared))
    out = run("--fidelity", tmp_path)
    printed = " ".join(out.stdout.split())
    assert out.returncode == 0, out.stderr
    assert "skipped b: no camera.json" in printed and "skipped c: no infrared of both" in printed
    assert "skipped a: " in printed and "not a readable PNG" in printed


def test_another_data_set_is_not_continued(tmp_path):
    (tmp_path / "data_set.json").write_text('{"seed": 7}')
    out = run(tmp_path, "--frames", 1)
    assert out.returncode == 2 and "seed: 7 -> 0" in out.stderr
