"""Frame folders, one per frame: depth, infra1, infra2 and ground_truth as PNG, and camera.json.

camera.json holds the camera, the stamp (stamp_ns) if it is known, the unit of depth.png in mm
(depth_unit_mm) if it is not 1, and notes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from rs_denoise.camera import Camera
from rs_denoise.depth import MAX_DEPTH_MM, convert_units, to_uint16_mm
from rs_denoise.recordings.atomic_output import atomic_output
from rs_denoise.recordings.folders.image_camera import camera_of_size
from rs_denoise.recordings.frame import MAX_STAMP_NS, Frame, RecordingError
from rs_denoise.recordings.images import read_png, write_png

INFRARED_PNG, GROUND_TRUTH_PNG = "infra1.png", "ground_truth.png"
NO_CAMERA = "no camera.json"
# The unit in which depth of a camera with a finer unit than 1 mm is stored: a D405's. Up to 6.5 m.
FINE_UNIT_MM = 0.1


def find_frames(path: Path) -> tuple[list[Path], dict[Path, str]]:
    """Finds the frame folders under `path` (itself or its children), and the reasons of others.

    Returns:
        The frame folders by name, and the folders that have depth but were skipped, with the
        reason.

    Raises:
        RecordingError: there is no such folder, or it holds no frame.
    """
    if not path.is_dir():
        raise RecordingError(f"{path}: not a folder; expected a frame folder or a folder of them")
    candidates = [path] if (path / "depth.png").exists() else sorted(path.iterdir())
    candidates = [p for p in candidates if (p / "depth.png").exists()]
    if not candidates:
        raise RecordingError(
            f"{path}: no frame in it; expected folders with depth.png and camera.json"
        )
    skipped = {p: NO_CAMERA for p in candidates if not (p / "camera.json").exists()}
    return [p for p in candidates if p not in skipped], skipped


def read_frame(folder: Path, camera_name: str | None = None) -> Frame:
    """Reads one frame; infrared and ground truth are None if their files are missing.

    Args:
        folder: of the frame.
        camera_name: as of `camera_of_size`; used if there is no camera.json.

    Raises:
        RecordingError: an image cannot be decoded, or has an unexpected type or size.
        CameraError: camera.json is missing or wrong.
    """
    camera, fields = _read_camera(folder, camera_name)
    depth = _read_image(folder / "depth.png", np.uint16, camera)
    return Frame(
        name=folder.name,
        camera=camera,
        depth_mm=convert_units(depth, _read_unit_mm(folder, fields) / 1000),
        infrared=_read_optional(folder / INFRARED_PNG, np.uint8, camera),
        ground_truth_mm=_read_optional(folder / GROUND_TRUTH_PNG, np.uint16, camera),
        infrared_right=_read_optional(folder / "infra2.png", np.uint8, camera),
        stamp_ns=_read_stamp_ns(folder, fields),
    )


def _read_camera(folder: Path, camera_name: str | None) -> tuple[Camera, dict[str, Any]]:
    """The camera, and all that camera.json holds."""
    path = folder / "camera.json"
    if camera_name is not None and not path.exists():
        height, width = read_png(folder / "depth.png").shape[:2]
        return camera_of_size(camera_name, width, height), {}
    camera = Camera.from_file(path)
    return camera, json.loads(path.read_text("utf-8-sig"))


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
    unit_mm = _choose_unit_mm(frame.depth_mm)
    if unit_mm != 1:
        notes["depth_unit_mm"] = unit_mm
    images = {
        "depth.png": _convert_to_unit(frame.depth_mm, unit_mm),
        INFRARED_PNG: frame.infrared,
        "infra2.png": frame.infrared_right,
        GROUND_TRUTH_PNG: frame.ground_truth_mm,
    }
    for name, image in images.items():
        if image is not None:
            write_png(folder / name, image)
    if not notes.get("assumed"):
        notes.pop("assumed", None)
    if frame.stamp_ns is not None:
        notes["stamp_ns"] = frame.stamp_ns
    with atomic_output(folder / "camera.json") as unfinished:
        frame.camera.to_file(unfinished, **notes)


def convert_as_stored(depth_mm: np.ndarray, measured_mm: np.ndarray) -> np.ndarray:
    """Depth of a frame, in the unit in which `write_frame` stores what the camera measured.

    Args:
        depth_mm: [H, W], any real type, mm.
        measured_mm: [H, W], the frame's `depth_mm`.

    Returns:
        [H, W] uint16; 0 where it is invalid or the unit cannot represent it.
    """
    return _convert_to_unit(depth_mm, _choose_unit_mm(measured_mm))


def _choose_unit_mm(depth_mm: np.ndarray) -> float:
    """0.1 mm for depth that is not in whole mm and near enough, else 1 mm."""
    is_fine = depth_mm.dtype.kind == "f" and depth_mm.max() / FINE_UNIT_MM <= MAX_DEPTH_MM
    return FINE_UNIT_MM if is_fine else 1.0


def _convert_to_unit(depth_mm: np.ndarray, unit_mm: float) -> np.ndarray:
    is_stored_as_it_is = unit_mm == 1 and depth_mm.dtype == np.uint16
    return depth_mm if is_stored_as_it_is else to_uint16_mm(depth_mm / unit_mm)


def _read_unit_mm(folder: Path, fields: dict[str, Any]) -> float:
    unit_mm = fields.get("depth_unit_mm", 1.0)
    if type(unit_mm) not in (int, float) or not 0.001 <= unit_mm <= 100:
        raise RecordingError(
            f"{folder / 'camera.json'}: depth_unit_mm is {unit_mm!r}, expected 0.001 to 100 mm"
        )
    return float(unit_mm)


def _read_stamp_ns(folder: Path, fields: dict[str, Any]) -> int | None:
    stamp_ns = fields.get("stamp_ns")
    if stamp_ns is not None and not (type(stamp_ns) is int and 0 <= stamp_ns <= MAX_STAMP_NS):
        path = folder / "camera.json"
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
