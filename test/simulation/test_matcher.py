import inspect
from dataclasses import replace

import cv2
import numpy as np
import pytest

pytest.importorskip("numba", reason="Numba is not installed")

from rs_denoise.simulation import cost_volume
from rs_denoise.simulation.matcher import Matcher, match, random_matcher
from rs_denoise.simulation.presets import MAX_DISPARITY_PX

HEIGHT, WIDTH = 96, 256


def texture(width, seed=0):
    """Grey levels with detail of a few px, as projected dots have."""
    noise = np.random.default_rng(seed).normal(size=(HEIGHT, width)).astype(np.float32)
    return 60 + 120 * cv2.GaussianBlur(noise, (0, 0), 1.2)


def seen_by_right(left, disparity_px):
    """The right image of a surface whose left disparity is the same in every column."""
    x, y = np.meshgrid(np.arange(left.shape[1]), np.arange(left.shape[0]))
    along_x = (x + disparity_px).astype(np.float32)
    return cv2.remap(left, along_x, y.astype(np.float32), cv2.INTER_CUBIC)


def near_strip(disparity_px=30, background_px=8):
    """A textured strip before a fainter wall: left and right image, and the strip's columns."""
    wall, strip = 60 + 0.1 * (texture(WIDTH + 64, seed=1) - 60), texture(40, seed=2)
    left, right = wall[:, :WIDTH].copy(), wall[:, background_px : WIDTH + background_px].copy()
    left[:, 120:160] = strip
    right[:, 120 - disparity_px : 160 - disparity_px] = strip
    noise = np.random.default_rng(4).normal(0, 0.5, (2, HEIGHT, WIDTH)).astype(np.float32)
    return left + noise[0], right + noise[1], slice(120, 160)


@pytest.mark.parametrize("disparity_px", [3.0, 12.5, 20.25, 41.7])
def test_a_plane_is_measured_to_a_tenth_of_a_pixel(disparity_px):
    left = texture(WIDTH)
    found = match(left, seen_by_right(left, disparity_px), Matcher())[:, 60:-60]
    assert np.mean(found > 0) > 0.99
    assert abs(np.median(found[found > 0]) - disparity_px) < 0.03
    assert np.quantile(np.abs(found[found > 0] - disparity_px), 0.99) < 0.1


def test_columns_without_a_partner_are_invalid():
    left = texture(WIDTH)
    found = match(left, seen_by_right(left, 40.0), Matcher())
    assert not (found[:, :30] > 0).any()
    assert np.mean(found[:, 50:-60] > 0) > 0.99


def test_the_shadow_is_left_of_the_near_thing_and_its_edges_are_fattened():
    left, right, strip = near_strip()
    found = match(left, right, Matcher())
    # 22 px of the wall, left of the strip, are hidden from the right imager.
    shadow, lit = found[10:-10, 100:114], found[10:-10, 174:220]
    assert np.mean(np.abs(shadow - 8) < 1) < 0.2
    assert np.mean(np.abs(lit - 8) < 0.5) > 0.95
    assert np.mean(np.abs(found[10:-10, strip] - 30) < 0.1) > 0.9
    # As the real camera's: the strip seems wider, to its left.
    fattened = np.abs(found[10:-10, strip.start - 6 : strip.start] - 30) < 0.5
    assert fattened.sum(axis=1).mean() > 0.4


def test_strict_checks_leave_more_holes_and_fewer_errors():
    rng = np.random.default_rng(3)
    left = texture(WIDTH)
    images = [left + rng.normal(0, 50, left.shape), seen_by_right(left, 17.0)]
    images[1] = images[1] + rng.normal(0, 50, left.shape)
    lenient, strict = (
        match(*images, Matcher(second_peak=peak, left_right_px=px))[:, 60:-60]
        for peak, px in ((0.0, 2.0), (8.0, 0.4))
    )
    assert np.mean(strict > 0) < np.mean(lenient > 0) - 0.05
    wrong = [np.mean(np.abs(d[d > 0] - 17) > 1) for d in (strict, lenient)]
    assert wrong[0] <= wrong[1]


def test_the_matcher_sees_images_only():
    assert list(inspect.signature(match).parameters) == ["left", "right", "matcher"]


def test_the_same_images_give_the_same_bits_and_uint8_is_taken():
    left = np.clip(texture(WIDTH), 0, 255).astype(np.uint8)
    right = np.roll(left, -11, axis=1)
    first, second = match(left, right, Matcher()), match(left, right, Matcher())
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, match(left.astype(float), right.astype(float), Matcher()))
    assert first.dtype == np.float32


def test_disparity_comes_in_steps_and_ends_where_the_hardware_does():
    left = texture(WIDTH)
    found = match(left, seen_by_right(left, 127.0), Matcher())
    assert found.max() <= MAX_DISPARITY_PX
    assert (found * 32 == np.round(found * 32)).all()


def test_costs_are_hamming_distances_of_census_bits():
    rng = np.random.default_rng(5)
    image = rng.uniform(0, 255, (12, 14)).astype(np.float32)
    words = cost_volume.census_transform(image, np.float32(0))
    # By hand, in the interior, where no neighbour is repeated.
    for y, x in ((5, 6), (7, 9)):
        patch = image[y - 4 : y + 5, x - 4 : x + 5] < image[y, x]
        assert sum(bin(int(word)).count("1") for word in words[y, x]) == patch.sum()


def test_an_arm_ends_at_a_change_of_grey_level_but_not_before_its_least_length():
    image = np.full((9, 20), 50, np.float32)
    image[:, 12:] = 90
    arms = cost_volume.support_arms(image, (0, 1), 2, 6, np.float32(10))
    assert arms[4, 5].tolist() == [5, 6]  # the image ends, and the longest arm
    assert arms[4, 8].tolist() == [6, 3]  # up to the edge
    assert arms[4, 11].tolist() == [6, 2]  # across it, by the least length


def test_refusals_say_what_came():
    image = texture(WIDTH)
    with pytest.raises(ValueError, match=r"one size, got shapes \(96, 256\) and \(96, 200\)"):
        match(image, image[:, :200], Matcher())
    with pytest.raises(ValueError, match=r"at most 12 px, got \(13, 6\)"):
        match(image, image, Matcher(arm_px=(13, 6)))


def test_random_matchers_lie_around_the_one_that_fits_real_frames():
    rng = np.random.default_rng(0)
    matchers = [random_matcher(rng) for _ in range(300)]
    for name in ("blur_px", "min_arm_px", "arm_contrast", "step_penalty", "jump_penalty",
                 "second_peak", "left_right_px"):  # fmt: skip
        values = [getattr(matcher, name) for matcher in matchers]
        assert min(values) < getattr(Matcher(), name) < max(values), name
    assert all(max(matcher.arm_px) <= cost_volume.MAX_ARM_PX for matcher in matchers)


def test_strict_thresholds_are_stricter_than_those_fitted_to_real_frames():
    fitted, strict = (
        [random_matcher(np.random.default_rng(seed), thresholds) for seed in range(100)]
        for thresholds in ("fitted", "strict")
    )
    for one, other in zip(fitted, strict, strict=True):
        assert one.second_peak < other.second_peak
        assert one.left_right_px > other.left_right_px
        assert replace(one, second_peak=0, left_right_px=0) == replace(
            other, second_peak=0, left_right_px=0
        )
