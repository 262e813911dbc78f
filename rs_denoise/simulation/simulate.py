"""A simulated data set on disk: render scenes, then simulate the cameras.

There are two stages, which can be resumed separately: OUT/renders/ stores the renders (2 s per
view); a simulated camera turns them into frames (1 s each). Sensor and matcher can thus be changed
without rendering again. Everything about scene i is determined by (seed, split, i).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from rs_denoise.depth import MAX_DEPTH_MM, to_depth_mm, to_uint16_mm
from rs_denoise.recordings.atomic_output import atomic_output
from rs_denoise.recordings.bags.rosbag2_writer import write_rosbag2
from rs_denoise.recordings.folders.frame_folder import write_frame
from rs_denoise.recordings.frame import Frame
from rs_denoise.recordings.resample import resample_frame
from rs_denoise.recordings.resumable_output import ResumeError, begin_or_resume
from rs_denoise.simulation.matcher import Matcher, match, random_matcher
from rs_denoise.simulation.mitsuba import load_mitsuba
from rs_denoise.simulation.presets import MIX, NATIVE_SIZE, PRESETS, Preset
from rs_denoise.simulation.render import Render, Renderer
from rs_denoise.simulation.scenes.furniture import SPLITS, Furniture, library_folder
from rs_denoise.simulation.scenes.places import PLACES
from rs_denoise.simulation.scenes.scene import random_scene
from rs_denoise.simulation.sensor import Sensor, expose, light_level, random_sensor
from rs_denoise.simulation.trajectory import RATE_HZ, random_trajectory
from rs_denoise.task_runner import TaskRunner


@dataclass(frozen=True)
class DataSet:
    """What to simulate.

    Attributes:
        out: its folder.
        seed: of everything.
        split: a key of SPLITS; two splits share neither scenes nor meshes.
        cameras: names of presets to draw from.
        size: width and height, one of PROFILES.
        native_fraction: fraction of the scenes that are matched at the imager's native 1280x720 and
            then scaled to `size`; the others are matched at `size`, as the camera does.
        strict_fraction: fraction of the cameras whose matcher has stricter thresholds than those
            fitted to real frames. Networks trained with half of them find more thin objects.
        places: names of places to draw from.
        versions: number of cameras per scene, each with its own noise and matcher.
        length: views of a scene: 1, or a sequence at 30 Hz.
        bags: write each sequence as a rosbag2 instead of folders.
        ground_truth_every: only every n-th view keeps its ground truth.
        public_domain: use no mesh that requires attribution.
    """

    out: Path
    seed: int = 0
    split: str = "train"
    cameras: tuple[str, ...] = MIX
    size: tuple[int, int] = (848, 480)
    native_fraction: float = 0.0
    strict_fraction: float = 0.0
    places: tuple[str, ...] = tuple(PLACES)
    versions: int = 1
    length: int = 1
    bags: bool = False
    ground_truth_every: int = 1
    public_domain: bool = False

    def rng(self, index: int, *stage: int) -> np.random.Generator:
        """The random numbers of one stage of one scene."""
        return np.random.default_rng([self.seed, list(SPLITS).index(self.split), index, *stage])

    def camera_name(self, index: int) -> str:
        """The preset for scene `index`."""
        return str(self.rng(index, 0).choice(self.cameras))

    def matched_size(self, index: int) -> tuple[int, int]:
        """Width and height at which scene `index` is rendered and matched."""
        native = self.rng(index, 4).random() < self.native_fraction
        return NATIVE_SIZE if native else self.size

    def thresholds(self, index: int, version: int) -> str:
        """The matcher's thresholds of one camera of scene `index`, a key of THRESHOLDS."""
        strict = self.rng(index, 5, version).random() < self.strict_fraction
        return "strict" if strict else "fitted"

    def render_path(self, index: int, view: int) -> Path:
        """The file of the stored render of a view."""
        return self.out / "renders" / f"{index:06d}_{view:04d}.npz"

    def path(self, index: int, version: int, view: int | None = None) -> Path:
        """A frame, or a recording of several, or one frame of those."""
        scene = self.out / f"{index:06d}_{version}"
        return scene if view is None or self.length == 1 else scene / f"{view:04d}"

    def is_complete(self, index: int, version: int) -> bool:
        """Whether this scene needs no more work."""
        if self.bags:
            return (self.path(index, version) / "metadata.yaml").exists()
        views = (self.path(index, version, view) for view in range(self.length))
        return all((view / "camera.json").exists() for view in views)


def begin_or_resume_data_set(data_set: DataSet) -> None:
    """Writes the settings to OUT/data_set.json, or checks that they equal those written there.

    Raises:
        ResumeError: the folder was begun with other settings.
    """
    settings = {k: v for k, v in asdict(data_set).items() if k != "out"}
    if not begin_or_resume(data_set.out, "data_set.json", settings):
        raise ResumeError(f"{data_set.out}/data_set.json is damaged: name a new folder")


def shard(indices: range, number: int, count: int) -> range:
    """Part `number` (1 to `count`) of the scenes; the parts are disjoint and cover them.

    Raises:
        ValueError: there is no such part.
    """
    if not 1 <= number <= count:
        raise ValueError(f"a shard is i/n with 1 <= i <= n, got {number}/{count}")
    return indices[number - 1 :: count]


