"""Finds the camera's topics in a bag: by option, else by the driver's names, else by type."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rs_denoise.recordings.bags import messages
from rs_denoise.recordings.bags.bag import Bag
from rs_denoise.recordings.bags.baseline import STRING, find_baseline_m, find_option
from rs_denoise.recordings.bags.messages import COMPRESSED, DEPTH_TYPES, IMAGE, INFO, INFRARED_TYPES
from rs_denoise.recordings.bags.topic_names import (
    CODECS,
    DEPTH,
    GROUND_TRUTH,
    INFRA,
    INFRARED,
    INFRARED_RIGHT,
    LEFT,
    RIGHT,
    SDK_DEPTH,
    SDK_FURTHER_DEPTH,
    SDK_GROUND_TRUTH,
    SDK_INFRARED,
    SDK_INFRARED_RIGHT,
    SDK_SENSOR,
    has_part,
    is_measured,
    is_of_camera,
    is_of_colour,
    strip_codec,
)
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.overrides import Overrides

LEFT_INFRARED = "infrared of the left imager"
RIGHT_INFRARED = "infrared of the right imager"
INFRARED_IMAGES = (LEFT_INFRARED, RIGHT_INFRARED)

NO_INFRARED = f"no {LEFT_INFRARED}: depth is denoised alone, with lower confidence"


@dataclass(frozen=True)
class CameraTopics:
    """The topics of one camera in a bag.

    Attributes:
        depth, infrared, infrared_right, ground_truth, camera_info: topics; None where there is
            none. Without camera_info, the user's camera is used.
        baseline_m: between the imagers.
        units: topic of librealsense's option for the depth unit, or None.
        metadata: librealsense's metadata topic of each image topic that has one.
        notes: what had to be assumed or is missing, as sentences.
        assumed: fields of the camera that had to be assumed.
    """

    depth: str
    infrared: str | None
    infrared_right: str | None
    ground_truth: str | None
    camera_info: str | None
    baseline_m: float
    units: str | None
    metadata: dict[str, str]
    notes: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)

    @property
    def images(self) -> dict[str, str]:
        """Role ("depth", "infrared", "right infrared", "ground truth") of each image topic."""
        roles = {
            self.depth: "depth",
            self.infrared: "infrared",
            self.infrared_right: "right infrared",
            self.ground_truth: "ground truth",
        }
        return {topic: role for topic, role in roles.items() if topic}


def find_topics(bag: Bag, overrides: Overrides) -> CameraTopics:
    """Finds the topics of one camera.

    Raises:
        RecordingError: there is no depth or no camera, or several are possible; the message lists
            them and the option that selects one.
        CameraError: the file of the user's camera cannot be read.
    """
    notes: list[str] = []
    assumed: list[str] = []
    depth = _find_depth(bag, overrides.depth, notes)
    infrared = _find_infrared(bag, overrides.infrared, depth, notes)
    right = _find_infrared_right(bag, overrides.infrared_right, depth)
    truth = _find_ground_truth(bag, overrides.ground_truth)
    images = [topic for topic in (depth, infrared, right, truth) if topic]
    metadata = {image: f"{strip_codec(image).rpartition('/')[0]}/metadata" for image in images}
    return CameraTopics(
        depth=depth,
        infrared=infrared,
        infrared_right=right,
        ground_truth=truth,
        camera_info=_find_camera_info(bag, overrides, depth, notes),
        baseline_m=overrides.baseline_m
        or find_baseline_m(bag, depth, overrides.camera, notes, assumed),
        units=find_option(bag, depth, "depth_units"),
        metadata={i: m for i, m in metadata.items() if bag.types.get(m) == STRING},
        notes=notes,
        assumed=assumed,
    )


def _find_depth(bag: Bag, override: str | None, notes: list[str]) -> str:
    if override:
        return _select(bag, override, "depth", "--depth-topic")
    measured = {t: k for t, k in _image_topics(bag).items() if is_measured(t)}
    found = [
        t for t in measured if strip_codec(t).endswith(DEPTH) or SDK_DEPTH.search(strip_codec(t))
    ]
    if not found:
        found = list(_filter_by_encoding(bag, measured, DEPTH_TYPES, "/compressedDepth"))
        found = [topic for topic in found if not has_part(topic, INFRA)]
        if found:
            notes.append(f"depth is read from {found[0]}, found by its encoding")
    if not found:
        raise RecordingError(
            f"{bag.path}: no topic of depth as the left imager measured it (one that ends in "
            f"{DEPTH}, or holds {', '.join(DEPTH_TYPES)}); name one with --depth-topic; "
            f"it has {', '.join(sorted(bag.types)) or 'none'}"
        )
    return _require_one(bag, found, "depth", "--depth-topic")


def _find_infrared(bag: Bag, override: str | None, depth: str, notes: list[str]) -> str | None:
    if override:
        return _select(bag, override, LEFT_INFRARED, "--infrared-topic")
    if is_of_colour(depth):
        notes.append(
            "this depth is aligned to colour, so infrared does not match it: it is denoised alone, "
            "with an assumed baseline, that of the imagers"
        )
        return None
    found = _find_by_driver_name(bag, depth, INFRARED, SDK_INFRARED)
    if not found:
        grey = [topic for topic in _find_grey(bag, depth) if not has_part(topic, RIGHT)]
        found = [topic for topic in grey if has_part(topic, LEFT)] or grey
        if found:
            notes.append(f"infrared is read from {found[0]}, found by its encoding")
    if not found:
        notes.append(NO_INFRARED)
        return None
    return _require_one(bag, found, LEFT_INFRARED, "--infrared-topic")


def _find_infrared_right(bag: Bag, override: str | None, depth: str) -> str | None:
    """The right imager's infrared; not every model uses it, so a missing one is not noted."""
    if override:
        return _select(bag, override, RIGHT_INFRARED, "--right-infrared-topic")
    if is_of_colour(depth):
        return None
    found = _find_by_driver_name(bag, depth, INFRARED_RIGHT, SDK_INFRARED_RIGHT)
    found = found or [topic for topic in _find_grey(bag, depth) if has_part(topic, RIGHT)]
    one_camera = len({strip_codec(topic) for topic in found}) == 1
    return _pick(bag, found, RIGHT_INFRARED) if one_camera else None


