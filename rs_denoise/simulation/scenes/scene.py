"""A random scene (reproducible by its seed): a place with a camera and objects in view.

World frame: metres, z up. Camera frame: x right, y down, z forward.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import trimesh

from rs_denoise.camera import Camera
from rs_denoise.simulation.presets import Preset
from rs_denoise.simulation.scenes import openwork
from rs_denoise.simulation.scenes.furniture import Furniture
from rs_denoise.simulation.scenes.objects import Surface, glassware
from rs_denoise.simulation.scenes.places import PLACES, Light, Place

# Relative frequency of each place.
PLACE_WEIGHTS = {"room": 0.40, "corridor": 0.12, "warehouse": 0.16, "desk": 0.17, "outdoors": 0.15}
# Most windows are open.
GLAZED = 0.08
# Fraction of scenes with objects that have gaps, their number, and their maximum distance, chosen
# so that a third of the frames of each place have more than 1 % of thin pixels at 424x240 without
# furniture. Of 40 frames each of a D415 at 848x480 with furniture, it is 50 % in rooms, 23 % in
# corridors, 35 % in warehouses, 23 % at desks and 62 % outdoors.
WITH_OPENWORK = 0.9
OPENWORK_COUNT = (1, 2)
MAX_OPENWORK_M = 4.5
# Free space in front of the camera, in multiples of `Preset.closest_m`.
ROOM_BEFORE_CAMERA = (1.2, 3.6)
# Objects that need not stand on the floor.
FLOATING = (openwork.hand, openwork.cables)


@dataclass(frozen=True)
class Scene:
    """The objects of a scene, their positions and the lights.

    Light weights are fractions of the left picture's brightness, not watts, because exposure
    normalises the sum anyway.

    Attributes:
        surfaces: everything that light can hit.
        pose: [4, 4] world from camera.
        lights: lamps and suns.
        sky: brightness where no ray hits anything, relative to that of lamps and suns.
        flood: weight of a light next to the camera, which lights the shadows.
        projector: brightness of the dots at full strength, relative to all other light.
        dots, dot_sigma: number of dots and their size in pattern pixels.
    """

    surfaces: list[Surface]
    pose: np.ndarray
    lights: list[Light]
    sky: float
    flood: float
    projector: float
    dots: int
    dot_sigma: float


def random_scene(
    rng: np.random.Generator, preset: Preset, furniture: Furniture, places: tuple[str, ...]
) -> Scene:
    """One of `places` (keys of PLACES) with objects placed along random camera rays.

    If the camera is not made for any of `places`, all of them are used.
    """
    places = tuple(name for name in places if name in preset.places) or places
    # Most scenes are tidy, like those in which real cameras were measured; some are cluttered.
    clutter = rng.random() ** 2.5
    weights = np.array([PLACE_WEIGHTS[name] for name in places])
    name = str(rng.choice(places, p=weights / weights.sum()))
    place = PLACES[name](rng, furniture)
    pose = _random_pose(rng, place)
    if place.floor == 0:  # around a table there is not enough space
        preset = replace(preset, closest_m=preset.closest_m * rng.uniform(*ROOM_BEFORE_CAMERA))
    surfaces = list(place.surfaces)
    makers, weights = list(place.objects), np.array(list(place.objects.values()))
    glazed = rng.random() < GLAZED
    count = round(place.count[0] + clutter * (place.count[1] - place.count[0]))
    for k in range(count):
        spot = _along_a_ray(rng, preset, pose, place)
        maker = makers[int(rng.choice(len(makers), p=weights / weights.sum()))]
        if glazed and k < 3:
            maker = glassware
        if spot is not None:
            surfaces += _put(rng, maker(rng, furniture), *spot, place.floor)
    if rng.random() < WITH_OPENWORK:
        for _ in range(int(rng.integers(OPENWORK_COUNT[0], OPENWORK_COUNT[1] + 1))):
            surfaces += _openwork_in_view(rng, preset, furniture, pose, place)
    if not glazed:
        surfaces = [s for s in surfaces if s.material.kind != "glass"]
    dimmed = 0.08 if place.outdoors else 1.0
    return Scene(
        surfaces=surfaces,
        pose=pose,
        lights=place.lights,
        sky=place.sky,
        flood=float(rng.uniform(0.1, 0.8)) * dimmed,
        projector=dimmed,
        dots=int(rng.integers(8_000, 20_001)),
        dot_sigma=float(rng.uniform(1.0, 2.0)),
    )


def camera_pose(position: np.ndarray, yaw: float, pitch: float, roll: float) -> np.ndarray:
    """World from camera: [4, 4]. Yaw 0 looks along +x, pitch > 0 looks up; radians."""
    forward = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)])
    right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    down = np.cross(forward, right)
    c, s = np.cos(roll), np.sin(roll)
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2] = c * right + s * down, c * down - s * right, forward
    pose[:3, 3] = position
    return pose


def _random_pose(rng: np.random.Generator, place: Place) -> np.ndarray:
    size = place.size
    low, high = place.camera_height
    position = np.array([*(size[:2] * rng.uniform(0.1, 0.9, 2)), rng.uniform(low, high)])
    pitch = rng.uniform(*place.pitch)
    if place.floor > 0:  # a table: look at its middle, from beside it
        away = (position[2] - place.floor) / np.tan(-pitch)
        angle = rng.uniform(0, 2 * np.pi)
        position[:2] = size[:2] / 2 - min(away, 0.9) * np.array([np.cos(angle), np.sin(angle)])
        return camera_pose(position, angle + rng.normal(0, 0.15), pitch, rng.normal(0, 0.05))
    # Towards the farther of two points, so that walls right in front of the lens are rare.
    spots = size[:2] * rng.uniform(0.1, 0.9, (2, 2)) - position[:2]
    x, y = max(spots, key=lambda spot: float(spot @ spot))
    yaw = np.arctan2(y, x) + rng.normal(0, 0.3)
    return camera_pose(position, yaw, pitch, rng.normal(0, 0.05))


def _openwork_in_view(
    rng: np.random.Generator, preset: Preset, furniture: Furniture, pose: np.ndarray, place: Place
) -> list[Surface]:
    """An object with gaps, near or far, that stands or floats in front of a random pixel."""
    maker = place.openwork[int(rng.integers(len(place.openwork)))]
    ray = _random_ray(rng, preset.camera, pose, margin=0.15)
    farthest = min(MAX_OPENWORK_M, 0.95 * _distance_to_wall(pose[:3, 3], ray, place))
    nearest = 1.3 * preset.closest_m
    depth = float(np.exp(rng.uniform(np.log(nearest), np.log(max(farthest, 1.1 * nearest)))))
    point = pose[:3, 3] + depth * ray
    stands = maker not in FLOATING and rng.random() < 0.8
    return _put(rng, maker(rng, furniture), point, depth, stands, place.floor)


def _random_ray(
    rng: np.random.Generator, camera: Camera, pose: np.ndarray, margin: float = 0.0
) -> np.ndarray:
    """A direction [3] in the world with length 1 along the optical axis, through a random pixel."""
    size = np.array([camera.width, camera.height])
    u, v = rng.uniform(margin * size, (1 - margin) * size)
    return pose[:3, :3] @ [(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, 1.0]


def _distance_to_wall(origin: np.ndarray, ray: np.ndarray, place: Place) -> float:
    with np.errstate(divide="ignore"):
        exits = np.where(ray > 0, place.size - origin, -origin) / ray
    return float(np.nanmin(np.where(np.abs(ray) < 1e-9, np.inf, exits)))


def _along_a_ray(
    rng: np.random.Generator, preset: Preset, pose: np.ndarray, place: Place
) -> tuple[np.ndarray, float, bool] | None:
    """A point on a random camera ray: position, distance and whether an object can stand there."""
    ray, origin = _random_ray(rng, preset.camera, pose), pose[:3, 3]
    wall = _distance_to_wall(origin, ray, place)
    depth = rng.uniform(1.2 * preset.closest_m, max(wall, 1.4 * preset.closest_m))
    if place.outdoors:  # large: most objects are near, where they matter to a robot
        depth = min(depth, rng.gamma(2.0, 2.0) + 0.8)
    down = (place.floor - origin[2]) / ray[2] if ray[2] < 0 else np.inf
    if down <= wall + 1e-6 and rng.random() < 0.85:
        depth = down
    if depth < preset.closest_m:
        return None
    point = origin + depth * ray
    on_floor = bool(abs(point[2] - place.floor) < 0.02) or rng.random() < 0.3
    return point, depth, on_floor


def _put(
    rng: np.random.Generator,
    thing: list[Surface],
    point: np.ndarray,
    depth: float,
    on_floor: bool,
    floor: float,
) -> list[Surface]:
    """A randomly turned object, standing on the floor under `point` or floating there."""
    if not thing:
        return []
    turn = trimesh.transformations.rotation_matrix(rng.uniform(0, 2 * np.pi), [0, 0, 1])[:3, :3]
    if not on_floor:
        turn = trimesh.transformations.random_rotation_matrix(rng.random(3))[:3, :3] @ turn
    vertices = np.concatenate([s.part.vertices for s in thing]) @ turn.T
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    # No object may enclose the camera: large ones are shrunk until there is some free space.
    scale = min(1.0, 0.8 * depth / (float(np.max(high - low)) + 1e-6))
    anchor = (low + high) / 2 * scale
    if on_floor:
        anchor[2] = low[2] * scale
        point = np.array([point[0], point[1], floor])
    return [s.moved(turn, scale, point - anchor) for s in thing]
