"""Depth and left infrared of different geometry, over Fast DDS: infrared is not used."""

from dataclasses import replace

import pytest

from scenes import camera, noisy_wall

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from std_msgs.msg import Header

from node.messages import camera_info, pixels, shift
from rs_denoise.node.calibration import CameraCalibration

WARN = b"\1"
SIZE = (128, 96)
DEPTH, INFRARED = noisy_wall(*SIZE)
CAMERA = camera(*SIZE)
DEPTH_FRAME, COLOUR_FRAME = "camera_depth_optical_frame", "camera_color_optical_frame"
INFRARED_FRAME = "camera_infra1_optical_frame"

# What depth and left infrared are, and what is said of it.
MISMATCHES = {
    "aligned": (CAMERA, CAMERA, COLOUR_FRAME, f"aligned to colour (frame {COLOUR_FRAME})"),
    "decimated": (
        CAMERA, camera(256, 192), DEPTH_FRAME,
        "infrared is 256x192 and depth is 128x96: set decimation_filter.enable",
    ),
    "rotated by 90 degrees": (
        CAMERA, camera(96, 128), DEPTH_FRAME,
        "infrared is 96x128 and depth is 128x96: depth is rotated; set rotation_filter.enable",
    ),
    "rotated by 180 degrees": (
        replace(CAMERA, cx=60.0), replace(CAMERA, cx=67.0), DEPTH_FRAME,
        "principal point 67.0, 47.5 in its camera_info, depth has focal length",
    ),
    "of another camera": (
        replace(CAMERA, fx=380.0, fy=380.0), CAMERA, DEPTH_FRAME, "focal length 425.0, 425.0",
    ),
}  # fmt: skip


def send(robot, depth_camera, infrared_camera, frame_id):
    """One frame of a 50 Hz camera that also says what its left imager is."""
    header = robot.next_header(frame_id)
    infrared_header = shift(header, 0)
    infrared_header.frame_id = INFRARED_FRAME
    robot.info1.publish(camera_info(infrared_camera, infrared_header))
    robot.send(DEPTH, INFRARED, depth_camera, header=header)
    robot.spin_for(0.02)


@pytest.fixture
def running(shared_robot):
    """The robot of this module, whose left imager has a camera_info that agrees with depth's."""
    robot = shared_robot
    robot.reset((DEPTH, INFRARED), CAMERA, baseline_m=0.05, infrared_timeout_s=0.5)
    if robot.info1 is None:
        robot.unplug()
        robot.plug_in(infra1_info=True)
        robot.wait_connected()
        robot.wait(lambda: robot.info1.get_subscription_count() == 1, "its subscription")

    def agrees():
        send(robot, CAMERA, CAMERA, DEPTH_FRAME)
        status = robot.statuses.get("input")
        return robot.confidences and status is not None and status.message == "receiving"

    robot.wait(agrees, "infrared to be used")
    return robot


@pytest.mark.parametrize("mismatch", MISMATCHES)
def test_depth_that_does_not_fit_infrared_goes_alone_until_it_does(running, mismatch):
    robot, (depth_camera, infrared_camera, frame_id, reason) = running, MISMATCHES[mismatch]
    failed = robot.counts()["failed"]
    robot.clear()

    def reported():
        send(robot, depth_camera, infrared_camera, frame_id)
        status = robot.statuses.get("input")
        return status if status and "infrared does not fit depth" in status.message else None

    status = robot.wait(reported, "the mismatch to be reported")
    assert status.level == WARN and reason in status.message, status.message
    assert "depth only, confidence reduced" in status.message
    robot.wait(lambda: status.message in robot.log, "the log")
    before = len(robot.confidences)
    robot.wait(lambda: reported() and len(robot.confidences) > before, "depth alone")
    assert pixels(robot.confidences[-1], "f4").max() <= 0.8
    assert robot.counts()["failed"] == failed

    def recovered():
        send(robot, CAMERA, CAMERA, DEPTH_FRAME)
        return pixels(robot.confidences[-1], "f4").max() > 0.8

    robot.wait(recovered, "infrared to be used again")


def test_infrared_that_is_aligned_to_colour_too_fits():
    calibration, header = CameraCalibration(), Header(frame_id=COLOUR_FRAME)
    calibration.update(camera_info(CAMERA, header))
    assert "aligned to colour" in calibration.infrared_mismatch
    calibration.update_from_left_info(camera_info(CAMERA, header))
    assert calibration.infrared_mismatch is None


@pytest.mark.parametrize(
    ("depth_frame", "is_aligned"),
    [
        ("rgbd_depth_optical_frame", False),
        ("Color_Cam_Depth_Optical_Frame", False),
        ("argbot/front/camera_depth_frame", False),
        ("map", False),
        ("rgbd_color_optical_frame", True),
        ("depth_cam_colour_optical_frame", True),
        ("camera_rgb_optical_frame", True),
    ],
)
def test_depth_is_aligned_to_colour_by_the_imager_of_its_frame_not_by_the_cameras_name(
    depth_frame, is_aligned
):
    calibration = CameraCalibration()
    calibration.update(camera_info(CAMERA, Header(frame_id=depth_frame)))
    calibration.update_from_left_info(camera_info(CAMERA, Header(frame_id="infra1_frame")))
    assert ("aligned to colour" in (calibration.infrared_mismatch or "")) == is_aligned


def test_an_impossible_camera_info_of_infrared_is_ignored():
    calibration, infos = CameraCalibration(), [camera_info(CAMERA, Header()) for _ in range(2)]
    infos[1].k[0] = infos[1].p[0] = 0.0
    calibration.update(infos[0])
    calibration.update_from_left_info(infos[1])
    assert calibration.infrared_mismatch is None


def test_an_impossible_projection_matrix_is_named_not_the_camera_matrix():
    calibration, info = CameraCalibration(), camera_info(CAMERA, Header())
    info.p[2] = float("nan")
    calibration.update(info)
    assert "principal point nan, " in calibration.rejection