def simulate(
    data_set: DataSet, indices: Sequence[int], runner: TaskRunner
) -> Iterator[tuple[int, BaseException | None]]:
    """Simulates scenes; yields each as it ends, with the error if there was one.

    Existing output is kept. A scene that kills its process is tried once more, then given up.
    """
    for outcome in runner.run(partial(_run_in_worker, data_set), indices):
        yield outcome.task, outcome.error


def run_scene(data_set: DataSet, index: int) -> None:
    """Renders one scene and simulates its cameras."""
    wanted = [v for v in range(data_set.versions) if not data_set.is_complete(index, v)]
    views = range(data_set.length)
    if not all(data_set.render_path(index, view).exists() for view in views):
        _render(data_set, index)
    for version in wanted:
        frames = _frames(data_set, index, version)
        if data_set.bags:
            path = data_set.path(index, version)
            with atomic_output(path) as bag:
                write_rosbag2(
                    bag, (replace(f, stamp_ns=_stamp_ns(k)) for k, f in enumerate(frames))
                )
        else:
            for view, frame in enumerate(frames):
                notes = {"camera_name": data_set.camera_name(index), "seed": data_set.seed}
                write_frame(data_set.path(index, version, view), frame, **notes)


def simulate_camera(
    render: Render, preset: Preset, sensor: Sensor, matcher: Matcher, rng: np.random.Generator
) -> Frame:
    """The frame that a camera with this sensor and this matcher records of a rendered view."""
    scale = preset.camera.disparity_scale_px_mm
    left, right = expose(render, sensor, rng)
    truth_mm = np.minimum(render.depth_m * 1000.0, MAX_DEPTH_MM)
    disparity = match(left, right, matcher)
    return Frame(
        name="",
        camera=preset.camera,
        depth_mm=to_uint16_mm(to_depth_mm(disparity, scale)),
        infrared=np.round(left).astype(np.uint8),
        infrared_right=np.round(right).astype(np.uint8),
        ground_truth_mm=to_uint16_mm(truth_mm),
    )


def load_render(path: Path) -> Render:
    """Reads the stored render of a view."""
    with np.load(path) as arrays:
        return Render(**{name: arrays[name].astype(np.float32) for name in arrays})


def _frames(data_set: DataSet, index: int, version: int) -> Iterator[Frame]:
    """The views of a scene as one camera sees them, each with noise of its own."""
    preset = _preset(data_set, index)
    rng = data_set.rng(index, 2, version)
    sensor = random_sensor(rng, has_projector=preset.projector_fov_deg > 0)
    matcher = random_matcher(rng, data_set.thresholds(index, version))
    first_level = None
    for view in range(data_set.length):
        render = load_render(data_set.render_path(index, view))
        # Exposure follows the first view: auto-exposure is slow compared with 30 Hz.
        first_level = first_level or light_level(render, sensor)
        sensor_now = replace(sensor, reference=first_level)
        frame = simulate_camera(
            render, preset, sensor_now, matcher, data_set.rng(index, 3, version, view)
        )
        if preset.camera.width != data_set.size[0]:
            frame = resample_frame(frame, *data_set.size)
        keep_truth = view % data_set.ground_truth_every == 0
        yield frame if keep_truth else replace(frame, ground_truth_mm=None)


def _render(data_set: DataSet, index: int) -> None:
    preset, rng = _preset(data_set, index), data_set.rng(index, 1)
    furniture = _furniture(data_set.split, data_set.public_domain)
    scene = random_scene(rng, preset, furniture, data_set.places)
    renderer = Renderer(scene, preset, rng)
    render, seen_from = None, scene.pose
    for view, pose in enumerate(random_trajectory(rng, scene.pose, data_set.length)):
        # A render has no noise, so a static camera reuses it.
        if render is None or not np.array_equal(pose, seen_from):
            seen_from, render = pose, renderer.render(pose)
        path = data_set.render_path(index, view)
        light: dict[str, Any] = {
            name: to_half(value) for name, value in vars(render).items() if name != "depth_m"
        }
        with atomic_output(path) as unfinished:
            np.savez(unfinished, depth_m=render.depth_m, **light)


def to_half(light: np.ndarray) -> np.ndarray:
    """float16, clipped: a glint would become infinite, and the lens's blur would spread it."""
    return np.minimum(light, np.finfo(np.float16).max).astype(np.float16)


def _preset(data_set: DataSet, index: int) -> Preset:
    return PRESETS[data_set.camera_name(index)].streaming(*data_set.matched_size(index))


def _stamp_ns(view: int) -> int:
    return 1_000_000_000 + view * 1_000_000_000 // RATE_HZ


@cache
def _furniture(split: str, public_domain: bool) -> Furniture:
    return Furniture(library_folder(), split, public_domain)


def _run_in_worker(data_set: DataSet, index: int) -> None:
    use_one_thread()
    run_scene(data_set, index)


@cache
def use_one_thread() -> None:
    """One renderer thread per process: fixed summation order, so equal seeds give equal bits."""
    load_mitsuba()
    import cv2
    import drjit

    drjit.set_thread_count(1)
    cv2.setNumThreads(1)
