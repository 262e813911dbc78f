"""The command line of the Denoise-Autoencoder of 2020, flag by flag."""

import re

import cv2
import numpy as np
import pytest

pytest.importorskip("lightning", reason="Lightning is not installed")

from cli.in_process import run_as_process, run_in_process
from rs_denoise.cli.autoencoder import main
from rs_denoise.training.autoencoder_crops import cut_into_crops, mask_truth

SMALL = ("--network", "autoencoder-classic", "--epochs", 1)


def run(folder, *arguments):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return run_in_process(main, *arguments)


def write_frame(folder, name, height=136, width=160, truth=True):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(name))
    plane = 1500 + np.add.outer(np.arange(height), np.arange(width))
    noisy = plane + rng.normal(0, 20, plane.shape)
    noisy[:20, :30] = 0
    images = {"res": noisy.astype(np.uint16), "left": rng.integers(0, 255, plane.shape, np.uint8)}
    if truth:
        images["gt"] = plane.astype(np.uint16)
    for prefix, image in images.items():
        cv2.imwrite(str(folder / f"{prefix}-{name}.png"), image)


def read(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


@pytest.fixture
def workshop(tmp_path):
    for k in range(2):
        write_frame(tmp_path / "images" / "train", f"a{k}")
    write_frame(tmp_path / "images" / "test", "b0")
    write_frame(tmp_path / "images" / "test", "b1", truth=False)
    return tmp_path


def test_the_whole_workflow(workshop):
    out = run(workshop, "-c", "-n", "-t", "-s", *SMALL)
    assert out.returncode == 0, out.stderr
    images = workshop / "images"
    assert len(list((images / "train_cropped").glob("*.png"))) == 3 * 2 * 4
    assert {"gt-a0-0-0.png", "res-a1-1-1.png"} <= {
        p.name for p in (images / "train_cropped").iterdir()
    }
    assert {p.name for p in (images / "train_masked").iterdir()} == {"gt-a0.png", "gt-a1.png"}
    (model,) = (workshop / "models").iterdir()
    assert re.fullmatch(r"DEPTH_\d{4}-\d\d-\d\d-\d{6}\.model", model.name)
    assert (model / "model.pt").exists() and any((workshop / "logs").rglob("events.*"))
    for name in ("b0", "b1"):
        denoised = read(images / "denoised" / f"res-{name}.png")
        assert denoised.dtype == np.uint16 and denoised.shape == (136, 160)
    assert any((images / "test_cropped").iterdir())
    (log,) = (workshop / "logs").glob("statistics-*.log")
    assert len(log.read_text().splitlines()) == 2 and "raw_rms" in log.read_text()
    assert read(images / "denoised" / "difference-denoised-b0.png").shape == (136, 160, 3)
    # One epoch of eight crops teaches nothing: the picture has one colour, which is explained.
    assert "most denoised pixels of b0 are more than 10 % off" in out.stderr

    # Once more without paths: the crops that are there are used, and the newest model is taken.
    again = run(workshop, "--train", "--model_path", f"models/{model.name}", "--epochs", 1)
    assert again.returncode == 0, again.stderr
    newer = workshop / "models" / model.name.replace(".model", "_new.model")
    assert (newer / "model.pt").exists() and "cropping" not in again.stdout
    tested = run(workshop, "--test")
    assert f"denoising with {newer.name}" in tested.stdout
    alias = run(workshop, "-t", "--keras_model_path", f"models/{model.name}")
    assert f"denoising with {model.name}" in alias.stdout


def test_train_path_names_other_images(tmp_path):
    for k in range(2):
        write_frame(tmp_path / "mine", f"c{k}")
    out = run_as_process(main, "-n", "--train_path", "mine", *SMALL, cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    assert (tmp_path / "images" / "train_cropped" / "gt-c0-0-0.png").exists()


def test_earlier_crops_stay_if_no_new_ones_can_be_made(workshop):
    assert run(workshop, "-c").returncode == 0
    images = workshop / "images"
    before = {p: p.read_bytes() for p in images.glob("train_*/*.png")}
    assert before
    write_frame(workshop / "no_truth", "d0", truth=False)
    (workshop / "broken").mkdir()
    (workshop / "broken" / "res-x.png").write_bytes(b"no picture")
    for folder, said in (("no_truth", "no frame has ground truth"), ("broken", "can be read")):
        out = run(workshop, "-c", "--train_path", folder)
        assert out.returncode == 2 and said in " ".join(out.stderr.split())
        assert {p: p.read_bytes() for p in images.glob("train_*/*.png")} == before
    write_frame(workshop / "new", "e0")
    out = run(workshop, "-c", "--train_path", "new")
    assert "4 crops of 1 frame in" in " ".join(out.stdout.split())
    assert {p.name for p in (images / "train_masked").iterdir()} == {"gt-e0.png"}
    assert not list((images / "train_cropped").glob("*-a0-*"))


def test_an_empty_test_folder_gives_an_empty_result(workshop):
    assert run(workshop, "-n", *SMALL).returncode == 0
    assert run(workshop, "-t").returncode == 0
    assert any((workshop / "images" / "denoised").iterdir())
    (workshop / "empty").mkdir()
    out = run(workshop, "-t", "--test_path", "empty")
    assert out.returncode == 0 and "0 frames of empty" in out.stdout
    assert not any((workshop / "images" / "denoised").iterdir())


def test_raw_images_become_png_at_every_size(tmp_path):
    (tmp_path / "images" / "test").mkdir(parents=True)
    expected = {}
    for width, height in ((1280, 720), (848, 480), (640, 480)):
        image = np.arange(width * height, dtype=np.uint32).astype("<u2").reshape(height, width)
        (tmp_path / "images" / "test" / f"res-{width}.raw").write_bytes(image.tobytes())
        expected[f"res-{width}.png"] = image
        grey = image.astype(np.uint8)
        (tmp_path / "images" / "test" / f"left-{width}.raw").write_bytes(grey.tobytes())
        expected[f"left-{width}.png"] = grey
    out = run(tmp_path, "--convert_raw")
    assert out.returncode == 0 and "converted 6" in out.stdout
    for name, image in expected.items():
        found = read(tmp_path / "images" / "test" / name)
        assert found.dtype == image.dtype
        np.testing.assert_array_equal(found, image)
    (tmp_path / "images" / "test" / "bad.raw").write_bytes(b"123")
    bad = run(tmp_path, "-r")
    assert bad.returncode == 2 and "3 bytes, expected an image of 1280x720" in bad.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to do: give -c, -n, -t, -s or -r"),
        (["-c"], "images/train: contains no res-*.png; put gt-NAME.png"),
        (["-n"], "images/train: contains no res-*.png"),
        (["-t"], "models holds no model: train one with -n"),
        (["-t", "--model_path", "nowhere"], "nowhere: no such folder"),
        (["-n", "--train_path", "nowhere"], "nowhere: no such folder"),
        (["-s"], "nothing to compare"),
        (["-t", "--model_path", "images"], "images: has no model.pt; it is not a model"),
        (["-c", "-n", "--network", "resnet"], "network must be one of unet, "),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(tmp_path, arguments, said):
    out = run(tmp_path, *arguments)
    assert out.returncode == 2 and said in out.stderr and "Traceback" not in out.stderr


def test_a_model_whose_training_was_stopped_is_told(tmp_path):
    (tmp_path / "models" / "a.model").mkdir(parents=True)
    (tmp_path / "models" / "a.model" / "last.ckpt").touch()
    out = run(tmp_path, "-t", "--model_path", "models/a.model")
    said = "its training was stopped; train it further with -n --model_path models/a.model"
    assert out.returncode == 2 and said in out.stderr


def test_frames_without_truth_are_counted_and_broken_ones_named(tmp_path):
    write_frame(tmp_path / "images" / "train", "x", truth=False)
    out = run(tmp_path, "-c")
    assert out.returncode == 2 and "no frame has ground truth" in out.stderr
    (tmp_path / "images" / "train" / "res-x.png").write_bytes(b"not a picture")
    out = run(tmp_path, "-c")
    assert out.returncode == 2 and "res-x.png: not a readable PNG" in out.stderr


def test_frames_without_infrared_are_counted(workshop):
    for folder, name in (("train", "a1"), ("test", "b0"), ("test", "b1")):
        (workshop / "images" / folder / f"left-{name}.png").unlink()
    out = run(workshop, "-c", "-n", "-t", *SMALL)
    assert out.returncode == 0, out.stderr
    assert "without left-*.png: 1 frame, cropped with black infrared" in out.stdout
    assert "2 frames of images/test" in out.stdout
    assert "without left-*.png: 2 frames, denoised from depth alone" in out.stdout


def test_848x480_makes_28_crops_that_hold_every_pixel():
    image = np.arange(848 * 480, dtype=np.uint32).reshape(480, 848).astype(np.uint16)
    crops = {(row, column): crop for row, column, crop in cut_into_crops(image)}
    assert len(crops) == 28 and max(crops) == (3, 6)
    whole = np.block([[crops[row, column] for column in range(7)] for row in range(4)])
    assert whole.shape == (512, 896) and not whole[480:].any() and not whole[:, 848:].any()
    np.testing.assert_array_equal(whole[:480, :848], image)


def test_truth_is_masked_around_what_the_camera_did_not_see():
    depth, truth = np.full((9, 9), 1000, np.uint16), np.full((9, 9), 1100, np.uint16)
    depth[4, 4] = 0
    masked = mask_truth(depth, truth)
    assert (masked[3:6, 3:6] == 0).all() and (masked > 0).sum() == 81 - 9
