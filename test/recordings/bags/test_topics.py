import json
import sqlite3

import cv2
import numpy as np
import pytest
from recordings.bags.example_bags import DEPTH, INFO, INFRARED, RIGHT_INFO, Ros, driver, picture
from rosbags.rosbag2 import StoragePlugin
from rosbags.typesys import get_types_from_msg

from rs_denoise.recordings.bags.bag import EXTRINSICS, Bag
from rs_denoise.recordings.bags.topics import find_topics
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.overrides import Overrides
from rs_denoise.recordings.recording import open_recording

ROS = Ros(2)
D, GREY = picture(0)
METRES = (D / 1000).astype(np.float32)


def chosen(tmp_path, messages, topics=Overrides()):  # noqa: B008
    return find_topics(Bag(ROS.write(tmp_path / "bag", messages)), topics)


def info(topic, **changes):
    return topic, ROS.info(0, **changes)


def image(topic, pixels=D, encoding="16UC1"):
    return topic, ROS.image(pixels, encoding, 0)


def ir(topic):
    return image(topic, GREY, "mono8")


def test_the_drivers_names_come_before_all_else(tmp_path):
    found = chosen(tmp_path, [
        *driver(ROS, 1), image("/camera/aligned_depth_to_color/image_raw"),
        image("/camera/denoised/image_rect_raw"), image("/camera/ground_truth/image_rect_raw"),
        image("/camera/denoised/confidence", METRES, "32FC1"), ir("/camera/infra2/image_rect_raw"),
        info("/camera/color/camera_info"), ir("/camera/color/image_raw"),
    ])  # fmt: skip
    assert found.depth == "/camera/depth/image_rect_raw"
    assert found.infrared == "/camera/infra1/image_rect_raw"
    assert found.infrared_right == "/camera/infra2/image_rect_raw"
    assert found.ground_truth == "/camera/ground_truth/image_rect_raw"
    assert found.camera_info == INFO
    assert found.baseline_m == pytest.approx(0.055) and not found.notes


def test_a_raw_topic_comes_before_its_compressed_twin(tmp_path):
    twin = ("/camera/depth/image_rect_raw/compressedDepth", ROS.compressed_depth(D, 0))
    assert chosen(tmp_path, [twin, *driver(ROS, 1)]).depth == "/camera/depth/image_rect_raw"


@pytest.mark.parametrize("pixels, encoding", [(D, "16UC1"), (D, "mono16"), (METRES, "32FC1")])
def test_other_names_are_found_by_what_the_first_image_is(tmp_path, pixels, encoding):
    found = chosen(tmp_path, [
        image("/head/stereo/depth_map", pixels, encoding), ir("/head/left/image_rect"),
        ir("/head/right/image_rect"), image("/head/rgb/image", np.zeros((2, 6), np.uint8), "rgb8"),
        image("/head/depth_registered/image"), info("/head/left/camera_info"),
        info("/head/right/camera_info", shift=-425 * 0.095),
        info("/head/rgb/camera_info", fx=600), info("/head/wide/camera_info", width=640),
    ])  # fmt: skip
    assert (found.depth, found.infrared) == ("/head/stereo/depth_map", "/head/left/image_rect")
    assert found.infrared_right == "/head/right/image_rect"
    assert found.baseline_m == pytest.approx(0.095)
    assert found.camera_info in ("/head/left/camera_info", "/head/right/camera_info")
    assert [note.split(" is read from ")[0] for note in found.notes] == [
        "depth", "infrared", "the camera",
    ]  # fmt: skip


def test_what_is_missing_is_told_in_notes(tmp_path):
    found = chosen(tmp_path, [info("/c/camera_info"), image("/c/image")])
    assert found.infrared is None and found.baseline_m == 0.05
    notes = "\n".join(found.notes)
    assert "no infrared" in notes and "assumed to be 0.05 m" in notes and "--baseline" in notes


def test_named_topics_and_a_named_baseline_go_before_what_is_found(tmp_path):
    names = Overrides("/b/depth", "/b/grey", "/b/truth", "/b/info", 0.12, "/b/other")
    found = chosen(tmp_path, [
        *driver(ROS, 1), ("/b/depth/compressedDepth", ROS.compressed_depth(D, 0)), ir("/b/grey"),
        ir("/b/other"), image("/b/truth"), info("/b/info"),
    ], names)  # fmt: skip
    assert found.depth == "/b/depth/compressedDepth"
    read = (found.infrared, found.ground_truth, found.camera_info, found.baseline_m)
    assert read == ("/b/grey", "/b/truth", "/b/info", 0.12) and not found.notes
    assert found.infrared_right == "/b/other"


@pytest.mark.parametrize("option, topics", [
    ("--depth-topic", Overrides(depth="/x")),
    ("--infrared-topic", Overrides(infrared="/x")),
    ("--right-infrared-topic", Overrides(infrared_right="/x")),
    ("--ground-truth-topic", Overrides(ground_truth="/x")),
    ("--camera-info-topic", Overrides(camera_info="/x")),
])  # fmt: skip
def test_a_named_topic_that_is_not_there(tmp_path, option, topics):
    with pytest.raises(RecordingError, match=f"no topic /x as {option} says; it has /camera"):
        chosen(tmp_path, driver(ROS, 1), topics)


