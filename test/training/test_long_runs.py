"""Long training runs: killed, resumed, and in several processes."""

import csv
import os
import re
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
import torch

pytest.importorskip("lightning", reason="Lightning is not installed")

from cli.in_process import run_in_process
from rs_denoise.cli.main import main
from rs_denoise.recordings.folders.frame_folder import write_frame
from rs_denoise.recordings.frame import Frame
from scenes import camera

SETTINGS = """
network: unet-tiny
crop_px: 96
crops_per_frame: 2
workers: 0
precision: 32-true
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for k in range(12):
        truth = 1500 + 200 * k + np.add.outer(np.arange(112), np.arange(128))
        noisy = truth + rng.normal(0, 60, truth.shape)
        write_frame(
            folder / f"{k:02d}",
            Frame("", camera(128, 112), noisy.astype(np.uint16),
                  rng.integers(0, 255, truth.shape, np.uint8), truth.astype(np.uint16)),
        )  # fmt: skip
    return folder


def train_arguments(data, out, **settings):
    out.mkdir(parents=True, exist_ok=True)
    config = out / "mine.yaml"
    config.write_text(SETTINGS + "".join(f"{k}: {v}\n" for k, v in settings.items()))
    return [str(a) for a in ("train", data, "--out", out, "--config", config)]


def start(*arguments):
    """Starts a run in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "rs_denoise.cli.main", *arguments], text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        # Where tests run in the background, it is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip


def run(*arguments):
    """Trains in this process, which has imported PyTorch already."""
    result = run_in_process(main, *arguments)
    assert result.returncode == 0, result.stdout + result.stderr


def losses(out):
    """Of validation, epoch by epoch."""
    rows = [row for path in out.glob("log/*/metrics.csv") for row in csv.DictReader(path.open())]
    return [float(row["val/loss"]) for row in rows if row.get("val/loss")]


def test_a_killed_run_goes_on_from_its_last_checkpoint(data, tmp_path):
    out = tmp_path / "run"
    process = start(*train_arguments(data, out, epochs=2000, frames_per_batch=2))
    deadline = time.monotonic() + 200
    while not (out / "last.ckpt").exists() and time.monotonic() < deadline:
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = torch.load(out / "last.ckpt", weights_only=True)
    assert before["global_step"] >= 100
    epochs = before["epoch"] + 2
    run(*train_arguments(data, out, epochs=epochs, frames_per_batch=2))
    after = torch.load(out / "last.ckpt", weights_only=True)
    # 11 frames are learnt from, in batches of 2, the rest of them dropped.
    assert after["global_step"] == 5 * epochs


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_with_a_sentence_and_a_checkpoint(data, tmp_path, how):
    """And what was printed until then is about this run, not about Lightning."""
    out = tmp_path / "run"
    process = start(*train_arguments(data, out, epochs=2000, frames_per_batch=2, workers=1))
    printed = ""
    for line in process.stdout:
        printed += line
        if re.search(r"about \d.* left: \d+ steps", line):
            break
    if how == signal.SIGINT:
        os.killpg(process.pid, how)  # as a terminal does, also to those that read frames
    else:
        process.send_signal(how)
    printed += process.communicate(timeout=100)[0]
    assert process.returncode == 128 + how, printed
    step = int(re.search(rf"{how.name} stopped the run after step (\d+)", printed)[1])
    assert "Repeat the command to resume it." in printed and "Traceback" not in printed
    for noise in ("Tip:", "FLOPs", "not empty", "LeafSpec", "weights_only"):
        assert noise not in printed
    saved = torch.load(out / "last.ckpt", weights_only=True)
    assert 10 <= saved["global_step"] == step < 2000
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        run(*train_arguments(data, out, epochs=saved["epoch"] + 1, frames_per_batch=2))
    assert "unreliable" not in "".join(str(warning.message) for warning in warned)
    after = torch.load(out / "last.ckpt", weights_only=True)
    assert after["global_step"] == 5 * (saved["epoch"] + 1)


def test_two_processes_learn_what_one_learns(data, tmp_path):
    """The same crops in the same batches; what differs is batch normalisation, over half of one."""
    alone, together = tmp_path / "one", tmp_path / "two"
    settings = {"epochs": 90, "ema_decay": 0.9}
    process = start(*train_arguments(data, together, frames_per_batch=2, devices=2, **settings))
    run(*train_arguments(data, alone, frames_per_batch=4, **settings))
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0 and "distributed_backend=gloo" in output, output
    assert output.count(str(together / "last.ckpt")) == 1 and "Grad strides" not in output
    first, second = losses(alone), losses(together)
    learnt = first[0] - first[-1]
    assert learnt > 0.5
    # Seeds 0, 1 and 2 gave 0.03, 0.01 and 0.01.
    assert abs(second[-1] - first[-1]) < 0.12 * learnt, (first, second)
