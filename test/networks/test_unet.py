import math

import pytest
import torch

from rs_denoise.matching import EVIDENCE_CHANNELS, candidate_surfaces, matching_evidence
from rs_denoise.networks.unet import SURFACE_LOGIT, UNet
from rs_denoise.networks.unet_trunk import KEEP_LOGIT, OFFSETS
from rs_denoise.training.losses import denoising_loss

KEEP_BIAS = slice(8, 12)


def run(network, disparity, infrared=None, evidence=None):
    """The network's output without or with evidence."""
    infrared = torch.zeros_like(disparity) if infrared is None else infrared
    surfaces = candidate_surfaces(disparity)
    if evidence is None:
        evidence = matching_evidence(disparity, surfaces, infrared, None)
    return network(disparity, infrared, surfaces, evidence)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = UNet().eval()
    with torch.no_grad():  # the last layers start at zero: give them something to say
        network.head.weight.normal_(0, 0.05)
        network.select.weight.normal_(0, 0.05)
        network.choose.weight.normal_(0, 0.05)
        network.evidence[1].weight.normal_(0, 0.2)
    return network


def test_untrained_it_is_nearly_the_identity():
    disparity = 5 + 20 * torch.rand(1, 1, 64, 96)
    output, scale = run(UNet().eval(), disparity, torch.rand(1, 1, 64, 96) * 255)
    assert torch.allclose(output, disparity, atol=0.05 * 20)
    assert torch.allclose(scale, torch.ones(()))


@pytest.mark.parametrize("offset", OFFSETS)
def test_it_can_take_disparity_from_around(offset):
    network = UNet().eval()
    with torch.no_grad():
        network.head.bias[KEEP_BIAS] = -20  # keep nothing
        network.choose.bias[:] = -20
        network.select.bias[OFFSETS.index(offset)] = 20
        disparity = 5 + 200 * torch.rand(1, 1, 64, 64)
        output, _ = run(network, disparity)
        x, y = 32 + 4 * offset[1] + 2, 32 + 4 * offset[0] + 2
        block = output[0, 0, 32:36, 32:36]
        taken = disparity[0, 0, y, x].expand(4, 4)
        assert ((block - taken).abs() < 1).all()  # other blocks differ by more, or smooth it
        disparity[0, 0, y, x] = 0  # never from where there is none
        output, _ = run(network, disparity)
        assert (output[0, 0, 32:36, 32:36] > 4).all()


@pytest.mark.parametrize(("surface", "expected"), [(0, 21.0), (1, 9.0)])
@pytest.mark.parametrize("skip", [1, 2])
def test_it_can_choose_the_nearest_or_the_farthest_surface(surface, expected, skip):
    network = UNet((16, 32, 64), skip).eval()
    disparity = torch.full((1, 1, 64, 64), 15.0)
    disparity[..., :30], disparity[..., 34:] = 9.0, 21.0
    with torch.no_grad():
        network.choose.bias[4 * surface : 4 * surface + 4] = 20
        output, _ = run(network, disparity)
    assert (output[0, 0, 16:-16, 30:34] == expected).all()


def test_surfaces_are_not_blended_across_an_edge():
    """Two candidates that are as likely: one of them, not the middle, where nothing is."""
    network = UNet().eval()
    disparity = torch.full((1, 1, 64, 64), 10.0)
    disparity[..., 32:] = 20.0
    with torch.no_grad():
        network.head.bias[KEEP_BIAS] = 0  # with the constant of an untrained network: 3
        network.choose.bias[:] = 5.9
        output, _ = run(network, disparity)
    assert (torch.minimum((output - 10).abs(), (output - 20).abs()) < 0.05).all()


@pytest.mark.parametrize(("odds", "expected"), [(1.5, 20.0), (3.0, 10.0)])
def test_a_surface_behind_must_be_clearly_likelier(odds, expected):
    network = UNet().eval()
    disparity = torch.full((1, 1, 64, 64), 10.0)
    disparity[..., 32:] = 20.0
    with torch.no_grad():
        network.choose.bias[:4] = -20
        network.choose.bias[4:] = KEEP_LOGIT - SURFACE_LOGIT + math.log(odds)
        output, _ = run(network, disparity)
    # Over a few blocks at the edge, what the block takes from around is at 15.
    assert ((output[0, 0, 16:-16, 33:37] - expected).abs() < 0.6).all()


