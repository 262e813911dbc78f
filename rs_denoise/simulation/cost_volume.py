"""Census costs, their aggregation and the best disparity of each pixel, compiled by Numba.

A cost is the Hamming distance of two census words, in units of 1/UNITS_PER_BIT, as uint16. Costs of
one image row have the shape [W, DISPARITIES]. Rows are processed from top to bottom, and only those
within the height of a support region are kept, so that they stay in the CPU's cache.

Sources: Zabih and Woodfill 1994, "Non-parametric local transforms for computing visual
correspondence" (census); Mei et al. 2011, "On building an accurate stereo matching system on
graphics hardware" (cross-shaped support regions, scan-line optimisation); Hirschmueller 2008,
"Stereo processing by semiglobal matching and mutual information" (the two penalties).
"""

from __future__ import annotations

import numpy as np
from numba import njit

# Disparities of 0 to 127 px: the D4 ASIC searches 126.
DISPARITIES = 128
CENSUS_PX = 9
CENSUS_BITS = CENSUS_PX**2 - 1
BITS_PER_WORD = CENSUS_BITS // 2
UNITS_PER_BIT = 32
MAX_COST = CENSUS_BITS * UNITS_PER_BIT
# The costs of one line of a support region, summed, must fit into 16 bits.
MAX_ARM_PX = (2**16 // MAX_COST - 1) // 2
# Weight of two lines relative to a parabola in the sub-pixel fit.
LINES_WEIGHT = np.float32(0.75)
NO_MATCH = np.uint16(2**16 - 1)


@njit(cache=True, nogil=True)
def census_transform(image: np.ndarray, margin: float) -> np.ndarray:
    """Which neighbours are darker than a pixel.

    Args:
        image: [H, W] float32 grey levels.
        margin: by how many grey levels a neighbour must be darker; ties and faint noise give 0.

    Returns:
        [H, W, 2] uint64: a bit for each of the CENSUS_BITS neighbours.
    """
    height, width = image.shape
    radius = CENSUS_PX // 2
    threshold = np.float32(margin)
    words = np.zeros((height, width, 2), np.uint64)
    for y in range(height):
        bit = 0
        for neighbour in range(CENSUS_PX**2):
            dy, dx = neighbour // CENSUS_PX - radius, neighbour % CENSUS_PX - radius
            if dy == 0 and dx == 0:
                continue
            word = bit // BITS_PER_WORD
            row = min(max(y + dy, 0), height - 1)
            for x in range(width):
                darker = image[row, min(max(x + dx, 0), width - 1)] < image[y, x] - threshold
                words[y, x, word] = (words[y, x, word] << np.uint64(1)) | np.uint64(darker)
            bit += 1
    return words


@njit(cache=True, nogil=True)
def support_arms(
    image: np.ndarray, step: tuple[int, int], min_px: int, max_px: int, contrast: float
) -> np.ndarray:
    """The extent of support regions along one axis.

    An arm ends before the first pixel that differs from its own by more than `contrast`.

    Args:
        image: [H, W] float32 grey levels.
        step: (0, 1) along the rows, (1, 0) along the columns.
        min_px, max_px: minimum and maximum length of an arm, within the image.
        contrast: grey levels.

    Returns:
        [H, W, 2] int16 px: the arm against `step`, and along it.
    """
    height, width = image.shape
    arms = np.zeros((height, width, 2), np.int16)
    for y in range(height):
        for x in range(width):
            for side in range(2):
                sign = 2 * side - 1
                length = 0
                while length < max_px:
                    row = y + sign * step[0] * (length + 1)
                    column = x + sign * step[1] * (length + 1)
                    if row < 0 or row >= height or column < 0 or column >= width:
                        break
                    differs = abs(image[row, column] - image[y, x]) > contrast
                    if differs and length >= min_px:
                        break
                    length += 1
                arms[y, x, side] = length
    return arms


@njit(cache=True, nogil=True)
def match_rows(
    left: np.ndarray,
    right: np.ndarray,
    across: np.ndarray,
    down: np.ndarray,
    step_penalty: int,
    jump_penalty: int,
    second_peak: int,
    left_right_px: float,
) -> np.ndarray:
    """The disparity of each left pixel.

    Costs are averaged over the cross-shaped support region twice, then optimised along the row in
    both directions. The lowest cost is accepted if it is clearly below all others except its
    neighbours and if the right pixel agrees.

    Args:
        left, right: [H, W, 2] uint64 census words.
        across, down: [H, W, 2] int16 arms of the left pixels along rows and columns.
        step_penalty, jump_penalty: cost of a change of disparity by one, and by more.
        second_peak: the minimum difference between the best and the second best cost.
        left_right_px: the maximum difference to the right pixel's disparity.

    Returns:
        [H, W] float32 px, 0 = invalid.
    """
    height, width = left.shape[:2]
    reach = int(down.max())
    kept = 2 * reach + 2
    costs = np.empty((width, DISPARITIES), np.uint16)
    means = np.empty((width, DISPARITIES), np.uint16)
    along = np.zeros((width + 1, DISPARITIES), np.uint16)
    # Sums from the first row to row y - 1 at [y % kept]. They overflow; their differences do not.
    first = np.zeros((kept, width, DISPARITIES), np.uint16)
    second = np.zeros((kept, width, DISPARITIES), np.uint16)
    disparity = np.zeros((height, width), np.float32)
    for y in range(height + 2 * reach):
        if y < height:
            _hamming(left[y], right[y], costs)
            _average_along_row(costs, across[y], along, means)
            _accumulate(first, y, means)
        middle = y - reach
        if 0 <= middle < height:
            _average_down(first, down[middle], middle, costs)
            _average_along_row(costs, across[middle], along, means)
            _accumulate(second, middle, means)
        last = middle - reach
        if last >= 0:
            _average_down(second, down[last], last, costs)
            _optimise_scan_line(costs, np.uint16(step_penalty), np.uint16(jump_penalty), means)
            _select(means, np.uint16(second_peak), np.float32(left_right_px), disparity[last])
    return disparity


@njit(inline="always")
def _count_bits(word):
    # The parallel count of Warren 2002, "Hacker's Delight", which LLVM turns into one instruction.
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    pairs = np.uint64(0x3333333333333333)
    word = (word & pairs) + ((word >> np.uint64(2)) & pairs)
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)


