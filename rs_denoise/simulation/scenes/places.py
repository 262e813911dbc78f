"""Places for the camera: room, corridor, warehouse, desk, outdoors.

World frame: metres, z up, the floor at z = 0. A place fills the box from the origin to `size`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rs_denoise.simulation.scenes import objects, openwork
from rs_denoise.simulation.scenes.furniture import Furniture, Part
from rs_denoise.simulation.scenes.materials import GLASS, ground_material, random_material
from rs_denoise.simulation.scenes.objects import Maker, Surface, box, joined, part


@dataclass(frozen=True)
class Light:
    """A lamp or the sun.

    Attributes:
        at: [3] position of a lamp in metres, or the direction in which sunlight travels.
        sun: whether it is the sun.
        weight: mean brightness that it adds to the picture, relative to the other lights.
    """

    at: np.ndarray
    sun: bool
    weight: float


@dataclass(frozen=True)
class Place:
    """An empty place.

    Attributes:
        size: [3] extent in metres.
        surfaces: walls, floor and fixtures.
        lights: lamps and suns.
        sky: brightness where no ray hits anything, relative to that of lamps and suns.
        camera_height: lowest and highest, in metres.
        pitch: lowest and highest, in radians, up is positive.
        floor: height of the surface on which objects stand.
        count: minimum and maximum number of objects.
        objects: makers with their weights.
        openwork: makers of objects with gaps, of suitable sizes.
        outdoors: whether sunlight outshines the projector.
    """

    size: np.ndarray
    surfaces: list[Surface]
    lights: list[Light]
    sky: float
    camera_height: tuple[float, float]
    pitch: tuple[float, float]
    floor: float
    count: tuple[int, int]
    objects: dict[Maker, float]
    openwork: tuple[Maker, ...]
    outdoors: bool = False


INDOORS: dict[Maker, float] = {
    objects.furnished: 0.52,
    objects.primitive: 0.17,
    objects.rods: 0.08,
    objects.cable: 0.05,
    objects.leaves: 0.06,
    objects.person: 0.05,
    objects.fence: 0.03,
    objects.household: 0.04,
}

# Makers of objects with gaps, by place.
HOUSEHOLD = (
    openwork.slatted_chair, openwork.slatted_chair, openwork.table, openwork.plant, openwork.shelf,
    openwork.crate, openwork.cables, openwork.ladder, openwork.hand, openwork.legs,
    openwork.railing, openwork.wheel, objects.leaves,
)  # fmt: skip
INDUSTRY = (
    openwork.ladder, openwork.railing, openwork.shelf, openwork.crate, openwork.cables,
    openwork.legs, openwork.wheel, openwork.table, objects.rack, objects.fence, objects.rods,
)  # fmt: skip
TABLEWARE = (
    openwork.crate, openwork.plant, openwork.cables, openwork.hand, openwork.hand, objects.rods,
    openwork.wheel,
)  # fmt: skip
GARDEN = (
    openwork.railing, openwork.railing, openwork.plant, openwork.legs, openwork.wheel,
    openwork.slatted_chair, openwork.ladder, objects.fence, objects.leaves,
)  # fmt: skip


def room(rng: np.random.Generator, furniture: Furniture) -> Place:
    """A furnished room of 2 to 7 m, a quarter of them with a sunny window."""
    size = np.array([rng.uniform(2.0, 7.0), rng.uniform(2.0, 7.0), rng.uniform(2.2, 3.2)])
    surfaces, lights = _walls(rng, furniture, size), _lamps(rng, size, 1, 2)
    if rng.random() < 0.25:
        surfaces, sun = _with_window(rng, furniture, size, surfaces)
        lights.append(sun)
    return Place(
        size, surfaces, lights, sky=float(rng.uniform(1, 6)), camera_height=(0.25, 1.7),
        pitch=(-0.55, 0.25), floor=0.0, count=(8, 30), objects=INDOORS,
        openwork=HOUSEHOLD,
    )  # fmt: skip


def corridor(rng: np.random.Generator, furniture: Furniture) -> Place:
    """A passage of 1.2 to 2.6 m width with doors and pipes, and few things in it."""
    size = np.array([rng.uniform(5.0, 16.0), rng.uniform(1.2, 2.6), rng.uniform(2.2, 3.0)])
    surfaces = _walls(rng, furniture, size)
    door = random_material(rng, furniture)
    for x in np.arange(rng.uniform(0.3, 1.5), size[0] - 1.0, rng.uniform(1.4, 3.5)):
        y, depth = (0.0, 0.04) if rng.random() < 0.5 else (size[1], -0.04)
        low, high = [x, min(y, y + depth), 0.0], [x + 0.9, max(y, y + depth), 2.05]
        surfaces.append(Surface(box(low, high), door))
    pipe_z = rng.uniform(0.1, size[2] - 0.1)
    pipe = objects.tube([[0, 0.08, pipe_z], [size[0], 0.08, pipe_z]], rng.uniform(0.01, 0.05))
    surfaces.append(Surface(pipe, random_material(rng, furniture)))
    return Place(
        size, surfaces, _lamps(rng, size, 1, 3), sky=0.0, camera_height=(0.2, 1.6),
        pitch=(-0.4, 0.2), floor=0.0, count=(2, 10), objects=INDOORS,
        openwork=HOUSEHOLD,
    )  # fmt: skip


def warehouse(rng: np.random.Generator, furniture: Furniture) -> Place:
    """A hall or laboratory of 7 to 18 m with racks, pallets, fences and people."""
    size = np.array([rng.uniform(7.0, 18.0), rng.uniform(7.0, 18.0), rng.uniform(3.5, 7.0)])
    choice: dict[Maker, float] = {
        objects.rack: 0.24,
        objects.cartons: 0.22,
        objects.fence: 0.09,
        objects.person: 0.08,
        objects.furnished: 0.16,
        objects.primitive: 0.08,
        objects.rods: 0.07,
        objects.cable: 0.06,
    }
    return Place(
        size, _walls(rng, furniture, size), _lamps(rng, size, 1, 3), sky=0.0,
        camera_height=(0.2, 2.0), pitch=(-0.4, 0.2), floor=0.0, count=(6, 18), objects=choice,
        openwork=INDUSTRY,
    )  # fmt: skip


def desk(rng: np.random.Generator, furniture: Furniture) -> Place:
    """A table top with household objects seen from close by, as by a gripper's camera."""
    size = np.array([rng.uniform(2.0, 5.0), rng.uniform(2.0, 5.0), rng.uniform(2.2, 3.0)])
    top = float(rng.uniform(0.6, 0.95))
    centre, half = size[:2] / 2, rng.uniform([0.5, 0.4], [1.0, 0.8])
    low, high = [*(centre - half), top - 0.03], [*(centre + half), top]
    surfaces = _walls(rng, furniture, size)
    surfaces.append(Surface(box(low, high), random_material(rng, furniture)))
    choice: dict[Maker, float] = {
        objects.household: 0.67,
        objects.primitive: 0.14,
        objects.cable: 0.09,
        objects.rods: 0.05,
        objects.leaves: 0.05,
    }
    return Place(
        size, surfaces, _lamps(rng, size, 1, 2), sky=0.0,
        camera_height=(top + 0.12, min(top + 0.9, size[2] - 0.1)), pitch=(-1.2, -0.3), floor=top,
        count=(5, 16), objects=choice, openwork=TABLEWARE,
    )  # fmt: skip


