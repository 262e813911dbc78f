import ast
import itertools
import signal
import subprocess
import sys

import numpy as np
import pytest

from scenes import camera, noisy_wall

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from rcl_interfaces.srv import GetParameters
from rclpy.qos import ReliabilityPolicy

from node.messages import camera_info, pixels
from rs_denoise.denoiser import Denoiser
from rs_denoise.model import Model
from rs_denoise.node.images import read_depth

BEST_EFFORT, RELIABLE = ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE
OK, WARN, ERROR = b"\0", b"\1", b"\2"
SIZE = (128, 96)


@pytest.fixture
def running(shared_robot):
    """The robot of this module, whose node listens to its driver, with a small camera."""
    robot = shared_robot
    robot.camera, robot.frame = camera(*SIZE), noisy_wall(*SIZE)
    robot.reset(robot.frame, robot.camera, baseline_m=0.05)
    return robot


def test_its_pixels_are_those_of_the_offline_core(running):
    robot = running
    offline = Denoiser(Model.load(), robot.camera)
    for seed in range(3):
        depth, infrared = noisy_wall(*SIZE, depth_mm=1000 + 700 * seed, seed=seed)
        header = robot.denoised(depth, infrared, robot.camera)
        expected = offline.denoise(depth, infrared)
        image, info, confidence = robot.images[-1], robot.infos[-1], robot.confidences[-1]
        assert image.encoding == "16UC1" and confidence.encoding == "32FC1"
        np.testing.assert_array_equal(pixels(image, np.uint16), np.rint(expected.depth_mm))
        np.testing.assert_allclose(pixels(confidence, np.float32), expected.confidence, atol=1e-6)
        for message in (image, info, confidence):
            assert message.header == header
        assert list(info.k) == [
            425.0,
            0.0,
            robot.camera.cx,
            0.0,
            425.0,
            robot.camera.cy,
            0.0,
            0.0,
            1.0,
        ]
    assert (expected.depth_mm > 0).mean() > 0.5


def test_float_metres_in_and_out(running):
    robot = running
    depth, infrared = robot.frame
    assert robot.set(output_encoding="32FC1")[0].successful
    metres = np.where(depth > 0, depth / 1000, np.nan).astype(np.float32)
    robot.denoised(metres, infrared, robot.camera, encoding="32FC1")
    expected = Denoiser(Model.load(), robot.camera).denoise(metres * np.float32(1000), infrared)
    out = robot.images[0]
    assert out.encoding == "32FC1" and out.step == 4 * SIZE[0]
    np.testing.assert_array_equal(np.isnan(pixels(out, np.float32)), expected.depth_mm == 0)
    np.testing.assert_allclose(np.nan_to_num(read_depth(out)), expected.depth_mm, rtol=1e-5)


def test_a_lost_camera_info_costs_no_frame(running):
    running.denoised(*running.frame, running.camera)
    header = running.denoised(*running.frame, None)
    assert running.infos[-1].header == header and running.infos[-1].width == SIZE[0]


@pytest.mark.parametrize(
    ("sender", "setting", "listener"),
    [*itertools.product([BEST_EFFORT, RELIABLE], ["auto"], [BEST_EFFORT, RELIABLE]),
     (RELIABLE, "best_effort", RELIABLE), (RELIABLE, "reliable", RELIABLE)],
)  # fmt: skip
def test_reliabilities_that_must_work_together(running, sender, setting, listener):
    robot = running
    robot.stop_listening()
    robot.wait(lambda: robot.depth.get_subscription_count() == 0, "it to stop listening")
    robot.unplug()
    robot.set(input_reliability=setting)
    robot.plug_in(sender)
    robot.listen(listener)
    expected = RELIABLE if sender == RELIABLE and setting != "best_effort" else BEST_EFFORT
    robot.wait_connected(expected)
    robot.denoised(*robot.frame, robot.camera)
    assert robot.subscribed_reliabilities(robot.depth.topic_name) == [expected]


