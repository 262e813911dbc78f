"""Which topics of a bag hold what: as named, else by the driver's names, else by what they hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from typing import Any

from rs_denoise.recordings.bags import messages
from rs_denoise.recordings.bags.bag import EXTRINSICS, Bag
from rs_denoise.recordings.bags.messages import COMPRESSED, DEPTH_TYPES, IMAGE, INFO, INFRARED_TYPES
from rs_denoise.recordings.frame import RecordingError

# The names of the realsense-ros driver, below its namespace.
DEPTH = "depth/image_rect_raw"
INFRARED = "infra1/image_rect_raw"
GROUND_TRUTH = "ground_truth/image_rect_raw"
# librealsense's own recordings. Depth_0 is the camera's; further ones have sensors of their own,
# whose names say what they are. Infrared_0 is that of cameras with one imager; 2 is the right one.
SDK_DEPTH = re.compile(r"/Depth_0/image/data$")
SDK_FURTHER_DEPTH = re.compile(r"/Depth_[1-9]\d*/image/data$")
SDK_GROUND_TRUTH = "Name=Ground Truth"
SDK_INFRARED = re.compile(r"/Infrared_[01]/image/data$")
SDK_SENSOR = re.compile(r"^/device_\d+/sensor_\d+/")
CODECS = ("/compressedDepth", "/compressed")
# Parts of names of what is depth or grey, but not as the left imager measured it.
NOT_MEASURED = re.compile(
    r"(aligned|colou?r|rgb)(_.*)?|.*registered.*|ground_truth|denoised|confidence|.*mask.*"
)
LEFT = re.compile(r"left|ir|infra(red)?_?[01]?|left_.*")
INFRA = re.compile(r"ir|infra.*")
RIGHT = re.compile(r"right|infra(red)?_?2|right_.*")
# D435 and D435i.
DEFAULT_BASELINE_M = 0.05
MOST_BASELINE_M = 1.0
STRING = "std_msgs/msg/String"
NUMBERS = (STRING, "std_msgs/msg/Float32")


@dataclass(frozen=True)
class Topics:
    """Topics to read rather than those that are found; None: find them.

    Attributes:
        depth, infrared, ground_truth: of images, raw or compressed.
        camera_info: of the depth images.
        baseline_m: between the imagers, rather than what the recording says.
    """

    depth: str | None = None
    infrared: str | None = None
    ground_truth: str | None = None
    camera_info: str | None = None
    baseline_m: float | None = None


@dataclass(frozen=True)
class Chosen:
    """What is read of a bag.

    Attributes:
        depth, infrared, ground_truth, camera_info: topics; None where there is none.
        baseline_m: between the imagers.
        units: librealsense's option that says what a step of depth is, or None.
        metadata: librealsense's metadata of images, by the topic of the images.
        notes: what had to be assumed or is missing, as sentences.
    """

    depth: str
    infrared: str | None
    ground_truth: str | None
    camera_info: str
    baseline_m: float
    units: str | None
    metadata: dict[str, str]
    notes: list[str] = field(default_factory=list)


def choose(bag: Bag, topics: Topics) -> Chosen:
    """The topics of one camera.

    Raises:
        RecordingError: there is no depth or no camera_info, or several could be meant; the
            message names them and the option that says which.
    """
    notes: list[str] = []
    depth = _depth(bag, topics.depth, notes)
    infrared = _infrared(bag, topics.infrared, depth, notes)
    truth = _ground_truth(bag, topics.ground_truth)
    images = [topic for topic in (depth, infrared, truth) if topic]
    metadata = {image: f"{_base(image).rpartition('/')[0]}/metadata" for image in images}
    return Chosen(
        depth=depth,
        infrared=infrared,
        ground_truth=truth,
        camera_info=_camera_info(bag, topics.camera_info, depth, notes),
        baseline_m=topics.baseline_m or _baseline_m(bag, depth, notes),
        units=_sdk_option(bag, depth, "depth_units"),
        metadata={i: m for i, m in metadata.items() if bag.types.get(m) == STRING},
        notes=notes,
    )


def _depth(bag: Bag, named: str | None, notes: list[str]) -> str:
    if named:
        return _named(bag, named, "--depth-topic")
    measured = {t: k for t, k in _images(bag).items() if not _has_part(t, NOT_MEASURED)}
    found = [t for t in measured if _base(t).endswith(DEPTH) or SDK_DEPTH.search(_base(t))]
    if not found:
        found = list(_holding(bag, measured, DEPTH_TYPES, "/compressedDepth"))
        found = [topic for topic in found if not _has_part(topic, INFRA)]
        if found:
            notes.append(f"depth is read from {found[0]}, found by its encoding")
    if not found:
        raise RecordingError(
            f"{bag.path}: no topic of depth as the left imager measured it (one that ends in "
            f"{DEPTH}, or holds {', '.join(DEPTH_TYPES)}); name one with --depth-topic; "
            f"it has {', '.join(sorted(bag.types)) or 'none'}"
        )
    return _only(bag, found, "depth", "--depth-topic")


def _infrared(bag: Bag, named: str | None, depth: str, notes: list[str]) -> str | None:
    if named:
        return _named(bag, named, "--infrared-topic")
    # Of the same camera: the right infrared of another one is worse than none.
    wanted = _base(depth).removesuffix(DEPTH) + INFRARED
    sensor = SDK_SENSOR.search(depth)
    if sensor:
        of_sensor = [t for t in _images(bag) if t.startswith(sensor[0])]
        found = [t for t in of_sensor if SDK_INFRARED.search(_base(t))]
    else:
        found = [t for t in _images(bag) if _base(t) == wanted]
    if not found:
        others = {t: k for t, k in _images(bag).items() if _base(t) != _base(depth)}
        others = {t: k for t, k in others.items() if not _has_part(t, NOT_MEASURED)}
        grey = list(_holding(bag, others, INFRARED_TYPES, "/compressed"))
        grey = [topic for topic in grey if not _has_part(topic, RIGHT)]
        found = [topic for topic in grey if _has_part(topic, LEFT)] or grey
        if found:
            notes.append(f"infrared is read from {found[0]}, found by its encoding")
    if not found:
        notes.append("no infrared of the left imager: depth goes alone, with less confidence")
        return None
    return _only(bag, found, "infrared of the left imager", "--infrared-topic")


def _ground_truth(bag: Bag, named: str | None) -> str | None:
    if named:
        return _named(bag, named, "--ground-truth-topic")
    found = [t for t in _images(bag) if _base(t).endswith(GROUND_TRUTH)] or _sdk_ground_truth(bag)
    return _only(bag, found, "ground truth", "--ground-truth-topic") if found else None


def _sdk_ground_truth(bag: Bag) -> list[str]:
    further = [topic for topic in _images(bag) if SDK_FURTHER_DEPTH.search(_base(topic))]
    sensors = {topic: SDK_SENSOR.search(topic) for topic in further}
    infos = {topic: f"{sensor[0]}info" for topic, sensor in sensors.items() if sensor}
    first = bag.first([info for info in infos.values() if bag.types.get(info) == STRING])
    return [
        t for t, info in infos.items() if info in first and first[info].data == SDK_GROUND_TRUTH
    ]


def _camera_info(bag: Bag, named: str | None, depth: str, notes: list[str]) -> str:
    infos = {topic for topic, kind in bag.types.items() if kind == INFO}
    if named:
        if named not in infos:
            raise _missing(bag, named, "--camera-info-topic", infos)
        return named
    folder = _base(depth).rpartition("/")[0]
    # librealsense's old recordings have it beside the image's folder.
    siblings = (f"{folder}/camera_info", f"{folder.rpartition('/')[0]}/info/camera_info")
    for sibling in siblings:
        if sibling in infos:
            return sibling
    found = [topic for topic in sorted(infos) if not _has_part(topic, NOT_MEASURED)]
    fitting = _of_its_size(bag, depth, found)
    if not fitting:
        raise RecordingError(
            f"{bag.path}: no camera_info of the depth images' size before the first of them; "
            "record it too, or name one with --camera-info-topic; "
            f"it has {', '.join(sorted(infos)) or 'none'}"
        )
    chosen = _only(bag, fitting, "camera_info", "--camera-info-topic")
    notes.append(f"the camera is read from {chosen}, which has the depth images' size")
    return chosen


def _of_its_size(bag: Bag, depth: str, infos: list[str]) -> list[str]:
    """Those camera_infos that fit the depth images; one where all say the same."""
    first = bag.first([depth, *infos])
    if depth not in first:
        return []
    try:
        size = messages.image_size(first[depth])
    except RecordingError:
        return []
    fitting = [i for i in infos if i in first and (first[i].width, first[i].height) == size]
    cameras = {tuple(first[i].k if hasattr(first[i], "k") else first[i].K) for i in fitting}
    return fitting[:1] if len(cameras) == 1 else fitting


def _baseline_m(bag: Bag, depth: str, notes: list[str]) -> float:
    """What the recording says of the baseline, else that of a D435."""
    option = _sdk_option(bag, depth, "stereo_baseline")
    infos = [t for t, k in bag.types.items() if k == INFO and _has_part(t, RIGHT)]
    extrinsics = [
        t for t, k in bag.types.items() if k == EXTRINSICS and t.endswith("depth_to_infra2")
    ]
    # Of several cameras, the one that shares most of its name with depth.
    candidates = [max(t, key=partial(_shared, depth)) for t in (infos, extrinsics) if t]
    first = bag.first([*candidates, *([option] if option else [])])
    for baseline_m in _told(first.values()):
        if 0 < baseline_m < MOST_BASELINE_M:
            return baseline_m
    notes.append(
        f"the baseline is assumed to be {DEFAULT_BASELINE_M} m, a D435's: the recording has no "
        "infra2/camera_info with it; say it with --baseline"
    )
    return DEFAULT_BASELINE_M


def _told(found: Iterable[Any]) -> Iterator[float]:
    for message in found:
        if message.__msgtype__ == INFO:
            yield messages.baseline_m(message) or 0.0
        elif message.__msgtype__ == EXTRINSICS:
            yield abs(float(message.translation[0]))
        else:
            yield abs(option_value(message)) / 1000.0  # librealsense says it in mm


def option_value(message: Any) -> float:
    """Of an option in librealsense's recordings: a number, since 2.59 as text; 0 if it is none."""
    try:
        return float(message.data)
    except ValueError:
        return 0.0


