"""Objects with gaps, which stereo matchers tend to bridge: slats, spokes, wires, stems, fingers.

Like all makers of `objects`, these return surfaces about the origin, standing on z = 0, in metres.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from rs_denoise.simulation.scenes.furniture import Furniture, Part
from rs_denoise.simulation.scenes.objects import (
    Surface,
    box,
    joined,
    limb,
    painted,
    part,
    random_thickness,
    tube,
)


def slatted_chair(rng: np.random.Generator, furniture: Furniture) -> list[Surface]:
    """A chair whose back has upright or level slats, or a stool without a back."""
    width, depth, seat = rng.uniform(0.36, 0.55), rng.uniform(0.36, 0.5), rng.uniform(0.4, 0.5)
    top = seat + rng.uniform(0.3, 0.6)
    leg = random_thickness(rng, 0.008, 0.025)
    splay = rng.uniform(0, 0.06)
    wood, x, y = [], width / 2 - leg, depth / 2 - leg
    for side in (-1, 1):
        for end in (-1, 1):
            foot = [side * (x + splay), end * (y + splay), 0]
            wood.append(tube([foot, [side * x, end * y, seat]], leg))
    for side in (-1, 1):
        wood.append(tube([[side * x, -y, 0.4 * seat], [side * x, y, 0.4 * seat]], 0.6 * leg))
    panel = box([-width / 2, -depth / 2, seat], [width / 2, depth / 2, seat + 0.025])
    if rng.random() < 0.8:
        corners = [[-x, y, seat], [-x, y + 0.08, top]], [[x, y, seat], [x, y + 0.08, top]]
        wood += [tube(corner, leg) for corner in corners]
        left, right = (np.array(corner) for corner in corners)
        wood += _slats(
            rng, left[0], left[1], right[0], right[1], random_thickness(rng, 0.004, 0.02)
        )
    return painted(rng, furniture, [joined(wood), panel])


def ladder(rng: np.random.Generator, furniture: Furniture) -> list[Surface]:
    """A step ladder or a leaning one: two rails with rungs."""
    width, height = rng.uniform(0.35, 0.6), rng.uniform(1.2, 2.6)
    rail = random_thickness(rng, 0.012, 0.03)
    steps = np.arange(0.25, height, rng.uniform(0.22, 0.32)).tolist()
    metal = []
    for lean in (-1, 1) if rng.random() < 0.5 else (1,):
        run = lean * height * rng.uniform(0.15, 0.35)
        for side in (-0.5, 0.5):
            metal.append(tube([[side * width, run, 0], [side * width, 0, height]], rail))
        for z in steps:
            y = run * (1 - z / height)
            metal.append(tube([[-width / 2, y, z], [width / 2, y, z]], 0.7 * rail))
    return painted(rng, furniture, [joined(metal)])


def table(rng: np.random.Generator, furniture: Furniture) -> list[Surface]:
    """A thin-legged table, often with crossed legs or stretchers."""
    size = rng.uniform([0.5, 0.4, 0.4], [1.6, 0.9, 0.8])
    leg = random_thickness(rng, 0.008, 0.03)
    x, y, z = size[0] / 2 - leg, size[1] / 2 - leg, size[2]
    top = box(
        [-size[0] / 2, -size[1] / 2, z], [size[0] / 2, size[1] / 2, z + rng.uniform(0.01, 0.04)]
    )
    crossed = rng.random() < 0.3
    legs = []
    for side in (-1, 1):
        for end in (-1, 1):
            foot = [side * x, (-end if crossed else end) * y, 0]
            legs.append(tube([foot, [side * x, end * y, z]], leg))
    if rng.random() < 0.6:
        low = rng.uniform(0.08, 0.5) * z
        legs += [tube([[side * x, -y, low], [side * x, y, low]], 0.7 * leg) for side in (-1, 1)]
        legs.append(tube([[-x, 0, low], [x, 0, low]], 0.7 * leg))
    return painted(rng, furniture, [joined(legs), top])


def crate(rng: np.random.Generator, furniture: Furniture) -> list[Surface]:
    """A crate, basket or dish rack of boards or wires with gaps between them."""
    size = rng.uniform([0.25, 0.2, 0.12], [0.7, 0.5, 0.5])
    thick = random_thickness(rng, 0.002, 0.012)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]) * size[:2] / 2
    wires = []
    for a, b in pairwise(corners):
        low_a, low_b, high_a, high_b = ([*p, z] for z in (thick, size[2]) for p in (a, b))
        wires += [tube([low_a, high_a], 1.3 * thick), tube([low_a, low_b], thick)]
        wires.append(tube([high_a, high_b], thick))
        wires += _slats(
            rng, np.array(low_a), np.array(high_a), np.array(low_b), np.array(high_b), thick
        )
    bottom = box([-size[0] / 2, -size[1] / 2, 0], [size[0] / 2, size[1] / 2, thick])
    return painted(
        rng, furniture, [joined(wires), bottom] if rng.random() < 0.5 else [joined(wires)]
    )


def railing(rng: np.random.Generator, furniture: Furniture) -> list[Surface]:
    """A railing or garden fence: posts, a rail above and one below, balusters or boards between."""
    width, height = rng.uniform(1.0, 3.0), rng.uniform(0.7, 1.3)
    post = random_thickness(rng, 0.015, 0.05)
    half = width / 2
    bars = [tube([[x, 0, 0], [x, 0, height]], post) for x in (-half, 0, half)]
    bars += [tube([[-half, 0, z], [half, 0, z]], 0.8 * post) for z in (0.12, height)]
    thick, step = random_thickness(rng, 0.004, 0.03), rng.uniform(0.07, 0.16)
    flat = rng.random() < 0.5
    for x in np.arange(-half + step, half, step).tolist():
        if flat:
            bars.append(box([x - thick, -0.01, 0.08], [x + thick, 0.01, height + 0.05]))
        else:
            bars.append(tube([[x, 0, 0.12], [x, 0, height]], thick, 6))
    return painted(rng, furniture, [joined(bars)])


def shelf(rng: np.random.Generator, furniture: Furniture) -> list[Surface]:
    """An open shelf, of wire or board, with things and gaps on its levels."""
    size = rng.uniform([0.5, 0.25, 0.8], [1.2, 0.5, 2.0])
    x, y = size[0] / 2, size[1] / 2
    post = random_thickness(rng, 0.006, 0.02)
    frame = [
        tube([[a * x, b * y, 0], [a * x, b * y, size[2]]], post) for a in (-1, 1) for b in (-1, 1)
    ]
    surfaces, wired = [], rng.random() < 0.5
    for z in np.linspace(0.08, size[2] - 0.02, int(rng.integers(3, 6))):
        if wired:
            for level in np.linspace(-y, y, int(rng.integers(4, 10))):
                frame.append(tube([[-x, level, z], [x, level, z]], 0.003, 5))
        else:
            frame.append(box([-x, -y, z - 0.01], [x, y, z + 0.01]))
        at = -x + rng.uniform(0, 0.15)
        while at < x - 0.05:
            wide, tall = rng.uniform(0.02, 0.22), rng.uniform(0.08, 0.3)
            thing = box(
                [at, -0.8 * y, z + 0.01], [min(at + wide, x), rng.uniform(-0.5, 0.8) * y, z + tall]
            )
            if rng.random() < 0.7:
                surfaces.append(thing)
            at += wide + rng.exponential(0.06)
    return painted(rng, furniture, [joined(frame), *([joined(surfaces)] if surfaces else [])])


def plant(rng: np.random.Generator, furniture: Furniture) -> list[Surface]:
    """A pot plant: stems that end in leaves, or long leaves from one root, with sky between."""
    height, pot = rng.uniform(0.2, 1.4), rng.uniform(0.06, 0.16)
    profile = [[0.7 * pot, 0], [pot, 1.6 * pot], [0.9 * pot, 1.6 * pot], [0.0, 1.5 * pot]]
    vessel = _turned(np.array(profile))
    root = np.array([0, 0, 1.5 * pot])
    stems, leaves = [], []
    for _ in range(int(rng.integers(6, 22))):
        reach = rng.normal(0, 0.35, 3) * height
        tip = root + [reach[0], reach[1], height * rng.uniform(0.4, 1.0)]
        bend = (root + tip) / 2 + [0, 0, 0.15 * height]
        path = np.stack([root, bend, tip])
        if rng.random() < 0.5:
            stems.append(tube(path, random_thickness(rng, 0.0015, 0.006), 5))
            leaves.append(
                _leaf(rng, tip, rng.normal(0, 1, 3) + [0, 0, -0.3], rng.uniform(0.06, 0.2))
            )
        else:
            leaves += [_leaf(rng, root, bend - root, float(np.linalg.norm(bend - root)))]
            leaves += [_leaf(rng, bend, tip - bend, float(np.linalg.norm(tip - bend)))]
    parts = [joined(leaves), vessel, *([joined(stems)] if stems else [])]
    return painted(rng, furniture, parts)


def hand(rng: np.random.Generator, furniture: Furniture) -> list[Surface]:
    """A hand with spread fingers on a forearm."""
    spread, curl = rng.uniform(0.05, 0.35), rng.uniform(0.0, 0.9)
    parts = [limb(np.array([[0, 0, 0], [0, 0, 0.26]]), 0.035)]
    palm = box([-0.042, -0.014, 0.25], [0.042, 0.014, 0.345])
    parts.append(palm)
    lengths = (0.07, 0.08, 0.075, 0.06)
    for k, length in enumerate(lengths):
        base = np.array([-0.034 + 0.0225 * k, 0, 0.34])
        side = spread * (k - 1.5)
        parts.append(_finger(base, side, curl * rng.uniform(0.5, 1.2), length, 0.009))
    parts.append(_finger(np.array([-0.042, 0, 0.27]), -0.8, 0.3 * curl, 0.06, 0.0105))
    return painted(rng, furniture, [joined(parts)])


def cables(rng: np.random.Generator, furniture: Furniture) -> list[Surface]:
    """Several cables that run side by side, cross or lie in loops."""
    start, end = rng.normal(0, [0.5, 0.5, 0.2], (2, 3))
    t = np.linspace(0, 1, 28)[:, None]
    parts = []
    for _ in range(int(rng.integers(2, 7))):
        a, b = start + rng.normal(0, 0.08, 3), end + rng.normal(0, 0.08, 3)
        sag = np.array([0, 0, rng.uniform(0.0, 0.5)]) * (4 * t * (t - 1))
        sway = rng.uniform(0, 0.06) * np.sin(rng.uniform(0, 20) * t + rng.uniform(0, 6, 3))
        points = a + t * (b - a) + sag + sway
        parts.append(tube(points, random_thickness(rng, 0.0015, 0.008), 6))
    if rng.random() < 0.3:
        return painted(rng, furniture, parts)
    return painted(rng, furniture, [joined(parts)])


def wheel(rng: np.random.Generator, furniture: Furniture) -> list[Surface]:
    """A bicycle's or trolley's wheel with spokes, standing."""
    radius, tyre = rng.uniform(0.1, 0.36), rng.uniform(0.008, 0.025)
    angle = np.linspace(0, 2 * np.pi, 33)
    ring = np.stack([radius * np.cos(angle), 0 * angle, radius * np.sin(angle)], axis=1)
    centre = np.array([0, 0, radius + tyre])
    spokes = int(rng.integers(5, 25))
    steel = [tube([[0, -0.04, 0] + centre, [0, 0.04, 0] + centre], 0.02)]
    thick = random_thickness(rng, 0.001, 0.012)
    for a in np.linspace(0, 2 * np.pi, spokes, endpoint=False):
        steel.append(tube([centre, centre + [radius * np.cos(a), 0, radius * np.sin(a)]], thick, 5))
    return painted(rng, furniture, [tube(ring + centre, tyre), joined(steel)])


def legs(rng: np.random.Generator, furniture: Furniture) -> list[Surface]:
    """Legs of a standing or walking person, as seen by a low camera."""
    hip, stride, apart = rng.uniform(0.75, 0.95), rng.uniform(0.0, 0.35), rng.uniform(0.07, 0.2)
    stout = rng.uniform(0.045, 0.075)
    trousers, shoes = [], []
    for side in (-1, 1):
        foot = np.array([side * stride, side * apart, 0.08])
        knee = np.array([side * 0.5 * stride + 0.04, side * apart, hip / 2])
        trousers.append(limb(np.stack([foot, knee, [0, side * 0.08, hip]]), stout))
        shoes.append(box(foot - [0.08, 0.045, 0.08], foot + [0.18, 0.045, 0.0]))
    return painted(rng, furniture, [joined(trousers), joined(shoes)])


def _slats(
    rng: np.random.Generator,
    low_a: np.ndarray, high_a: np.ndarray, low_b: np.ndarray, high_b: np.ndarray,
    thick: float,
) -> list[Part]:  # fmt: skip
    """Bars that fill the area between two posts a and b, upright, level, or both."""
    choice, parts = rng.integers(3), []
    if choice != 1:
        for t in np.linspace(0, 1, int(rng.integers(4, 12)))[1:-1]:
            bar = [low_a + t * (low_b - low_a), high_a + t * (high_b - high_a)]
            parts.append(tube(bar, thick, 6))
    if choice != 0:
        for t in np.linspace(0, 1, int(rng.integers(3, 9)))[1:]:
            bar = [low_a + t * (high_a - low_a), low_b + t * (high_b - low_b)]
            parts.append(tube(bar, thick, 6))
    return parts


def _leaf(rng: np.random.Generator, root: np.ndarray, along: np.ndarray, length: float) -> Part:
    along = along / (np.linalg.norm(along) + 1e-6) * length
    side = np.cross(along, rng.normal(size=3))
    side *= rng.uniform(0.06, 0.3) * length / (np.linalg.norm(side) + 1e-6)
    outline = [root, root + 0.4 * along + side, root + along, root + 0.4 * along - side]
    return part(np.array(outline), np.array([[0, 1, 2], [0, 2, 3]]))


def _finger(base: np.ndarray, side: float, curl: float, length: float, radius: float) -> Part:
    """Three joints that bend towards -y."""
    points, angle = [base], 0.0
    for joint in (0.45, 0.3, 0.25):
        angle += curl * joint * 2
        step = np.array([np.sin(side), -np.sin(angle), np.cos(side) * np.cos(angle)])
        points.append(points[-1] + joint * length * step)
    return limb(np.array(points), radius)


def _turned(profile: np.ndarray, sections: int = 20) -> Part:
    """A surface of revolution about z from [N, 2] radius and height."""
    angle = np.linspace(0, 2 * np.pi, sections + 1)
    rings = np.stack(
        [
            profile[:, :1] * np.cos(angle),
            profile[:, :1] * np.sin(angle),
            np.broadcast_to(profile[:, 1:], (len(profile), sections + 1)),
        ],
        axis=-1,
    )
    i, j = np.meshgrid(np.arange(len(profile) - 1), np.arange(sections), indexing="ij")
    a = i * (sections + 1) + j
    faces = [
        np.stack([a, a + 1, a + sections + 1], -1),
        np.stack([a + 1, a + sections + 2, a + sections + 1], -1),
    ]
    return part(rings.reshape(-1, 3), np.concatenate(faces).reshape(-1, 3))
