"""The ROS 2 node: depth and infrared in, denoised depth out.

Callbacks only store images; the frame pipeline denoises the newest frame in threads of its own.
The node subscribes to its inputs only while its outputs have subscribers.
"""

from __future__ import annotations

from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo
from std_srvs.srv import SetBool

from rs_denoise.denoiser import NetworkError
from rs_denoise.manifest import ModelError
from rs_denoise.node import parameters
from rs_denoise.node.camera_listener import CameraListener
from rs_denoise.node.diagnostics import DiagnosticPublisher
from rs_denoise.node.frame_reporter import FrameReporter
from rs_denoise.node.outputs import Outputs
from rs_denoise.node.status import describe_hang, describe_node, describe_slowness
from rs_denoise.node.topic_error import TopicError
from rs_denoise.pipeline.device_errors import DeviceLostError, DeviceMemoryError
from rs_denoise.pipeline.frame_pipeline import FramePipeline, FrameResult, InputFrame
from rs_denoise.pipeline.model_selector import ModelSelector
from rs_denoise.pipeline.resources import PreparedNetwork, SharedResources
from rs_denoise.pipeline.statistics import FrameStatistics
from rs_denoise.tiling import TilingError

WATCH_PERIOD_S = 0.1
DIAGNOSTICS_PERIOD_S = 1.0
# A process that ends waits at most this long for a frame in progress and for its last diagnostics.
MAX_END_S, MAX_FLUSH_S = 2.0, 0.5