def test_qos_can_be_overridden(robot):
    output, source = (f"{robot.namespace}/{t}/image_rect_raw" for t in ("denoised", "depth"))
    robot.plug_in()
    robot.start(
        baseline_m=0.05,
        **{f"qos_overrides.{output}.publisher.reliability": "best_effort",
           f"qos_overrides.{source}.subscription.depth": 7},
    )  # fmt: skip
    robot.listen(BEST_EFFORT)
    robot.wait_connected()
    (published,) = robot.node.get_publishers_info_by_topic(output)
    assert published.qos_profile.reliability == BEST_EFFORT
    robot.denoised(*noisy_wall(*SIZE), camera(*SIZE))
    get = GetParameters.Request(names=[f"qos_overrides.{source}.subscription.depth"])
    assert robot.call(GetParameters, "get_parameters", get).values[0].integer_value == 7


def test_a_replugged_camera_with_another_reliability_is_heard(running):
    robot = running
    robot.denoised(*robot.frame, robot.camera)
    robot.unplug()
    robot.plug_in(BEST_EFFORT)
    robot.wait_connected()
    robot.denoised(*robot.frame, robot.camera)


def test_it_listens_only_while_somebody_listens(running):
    robot = running
    for _ in range(2):
        robot.stop_listening()
        robot.wait(lambda: robot.depth.get_subscription_count() == 0, "it to stop listening")
        assert robot.status("input", "idle: nobody subscribes").level == OK
        robot.listen()
        robot.wait_connected()
        robot.denoised(*robot.frame, robot.camera)


def test_lifecycle_by_a_manager(robot):
    robot.plug_in()
    robot.start(baseline_m=0.05, autostart="false")
    assert robot.state() == "unconfigured"
    assert robot.status("input", "not subscribed: the node is unconfigured").level == OK
    assert robot.transition("configure") and robot.state() == "inactive"
    robot.listen()
    assert robot.transition("activate") and robot.state() == "active"
    robot.wait_connected()
    robot.denoised(*noisy_wall(*SIZE), camera(*SIZE))
    assert robot.transition("deactivate") and robot.state() == "inactive"
    robot.wait(lambda: robot.depth.get_subscription_count() == 0, "it to stop listening")
    assert robot.transition("cleanup") and robot.state() == "unconfigured"
    assert robot.transition("configure") and robot.transition("activate")
    robot.wait_connected()
    robot.denoised(*noisy_wall(*SIZE), camera(*SIZE))


def test_concurrent_frames_come_out_in_order(robot):
    robot.plug_in()
    robot.start(baseline_m=0.05, num_threads=2, concurrent_frames=2)
    robot.listen()
    robot.wait_connected()
    for _ in range(20):
        for _ in range(3):
            robot.send(*noisy_wall(*SIZE), camera(*SIZE))
            robot.spin_for(0.005)
        robot.denoised(*noisy_wall(*SIZE), camera(*SIZE))
    stamps = [(m.header.stamp.sec, m.header.stamp.nanosec) for m in robot.images]
    assert stamps == sorted(set(stamps)) and len(stamps) >= 20
    assert "concurrent frames: 2, threads for each: 1" in robot.log


# Bad input --------------------------------------------------------------------------------------


def spoil_encoding(message):
    message.encoding = "rgb8"


def spoil_data(message):
    message.data = message.data[:100]


def spoil_step(message):
    message.step = 3


@pytest.mark.parametrize(
    ("change", "complaint"),
    [(spoil_encoding, "encoding 'rgb8', expected '16UC1'"), (spoil_data, "depth is cut off"),
     (spoil_step, "step of 3 bytes")],
)  # fmt: skip
def test_a_bad_image_is_lost_loudly_and_the_next_is_fine(running, change, complaint):
    robot = running
    robot.send(*robot.frame, robot.camera, change=change)
    assert robot.status("output", complaint).level == ERROR
    robot.denoised(*robot.frame, robot.camera)
    assert len(robot.images) == 1

    def logged():
        """The log takes an error every five seconds."""
        robot.send(*robot.frame, robot.camera, change=change)
        robot.spin_for(0.1)
        return complaint in robot.log

    robot.wait(logged, "the log to report it")