def _find_by_driver_name(bag: Bag, depth: str, name: str, sdk_name: re.Pattern[str]) -> list[str]:
    """Infrared topics of the camera of `depth`; another camera's would be worse than none."""
    sensor = SDK_SENSOR.search(depth)
    if sensor:
        of_sensor = [t for t in _image_topics(bag) if t.startswith(sensor[0])]
        return [t for t in of_sensor if sdk_name.search(strip_codec(t))]
    wanted = strip_codec(depth).removesuffix(DEPTH) + name
    return [t for t in _image_topics(bag) if strip_codec(t) == wanted]


def _find_grey(bag: Bag, depth: str) -> list[str]:
    """Topics of grey images, with any name, of the camera of `depth`."""
    others = {t: k for t, k in _image_topics(bag).items() if strip_codec(t) != strip_codec(depth)}
    others = {t: k for t, k in others.items() if is_measured(t)}
    others = {t: k for t, k in others.items() if is_of_camera(t, depth)}
    return list(_filter_by_encoding(bag, others, INFRARED_TYPES, "/compressed"))


def _find_ground_truth(bag: Bag, override: str | None) -> str | None:
    if override:
        return _select(bag, override, "ground truth", "--ground-truth-topic")
    found = [t for t in _image_topics(bag) if strip_codec(t).endswith(GROUND_TRUTH)]
    found = found or _find_sdk_ground_truth(bag)
    return _require_one(bag, found, "ground truth", "--ground-truth-topic") if found else None


def _find_sdk_ground_truth(bag: Bag) -> list[str]:
    further = [t for t in _image_topics(bag) if SDK_FURTHER_DEPTH.search(strip_codec(t))]
    sensors = {topic: SDK_SENSOR.search(topic) for topic in further}
    infos = {topic: f"{sensor[0]}info" for topic, sensor in sensors.items() if sensor}
    first = bag.first_messages([info for info in infos.values() if bag.types.get(info) == STRING])
    return [
        t for t, info in infos.items() if info in first and first[info].data == SDK_GROUND_TRUTH
    ]


