"""Objects of a scene: furniture, people, and thin objects.

Every maker returns surfaces about the origin, standing on z = 0, in metres.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import trimesh
from numpy.typing import ArrayLike

from rs_denoise.simulation.scenes.furniture import Furniture, Part
from rs_denoise.simulation.scenes.materials import GLASS, Material, random_material


@dataclass(frozen=True)
class Surface:
    """Triangles of one material."""

    part: Part
    material: Material

    def moved(self, turn: np.ndarray, scale: float, offset: np.ndarray) -> Surface:
        """Turned by [3, 3], scaled, then shifted."""
        vertices = self.part.vertices @ turn.T * scale + offset
        return Surface(part(vertices, self.part.faces), self.material)


Maker = Callable[[np.random.Generator, Furniture], list[Surface]]


def part(vertices: np.ndarray, faces: np.ndarray) -> Part:
    """Triangles with the dtypes of the renderer."""
    return Part(np.asarray(vertices, np.float32), np.asarray(faces, np.int32))


def box(low: ArrayLike, high: ArrayLike) -> Part:
    """An upright box between two corners."""
    mesh = trimesh.creation.box(extents=np.subtract(high, low))
    return part(mesh.vertices + np.add(low, high) / 2, mesh.faces)


def tube(points: ArrayLike, radius: float, sections: int = 8) -> Part:
    """A closed-walled tube along a polyline [N, 3]: cables, legs, bars."""
    path = np.asarray(points, float)
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    helper = np.where(np.abs(along[:, [2]]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    u = np.cross(along, helper)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    v = np.cross(along, u)
    angle = np.linspace(0, 2 * np.pi, sections, endpoint=False)[None, :, None]
    rings = path[:, None] + radius * (np.cos(angle) * u[:, None] + np.sin(angle) * v[:, None])
    i, j = np.meshgrid(np.arange(len(path) - 1), np.arange(sections), indexing="ij")
    a, b = i * sections + j, i * sections + (j + 1) % sections
    c, d = a + sections, b + sections
    faces = np.stack([np.stack([a, b, c], -1), np.stack([b, d, c], -1)]).reshape(-1, 3)
    return part(rings.reshape(-1, 3), faces)


def joined(parts: list[Part]) -> Part:
    """Many parts as one."""
    starts = np.cumsum([0] + [len(p.vertices) for p in parts[:-1]])
    faces = [p.faces + start for p, start in zip(parts, starts, strict=True)]
    return part(np.concatenate([p.vertices for p in parts]), np.concatenate(faces))


def furnished(rng: np.random.Generator, furniture: Furniture) -> list[Surface]:
    """A piece of furniture, or a primitive if there are no meshes."""
    if not len(furniture):
        return primitive(rng, furniture)
    return painted(rng, furniture, furniture.parts(int(rng.integers(len(furniture)))))


def household(rng: np.random.Generator, furniture: Furniture) -> list[Surface]:
    """Something that fits on a desk."""
    if not furniture.small:
        return [s.moved(np.eye(3), 0.3, np.zeros(3)) for s in primitive(rng, furniture)]
    return painted(rng, furniture, furniture.parts(int(rng.choice(furniture.small))))


def primitive(rng: np.random.Generator, furniture: Furniture) -> list[Surface]:
    """A ball, drum, board or box of 6 to 90 cm."""
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
    return painted(rng, furniture, [part(mesh.vertices, mesh.faces)])


def rods(rng: np.random.Generator, furniture: Furniture) -> list[Surface]:
    """One to four legs or poles, 4 to 40 mm thick, upright or leaning."""
    parts = []
    for _ in range(int(rng.integers(1, 5))):
        start = rng.uniform([-0.3, -0.3, 0.0], [0.3, 0.3, 0.05])
        end = start + rng.normal(0, [0.2, 0.2, 0.1]) + [0, 0, rng.uniform(0.3, 1.6)]
        parts.append(tube(np.stack([start, end]), random_thickness(rng, 0.002, 0.02)))
    return painted(rng, furniture, parts)


def cable(rng: np.random.Generator, furniture: Furniture) -> list[Surface]:
    """A hanging or winding cable, 3 to 20 mm thick."""
    t = np.linspace(0, 1, 24)[:, None]
    span = rng.normal(0, [0.7, 0.7, 0.3])
    sag = np.array([0, 0, rng.uniform(0.0, 0.5)]) * (4 * t * (t - 1))
    sway = 0.06 * np.sin(rng.uniform(0, 14) * t + rng.uniform(0, 6, 3))
    points = t * span + sag + sway
    return painted(rng, furniture, [tube(points, random_thickness(rng, 0.0015, 0.01))])


def fence(rng: np.random.Generator, furniture: Furniture) -> list[Surface]:
    """A grid of bars: mesh fences, railings, shelves of wire."""
    width, height = rng.uniform(0.5, 2.0), rng.uniform(0.4, 1.5)
    thick = random_thickness(rng, 0.002, 0.015)
    upright = np.linspace(-width / 2, width / 2, int(rng.integers(4, 16)))
    level = np.linspace(0.03, height, int(rng.integers(2, 9)))
    bars = [tube(np.array([[x, 0, 0], [x, 0, height]]), thick, 6) for x in upright]
    bars += [tube(np.array([[-width / 2, 0, z], [width / 2, 0, z]]), thick, 6) for z in level]
    return painted(rng, furniture, [joined(bars)])


def leaves(rng: np.random.Generator, furniture: Furniture) -> list[Surface]:
    """A plant-like bunch of narrow blades."""
    return painted(rng, furniture, [_blades(rng, int(rng.integers(10, 60)), np.zeros(3), 1.0)])


def tree(rng: np.random.Generator, furniture: Furniture) -> list[Surface]:
    """A trunk, some branches, and leaves at their ends."""
    height = rng.uniform(1.5, 4.0)
    top = np.array([*rng.normal(0, 0.15, 2), height])
    wood = [tube(np.stack([np.zeros(3), top / 2 + rng.normal(0, 0.05, 3), top]), height / 50)]
    crown = []
    for _ in range(int(rng.integers(5, 14))):
        start = top * rng.uniform(0.4, 1.0)
        end = start + rng.normal(0, 0.22 * height, 3) * [1, 1, 0.5]
        wood.append(tube(np.stack([start, end]), random_thickness(rng, 0.005, 0.02), 6))
        crown.append(_blades(rng, int(rng.integers(15, 50)), end, 1.2))
    return painted(rng, furniture, [joined(wood)]) + painted(rng, furniture, [joined(crown)])


def person(rng: np.random.Generator, furniture: Furniture) -> list[Surface]:
    """A walking person of 1.5 to 1.95 m, made of capsules: trousers, coat, skin."""
    height = rng.uniform(1.5, 1.95)
    hip, shoulder, stout = 0.5 * height, 0.82 * height, rng.uniform(0.8, 1.3)
    legs, body, skin = [], [], []
    step = rng.uniform(0, 0.35)
    for side in (-1, 1):
        foot = np.array([side * step, side * 0.09, 0.03])
        knee = np.array([side * step * 0.5 + 0.04, side * 0.09, hip / 2])
        legs.append(limb(np.stack([foot, knee, [0, side * 0.08, hip]]), 0.07 * stout))
        hand = np.array([rng.uniform(-0.3, 0.4), side * rng.uniform(0.2, 0.4), hip + 0.1])
        elbow = np.array([0.0, side * 0.3, (hip + shoulder) / 2 + 0.1])
        shoulders = np.array([0, side * 0.17 * stout, shoulder])
        body.append(limb(np.stack([shoulders, elbow]), 0.05 * stout))
        skin.append(limb(np.stack([elbow, hand]), 0.04))
    body.append(limb(np.array([[0, 0, hip], [0, 0, shoulder - 0.08]]), 0.16 * stout))
    head = trimesh.creation.icosphere(subdivisions=2, radius=0.065 * height)
    skin.append(part(head.vertices + [0, 0, 0.93 * height], head.faces))
    clothes = [joined(legs), joined(body), joined(skin)]
    return [Surface(p, random_material(rng, furniture)) for p in clothes]


def glassware(rng: np.random.Generator, furniture: Furniture) -> list[Surface]:
    """A pane, a bottle or a bowl of thin glass, a pane often in a frame."""
    if rng.random() < 0.5:
        width, height = rng.uniform(0.4, 1.6), rng.uniform(0.5, 2.0)
        pane = Surface(box([-width / 2, -0.003, 0.0], [width / 2, 0.003, height]), GLASS)
        corners = np.array([[-1, 0], [-1, 1], [1, 1], [1, 0], [-1, 0]]) * [width / 2, height]
        rim = np.insert(corners, 1, 0.0, axis=1)
        bars = [tube(rim[k : k + 2], 0.02) for k in range(4)]
        return [pane, *painted(rng, furniture, [joined(bars)])]
    radius = rng.uniform(0.03, 0.15)
    level = np.linspace(0, rng.uniform(0.08, 0.4), 12)
    profile = radius * np.clip(1 + 0.4 * np.sin(rng.uniform(0, 6) + 12 * level), 0.2, None)
    mesh = trimesh.creation.revolve(np.stack([profile, level], axis=1), sections=32)
    return [Surface(part(mesh.vertices, mesh.faces), GLASS)]


def rack(rng: np.random.Generator, furniture: Furniture) -> list[Surface]:
    """A warehouse rack with boxes on its levels."""
    width, depth = rng.uniform(1.8, 3.0), rng.uniform(0.5, 1.1)
    levels = np.cumsum(rng.uniform(0.45, 1.2, int(rng.integers(2, 5))))
    post = rng.uniform(0.02, 0.05)
    steel = []
    for x in (-width / 2, width / 2):
        for y in (-depth / 2, depth / 2):
            steel.append(box([x - post, y - post, 0], [x + post, y + post, levels[-1] + 0.3]))
    for z in levels:
        for y in (-depth / 2, depth / 2):
            steel.append(box([-width / 2, y - 0.02, z - 0.1], [width / 2, y + 0.02, z]))
    boards = [box([-width / 2, -depth / 2, z - 0.02], [width / 2, depth / 2, z]) for z in levels]
    surfaces = painted(rng, furniture, [joined(steel), joined(boards)])
    for z in (0.0, *levels):
        x = -width / 2 + rng.uniform(0, 0.3)
        while x < width / 2 - 0.3:
            size = rng.uniform([0.2, 0.3, 0.15], [0.6, depth, 0.42])
            carton = box([x, -size[1] / 2, z], [x + size[0], size[1] / 2, z + size[2]])
            if rng.random() < 0.75:
                surfaces += painted(rng, furniture, [carton])
            x += size[0] + rng.exponential(0.15)
    return surfaces


def cartons(rng: np.random.Generator, furniture: Furniture) -> list[Surface]:
    """A pallet with a stack of boxes."""
    slats = [box([-0.6, y, 0.09], [0.6, y + 0.1, 0.12]) for y in np.linspace(-0.4, 0.3, 6)]
    slats += [box([x, -0.4, 0], [x + 0.1, 0.4, 0.09]) for x in (-0.6, -0.05, 0.5)]
    stack, z = [], 0.12
    for _ in range(int(rng.integers(0, 5))):
        size, turn = rng.uniform(0.25, 0.55, 3) * [1, 0.7, 0.7], rng.normal(0, 0.05, 2)
        low = np.array([*turn, z]) - [size[0], size[1], 0]
        stack.append(box(low, low + [2 * size[0], 2 * size[1], size[2]]))
        z += size[2]
    return painted(rng, furniture, [joined(slats), *stack])


def painted(rng: np.random.Generator, furniture: Furniture, parts: list[Part]) -> list[Surface]:
    """Draws a material for each part, or in 30 % of the cases one for all."""
    one = random_material(rng, furniture) if rng.random() < 0.3 else None
    return [Surface(p, one or random_material(rng, furniture)) for p in parts]


def _blades(rng: np.random.Generator, count: int, root: np.ndarray, size: float) -> Part:
    base = root + rng.normal(0, [0.03, 0.03, 0.02], (count, 3))
    lean = rng.normal(0, [0.25, 0.25, 0.1], (count, 3))
    lean[:, 2] += rng.uniform(0.1, 0.6, count)
    lean *= size
    side = np.cross(lean, rng.normal(size=(count, 3)))
    side *= rng.uniform(0.008, 0.04, (count, 1)) / (np.linalg.norm(side, axis=1)[:, None] + 1e-6)
    middle = base + 0.5 * lean + rng.normal(0, 0.03, (count, 3))
    tip = base + lean
    corners = np.stack([base, middle + side, tip, base, tip, middle - side], axis=1).reshape(-1, 3)
    return part(corners, np.arange(len(corners)).reshape(-1, 3))


def limb(points: np.ndarray, radius: float) -> Part:
    """A rounded tube along a polyline [N, 3]: arms, legs, fingers."""
    ends = [trimesh.creation.icosphere(subdivisions=1, radius=radius) for _ in points]
    balls = [part(e.vertices + p, e.faces) for e, p in zip(ends, points, strict=True)]
    return joined([tube(points, radius, 12), *balls])


def random_thickness(rng: np.random.Generator, low: float, high: float) -> float:
    """Draws a radius in metres, log-uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
