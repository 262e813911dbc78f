"""The node's parameters: types, defaults, ranges and descriptions, in one place.

config/denoise.yaml and the table for users repeat them; a test compares all three.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any, cast, get_args

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from rs_denoise.gate import MIN_FILL, Gate
from rs_denoise.node.assembler import AssemblerSettings
from rs_denoise.pipeline.failure import FailurePolicy
from rs_denoise.pipeline.frame_pipeline import FrameSettings
from rs_denoise.pipeline.resources import NetworkSettings
from rs_denoise.pipeline.synchronizer import SyncSettings

OUTPUT_ENCODINGS = ("16UC1", "32FC1")
RELIABILITIES = ("auto", "reliable", "best_effort")
RIGHT_INFRARED = ("auto", "off")
FAILURE_POLICIES = get_args(FailurePolicy)
# rclpy declares these together with the topics.
QOS_OVERRIDES = "qos_overrides."


def _parameter(
    default: Any, description: str, *,
    range: tuple | None = None, choices: tuple[str, ...] = (), fixed: bool = False,
) -> Any:  # fmt: skip
    """A parameter.

    Args:
        default: also says its type.
        description: what it means, with its unit.
        range: smallest and largest value.
        choices: the allowed values, for a string.
        fixed: it is read-only, because network and workers are made from it.
    """
    spec = {"description": description, "range": range, "choices": choices, "fixed": fixed}
    return field(default=default, metadata=spec)


@dataclass(frozen=True)
class Parameters:
    """A consistent set of values."""

    model_path: str = _parameter(
        "auto",
        "Model file, the name of a shipped model (unet, unet-tiny-stereo or unet-tiny), or "
        "auto: the best of them that keeps up with the camera, by measurement.",
        fixed=True,
    )
    device: str = _parameter(
        "auto",
        "Device that runs the network: auto (a GPU if there is one), cpu, cuda, cuda:1, ...; with "
        "the package openvino also openvino (the CPU), openvino:GPU, openvino:NPU, openvino:AUTO.",
        fixed=True,
    )
    tile_px: int = _parameter(
        1536,
        "Largest side of the tiles that the network processes, px. Smaller tiles need less memory.",
        range=(64, 8192),
        fixed=True,
    )
    num_threads: int = _parameter(
        0,
        "Cores that the network may use on a CPU. 0: all, or all but one of four or more.",
        range=(0, 1024),
        fixed=True,
    )
    concurrent_frames: int = _parameter(
        0,
        "Frames that are denoised concurrently; they divide num_threads among them. 0: two if "
        "the network has two cores, else one.",
        range=(0, 8),
        fixed=True,
    )
    autostart: bool = _parameter(
        True,
        "Configure and activate the node when it starts. false: a lifecycle manager does it.",
        fixed=True,
    )
    baseline_m: float = _parameter(
        0.0,
        "Distance between the imagers, m. 0: from infra2/camera_info or "
        "extrinsics/depth_to_infra2.",
        range=(0.0, 1.0),
    )
    input_reliability: str = _parameter(
        "auto",
        "Reliability of the input subscriptions: auto (reliable if every publisher offers it), "
        "reliable, best_effort.",
        choices=RELIABILITIES,
    )
    slop_ms: float = _parameter(
        5.0,
        "Largest difference between the stamps of a depth and an infrared image that are used "
        "together, ms.",
        range=(0.0, 1000.0),
    )
    infrared_timeout_s: float = _parameter(
        1.0,
        "Once no infrared image has matched depth for this long, depth is used alone (see "
        "depth_only), s.",
        range=(0.05, 3600.0),
    )
    depth_only: bool = _parameter(
        True,
        "While infrared is missing, publish results from depth alone, with lower confidence. "
        "false: publish nothing.",
    )
    right_infrared: str = _parameter(
        "auto",
        "Use of right infrared: auto (if the model can use it, and while it arrives), off.",
        choices=RIGHT_INFRARED,
    )
    right_infrared_wait_ms: float = _parameter(
        20.0,
        "How long a frame waits for its right infrared image, ms. Once that has been missing for "
        "infrared_timeout_s, frames do not wait.",
        range=(0.0, 1000.0),
    )
    output_encoding: str = _parameter(
        "16UC1",
        "Encoding of the depth image: 16UC1 (mm, 0 = invalid) or 32FC1 (m, NaN = invalid).",
        choices=OUTPUT_ENCODINGS,
    )
    min_confidence: float = _parameter(
        0.4,
        "A measured pixel is published if the probability that it is within 5 % of the truth is "
        "at least this.",
        range=(0.0, 1.0),
    )
    fill_confidence: float = _parameter(
        0.9,
        "A hole is filled if that probability is at least this. 1.01: never.",
        range=(0.0, 1.01),
    )
    max_recession: float = _parameter(
        0.03,
        "A pixel whose denoised depth is farther than measured by more than this fraction becomes "
        "invalid.",
        range=(0.0, 1.0),
    )
    min_range_m: float = _parameter(
        0.0, "Nearer depth becomes invalid, m. 0: no limit.", range=(0.0, 65.0)
    )
    max_range_m: float = _parameter(
        0.0, "Farther depth becomes invalid, m. 0: no limit.", range=(0.0, 65.0)
    )
    on_failure: str = _parameter(
        "silence",
        "What is published for a frame that cannot be denoised: silence (nothing), passthrough "
        "(the camera's depth, confidence NaN), invalid (an image of invalid pixels: unsafe for "
        "Nav2).",
        choices=FAILURE_POLICIES,
    )
    frame_timeout_s: float = _parameter(
        10.0,
        "If a frame takes longer than this, it is considered hung: the process ends with exit code "
        "1, so that launch starts a new one, s.",
        range=(0.5, 3600.0),
    )
    min_fill: float = _parameter(
        MIN_FILL,
        "If the fraction of valid pixels stays below this for a second, frames count as failed. 0: "
        "never.",
        range=(0.0, 1.0),
    )


def declare(node: Node) -> Parameters:
    """Declares all parameters and returns their values at start.

    Raises:
        ValueError: a value is out of range, of another type, or not one of a parameter's choices.
    """
    try:
        for spec in fields(Parameters):
            node.declare_parameter(spec.name, spec.default, _descriptor(spec))
    except ParameterException as error:
        raise ValueError(str(error)) from error
    parameters = read(node)
    if reason := _find_problem(parameters):
        raise ValueError(reason)
    return parameters


def read(node: Node) -> Parameters:
    """The values of a node's parameters; integers are converted where a float is expected."""
    return Parameters(
        **{spec.name: _value(spec, node.get_parameter(spec.name)) for spec in fields(Parameters)}
    )