def test_training_can_learn_to_choose_another_surface():
    """A gradient leads from the likeliest surface to the right one, which is farther."""
    network = UNet().train()
    disparity = torch.full((1, 1, 64, 64), 10.0)
    disparity[..., 32:] = 20.0
    truth = disparity.clone()
    truth[..., 32:36] = 10.0  # fattened
    output, scale, *choice = run(network, disparity)
    denoising_loss(output, scale, disparity, truth, choice)["choice"].backward()
    assert (network.choose.bias.grad[4:] < 0).all() and (network.choose.bias.grad[:4] >= 0).all()


def test_training_shows_what_the_network_chose_between():
    """Candidates in the order of their logits, at the pixels where they are."""
    network = UNet().train()
    disparity = torch.full((1, 1, 64, 64), 10.0)
    disparity[..., 32:] = 20.0
    disparity[..., 8, 8] = 0
    with torch.no_grad():
        *_, candidates, logits = run(network, disparity)
    assert candidates.shape == logits.shape == (1, 4, 64, 64)
    torch.testing.assert_close(candidates[0, :3, 32, 34], torch.tensor([20.0, 20, 10]))
    torch.testing.assert_close(candidates[0, :3, 8, 8], torch.tensor([0.0, 10, 10]))
    expected = torch.tensor([KEEP_LOGIT, SURFACE_LOGIT, SURFACE_LOGIT, 0.0])
    torch.testing.assert_close(logits[0, :, 32, 34], expected)


def test_a_slanted_wall_shows_no_grid():
    """What blocks take from around is enlarged smoothly: no step every 4 px."""
    network = UNet().eval()
    x = torch.arange(128.0).expand(1, 1, 128, 128)
    disparity = 10 + 0.1 * x
    with torch.no_grad():
        network.head.bias[KEEP_BIAS] = -20
        network.choose.bias[:] = -20
        network.select.bias[0] = 20  # takes each block's own disparity
        output, _ = run(network, disparity)
    steps = (output[..., 1:] - output[..., :-1])[0, 0, 64, 16:-16]
    assert torch.allclose(steps, torch.full_like(steps, 0.1), atol=0.01)


def test_evidence_matters(network):
    disparity = 5 + torch.rand(1, 1, 128, 128)
    one = torch.rand(1, EVIDENCE_CHANNELS, 64, 64)
    with torch.no_grad():
        before, after = (run(network, disparity, evidence=e)[0] for e in (one, 1 - one))
    assert (before - after).abs().max() > 0


def test_it_is_small():
    assert sum(p.numel() for p in UNet().parameters()) <= 1.2e6


def test_nothing_beyond_the_receptive_field_matters(network):
    """Every input pixel farther away is changed; the middle pixels must not notice."""
    side, reach = 512, network.receptive_field_px
    disparity, infrared = 5 + torch.rand(1, 1, side, side), 255 * torch.rand(1, 1, side, side)
    evidence = torch.rand(1, EVIDENCE_CHANNELS, side // 2, side // 2)
    middle = slice(side // 2 - 8, side // 2 + 8)
    near = torch.zeros(side, side, dtype=torch.bool)
    window = slice(middle.start - reach, middle.stop + reach)
    near[window, window] = True
    others = [torch.where(near, x, x.flip(-1) * 0.5 + 3) for x in (disparity, infrared)]
    others.append(torch.where(near[::2, ::2], evidence, evidence.flip(-1)))
    with torch.no_grad():
        before, after = run(network, disparity, infrared, evidence), run(network, *others)
    for a, b in zip(before, after, strict=True):
        assert torch.allclose(a[..., middle, middle], b[..., middle, middle], atol=1e-5)


def test_what_is_near_does_matter(network):
    disparity, infrared = 5 + torch.rand(1, 1, 128, 128), 255 * torch.rand(1, 1, 128, 128)
    changed = disparity.clone()
    changed[..., 60:70, 40] += 3.0
    with torch.no_grad():
        before, after = run(network, disparity, infrared)[0], run(network, changed, infrared)[0]
    assert (before - after)[..., 64, 64].abs() > 0


def test_holes_do_not_poison_their_surroundings(network):
    disparity = torch.zeros(1, 1, 96, 96)
    with torch.no_grad():
        output, scale = run(network, disparity)
    assert output.isfinite().all() and scale.isfinite().all() and (output >= 0).all()
