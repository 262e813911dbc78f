"""The node: depth and infrared in, denoised depth out.

Callbacks only store; one thread denoises the newest complete frame and publishes it. Subscriptions
exist only while somebody listens to an output.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import SetParametersResult
from rclpy.exceptions import ParameterException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image

from rs_denoise.camera import Camera, CameraError
from rs_denoise.denoiser import Denoiser, FrameError
from rs_denoise.gate import Gate
from rs_denoise.model import DEFAULT_MODEL, Model, ModelError
from rs_denoise.node import parameters
from rs_denoise.node.camera_info import CameraModel
from rs_denoise.node.handover import LatestSlot
from rs_denoise.node.health import Health, Status
from rs_denoise.node.images import (
    ImageError,
    depth_message,
    image_message,
    read_depth,
    read_infrared,
)
from rs_denoise.node.input import Input
from rs_denoise.node.pairing import Pair, Pairing
from rs_denoise.tiling import TilingError

# realsense2_camera's own messages are needed for one optional topic, and not installed everywhere.
try:
    from realsense2_camera_msgs.msg import Extrinsics
except ImportError:
    Extrinsics = None

WATCH_PERIOD_S = 0.1
# How often the graph is searched for publishers, in watch periods.
GRAPH_PERIODS = 10
# A driver publishes its calibration within this time, so only then is a missing baseline told.
BASELINE_PATIENCE_S = 3.0


@dataclass(frozen=True)
class _Arrived:
    """A message with the moment at which it came, on the monotonic clock in ns."""

    message: Image
    at_ns: int


class DenoiseNode(LifecycleNode):
    """The lifecycle node `denoise_node`; topics and parameters are listed in the README."""

    def __init__(self, **node_arguments) -> None:
        super().__init__("denoise_node", **node_arguments)
        try:
            self._chosen = parameters.declare(self)
        except ParameterException as error:
            raise ValueError(str(error)) from error
        self.add_on_set_parameters_callback(self._on_parameters)
        self._health = Health()
        self._camera = CameraModel()
        self._pairing: Pairing[_Arrived] = Pairing(*self._pairing_times())
        self._slot: LatestSlot[Pair[_Arrived]] | None = None
        self._thread: threading.Thread | None = None
        self._model: Model | None = None
        self._denoiser: Denoiser | None = None
        self._early: Pair[_Arrived] | None = None
        self._listening = False
        self._active_since = 0.0
        self._baseline_warned = False
        self._watch_count = 0
        self._outputs: list = []
        self._inputs = [
            Input(self, Image, "depth/image_rect_raw", self._on_depth),
            Input(self, CameraInfo, "depth/camera_info", self._on_camera_info),
            Input(self, Image, "infra1/image_rect_raw", self._on_infrared),
        ]
        self._baseline_inputs = [
            Input(self, CameraInfo, "infra2/camera_info", self._camera.update_right)
        ]
        if Extrinsics is not None:
            self._baseline_inputs.append(
                Input(self, Extrinsics, "extrinsics/depth_to_infra2", self._on_extrinsics)
            )
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_timer(1.0, self._diagnose)
        self._watch_timer = self.create_timer(WATCH_PERIOD_S, self._watch)

    # Lifecycle ---------------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Loads the model, tries it on an empty frame and offers the outputs."""
        chosen = self._chosen
        try:
            model = Model.load(chosen.model_path or DEFAULT_MODEL, chosen.device)
            warm_up = Camera(848, 480, 425.0, 425.0, 423.5, 239.5, 0.05)
            Denoiser(model, warm_up, tile_px=chosen.tile_px).denoise(
                np.zeros((480, 848), np.uint16)
            )
        except (ModelError, TilingError) as error:
            self.get_logger().error(f"cannot be configured: {error}")
            self._health.error(str(error))
            return TransitionCallbackReturn.FAILURE
        self._model = model
        reliable = QoSProfile(depth=2, reliability=ReliabilityPolicy.RELIABLE)
        self._outputs = [
            self.create_lifecycle_publisher(
                kind, topic, reliable,
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
            for kind, topic in (
                (Image, "denoised/image_rect_raw"),
                (CameraInfo, "denoised/camera_info"),
                (Image, "denoised/confidence"),
            )
        ]  # fmt: skip
        precision = str(model.precision).removeprefix("torch.")
        self.get_logger().info(f"model {model.manifest.name} on {model.device} in {precision}")
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Starts the inference thread; input is subscribed to when somebody listens."""
        result = super().on_activate(state)
        self._slot = LatestSlot()
        self._thread = threading.Thread(target=self._work, args=(self._slot,), daemon=True)
        self._thread.start()
        self._active_since = time.monotonic()
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops listening and waits for the frame in work."""
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Gives the model and the outputs back."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops from any state."""
        self._stop()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Goes back to unconfigured, from where it can be configured again."""
        self._stop()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def _stop(self) -> None:
        self._set_listening(False)
        if self._slot is not None and self._thread is not None:
            self._slot.close()
            self._thread.join()
            self._slot = self._thread = None

    def _release(self) -> None:
        for publisher in self._outputs:
            self.destroy_lifecycle_publisher(publisher)
        self._outputs = []
        self._model = self._denoiser = None

    def destroy_node(self) -> None:
        """Ends the inference thread before what it publishes with is gone."""
        self._stop()
        super().destroy_node()

    # Input -------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Follows listeners and publishers as they come and go.

        Polled, because matched events do not exist in all distributions, and the reliability of
        the publishers has to be looked at again after a replug anyway.
        """
        if self._slot is None:
            return
        wanted = any(p.get_subscription_count() > 0 for p in self._outputs)
        changed = wanted != self._listening
        if changed:
            self._set_listening(wanted)
        self._watch_count += 1
        if wanted and (changed or self._watch_count % GRAPH_PERIODS == 0):
            needs_baseline = self._chosen.baseline_m == 0.0
            for source in self._inputs + (self._baseline_inputs if needs_baseline else []):
                source.open(self._chosen.input_reliability)

    def _set_listening(self, wanted: bool) -> None:
        if not wanted:
            for source in self._inputs + self._baseline_inputs:
                source.close()
        self._early = None
        self._pairing.restart(time.monotonic_ns())
        self._health.listening(wanted)
        self._listening = wanted

    def _on_depth(self, message: Image) -> None:
        self._health.received()
        now = time.monotonic_ns()
        self._hand_over(self._pairing.add_depth(_stamp_ns(message), _Arrived(message, now), now))

    def _on_infrared(self, message: Image) -> None:
        now = time.monotonic_ns()
        self._hand_over(self._pairing.add_infrared(_stamp_ns(message), _Arrived(message, now), now))

    def _on_camera_info(self, message: CameraInfo) -> None:
        self._camera.update(message)
        if self._early is not None and self._camera.known:
            early, self._early = self._early, None
            self._hand_over([early])

    def _on_extrinsics(self, message) -> None:
        self._camera.update_extrinsics(tuple(message.translation))

    def _hand_over(self, pairs: list[Pair[_Arrived]]) -> None:
        for pair in pairs:
            if pair.infrared is None and not self._chosen.depth_only:
                self._pairing.unpaired += 1
            elif not self._camera.known:
                self._keep_early(pair)
            elif self._slot is not None and self._slot.put(pair):
                self._health.replaced()

    def _keep_early(self, pair: Pair[_Arrived]) -> None:
        """An image may overtake its camera_info; only a frame that a newer one replaces is lost."""
        replaced, self._early = self._early, pair
        if replaced is not None:
            self._frame_lost(
                self._camera.refusal
                or f"no camera_info on {self._inputs[1].topic}: the driver must publish it"
            )

    # Work --------------------------------------------------------------------------------------

    def _work(self, slot: LatestSlot[Pair[_Arrived]]) -> None:
        while (pair := slot.take()) is not None:
            try:
                self._denoise(pair)
            except (ImageError, FrameError, CameraError) as error:
                self._frame_lost(str(error))
            except Exception as error:  # whatever it is: one frame is lost, the robot is told
                self._frame_lost(f"{type(error).__name__}: {error}")

    def _denoise(self, pair: Pair[_Arrived]) -> None:
        chosen = self._chosen
        depth = read_depth(pair.depth.message)
        infrared = None if pair.infrared is None else read_infrared(pair.infrared.message)
        result = self._denoiser_for(chosen).denoise(depth, infrared)
        header = pair.depth.message.header
        messages = [
            depth_message(result.depth_mm, chosen.output_encoding, header),
            self._camera.restamped(header),
            image_message(result.confidence, "32FC1", header),
        ]
        if not self.context.ok():
            return
        try:
            for publisher, message in zip(self._outputs, messages, strict=True):
                publisher.publish(message)
        except Exception:  # a publish in flight while the context goes down
            if self.context.ok():
                raise
            return
        self._health.published((time.monotonic_ns() - pair.depth.at_ns) / 1e9)

    def _denoiser_for(self, chosen: parameters.Parameters) -> Denoiser:
        """The denoiser of the camera and the parameters of this moment; made anew on change."""
        camera = self._camera.camera(chosen.baseline_m)
        gate = Gate(chosen.min_confidence, chosen.fill_confidence, chosen.max_recession)
        self._tell_missing_baseline(chosen.baseline_m)
        current = self._denoiser
        if current is None or current.camera != camera or current.gate != gate:
            assert self._model is not None
            current = self._denoiser = Denoiser(self._model, camera, gate, chosen.tile_px)
        return current

    def _tell_missing_baseline(self, baseline_m: float) -> None:
        if baseline_m or self._camera.baseline_seen or self._baseline_warned:
            return
        if time.monotonic() - self._active_since > BASELINE_PATIENCE_S:
            self._baseline_warned = True
            self.get_logger().warning(
                "baseline unknown, taking 50 mm: set the parameter baseline_m (D415 0.055, "
                "D435 0.050, D455 0.095) or enable infra2 of the camera; depth stays metric, "
                "but noise is misjudged"
            )

    def _frame_lost(self, reason: str) -> None:
        self._health.error(reason)
        if self.context.ok():
            self.get_logger().error(f"frame lost: {reason}", throttle_duration_sec=5.0)

    # Parameters and diagnostics ----------------------------------------------------------------

    def _on_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        self._chosen, result = parameters.changed(self._chosen, changes)
        self._pairing.slop_ns, self._pairing.infrared_timeout_ns = self._pairing_times()
        return result

    def _pairing_times(self) -> tuple[int, int]:
        chosen = self._chosen
        return int(chosen.slop_ms * 1e6), int(chosen.infrared_timeout_s * 1e9)

    def _diagnose(self) -> None:
        model = {"model": "none", "device": "none"}
        if self._model is not None:
            manifest = self._model.manifest
            model = {"model": manifest.name, "device": str(self._model.device)}
            if self._camera.known:
                baseline_m = self._camera.camera(self._chosen.baseline_m).baseline_m
                model["baseline (m)"] = f"{baseline_m:.4f}"
        report = self._health.report(
            state=self._state_label(),
            model=model,
            waiting_for=[source.topic for source in self._inputs],
            depth_only=self._why_depth_only(),
            unpaired=self._pairing.unpaired,
            clock_jumps=self._pairing.clock_jumps,
        )
        message = DiagnosticArray(status=[self._diagnostic(status) for status in report])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def _state_label(self) -> str:
        return "active" if self._slot is not None else "inactive" if self._model else "unconfigured"

    def _why_depth_only(self) -> str | None:
        if not self._listening or not self._pairing.infrared_is_missing(time.monotonic_ns()):
            return None
        topic = self._inputs[2].topic
        effect = "depth only, confidence reduced" if self._chosen.depth_only else "no output"
        return f"no infrared on {topic}: {effect}; start the camera with enable_infra1:=true"

    def _diagnostic(self, status: Status) -> DiagnosticStatus:
        return DiagnosticStatus(
            level=status.level,
            name=f"{self.get_fully_qualified_name()}: {status.name}",
            message=status.message,
            hardware_id=self.get_fully_qualified_name(),
            values=[KeyValue(key=k, value=v) for k, v in status.values.items()],
        )


def _stamp_ns(message: Image) -> int:
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