def check(current: Parameters, changes: list[Parameter]) -> SetParametersResult:
    """Whether `changes` may be applied to `current`, or the reason why not.

    rclpy has already checked read-only parameters, and all types except floats.
    """
    specs = {spec.name: spec for spec in fields(Parameters)}
    values = {p.name: _value(specs[p.name], p) for p in changes if p.name in specs}
    reason = _find_problem(replace(current, **values))
    return SetParametersResult(successful=reason is None, reason=reason or "")


def describe_unknown(node: Node) -> str | None:
    """Lists parameters that were given to a node but do not exist; None if there are none."""
    unknown = [name for name in _list_undeclared(node) if not name.startswith(QOS_OVERRIDES)]
    if not unknown:
        return None
    names = [spec.name for spec in fields(Parameters)]
    meant = [difflib.get_close_matches(name, names, 1) for name in unknown]
    described = (
        f"{name} (did you mean {near[0]}?)" if near else name
        for name, near in zip(unknown, meant, strict=True)
    )
    return f"unknown parameters without effect: {', '.join(described)}"


def describe_unused_qos(node: Node) -> str | None:
    """Lists qos_overrides that fit no topic of a node, once these exist; None if there are none."""
    unused = [name for name in _list_undeclared(node) if name.startswith(QOS_OVERRIDES)]
    if not unused:
        return None
    return (
        f"qos_overrides without effect: {', '.join(unused)}; expected the full name of a topic, "
        "then .subscription.history or .depth of an input, or .publisher.history, .depth or "
        ".reliability of an output (input_reliability sets that of the inputs)"
    )


