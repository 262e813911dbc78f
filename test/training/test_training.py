import logging
import os
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from cli.in_process import run_in_process
from rs_denoise.cli.main import main
from rs_denoise.manifest import VERDICTS
from rs_denoise.model import Model
from rs_denoise.recordings.folders.frame_folder import write_frame
from rs_denoise.recordings.frame import Frame
from rs_denoise.recordings.random_access import find_frame_readers
from rs_denoise.training.console_output import format_duration
from rs_denoise.training.losses import denoising_loss
from scenes import camera

lightning = pytest.importorskip("lightning", reason="Lightning is not installed")

from rs_denoise.matching import EVIDENCE_CHANNELS
from rs_denoise.training.augment import MISALIGNMENT_PX, Crop, _copy_paste, _misalign, fatten_edges
from rs_denoise.training.config import ConfigError, TrainingConfig
from rs_denoise.training.crop_dataset import CropDataset, EpochSampler, UnusableFrame
from rs_denoise.training.export import ExportError, export, load_network
from rs_denoise.training.initial_weights import InitialWeightsError, load_initial_weights
from rs_denoise.training.lightning_modules import DisparityModule, merge_crops, module_for
from rs_denoise.training.precision import choose_training_precision
from rs_denoise.training.resumption import ResumptionError
from rs_denoise.training.train import TrainingError, train


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Ten small frames: slanted planes with noise."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for k in range(10):
        y, x = np.mgrid[:208, :224]
        truth = 1500 + 200 * k + x + y
        noisy = truth + rng.normal(0, 60, truth.shape)
        noisy[:, :12] = 0
        infrared = rng.integers(0, 255, truth.shape)
        frame = Frame("", camera(224, 208), noisy.astype(np.uint16), infrared.astype(np.uint8),
                      truth.astype(np.uint16))  # fmt: skip
        write_frame(folder / f"{k:02d}", frame)
    return folder


def test_crops_hold_what_they_promise(data):
    item = CropDataset(find_frame_readers(data), 192, 3, augment=True, seed=0)[0]
    assert {k: tuple(v.shape) for k, v in item.items()} == dict.fromkeys(
        ("disparity_px", "infrared", "truth_px"), (3, 1, 192, 192)
    ) | {
        "surfaces_px": (3, 2, 96, 96),
        "evidence": (3, EVIDENCE_CHANNELS, 96, 96),
        "scale_px_mm": (3, 1, 1, 1),
    }
    assert all(v.dtype == torch.float32 and v.isfinite().all() for v in item.values())
    assert (item["infrared"] >= 0).all() and (item["infrared"] <= 255).all()
    assert (item["truth_px"] > 0).all() and (item["disparity_px"] >= 0).all()


def test_crops_are_the_same_without_augmentation(data):
    a, b = (CropDataset(find_frame_readers(data), 192, 2, False, 7)[3] for _ in range(2))
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_a_seed_gives_the_same_crops_however_many_processes_share_them(data):
    crops = CropDataset(find_frame_readers(data), 96, 1, augment=True, seed=0)

    def epoch(number, processes):
        shares = [EpochSampler(crops, processes, rank, seed=5) for rank in range(processes)]
        for share in shares:
            share.set_epoch(number)
        return [index for turn in zip(*shares, strict=True) for index in turn]

    assert epoch(3, 1) == epoch(3, 2) and sorted(epoch(3, 1)) == list(range(30, 40))
    assert epoch(3, 1) != [index + 10 for index in epoch(2, 1)]
    first, again, later = crops[30], crops[30], crops[40]
    assert torch.equal(first["disparity_px"], again["disparity_px"])
    assert not torch.equal(first["infrared"], later["infrared"])