def outdoors(rng: np.random.Generator, furniture: Furniture) -> Place:
    """Uneven ground under the sky with houses, trees, fences and people; the sun outshines dots."""
    size = np.array([24.0, 24.0, 8.0])
    surfaces = [Surface(_ground(rng, size), ground_material(rng))]
    for _ in range(int(rng.integers(0, 4))):
        corner, extent = rng.uniform(0, 20, 2), rng.uniform([2, 2, 2], [8, 8, 7])
        if np.all(np.abs(corner + extent[:2] / 2 - 12) > extent[:2] / 2 + 1.5):
            house = box([*corner, 0], [*(corner + extent[:2]), extent[2]])
            surfaces.append(Surface(house, random_material(rng, furniture)))
    choice: dict[Maker, float] = {
        objects.tree: 0.28,
        objects.leaves: 0.20,
        objects.person: 0.12,
        objects.fence: 0.12,
        objects.rods: 0.10,
        objects.primitive: 0.08,
        objects.cartons: 0.05,
        objects.cable: 0.05,
    }
    sun = np.array([rng.uniform(-1, 1), rng.uniform(-1, 1), -rng.uniform(0.3, 1.5)])
    # Skylight comes from all directions; two lights from above replace a noisy environment map.
    lights = [
        Light(sun, True, float(rng.uniform(0.0, 1.5))),
        Light(np.array([0.3, 0.2, -1.0]), True, 0.5),
        Light(np.array([-0.6, -0.5, -0.6]), True, 0.3),
    ]
    return Place(
        size, surfaces, lights, sky=float(rng.uniform(1, 5)), camera_height=(0.35, 3.0),
        pitch=(-0.6, 0.15), floor=0.0, count=(6, 22), objects=choice, openwork=GARDEN,
        outdoors=True,
    )  # fmt: skip


