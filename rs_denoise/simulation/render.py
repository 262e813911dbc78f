"""Ray-traced light on the two imagers, and the exact depth of the left one (Mitsuba 3)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np

from rs_denoise.simulation.materials import Material
from rs_denoise.simulation.presets import Preset
from rs_denoise.simulation.scene import Scene, Surface

# Dr.Jit aborts on LLVM 15 ("Cannot select: fmaximum"), which is what Debian 12 finds by itself.
LLVM = Path("/usr/lib/x86_64-linux-gnu/libLLVM.so.19.1")
PATTERN_PX = (1600, 1000)


class RendererMissing(RuntimeError):
    """Mitsuba or the LLVM that it compiles with is not installed."""


@dataclass(frozen=True)
class Render:
    """One view, before any sensor.

    Attributes:
        left, right: [H, W] float32, light arriving at each imager, in arbitrary linear units.
        depth_m: [H, W] float32, z at the left imager's pixel centres, 0 where nothing is hit.
    """

    left: np.ndarray
    right: np.ndarray
    depth_m: np.ndarray


@cache
def mitsuba() -> ModuleType:
    """Mitsuba, set to its vectorised single-channel variant.

    Raises:
        RendererMissing: it or its LLVM is missing; the message says what to install.
    """
    if LLVM.exists():
        os.environ.setdefault("DRJIT_LIBLLVM_PATH", str(LLVM))
    try:
        import mitsuba as mi

        mi.set_variant("llvm_ad_mono")
        mi.Float(1) + mi.Float(1)
    except Exception as error:
        raise RendererMissing(
            "simulation needs Mitsuba with LLVM 16 or newer: run "
            "'pip install mitsuba' and 'apt-get install libllvm19', or set DRJIT_LIBLLVM_PATH "
            f"to the libLLVM.so that you have ({error})"
        ) from error
    mi.set_log_level(mi.LogLevel.Error)
    return mi


class Stage:
    """A scene in Mitsuba's terms, ready to be seen from any pose.

    Args:
        scene: what to render.
        rng: draws the dot pattern.
        samples: rays a pixel and light.
    """

    def __init__(
        self, scene: Scene, preset: Preset, rng: np.random.Generator, samples: int
    ) -> None:
        self.scene, self.preset, self.samples = scene, preset, samples
        self.pattern = _dot_pattern(rng, scene.dots, scene.dot_sigma)
        self.gains: list[float] | None = None
        self.shapes = {f"s{i}": _shape(surface) for i, surface in enumerate(scene.surfaces)}

    def render(self, pose: np.ndarray, seed: int) -> Render:
        """Both imagers and the depth, seen from `pose` ([4, 4] world from left camera).

        One pass a light, summed: a scene with several lights picks one at random per sample,
        and that noise, different in the two images, would double the matcher's error.
        """
        lights = self._lights(pose)
        right_pose = _shifted(pose, self.preset.camera.baseline_m)
        left, right = (
            np.stack([self._lit_by(light, at, seed + k) for k, light in enumerate(lights)])
            for at in (pose, right_pose)
        )
        if self.gains is None:  # set by the first view and kept, so that a sequence is steady
            self.gains = self._balance(left)
        left, right = (np.tensordot(self.gains, images, 1) for images in (left, right))
        return Render(left.astype(np.float32), right.astype(np.float32), self._depth(pose))

    def _balance(self, images: np.ndarray) -> list[float]:
        """Gains that give each light its weight; dots are measured by their peaks."""
        weights = [weight for _, weight in self.scene.ceiling_lights] + [self.scene.flood]
        levels = [float(image.mean()) for image in images]
        if self.scene.projector > 0:
            weights.append(self.scene.projector * sum(weights))
            levels[-1] = float(np.percentile(images[-1], 90))
        return [w / max(level, 1e-9) for w, level in zip(weights, levels, strict=True)]

    def _lit_by(self, light: dict, pose: np.ndarray, seed: int) -> np.ndarray:
        mi = mitsuba()
        scene = mi.load_dict({"type": "scene", "light": light, **self.shapes})
        camera = self.preset.camera
        sensor = mi.load_dict(
            {
                "type": "perspective",
                "fov": float(np.degrees(2 * np.arctan(camera.width / 2 / camera.fx))),
                "to_world": _to_world(pose),
                "near_clip": 0.01,
                "film": {
                    "type": "hdrfilm",
                    "width": camera.width,
                    "height": camera.height,
                    "pixel_format": "luminance",
                    "rfilter": {"type": "box"},
                },
            }
        )
        # Light samples only: these lights are points, a surface sample never meets one.
        integrator = mi.load_dict({"type": "direct", "emitter_samples": 1, "bsdf_samples": 0})
        image = mi.render(scene, sensor=sensor, integrator=integrator, spp=self.samples, seed=seed)
        return np.asarray(image)[..., 0].astype(np.float32)

    def _lights(self, pose: np.ndarray) -> list[dict]:
        places = [position for position, _ in self.scene.ceiling_lights]
        places.append(_shifted(pose, 0.01)[:3, 3])
        lights: list[dict] = [{"type": "point", "position": place.tolist()} for place in places]
        if self.scene.projector > 0:
            lights.append(self._projector(pose))
        return lights

    def _projector(self, pose: np.ndarray) -> dict:
        mi = mitsuba()
        return {
            "type": "projector",
            "to_world": _to_world(_shifted(pose, self.preset.projector_x_m)),
            "fov": self.preset.projector_fov_deg,
            "irradiance": {
                "type": "bitmap",
                "bitmap": mi.Bitmap(self.pattern[..., None]),
                "raw": True,
            },
        }

    def _depth(self, pose: np.ndarray) -> np.ndarray:
        """Z along one ray through each pixel's centre: an average would make flying truth."""
        mi = mitsuba()
        c = self.preset.camera
        y, x = np.mgrid[: c.height, : c.width].reshape(2, -1)
        rays = np.stack([(x - c.cx) / c.fx, (y - c.cy) / c.fy, np.ones(x.size)])
        rays = pose[:3, :3] @ (rays / (length := np.linalg.norm(rays, axis=0)))
        scene = mi.load_dict({"type": "scene", **self.shapes})
        hit = scene.ray_intersect_preliminary(
            mi.Ray3f(mi.Point3f(*pose[:3, 3].tolist()), mi.Vector3f(rays.astype(np.float32)))
        )
        distance = np.asarray(hit.t)
        depth = np.where(np.isfinite(distance), distance / length, 0.0)
        return depth.reshape(c.height, c.width).astype(np.float32)


