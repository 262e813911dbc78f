import pytest
import torch
from torch import nn

from rs_denoise.networks import NETWORKS
from rs_denoise.networks.ccgan import CLASSES, Discriminator, depth_class

CLASSIC = [name for name, entry in NETWORKS.items() if entry.kind == "none"]


@pytest.mark.parametrize("name", CLASSIC)
def test_depth_comes_out_at_the_size_it_went_in(name):
    network = NETWORKS[name].build().eval()
    side = 2 * network.stride
    with torch.no_grad():
        depth = network(
            torch.full((2, 1, side, 2 * side), 1500.0), torch.zeros(2, 1, side, 2 * side)
        )
    assert depth.shape == (2, 1, side, 2 * side)
    assert ((depth > 0) & (depth < 65536)).all()


@pytest.mark.parametrize("name", CLASSIC)
def test_nothing_beyond_the_receptive_field_matters(name):
    torch.manual_seed(0)
    network = NETWORKS[name].build().eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    reach, side = network.receptive_field_px, 320
    # The network's last word is squashed; what goes into it is compared.
    words = []
    last = [m for m in network.modules() if isinstance(m, nn.Conv2d)][-1]
    last.register_forward_hook(lambda _, __, output: words.append(output))
    image = torch.rand(1, 1, side, side)
    middle = slice(side // 2 - 8, side // 2 + 8)
    near = torch.zeros(side, side, dtype=torch.bool)
    window = slice(middle.start - reach, middle.stop + reach)
    near[window, window] = True
    with torch.no_grad():
        for changed in (image, torch.where(near, image, 1 - image), 1 - image):
            network.body(torch.cat([changed, changed], dim=1))
    first, far, all_ = (word[..., middle, middle] for word in words)
    torch.testing.assert_close(first, far, rtol=1e-4, atol=1e-4)
    assert (first - all_).abs().max() > 1e-3


def test_the_unet_has_the_size_of_its_paper():
    count = sum(p.numel() for p in NETWORKS["unet-classic"].build().parameters())
    assert 31.0e6 < count < 31.1e6


def test_the_judge_tells_patches_and_a_class():
    validity, label = Discriminator(8)(torch.full((2, 1, 64, 64), 900.0), torch.zeros(2, 1, 64, 64))
    assert validity.shape[:2] == (2, 1) and validity.shape[-1] > 1
    assert label.shape == (2, CLASSES)


def test_classes_are_near_middle_and_far():
    truth = torch.zeros(4, 1, 8, 8)
    for k, depth in enumerate((500.0, 2000.0, 5000.0, 0.0)):
        truth[k, :, :4] = depth  # the rest is unknown
    assert depth_class(truth).tolist() == [0, 1, 2, 0]
