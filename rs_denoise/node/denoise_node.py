"""The node: depth and infrared in, denoised depth out.

Callbacks only store. A thread has the newest complete frame denoised and publishes it, or several
do so side by side and publish in order. Subscriptions exist only while somebody listens.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import ParameterException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image
from std_srvs.srv import SetBool

from rs_denoise.camera import CameraError
from rs_denoise.denoiser import Denoised, Denoiser, FrameError, NetworkError
from rs_denoise.depth import MAX_DEPTH_MM
from rs_denoise.model import DEFAULT_MODEL, Model, ModelError, torch_device
from rs_denoise.node import parameters
from rs_denoise.node.camera_info import CameraModel
from rs_denoise.node.health import DISABLED, Health, Journey, Status
from rs_denoise.node.images import ImageError, read_depth, read_infrared
from rs_denoise.node.input import Input
from rs_denoise.node.outputs import Outputs
from rs_denoise.pipeline.failure import Emptiness, is_device_lost, is_out_of_memory
from rs_denoise.pipeline.handover import InOrder, LatestSlot, Workers
from rs_denoise.pipeline.resources import Networks, warm_up
from rs_denoise.pipeline.synchronizer import Pair, Pairing
from rs_denoise.tiling import Tiling, TilingError

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
# A frame in work ends within this time, unless its device hangs.
LONGEST_FRAME_S = 10.0


@dataclass(frozen=True)
class _Arrived:
    """A message with the moment at which it came, on the monotonic clock in ns."""

    message: Image
    at_ns: int


@dataclass(frozen=True)
class _Worked:
    """A frame that had its turn.

    Attributes:
        info: camera_info of that time, with the stamp of depth.
        outcome: its depth, or why there is none.
        took_ns: how long it was in work.
    """

    pair: Pair[_Arrived]
    info: CameraInfo
    outcome: Denoised | str
    took_ns: int


class DenoiseNode(LifecycleNode):
    """The lifecycle node `denoise_node`; topics and parameters are listed in the README.

    Args:
        networks: shared with the other nodes of this process; None: it is alone.

    Attributes:
        fatal: why the process has to end, once it has to: a new one can use the device again.
    """

    def __init__(self, networks: Networks | None = None, **node_arguments) -> None:
        super().__init__("denoise_node", **node_arguments)
        self._networks = networks or Networks()
        # First of all: ROS 2 from Kilted on destroys a node whose constructor failed.
        self._slot: LatestSlot[Pair[_Arrived]] | None = None
        try:
            self._chosen = parameters.declare(self)
        except ParameterException as error:
            raise ValueError(str(error)) from error
        self.add_on_set_parameters_callback(self._on_parameters)
        self.fatal: str | None = None
        self._health = Health()
        self._camera = CameraModel()
        self._pairing: Pairing[_Arrived] = Pairing(*self._pairing_times())
        self._threads: list[threading.Thread] = []
        self._workers: Workers | None = None
        self._model: Model | None = None
        self._denoiser: Denoiser | None = None
        self._early: Pair[_Arrived] | None = None
        self._depth_stamp_ns: int | None = None
        self._listening = False
        self._active_since = 0.0
        self._baseline_warned = False
        self._watch_count = 0
        self._outputs: Outputs | None = None
        self._tile_px = self._chosen.tile_px
        self._emptiness = Emptiness()
        self._enabled = True
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
        # Not the clock of a simulation, which may pause, jump back or never start.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0, self._diagnose, clock=steady)
        self.create_service(SetBool, "~/set_enabled", self._on_set_enabled)
        self._watch_timer = self.create_timer(WATCH_PERIOD_S, self._watch, clock=steady)

    # Lifecycle ---------------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Loads the model, warms it up and offers the outputs."""
        chosen = self._chosen
        try:
            device = torch_device(chosen.device)
            threads = chosen.num_threads or _spare_cores()
            at_once = chosen.frames_at_once or _frames_at_once(device, threads)
            threads = max(1, threads // at_once)
            workers = self._networks.workers(device, at_once, threads)
            path = chosen.model_path or DEFAULT_MODEL
            model, note = workers.do(lambda: self._networks.load(path, chosen.device))
            workers.do(lambda: warm_up(model, chosen.tile_px))
        except (ModelError, NetworkError, TilingError) as error:
            return self._refuse_to_configure(str(error))
        except Exception as error:  # of the device, full or lost; rclpy would swallow it
            advice = "; a smaller tile_px needs less memory" if is_out_of_memory(error) else ""
            return self._refuse_to_configure(f"{type(error).__name__}: {error}{advice}")
        self._model, self._outputs, self._tile_px = model, Outputs(self), chosen.tile_px
        self._workers = workers
        precision = str(model.precision).removeprefix("torch.")
        self.get_logger().info(
            f"model {model.manifest.name} on {model.device} in {precision}, frames at once: "
            f"{workers.count}, threads for each: {threads}{note and '; '}{note}"
        )
        return super().on_configure(state)

    def _refuse_to_configure(self, reason: str) -> TransitionCallbackReturn:
        self.get_logger().error(f"cannot be configured: {reason}")
        self._health.error(reason)
        return TransitionCallbackReturn.FAILURE

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Starts the inference threads; input is subscribed to when somebody listens."""
        result = super().on_activate(state)
        assert self._workers is not None
        self._slot, in_order = LatestSlot(), InOrder()
        self._threads = [
            threading.Thread(target=self._work, args=(self._slot, in_order), daemon=True)
            for _ in range(self._workers.count)
        ]
        for thread in self._threads:
            thread.start()
        self._active_since = time.monotonic()
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops listening and waits for the frames in work."""
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
        if self._slot is None:
            return
        self._set_listening(False)
        if self._slot.close():
            self._health.dropped_frame()
        for thread in self._threads:
            thread.join(LONGEST_FRAME_S)
        if any(thread.is_alive() for thread in self._threads):
            self.get_logger().error(f"a frame is still in work after {LONGEST_FRAME_S:.0f} s")
        self._slot, self._threads = None, []

    def _release(self) -> None:
        if self._outputs is not None:
            self._outputs.close()
        self._outputs = self._model = self._denoiser = None

    def destroy_node(self) -> None:
        """Ends the inference threads before what they publish with is gone."""
        self._stop()
        super().destroy_node()

    # Input -------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Follows listeners and publishers as they come and go.

        Polled, because matched events do not exist in all distributions, and the reliability of
        the publishers has to be looked at again after a replug anyway.
        """
        if self._slot is None or self._outputs is None:
            return
        wanted = self._outputs.wanted
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
        if self._early is not None:
            self._early = None
            self._health.dropped_frame()
        self._pairing.restart(time.monotonic_ns())
        self._health.listening(wanted)
        self._listening = wanted

    def _on_depth(self, message: Image) -> None:
        self._health.received()
        now, stamp_ns = time.monotonic_ns(), _stamp_ns(message)
        if stamp_ns == self._depth_stamp_ns:
            self._frame_lost(
                f"depth came twice with stamp {stamp_ns / 1e9:.3f} s: it is published twice, or "
                "the camera's clock stands still"
            )
            return
        self._depth_stamp_ns = stamp_ns
        self._hand_over(self._pairing.add_depth(stamp_ns, _Arrived(message, now), now))

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
                self._health.dropped_frame()

    def _keep_early(self, pair: Pair[_Arrived]) -> None:
        """An image may overtake its camera_info; only a frame that a newer one replaces is lost."""
        replaced, self._early = self._early, pair
        if replaced is not None:
            self._frame_lost(
                self._camera.refusal
                or f"no camera_info on {self._inputs[1].topic}: the driver must publish it"
            )

    # Work --------------------------------------------------------------------------------------

    def _work(self, slot: LatestSlot[Pair[_Arrived]], in_order: InOrder) -> None:
        """The life of an inference thread."""
        try:
            while slot.wait() and self.fatal is None:
                self._work_on_next(slot, in_order)
        except Exception as error:  # else frames would stop coming, without a word
            self._end_process(f"an inference thread ended: {type(error).__name__}: {error}")

    def _work_on_next(self, slot: LatestSlot[Pair[_Arrived]], in_order: InOrder) -> None:
        assert self._workers is not None
        done = self._workers.do(lambda: self._take(slot))
        if done is not None:
            number, worked = done
            with in_order.at(number):
                self._deliver(worked)

    def _take(self, slot: LatestSlot[Pair[_Arrived]]) -> tuple[int, _Worked] | None:
        # The newest by now, however long others had their turn.
        taken = slot.take()
        if taken is None:
            return None
        number, pair = taken
        started_ns = time.monotonic_ns()
        info = self._camera.restamped(pair.depth.message.header)
        outcome = self._outcome(pair)
        return number, _Worked(pair, info, outcome, time.monotonic_ns() - started_ns)

    def _outcome(self, pair: Pair[_Arrived]) -> Denoised | str:
        """Depth for a frame, or why there is none, which is told in its turn."""
        try:
            depth = read_depth(pair.depth.message)
            if not self._enabled:
                return _as_it_came(depth)
            infrared = None if pair.infrared is None else read_infrared(pair.infrared.message)
            return self._denoise(depth, infrared)
        except (ImageError, FrameError, CameraError, NetworkError) as error:
            return str(error)
        except Exception as error:  # whatever it is: one frame is lost, the robot is told
            return f"{type(error).__name__}: {error}"

    def _denoise(self, depth_mm: np.ndarray, infrared: np.ndarray | None) -> Denoised | str:
        denoiser = self._denoiser_for(self._chosen)
        try:
            return denoiser.denoise(depth_mm, infrared)
        except RuntimeError as error:
            if is_device_lost(error):
                self._end_process(f"{denoiser.model.device} is lost: {error}")
            if not is_out_of_memory(error):
                raise
            reason = str(error)
        # Here the error is gone, and with it what it held in GPU memory.
        torch.cuda.empty_cache()
        return self._take_smaller_tiles(denoiser.tiling, reason)

    def _take_smaller_tiles(self, tiling: Tiling, reason: str) -> str:
        """The GPU is full, of others' work as well: less at a time from now on; what to tell."""
        try:
            smaller = replace(tiling, tile_px=tiling.tile_px // 2)
        except TilingError:
            return f"out of GPU memory even with tiles of {tiling.tile_px} px: {reason}"
        # Of frames in work side by side only the first makes them smaller.
        self._tile_px = min(self._tile_px, smaller.tile_px)
        return f"out of GPU memory, going on with tiles of {self._tile_px} px"

    def _end_process(self, reason: str) -> None:
        self.fatal = reason
        self.get_logger().fatal(reason)

    def _deliver(self, worked: _Worked) -> None:
        """Publishes depth; where there is none, what the user chose for that case."""
        outcome = self._unless_empty(worked)
        if isinstance(outcome, str):
            self._frame_lost(outcome)
            depth, report = self._instead(worked), self._tell
        else:
            depth, report = outcome, self._frame_lost
        try:
            if depth is not None:
                self._publish(worked, depth)
        except Exception as error:  # the next frame may be fine
            report(f"nothing could be published: {type(error).__name__}: {error}")

    def _unless_empty(self, worked: _Worked) -> Denoised | str:
        outcome = worked.outcome
        if isinstance(outcome, str):
            return outcome
        if self._emptiness.lasts(outcome.valid_before_range, self._chosen.min_fill):
            return _why_empty(read_depth(worked.pair.depth.message), outcome.valid_before_range)
        return outcome

    def _instead(self, worked: _Worked) -> Denoised | None:
        """What goes out for a frame that failed, as the user chose."""
        policy = self._chosen.on_failure
        if policy == "invalid":
            nothing = np.zeros((worked.info.height, worked.info.width), np.float32)
            return Denoised(nothing, nothing, 0.0)
        if policy == "silence":
            return None
        try:
            return _as_it_came(read_depth(worked.pair.depth.message))
        except ImageError:
            return None  # told already: not even the camera's depth can be read

    def _publish(self, worked: _Worked, result: Denoised) -> None:
        assert self._outputs is not None
        ready_ns = time.monotonic_ns()
        encoding = self._chosen.output_encoding
        if self._outputs.publish(result.depth_mm, result.confidence, worked.info, encoding):
            waited_ns = ready_ns - worked.pair.depth.at_ns - worked.took_ns
            published_ns = time.monotonic_ns() - ready_ns
            times_ns = waited_ns, worked.took_ns, published_ns
            self._health.published(Journey(*(ns / 1e9 for ns in times_ns)))

    def _denoiser_for(self, chosen: parameters.Parameters) -> Denoiser:
        """The denoiser of the camera and the parameters of this moment; made anew on change."""
        camera = self._camera.camera(chosen.baseline_m)
        gate = parameters.gate(chosen)
        self._tell_missing_baseline(chosen.baseline_m)
        wanted = camera, gate, self._tile_px
        current = self._denoiser
        if current is None or wanted != (current.camera, current.gate, current.tiling.tile_px):
            assert self._model is not None
            current = self._denoiser = Denoiser(self._model, *wanted)
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
        self._health.failed_frame()
        self._tell(reason)

    def _tell(self, reason: str) -> None:
        self._health.error(reason)
        if self.context.ok():
            self.get_logger().error(f"frame lost: {reason}", throttle_duration_sec=5.0)

    # Parameters and diagnostics ----------------------------------------------------------------

    def _on_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        self._chosen, result = parameters.changed(self._chosen, changes)
        self._pairing.slop_ns, self._pairing.infrared_timeout_ns = self._pairing_times()
        return result

    def _on_set_enabled(self, request: SetBool.Request, response: SetBool.Response):
        """Denoised depth, or the camera's, for looking at both in turn."""
        self._enabled = request.data
        response.success = True
        response.message = "denoising" if request.data else "passing the camera's depth through"
        self.get_logger().info(response.message)
        return response

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
            concern=self._concern(),
            policy=self._chosen.on_failure,
            unpaired=self._pairing.unpaired,
            clock_jumps=self._pairing.clock_jumps,
            rivals=self._outputs.rivals if self._outputs is not None else None,
        )
        message = DiagnosticArray(status=[self._diagnostic(status) for status in report])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def _state_label(self) -> str:
        if self._slot is None:
            return "inactive" if self._model else "unconfigured"
        return "active" if self._enabled else DISABLED

    def _concern(self) -> str | None:
        depth_topic = self._inputs[0].topic
        if self._listening and self.count_publishers(depth_topic) == 0:
            return f"no input: nobody publishes {depth_topic}"
        return self._why_depth_only() or self._camera.refusal

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


def _as_it_came(depth_mm: np.ndarray) -> Denoised:
    """The camera's depth; nobody knows how sure it is."""
    sayable = (depth_mm > 0) & (depth_mm <= MAX_DEPTH_MM)
    depth_mm = np.where(sayable, depth_mm, 0).astype(np.float32)
    confidence = np.where(depth_mm > 0, np.float32(np.nan), np.float32(0))
    return Denoised(depth_mm, confidence, 1.0)


def _spare_cores() -> int:
    """As many as the network may have: from four cores on, one is left to callbacks and driver."""
    cores = len(os.sched_getaffinity(0))
    return cores - 1 if cores >= 4 else cores


def _frames_at_once(device: torch.device, threads: int) -> int:
    """How many, if the user does not say.

    Two threads that wait for each other after every layer lose much of their time as soon as driver
    and consumers need a core too, and with it every third frame of 30 a second; with a frame each
    they do not. More of them are better spent on one frame, which is then there sooner.
    """
    return 2 if threads == 2 and device.type == "cpu" else 1


def _why_empty(depth_mm: np.ndarray, fill: float) -> str:
    measured = np.count_nonzero(depth_mm > 0) / depth_mm.size
    return (
        f"only {100 * fill:.1f} % of the pixels came out valid for a second, the camera measured "
        f"{100 * measured:.1f} %: is it covered or too near to things, or min_confidence too high?"
    )


def _stamp_ns(message: Image) -> int:
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
