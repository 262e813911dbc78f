import cv2
import numpy as np
import pytest

from rs_denoise.simulation.image_statistics import image_statistics

INSIDE = np.zeros((120, 200), bool)
INSIDE[10:-10, 40:-10] = True


def texture(sigma, seed=0):
    noise = np.random.default_rng(seed).normal(size=(120, 240)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), sigma)
    return 100 + 25 * smooth / smooth.std()


def pair(disparity, noise=0.0, sigma=1.5):
    """The right image is the left one, `disparity` px farther left, with noise on both."""
    rng = np.random.default_rng(1)
    scene = texture(sigma)
    left, right = scene[:, 20:220], scene[:, 20 + disparity : 220 + disparity]
    return (image + rng.normal(0, noise, image.shape) for image in (left, right))


def measured(disparity=12, assumed=12, **options):
    return image_statistics(
        *pair(disparity, **options), np.full((120, 200), assumed, np.float32), INSIDE
    )


def test_the_right_disparity_costs_nothing_and_a_wrong_one_much():
    assert measured()["cost_5"] < 1e-3
    assert measured(assumed=20)["cost_5"] > 0.5


def test_noise_costs_what_its_power_says():
    # ZNCC of two images with signal S and independent noise N each is S / (S + N).
    found = measured(noise=12.5, sigma=0.7)
    assert found["cost_9"] == pytest.approx(1 - 25**2 / (25**2 + 12.5**2), abs=0.05)


def test_contrast_grey_and_texture_are_those_of_the_image():
    found = measured(sigma=2.0)
    assert found["grey_median"] == pytest.approx(100, abs=6)
    # A Gaussian of sigma s makes an autocorrelation of exp(-lag^2 / 4 s^2).
    # Without its mean over 31 px an image is a little less alike itself.
    for lag in (1, 2, 4):
        assert found[f"texture_{lag}"] == pytest.approx(np.exp(-(lag**2) / 16), abs=0.1)
    assert 0.05 < found["local_contrast"] < 0.25