def test_a_named_topic_that_holds_no_images(tmp_path):
    topics = Overrides(depth="/camera/depth/camera_info")
    expected = "which --depth-topic names, is a sensor_msgs/msg/CameraInfo that cannot be read"
    with pytest.raises(RecordingError, match=expected):
        chosen(tmp_path, driver(ROS, 1), topics)


@pytest.mark.parametrize("option, messages", [
    ("--depth-topic", [*driver(ROS, 1, "/front"), *driver(ROS, 1, "/rear")]),
    ("--depth-topic", [info("/c/camera_info"), image("/c/one"), image("/c/two")]),
    ("--infrared-topic", [info("/c/camera_info"), image("/c/depth"), ir("/c/one"), ir("/c/two")]),
    ("--camera-info-topic", [image("/c/depth"), info("/a/camera_info"),
                             info("/b/camera_info", fx=300)]),
])  # fmt: skip
def test_what_could_be_meant_is_listed_with_the_option_that_says_which(tmp_path, option, messages):
    with pytest.raises(
        RecordingError, match=rf"could be any of /.*, /.*: select one with {option}"
    ):
        chosen(tmp_path, messages)


def test_of_two_cameras_the_named_one_is_read_with_its_own_infrared_and_baseline(tmp_path):
    rear = [
        info("/rear/infra2/camera_info", shift=-425 * 0.09), *driver(ROS, 1, "/rear", right=True)
    ]  # fmt: skip
    found = chosen(
        tmp_path,
        [*driver(ROS, 1, "/front", right=True), *rear],
        Overrides("/rear/depth/image_rect_raw"),
    )
    assert found.infrared_right == "/rear/infra2/image_rect_raw"
    assert found.infrared == "/rear/infra1/image_rect_raw"
    assert found.camera_info == "/rear/depth/camera_info"
    assert found.baseline_m == pytest.approx(0.09)


def test_depth_that_is_only_there_as_colour_sees_it_is_not_taken(tmp_path):
    messages = [image("/camera/aligned_depth_to_color/image_raw"), info("/camera/camera_info")]
    with pytest.raises(RecordingError, match="as the left imager measured it .*--depth-topic"):
        chosen(tmp_path, messages)


@pytest.mark.parametrize("infos", [[], [info("/camera/color/camera_info")],
                                   [info("/camera/camera_info", width=640)]])  # fmt: skip
def test_no_camera_info_of_the_depth_images(tmp_path, infos):
    messages = [*infos, image("/camera/depth/image_rect_raw")]
    with pytest.raises(RecordingError, match="no camera_info of the depth images.*--camera;"):
        chosen(tmp_path / "without", messages)
    topics = chosen(tmp_path / "with", messages, Overrides(camera="d455"))
    assert (topics.camera_info, topics.baseline_m, topics.assumed) == (None, 0.095, [])


@pytest.mark.parametrize("shift, baseline_m", [(-425 * 0.055, 0.055), (0.0, 0.095)])
def test_the_users_camera_gives_the_baseline_that_is_not_recorded(tmp_path, shift, baseline_m):
    messages = [info(INFO), info(RIGHT_INFO, shift=shift), image(DEPTH), ir(INFRARED)]
    topics = chosen(tmp_path, messages, Overrides(camera="d455"))
    assert (topics.camera_info, topics.baseline_m) == (INFO, pytest.approx(baseline_m))
    assert topics.notes == [] and topics.assumed == []


def test_the_baseline_out_of_the_drivers_extrinsics(tmp_path):
    definition = "float64[9] rotation\nfloat64[3] translation"
    ros = Ros(2)
    ros.store.register(get_types_from_msg(definition, EXTRINSICS))
    between = ros.types[EXTRINSICS](np.eye(3).ravel(), np.array([-0.095, 0, 0]))
    messages = [m for m in driver(ros, 1) if "infra2" not in m[0]]
    messages.append(("/camera/extrinsics/depth_to_infra2", between))
    found = find_topics(Bag(ros.write(tmp_path / "bag", messages)), Overrides())
    assert found.baseline_m == pytest.approx(0.095) and not found.notes


@pytest.mark.parametrize("shift", [0.0, 23.0])
def test_a_right_camera_info_without_a_baseline_is_named_as_the_reason(tmp_path, shift):
    messages = [m for m in driver(ROS, 1) if m[0] != RIGHT_INFO]
    found = chosen(tmp_path, [info(RIGHT_INFO, shift=shift), *messages])
    assert found.baseline_m == 0.05 and found.assumed == ["baseline_m"]
    assert f"{RIGHT_INFO} has none (in its P" in "\n".join(found.notes)


def jpeg(topic, pixels):
    data = cv2.imencode(".jpg", (pixels >> 8).astype(np.uint8))[1].tobytes()
    return topic, ROS.compressed(data, "16UC1; jpeg compressed ", 0)