def _list_undeclared(node: Node) -> list[str]:
    """Names of the parameters that were given to a node and that it has not declared."""
    # rclpy has no public list of the parameters that a command line or file sets for a node.
    given = getattr(node, "_parameter_overrides", {})
    return [name for name in given if not node.has_parameter(name)]


def network_settings(values: Parameters) -> NetworkSettings:
    """Which network runs, and on what."""
    return NetworkSettings(
        values.model_path,
        values.device,
        values.tile_px,
        values.num_threads,
        values.concurrent_frames,
    )


def assembler_settings(values: Parameters, enabled: bool, uses_right: bool) -> AssemblerSettings:
    """How frames are assembled and denoised.

    Args:
        values: those of the parameters.
        enabled: False: the camera's depth is passed through.
        uses_right: whether right infrared is used.
    """
    gate = Gate(
        min_confidence=values.min_confidence,
        fill_confidence=values.fill_confidence,
        max_recession=values.max_recession,
        min_range_mm=1000 * values.min_range_m,
        max_range_mm=1000 * values.max_range_m or math.inf,
    )
    on_failure = cast(FailurePolicy, values.on_failure)
    return AssemblerSettings(
        sync=SyncSettings(
            slop_ns=int(values.slop_ms * 1e6),
            infrared_timeout_ns=int(values.infrared_timeout_s * 1e9),
            depth_only=values.depth_only,
            use_infrared=enabled,
            right_wait_ns=int(values.right_infrared_wait_ms * 1e6) if uses_right else None,
        ),
        baseline_m=values.baseline_m,
        frame=FrameSettings(gate, values.min_fill, on_failure, enabled),
    )


def _value(spec: Field, parameter: Parameter) -> Any:
    """A parameter's value. `ros2 param set` sends 1 as an integer, even if a float is expected."""
    value = parameter.value
    return float(value) if _is_float(spec) and type(value) is int else value


def _is_float(spec: Field) -> bool:
    return isinstance(spec.default, float)


def _find_problem(wanted: Parameters) -> str | None:
    for spec in fields(Parameters):
        choices, value = spec.metadata["choices"], getattr(wanted, spec.name)
        if choices and value not in choices:
            return f"{spec.name} must be one of {', '.join(choices)}, got '{value}'"
        if _is_float(spec):
            smallest, largest = spec.metadata["range"]
            if not isinstance(value, float) or not smallest <= value <= largest:
                return f"{spec.name} must be a number from {smallest} to {largest}, got {value!r}"
    if 0 < wanted.max_range_m <= wanted.min_range_m:
        return (
            f"max_range_m must be 0 or more than min_range_m, got {wanted.max_range_m} and "
            f"{wanted.min_range_m}"
        )
    return None


def _descriptor(spec: Field) -> ParameterDescriptor:
    about = spec.metadata
    descriptor = ParameterDescriptor(
        description=about["description"],
        read_only=about["fixed"],
        # rclpy rejects an integer for a float unless typing is dynamic.
        dynamic_typing=_is_float(spec),
    )
    if about["choices"]:
        descriptor.additional_constraints = f"one of: {', '.join(about['choices'])}"
    if about["range"]:
        smallest, largest = about["range"]
        if isinstance(smallest, int):
            descriptor.integer_range = [IntegerRange(from_value=smallest, to_value=largest)]
        else:
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=smallest, to_value=largest)
            ]
    return descriptor
