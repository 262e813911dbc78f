import hashlib

import numpy as np
import pytest
import trimesh

from scenes import camera

pytest.importorskip("mitsuba", reason="Mitsuba is not installed")

from rs_denoise.recordings.image_folder import read_frame
from rs_denoise.simulation.furniture import Furniture, Part
from rs_denoise.simulation.matcher import Matcher, random_matcher
from rs_denoise.simulation.materials import random_material
from rs_denoise.simulation.presets import PRESETS, Preset
from rs_denoise.simulation.render import RendererMissing, Stage, mitsuba
from rs_denoise.simulation.scene import Scene, Surface, camera_pose, random_scene
from rs_denoise.simulation.sensor import Sensor, random_sensor
from rs_denoise.simulation.simulate import Job, look, run_job

try:
    mitsuba()
except RendererMissing as reason:
    pytest.skip(str(reason), allow_module_level=True)

SMALL = Preset(camera(192, 144, fx=150.0), 0.02, 90.0)
QUIET = Sensor(60.0, 0.4, 0.0, 1e6, 0.1, 0.0, 0.0, 0.0, 0)
HONEST = Matcher(7, 0, False, 0, 0.8, 1.0, 0.0, 0.0, 0.0, 0.0, 32)


def wall_scene(distance_m=1.0, box_m=None):
    """A wall before the camera, which looks along +x from the origin; and a box before it."""
    rng = np.random.default_rng(0)
    parts = [trimesh.creation.box(extents=[0.02, 8, 8])]
    parts[0].apply_translation([distance_m + 0.01, 0, 0])
    if box_m is not None:
        parts.append(trimesh.creation.box(extents=[0.02, 0.2, 0.2]))
        parts[1].apply_translation([box_m + 0.01, 0, 0])
    surfaces = []
    for part in parts:
        material = random_material(rng)
        noise = 0.2 + 0.6 * rng.random((256, 256), np.float32)
        material = type(material)(noise, 0.8, "diffuse", 0.3)
        surfaces.append(Surface(Part(part.vertices.astype(np.float32), part.faces), material))
    pose = camera_pose(np.zeros(3), 0.0, 0.0, 0.0)
    return Scene(surfaces, pose, [(np.array([0.0, 0.5, 2.0]), 1.0)], 0.3, 1.0, 9000, 1.0)


def looked_at(scene, sensor=QUIET, matcher=HONEST):
    rng = np.random.default_rng(1)
    render = Stage(scene, SMALL, rng, 16).render(scene.pose, 1)
    return look(render, SMALL, sensor, matcher, rng)


def test_a_wall_has_the_disparity_of_the_formula():
    frame = looked_at(wall_scene(1.0))
    scale = SMALL.camera.disparity_scale_px_mm
    np.testing.assert_allclose(frame.ground_truth_mm, 1000, atol=1)
    inside = frame.depth_mm[20:-20, 30:-20]
    assert (inside > 0).mean() > 0.95
    assert abs(np.median(scale / inside[inside > 0]) - scale / 1000) < 0.1


def test_the_left_band_and_the_shadow_beside_a_near_thing_are_invalid():
    frame = looked_at(wall_scene(1.0, box_m=0.5))
    scale = SMALL.camera.disparity_scale_px_mm
    band = int(scale / 1000)
    assert (frame.depth_mm[:, : band - 2] > 0).mean() < 0.5
    near = frame.ground_truth_mm < 700
    columns = np.flatnonzero(near.any(axis=0))
    rows = np.flatnonzero(near.any(axis=1))[5:-5]
    # The background just left of the box is hidden from the right imager, that right of it is not.
    shadow = frame.depth_mm[rows, columns[0] - 6 : columns[0]]
    lit = frame.depth_mm[rows, columns[-1] + 8 : columns[-1] + 14]
    assert np.mean(np.abs(shadow.astype(int) - 1000) < 50) < 0.5
    assert np.mean(np.abs(lit.astype(int) - 1000) < 50) > 0.8


def test_truth_is_never_between_two_surfaces():
    truth = looked_at(wall_scene(1.0, box_m=0.5)).ground_truth_mm
    # The box is 20 mm thick.
    assert (((truth >= 499) & (truth <= 521)) | (np.abs(truth.astype(int) - 1000) <= 1)).all()


def test_the_same_seed_gives_the_same_scene_and_another_seed_another():
    def digest(seed):
        scene = random_scene(np.random.default_rng(seed), SMALL.camera, Furniture())
        data = b"".join(s.part.vertices.tobytes() for s in scene.surfaces)
        return hashlib.sha256(data + scene.pose.tobytes()).hexdigest()

    assert digest(3) == digest(3) != digest(4)


def test_a_data_set_is_resumed_and_repeated(tmp_path, monkeypatch):
    monkeypatch.setitem(PRESETS, "small", SMALL)
    jobs = [Job(tmp_path / name, 0, 5, ("small",), 2) for name in ("a", "b")]
    for job in jobs:
        run_job(job)
    first, second = (read_frame(job.frame_path(1)) for job in jobs)
    np.testing.assert_array_equal(first.ground_truth_mm, second.ground_truth_mm)
    assert np.mean(first.depth_mm == second.depth_mm) > 0.98
    versions = [read_frame(jobs[0].frame_path(v)).depth_mm for v in range(2)]
    assert np.mean(versions[0] == versions[1]) < 0.9
    stamp = jobs[0].render_path.stat().st_mtime_ns
    (jobs[0].frame_path(0) / "camera.json").unlink()
    run_job(jobs[0])
    assert jobs[0].render_path.stat().st_mtime_ns == stamp
    assert (jobs[0].frame_path(0) / "camera.json").exists()


def test_random_cameras_are_plausible():
    rng = np.random.default_rng(0)
    biases = [random_matcher(rng).bias_px for _ in range(300)]
    assert abs(np.mean(biases)) < 0.02  # or the network learns to shift everything
    assert all(12 <= random_sensor(rng).median_grey <= 75 for _ in range(50))
