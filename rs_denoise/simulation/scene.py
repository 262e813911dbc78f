"""Rooms full of things, at random but the same for the same seed.

World frame: metres, z up, the floor at z = 0. Camera frame: x right, y down, z forward.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh

from rs_denoise.camera import Camera
from rs_denoise.simulation.furniture import Furniture, Part
from rs_denoise.simulation.materials import Material, random_material


@dataclass(frozen=True)
class Surface:
    """Triangles of one material in the world frame."""

    part: Part
    material: Material


@dataclass(frozen=True)
class Scene:
    """What stands where, and how it is lit.

    Light weights are shares in the left picture, not watts: exposure levels the sum anyway.

    Attributes:
        surfaces: everything that light can hit.
        pose: [4, 4] world from camera.
        ceiling_lights: positions in the world frame, each with its weight.
        flood: weight of a light beside the camera, which fills the shadows.
        projector: brightness of the dots against all other light; 0 is off.
        dots, dot_sigma: number of dots and their size in pattern pixels.
    """

    surfaces: list[Surface]
    pose: np.ndarray
    ceiling_lights: list[tuple[np.ndarray, float]]
    flood: float
    projector: float
    dots: int
    dot_sigma: float


def random_scene(rng: np.random.Generator, camera: Camera, furniture: Furniture) -> Scene:
    """A room, a camera in it, and 8 to 30 things placed along random camera rays."""
    size = np.array([rng.uniform(2.0, 7.0), rng.uniform(2.0, 7.0), rng.uniform(2.2, 3.2)])
    pose = _random_pose(rng, size)
    surfaces = [Surface(part, random_material(rng)) for part in _room(size)]
    for _ in range(int(rng.integers(8, 31))):
        place = _place_along_ray(rng, camera, pose, size)
        if place is not None:
            surfaces += _thing(rng, furniture, *place)
    lights = [
        (size * [rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9), 0.95], rng.uniform(0.2, 1.0))
        for _ in range(int(rng.integers(1, 3)))
    ]
    return Scene(
        surfaces=surfaces,
        pose=pose,
        ceiling_lights=lights,
        flood=float(rng.uniform(0.1, 0.8)),
        projector=0.0 if rng.random() < 0.08 else float(np.exp(rng.uniform(-0.7, 1.4))),
        dots=int(rng.integers(8_000, 20_001)),
        dot_sigma=float(rng.uniform(0.8, 1.6)),
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


def _random_pose(rng: np.random.Generator, size: np.ndarray) -> np.ndarray:
    position = np.array(
        [*(size[:2] * rng.uniform(0.1, 0.9, 2)), min(rng.uniform(0.25, 1.7), size[2] - 0.3)]
    )
    # Half of the cameras look across the room, so that walls right before the lens stay rare.
    centre = size[:2] / 2 - position[:2]
    yaw = np.arctan2(centre[1], centre[0]) + rng.normal(0, 0.6 if rng.random() < 0.6 else 2.0)
    return camera_pose(position, yaw, rng.uniform(-0.55, 0.25), rng.normal(0, 0.05))


def _room(size: np.ndarray) -> list[Part]:
    box = trimesh.creation.box(extents=size)
    box.apply_translation(size / 2)
    sides = [np.flatnonzero(box.face_normals @ n > 0.9) for n in np.vstack([np.eye(3), -np.eye(3)])]
    return [_part(box.vertices, box.faces[side]) for side in sides]


def _place_along_ray(
    rng: np.random.Generator, camera: Camera, pose: np.ndarray, size: np.ndarray
) -> tuple[np.ndarray, float, bool] | None:
    """Where a random camera ray is met: position, distance and whether that is on the floor."""
    pixel = rng.uniform([0, 0], [camera.width, camera.height])
    ray = pose[:3, :3] @ [
        (pixel[0] - camera.cx) / camera.fx,
        (pixel[1] - camera.cy) / camera.fy,
        1.0,
    ]
    origin = pose[:3, 3]
    with np.errstate(divide="ignore"):
        exits = np.where(ray > 0, size - origin, -origin) / ray
    wall = float(np.nanmin(np.where(np.abs(ray) < 1e-9, np.inf, exits)))
    depth = rng.uniform(0.6, max(wall, 0.7))
    if ray[2] < 0 and (floor := -origin[2] / ray[2]) <= wall + 1e-6 and rng.random() < 0.85:
        depth = floor
    if depth < 0.5:
        return None
    point = origin + depth * ray
    on_floor = bool(point[2] < 0.02) or rng.random() < 0.3
    return point, depth, on_floor


def _thing(
    rng: np.random.Generator, furniture: Furniture, point: np.ndarray, depth: float, on_floor: bool
) -> list[Surface]:
    """Furniture, a primitive, a thin rod, or leaves, standing on the floor or in mid-air."""
    choice = rng.random()
    if choice < 0.55 and len(furniture):
        parts = furniture.parts(int(rng.integers(len(furniture))))
    elif choice < 0.80:
        parts = [_primitive(rng)]
    elif choice < 0.92:
        parts = [_rod(rng) for _ in range(int(rng.integers(1, 5)))]
    else:
        parts = [_leaves(rng)]
    if not parts:
        return []
    turn = trimesh.transformations.rotation_matrix(rng.uniform(0, 2 * np.pi), [0, 0, 1])[:3, :3]
    if not on_floor:
        turn = trimesh.transformations.random_rotation_matrix(rng.random(3))[:3, :3] @ turn
    vertices = np.concatenate([p.vertices for p in parts]) @ turn.T
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    # Nothing may swallow the camera: large things shrink until they leave it some room.
    scale = min(1.0, 0.8 * depth / (float(np.max(high - low)) + 1e-6))
    anchor = (low + high) / 2 * scale
    if on_floor:
        anchor[2] = low[2] * scale
        point = np.array([point[0], point[1], 0.0])
    offset = point - anchor
    one_material = random_material(rng) if rng.random() < 0.3 else None
    return [
        Surface(
            _part(part.vertices @ turn.T * scale + offset, part.faces),
            one_material or random_material(rng),
        )
        for part in parts
    ]


def _primitive(rng: np.random.Generator) -> Part:
    size = np.exp(rng.uniform(np.log(0.06), np.log(0.9), 3))
    choice = rng.integers(4)
    if choice == 0:
        mesh = trimesh.creation.icosphere(subdivisions=3, radius=size[0] / 2)
    elif choice == 1:
        mesh = trimesh.creation.cylinder(radius=size[0] / 2, height=size[1], sections=32)
    elif choice == 2:
        mesh = trimesh.creation.box(extents=[size[0], size[1], 0.01 + 0.1 * size[2]])
    else:
        mesh = trimesh.creation.box(extents=size)
    return _part(mesh.vertices, mesh.faces)


def _rod(rng: np.random.Generator) -> Part:
    """A leg, pole or cable: 4 to 40 mm thick, upright or leaning."""
    start = rng.uniform([-0.3, -0.3, 0.0], [0.3, 0.3, 0.05])
    end = start + rng.normal(0, [0.2, 0.2, 0.1]) + [0, 0, rng.uniform(0.3, 1.6)]
    radius = np.exp(rng.uniform(np.log(0.002), np.log(0.02)))
    mesh = trimesh.creation.cylinder(radius=radius, segment=[start, end], sections=10)
    return _part(mesh.vertices, mesh.faces)


def _leaves(rng: np.random.Generator) -> Part:
    """A plant-like bunch of narrow blades."""
    blades = []
    for _ in range(int(rng.integers(10, 60))):
        root, lean = rng.normal(0, [0.03, 0.03, 0.02]), rng.normal(0, [0.25, 0.25, 0.1])
        tip = root + lean + [0, 0, rng.uniform(0.1, 0.6)]
        side = np.cross(tip - root, rng.normal(size=3))
        side *= rng.uniform(0.008, 0.04) / (float(np.linalg.norm(side)) + 1e-6)
        middle = root + 0.5 * (tip - root) + rng.normal(0, 0.03, 3)
        blades.append([root, middle + side, tip, root, tip, middle - side])
    vertices = np.concatenate(blades)
    return _part(vertices, np.arange(len(vertices)).reshape(-1, 3))


def _part(vertices: np.ndarray, faces: np.ndarray) -> Part:
    return Part(np.asarray(vertices, np.float32), np.asarray(faces, np.int32))