def _sdk_option(bag: Bag, depth: str, name: str) -> str | None:
    """The topic of an option of the sensor that depth comes from."""
    sensor = SDK_SENSOR.search(depth)
    if sensor is None:
        return None
    wanted = f"{sensor[0]}option/{name}/value".lower()
    numbers = [topic for topic, kind in bag.types.items() if kind in NUMBERS]
    return next((t for t in numbers if t.lower().replace(" ", "_") == wanted), None)


def _images(bag: Bag) -> dict[str, str]:
    """Type of each topic of images, raw ones before their compressed twins."""
    images = {t: kind for t, kind in sorted(bag.types.items()) if kind in (IMAGE, COMPRESSED)}
    return {t: k for t, k in images.items() if k == IMAGE or t.endswith(CODECS)}


def _holding(
    bag: Bag, images: dict[str, str], encodings: Iterable[str], codec: str
) -> Iterator[str]:
    """Those topics whose first message has one of the encodings."""
    candidates = [t for t, kind in images.items() if kind == IMAGE or t.endswith(codec)]
    for topic, message in sorted(bag.first(candidates).items()):
        text = message.format if images[topic] == COMPRESSED else message.encoding
        if text.partition(";")[0].strip() in encodings:
            yield topic


def _only(bag: Bag, found: list[str], what: str, option: str) -> str:
    """The raw topic, or its compressed twin, of the only camera there is."""
    bases = sorted({_base(topic) for topic in found})
    if len(bases) > 1:
        raise RecordingError(
            f"{bag.path}: {what} could be any of {', '.join(bases)}: say which with {option}"
        )
    return min(found, key=len)


def _named(bag: Bag, topic: str, option: str) -> str:
    found = [t for t in _images(bag) if t == topic] or [
        t for t in _images(bag) if _base(t) == topic
    ]
    if not found:
        raise _missing(bag, topic, option, _images(bag))
    return found[0]


def _missing(bag: Bag, topic: str, option: str, there: Iterable[str]) -> RecordingError:
    listed = ", ".join(sorted(there)) or "none"
    return RecordingError(f"{bag.path}: no topic {topic} as {option} says; it has {listed}")


def _base(topic: str) -> str:
    for codec in CODECS:
        topic = topic.removesuffix(codec)
    return topic


def _shared(topic: str, other: str) -> int:
    """How many parts of their names are the same from the start."""
    pairs = zip(topic.split("/"), other.split("/"), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _has_part(topic: str, pattern: re.Pattern[str]) -> bool:
    return any(pattern.fullmatch(part.lower()) for part in topic.split("/"))
