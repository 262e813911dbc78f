"""Ray-traced light on the two imagers, and the exact depth of the left one (Mitsuba 3)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np

from rs_denoise.simulation.presets import Preset
from rs_denoise.simulation.scenes.materials import Material
from rs_denoise.simulation.scenes.places import Light
from rs_denoise.simulation.scenes.scene import Scene
from rs_denoise.simulation.scenes.things import Surface

# Dr.Jit aborts on LLVM 15 ("Cannot select: fmaximum"), which is what Debian 12 finds by itself.
LLVM = Path("/usr/lib/x86_64-linux-gnu/libLLVM.so.19.1")
# From fast to slow; the first that runs on this machine is taken.
VARIANTS = ("cuda_ad_mono", "llvm_ad_mono", "scalar_rgb")
PATTERN_PX = (1600, 1000)
# Rays a pixel and light: straight light is smooth; what glass reflects or lets pass is drawn.
SAMPLES, GLASS_SAMPLES = 4, 9
FAR_M = 65.0


class RendererMissing(RuntimeError):
    """Mitsuba is not installed."""


@dataclass(frozen=True)
class Render:
    """One view, before any sensor.

    Attributes:
        left, right: [H, W] float32, light arriving at each imager, in arbitrary linear units.
        depth_m: [H, W] float32, z of the first surface, glass included, at the left imager's pixel
            centres; infinite where nothing is hit.
    """

    left: np.ndarray
    right: np.ndarray
    depth_m: np.ndarray


@cache
def mitsuba() -> ModuleType:
    """Mitsuba, set to the fastest variant that runs here: CUDA, LLVM or plain C++.

    Raises:
        RendererMissing: it is not installed; the message says what to install.
    """
    try:
        import mitsuba as mi
    except ImportError as error:
        raise RendererMissing(
            f"simulation needs Mitsuba: run 'pip install mitsuba trimesh libSGM' ({error})"
        ) from error
    if LLVM.exists():
        os.environ.setdefault("DRJIT_LIBLLVM_PATH", str(LLVM))
    for name in VARIANTS:
        if _runs(mi, name):
            break
    mi.set_log_level(mi.LogLevel.Error)
    return mi


def variant() -> str:
    """Name and speed of the chosen variant, in words."""
    name = str(mitsuba().variant())
    advice = {
        "cuda_ad_mono": "on the GPU",
        "llvm_ad_mono": "on the CPU, compiled by LLVM",
        "scalar_rgb": "on the CPU without LLVM, several times slower: 'apt-get install libllvm19'"
        " or set DRJIT_LIBLLVM_PATH to a libLLVM.so of version 16 or newer",
    }[name]
    return f"{name}, {advice}"


def _runs(mi: ModuleType, name: str) -> bool:
    try:
        mi.set_variant(name)
        if name.startswith("scalar"):
            return True
        import drjit as dr

        backend = dr.JitBackend.CUDA if name.startswith("cuda") else dr.JitBackend.LLVM
        return bool(dr.has_backend(backend))
    except Exception:  # a driver or library that is missing or too old raises one of many kinds
        return False


class Stage:
    """A scene in Mitsuba's terms, ready to be seen from any pose.

    Args:
        scene: what to render.
        rng: draws the dot pattern.
    """

    def __init__(self, scene: Scene, preset: Preset, rng: np.random.Generator) -> None:
        self.scene, self.preset, self.samples = scene, preset, SAMPLES
        self.pattern = _dot_pattern(rng, scene.dots, scene.dot_sigma)
        self.gains: list[float] | None = None
        shapes = {f"s{i}": _shape(surface) for i, surface in enumerate(scene.surfaces)}
        # Straight light is without noise between the images but ends at glass.
        self.integrator: dict = {"type": "direct", "emitter_samples": 1, "bsdf_samples": 0}
        if any(surface.material.kind == "glass" for surface in scene.surfaces):
            self.integrator = {"type": "volpath", "max_depth": 3}
            self.samples = GLASS_SAMPLES
        mi = mitsuba()
        # One scene, lit by one light at a time: rigid shapes are built once.
        self.bare = {"type": "scene", **shapes}
        self.fixed = [mi.load_dict({**self.bare, "light": _lamp(light)}) for light in scene.lights]

    def render(self, pose: np.ndarray, seed: int) -> Render:
        """Both imagers and the depth, seen from `pose` ([4, 4] world from left camera).

        One pass a light, summed: a scene with several lights picks one at random per sample,
        and that noise, different in the two images, would double the matcher's error.
        """
        mi = mitsuba()
        carried = [mi.load_dict({**self.bare, "light": light}) for light in self._carried(pose)]
        lit = [*self.fixed, *carried]
        right_pose = _shifted(pose, self.preset.camera.baseline_m)
        left, right = (
            np.stack([self._seen(scene, at, seed + k) for k, scene in enumerate(lit)])
            for at in (pose, right_pose)
        )
        depth = self._depth(lit[-1], pose)
        if self.gains is None:  # set by the first view and kept, so that a sequence is steady
            self.gains = self._balance(left, np.isfinite(depth))
        left, right = (np.tensordot(self.gains, images, 1) for images in (left, right))
        if not np.isfinite(depth).all():
            sky = self.scene.sky * sum(light.weight for light in self.scene.lights)
            left = left + np.where(np.isfinite(depth), 0, sky)
            right = right + np.where(np.isfinite(self._depth(lit[-1], right_pose)), 0, sky)
        return Render(left.astype(np.float32), right.astype(np.float32), depth)

    def _balance(self, images: np.ndarray, hit: np.ndarray) -> list[float]:
        """Gains that give each light its weight; dots are measured by their peaks."""
        weights = [light.weight for light in self.scene.lights] + [self.scene.flood]
        levels = [float(image[hit].mean()) if hit.any() else 0.0 for image in images]
        if self.scene.projector > 0:
            weights.append(self.scene.projector * sum(weights))
            levels[-1] = float(np.percentile(images[-1], 90))
        # A light that reaches nothing in view stays dark.
        return [
            w / level if level > 1e-9 else 0.0 for w, level in zip(weights, levels, strict=True)
        ]

    def _seen(self, scene, pose: np.ndarray, seed: int) -> np.ndarray:
        mi = mitsuba()
        image = mi.render(
            scene,
            sensor=self._sensor(pose, {"type": "multijitter", "sample_count": self.samples}),
            integrator=mi.load_dict(self.integrator),
            spp=self.samples,
            seed=seed,
        )
        return np.array(image)[..., 0].astype(np.float32)

    def _sensor(self, pose: np.ndarray, sampler: dict):
        camera = self.preset.camera
        return mitsuba().load_dict(
            {
                "type": "perspective",
                "fov": float(np.degrees(2 * np.arctan(camera.width / 2 / camera.fx))),
                "to_world": _to_world(pose),
                "near_clip": 0.01,
                "sampler": sampler,
                "film": {
                    "type": "hdrfilm",
                    "width": camera.width,
                    "height": camera.height,
                    "pixel_format": "luminance",
                    "rfilter": {"type": "box"},
                },
            }
        )

    def _carried(self, pose: np.ndarray) -> list[dict]:
        """The lights that move with the camera: a weak flood and the projector."""
        flood = _shifted(pose, 0.01)[:3, 3].tolist()
        lights: list[dict] = [{"type": "point", "position": flood}]
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

    def _depth(self, scene, pose: np.ndarray) -> np.ndarray:
        """Z along one ray through each pixel's centre: an average would make flying truth."""
        mi = mitsuba()
        centre = {"type": "stratified", "sample_count": 1, "jitter": False}
        integrator = mi.load_dict({"type": "aov", "aovs": "p:position"})
        seen = mi.render(scene, sensor=self._sensor(pose, centre), integrator=integrator, spp=1)
        position = np.array(seen, dtype=np.float64)[..., -3:]
        depth = (position - pose[:3, 3]) @ pose[:3, 2]
        # What is not hit has position 0, wherever that is.
        hit = (np.abs(position).max(axis=-1) > 0) & (depth > 0) & (depth < FAR_M)
        return np.where(hit, depth, np.inf).astype(np.float32)


def _lamp(light: Light) -> dict:
    if light.sun:
        return {"type": "directional", "direction": light.at.tolist()}
    return {"type": "point", "position": light.at.tolist()}


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
    if material.kind == "glass":
        return {"type": "thindielectric"}
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
