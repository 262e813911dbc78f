"""Ray tracing of triangles, and the light that surfaces reflect.

Everything is traced by a handful of small kernels that are compiled once: all triangles of a
scene are one mesh, and the materials are tables. Each light is followed exactly (no random choice
between lights or directions), so the two images of a pair hold no sampling noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from rs_denoise.simulation.mitsuba import load_mitsuba
from rs_denoise.simulation.scenes.materials import Material
from rs_denoise.simulation.scenes.objects import Surface, joined
from rs_denoise.simulation.scenes.places import Light

KINDS = {"diffuse": 0, "plastic": 1, "metal": 2, "glass": 3}
# Reflectance of a clear coat at normal incidence (refractive index 1.5).
COAT = 0.04
# Number of halvings that reduce a texture of 256 px to one pixel.
LEVELS = 9
FAR_M = 65.0


@dataclass(frozen=True)
class Hits:
    """Where rays end, as Dr.Jit arrays of N.

    Attributes:
        valid: whether the ray hits anything.
        t: length in units of the ray's direction.
        at: position in metres.
        normal: unit normal on the side of the viewer.
        to_viewer: unit vector.
        albedo: reflectance.
        kind, roughness: of the material, a value of KINDS.
    """

    valid: Any
    t: Any
    at: Any
    normal: Any
    to_viewer: Any
    albedo: Any
    kind: Any
    roughness: Any


class Geometry:
    """Triangles with their materials, for ray tracing.

    Args:
        surfaces: at least one.
        pixel_rad: angle between neighbouring rays, which determines the texture resolution.
    """

    def __init__(self, surfaces: list[Surface], pixel_rad: float) -> None:
        import drjit as dr

        mi = load_mitsuba()
        whole = joined([surface.part for surface in surfaces])
        mesh = mi.Mesh("surfaces", len(whole.vertices), len(whole.faces))
        parameters = mi.traverse(mesh)
        parameters["vertex_positions"] = whole.vertices.astype(np.float32).ravel()
        parameters["faces"] = whole.faces.astype(np.uint32).ravel()
        parameters.update()
        self.scene = mi.load_dict({"type": "scene", "mesh": mesh})
        corners = whole.vertices[whole.faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-20
        self.normals = mi.Vector3f(np.ascontiguousarray(normals.T, np.float32))
        # Flat textures are projected along each face's main axis.
        self.axis = mi.UInt32(np.abs(normals).argmax(axis=1).astype(np.uint32))
        counts = [len(surface.part.faces) for surface in surfaces]
        self.owner = mi.UInt32(np.repeat(np.arange(len(surfaces)), counts).astype(np.uint32))
        materials = [surface.material for surface in surfaces]
        self.kind = mi.UInt32(np.array([KINDS[m.kind] for m in materials], np.uint32))
        self.roughness = mi.Float(np.array([m.roughness for m in materials], np.float32))
        self.size = mi.Float(np.array([m.size_m for m in materials], np.float32))
        self.textures = _TextureTable(materials)
        self.pixel_rad = dr.opaque(mi.Float, pixel_rad)

    def hit(self, origin, direction) -> Hits:
        """The first surface along each ray."""
        import drjit as dr

        mi = load_mitsuba()
        ray = mi.Ray3f(origin, direction)
        found = self.scene.ray_intersect_preliminary(ray)
        valid = found.is_valid() & (found.t < FAR_M)
        # Infinity times a direction's 0 is NaN, and one NaN would make the whole image black.
        at = ray(dr.select(valid, found.t, 0.0))
        to_viewer = -dr.normalize(direction)
        normal = dr.gather(mi.Vector3f, self.normals, found.prim_index, valid)
        normal = dr.select(dr.dot(normal, to_viewer) < 0, -normal, normal)
        owner = dr.gather(mi.UInt32, self.owner, found.prim_index, valid)
        axis = dr.gather(mi.UInt32, self.axis, found.prim_index, valid)
        size = dr.gather(mi.Float, self.size, owner, valid)
        u = dr.select(axis == 0, at.y, at.x) / size
        v = dr.select(axis == 2, at.y, at.z) / size
        footprint = found.t * self.pixel_rad / size
        hits = Hits(
            valid=valid,
            t=found.t,
            at=at,
            normal=normal,
            to_viewer=to_viewer,
            albedo=self.textures.look_up(owner, u, v, footprint, valid),
            kind=dr.gather(mi.UInt32, self.kind, owner, valid),
            roughness=dr.gather(mi.Float, self.roughness, owner, valid),
        )
        dr.eval(hits)
        return hits

    def depth(self, origin, direction):
        """Lengths to the first surfaces in units of the directions, infinite without one."""
        import drjit as dr

        mi = load_mitsuba()
        found = self.scene.ray_intersect_preliminary(mi.Ray3f(origin, direction))
        return dr.select(found.is_valid() & (found.t < FAR_M), found.t, dr.inf)

    def reached_by(self, hits: Hits, to_light, distance):
        """What each hit reflects to the viewer from a light of strength 1; 0 in shadow."""
        import drjit as dr

        mi = load_mitsuba()
        facing = hits.valid & (dr.dot(hits.normal, to_light) > 0)
        off_surface = hits.at + 2e-4 * hits.normal
        ray = mi.Ray3f(off_surface, to_light, (1 - 1e-3) * distance, 0.0, [])
        shadowed = self.scene.ray_test(ray, coherent=True, active=facing)
        return dr.select(facing & ~shadowed, _reflected(hits, to_light), 0.0)


class _TextureTable:
    """All textures in one array, each with its halved versions (mipmaps) against aliasing."""

    def __init__(self, materials: list[Material]) -> None:
        mi = load_mitsuba()
        levels: list[np.ndarray] = []
        cached: dict[int, int] = {}
        shapes = []
        for material in materials:
            key = id(material.reflectance)
            if key not in cached:
                cached[key] = len(levels)
                levels += _halved(material.reflectance)
            shapes.append(cached[key])
        sizes = np.array([level.size for level in levels])
        self.first = mi.UInt32(np.array(shapes, np.uint32))
        self.offset = mi.UInt32((np.cumsum(sizes) - sizes).astype(np.uint32))
        self.width = mi.UInt32(np.array([level.shape[1] for level in levels], np.uint32))
        self.height = mi.UInt32(np.array([level.shape[0] for level in levels], np.uint32))
        self.values = mi.Float(np.concatenate([level.ravel() for level in levels]))

    def look_up(self, owner, u, v, footprint, active):
        """Reflectance at (u, v), in repetitions of the texture, seen through a footprint."""
        import drjit as dr

        mi = load_mitsuba()
        first = dr.gather(mi.UInt32, self.first, owner, active)
        texels = footprint * mi.Float(dr.gather(mi.UInt32, self.width, first, active))
        level = mi.UInt32(dr.clip(dr.log2(dr.maximum(texels, 1e-6)) + 0.5, 0, LEVELS - 1))
        entry = first + level
        width = dr.gather(mi.UInt32, self.width, entry, active)
        height = dr.gather(mi.UInt32, self.height, entry, active)
        # Where nothing is looked up both are 0, and nothing can be divided by that.
        width, height = dr.maximum(width, 1), dr.maximum(height, 1)
        offset = dr.gather(mi.UInt32, self.offset, entry, active)
        x = (u - dr.floor(u)) * mi.Float(width)
        y = (v - dr.floor(v)) * mi.Float(height)
        return _bilinear(self.values, offset, width, height, x, y, active)


def point_light(geometry: Geometry, hits: Hits, position: np.ndarray):
    """Light sent back from a lamp of intensity 1 at `position` ([3] metres)."""
    import drjit as dr

    way = opaque_vector(position) - hits.at
    distance = dr.norm(way)
    return geometry.reached_by(hits, way / distance, distance) / dr.square(distance)


def sunlight(geometry: Geometry, hits: Hits, direction: np.ndarray):
    """Light sent back from a sun of strength 1 that shines along `direction` ([3])."""
    import drjit as dr

    mi = load_mitsuba()
    to_sun = dr.normalize(-opaque_vector(direction))
    return geometry.reached_by(hits, to_sun, dr.opaque(mi.Float, 10 * FAR_M))


@dataclass(frozen=True)
class Pattern:
    """A projector's pattern: image [H, W] as a Dr.Jit array, and its horizontal field of view."""

    image: Any
    width: int
    height: int
    fov_deg: float

    @classmethod
    def of(cls, image: np.ndarray, fov_deg: float) -> Pattern:
        """From [H, W] float32."""
        return cls(load_mitsuba().Float(image.ravel()), image.shape[1], image.shape[0], fov_deg)


