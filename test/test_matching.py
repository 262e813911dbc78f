"""Matching evidence on scenes whose disparity is known at every pixel."""

import numpy as np
import pytest
import torch

from rs_denoise.matching import (
    EVIDENCE_CHANNELS,
    FINE,
    OCCLUDED,
    OCCLUSION_PX,
    PRESENT,
    STEPS_PX,
    STRIDE,
    candidate_surfaces,
    matching_evidence,
)

NEAR_PX, FAR_PX = 30.0, 18.0
HEIGHT, WIDTH = 96, 240
# A bar that stands before a wall.
BAR = slice(110, 134)
OWN = STEPS_PX.index(0.0)


def textured_pair(seed: int = 0):
    """Left and right image of a textured bar before a textured wall, and the true disparity."""
    rng = np.random.default_rng(seed)
    wall, bar = rng.uniform(20, 120, (2, HEIGHT, WIDTH + 64))
    truth = np.full((HEIGHT, WIDTH), FAR_PX)
    truth[:, BAR] = NEAR_PX
    columns = np.arange(WIDTH)
    left = np.where(truth == NEAR_PX, bar[:, columns], wall[:, columns])
    # The right image at x shows what the left one shows at x + disparity.
    in_bar = (columns + NEAR_PX >= BAR.start) & (columns + NEAR_PX < BAR.stop)
    right = np.where(in_bar, bar[:, columns + int(NEAR_PX)], wall[:, columns + int(FAR_PX)])
    return left, right, truth


def tensor(image) -> torch.Tensor:
    return torch.from_numpy(np.asarray(image, np.float32))[None, None]


def evidence_of(disparity, left, right, margin_px=0):
    surfaces = candidate_surfaces(tensor(disparity))
    return surfaces, matching_evidence(
        tensor(disparity), surfaces, tensor(left), tensor(right), margin_px
    )


def test_the_images_agree_best_at_the_truth():
    left, right, truth = textured_pair()
    _, evidence = evidence_of(truth, left, right)
    # What the right imager sees: beyond its left border, and not behind the bar.
    seen = np.s_[8:-8, 16:-8]
    steps = evidence[0, : len(STEPS_PX)][(slice(None), *seen)]
    best = steps.argmax(dim=0) == OWN
    assert best.float().mean() >= 0.95
    assert evidence[0, OWN][seen].median() > 0.99


def test_a_fattened_edge_is_contradicted_and_the_farther_surface_confirmed():
    left, right, truth = textured_pair()
    measured = truth.copy()
    fattened = slice(BAR.stop, BAR.stop + 6)
    measured[:, fattened] = NEAR_PX
    surfaces, evidence = evidence_of(measured, left, right)
    there = np.s_[8:-8, BAR.stop // STRIDE + 1 : (BAR.stop + 6) // STRIDE - 1]
    own, farthest = evidence[0, OWN][there], evidence[0, FINE.index("farthest")][there]
    assert surfaces[0, 1][there].unique().tolist() == [FAR_PX]
    assert surfaces[0, 0][there].unique().tolist() == [NEAR_PX]
    assert own.mean() + 0.2 < farthest.mean()


def test_what_is_outside_or_missing_gives_no_agreement():
    left, right, truth = textured_pair()
    truth[40:60] = 0
    _, evidence = evidence_of(truth, left, right)
    alone = PRESENT + 1 + OWN
    assert (evidence[0, alone, 20:30] == 0).all() and (evidence[0, OWN, 22:28] == 0).all()
    assert (evidence[0, OWN, :, : int(FAR_PX) // STRIDE - 3] == 0).all()
    assert (evidence[0, PRESENT] == 1).all()


def test_a_pixel_behind_another_ones_match_is_not_unique():
    left, right, truth = textured_pair()
    _, evidence = evidence_of(truth, left, right)
    hidden = evidence[0, OCCLUDED, 10]
    # Left of the bar, as wide as its disparity exceeds the wall's.
    begin, stop = (BAR.start - int(NEAR_PX - FAR_PX)) // STRIDE, BAR.start // STRIDE
    assert (hidden[begin + 1 : stop - 1] == min((NEAR_PX - FAR_PX) / OCCLUSION_PX, 1)).all()
    assert (hidden[: begin - 1] == 0).all() and (hidden[stop + 1 :] == 0).all()


@pytest.mark.parametrize("left_px", [130, 200])
def test_a_crop_with_a_margin_gives_what_the_frame_gives(left_px):
    left, right, truth = textured_pair()
    margin = 64
    crop = np.s_[:, left_px:]
    _, whole = evidence_of(truth, left, right)
    _, part = evidence_of(truth[crop], left[crop], right[:, left_px - margin :], margin)
    inner = whole[..., left_px // STRIDE :][..., 8:]  # contrast and surfaces see the border
    different = (inner - part[..., 8:]).abs().amax(dim=1) > 1e-3
    assert different.float().mean() < 0.01


def test_brightness_and_contrast_of_one_imager_hardly_matter():
    left, right, truth = textured_pair()
    _, plain = evidence_of(truth, left, right)
    _, changed = evidence_of(truth, left, 0.6 * right + 20)
    assert (plain - changed).abs().max() < 0.1


def test_no_evidence_is_zero_of_the_same_shape():
    left, right, truth = textured_pair()
    surfaces, evidence = evidence_of(truth, left, right)
    nothing = matching_evidence(tensor(truth), surfaces, tensor(left), None)
    assert nothing.shape == evidence.shape == (1, EVIDENCE_CHANNELS, HEIGHT // 2, WIDTH // 2)
    assert not nothing.any()
