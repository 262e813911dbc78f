"""The node's state apart from frame statistics, worded for /diagnostics."""

from __future__ import annotations

from dataclasses import dataclass, field

from rs_denoise.node.assembler import FrameAssembler
from rs_denoise.node.calibration import CameraCalibration
from rs_denoise.node.camera_listener import CameraListener
from rs_denoise.node.inputs import Inputs
from rs_denoise.node.parameters import Parameters
from rs_denoise.pipeline.resources import PreparedNetwork
from rs_denoise.pipeline.synchronizer import PairingCounts


@dataclass(frozen=True)
class NodeStatus:
    """The node's state apart from the statistics of its frames.

    Attributes:
        state: its lifecycle state.
        model: name, device and the like; the keys are those of the entry.
        required_topics: full names of the topics that every frame needs.
        input_warning: what is wrong with the input, or None.
        output_warning: what is wrong with the output, or None.
        model_warning: what is wrong with the model, or None.
        disabled: whether the camera's depth is passed through on demand.
        on_failure: the failure policy.
        pairing: counts of depth images that were paired or dropped.
        right_infrared: whether it is used, or why not.
        in_progress_s: how long the oldest frame has been in progress.
    """

    state: str
    model: dict[str, str]
    required_topics: list[str]
    on_failure: str
    input_warning: str | None = None
    output_warning: str | None = None
    model_warning: str | None = None
    disabled: bool = False
    pairing: PairingCounts = field(default_factory=PairingCounts)
    right_infrared: str = "off"
    in_progress_s: float = 0.0


def describe_node(
    settings: Parameters,
    listener: CameraListener,
    network: PreparedNetwork | None,
    *,
    active: bool,
    enabled: bool,
    measuring: bool,
    right_rejected: bool,
    output_warning: str | None,
    in_progress_s: float,
) -> NodeStatus:
    """Describes the node at this moment.

    Args:
        settings: its parameters.
        listener: receives its input.
        network: the one that it was configured with; None if it is unconfigured.
        active: whether it processes frames.
        enabled: False: it passes the camera's depth through.
        measuring: whether models are timed at the moment.
        right_rejected: whether the latest right infrared image could not be used.
        output_warning: what is wrong with the output, or None.
        in_progress_s: how long the oldest frame has been in progress.
    """
    return NodeStatus(
        state=_describe_state(network, active, measuring),
        model=_describe_model(network, listener.calibration, settings.baseline_m),
        required_topics=[source.topic for source in listener.topics.required],
        on_failure=settings.on_failure,
        input_warning=_describe_input_fault(listener, settings.baseline_m),
        output_warning=output_warning,
        model_warning=describe_slowness(network),
        disabled=active and not enabled,
        pairing=listener.assembler.counts,
        right_infrared=_describe_right_infrared(
            listener.assembler, settings.right_infrared, network, right_rejected
        ),
        in_progress_s=in_progress_s,
    )


def describe_hang(in_progress_s: float) -> str:
    """Why the process gives up on a frame that has been in progress for this long."""
    return (
        f"a frame has been in progress for {in_progress_s:.1f} s: the device hangs, or is so slow "
        "that frame_timeout_s must be longer"
    )


def describe_slowness(network: PreparedNetwork | None) -> str | None:
    """What helps if no shipped model keeps up with the camera; None if one does."""
    if network is None or network.choice is None:
        return None
    return network.choice.advice


def _describe_state(network: PreparedNetwork | None, active: bool, measuring: bool) -> str:
    if active:
        return "active, measuring models" if measuring else "active"
    return "inactive" if network else "unconfigured"


def _describe_model(
    network: PreparedNetwork | None, calibration: CameraCalibration, baseline_m: float
) -> dict[str, str]:
    """The model that runs, as values of an entry; `baseline_m` is the user's."""
    if network is None:
        return {"model": "none", "device": "none"}
    described = {"model": network.model.manifest.name, "device": network.model.device_name}
    if network.choice is not None:
        described["chosen"] = str(network.choice)
    if calibration.known:
        described["baseline (m)"] = f"{calibration.camera(baseline_m).baseline_m:.4f}"
    return described


def _describe_input_fault(listener: CameraListener, baseline_m: float) -> str | None:
    missing = _describe_missing(listener.topics, listener.assembler) if listener.listening else None
    calibration = listener.calibration
    return missing or calibration.rejection or calibration.compare_baseline(baseline_m)


def _describe_missing(inputs: Inputs, assembler: FrameAssembler) -> str | None:
    if not inputs.depth.has_publisher:
        return f"no input: nobody publishes {inputs.depth.topic}"
    if assembler.infrared.wanted and assembler.infrared.missing:
        return _describe_missing_infrared(inputs, assembler)
    right = assembler.infrared_right
    # A stream that never arrived is not a fault: not every driver publishes it.
    if right.wanted and right.missing and right.was_paired:
        topic = inputs.infrared_right.topic
        cause = (
            "it comes too late or with other stamps (right_infrared_wait_ms, slop_ms)"
            if right.arrives
            else "start the camera with enable_infra2:=true"
        )
        return (
            f"no right infrared on {topic}: continuing without it; {cause}, or set "
            "right_infrared to off"
        )
    return None


def _describe_missing_infrared(inputs: Inputs, assembler: FrameAssembler) -> str:
    depth_only = assembler.settings.sync.depth_only
    effect = "depth only, confidence reduced" if depth_only else "no output"
    if assembler.infrared.rejection is not None:
        return f"infrared does not fit depth: {effect}; {assembler.infrared.rejection}"
    if not assembler.infrared.arrives:
        return (
            f"no infrared on {inputs.infrared.topic}: {effect}; start the camera with "
            "enable_infra1:=true"
        )
    return (
        f"no infrared image matches depth: {effect}; set both streams to one rate, stop "
        "the emitter from alternating (emitter_on_off:=false), or increase slop_ms"
    )


def _describe_right_infrared(
    assembler: FrameAssembler, choice: str, network: PreparedNetwork | None, rejected: bool
) -> str:
    """The value of the entry `right infrared`: whether it is used, or why not."""
    if choice == "off":
        return "off"
    if network is None or not network.uses_right_infrared:
        return "not used by this model"
    right = assembler.infrared_right
    if not right.wanted:
        return "off"  # denoising is switched off
    if right.missing:
        return "missing"
    return "rejected" if rejected else "used"