def projected(geometry: Geometry, hits: Hits, pattern: Pattern, pose: np.ndarray):
    """Light sent back from a projector at `pose` ([4, 4] world from projector)."""
    import drjit as dr

    mi = load_mitsuba()
    way = hits.at - opaque_vector(pose[:3, 3])
    x, y, z = (dr.dot(way, opaque_vector(pose[:3, k])) for k in range(3))
    half = dr.opaque(mi.Float, float(np.tan(np.radians(pattern.fov_deg) / 2)))
    column = (x / z / half + 1) * (0.5 * pattern.width)
    row = y / z / half * (0.5 * pattern.width) + 0.5 * pattern.height
    lit = hits.valid & (z > 1e-3)
    lit &= (column > 1) & (column < pattern.width - 1) & (row > 1) & (row < pattern.height - 1)
    size = mi.UInt32(pattern.width), mi.UInt32(pattern.height)
    value = _bilinear(pattern.image, mi.UInt32(0), *size, column, row, lit)
    distance = dr.norm(way)
    # The pattern is uniform on a plane in front of the projector, so rays off the axis are
    # stronger.
    strength = value * distance / (z * dr.square(z))
    return dr.select(lit, strength * geometry.reached_by(hits, -way / distance, distance), 0.0)


def mirrored_part(hits: Hits):
    """The fraction of light that a thin pane of glass mirrors (Fresnel, both faces)."""
    import drjit as dr

    mi = load_mitsuba()
    r = mi.fresnel(dr.abs(dr.dot(hits.normal, hits.to_viewer)), 1.5)[0]
    return 2 * r / (1 + r)


