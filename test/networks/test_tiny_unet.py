import math

import pytest
import torch

from rs_denoise.networks.tiny_unet import TinyUNet
from rs_denoise.networks.unet_trunk import OFFSETS
from rs_denoise.training.losses import denoising_loss

KEEP_BIAS = slice(8, 12)


@pytest.fixture
def network():
    """It gives, everywhere, what the biases of its last layers say."""
    return TinyUNet().eval()


@pytest.fixture
def trained():
    """It gives something else at every pixel."""
    torch.manual_seed(0)
    network = TinyUNet().eval()
    with torch.no_grad():
        network.head.weight.normal_(0, 0.05)
        network.select.weight.normal_(0, 0.05)
        network.surfaces[1].weight.normal_(0, 0.2)
        network.late_surfaces[2].weight.normal_(0, 0.2)
    return network


def run(network, disparity, infrared=None):
    with torch.no_grad():
        return network(disparity, torch.zeros_like(disparity) if infrared is None else infrared)


def replace_all(network):
    """Keeps nothing that was measured, and takes each block's own disparity."""
    with torch.no_grad():
        network.head.bias[KEEP_BIAS] = -20
        network.select.bias[0] = 20


def test_untrained_it_keeps_what_was_measured(network):
    disparity = 5 + torch.rand(1, 1, 64, 96)
    output, scale = run(network, disparity)
    assert torch.allclose(output, disparity, atol=0.1) and torch.allclose(scale, torch.ones(()))


@pytest.mark.parametrize("offset", OFFSETS)
def test_it_can_take_disparity_from_around(network, offset):
    disparity = 5 + 200 * torch.rand(1, 1, 128, 128)
    replace_all(network)
    with torch.no_grad():
        network.select.bias[:] = 0
        network.select.bias[OFFSETS.index(offset)] = 20
    y, x = 64 + 8 * offset[0] + 4, 64 + 8 * offset[1] + 4
    block = run(network, disparity)[0][0, 0, 64:72, 64:72]
    assert ((block - disparity[0, 0, y, x]).abs() < 1).all()


def test_a_pixel_is_of_one_surface(network):
    """Beside an edge it keeps what was measured, or takes the other surface: not the middle."""
    disparity = torch.full((1, 1, 64, 64), 10.0)
    disparity[..., 32:] = 20.0
    replace_all(network)
    with torch.no_grad():
        network.head.bias[KEEP_BIAS] = -3 + 0.3  # beside the constant 3: 57 % of the measured
        network.select.bias[OFFSETS.index((0, 3))] = 40
    output, _ = run(network, disparity)
    assert torch.minimum((output - 10).abs(), (output - 20).abs()).max() < 0.2


@pytest.mark.parametrize(("kept", "expected"), [(0.4, 20.0), (0.25, 10.0)])
def test_a_surface_behind_must_be_clearly_likelier(network, kept, expected):
    disparity = torch.full((1, 1, 64, 64), 10.0)
    disparity[..., 32:] = 20.0
    replace_all(network)
    with torch.no_grad():
        network.head.bias[KEEP_BIAS] = -3 + math.log(kept / (1 - kept))
        network.select.bias[OFFSETS.index((0, -3))] = 40
    output, _ = run(network, disparity)
    assert (output[0, 0, 24:-24, 34:38] - expected).abs().max() < 0.5


def test_training_can_learn_to_choose_another_surface(network):
    disparity = torch.full((1, 1, 64, 64), 10.0)
    disparity[..., 32:] = 20.0
    replace_all(network)
    with torch.no_grad():
        network.head.bias[KEEP_BIAS] = 0
        network.select.bias[OFFSETS.index((0, -3))] = 40
    truth = disparity.clone()
    truth[..., 32:40] = 10.0  # fattened
    output, scale, *choice = network.train()(disparity, torch.zeros_like(disparity))
    denoising_loss(output, scale, disparity, truth, choice)["choice"].backward()
    assert network.head.bias.grad[KEEP_BIAS].sum() > 0


def test_what_it_takes_shows_no_grid(network):
    disparity = (10 + 0.05 * torch.arange(128.0)).expand(1, 1, 128, 128)
    replace_all(network)
    steps = run(network, disparity)[0].diff(dim=-1)[0, 0, 64, 32:-32]
    assert steps.max() <= 0.101 and steps.min() >= -1e-5  # two pixels share a value, not eight


def test_surfaces_around_matter(trained):
    """Of two pixels with equal means around them, one is noisier."""
    noise = torch.zeros(1, 1, 128, 128)
    noise[..., ::4, ::4], noise[..., 2::4, 2::4] = 0.5, -0.5
    with torch.no_grad():
        before = trained.surfaces[1].weight.clone()
        outputs = []
        for weight in (before, torch.zeros_like(before)):
            trained.surfaces[1].weight.copy_(weight)
            outputs.append(run(trained, 20 + noise)[1])
    assert (outputs[0] - outputs[1]).abs().max() > 1e-3


def test_nothing_beyond_the_receptive_field_matters(trained):
    side, reach = 512, trained.receptive_field_px
    disparity, infrared = 5 + torch.rand(1, 1, side, side), 255 * torch.rand(1, 1, side, side)
    middle = slice(side // 2 - 8, side // 2 + 8)
    near = torch.zeros(side, side, dtype=torch.bool)
    window = slice(middle.start - reach, middle.stop + reach)
    near[window, window] = True
    others = [torch.where(near, x, x.flip(-1) * 0.5 + 3) for x in (disparity, infrared)]
    for a, b in zip(run(trained, disparity, infrared), run(trained, *others), strict=True):
        assert torch.allclose(a[..., middle, middle], b[..., middle, middle], atol=1e-5)
        assert not torch.equal(a, b)


def test_holes_do_not_poison_their_surroundings(trained):
    output, scale = run(trained, torch.zeros(1, 1, 96, 96))
    assert output.isfinite().all() and scale.isfinite().all() and (output >= 0).all()
