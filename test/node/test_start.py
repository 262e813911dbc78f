"""Start of the node: its log messages and its choice of model, over Fast DDS."""

import re
import sys

import pytest

from scenes import camera, kind_fields, manifest, noisy_wall

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from node.main_runs import RUN_MAINS, run_mains
from node.messages import pixels
from rs_denoise.model import Model, save
from rs_denoise.networks.unet import UNet
from rs_denoise.node import parameters
from rs_denoise.node.denoise_node import DenoiseNode
from rs_denoise.shipped_models import BEST_FIRST

OK, WARN, ERROR = b"\0", b"\1", b"\2"
SIZE = (128, 96)
FRAME, CAMERA = noisy_wall(*SIZE), camera(*SIZE)


def test_auto_takes_a_model_for_the_cameras_size_and_rate_and_says_why(robot):
    """Also whole numbers where floats are expected, and parameters that do not exist."""
    robot.plug_in()
    robot.start(model_path="auto", baseline_m=0, max_range_m=9, min_confidance=0.5, speed=3)
    robot.listen()
    robot.wait_connected()
    names = "|".join(BEST_FIRST)
    at_start = rf"chosen: ({names}) is the (best|fastest) shipped model.* 30 Hz at 848x480"
    assert re.search(at_start, robot.log), robot.log
    said = "unknown parameters without effect: min_confidance (did you mean min_confidence?)"
    assert said in robot.log and ", speed" in robot.log

    def chosen():
        robot.send(*FRAME, CAMERA)
        robot.spin_for(0.02)
        return "at 128x96" in robot.values("model").get("chosen", "")

    robot.wait(chosen, "a choice for this camera")
    choice = robot.values("model")["chosen"]
    rate_hz = float(re.search(r"with (\d+) Hz at 128x96", choice)[1])
    assert 0 < rate_hz <= 60 and re.search(rf"measured: ({names}) [\d.]+ Hz", choice)
    keeps_up = "that keeps up" in choice
    assert robot.statuses["model"].level == (OK if keeps_up else WARN)
    # More often if a busy machine sends faster later on.
    robot.wait(lambda: robot.log.count("chosen: ") >= 2, "the log")
    robot.denoised(*FRAME, CAMERA)
    assert pixels(robot.images[-1], "u2").any()
    full_names = {name: Model.load(name).manifest.name for name in BEST_FIRST}

    def named():
        values = robot.values("model")
        return values["model"] == full_names[values["chosen"].split()[0]]

    robot.wait(named, "its name")
    for transition in ("deactivate", "cleanup", "configure", "activate"):
        assert robot.transition(transition)
    assert "at 848x480" in robot.log.split("chosen: ")[-1]
    robot.clear()
    robot.wait(chosen, "a choice for this camera, after the node was configured again")


def test_outside_any_namespace_it_says_where_it_looks_and_where_a_camera_is(robot, simple_model):
    robot.plug_in()
    robot.run(["--ros-args"], model_path=simple_model)
    robot.wait(lambda: "nobody publishes" in robot.log, "the log")
    topics = "/depth/image_rect_raw, /depth/camera_info, /infra1/image_rect_raw"
    assert f"subscribes to {topics} while /denoised/image_rect_raw" in robot.log
    assert (
        f"nobody publishes {topics}; the node has no namespace, so it looks for the camera's "
        "topics in /; there is a camera elsewhere: start the node with --ros-args -r "
        f"__ns:={robot.namespace}"
    ) in robot.log
    assert robot.stop() == 0


REFUSING = """
import sys
from rcl_interfaces.msg import SetParametersResult
from rs_denoise.node import denoise_node
from rs_denoise.node.main import main

class Node(denoise_node.DenoiseNode):
    def add_on_set_parameters_callback(self, callback):
        # The one that is added first is called last.
        super().add_on_set_parameters_callback(
            lambda changes: SetParametersResult(
                successful=all((c.name, c.value) != ("min_confidence", 1.0) for c in changes),
                reason="not today",
            )
        )
        super().add_on_set_parameters_callback(callback)

denoise_node.DenoiseNode = Node
sys.exit(main(sys.argv))
"""


def test_a_parameter_that_a_later_callback_refuses_does_not_stay(robot, simple_model):
    robot.program = [sys.executable, "-c", REFUSING]
    robot.plug_in()
    robot.start(model_path=simple_model, baseline_m=0.05)
    robot.listen()
    robot.wait_connected()
    assert robot.set(min_confidence=1.0)[0].reason == "not today"
    robot.denoised(*FRAME, CAMERA)
    assert pixels(robot.images[-1], "u2").any(), "min_confidence is as it was"
    assert robot.set(max_range_m=1)[0].successful
    robot.denoised(*FRAME, CAMERA)
    assert not pixels(robot.images[-1], "u2").any(), "the wall is 2 m away"


UNUSABLE_GPU = """
import torch
from rs_denoise import device
ones = torch.ones
def fail(*size, device="cpu", **options):
    if str(device).startswith("cuda"):
        raise RuntimeError("CUDA error: no kernel image is available")
    return ones(*size, device=device, **options)
device._sees_gpu = lambda: True
torch.ones = fail
"""


