import pytest

pytest.importorskip("mitsuba", reason="Mitsuba is not installed")

from cli.in_process import run_in_process
from rs_denoise.cli.main import main
from rs_denoise.recordings.folders.frame_folder import find_frames


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


def test_another_data_set_is_not_continued(tmp_path):
    (tmp_path / "data_set.json").write_text('{"seed": 7}')
    out = run(tmp_path, "--frames", 1)
    assert out.returncode == 2 and "seed: 7 -> 0" in out.stderr