class DenoiseNode(LifecycleNode):
    """The lifecycle node `denoise_node`; docs/node.md lists topics and parameters.

    Args:
        resources: shared with the other nodes of this process; None if there are no others.

    Attributes:
        fatal: why the process must end (only a new one can use the device again), or None.
        hangs: whether a thread is stuck on a frame, which would prevent Python from exiting.
    """

    def __init__(self, resources: SharedResources | None = None, **node_arguments) -> None:
        super().__init__("denoise_node", **node_arguments)
        # Set before anything can fail: from Kilted on, ROS 2 destroys a node whose constructor
        # failed.
        self._pipeline: FramePipeline[CameraInfo] | None = None
        self._resources = resources or SharedResources()
        self._settings = parameters.Parameters()
        self.hangs = False
        self._settings = parameters.declare(self)
        if (unknown := parameters.describe_unknown(self)) is not None:
            self.get_logger().warning(unknown)
        self.fatal: str | None = None
        self._network: PreparedNetwork | None = None
        self._model_selector = ModelSelector(self._resources)
        self._outputs: Outputs | None = None
        self._enabled = True
        self._statistics = FrameStatistics()
        self._reporter = FrameReporter(self, self._statistics)
        # Not the clock of a simulation, which may pause, jump back or never start.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._listener = CameraListener(
            self,
            steady,
            parameters.assembler_settings(self._settings, self._enabled, uses_right=False),
            self._statistics,
            on_frame=self._submit,
            on_failure=self._reporter.report_failure,
        )
        self.add_on_set_parameters_callback(self._check_parameters)
        # Humble lacks it.
        self._has_post_set_callback = hasattr(self, "add_post_set_parameters_callback")
        if self._has_post_set_callback:
            self.add_post_set_parameters_callback(lambda _: self._apply_parameters())
        self._diagnostics = DiagnosticPublisher(self)
        self.create_service(SetBool, "~/set_enabled", self._on_set_enabled)
        self.create_timer(DIAGNOSTICS_PERIOD_S, self._publish_diagnostics, clock=steady)
        self.create_timer(WATCH_PERIOD_S, self._watch, clock=steady)

    # Lifecycle ---------------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Loads the model, warms it up and creates the outputs."""
        try:
            network = self._resources.prepare(parameters.network_settings(self._settings))
            self._outputs = Outputs(self, self._reporter)
        except (ModelError, NetworkError, TilingError, DeviceMemoryError, TopicError) as error:
            return self._fail_to_configure(str(error))
        except DeviceLostError as error:
            self._on_fatal(str(error))
            return self._fail_to_configure(str(error))
        except Exception as error:  # rclpy would hide the reason
            return self._fail_to_configure(f"{type(error).__name__}: {error}")
        self._statistics.set_lasting_error(None)
        if (unused := parameters.describe_unused_qos(self)) is not None:
            self.get_logger().warning(unused)
        self._network = network
        # It is for a typical camera, so the camera that is connected is checked again.
        self._model_selector = ModelSelector(self._resources)
        self._configure_assembler()
        self._log_network(network)
        return super().on_configure(state)

    def _fail_to_configure(self, reason: str) -> TransitionCallbackReturn:
        self.get_logger().error(f"cannot be configured: {reason}")
        # It cannot be seen in any frame, so it stays until the node is configured.
        self._statistics.set_lasting_error(reason)
        return TransitionCallbackReturn.FAILURE

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Starts the frame pipeline; inputs are subscribed to once an output has a subscriber."""
        result = super().on_activate(state)
        assert self._network is not None and self._outputs is not None
        self._start_pipeline(self._network)
        self._listener.announce(self._outputs.topics, self._uses_right)
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops listening and finishes the frames in progress."""
        self._stop(self._settings.frame_timeout_s)
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Releases the model and the outputs."""
        return self._stop_and_release()

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops from any state."""
        return self._stop_and_release()

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Returns to unconfigured, from where the node can be configured again."""
        return self._stop_and_release()

    def destroy_node(self) -> None:
        """Ends the pipeline before the publishers that it uses are gone."""
        self._stop(min(MAX_END_S, self._settings.frame_timeout_s))
        # Models are being timed, which cannot be interrupted and may hang.
        self.hangs = self.hangs or self._resources.longest_in_progress_s > 0
        super().destroy_node()

    def _stop_and_release(self) -> TransitionCallbackReturn:
        self._stop(self._settings.frame_timeout_s)
        if self._outputs is not None:
            self._outputs.close()
        self._outputs = self._network = None
        return TransitionCallbackReturn.SUCCESS

    def _start_pipeline(self, network: PreparedNetwork) -> None:
        self._pipeline = FramePipeline(network, self._on_result, self._on_fatal)
        self._pipeline.start()

    def _stop(self, frame_timeout_s: float) -> None:
        if self._pipeline is not None:
            self._listener.stop()
            self._stop_pipeline(frame_timeout_s)

    def _stop_pipeline(self, frame_timeout_s: float) -> None:
        assert self._pipeline is not None
        if self._pipeline.stop(frame_timeout_s):
            self._statistics.count_dropped()
        if (in_progress_s := self._pipeline.longest_in_progress_s) > 0:
            self._on_hang(in_progress_s)
        self._pipeline = None

    # Input -------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Listens to the camera while an output has a subscriber, and checks for hung frames."""
        if not self._has_post_set_callback:
            self._apply_parameters()
        in_progress_s = self._longest_in_progress_s
        if in_progress_s > self._settings.frame_timeout_s:
            self._on_hang(in_progress_s)
            return
        if self._pipeline is None or self._outputs is None:
            return
        reliability = self._settings.input_reliability
        self._listener.follow(self._outputs.has_subscriber, reliability, self._uses_right)
        self._reselect_model()

    def _reselect_model(self) -> None:
        """With `model_path` auto, changes the model if the camera's size or rate requires it."""
        try:
            network = self._model_selector.update(
                parameters.network_settings(self._settings),
                self._listener.assembler.size,
                self._statistics.steady_rate_hz,
            )
        except DeviceLostError as error:
            self._on_fatal(str(error))
            return
        except Exception as error:  # the current model still works
            self.get_logger().warning(f"no model could be chosen for this camera: {error}")
            return
        if network is None:
            return
        before, self._network = self._network, network
        if before is None or str(network.choice) != str(before.choice):
            self._log_network(network)
        if before is None or network.model is not before.model:
            self._stop_pipeline(self._settings.frame_timeout_s)
            self._configure_assembler()
            self._start_pipeline(network)

    def _log_network(self, network: PreparedNetwork) -> None:
        self.get_logger().info(network.note)
        if (warning := describe_slowness(network)) is not None:
            self.get_logger().warning(warning)

    def _submit(self, frame: InputFrame[CameraInfo]) -> None:
        if self._pipeline is not None and self._pipeline.submit(frame):
            self._statistics.count_dropped()

    # Output ------------------------------------------------------------------------------------

    def _on_result(self, result: FrameResult[CameraInfo]) -> None:
        """Publishes a result; called by the pipeline's threads, one at a time."""
        if self._outputs is not None:
            self._outputs.publish(result, self._settings.output_encoding)

    def _on_fatal(self, reason: str) -> None:
        self.fatal = reason
        self.get_logger().fatal(reason)

    def _on_hang(self, in_progress_s: float) -> None:
        """A thread cannot be ended from outside, and the device may never answer: give up."""
        if self.hangs:
            return
        self.hangs = True
        reason = describe_hang(in_progress_s)
        self._statistics.report_error(reason)
        self.publish_last_diagnostics()
        self._on_fatal(reason)

    # Parameters, service and diagnostics -------------------------------------------------------

    def _check_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        """Only checks: another callback may still reject the changes."""
        return parameters.check(self._settings, changes)

    def _apply_parameters(self) -> None:
        self._settings = parameters.read(self)
        self._configure_assembler()

    def _on_set_enabled(self, request: SetBool.Request, response: SetBool.Response):
        """Switches between denoised depth and the camera's depth, to compare them."""
        self._enabled = request.data
        self._configure_assembler()
        response.success = True
        response.message = "denoising" if request.data else "passing the camera's depth through"
        self.get_logger().info(response.message)
        return response

    def _configure_assembler(self) -> None:
        self._listener.assembler.configure(
            parameters.assembler_settings(self._settings, self._enabled, self._uses_right)
        )

    @property
    def _uses_right(self) -> bool:
        """Whether right infrared is used for the next frames."""
        wanted = self._enabled and self._settings.right_infrared == "auto"
        return wanted and self._network is not None and self._network.uses_right_infrared

    def publish_last_diagnostics(self) -> None:
        """Publishes the reason for the end of the process, and waits until it is received."""
        self._diagnostics.wait_for_subscriber()
        self._publish_diagnostics()
        self._diagnostics.flush(MAX_FLUSH_S)

    def _publish_diagnostics(self) -> None:
        status = describe_node(
            self._settings,
            self._listener,
            self._network,
            active=self._pipeline is not None,
            enabled=self._enabled,
            measuring=self._model_selector.in_progress,
            right_rejected=self._reporter.right_rejected,
            output_warning=self._outputs.duplicate_publishers if self._outputs else None,
            in_progress_s=self._longest_in_progress_s,
        )
        self._diagnostics.publish(self._statistics.snapshot(), status)

    @property
    def _longest_in_progress_s(self) -> float:
        """Of the frames of the camera, and of those with which models are timed."""
        own_s = self._pipeline.longest_in_progress_s if self._pipeline else 0.0
        return max(own_s, self._resources.longest_in_progress_s)
