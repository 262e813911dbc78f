"""Whether the infrared images confirm gross errors or ground truth."""

import math
from dataclasses import replace

import numpy as np
import pytest

from rs_denoise.evaluation.metrics.ground_truth import GroundTruth
from rs_denoise.evaluation.metrics.image_agreement import measure_image_agreement
from rs_denoise.recordings.frame import Frame
from scenes import camera

WIDTH, HEIGHT = 161, 97  # odd: the last row and column have no sample
TRUE_PX, WRONG_PX = 10, 16
CAMERA = camera(WIDTH, HEIGHT)
TRUE_MM, WRONG_MM = (
    np.uint16(CAMERA.disparity_scale_px_mm / disparity_px) for disparity_px in (TRUE_PX, WRONG_PX)
)
WRONG = np.s_[20:60, 60:120]


def wall_frame():
    """A textured wall whose images match at its true disparity; part of its depth is wrong."""
    texture = np.random.default_rng(0).uniform(20, 220, (HEIGHT, WIDTH + TRUE_PX)).astype(np.uint8)
    depth = np.full((HEIGHT, WIDTH), TRUE_MM)
    depth[WRONG] = WRONG_MM
    return Frame("wall", CAMERA, depth, texture[:, :WIDTH], infrared_right=texture[:, TRUE_PX:])


def measured(frame, truth_mm):
    truth = GroundTruth.of(truth_mm, CAMERA.disparity_scale_px_mm)
    return measure_image_agreement(frame, {"raw": frame.depth_mm}, truth).get("raw")


def test_images_refute_wrong_depth_and_confirm_depth_beside_wrong_ground_truth():
    frame = wall_frame()
    true = np.full((HEIGHT, WIDTH), TRUE_MM)
    images = measured(frame, true)
    assert images.gross_refuted_pct > 95 and images.gross_confirmed_pct < 1
    images = measured(replace(frame, depth_mm=true), frame.depth_mm)
    assert images.gross_confirmed_pct > 95 and images.gross_refuted_pct < 1


def test_without_texture_images_say_nothing():
    grey = np.full((HEIGHT, WIDTH), 90, np.uint8)
    frame = replace(wall_frame(), infrared=grey, infrared_right=grey)
    images = measured(frame, np.full((HEIGHT, WIDTH), TRUE_MM))
    assert images.gross_confirmed_pct == images.gross_refuted_pct == 0


@pytest.mark.parametrize("missing", ["infrared", "infrared_right"])
def test_it_needs_both_images(missing):
    frame = replace(wall_frame(), **{missing: None})
    assert measured(frame, np.full((HEIGHT, WIDTH), TRUE_MM)) is None


def test_without_gross_errors_there_is_nothing_to_measure():
    frame = wall_frame()
    assert math.isnan(measured(frame, frame.depth_mm).gross_confirmed_pct)


@pytest.mark.parametrize("size", [(1, 97), (161, 1)])
def test_images_of_one_row_or_column_are_not_measured(size):
    width, height = size
    image = np.full((height, width), 9, np.uint8)
    line = Frame("line", camera(width, height), np.uint16(image), image, infrared_right=image)
    assert measured(line, line.depth_mm) is None
