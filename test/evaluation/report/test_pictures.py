"""What is embedded in a report: depth, legends, maps and colours."""

import base64
import re
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from rs_denoise.evaluation.report import pictures
from rs_denoise.evaluation.report.agreement import map_agreement
from rs_denoise.recordings.frame import Frame
from scenes import camera


def test_the_images_agree_at_the_right_depth_only():
    rng = np.random.default_rng(0)
    left = cv2.GaussianBlur(rng.integers(0, 256, (64, 128)).astype(np.uint8), (3, 3), 0)
    depth = np.full(left.shape, 2125, np.uint16)  # 10 px
    frame = Frame("f", camera(128, 64), depth, left, None, np.roll(left, -10, axis=1))
    right, wrong = (map_agreement(frame, depth + np.uint16(off)) for off in (0, 500))
    inside = np.s_[5:-5, 10:-10]
    assert right.shape == (32, 64)
    assert right[inside].min() > 0.9 and wrong[inside].mean() < 0.75
    depth[:4] = 0
    assert np.isnan(map_agreement(frame, depth)[:2]).all()


def test_depth_is_packed_without_loss():
    rng = np.random.default_rng(0)
    depth = rng.integers(0, 65536, (5, 7), np.uint16)
    depth[0, :3] = 65535, 0, 65535
    planes = np.frombuffer(zlib.decompress(base64.b64decode(pictures.pack_depth(depth))), np.uint8)
    zigzag = planes[:35].astype(np.int32) | planes[35:].astype(np.int32) << 8
    steps = (zigzag >> 1) ^ -(zigzag & 1)
    assert np.array_equal(np.cumsum(steps.reshape(5, 7), axis=1).astype(np.uint16), depth)


def test_depth_in_tenths_of_a_millimetre_is_rounded():
    fine = np.array([[300.4, 300.6]], np.float32)
    assert pictures.pack_depth(fine) == pictures.pack_depth(np.array([[300, 301]], np.uint16))


def test_the_legend_stands_where_the_colours_are():
    ticks = pictures.draw_depth_legend((500.0, 4000.0)).ticks
    assert ticks[0] == (0.0, "0.5 m") and len(ticks) >= 4
    for place, text in ticks:
        # 2 / m at its near end, 0.25 / m at the other; even in between.
        assert 1 / float(text.removesuffix(" m")) == pytest.approx(2 - 1.75 * place)


def test_colours_are_readable():
    text = Path(pictures.__file__).with_name("style.css").read_text()
    for theme in re.findall(r":root \{(.*?)\}", text, re.DOTALL):
        colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", theme))
        for ink in ("ink", "muted", "better", "worse"):
            for ground in ("page", "panel"):
                assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
        for change in ("better", "worse"):
            assert contrast(colours[change], colours[f"{change}-tint"]) >= 4.5, change


def contrast(one, other):
    """WCAG 2's contrast ratio."""

    def luminance(colour):
        digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
