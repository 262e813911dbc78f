"""A simulated data set on disk: render scenes, then let cameras look at them.

Two stages, each resumable by itself: OUT/renders/ keeps the light (3 s a scene), the frames
beside it are what a camera makes of it (0.5 s each), so that sensor and matcher can be changed
without rendering again. Everything about scene i follows from (seed, i).
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from rs_denoise.recordings.frame import Frame
from rs_denoise.recordings.image_folder import write_frame
from rs_denoise.simulation.furniture import Furniture
from rs_denoise.simulation.matcher import Matcher, match, random_matcher
from rs_denoise.simulation.presets import PRESETS, Preset
from rs_denoise.simulation.render import Render, Stage
from rs_denoise.simulation.scene import random_scene
from rs_denoise.simulation.sensor import Sensor, expose, random_sensor

SAMPLES = 8
MAX_DISPARITY_PX = 128


@dataclass(frozen=True)
class Job:
    """One scene of a data set.

    Attributes:
        out: the data set's folder.
        index, seed: which scene.
        cameras: names of the presets to draw from.
        versions: how many cameras look at each scene, each with its own noise and matcher.
    """

    out: Path
    index: int
    seed: int
    cameras: tuple[str, ...]
    versions: int

    def camera_name(self) -> str:
        """The preset of this scene."""
        return str(np.random.default_rng([self.seed, self.index, 0]).choice(self.cameras))

    @property
    def render_path(self) -> Path:
        """Where the light of this scene is kept."""
        return self.out / "renders" / f"{self.index:06d}.npz"

    def frame_path(self, version: int) -> Path:
        """Where a camera's view of it goes."""
        return self.out / f"{self.index:06d}_{version}"


def simulate(jobs: list[Job], workers: int) -> Iterator[tuple[Job, Exception | None]]:
    """Works through `jobs`, yielding each as it ends, with what went wrong if anything did.

    What is on disk already is not made again.
    """
    # Mitsuba's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        futures = {pool.submit(run_job, job): job for job in jobs}
        for future in as_completed(futures):
            error = future.exception()
            if isinstance(error, BaseException) and not isinstance(error, Exception):
                raise error
            yield futures[future], error


def run_job(job: Job) -> None:
    """Renders one scene and lets its cameras look at it."""
    preset = PRESETS[job.camera_name()]
    wanted = [v for v in range(job.versions) if not (job.frame_path(v) / "camera.json").exists()]
    if not job.render_path.exists():
        _render(job, preset)
    if not wanted:
        return
    render = load_render(job.render_path)
    for version in wanted:
        rng = np.random.default_rng([job.seed, job.index, 2, version])
        frame = look(render, preset, random_sensor(rng), random_matcher(rng), rng)
        write_frame(job.frame_path(version), frame, camera_name=job.camera_name(), seed=job.seed)


def look(
    render: Render, preset: Preset, sensor: Sensor, matcher: Matcher, rng: np.random.Generator
) -> Frame:
    """What a camera with this sensor and this matcher makes of the light."""
    scale = preset.camera.disparity_scale_px_mm
    left, right = expose(render, sensor, rng)
    truth_mm = render.depth_m * 1000.0
    truth_px = np.where(truth_mm > 0, scale / np.maximum(truth_mm, 1), 0).astype(np.float32)
    disparity = match(left, right, truth_px, MAX_DISPARITY_PX, matcher, rng)
    depth_mm = np.where(disparity > 0, scale / np.maximum(disparity, 1e-3), 0)
    return Frame(
        name="",
        camera=preset.camera,
        depth_mm=_uint16(depth_mm),
        infrared=np.round(left).astype(np.uint8),
        infrared_right=np.round(right).astype(np.uint8),
        ground_truth_mm=_uint16(truth_mm),
    )


def load_render(path: Path) -> Render:
    """Reads what `run_job` kept of a scene's light."""
    with np.load(path) as arrays:
        return Render(
            arrays["left"].astype(np.float32),
            arrays["right"].astype(np.float32),
            arrays["depth_m"],
        )


def _render(job: Job, preset: Preset) -> None:
    rng = np.random.default_rng([job.seed, job.index, 1])
    scene = random_scene(rng, preset.camera, _furniture())
    render = Stage(scene, preset, rng, SAMPLES).render(scene.pose, int(rng.integers(2**31)))
    job.render_path.parent.mkdir(parents=True, exist_ok=True)
    partial = job.render_path.with_suffix(f".{os.getpid()}.npz")
    np.savez(
        partial,
        left=render.left.astype(np.float16),
        right=render.right.astype(np.float16),
        depth_m=render.depth_m,
    )
    partial.replace(job.render_path)


@cache
def _furniture() -> Furniture:
    return Furniture()


def _uint16(depth_mm: np.ndarray) -> np.ndarray:
    return np.where(depth_mm < 65535.5, np.round(depth_mm), 0).astype(np.uint16)