def _walls(rng: np.random.Generator, furniture: Furniture, size: np.ndarray) -> list[Surface]:
    """Floor, ceiling and four walls, as two triangles each."""
    x, y, z = size
    corners = np.array([[a, b, c] for a in (0, x) for b in (0, y) for c in (0, z)])
    sides = ([0, 1, 3, 2], [4, 5, 7, 6], [0, 1, 5, 4], [2, 3, 7, 6], [0, 2, 6, 4], [1, 3, 7, 5])
    quads = [part(corners[side], np.array([[0, 1, 2], [0, 2, 3]])) for side in sides]
    return [Surface(quad, random_material(rng, furniture)) for quad in quads]


def _with_window(
    rng: np.random.Generator, furniture: Furniture, size: np.ndarray, walls: list[Surface]
) -> tuple[list[Surface], Light]:
    """The wall at y = 0 with a hole, glass in it, and the sun behind."""
    x, z = size[0], size[2]
    left, right = np.sort(rng.uniform(0.1, 0.9, 2) * x)
    right = max(right, left + 0.4)
    low, high = rng.uniform(0.0, 1.0), rng.uniform(1.6, z - 0.1)
    rectangles = [
        (0, left, 0, z), (right, x, 0, z), (left, right, 0, low), (left, right, high, z),
    ]  # fmt: skip
    wall = joined([_upright(*r) for r in rectangles])
    pane = Surface(_upright(left, right, low, high), GLASS)
    sun = Light(np.array([rng.uniform(-0.8, 0.8), 1.0, -rng.uniform(0.3, 1.2)]), True,
                float(rng.uniform(0.05, 0.4)))  # fmt: skip
    holed = Surface(wall, walls[2].material)
    return [*walls[:2], holed, *walls[3:], pane], sun


def _upright(x0: float, x1: float, z0: float, z1: float) -> Part:
    corners = np.array([[x0, 0, z0], [x1, 0, z0], [x1, 0, z1], [x0, 0, z1]])
    return part(corners, np.array([[0, 1, 2], [0, 2, 3]]))


def _lamps(rng: np.random.Generator, size: np.ndarray, fewest: int, most: int) -> list[Light]:
    count = int(rng.integers(fewest, most + 1))
    places = size * rng.uniform([0.1, 0.1, 0.95], [0.9, 0.9, 0.95], (count, 3))
    return [Light(place, False, float(rng.uniform(0.2, 1.0))) for place in places]


def _ground(rng: np.random.Generator, size: np.ndarray, step: float = 0.4) -> Part:
    """A bumpy sheet around z = 0, wider than the place."""
    count = int(3 * size[0] / step)
    i, j = np.meshgrid(np.arange(count), np.arange(count), indexing="ij")
    x, y = (i * step - size[0]), (j * step - size[1])
    z = rng.uniform(0, 0.03) * rng.normal(size=x.shape)
    for wavelength in (3.0, 9.0):
        phase = rng.uniform(0, 6.3, 2)
        waves = np.sin(x / wavelength + phase[0]) * np.sin(y / wavelength + phase[1])
        z += rng.uniform(0, 0.012) * wavelength * waves
    a = (i * count + j)[:-1, :-1].ravel()
    faces = np.concatenate(
        [np.stack([a, a + count, a + 1], 1), np.stack([a + 1, a + count, a + count + 1], 1)]
    )
    return part(np.stack([x, y, z], -1).reshape(-1, 3), faces)


PLACES = {
    "room": room,
    "corridor": corridor,
    "warehouse": warehouse,
    "desk": desk,
    "outdoors": outdoors,
}
