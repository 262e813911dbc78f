"""Finds the baseline of the camera that recorded a bag, and other recorded options."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rs_denoise.camera_info import (
    MAX_BASELINE_M,
    baseline_from_info,
    baseline_from_translation,
)
from rs_denoise.camera_models import DEFAULT_BASELINE_M
from rs_denoise.recordings.bags.bag import EXTRINSICS, Bag
from rs_denoise.recordings.bags.messages import INFO
from rs_denoise.recordings.bags.topic_names import (
    RIGHT,
    SDK_SENSOR,
    has_part,
    is_of_camera,
)
from rs_denoise.recordings.folders.image_camera import baseline_of_camera

STRING = "std_msgs/msg/String"
OPTION_TYPES = (STRING, "std_msgs/msg/Float32")


def find_baseline_m(
    bag: Bag, depth: str, camera: str | None, notes: list[str], assumed: list[str]
) -> float:
    """The baseline of the camera that `depth` comes from, else of the user's, else a D435's.

    Args:
        bag: the recording.
        depth: topic of the depth images.
        camera: as of `Overrides`.
        notes: a sentence is added if the baseline is assumed.
        assumed: "baseline_m" is then added.
    """
    option = find_option(bag, depth, "stereo_baseline")
    # Only from the same camera: another model's baseline is worse than a default.
    topics = {t: k for t, k in bag.types.items() if is_of_camera(t, depth)}
    infos = [t for t, k in topics.items() if k == INFO and has_part(t, RIGHT)]
    extrinsics = [t for t, k in topics.items() if k == EXTRINSICS and t.endswith("depth_to_infra2")]
    candidates = [*infos, *extrinsics, *([option] if option else [])]
    first = bag.first_messages(candidates)
    for baseline_m in _read_baselines(first[t] for t in candidates if t in first):
        if 0 < baseline_m < MAX_BASELINE_M:
            return baseline_m
    if camera is not None:
        return baseline_of_camera(camera)
    assumed.append("baseline_m")
    reason = "the recording has no infra2/camera_info with it"
    if infos:
        reason = f"{infos[0]} has none (in its P, P[3] is not -fx * baseline)"
    notes.append(
        f"the baseline is assumed to be {DEFAULT_BASELINE_M} m, a D435's: {reason}; set it with "
        "--baseline or --camera"
    )
    return DEFAULT_BASELINE_M


def find_option(bag: Bag, depth: str, name: str) -> str | None:
    """The topic of an option of the sensor that depth comes from, in librealsense's recordings."""
    sensor = SDK_SENSOR.search(depth)
    if sensor is None:
        return None
    wanted = f"{sensor[0]}option/{name}/value".lower()
    options = [topic for topic, kind in bag.types.items() if kind in OPTION_TYPES]
    return next((t for t in options if t.lower().replace(" ", "_") == wanted), None)


def read_option(message: Any) -> float:
    """The value of an option: a number, or text since librealsense 2.59; 0 if it is neither."""
    try:
        return float(message.data)
    except ValueError:
        return 0.0


def _read_baselines(found: Iterable[Any]) -> Iterator[float]:
    for message in found:
        if message.__msgtype__ == INFO:
            yield baseline_from_info(message) or 0.0
        elif message.__msgtype__ == EXTRINSICS:
            yield baseline_from_translation(message.translation) or 0.0
        else:
            yield abs(read_option(message)) / 1000.0  # mm