def test_a_size_that_changes_in_mid_stream(running):
    robot = running
    robot.denoised(*robot.frame, robot.camera)
    larger = noisy_wall(160, 112)
    robot.send(*larger, None)  # the image changed, its camera_info did not come yet
    robot.status("output", "depth must be 128x96")
    robot.denoised(*larger, camera(160, 112))
    assert (robot.images[-1].width, robot.images[-1].height) == (160, 112)


def test_the_first_calibration(robot):
    """One node: before camera_info, with an impossible one, with a late one, without baseline."""
    robot.plug_in()
    robot.start()
    robot.listen()
    robot.wait_connected()
    frame, its = noisy_wall(*SIZE), camera(*SIZE)
    for _ in range(3):
        robot.send(*frame, None)
    robot.status("output", f"no camera_info on {robot.namespace}/depth/camera_info")
    bad = camera(*SIZE)
    object.__setattr__(bad, "fx", 0.0)
    for _ in range(3):
        robot.send(*frame, bad)
    robot.status("output", "focal lengths 0.0, 425.0 and principal point")
    header = robot.send(*frame, None)
    robot.spin_for(0.1)
    assert not robot.images
    robot.info.publish(camera_info(its, header))  # the image overtook it, and is not lost
    robot.wait(lambda: robot.has_answered(header), "the image whose camera_info came late")

    def warned():
        robot.send(*frame, its)
        robot.spin_for(0.02)
        return "baseline unknown, assuming 50 mm: set the parameter baseline_m" in robot.log

    robot.wait(warned, "the warning")
    robot.denoised(*frame, its)
    robot.unplug()
    robot.plug_in(infra2=True)
    robot.wait_connected()
    robot.wait(lambda: robot.info2.get_subscription_count() > 0, "infra2 subscription")

    def shown():  # not one message: the subscription may still be matching
        robot.send(*frame, camera(*SIZE, baseline_m=0.095))
        robot.spin_for(0.02)
        return "0.0950" in str(robot.statuses.get("model"))

    robot.wait(shown, "the baseline to show")
    assert robot.log.count("baseline unknown") == 1


def test_calibration_that_is_published_once_reaches_a_node_that_starts_later(robot):
    robot.plug_in(infra2=True, latched=True)
    robot.send_calibration(camera(*SIZE, baseline_m=0.095), robot.next_header())
    robot.start()
    robot.listen()
    robot.wait_connected()
    wall = noisy_wall(*SIZE)

    def arrived():  # a first frame may come while subscriptions still change with their publishers
        robot.send(*wall, None)
        robot.spin_for(0.02)
        return robot.images and robot.infos

    robot.wait(arrived, "a denoised frame")
    assert robot.infos[-1].width == SIZE[0]
    robot.wait(lambda: robot.values("model").get("baseline (m)") == "0.0950", "the baseline")


def test_a_baseline_of_another_camera_is_reported(robot):
    """The launch argument camera_model sets it: d415 beside a D435."""
    robot.plug_in(infra2=True)
    robot.start(baseline_m=0.055)
    robot.listen()
    robot.wait_connected()
    robot.wait(lambda: robot.info2.get_subscription_count() > 0, "infra2 subscription")
    wall = noisy_wall(*SIZE)

    def warned():
        robot.send(*wall, camera(*SIZE, baseline_m=0.05))
        robot.spin_for(0.02)
        return "is 0.0550 m, but the camera reports 0.0500 m" in robot.log

    robot.wait(warned, "the warning")
    robot.status("input", "the camera reports 0.0500 m")
    assert robot.statuses["input"].level == WARN
    assert robot.values("model")["baseline (m)"] == "0.0550"
    assert robot.log.count("but the camera reports") == 1


