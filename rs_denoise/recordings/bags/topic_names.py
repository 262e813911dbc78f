"""Names of topics: of the realsense-ros driver, of librealsense's recordings, and of others."""

from __future__ import annotations

import re

from rs_denoise.recordings.bags.messages import COMPRESSED, IMAGE, INFO

# realsense-ros, below the camera's namespace.
DEPTH = "depth/image_rect_raw"
INFRARED = "infra1/image_rect_raw"
INFRARED_RIGHT = "infra2/image_rect_raw"
GROUND_TRUTH = "ground_truth/image_rect_raw"
# librealsense's own recordings. Depth_0 is the camera's; further depth streams have sensors of
# their own, named by their content. Infrared_0 is the left imager of cameras that have only one,
# Infrared_2 is the right imager.
SDK_DEPTH = re.compile(r"/Depth_0/image/data$")
SDK_FURTHER_DEPTH = re.compile(r"/Depth_[1-9]\d*/image/data$")
SDK_GROUND_TRUTH = "Name=Ground Truth"
SDK_INFRARED = re.compile(r"/Infrared_[01]/image/data$")
SDK_INFRARED_RIGHT = re.compile(r"/Infrared_2/image/data$")
SDK_SENSOR = re.compile(r"^/device_\d+/sensor_\d+/")
# image_transport appends the codec to the name of the raw topic.
CODECS = ("/compressedDepth", "/compressed")
IMAGE_NAME = re.compile(r"/image[^/]*$")
# Parts of the names of images that no camera measured, and of those aligned to the colour camera.
NOT_MEASURED = re.compile(r"ground_truth|denoised|confidence|.*mask.*")
ALIGNED = re.compile(r"aligned(_.*)?|.*registered.*")
COLOUR = re.compile(r"(colou?r|rgb)(_.*)?")
# Parts of names, below a camera's namespace, that are one of its streams.
STREAM = re.compile(
    r"(depth|stereo|left|right|ir|infra|aligned|colou?r|rgb|extrinsics|ground_truth|denoised).*"
)
LEFT = re.compile(r"left|ir|infra(red)?_?[01]?|left_.*")
INFRA = re.compile(r"ir|infra.*")
RIGHT = re.compile(r"right|infra(red)?_?2|right_.*")


def guess_type(topic: str) -> str | None:
    """The message type that drivers give a topic of this name; None for other names."""
    if topic.endswith("/camera_info"):
        return INFO
    if topic.endswith(CODECS):
        return COMPRESSED
    return IMAGE if IMAGE_NAME.search(topic) else None


def strip_codec(topic: str) -> str:
    """The name of the raw topic that belongs to a compressed one."""
    for codec in CODECS:
        topic = topic.removesuffix(codec)
    return topic


def has_part(topic: str, pattern: re.Pattern[str]) -> bool:
    """Whether a part of the name (between slashes) matches, in lower case."""
    return any(pattern.fullmatch(part.lower()) for part in topic.split("/"))


def is_of_colour(topic: str) -> bool:
    """Whether a topic is of the colour camera, or aligned to it.

    The camera's own name, as in /rgb_cam/depth, may hold such a word too, but comes before the
    stream.
    """
    streams = [part for part in topic.lower().split("/") if STREAM.fullmatch(part)]
    return has_part(topic, ALIGNED) or bool(streams and COLOUR.fullmatch(streams[-1]))


def is_measured(topic: str) -> bool:
    """Whether images of this name may be from the left or the right imager."""
    return not (has_part(topic, NOT_MEASURED) or is_of_colour(topic))


def is_of_camera(topic: str, depth: str) -> bool:
    """Whether a topic belongs to the camera that `depth` comes from: same namespace or sensor."""
    sensor = SDK_SENSOR.search(depth)
    if sensor:
        return topic.startswith(sensor[0])
    return bool(_list_namespaces(topic) & _list_namespaces(depth))


def _list_namespaces(topic: str) -> set[str]:
    """Possible namespaces of a topic's camera: the topic's parent, or that of the stream."""
    folder = strip_codec(topic).rpartition("/")[0]
    parent, _, name = folder.rpartition("/")
    return {folder, parent} if STREAM.fullmatch(name.lower()) else {folder}