@njit(cache=True, nogil=True)
def _hamming(left, right, costs):
    """Costs of one row; MAX_COST where the right image ends."""
    for x in range(left.shape[0]):
        a, b = left[x, 0], left[x, 1]
        partners = min(DISPARITIES, x + 1)
        for d in range(partners):
            bits = _count_bits(a ^ right[x - d, 0]) + _count_bits(b ^ right[x - d, 1])
            costs[x, d] = np.uint16(bits * np.uint64(UNITS_PER_BIT))
        for d in range(partners, DISPARITIES):
            costs[x, d] = np.uint16(MAX_COST)


@njit(inline="always")
def _mean(difference, reciprocal):
    return np.uint16((np.uint32(np.uint16(difference)) * reciprocal) >> np.uint32(16))


@njit(cache=True, nogil=True)
def _average_along_row(costs, arms, sums, means):
    width = costs.shape[0]
    for x in range(width):
        for d in range(DISPARITIES):
            sums[x + 1, d] = sums[x, d] + costs[x, d]
    for x in range(width):
        begin, end = x - arms[x, 0], x + arms[x, 1] + 1
        reciprocal = np.uint32(2**16 // (end - begin))
        for d in range(DISPARITIES):
            means[x, d] = _mean(sums[end, d] - sums[begin, d], reciprocal)


@njit(cache=True, nogil=True)
def _accumulate(sums, y, row):
    before, after = sums[y % sums.shape[0]], sums[(y + 1) % sums.shape[0]]
    for x in range(row.shape[0]):
        for d in range(DISPARITIES):
            after[x, d] = before[x, d] + row[x, d]


@njit(cache=True, nogil=True)
def _average_down(sums, arms, y, means):
    kept = sums.shape[0]
    for x in range(means.shape[0]):
        begin, end = y - arms[x, 0], y + arms[x, 1] + 1
        reciprocal = np.uint32(2**16 // (end - begin))
        above, below = sums[begin % kept, x], sums[end % kept, x]
        for d in range(DISPARITIES):
            means[x, d] = _mean(below[d] - above[d], reciprocal)


@njit(cache=True, nogil=True)
def _optimise_scan_line(costs, step_penalty, jump_penalty, total):
    """The cost of the cheapest path to each pixel, from the left plus from the right."""
    width = costs.shape[0]
    path = np.empty(DISPARITIES + 2, np.uint16)
    extended = np.empty(DISPARITIES, np.uint16)
    for direction in range(2):
        for i in range(width):
            x = i if direction == 0 else width - 1 - i
            if i == 0:
                for d in range(DISPARITIES):
                    path[d + 1] = costs[x, d]
            else:
                least = NO_MATCH
                for d in range(1, DISPARITIES + 1):
                    least = min(least, path[d])
                jump = np.uint16(least + jump_penalty)
                path[0] = path[DISPARITIES + 1] = jump
                for d in range(DISPARITIES):
                    lower = np.uint16(path[d] + step_penalty)
                    higher = np.uint16(path[d + 2] + step_penalty)
                    cheapest = min(min(path[d + 1], jump), min(lower, higher))
                    extended[d] = np.uint16(costs[x, d] + cheapest - least)
                for d in range(DISPARITIES):
                    path[d + 1] = extended[d]
            for d in range(DISPARITIES):
                total[x, d] = path[d + 1] if direction == 0 else total[x, d] + path[d + 1]


@njit(cache=True, nogil=True)
def _select(costs, second_peak, left_right_px, disparity):
    """The best disparities of one row, where they are unambiguous and the right image agrees."""
    width = costs.shape[0]
    seen_right = _winners_of_right(costs)
    for x in range(width):
        best = _winner(costs[x])
        if not 1 <= best < min(DISPARITIES - 1, x):
            continue
        least = costs[x, best]
        if _second_least(costs[x], best) < least + second_peak:
            continue
        refined = best + _vertex(costs[x, best - 1], least, costs[x, best + 1])
        partner = int(np.round(x - refined))
        if partner >= 0 and abs(seen_right[partner] - refined) <= left_right_px:
            disparity[x] = refined


@njit(cache=True, nogil=True)
def _winner(costs):
    least = NO_MATCH
    for d in range(DISPARITIES):
        least = min(least, costs[d])
    best = 0
    while costs[best] != least:
        best += 1
    return best


@njit(cache=True, nogil=True)
def _second_least(costs, best):
    second = NO_MATCH
    for d in range(best - 1):
        second = min(second, costs[d])
    for d in range(best + 2, DISPARITIES):
        second = min(second, costs[d])
    return second


@njit(cache=True, nogil=True)
def _winners_of_right(costs):
    """Each right pixel's disparity: the same costs, read along the other diagonal."""
    width = costs.shape[0]
    least, best = np.full(width, NO_MATCH), np.zeros(width, np.int64)
    for x in range(width):
        for d in range(min(DISPARITIES, x + 1)):
            if costs[x, d] < least[x - d]:
                least[x - d], best[x - d] = costs[x, d], d
    disparity = np.full(width, np.float32(-DISPARITIES))
    for x in range(width):
        d = best[x]
        if 1 <= d < DISPARITIES - 1 and x + d + 1 < width:
            disparity[x] = d + _vertex(costs[x + d - 1, d - 1], least[x], costs[x + d + 1, d + 1])
    return disparity


@njit(inline="always")
def _vertex(before, least, after):
    """The minimum between three costs, -0.5 to 0.5 px from the middle one.

    Two lines of equal slope push disparities away from whole pixels, a parabola pulls them towards
    these; this mean of both distributes them as evenly as the camera's.
    """
    before, least, after = np.float32(before), np.float32(least), np.float32(after)
    step = np.float32(0.5) * (before - after)
    lines = step / max(max(before, after) - least, np.float32(1))
    parabola = step / max(before + after - np.float32(2) * least, np.float32(1))
    return LINES_WEIGHT * lines + (np.float32(1) - LINES_WEIGHT) * parabola