def _find_camera_info(bag: Bag, overrides: Overrides, depth: str, notes: list[str]) -> str | None:
    override = overrides.camera_info
    infos = {topic for topic, kind in bag.types.items() if kind == INFO}
    if override:
        if override not in infos:
            raise _make_missing_error(bag, override, "--camera-info-topic", infos)
        return override
    folder = strip_codec(depth).rpartition("/")[0]
    # librealsense's old recordings have it next to the folder of the image.
    siblings = (f"{folder}/camera_info", f"{folder.rpartition('/')[0]}/info/camera_info")
    for sibling in siblings:
        if sibling in infos:
            return sibling
    candidates = [topic for topic in sorted(infos) if is_measured(topic)]
    fitting = _filter_by_size(bag, depth, candidates)
    if not fitting and overrides.camera is not None:
        return None
    if not fitting:
        raise RecordingError(
            f"{bag.path}: no camera_info of the depth images' size before the first of them; "
            "record it too, name one with --camera-info-topic, or set the camera with --camera; "
            f"it has {', '.join(sorted(infos)) or 'none'}"
        )
    chosen = _require_one(bag, fitting, "camera_info", "--camera-info-topic")
    notes.append(f"the camera is read from {chosen}, which has the depth images' size")
    return chosen


def _filter_by_size(bag: Bag, depth: str, infos: list[str]) -> list[str]:
    """The camera_infos with the size of the depth images; only one of them if all are equal."""
    first = bag.first_messages([depth, *infos])
    if depth not in first:
        return []
    try:
        size = messages.read_image_size(first[depth])
    except RecordingError:
        return []
    fitting = [i for i in infos if i in first and (first[i].width, first[i].height) == size]
    cameras = {tuple(first[i].k if hasattr(first[i], "k") else first[i].K) for i in fitting}
    return fitting[:1] if len(cameras) == 1 else fitting


def _image_topics(bag: Bag) -> dict[str, str]:
    """Message type of each image topic, raw or with a known codec."""
    images = {t: kind for t, kind in sorted(bag.types.items()) if kind in (IMAGE, COMPRESSED)}
    return {t: k for t, k in images.items() if k == IMAGE or t.endswith(CODECS)}


def _filter_by_encoding(
    bag: Bag, images: dict[str, str], encodings: Iterable[str], codec: str
) -> Iterator[str]:
    """The topics whose first message has one of the encodings."""
    candidates = [t for t, kind in images.items() if kind == IMAGE or t.endswith(codec)]
    for topic, message in sorted(bag.first_messages(candidates).items()):
        text = message.format if images[topic] == COMPRESSED else message.encoding
        if text.partition(";")[0].strip() in encodings:
            yield topic


def _require_one(bag: Bag, found: list[str], what: str, option: str) -> str:
    """The topic of the only camera there is; of a raw and a compressed one, see `_pick`."""
    names = sorted({strip_codec(topic) for topic in found})
    if len(names) > 1:
        raise RecordingError(
            f"{bag.path}: {what} could be any of {', '.join(names)}: select one with {option}"
        )
    return _pick(bag, found, what)


def _select(bag: Bag, topic: str, what: str, option: str) -> str:
    images = _image_topics(bag)
    found = [t for t in images if t == topic and bag.count(t) != 0]
    found = found or [t for t in images if strip_codec(t) == topic]
    if not found:
        raise _make_missing_error(bag, topic, option, images)
    return _pick(bag, found, what)


def _pick(bag: Bag, twins: list[str], what: str) -> str:
    """The one to read of the raw and compressed topics of the same images.

    This is the raw one, unless it has far fewer messages, or none that can be read, such as depth
    in a JPEG.
    """
    by_codec = sorted(twins, key=lambda topic: (len(topic), topic))
    if what not in INFRARED_IMAGES:
        by_codec.sort(key=lambda topic: topic.endswith("/compressed"))
    if len(by_codec) == 1:
        return by_codec[0]
    first = bag.first_messages(by_codec)
    usable = [t for t in by_codec if t in first and _can_read(first[t], what)] or by_codec
    counts = {topic: bag.count(topic) or 0 for topic in usable}
    return next(t for t in usable if 2 * counts[t] >= max(counts.values()))


def _can_read(message: Any, what: str) -> bool:
    try:
        if what in INFRARED_IMAGES:
            messages.read_infrared(message)
        else:
            messages.read_depth_mm(message)
    except RecordingError:
        return False
    return True


def _make_missing_error(
    bag: Bag, topic: str, option: str, present: Iterable[str]
) -> RecordingError:
    listed = ", ".join(sorted(present)) or "none"
    if topic in bag.types:
        return RecordingError(
            f"{bag.path}: {topic}, which {option} names, is a {bag.types[topic]} that cannot be "
            f"read; expected one of {listed}"
        )
    return RecordingError(f"{bag.path}: no topic {topic} as {option} says; it has {listed}")
