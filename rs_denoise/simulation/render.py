"""Ray-traced light on the two imagers, and the exact depth of the left one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rs_denoise.simulation import tracing
from rs_denoise.simulation.mitsuba import load_mitsuba
from rs_denoise.simulation.presets import Preset
from rs_denoise.simulation.projector import dot_pattern
from rs_denoise.simulation.scenes.scene import Scene
from rs_denoise.simulation.tracing import Geometry, Hits, Pattern

# Rays per pixel, on a jittered grid with this many columns and rows.
GRID = 2
# Distance of the flood light to the right of the left imager, in metres.
FLOOD_X_M = 0.01
# The level of the projector's light is this percentile, that is, the peaks of its dots.
DOT_PERCENTILE = 90


@dataclass(frozen=True)
class Render:
    """One view, before any sensor.

    Attributes:
        left, right: [H, W] float32, light of lamps, sun and sky arriving at each imager, in units
            of the left image's mean.
        left_dots, right_dots: [H, W] float32, light of the projector at the strength at which its
            dots are about as bright as all other light together; zeros without a projector.
        depth_m: [H, W] float32, z of the first surface, glass included, at the left imager's pixel
            centres; infinite where nothing is hit.
    """

    left: np.ndarray
    right: np.ndarray
    left_dots: np.ndarray
    right_dots: np.ndarray
    depth_m: np.ndarray


class Renderer:
    """A scene that can be rendered from any pose.

    Args:
        scene: what to render.
        preset: camera and projector.
        rng: draws the dot pattern and the places of the rays within their pixels.
    """

    def __init__(self, scene: Scene, preset: Preset, rng: np.random.Generator) -> None:
        self.scene, self.preset = scene, preset
        camera = preset.camera
        image = dot_pattern(rng, scene.dots, scene.dot_sigma)
        self.pattern = Pattern.of(image, preset.projector_fov_deg)
        opaque = [s for s in scene.surfaces if s.material.kind != "glass"]
        glass = [s for s in scene.surfaces if s.material.kind == "glass"]
        spacing = 1.0 / (GRID * camera.fx)
        self.opaque = Geometry(opaque, spacing)
        self.glass = Geometry(glass, spacing) if glass else None
        mi = load_mitsuba()
        cells = (np.arange(GRID**2) % GRID, np.arange(GRID**2) // GRID)
        jitter = rng.random((2, camera.height, camera.width, GRID**2), np.float32)
        places = [(cell + offset) / GRID - 0.5 for cell, offset in zip(cells, jitter, strict=True)]
        self.rays = mi.Vector3f(*_directions(preset, *places))
        centre = np.zeros((camera.height, camera.width, 1), np.float32)
        self.centre_rays = mi.Vector3f(*_directions(preset, centre, centre))
        self.gains: np.ndarray | None = None

    def render(self, pose: np.ndarray) -> Render:
        """Both imagers and the depth, seen from `pose` ([4, 4] world from left camera)."""
        depth = self.depth(pose)
        right_pose = _shift_along_x(pose, self.preset.camera.baseline_m)
        left, right = (self._layers(at, pose) for at in (pose, right_pose))
        if (
            self.gains is None
        ):  # set by the first view, so that brightness is constant in a sequence
            self.gains = self._balance(left, np.isfinite(depth))
        left, right = (layers * self.gains[:, None, None] for layers in (left, right))
        images = [part for layers in (left, right) for part in (layers[:-1].sum(0), layers[-1])]
        return Render(images[0], images[2], images[1], images[3], depth)

    def _balance(self, layers: np.ndarray, hit: np.ndarray) -> np.ndarray:
        """One gain per layer, which sets each light's weight; all except the dots add up to 1."""
        scene = self.scene
        lamps = [light.weight for light in scene.lights]
        weights = np.array([*lamps, scene.flood, scene.sky * sum(lamps), scene.projector])
        total = sum(lamps) + scene.flood
        weights[:-1] /= total
        levels = [float(layer[hit].mean()) if hit.any() else 0.0 for layer in layers]
        levels[-2:] = [1.0, float(np.percentile(layers[-1], DOT_PERCENTILE))]
        # A light that reaches nothing in view has no effect.
        gains = [w / at if at > 1e-9 else 0.0 for w, at in zip(weights, levels, strict=True)]
        return np.array(gains, np.float32)

    def _layers(self, imager: np.ndarray, pose: np.ndarray) -> np.ndarray:
        """[L, H, W]: lamps and suns, flood, sky and dots, each alone, as seen by one imager."""
        origin, direction = _transform_rays(self.rays, imager)
        hits = self.opaque.hit(origin, direction)
        layers = self._lit(hits, pose)
        if self.glass is not None:
            pane = self.glass.hit(origin, direction)
            mirrored = self.opaque.hit(pane.at, tracing.mirrored_direction(pane))
            in_front = pane.valid & (pane.t < hits.t)
            part = load_mitsuba().Float(0.0) + tracing.mirrored_part(pane) * in_front
            part = np.array(part, np.float32)
            layers = [
                a + part * (b - a) for a, b in zip(layers, self._lit(mirrored, pose), strict=True)
            ]
        height, width = self.preset.camera.height, self.preset.camera.width
        return np.stack([layer.reshape(height, width, GRID**2).mean(-1) for layer in layers])

    def _lit(self, hits: Hits, pose: np.ndarray) -> list[np.ndarray]:
        flood = _shift_along_x(pose, FLOOD_X_M)[:3, 3]
        lights: list[Any] = [tracing.lit_by(self.opaque, hits, lamp) for lamp in self.scene.lights]
        lights.append(tracing.point_light(self.opaque, hits, flood))
        lights.append(load_mitsuba().Float(1.0) * ~hits.valid)
        layers = [np.array(light, np.float32) for light in lights]
        if self.preset.projector_fov_deg == 0:
            return [*layers, np.zeros_like(layers[0])]
        projector = _shift_along_x(pose, self.preset.projector_x_m)
        dots = tracing.projected(self.opaque, hits, self.pattern, projector)
        return [*layers, np.array(dots, np.float32)]

    def depth(self, pose: np.ndarray) -> np.ndarray:
        """Z along one ray through each pixel's centre: averaging would create flying pixels."""
        origin, direction = _transform_rays(self.centre_rays, pose)
        depth = np.array(self.opaque.depth(origin, direction), np.float32)
        if self.glass is not None:
            depth = np.minimum(depth, np.array(self.glass.depth(origin, direction), np.float32))
        return depth.reshape(self.preset.camera.height, self.preset.camera.width)


def _directions(preset: Preset, x_px: np.ndarray, y_px: np.ndarray) -> list[np.ndarray]:
    """Rays with z = 1 in the camera's frame, through places ([H, W, N]) within the pixels."""
    camera = preset.camera
    rows, columns = np.mgrid[: camera.height, : camera.width].astype(np.float32)[..., None]
    x = (columns + x_px - camera.cx) / camera.fx
    y = (rows + y_px - camera.cy) / camera.fy
    return [np.ascontiguousarray(v, np.float32).ravel() for v in (x, y, np.ones_like(x))]


def _transform_rays(rays, pose: np.ndarray) -> tuple[Any, Any]:
    """Origin and directions in the world; the length along them stays z of the camera."""
    origin, x, y, z = (tracing.opaque_vector(pose[:3, k]) for k in (3, 0, 1, 2))
    return origin, rays.x * x + rays.y * y + rays.z * z


def _shift_along_x(pose: np.ndarray, along_x_m: float) -> np.ndarray:
    moved = pose.copy()
    moved[:3, 3] += along_x_m * pose[:3, 0]
    return moved