def test_a_gpu_that_cannot_be_used_is_logged_once(ros, tmp_path):
    # It ends because the file, which is loaded after the device is found, is no model.
    broken = tmp_path / "broken.pt"
    broken.write_text("no model")
    arguments = ["--ros-args", "-p", f"model_path:={broken}"]
    ((code, output),) = run_mains([arguments], UNUSABLE_GPU + RUN_MAINS)
    assert code == 1
    assert output.count("the GPU cannot be used, the CPU computes instead") == 1, output
    assert re.search(r"\[WARN\] .*: the GPU cannot be used", output), output


IMPOSSIBLE = {
    "output_encoding:=rgb8": "output_encoding must be one of",
    "min_confidence:=2.0": "min_confidence",
    "min_confidence:=high": "min_confidence",
    "tile_px:=64": "tile size must be at least",
    "device:=cuda:99": "device 'cuda:99' cannot be used",
}


def test_a_start_with_impossible_parameters_fails_loudly(ros):
    runs = run_mains([["--ros-args", "-p", parameter] for parameter in IMPOSSIBLE])
    for (code, output), complaint in zip(runs, IMPOSSIBLE.values(), strict=True):
        assert code == 1 and complaint in output and "Traceback" not in output, output


IMPOSSIBLE_QOS = {
    "/depth/image_rect_raw.subscription.history:=most": "keep_last, keep_all, system_default, got",
    "/depth/image_rect_raw.subscription.depth:=-1": "out of range",
    "/infra2/camera_info.subscription.depth:=many": "'many'",
    "/denoised/image_rect_raw.publisher.reliability:=perfect": "reliability`: `perfect`",
    "/denoised/confidence.publisher.depth:=-1": "queue size",
}


def test_an_impossible_qos_fails_at_the_start_with_its_topic(ros, simple_model):
    """Not without a word, and not when the first consumer comes."""
    model = ["--ros-args", "-p", f"model_path:={simple_model}"]
    runs = run_mains([[*model, "-p", f"qos_overrides.{qos}"] for qos in IMPOSSIBLE_QOS])
    for (code, output), (qos, complaint) in zip(runs, IMPOSSIBLE_QOS.items(), strict=True):
        topic, _, _ = qos.partition(".")
        assert code == 1 and f": topic {topic}: " in output, output
        assert complaint in output and f"check qos_overrides.{topic}" in output, output
        assert "Traceback" not in output, output


def test_qos_overrides_that_fit_no_topic_are_reported(ros, simple_model):
    node = DenoiseNode(
        parameter_overrides=[
            Parameter("model_path", value=str(simple_model)),
            Parameter("qos_overrides./depth/image_raw.subscription.depth", value=7),
            Parameter("qos_overrides./depth/image_rect_raw.subscription.depth", value=7),
        ]
    )
    try:
        assert parameters.describe_unknown(node) is None
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        said = parameters.describe_unused_qos(node)
    finally:
        node.destroy_node()
    assert "without effect: qos_overrides./depth/image_raw.subscription.depth; expected" in said


def test_a_node_whose_constructor_failed_can_be_destroyed(ros):
    """From Kilted on, ROS 2 does so when the program ends."""
    node = DenoiseNode.__new__(DenoiseNode)
    with pytest.raises(ValueError, match="min_confidence"):
        node.__init__(parameter_overrides=[Parameter("min_confidence", value=2.0)])
    node.destroy_node()


def no_model(path):
    path.write_text("not a model")
    return "not a model file"


def truncated_model(path):
    save(UNet(), manifest(receptive_field_px=158, **kind_fields("laplace-stereo")), path)
    path.write_bytes(path.read_bytes()[:5000])
    return "truncated"


def newer_model(path):
    save(UNet(), manifest(format=99, **kind_fields("laplace-stereo")), path)
    return "format 99"


def test_a_bad_model_file_ends_the_node_with_a_reason(ros, tmp_path):
    makers = (no_model, truncated_model, newer_model)
    paths = [tmp_path / f"{make.__name__}.pt" for make in makers]
    complaints = [make(path) for make, path in zip(makers, paths, strict=True)]
    runs = run_mains([["--ros-args", "-p", f"model_path:={path}"] for path in paths])
    for (code, output), complaint, path in zip(runs, complaints, paths, strict=True):
        assert code == 1 and complaint in output and str(path) in output, output
        assert "Traceback" not in output, output


PATIENT = """
import sys
from rs_denoise.node import diagnostics
from rs_denoise.node.main import main

diagnostics.MAX_DISCOVERY_S = 30.0
sys.exit(main(sys.argv))
"""


def test_the_reason_for_a_failed_start_is_on_diagnostics_before_the_process_ends(robot):
    """It waits until the subscriber is discovered, which may take longer than a second."""
    robot.program = [sys.executable, "-c", PATIENT]
    robot.start(model_path="/missing.pt")
    while robot.process.poll() is None:
        robot.spin_for(0.1)
    robot.spin_for(0.5)
    assert robot.exit_code() == 1
    status = robot.statuses.get("output")
    assert status is not None and status.level == ERROR, robot.log
    assert "no such model file" in status.message
