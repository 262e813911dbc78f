"""Depth images of a floor, seen from a known pose."""

import numpy as np

from rs_denoise.camera import Camera

CAMERA = Camera(161, 121, 100.0, 100.0, 80.0, 60.0, 0.05)


def floor(pose, camera=CAMERA, farthest_m=6.0):
    """Depth of the floor alone, as the camera sees it from there."""
    y, x = np.mgrid[: camera.height, : camera.width]
    rays = np.stack([(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, 1 + 0 * x], axis=-1)
    down = pose.height_m - pose.to_floor_frame(rays.reshape(-1, 3).T)[2].reshape(x.shape)
    z = np.where(down > 1e-6, pose.height_m / np.maximum(down, 1e-6), np.inf)
    return np.where(z < farthest_m, 1000 * z, 0).round().astype(np.uint16)