def mirrored_direction(hits: Hits):
    """Where a ray goes that is mirrored by the surface it hits."""
    import drjit as dr

    return 2 * dr.dot(hits.normal, hits.to_viewer) * hits.normal - hits.to_viewer


def _reflected(hits: Hits, to_light):
    """Cosine times reflection: Lambert under a GGX coat, or a GGX metal.

    Source: Walter et al., "Microfacet models for refraction through rough surfaces", 2007.
    """
    import drjit as dr

    half = dr.normalize(to_light + hits.to_viewer)
    n_l = dr.maximum(dr.dot(hits.normal, to_light), 1e-4)
    n_v = dr.maximum(dr.dot(hits.normal, hits.to_viewer), 1e-4)
    n_h, v_h = dr.dot(hits.normal, half), dr.dot(hits.to_viewer, half)
    alpha2 = dr.square(hits.roughness)
    lobe = alpha2 / (dr.pi * dr.square(dr.square(n_h) * (alpha2 - 1) + 1))
    masking = 1.0
    for cosine in (n_l, n_v):
        square = dr.square(cosine)
        masking *= 2 * cosine / (cosine + dr.sqrt(alpha2 + (1 - alpha2) * square))
    metal = hits.kind == KINDS["metal"]
    straight = dr.select(metal, hits.albedo, dr.select(hits.kind == KINDS["plastic"], COAT, 0.0))
    fresnel = straight + dr.select(straight > 0, 1 - straight, 0.0) * (1 - v_h) ** 5
    shine = lobe * masking * fresnel / (4 * n_v * n_l)
    body = dr.select(metal, 0.0, hits.albedo * (1 - fresnel) * dr.inv_pi)
    return (body + shine) * n_l


def _bilinear(values, offset, width, height, x, y, active):
    """Between the four pixels about (x, y), in pixels from the corner; repeats at the borders."""
    import drjit as dr

    mi = load_mitsuba()
    x, y = x - 0.5, y - 0.5
    left, top = dr.floor(x), dr.floor(y)
    wx, wy = x - left, y - top
    columns = [(mi.UInt32(mi.Int32(left) + mi.Int32(width) + k)) % width for k in (0, 1)]
    rows = [(mi.UInt32(mi.Int32(top) + mi.Int32(height) + k)) % height for k in (0, 1)]
    (a, b), (c, d) = (
        [dr.gather(mi.Float, values, offset + row * width + column, active) for column in columns]
        for row in rows
    )
    return dr.lerp(dr.lerp(a, b, wx), dr.lerp(c, d, wx), wy)


def _halved(texture: np.ndarray) -> list[np.ndarray]:
    levels: list[np.ndarray] = [np.ascontiguousarray(texture, np.float32)]
    while len(levels) < LEVELS:
        height, width = levels[-1].shape
        smaller = (max(width // 2, 1), max(height // 2, 1))
        levels.append(cv2.resize(levels[-1], smaller, interpolation=cv2.INTER_AREA))
    return levels


def opaque_vector(vector: np.ndarray):
    """A constant that the compiled kernel takes as an input, so that it is not compiled again."""
    import drjit as dr

    mi = load_mitsuba()
    return mi.Vector3f(*(dr.opaque(mi.Float, float(value)) for value in vector))


def lit_by(geometry: Geometry, hits: Hits, light: Light):
    """Light sent back from a lamp or sun of strength 1."""
    return (sunlight if light.sun else point_light)(geometry, hits, light.at)
