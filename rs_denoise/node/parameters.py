"""The node's parameters: names, meaning, ranges and what may change while it runs."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

ENCODINGS = ("16UC1", "32FC1")
RELIABILITIES = ("auto", "reliable", "best_effort")


@dataclass(frozen=True)
class Parameters:
    """A consistent set of values; see `DESCRIPTIONS` for what each does. Defaults stand here."""

    model_path: str = ""
    device: str = "auto"
    tile_px: int = 1536
    baseline_m: float = 0.0
    input_reliability: str = "auto"
    output_encoding: str = "16UC1"
    min_confidence: float = 0.5
    fill_confidence: float = 0.9
    max_recession: float = 0.03
    slop_ms: float = 5.0
    infrared_timeout_s: float = 1.0
    depth_only: bool = True
    autostart: bool = True


DESCRIPTIONS = {
    "model_path": "Model file, or a shipped one by name: unet, unet-tiny; empty: unet.",
    "device": "Where the network runs: auto (GPU where there is one), cpu, cuda, cuda:1, ...",
    "tile_px": "Greatest side of what the network computes at once, px; bounds memory.",
    "baseline_m": "Distance of the imagers, m; 0: from infra2/camera_info or "
    "extrinsics/depth_to_infra2.",
    "input_reliability": "auto (reliable when every publisher offers it), reliable, best_effort.",
    "output_encoding": "16UC1 (mm, 0 = invalid) or 32FC1 (m, NaN = invalid).",
    "min_confidence": "A pixel below this probability of being within 5 % of the truth is invalid.",
    "fill_confidence": "A hole is filled only above this probability; over 1 never.",
    "max_recession": "A pixel that comes out farther than it went in by more than this share is "
    "invalid.",
    "slop_ms": "Greatest difference of the stamps of depth and infrared that belong together, ms.",
    "infrared_timeout_s": "Without infrared for so long, depth goes alone (see depth_only), s.",
    "depth_only": "Publish without infrared, with less confidence; false: publish nothing then.",
    "autostart": "Configure and activate by itself; false: wait for a lifecycle manager.",
}
RANGES = {
    "tile_px": (64, 8192),
    "baseline_m": (0.0, 1.0),
    "min_confidence": (0.0, 1.0),
    "fill_confidence": (0.0, 1.01),
    "max_recession": (0.0, 1.0),
    "slop_ms": (0.0, 1000.0),
    "infrared_timeout_s": (0.05, 3600.0),
}
CHOICES = {"output_encoding": ENCODINGS, "input_reliability": RELIABILITIES}
# They shape what configuration builds; all others may change at any time.
FIXED = ("model_path", "device", "tile_px", "autostart")


def declare(node: Node) -> Parameters:
    """Declares all parameters and gives their start values.

    Raises:
        ValueError: a start value is not one of a parameter's choices. A value out of range is
            refused by rclpy itself.
    """
    for field in fields(Parameters):
        node.declare_parameter(field.name, field.default, _descriptor(field.name))
    values = {f.name: node.get_parameter(f.name).value for f in fields(Parameters)}
    for name, value in values.items():
        if reason := _refusal(name, value):
            raise ValueError(reason)
    return Parameters(**values)


def changed(
    current: Parameters, changes: list[Parameter]
) -> tuple[Parameters, SetParametersResult]:
    """`current` with `changes` applied, or as it was with the reason why not.

    Types, ranges and read-only are checked by rclpy before.
    """
    known = {f.name for f in fields(Parameters)}
    values = {p.name: p.value for p in changes if p.name in known}
    for name, value in values.items():
        if reason := _refusal(name, value):
            return current, SetParametersResult(successful=False, reason=reason)
    return replace(current, **values), SetParametersResult(successful=True)


def _refusal(name: str, value: object) -> str | None:
    choices = CHOICES.get(name)
    if choices is not None and value not in choices:
        return f"{name} must be one of {', '.join(choices)}, got '{value}'"
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