def test_a_misaligned_right_image_is_the_same_picture_a_little_shifted():
    ramps = np.float32(np.mgrid[:96, :224][::-1])  # x, y
    shifts = []
    for seed in range(20):
        shifted = [_misalign(ramp, np.random.default_rng(seed)) for ramp in ramps]
        assert all(image.shape == (96, 224) and image.dtype == np.float32 for image in shifted)
        moved = np.array([a - b for a, b in zip(ramps, shifted, strict=True)])[:, 4:-4, 4:-4]
        assert np.ptp(moved, axis=(1, 2)).max() < 1e-3, "the whole image moves"
        shifts.append(np.abs(moved[:, 0, 0]))
    furthest = np.max(shifts, axis=0)
    assert (furthest < MISALIGNMENT_PX).all() and (furthest > np.divide(MISALIGNMENT_PX, 2)).all()


def test_crops_are_varied_to_the_disparities_of_every_camera(data):
    crops = CropDataset(find_frame_readers(data), 96, 1, augment=True, seed=0)
    ratio, noise = [], []
    for item in (crops[10 * k] for k in range(200)):
        valid = item["disparity_px"] > 0
        error = (item["disparity_px"] - item["truth_px"])[valid]
        noise.append(float(error.abs().median()))
        ratio.append(float(item["truth_px"].median()))
    assert max(ratio) / min(ratio) > 10  # 20 times from the D405 to the D455
    # 60 mm of noise are 0.4 px here, whatever camera it is made to look like.
    assert np.percentile(noise, 95) / np.percentile(noise, 5) < 2.5


def test_gaps_are_bridged_towards_near_and_only_there():
    truth = np.full((96, 96), 20.0, np.float32)
    truth[:, 40:50] = 8.0  # a slot, through which the wall behind is seen
    truth[:10] = 0.0
    raw = np.where(truth > 0, truth + 0.1, 0).astype(np.float32)
    changed = 0
    for seed in range(20):
        result = fatten_edges(raw, truth, np.random.default_rng(seed))
        different = result != raw
        assert not different[:10].any() and not different[10:, :26].any()
        assert (result[different] > truth[different] + 1).all()
        changed += different[:, 40:50].any()
    assert changed > 8


def test_the_loss_prefers_truth_smoothness_and_a_calibrated_scale():
    truth = torch.full((1, 1, 32, 32), 10.0)
    noisy = truth + 0.2 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    shifted = truth + 0.2

    def loss(output, scale=0.2):
        return denoising_loss(output, torch.full_like(truth, scale), noisy, truth)

    assert loss(truth)["accuracy"] == 0 and loss(shifted)["accuracy"] > 0.1
    assert loss(shifted)["smoothness"] < 1e-6 and loss(noisy)["smoothness"] > 0.1
    assert loss(shifted, 0.2)["uncertainty"] < min(
        loss(shifted, s)["uncertainty"] for s in (0.05, 0.8)
    )
    # Too far is worse than too near.
    half = torch.zeros_like(truth)
    half[..., :16] = 2
    assert loss(truth - half)["accuracy"] > 1.05 * loss(truth + half)["accuracy"]


def test_the_choice_is_best_at_the_frequencies_of_the_truth():
    """With the truth at the first candidate in three of four pixels: log odds of 3."""
    truth = torch.full((1, 1, 32, 32), 10.0)
    truth[..., ::4] = 20.0
    candidates = torch.tensor([10.0, 20, 0]).view(1, 3, 1, 1).expand(1, 3, 32, 32)

    def choice(odds):
        logits = torch.tensor([float(np.log(odds)), 0.0, 5.0]).view(1, 3, 1, 1).expand(1, 3, 32, 32)
        return denoising_loss(truth, truth, truth, truth, (candidates, logits))["choice"]

    # Nearer the edges between columns all weigh the same: every pixel is near one.
    assert choice(3.0) < min(choice(odds) for odds in (0.01, 1.5, 6.0, 1000.0))


SMALL = TrainingConfig(
    network="unet-tiny", epochs=1, crop_px=96, crops_per_frame=2, frames_per_batch=2, workers=0,
    precision="32-true",
)  # fmt: skip


def run(data, out, **changes):
    frames = find_frame_readers(data)
    return train(frames[:-2], frames[-2:], out, replace(SMALL, **changes))


def last_two(data):
    return [read() for read in find_frame_readers(data)[-2:]]


