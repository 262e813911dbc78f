"""Names of topics: of the realsense-ros driver, of librealsense's recordings, and of others."""

from __future__ import annotations

import re
from itertools import takewhile

# realsense-ros, below the camera's namespace.
DEPTH = "depth/image_rect_raw"
INFRARED = "infra1/image_rect_raw"
GROUND_TRUTH = "ground_truth/image_rect_raw"
# librealsense's own recordings. Depth_0 is the camera's; further depth streams have sensors of
# their own, named by their content. Infrared_0 is the left imager of cameras that have only one,
# Infrared_2 is the right imager.
SDK_DEPTH = re.compile(r"/Depth_0/image/data$")
SDK_FURTHER_DEPTH = re.compile(r"/Depth_[1-9]\d*/image/data$")
SDK_GROUND_TRUTH = "Name=Ground Truth"
SDK_INFRARED = re.compile(r"/Infrared_[01]/image/data$")
SDK_SENSOR = re.compile(r"^/device_\d+/sensor_\d+/")
# image_transport appends the codec to the name of the raw topic.
CODECS = ("/compressedDepth", "/compressed")
# Parts of the names of images that are not what the left imager measured.
NOT_MEASURED = re.compile(
    r"(aligned|colou?r|rgb)(_.*)?|.*registered.*|ground_truth|denoised|confidence|.*mask.*"
)
LEFT = re.compile(r"left|ir|infra(red)?_?[01]?|left_.*")
INFRA = re.compile(r"ir|infra.*")
RIGHT = re.compile(r"right|infra(red)?_?2|right_.*")


def strip_codec(topic: str) -> str:
    """The name of the raw topic that belongs to a compressed one."""
    for codec in CODECS:
        topic = topic.removesuffix(codec)
    return topic


def has_part(topic: str, pattern: re.Pattern[str]) -> bool:
    """Whether a part of the name (between slashes) matches, in lower case."""
    return any(pattern.fullmatch(part.lower()) for part in topic.split("/"))


def count_common_parts(topic: str, other: str) -> int:
    """How many parts of two names are equal, counted from the start."""
    pairs = zip(topic.split("/"), other.split("/"), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
