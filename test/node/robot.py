"""A real node in a process of its own, and a driver and a consumer in this one, over Fast DDS."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import fields

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter as ParameterMsg
from rcl_interfaces.srv import SetParameters
from rclpy.client import Client
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from node.messages import camera_info, shift
from rs_denoise.node.images import image_message
from rs_denoise.node.parameters import Parameters

# Long, because a shared machine may take half a minute to start a node.
TIMEOUT_S = 90.0


class Robot:
    """The node under test with the driver before it and the consumer behind it.

    Attributes:
        images, infos, confidences: what was received, in order.
        statuses: the newest of each entry of the node's diagnostics.
        reports: how many diagnostics the node sent.
        log: the node's stderr and stdout so far.
    """

    def __init__(self, context_node, namespace: str) -> None:
        self.node, self.namespace = context_node, namespace
        self.program = [sys.executable, "-m", "rs_denoise.node.main"]
        self.process: subprocess.Popen | None = None
        self.images, self.infos, self.confidences = [], [], []
        self.statuses: dict[str, object] = {}
        self.reports = 0
        self.log = ""
        self._stamp = 1_000_000_000
        self._parameters: dict[str, object] = {}
        self._changed: set[str] = set()
        self._reliability: ReliabilityPolicy | None = None
        self._subscriptions = []
        self._clients: dict[str, Client] = {}
        self._reader: threading.Thread | None = None
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)

    # The node --------------------------------------------------------------------------------

    def start(self, **parameters) -> None:
        self._parameters = parameters
        self.run(["--ros-args", "-r", f"__ns:={self.namespace}"], **parameters)

    def run(self, arguments: list[str], **parameters) -> None:
        """Starts its program with these arguments, of which the last are ROS's."""
        # Not "auto": which model that is depends on the load of this machine.
        parameters = {"model_path": "unet"} | parameters
        settings = [["-p", f"{name}:={value}"] for name, value in parameters.items()]
        self.process = subprocess.Popen(
            [*self.program, *arguments, *itertools.chain(*settings)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def _read_log(self) -> None:
        for line in self.process.stdout:
            self.log += line

    def stop(self, how: int = signal.SIGINT) -> int:
        """Ends the node; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            code = self.process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self._reader.join(TIMEOUT_S)
        return code

    def reset(self, frame, camera, **parameters) -> None:
        """Starts the node if it does not run, and undoes what the test before left behind.

        Afterwards it runs with `parameters`, a reliable driver and a consumer, has denoised `frame`
        of `camera`, and nothing is received yet.
        """
        if self.process is None or self.process.poll() is not None:
            self.log = ""
            self.start(**parameters)
        if self._changed:
            defaults = {spec.name: spec.default for spec in fields(Parameters)}
            start = defaults | parameters
            assert all(r.successful for r in self.set(**{n: start[n] for n in self._changed}))
            self._changed = set()
        if self._reliability != ReliabilityPolicy.RELIABLE:
            self.unplug()
            self.plug_in()
        if not self._subscriptions:
            self.listen()
        self.wait_connected()

        def settled():
            header = self.send(*frame, camera)
            self.spin_for(0.1)
            return self.has_answered(header)

        self.wait(settled, "the node to denoise as at its start")
        self.clear()

    def clear(self) -> None:
        """Forgets what was received."""
        for messages in (self.images, self.infos, self.confidences):
            messages.clear()
        self.statuses.clear()

    def exit_code(self) -> int:
        """Waits until the node ends by itself."""
        code = self.process.wait(TIMEOUT_S)
        self._reader.join(TIMEOUT_S)
        return code

    # The driver ------------------------------------------------------------------------------

    def plug_in(
        self, reliability=ReliabilityPolicy.RELIABLE, infra2: bool = False, queue: int = 10,
        latched: bool = False, infra1_info: bool = False,
    ) -> None:  # fmt: skip
        """Creates the publishers of a driver.

        Args:
            infra1_info: whether the left imager has a camera_info of its own.
            infra2: whether the right imager has a camera_info.
            latched: whether camera_info is kept for late subscribers.
        """
        qos = QoSProfile(depth=queue, reliability=reliability)
        info_qos = QoSProfile(
            depth=1 if latched else queue, reliability=reliability,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )  # fmt: skip
        self._reliability = reliability
        make = self.node.create_publisher
        self.depth = make(Image, f"{self.namespace}/depth/image_rect_raw", qos)
        self.infrared = make(Image, f"{self.namespace}/infra1/image_rect_raw", qos)
        self.infrared_right = make(Image, f"{self.namespace}/infra2/image_rect_raw", qos)
        self.info = make(CameraInfo, f"{self.namespace}/depth/camera_info", info_qos)
        self.info2 = (
            make(CameraInfo, f"{self.namespace}/infra2/camera_info", info_qos) if infra2 else None
        )
        self.info1 = (
            make(CameraInfo, f"{self.namespace}/infra1/camera_info", info_qos)
            if infra1_info
            else None
        )

    def unplug(self) -> None:
        if self._reliability is None:
            return
        self._reliability = None
        images = (self.depth, self.infrared, self.infrared_right)
        for publisher in (*images, self.info, self.info1, self.info2):
            if publisher is not None:
                self.node.destroy_publisher(publisher)

    def next_header(self, frame_id="camera_depth_optical_frame") -> Header:
        self._stamp += 33_000_000
        header = Header(frame_id=frame_id)
        header.stamp.sec, header.stamp.nanosec = divmod(self._stamp, 1_000_000_000)
        return header

    def send(
        self, depth, infrared, camera=None, encoding="16UC1", header=None, change=None,
        infrared_encoding="mono8", infrared_shift_ms=0, infrared_delay_s=0.0, right=None,
        right_encoding="mono8", right_delay_s=0.0,
    ) -> Header:  # fmt: skip
        """One moment of the camera.

        Args:
            change: may spoil the depth message before it is published.
            infrared_shift_ms: of its stamp after that of depth.
            infrared_delay_s: of its publication.
            right: the right infrared image, if there is one.
            right_delay_s: of its publication.
        """
        header = header or self.next_header()
        if camera is not None:
            self.send_calibration(camera, header)
        message = image_message(depth, encoding, header)
        if change is not None:
            change(message)
        self.depth.publish(message)
        if infrared is not None:
            if infrared_delay_s:
                self.spin_for(infrared_delay_s)
            shifted = shift(header, infrared_shift_ms)
            shifted.frame_id = "camera_infra1_optical_frame"
            self.infrared.publish(image_message(infrared, infrared_encoding, shifted))
        if right is not None:
            if right_delay_s:
                self.spin_for(right_delay_s)
            self.infrared_right.publish(image_message(right, right_encoding, header))
        return header

    def send_calibration(self, camera, header) -> None:
        """The camera_info of depth and, if there is one, of the right imager."""
        self.info.publish(camera_info(camera, header))
        if self.info2 is not None:
            self.info2.publish(camera_info(camera, header, camera.baseline_m))

    # The consumer ----------------------------------------------------------------------------

    def listen(self, reliability=ReliabilityPolicy.RELIABLE) -> None:
        qos = QoSProfile(depth=10, reliability=reliability)
        subscribe = self.node.create_subscription
        for kind, topic, store in (
            (Image, "image_rect_raw", self.images),
            (CameraInfo, "camera_info", self.infos),
            (Image, "confidence", self.confidences),
        ):
            topic = f"{self.namespace}/denoised/{topic}"
            self._subscriptions.append(subscribe(kind, topic, store.append, qos))

    def stop_listening(self) -> None:
        for subscription in self._subscriptions:
            self.node.destroy_subscription(subscription)
        self._subscriptions = []

    def _on_diagnostics(self, message) -> None:
        for status in message.status:
            if status.hardware_id == f"{self.namespace}/denoise_node":
                self.statuses[status.name.split(": ")[1]] = status
                self.reports += status.name.endswith(": output")

    def subscribed_reliabilities(self, topic: str) -> list[ReliabilityPolicy]:
        """Of all subscriptions to a topic."""
        return [i.qos_profile.reliability for i in self.node.get_subscriptions_info_by_topic(topic)]

    # Waiting ---------------------------------------------------------------------------------

    def wait(self, condition, what: str = "", timeout_s: float = TIMEOUT_S):
        """Spins until `condition()` is true and gives its value; events, never sleeps."""
        deadline = time.monotonic() + timeout_s
        while not (value := condition()):
            alive = self.process is None or self.process.poll() is None
            assert alive, f"the node ended:\n{self.log}"
            assert time.monotonic() < deadline, (
                f"timed out waiting: {what}\n{self.log}\n{self.statuses}"
            )
            rclpy.spin_once(self.node, timeout_sec=0.02)
        return value

    def spin_for(self, seconds: float) -> None:
        """Receives for so long: the time of the camera, not of a condition."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            rclpy.spin_once(self.node, timeout_sec=left)

    def wait_connected(self, reliability: ReliabilityPolicy | None = None) -> None:
        """Until the node listens to the driver, with this reliability or the driver's own.

        While it changes from one to the other, it would lose a frame.
        """
        expected = [reliability or self._reliability]
        publishers = (self.depth, self.infrared, self.info)

        def connected():
            return all(p.get_subscription_count() == 1 for p in publishers) and all(
                self.subscribed_reliabilities(p.topic_name) == expected for p in publishers
            )

        self.wait(connected, f"subscriptions with {expected}")

    def wait_images(self, count: int) -> None:
        def complete():
            return min(map(len, (self.images, self.infos, self.confidences))) >= count

        self.wait(complete, f"{count} images, have {len(self.images)}")

    def denoised(self, *frame, **how):
        """Sends one frame and waits for its result."""
        header = self.send(*frame, **how)
        self.wait(lambda: self.has_answered(header), f"the answer to {header.stamp}")
        return header

    def has_answered(self, header) -> bool:
        """Whether all that belongs to the frame with this header was received."""
        received = (self.images, self.infos, self.confidences)
        return all(any(m.header == header for m in reversed(ms)) for ms in received)

    def status(self, entry: str, text: str):
        """Waits until an entry of the diagnostics says `text` in its message."""

        def says():
            status = self.statuses.get(entry)
            return status if status and text in status.message else None

        return self.wait(says, f"diagnostics '{entry}' to say '{text}'")

    def reported(self, entry: str, text: str, within: int = 2, during=None):
        """Waits until diagnostics report it; that must be in one of the next `within` reports.

        One begun before the fault may be on its way, so that 2 stand for one second.

        Args:
            during: is called again and again: what goes on meanwhile.
        """
        before = self.reports

        def says():
            if during is not None:
                during()
            status = self.statuses.get(entry)
            return status if status and text in status.message else None

        status = self.wait(says, f"diagnostics '{entry}' to say '{text}'")
        took = self.reports - before
        assert took <= within, f"only in report {took}"
        return status

    def values(self, entry: str) -> dict[str, str]:
        """The values of an entry of the diagnostics, as said last."""
        status = self.statuses.get(entry)
        return {} if status is None else {v.key: v.value for v in status.values}

    def counts(self) -> dict[str, int]:
        """What the node counted, from its next report on."""
        before = self.reports
        self.wait(lambda: self.reports > before, "diagnostics")
        values = self.values("input") | self.values("output")
        names = ("frames in", "frames out", "dropped", "failed", "unpaired", "clock jumps")
        return {name: int(values[name]) for name in names}

    # Services --------------------------------------------------------------------------------

    def call(self, kind, name: str, request):
        # Kept: the answer to a client that the node does not know yet is lost now and then.
        if name not in self._clients:
            service = f"{self.namespace}/denoise_node/{name}"
            self._clients[name] = self.node.create_client(kind, service)
        client = self._clients[name]
        self.wait(client.service_is_ready, name)
        future = client.call_async(request)
        self.wait(future.done, name)
        return future.result()

    def set(self, **values):
        """Sets parameters; the results in order."""
        messages: list[ParameterMsg] = [
            Parameter(k, value=v).to_parameter_msg() for k, v in values.items()
        ]
        request = SetParameters.Request(parameters=messages)
        results = self.call(SetParameters, "set_parameters", request).results
        self._changed |= {n for n, r in zip(values, results, strict=True) if r.successful}
        return results

    def transition(self, name: str) -> bool:
        code = getattr(Transition, f"TRANSITION_{name.upper()}")
        request = ChangeState.Request(transition=Transition(id=code))
        return self.call(ChangeState, "change_state", request).success

    def state(self) -> str:
        return self.call(GetState, "get_state", GetState.Request()).current_state.label