@pytest.mark.parametrize("option", [Overrides(), Overrides(depth=DEPTH)])
def test_depth_of_16_bit_comes_before_its_jpeg(tmp_path, option):
    found = chosen(tmp_path, [
        info(INFO), jpeg(f"{DEPTH}/compressed", D),
        (f"{DEPTH}/compressedDepth", ROS.compressed_depth(D, 0)),
        (f"{INFRARED}/compressed", ROS.compressed(cv2.imencode(".jpg", GREY)[1].tobytes(),
                                                  "mono8; jpeg compressed ", 0)),
        (f"{INFRARED}/compressedDepth", ROS.compressed(b"", "mono8; compressedDepth png", 0)),
    ], option)  # fmt: skip
    assert found.depth == f"{DEPTH}/compressedDepth"
    assert found.infrared == f"{INFRARED}/compressed"


@pytest.mark.parametrize(
    ("left", "option"),
    [(0, Overrides()), (1, Overrides()), (0, Overrides(depth=DEPTH))],
)
def test_a_raw_topic_that_is_all_but_empty_does_not_come_before_its_full_twin(
    tmp_path, left, option
):
    twins = [(f"{DEPTH}/compressedDepth", ROS.compressed_depth(D, k)) for k in range(5)]
    bag = ROS.write(tmp_path / "bag", [*driver(ROS, 5), *twins], plugin=StoragePlugin.SQLITE3)
    with sqlite3.connect(next(bag.glob("*.db3"))) as database:
        of_raw = "topic_id = (SELECT id FROM topics WHERE name = ?)"
        database.execute(
            f"DELETE FROM messages WHERE {of_raw} AND id NOT IN "
            f"(SELECT id FROM messages WHERE {of_raw} LIMIT {left})",
            (DEPTH, DEPTH),
        )
    assert find_topics(Bag(bag), option).depth == f"{DEPTH}/compressedDepth"


def two_cameras():
    """The front camera has depth alone; only the rear one has infrared and a baseline."""
    front = [m for m in driver(ROS, 1, "/camera/front") if "infra" not in m[0]]
    return [*driver(ROS, 1, "/camera/rear", right=True), *front]


def test_infrared_and_baseline_of_another_camera_are_not_taken(tmp_path):
    found = chosen(tmp_path, two_cameras(), Overrides("/camera/front/depth/image_rect_raw"))
    assert found.infrared is None and found.infrared_right is None and found.baseline_m == 0.05
    assert found.assumed == ["baseline_m"]
    assert "assumed to be 0.05 m" in "\n".join(found.notes)


def test_cameras_named_left_and_right_are_two_cameras(tmp_path):
    front = [m for m in driver(ROS, 1, "/left") if "infra" not in m[0]]
    found = chosen(
        tmp_path, [*driver(ROS, 1, "/right"), *front], Overrides("/left/depth/image_rect_raw")
    )
    assert found.infrared is None and found.assumed == ["baseline_m"]


def test_depth_aligned_to_colour_is_read_without_the_infrared_of_another_viewpoint(tmp_path):
    aligned = "/camera/aligned_depth_to_color/image_raw"
    found = chosen(
        tmp_path,
        [
            *driver(ROS, 1, right=True),
            image(aligned),
            info("/camera/aligned_depth_to_color/camera_info"),
        ],
        Overrides(aligned),
    )
    assert found.infrared is None and found.infrared_right is None
    assert found.baseline_m == pytest.approx(0.055)
    assert "aligned to colour" in found.notes[0] and "assumed" in found.notes[0]


@pytest.mark.parametrize("namespace", ["/rgb_cam", "/robot/color"])
def test_a_camera_that_is_called_after_colour_is_read_with_its_infrared(tmp_path, namespace):
    colour = [ir(f"{namespace}/color/image_raw"), info(f"{namespace}/color/camera_info")]
    found = chosen(tmp_path, [*driver(ROS, 1, namespace, right=True), *colour])
    assert found.depth == f"{namespace}/depth/image_rect_raw"
    assert found.infrared == f"{namespace}/infra1/image_rect_raw"
    assert found.infrared_right == f"{namespace}/infra2/image_rect_raw"
    assert found.camera_info == f"{namespace}/depth/camera_info" and not found.notes


def test_what_is_assumed_stays_known_in_frame_folders(tmp_path):
    from rs_denoise.recordings.folders.frame_folder import write_frame

    bag = ROS.write(tmp_path / "bag", two_cameras())
    opened = open_recording(bag, Overrides("/camera/front/depth/image_rect_raw"))
    for frame in opened:
        write_frame(tmp_path / "frames" / frame.name, frame, assumed=opened.assumed)
    (file,) = tmp_path.glob("frames/*/camera.json")
    assert json.loads(file.read_text())["assumed"] == ["baseline_m"]
    again = open_recording(tmp_path / "frames")
    assert again.assumed == ["baseline_m"] and "assumed: baseline_m" in again.notes[0]