@pytest.mark.parametrize(
    "network", ["unet-tiny", "unet-tiny-stereo", "autoencoder-classic", "ccgan-classic"]
)
def test_train_stop_resume_export_and_run(data, tmp_path, network):
    out = tmp_path / "run"
    first = run(data, out, network=network)
    steps = torch.load(first, weights_only=True)["global_step"]
    second = run(data, out, network=network, epochs=2)
    assert torch.load(second, weights_only=True)["global_step"] == 2 * steps > 0
    assert list((out / "tensorboard").rglob("events.*")) and (out / "config.yaml").exists()
    path = tmp_path / "model.pt"
    manifest = export(second, path, "small", "planes", last_two(data), force=True)
    model = Model.load(path, "cpu", "float32")
    assert model.manifest == manifest and model.predicts_uncertainty == ("tiny" in network)
    assert manifest.verdict in VERDICTS[:2] and "Network `" in path.with_suffix(".md").read_text()
    # Folding batch normalisation changed nothing.
    inputs = [20 * torch.rand(1, i.channels, 64 // i.stride, 64 // i.stride) + 1
              for i in model.kind.inputs]  # fmt: skip
    _, trained = load_network(second)
    with torch.inference_mode():
        expected = trained(*inputs)
        for a, b in zip(
            expected if isinstance(expected, tuple) else (expected,),
            model(*inputs),
            strict=True,
        ):
            torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)


def test_a_run_is_not_resumed_with_what_cannot_change(data, tmp_path):
    """It ended in an error of PyTorch or Lightning, or the new learning rate had no effect."""
    out = tmp_path / "run"
    checkpoint = run(data, out, epochs=2)
    written = (out / "config.yaml").read_text()
    for changes, said in (
        ({"network": "unet-tiny-stereo"}, "a run with network unet-tiny, which cannot be resumed"),
        ({"learning_rate": 0.1}, "a run with learning_rate .*, which cannot be resumed with 0.1"),
        ({"epochs": 1}, "a run of 2 epochs: to resume it, set epochs to a larger number, got 1"),
    ):
        with pytest.raises(ResumptionError, match=said):
            run(data, out, **{"epochs": 3} | changes)
        assert (out / "config.yaml").read_text() == written
    checkpoint.write_bytes(checkpoint.read_bytes()[:999])
    with pytest.raises(ResumptionError, match=r"last\.ckpt: not a readable .*; remove it to start"):
        run(data, out, epochs=3)
    (out / "step.ckpt").touch()
    with pytest.raises(ResumptionError, match=r"replace it with the step\.ckpt next to it"):
        run(data, out, epochs=3)


def test_a_run_says_what_it_does_with_settings_that_have_no_effect_or_end_it(
    data, tmp_path, caplog, monkeypatch
):
    caplog.set_level(logging.INFO)
    out = tmp_path / "run"
    run(data, out)
    run(data, out, epochs=2, start_from="unet-tiny")
    assert f"{out} contains a run, which goes on: start_from is for new runs" in caplog.text
    monkeypatch.setattr(DisparityModule, "validation_step", _never_better)
    run(data, tmp_path / "b", epochs=9, patience=2)
    assert "stopped after 3 of 9 epochs, because the validation loss no longer" in caplog.text


def _never_better(module, batch, batch_idx):
    module.log("val/loss", 1.0)


def test_a_run_does_not_mix_with_other_files(data, tmp_path):
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter.tex").write_text("mine")
    ended = run_in_process(main, "train", data, "--out", out)
    assert ended.returncode == 2 and "chapter.tex and no run" in " ".join(ended.stderr.split())
    assert [p.name for p in out.iterdir()] == ["chapter.tex"]


@pytest.mark.parametrize("command", ["train", "simulate"])
def test_a_folder_that_cannot_be_written_to_is_refused_before_any_work(
    command, data, tmp_path, monkeypatch
):
    if command == "simulate":
        pytest.importorskip("mitsuba", reason="Mitsuba is not installed")
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    for out, said in (("file", "file: is a file, not a folder"), ("file/run", "is a file"),
                      ("new/run", f"{tmp_path}: is read-only; write elsewhere")):  # fmt: skip
        ended = run_in_process(
            main, command, *([data, "--out"] if command == "train" else []), tmp_path / out
        )
        assert ended.returncode == 2 and said in " ".join(ended.stderr.split())


