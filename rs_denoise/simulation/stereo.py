"""Three kinds of stereo matching: semi-global on intensities, on census bits, and block by block.

Each takes two [H, W] float32 images and gives the left one's disparity, [H, W] float32 px, 0 =
invalid, with the checks that a camera's hardware makes: left against right, and uniqueness.
"""

from __future__ import annotations

import cv2
import numpy as np

from rs_denoise.simulation.presets import MAX_DISPARITY_PX

# OpenCV searches multiples of 16; what lies beyond the hardware's range is cut off after.
SEARCH_PX = 16 * -(-(MAX_DISPARITY_PX + 2) // 16)
CENSUS_PX = (7, 9)
DIRECTIONS = [[0, 1], [1, 0], [1, 1], [1, -1], [0, -1], [-1, 0], [-1, -1], [-1, 1]]


def semi_global(
    left: np.ndarray, right: np.ndarray, block: int, uniqueness: int, full: bool
) -> np.ndarray:
    """OpenCV's SGBM along three paths, or five where `full`, on images of even contrast."""
    weight = block**2
    mode = cv2.STEREO_SGBM_MODE_SGBM if full else cv2.STEREO_SGBM_MODE_SGBM_3WAY
    matcher = cv2.StereoSGBM_create(  # type: ignore[attr-defined]
        minDisparity=0, numDisparities=SEARCH_PX, blockSize=block, P1=4 * weight, P2=24 * weight,
        disp12MaxDiff=1, uniquenessRatio=uniqueness, mode=mode,
    )  # fmt: skip
    return _by_opencv(matcher, left, right)


def block_matching(left: np.ndarray, right: np.ndarray, block: int, uniqueness: int) -> np.ndarray:
    """OpenCV's StereoBM: each block for itself, so that plain surfaces stay empty."""
    matcher = cv2.StereoBM_create(SEARCH_PX, block)  # type: ignore[attr-defined]
    matcher.setUniquenessRatio(uniqueness)
    matcher.setTextureThreshold(0)
    matcher.setDisp12MaxDiff(1)
    return _by_opencv(matcher, left, right)


def census(left: np.ndarray, right: np.ndarray, block: int, uniqueness: int) -> np.ndarray:
    """Hamming distances of census bits over blocks, optimised along eight paths by CNES' libSGM.

    Source: Hirschmueller, "Stereo processing by semiglobal matching and mutual information", 2008.
    """
    from c_libsgm import sgm_api  # imported here: only those who simulate have it

    costs = _hamming(_census_bits(left), _census_bits(right), block)
    height, width, _ = costs.shape
    ones = np.ones((height, width, len(DIRECTIONS)), np.uint8)
    optimised = sgm_api(
        costs, 3 * ones, 20 * ones, np.array(DIRECTIONS, np.int32), 255,
        np.zeros((height, width), np.float32),
    )["cv"]  # fmt: skip
    return _winner(optimised.astype(np.float32), uniqueness)


def _by_opencv(matcher, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    # Padding to the left keeps the band that has no partner in the result, as cameras do.
    pair = [
        cv2.copyMakeBorder(_local_contrast(image), 0, 0, SEARCH_PX, 0, cv2.BORDER_REPLICATE)
        for image in (left, right)
    ]
    disparity = matcher.compute(*pair)[:, SEARCH_PX:].astype(np.float32) / 16.0
    # A partner left of the right image's border is the padding's.
    has_partner = disparity <= np.arange(disparity.shape[1])
    return np.where((disparity > 0.5) & has_partner, disparity, 0.0).astype(np.float32)


def _local_contrast(image: np.ndarray, window: int = 31) -> np.ndarray:
    """The image with its local mean and contrast taken out, as uint8."""
    mean = cv2.blur(image, (window, window))
    spread = np.sqrt(np.maximum(cv2.blur(image * image, (window, window)) - mean**2, 0)) + 1.0
    return np.clip(128 + 40 * (image - mean) / spread, 0, 255).astype(np.uint8)


def _census_bits(image: np.ndarray) -> np.ndarray:
    """[H, W] uint64: one bit for each neighbour that is darker than the centre."""
    height, width = image.shape
    up, left = CENSUS_PX[0] // 2, CENSUS_PX[1] // 2
    padded = cv2.copyMakeBorder(image, up, up, left, left, cv2.BORDER_REPLICATE)
    bits = np.zeros(image.shape, np.uint64)
    for y in range(CENSUS_PX[0]):
        for x in range(CENSUS_PX[1]):
            if (y, x) != (up, left):
                darker = padded[y : y + height, x : x + width] < image
                bits = (bits << np.uint64(1)) | darker
    return bits


def _hamming(left: np.ndarray, right: np.ndarray, block: int) -> np.ndarray:
    """Costs [H, W, SEARCH_PX] uint8; the greatest where there is no partner."""
    height, width = left.shape
    costs = np.full((SEARCH_PX, height, width), CENSUS_PX[0] * CENSUS_PX[1], np.uint8)
    for d in range(min(SEARCH_PX, width)):
        distance = np.bitwise_count(left[:, d:] ^ right[:, : width - d])
        costs[d, :, d:] = cv2.blur(distance, (block, block))
    return np.ascontiguousarray(costs.transpose(1, 2, 0))


def _winner(costs: np.ndarray, uniqueness: int) -> np.ndarray:
    """The cheapest disparity, refined by a line through its dearer neighbour, where it holds."""
    height, width, count = costs.shape
    best = costs.argmin(axis=2)
    rows, columns = np.ogrid[:height, :width]
    inner = np.clip(best, 1, count - 2)
    before, at, after = (costs[rows, columns, inner + k] for k in (-1, 0, 1))
    step = np.maximum(np.maximum(before, after) - at, 1e-6)
    disparity = inner + 0.5 * (before - after) / step
    right = _of_the_right(costs)
    partner = np.clip(columns - best, 0, width - 1)
    consistent = np.abs(right[rows, partner] - best) <= 1
    others = costs.copy()
    for k in (-1, 0, 1):
        others[rows, columns, inner + k] = np.inf
    unique = others.min(axis=2) * (100 - uniqueness) > at * 100
    valid = consistent & unique & (columns >= best) & (best > 0) & (best < count - 1)
    return np.where(valid, disparity, 0).astype(np.float32)


def _of_the_right(costs: np.ndarray) -> np.ndarray:
    """Each right pixel's cheapest disparity: the same costs read along the other diagonal."""
    height, width, count = costs.shape
    best, least = np.zeros((height, width), np.int64), np.full((height, width), np.inf)
    for d in range(min(count, width)):
        here = costs[:, d:, d]
        better = here < least[:, : width - d]
        best[:, : width - d][better] = d
        least[:, : width - d][better] = here[better]
    return best
