"""Frame folders, one per frame: depth, infra1, infra2 and ground_truth as PNG, and camera.json.

camera.json holds the camera, the stamp (stamp_ns) if it is known, and notes.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from rs_denoise.camera import Camera
from rs_denoise.recordings.complete_output import complete_or_absent
from rs_denoise.recordings.frame import MAX_STAMP_NS, Frame, RecordingError
from rs_denoise.recordings.images import read_png, write_png

INFRARED_PNG = "infra1.png"


def find_frames(path: Path) -> tuple[list[Path], dict[Path, str]]:
    """Finds the frame folders under `path` (itself or its children), and the reasons of others.

    Returns:
        The frame folders by name, and the folders that have depth but were skipped, with the
        reason.

    Raises:
        RecordingError: there is no such folder, or it holds no frame.
    """
    if not path.is_dir():
        raise RecordingError(f"{path}: no such folder; expected a frame folder or a folder of them")
    candidates = [path] if (path / "depth.png").exists() else sorted(p for p in path.iterdir())
    candidates = [p for p in candidates if (p / "depth.png").exists()]
    if not candidates:
        raise RecordingError(
            f"{path}: no frame in it; expected folders with depth.png and camera.json"
        )
    skipped = {p: "no camera.json" for p in candidates if not (p / "camera.json").exists()}
    return [p for p in candidates if p not in skipped], skipped


def read_frame(folder: Path) -> Frame:
    """Reads one frame; infrared and ground truth are None if their files are missing.

    Raises:
        RecordingError: an image cannot be decoded, or has an unexpected type or size.
        CameraError: camera.json is missing or wrong.
    """
    camera = Camera.from_json(folder / "camera.json")
    return Frame(
        name=folder.name,
        camera=camera,
        depth_mm=_read_image(folder / "depth.png", np.uint16, camera),
        infrared=_read_optional(folder / INFRARED_PNG, np.uint8, camera),
        ground_truth_mm=_read_optional(folder / "ground_truth.png", np.uint16, camera),
        infrared_right=_read_optional(folder / "infra2.png", np.uint8, camera),
        stamp_ns=_read_stamp_ns(folder / "camera.json"),
    )


def read_assumed(folder: Path) -> list[str]:
    """The fields of camera.json that had to be assumed when it was written."""
    try:
        assumed = json.loads((folder / "camera.json").read_text("utf-8-sig")).get("assumed", [])
    except (OSError, ValueError, AttributeError, RecursionError):
        return []
    return [str(name) for name in assumed] if isinstance(assumed, list) else []


def write_frame(folder: Path, frame: Frame, **notes: object) -> None:
    """Writes `frame`. camera.json appears last, so a folder that has one is complete.

    Args:
        folder: made if needed.
        frame: what to write.
        notes: further keys of camera.json. `assumed` is the list of the camera's fields that had to
            be assumed; an empty one is left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    images = {
        "depth.png": frame.depth_mm,
        INFRARED_PNG: frame.infrared,
        "infra2.png": frame.infrared_right,
        "ground_truth.png": frame.ground_truth_mm,
    }
    for name, image in images.items():
        if image is not None:
            write_png(folder / name, image)
    if not notes.get("assumed"):
        notes.pop("assumed", None)
    if frame.stamp_ns is not None:
        notes["stamp_ns"] = frame.stamp_ns
    with complete_or_absent(folder / "camera.json") as unfinished:
        frame.camera.to_json(unfinished, **notes)


def _read_stamp_ns(path: Path) -> int | None:
    stamp_ns = json.loads(path.read_text("utf-8-sig")).get("stamp_ns")
    if stamp_ns is not None and not (type(stamp_ns) is int and 0 <= stamp_ns <= MAX_STAMP_NS):
        raise RecordingError(f"{path}: stamp_ns is {stamp_ns!r}, expected whole nanoseconds")
    return stamp_ns


def _read_optional(path: Path, dtype: type, camera: Camera) -> np.ndarray | None:
    return _read_image(path, dtype, camera) if path.exists() else None


def _read_image(path: Path, dtype: type, camera: Camera) -> np.ndarray:
    image = read_png(path)
    expected = (camera.height, camera.width)
    if image.dtype != dtype or image.shape != expected:
        raise RecordingError(
            f"{path}: expected {np.dtype(dtype).name} of {camera.width}x{camera.height} as "
            f"camera.json says, got {image.dtype} of shape {image.shape}"
        )
    return image
