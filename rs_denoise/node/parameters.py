"""The node's parameters: names, meaning, ranges and what may change while it runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import get_args

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from rs_denoise.gate import Gate
from rs_denoise.pipeline.failure import Policy

ENCODINGS = ("16UC1", "32FC1")
RELIABILITIES = ("auto", "reliable", "best_effort")
POLICIES = get_args(Policy)


@dataclass(frozen=True)
class Parameters:
    """A consistent set of values; see `DESCRIPTIONS` for what each does. Defaults stand here."""

    model_path: str = ""
    device: str = "auto"
    tile_px: int = 1536
    num_threads: int = 0
    frames_at_once: int = 0
    baseline_m: float = 0.0
    input_reliability: str = "auto"
    output_encoding: str = "16UC1"
    min_confidence: float = 0.35
    fill_confidence: float = 0.9
    max_recession: float = 0.03
    min_range_m: float = 0.0
    max_range_m: float = 0.0
    on_failure: str = "silence"
    min_fill: float = 0.02
    slop_ms: float = 5.0
    infrared_timeout_s: float = 1.0
    depth_only: bool = True
    autostart: bool = True


DESCRIPTIONS = {
    "model_path": "Model file, or a shipped one by name: unet, unet-tiny; empty: unet.",
    "device": "Where the network runs: auto (GPU where there is one), cpu, cuda, cuda:1, ...",
    "tile_px": "Greatest side of what the network computes at once, px; bounds memory.",
    "num_threads": "Cores that the network may use on a CPU; 0: all, of four or more all but one.",
    "frames_at_once": "Frames in work side by side, which share num_threads; 0: two where those "
    "are two, else one.",
    "baseline_m": "Distance of the imagers, m; 0: from infra2/camera_info or "
    "extrinsics/depth_to_infra2.",
    "input_reliability": "auto (reliable when every publisher offers it), reliable, best_effort.",
    "output_encoding": "16UC1 (mm, 0 = invalid) or 32FC1 (m, NaN = invalid).",
    "min_confidence": "A pixel below this probability of being within 5 % of the truth is invalid.",
    "fill_confidence": "A hole is filled only above this probability; over 1 never.",
    "max_recession": "A pixel that comes out farther than it went in by more than this share is "
    "invalid.",
    "min_range_m": "Nearer depth is invalid, m; 0: no limit.",
    "max_range_m": "Farther depth is invalid, m; 0: no limit.",
    "on_failure": "When a frame cannot be denoised: silence (nothing goes out), passthrough (the "
    "camera's depth, confidence NaN), invalid (an image of invalid pixels: unsafe for Nav2).",
    "min_fill": "Frames with a smaller share of valid pixels for a second are failures; 0: never.",
    "slop_ms": "Greatest difference of the stamps of depth and infrared that belong together, ms.",
    "infrared_timeout_s": "Without infrared for so long, depth goes alone (see depth_only), s.",
    "depth_only": "Publish without infrared, with less confidence; false: publish nothing then.",
    "autostart": "Configure and activate by itself; false: wait for a lifecycle manager.",
}
RANGES = {
    "tile_px": (64, 8192),
    "num_threads": (0, 1024),
    "frames_at_once": (0, 8),
    "baseline_m": (0.0, 1.0),
    "min_confidence": (0.0, 1.0),
    "fill_confidence": (0.0, 1.01),
    "max_recession": (0.0, 1.0),
    "min_range_m": (0.0, 65.0),
    "max_range_m": (0.0, 65.0),
    "min_fill": (0.0, 1.0),
    "slop_ms": (0.0, 1000.0),
    "infrared_timeout_s": (0.05, 3600.0),
}
CHOICES = {
    "output_encoding": ENCODINGS,
    "input_reliability": RELIABILITIES,
    "on_failure": POLICIES,
}
# They shape what configuration builds; all others may change at any time.
FIXED = ("model_path", "device", "tile_px", "num_threads", "frames_at_once", "autostart")


def declare(node: Node) -> Parameters:
    """Declares all parameters and gives their start values.

    Raises:
        ValueError: a start value is not one of a parameter's choices. A value out of range is
            refused by rclpy itself.
    """
    for field in fields(Parameters):
        node.declare_parameter(field.name, field.default, _descriptor(field.name))
    values = {f.name: node.get_parameter(f.name).value for f in fields(Parameters)}
    parameters = Parameters(**values)
    if reason := _refusal(parameters):
        raise ValueError(reason)
    return parameters


def gate(chosen: Parameters) -> Gate:
    """The gate that they describe."""
    return Gate(
        min_confidence=chosen.min_confidence,
        fill_confidence=chosen.fill_confidence,
        max_recession=chosen.max_recession,
        min_range_mm=1000 * chosen.min_range_m,
        max_range_mm=1000 * chosen.max_range_m or math.inf,
    )


def changed(
    current: Parameters, changes: list[Parameter]
) -> tuple[Parameters, SetParametersResult]:
    """`current` with `changes` applied, or as it was with the reason why not.

    Types, ranges and read-only are checked by rclpy before.
    """
    known = {f.name for f in fields(Parameters)}
    wanted = replace(current, **{p.name: p.value for p in changes if p.name in known})
    if reason := _refusal(wanted):
        return current, SetParametersResult(successful=False, reason=reason)
    return wanted, SetParametersResult(successful=True)


def _refusal(wanted: Parameters) -> str | None:
    for name, choices in CHOICES.items():
        value = getattr(wanted, name)
        if value not in choices:
            return f"{name} must be one of {', '.join(choices)}, got '{value}'"
    if 0 < wanted.max_range_m <= wanted.min_range_m:
        return (
            f"max_range_m must be 0 or more than min_range_m, got {wanted.max_range_m} and "
            f"{wanted.min_range_m}"
        )
    return None


def _descriptor(name: str) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=DESCRIPTIONS[name], read_only=name in FIXED)
    if name in CHOICES:
        descriptor.additional_constraints = f"one of: {', '.join(CHOICES[name])}"
    if name in RANGES:
        least, most = RANGES[name]
        if isinstance(least, int):
            descriptor.integer_range = [IntegerRange(from_value=least, to_value=int(most))]
        else:
            descriptor.floating_point_range = [FloatingPointRange(from_value=least, to_value=most)]
    return descriptor