def test_stamps_that_jump_back(running):
    robot = running
    before = robot.counts()["clock jumps"]
    robot.denoised(*robot.frame, robot.camera)
    robot._stamp = 0
    robot.send(*robot.frame, robot.camera)
    robot.denoised(*robot.frame, robot.camera)
    assert robot.counts()["clock jumps"] == before + 1


# Infrared ----------------------------------------------------------------------------------------


def test_without_infrared_depth_goes_alone_and_says_so(running):
    robot = running
    assert robot.set(infrared_timeout_s=0.2)[0].successful
    depth, _ = robot.frame

    def arrived():
        robot.send(depth, None, robot.camera)
        robot.spin_for(0.02)
        return robot.images

    robot.wait(arrived, "depth-only output")
    robot.wait_images(1)
    assert pixels(robot.confidences[0], np.float32).max() <= 0.8
    assert robot.status("input", "no infrared").level == WARN
    robot.set(depth_only=False)
    assert "no output" in robot.status("input", "no output").message


def test_a_camera_that_falls_silent_does_not_lack_infrared(running):
    robot = running
    assert robot.set(infrared_timeout_s=0.2)[0].successful
    logged = len(robot.log)
    robot.denoised(*robot.frame, robot.camera)
    said = []

    def silent():
        said.append(robot.statuses["input"].message if "input" in robot.statuses else "")
        return "no input: waiting for" in said[-1]

    robot.wait(silent, "the silence to be reported")
    assert not [message for message in said if "no infrared" in message]
    assert "no infrared" not in robot.log[logged:]


# Parameters --------------------------------------------------------------------------------------


def test_parameters_change_live_and_are_checked(running):
    robot = running
    robot.denoised(*robot.frame, robot.camera)
    assert pixels(robot.images[-1], np.uint16).any()
    assert robot.set(min_confidence=1.0, fill_confidence=1.01)[0].successful
    robot.denoised(*robot.frame, robot.camera)
    assert not pixels(robot.images[-1], np.uint16).any()
    assert robot.set(min_confidence=0)[0].successful, "a whole number where a float is expected"
    for value in (1.5, 2, "high", True):
        refused = robot.set(min_confidence=value)[0]
        assert not refused.successful and "min_confidence" in refused.reason
    refused = robot.set(output_encoding="8UC3")[0]
    assert refused.reason == "output_encoding must be one of 16UC1, 32FC1, got '8UC3'"
    assert not robot.set(model_path="/other.pt")[0].successful


# The end: the last tests that use the shared node ------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_in_the_midst_of_frames(running, how):
    for _ in range(5):
        running.send(*running.frame, running.camera)
    running.wait_images(1)
    for _ in range(10):
        running.send(*running.frame, running.camera)
    assert running.stop(how) == 0, running.log
    assert "Traceback" not in running.log and "RCLError" not in running.log


# What it is made of ------------------------------------------------------------------------------


def test_node_and_core_import_only_what_a_robot_has():
    code = (
        "import sys; before = set(sys.modules)\n"
        "import rs_denoise.node.denoise_node, rs_denoise.node.main\n"
        "roots = {m.partition('.')[0] for m in set(sys.modules) - before}\n"
        "print(roots & {'typer', 'rich', 'rosbags', 'lightning', 'mitsuba', 'trimesh', 'click',"
        " 'torchmetrics', 'plotly', 'cv2'})\n"
        "import pkgutil, rs_denoise\n"
        "packages = {m.name for m in pkgutil.iter_modules(rs_denoise.__path__) if m.ispkg}\n"
        "print({m.split('.')[1] for m in sys.modules if m.startswith('rs_denoise.')}"
        " & (packages | {'offline', 'librealsense'}))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    libraries, rooms = map(ast.literal_eval, out.stdout.replace("set()", "()").splitlines())
    assert set(libraries) == set() and set(rooms) == {"node", "pipeline"}


def test_without_torch_it_says_what_to_install():
    code = (
        "import importlib.util, sys\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *a: None if name == 'torch' else find(name, *a)\n"
        "from rs_denoise.node.main import main\n"
        "sys.exit(main())"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert out.returncode == 1 and "pip install torch" in out.stderr
