import numpy as np
import pytest
import torch

from rs_denoise.model import Model
from rs_denoise.recordings.frame import Frame
from rs_denoise.recordings.image_folder import read_frame, write_frame
from rs_denoise.training.losses import denoising_loss
from scenes import camera

lightning = pytest.importorskip("lightning", reason="Lightning is not installed")

from rs_denoise.training.data import CropDataset
from rs_denoise.training.export import export, load_network
from rs_denoise.training.train import TrainingError, train


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Ten small frames: slanted planes with noise."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for k in range(10):
        y, x = np.mgrid[:208, :224]
        truth = 1500 + 200 * k + x + y
        noisy = truth + rng.normal(0, 10, truth.shape)
        noisy[:, :12] = 0
        infrared = rng.integers(0, 255, truth.shape)
        frame = Frame("", camera(224, 208), noisy.astype(np.uint16), infrared.astype(np.uint8),
                      truth.astype(np.uint16))  # fmt: skip
        write_frame(folder / f"{k:02d}", frame)
    return folder


def test_crops_hold_what_they_promise(data):
    item = CropDataset(sorted(data.iterdir()), 192, 3, augment=True, seed=0)[0]
    assert {k: tuple(v.shape) for k, v in item.items()} == dict.fromkeys(
        ("disparity_px", "infrared", "truth_px"), (3, 1, 192, 192)
    )
    assert all(v.dtype == torch.float32 and v.isfinite().all() for v in item.values())
    assert (item["infrared"] >= 0).all() and (item["infrared"] <= 255).all()
    assert (item["truth_px"] > 0).all() and (item["disparity_px"] >= 0).all()


def test_crops_are_the_same_without_augmentation(data):
    a, b = (CropDataset(sorted(data.iterdir()), 192, 2, False, 7)[3] for _ in range(2))
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_the_loss_prefers_truth_smoothness_and_honest_doubt():
    truth = torch.full((1, 1, 32, 32), 10.0)
    noisy = truth + 0.2 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    shifted = truth + 0.2

    def loss(output, scale=0.2):
        return denoising_loss(output, torch.full_like(truth, scale), noisy, truth)

    assert loss(truth)["accuracy"] == 0 and loss(shifted)["accuracy"] > 0.1
    assert loss(shifted)["smoothness"] < 1e-6 and loss(noisy)["smoothness"] > 0.1
    assert loss(shifted, 0.2)["doubt"] < min(loss(shifted, s)["doubt"] for s in (0.05, 0.8))
    # Too far is worse than too near.
    half = torch.zeros_like(truth)
    half[..., :16] = 2
    assert loss(truth - half)["accuracy"] > 1.1 * loss(truth + half)["accuracy"]


def test_train_stop_resume_export_and_run(data, tmp_path, monkeypatch):
    run = tmp_path / "run"
    first = train(data, run, epochs=1, learning_rate=1e-3, seed=0, validation_share=0.2)
    steps = torch.load(first, weights_only=True)["global_step"]
    second = train(data, run, epochs=2, learning_rate=1e-3, seed=0, validation_share=0.2)
    assert torch.load(second, weights_only=True)["global_step"] == 2 * steps > 0
    path = tmp_path / "model.pt"
    manifest = export(second, path, "tiny", "planes", {"mae": 1.0})
    model = Model.load(path, "cpu", "float32")
    assert model.manifest == manifest and manifest.metrics == {"mae": 1.0}
    # Folding batch normalisation changed nothing.
    frame = read_frame(data / "00")
    disparity = torch.rand(1, 1, 64, 64) * 20
    infrared = torch.from_numpy(frame.infrared[:64, :64].astype(np.float32))[None, None]
    with torch.inference_mode():
        for a, b in zip(
            load_network(second)(disparity, infrared), model(disparity, infrared), strict=True
        ):
            torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)


def test_too_few_frames_are_told(data, tmp_path):
    for name in ("00", "01"):
        (tmp_path / name).symlink_to(data / name)
    with pytest.raises(TrainingError, match="2 frames, 1 of them for validation; .* at least 4"):
        train(tmp_path, tmp_path / "run", 1, 1e-3, 0, 0.2)


def test_a_foreign_checkpoint_is_refused(tmp_path):
    torch.save({"state_dict": {"network.other": torch.zeros(1)}}, tmp_path / "x.ckpt")
    with pytest.raises(ValueError, match=r"x\.ckpt: not a checkpoint of this U-Net"):
        load_network(tmp_path / "x.ckpt")