def _shifted(pose: np.ndarray, along_x_m: float) -> np.ndarray:
    moved = pose.copy()
    moved[:3, 3] += along_x_m * pose[:3, 0]
    return moved


def _to_world(pose: np.ndarray):
    """Mitsuba's cameras have x to the left and y up."""
    return mitsuba().ScalarTransform4f(pose @ np.diag([-1.0, -1.0, 1.0, 1.0]))


def _shape(surface: Surface):
    """A Mitsuba mesh, flat-shaded, textured by projection along each face's main axis."""
    mi = mitsuba()
    corners = surface.part.vertices[surface.part.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    axis = np.abs(normals).argmax(axis=1)
    across = np.array([[1, 2], [0, 2], [0, 1]])[axis]
    uv = np.take_along_axis(corners, across[:, None, :], axis=2) / surface.material.size_m
    properties = mi.Properties()
    properties["bsdf"] = mi.load_dict(_bsdf(surface.material))
    n = len(corners)
    mesh = mi.Mesh("part", 3 * n, n, has_vertex_texcoords=True, props=properties)
    parameters = mi.traverse(mesh)
    parameters["vertex_positions"] = np.ascontiguousarray(corners, np.float32).ravel()
    parameters["vertex_texcoords"] = np.ascontiguousarray(uv, np.float32).ravel()
    parameters["faces"] = np.arange(3 * n, dtype=np.uint32)
    parameters.update()
    return mesh


def _bsdf(material: Material) -> dict:
    mi = mitsuba()
    reflectance = {
        "type": "bitmap",
        "bitmap": mi.Bitmap(material.reflectance[..., None]),
        "raw": True,
    }
    if material.kind == "diffuse":
        inner: dict = {"type": "diffuse", "reflectance": reflectance}
    elif material.kind == "plastic":
        inner = {
            "type": "roughplastic",
            "diffuse_reflectance": reflectance,
            "alpha": material.roughness,
        }
    else:
        inner = {
            "type": "roughconductor",
            "specular_reflectance": reflectance,
            "alpha": material.roughness,
        }
    return {"type": "twosided", "inner": inner}


def _dot_pattern(rng: np.random.Generator, dots: int, sigma: float) -> np.ndarray:
    """A random dot pattern, [1000, 1600] float32, brightest about 1."""
    width, height = PATTERN_PX
    pattern = np.zeros((height, width), np.float32)
    rows = int(np.sqrt(dots * height / width))
    grid = np.stack(np.meshgrid(np.arange(rows * width // height), np.arange(rows)), axis=-1)
    # A jittered grid: real patterns are irregular, but leave no large gap between dots.
    centres = (grid.reshape(-1, 2) + rng.uniform(0.15, 0.85, (grid.size // 2, 2))) * height / rows
    x, y = np.clip(centres, 0, [width - 1, height - 1]).astype(int).T
    pattern[y, x] = rng.uniform(0.6, 1.0, len(x))
    blurred = cv2.GaussianBlur(pattern, (0, 0), sigma)
    return 0.05 + blurred / blurred.max()
