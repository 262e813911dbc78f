"""Right infrared images that do not belong to depth are recognised, those that do are kept."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from rs_denoise.camera import Camera
from rs_denoise.depth import to_disparity_px
from rs_denoise.right_image_check import MIN_CONFIRMED, compare_images, explain_mismatch
from rs_denoise.synthetic_frame import synthetic_frame, typical_camera

CAMERA = Camera.d435(848, 480)
DEPTH, LEFT, RIGHT = synthetic_frame(CAMERA)
# The texture of real images reaches over several pixels.
BLURRED_LEFT, BLURRED_RIGHT = (cv2.GaussianBlur(image, (0, 0), 1.5) for image in (LEFT, RIGHT))
OTHER = np.random.default_rng(7).integers(20, 80, LEFT.shape, np.uint8)


def compare(left, right, depth=DEPTH, camera=CAMERA):
    disparity = to_disparity_px(depth, camera.disparity_scale_px_mm)
    images = (disparity, left, right)
    return compare_images(*(torch.from_numpy(np.float32(i))[None, None] for i in images))


def confirmed(*images, **of):
    return compare(*images, **of).confirmed


@pytest.mark.parametrize(("width", "height"), [(848, 480), (1280, 720), (640, 360), (424, 240)])
@pytest.mark.parametrize("baseline_m", [0.018, 0.05, 0.095])
def test_images_that_belong_to_depth(width, height, baseline_m):
    camera = replace(typical_camera(width, height), baseline_m=baseline_m)
    depth, left, right = synthetic_frame(camera)
    found = compare(left, right, depth, camera)
    assert found.confirmed > 0.9 and found.shift_px == (0, 0)
    assert explain_mismatch(found, camera.baseline_m) is None


def test_a_dark_right_image_still_belongs():
    assert confirmed(LEFT, RIGHT // 4) > 0.8


MISTAKES = {
    "swapped": (RIGHT, LEFT),
    "the left one twice": (LEFT, LEFT),
    "3 rows lower": (LEFT, np.roll(RIGHT, 3, axis=0)),
    "of another moment": (LEFT, OTHER),
    "rotated by 180 degrees": (LEFT[::-1, ::-1], RIGHT[::-1, ::-1]),
    "covered": (LEFT, np.zeros_like(RIGHT)),
    "overexposed": (LEFT, np.full_like(RIGHT, 255)),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_images_that_do_not(mistake):
    assert confirmed(*MISTAKES[mistake]) < MIN_CONFIRMED


def test_the_baseline_of_another_camera():
    assert confirmed(LEFT, RIGHT, camera=replace(CAMERA, baseline_m=0.095)) < MIN_CONFIRMED


@pytest.mark.parametrize(
    ("rows", "columns", "where"),
    [(1, 0, "too low"), (-1, 0, "too high"), (2, 0, "too low"),
     (0, 1, "too far to the right"), (0, -1, "too far to the left")],
)  # fmt: skip
def test_an_image_that_is_a_little_off(rows, columns, where):
    """As in a camera that was knocked: with such an image `unet` drops thin objects."""
    right = np.roll(BLURRED_RIGHT, (rows, columns), (0, 1))
    assert f"1 px or more {where}" in explain_mismatch(compare(BLURRED_LEFT, right), 0.05)


@pytest.mark.parametrize("factor", [0.95, 1.05])
def test_a_baseline_that_is_a_little_wrong(factor):
    camera = replace(CAMERA, baseline_m=factor * 0.05)
    found = compare(BLURRED_LEFT, BLURRED_RIGHT, camera=camera)
    assert "is the baseline not 0.0500 m?" in explain_mismatch(found, 0.05)


def test_with_hardly_any_depth_nobody_can_tell():
    depth = np.zeros_like(DEPTH)
    depth[:20, 100:120] = 1000
    assert compare(LEFT, LEFT, depth) is None


@pytest.mark.parametrize("size", [(1, 480), (848, 1), (1, 1), (848, 63)])
def test_with_hardly_any_pixel_nobody_can_tell(size):
    image = np.ones(size[::-1], np.uint8)
    assert compare(image, image, image) is None
    assert compare(LEFT[:63], LEFT[:63], DEPTH[:63]) is None