def test_validating_on_what_is_trained_on_is_told(data, tmp_path):
    settings = tmp_path / "c.yaml"
    TrainingConfig.write(SMALL, settings)
    arguments = (data, "--config", settings, "--out", tmp_path / "run", "--validation")
    ended = run_in_process(main, "train", *arguments, data / ".." / data.name)
    assert ended.returncode == 0 and f"{data}: is trained on and validated on" in ended.stderr
    assert ended.stdout.splitlines()[-1] == str(tmp_path / "run" / "last.ckpt")


def test_training_learns(data, tmp_path):
    """White noise on planes is easily reduced: a few hundred steps are far better than nothing."""
    out = run(data, tmp_path / "run", epochs=60, learning_rate=5e-3, ema_decay=0.9)
    manifest = export(out, tmp_path / "model.pt", "m", "planes", last_two(data))
    assert manifest.verdict == "better than identity"
    assert manifest.metrics["same.mae_mm"] < 0.7 * manifest.metrics["same_raw.mae_mm"]


def test_what_is_worse_than_nothing_is_refused_unless_forced(data, tmp_path):
    checkpoint = run(data, tmp_path / "run", network="autoencoder-classic")
    frames, path = last_two(data), tmp_path / "model.pt"
    with pytest.raises(ExportError, match="worse than its input .* --force"):
        export(checkpoint, path, "m", "planes", frames)
    assert not path.exists() and not list(tmp_path.glob("*.part"))
    blind = [replace(frame, ground_truth_mm=None) for frame in frames]
    with pytest.raises(ExportError, match="none of the frames .* has ground truth"):
        export(checkpoint, path, "m", "planes", blind, force=True)
    assert not path.exists()
    assert export(checkpoint, path, "m", "planes", frames, force=True).verdict == (
        "worse than identity"
    )


def test_export_lists_the_frames_it_could_not_read_and_keeps_the_model(data, tmp_path):
    checkpoint = run(data, tmp_path / "run")
    shutil.copytree(data, tmp_path / "frames")
    (tmp_path / "frames" / "03" / "depth.png").write_bytes(b"")
    arguments = ("--name", "m", "--training-data", "planes", "--force")
    ended = run_in_process(
        main, "export", checkpoint, tmp_path / "m.pt", *arguments,
        "--validation", tmp_path / "frames",
    )  # fmt: skip
    assert ended.returncode == 0 and "skipped 03: " in ended.stderr
    ended = run_in_process(main, "export", checkpoint, tmp_path / "m.md", *arguments)
    assert ended.returncode == 2 and "m.md: is the name of the model card" in ended.stderr


def test_a_run_can_begin_with_other_weights(data, tmp_path, caplog):
    first = run(data, tmp_path / "a")
    begun = run(data, tmp_path / "b", start_from=str(first), learning_rate=1e-9, ema_decay=0)
    weights = [load_network(path)[1].state_dict()["stem.0.weight"] for path in (first, begun)]
    torch.testing.assert_close(*weights)
    checkpoint = torch.load(first, weights_only=True)
    del checkpoint["state_dict"]["network.head.weight"]
    torch.save(checkpoint, tmp_path / "part.ckpt")
    run(data, tmp_path / "d", start_from=str(tmp_path / "part.ckpt"))
    assert "has no weights for network.head, which start at random" in caplog.text
    with pytest.raises(InitialWeightsError, match=r"last\.ckpt: not of this network"):
        run(data, tmp_path / "c", network="autoencoder-classic", start_from=str(first))


