"""Pictures and legends of the report, as text that a browser opens without a server."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass

import cv2
import numpy as np

from rs_denoise.depth import to_uint16_mm
from rs_denoise.drawing.picture import brighten_infrared, colour_depth, colour_error

# Unrelated normalised images agree to about this extent.
CHANCE_AGREEMENT = 0.5
# The scale of all error pictures: this relative error has the full colour.
ERROR_FULL_SCALE = 0.1
WEBP_QUALITY, WEBP_LOSSLESS = 88, 101
INVALID_BGR = (40, 40, 40)
LEGEND_STEPS, COLOUR_STEPS = 256, 48
TICKS_M = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 15, 20)
MIN_TICK_GAP = 0.12


@dataclass(frozen=True)
class Legend:
    """A strip of colours with labels at positions 0..1."""

    picture: str
    ticks: tuple[tuple[float, str], ...]
    note: str


def encode_picture(picture: np.ndarray, lossless: bool = False) -> str:
    """A picture ([H, W, 3] uint8 BGR) as WebP in a data URI.

    Lossless is smaller for the few colours of a depth picture, lossy for those of errors.
    """
    quality = WEBP_LOSSLESS if lossless else WEBP_QUALITY
    encoded = cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, quality])[1]
    return "data:image/webp;base64," + base64.b64encode(encoded.tobytes()).decode()


def pack_depth(depth_mm: np.ndarray) -> str:
    """Depth ([H, W] mm) in whole mm for the page's script, without loss: base64 of zlib.

    Differences to the pixel on the left, zigzag-coded so that small ones of either sign are small
    numbers; first all low bytes, then all high ones. (A canvas would be simpler, but browsers that
    guard against fingerprinting change what is read from it.)
    """
    step = np.diff(to_uint16_mm(depth_mm), axis=1, prepend=np.uint16(0)).view(np.int16)
    zigzag = ((step.astype(np.int32) << 1) ^ (step.astype(np.int32) >> 15)).astype("<u2")
    low, high = (zigzag & 0xFF).astype(np.uint8), (zigzag >> 8).astype(np.uint8)
    return base64.b64encode(zlib.compress(low.tobytes() + high.tobytes(), 9)).decode()


def encode_depth(depth_mm: np.ndarray, range_mm: tuple[float, float]) -> str:
    """Depth in colours."""
    return encode_picture(colour_depth(depth_mm, *range_mm), lossless=True)


def encode_error(depth_mm: np.ndarray, truth_mm: np.ndarray) -> str:
    """Error, or change against `truth_mm`, in colours."""
    return encode_picture(colour_error(depth_mm, truth_mm, ERROR_FULL_SCALE))


def encode_infrared(infrared: np.ndarray) -> str:
    """Infrared, brightened."""
    return encode_picture(brighten_infrared(infrared, infrared.shape))


def encode_confidence(confidence: np.ndarray) -> str:
    """Confidence in colours, [H, W] float 0..1; NaN is dark grey."""
    return encode_picture(_confidence_picture(confidence), lossless=True)


def encode_agreement(agreement: np.ndarray) -> str:
    """Agreement of two images in colours, [H, W] float 0..1; NaN is dark grey."""
    contrasty = (agreement - CHANCE_AGREEMENT) / (1 - CHANCE_AGREEMENT)
    return encode_confidence(np.clip(contrasty, 0, 1))


def draw_depth_legend(range_mm: tuple[float, float]) -> Legend:
    """The scale of depth in metres, linear in disparity as the colours are."""
    near, far = range_mm
    along = np.linspace(1 / near, 1 / far, LEGEND_STEPS)
    ticks: list[tuple[float, str]] = []
    for metres in TICKS_M:
        at = (1 / near - 1 / (1000 * metres)) / (1 / near - 1 / far)
        if 0 <= at <= 1 and (not ticks or at - ticks[-1][0] >= MIN_TICK_GAP):
            ticks.append((at, f"{metres:g} m"))
    note = "Near is red, far is blue; dark grey is invalid."
    strip = colour_depth((1 / along)[None, :], near, far)
    return Legend(encode_picture(strip, lossless=True), tuple(ticks), note)


def draw_error_legend(reference: str) -> Legend:
    """The scale of all error pictures; `reference` is what was subtracted."""
    along = 1 + np.linspace(-ERROR_FULL_SCALE, ERROR_FULL_SCALE, LEGEND_STEPS)
    strip = colour_error(1000 * along[None, :], np.full((1, LEGEND_STEPS), 1000))
    percent = 100 * ERROR_FULL_SCALE
    ticks = (
        (0.0, f"-{percent:g} %"), (0.25, f"-{percent / 2:g} %"), (0.5, "0"),
        (0.75, f"+{percent / 2:g} %"), (1.0, f"+{percent:g} %"),
    )  # fmt: skip
    note = f"Red is nearer than {reference}, blue farther, white equal; dark grey is unknown."
    return Legend(encode_picture(strip, lossless=True), ticks, note)


def draw_confidence_legend() -> Legend:
    """The scale of confidence, 0 to 1."""
    return _draw_scale(0.0, "Probability that depth is within 5 % of the truth.")


def draw_agreement_legend() -> Legend:
    """The scale of the agreement of two images, from that of unlike ones to 1."""
    return _draw_scale(
        CHANCE_AGREEMENT,
        "How well the left and the right infrared image agree at this depth: 1 where they match; "
        "unrelated images agree to about 0.5 by chance. Wrong depth matches badly, and so do "
        "areas that only one imager sees; dark grey has no depth.",
    )


def _draw_scale(low: float, note: str) -> Legend:
    strip = _confidence_picture(np.linspace(0, 1, LEGEND_STEPS)[None, :])
    ticks = tuple((x, f"{low + x * (1 - low):.3g}") for x in (0.0, 0.25, 0.5, 0.75, 1.0))
    return Legend(encode_picture(strip, lossless=True), ticks, note)


def list_depth_colours() -> list[str]:
    """The colours of depth pictures from far to near, in CSS."""
    fractions = np.linspace(0, 1, COLOUR_STEPS)
    near_mm, far_mm = 1.0, 2.0
    strip = colour_depth(
        (1 / (1 / far_mm + fractions * (1 / near_mm - 1 / far_mm)))[None], 1.0, 2.0
    )
    return [f"rgb({red},{green},{blue})" for blue, green, red in strip[0].tolist()]


def _confidence_picture(confidence: np.ndarray) -> np.ndarray:
    known = np.isfinite(confidence)
    levels = (255 * np.clip(np.where(known, confidence, 0), 0, 1)).astype(np.uint8)
    picture = cv2.applyColorMap(levels, cv2.COLORMAP_CIVIDIS)
    picture[~known] = INVALID_BGR
    return picture
