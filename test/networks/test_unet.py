import pytest
import torch

from rs_denoise.networks.unet import OFFSETS, UNet


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = UNet().eval()
    with torch.no_grad():  # the last layers start at zero: give them something to say
        network.head.weight.normal_(0, 0.05)
        network.select.weight.normal_(0, 0.05)
    return network


def test_untrained_it_is_nearly_the_identity():
    disparity = 5 + 20 * torch.rand(1, 1, 64, 96)
    output, scale = UNet().eval()(disparity, torch.rand(1, 1, 64, 96) * 255)
    assert torch.allclose(output, disparity, atol=0.05 * 20)
    assert torch.allclose(scale, torch.ones(()))


@pytest.mark.parametrize("offset", OFFSETS)
def test_it_can_take_disparity_from_around(offset):
    network = UNet().eval()
    with torch.no_grad():
        network.head.bias[8:] = -20  # keep nothing
        network.select.bias[OFFSETS.index(offset)] = 20
        disparity = 5 + 20 * torch.rand(1, 1, 64, 64)
        output, _ = network(disparity, torch.zeros_like(disparity))
        x, y = 32 + 4 * offset[1] + 2, 32 + 4 * offset[0] + 2
        block = output[0, 0, 32:36, 32:36]
        assert torch.allclose(block, disparity[0, 0, y, x].expand(4, 4), atol=1e-4)
        disparity[0, 0, y, x] = 0  # never from where there is none
        output, _ = network(disparity, torch.zeros_like(disparity))
        assert (output[0, 0, 32:36, 32:36] > 4).all()


def test_it_is_small():
    assert sum(p.numel() for p in UNet().parameters()) <= 1.2e6


def test_nothing_beyond_the_receptive_field_matters(network):
    """Every input pixel farther away is changed; the middle pixels must not notice."""
    side, reach = 512, network.receptive_field_px
    disparity, infrared = 5 + torch.rand(1, 1, side, side), 255 * torch.rand(1, 1, side, side)
    middle = slice(side // 2 - 8, side // 2 + 8)
    near = torch.zeros(side, side, dtype=torch.bool)
    window = slice(middle.start - reach, middle.stop + reach)
    near[window, window] = True
    others = [torch.where(near, x, x.flip(-1) * 0.5 + 3) for x in (disparity, infrared)]
    with torch.no_grad():
        before, after = network(disparity, infrared), network(*others)
    for a, b in zip(before, after, strict=True):
        assert torch.allclose(a[..., middle, middle], b[..., middle, middle], atol=1e-5)


def test_what_is_near_does_matter(network):
    disparity, infrared = 5 + torch.rand(1, 1, 128, 128), 255 * torch.rand(1, 1, 128, 128)
    changed = disparity.clone()
    changed[..., 60:70, 40] += 3.0
    with torch.no_grad():
        before, after = network(disparity, infrared)[0], network(changed, infrared)[0]
    assert (before - after)[..., 64, 64].abs() > 0


def test_holes_do_not_poison_their_surroundings(network):
    disparity = torch.zeros(1, 1, 96, 96)
    with torch.no_grad():
        output, scale = network(disparity, torch.zeros_like(disparity))
    assert output.isfinite().all() and scale.isfinite().all() and (output >= 0).all()