@pytest.mark.parametrize("name", ["unet-tiny-stereo", "unet-tiny"])
def test_a_run_can_begin_with_a_shipped_model(name, data):
    crops = CropDataset(find_frame_readers(data), 64, 2, augment=False, seed=0)
    batches = list(DataLoader(crops, 2))
    module = module_for(name)(name, 1e-3, total_steps=1)
    load_initial_weights(module, name, batches)
    batch = merge_crops(batches[0])
    inputs = module.inputs(batch)
    shipped = Model.load(name, "cpu", "float32")
    with torch.no_grad():
        expected = shipped(*inputs)
        for output, wanted in zip(module.network.eval()(*inputs), expected, strict=True):
            torch.testing.assert_close(output, wanted, rtol=1e-3, atol=1e-3)
        # Training normalises by the batch, and its statistics are near the stored ones.
        trained = module.network.train()(*inputs)[0]
        assert (trained - expected[0]).abs().median() < 0.1
    with pytest.raises(InitialWeightsError, match=r"unet\.pt: not of this network"):
        load_initial_weights(module_for("unet-classic")("unet-classic", 1e-3, 1), "unet", batches)


def test_too_few_frames_are_told(data, tmp_path):
    frames = find_frame_readers(data)
    with pytest.raises(
        TrainingError, match="1 frames for training and 1 for validation, but at least 2"
    ):
        train(frames[:1], frames[1:2], tmp_path / "run", SMALL)


@pytest.mark.parametrize(
    ("factor", "said"),
    [(0, "ground truth is 0 .unknown. at every pixel"), (10, "ground truth is 10 times its depth")],
)
def test_ground_truth_that_is_empty_or_in_another_unit_is_told(data, tmp_path, factor, said):
    frames = [read() for read in find_frame_readers(data)[:2]]
    bad = [
        partial(replace, frame, ground_truth_mm=frame.ground_truth_mm * np.uint16(factor))
        for frame in frames
    ]
    with pytest.raises(
        UnusableFrame, match=f"^none of 2 frames for training can be used; .* {said}"
    ):
        train(bad, bad, tmp_path / "run", SMALL)


def test_frames_without_a_pixel_to_learn_from_are_told(data, tmp_path):
    """They were trained on without a word."""
    frames = [read() for read in find_frame_readers(data)[:2]]
    bad = [partial(replace, frame, depth_mm=np.zeros_like(frame.depth_mm)) for frame in frames]
    with pytest.raises(UnusableFrame, match="01: no pixel has both depth and ground truth"):
        train(bad, bad, tmp_path / "run", SMALL)


def test_frames_without_any_error_have_no_ratio_of_errors(data, tmp_path):
    """It was infinite or not a number."""
    frames = [read() for read in find_frame_readers(data)[:2]]
    exact = [partial(replace, frame, depth_mm=frame.ground_truth_mm) for frame in frames]
    train(exact, exact, tmp_path / "run", SMALL)
    (metrics,) = tmp_path.glob("run/log/*/metrics.csv")
    written = metrics.read_text()
    assert "val/loss" in written and "ratio" not in written and "inf" not in written


@pytest.mark.parametrize("held_out", [False, True])
def test_frames_of_which_none_can_be_used_are_told(data, tmp_path, held_out):
    """Read by a worker process, they ended the run with a traceback."""
    frames = [read() for read in find_frame_readers(data)[:4]]
    bad = [partial(replace, frame, ground_truth_mm=None) for frame in frames]
    good = [partial(replace, frame) for frame in frames]
    sets = (good, bad) if held_out else (bad, good)
    use = "validation" if held_out else "training"
    said = f"^none of 4 frames for {use} can be used; .* ground truth"
    with pytest.raises(UnusableFrame, match=said) as no:
        train(*sets, tmp_path / "run", replace(SMALL, workers=1))
    assert "Traceback" not in str(no.value)


def test_a_foreign_checkpoint_is_refused(tmp_path):
    torch.save({"state_dict": {"network.other": torch.zeros(1)}}, tmp_path / "x.ckpt")
    with pytest.raises(ExportError, match=r"x\.ckpt: not a checkpoint of a network"):
        load_network(tmp_path / "x.ckpt")
    # Of other files, PyTorch says that they might be read after all if code in them may run.
    (tmp_path / "x.png").write_bytes(b"\x89PNG")
    for read in (load_network, lambda path: load_initial_weights(None, str(path), [])):
        with pytest.raises((ExportError, InitialWeightsError), match=r"x\.png: .*") as refused:
            read(tmp_path / "x.png")
        assert "weights_only" not in str(refused.value)


def test_settings_come_from_yaml_and_wrong_ones_are_named(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("network: unet-tiny\nepochs: 7\n")
    config = TrainingConfig.read(path, epochs=None, seed=3)
    assert (config.network, config.epochs, config.seed) == ("unet-tiny", 7, 3)
    config.write(path)
    assert TrainingConfig.read(path) == config
    for text, said in (
        ("epoch: 7", "unknown epoch; settings are network, epochs"),
        ("network: resnet", "network must be one of unet, unet-tiny-stereo, "),
        ("crop_px: 100", "crop_px must be a multiple of 16, got 100"),
        ("epochs: many", "epochs must be a whole number of at least 1, got 'many'"),
        ("epochs: 1.5", "epochs must be a whole number of at least 1, got 1.5"),
        ("epochs: true", "epochs must be a whole number of at least 1, got True"),
        ("epochs: 0", "epochs must be a whole number of at least 1, got 0"),
        ("learning_rate: 0", "learning_rate must be a number above 0, such as 0.003, got 0"),
        ("learning_rate: 1e-3", "learning_rate must be a number above 0, .* got '1e-3'"),
        ("learning_rate: .inf", "learning_rate must be a number above 0, .* got inf"),
        ("precision: bf16", "precision must be auto, bf16-mixed, 16-mixed or 32-true, got 'bf16'"),
        ("workers: -1", "workers must be a whole number of at least 0, got -1"),
        ("ema_decay: 2", "ema_decay must be a number from 0 to less than 1, got 2"),
        ("seed: -1", "seed must be a whole number from 0 to 4294967295, got -1"),
        ("start_from: 5", "start_from must be a path, or the name of a shipped model, got 5"),
        ("devices: 0\nnodes: 0", "devices must be .*, got 0; nodes must be .*, got 0"),
        ("- a", "expected lines of `setting: value`, got"),
        ("a: [", "not a readable YAML file"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=said):
            TrainingConfig.read(path)
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not a readable YAML file"):
        TrainingConfig.read(path)


def test_automatic_precision_is_bfloat16_only_where_it_is_computed_natively():
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    native = torch.cuda.is_available() or "avx512_bf16" in flags or "amx_bf16" in flags
    precision, reason = choose_training_precision("auto")
    assert precision == ("bf16-mixed" if native else "32-true"), reason
    assert choose_training_precision("16-mixed") == ("16-mixed", "as set")


def test_a_pasted_piece_is_nearer_and_casts_its_shadow_to_the_left():
    rng = np.random.default_rng(3)
    far = Crop(*(np.full((96, 96), v, np.float32) for v in (10.0, 50.0, 10.0)))
    near = Crop(*(np.full((96, 96), v, np.float32) for v in (12.0, 200.0, 12.0)))
    made = _copy_paste(near, far, rng)
    pieces = made.truth > 10
    assert 0.1 < pieces.mean() < 0.9
    assert (made.infrared == np.where(pieces, 200, 50)).all()
    assert (made.disparity[pieces] == made.truth[pieces]).all()
    shadow = made.disparity == 0
    assert shadow.any() and not (shadow & pieces).any()
    width = round(float(made.truth[pieces][0]) - 10)
    for row, column in zip(*np.nonzero(shadow), strict=True):
        assert pieces[row, column : column + width + 1].any()
    unknown = far._replace(truth=np.zeros_like(far.truth))
    assert _copy_paste(near, unknown, rng) is unknown


@pytest.mark.parametrize("seconds, text", [(3, "3 s"), (99, "99 s"), (720, "12 min"),
                                           (12_600, "3.5 h")])  # fmt: skip
def test_durations_are_given_in_a_unit_that_fits(seconds, text):
    assert format_duration(seconds) == text
