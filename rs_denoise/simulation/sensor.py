"""From light on the imagers to infrared images: optics, exposure and noise."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from rs_denoise.simulation.render import Render

# In units of the median light: beyond it every exposure saturates.
WHITE = 1000.0
# Between 1 and 5 m, real dots lose less contrast than rendered ones.
DOT_EXPONENT = 0.7
# Lengths are in pixels of images of this width, because optics do not depend on the stream's size.
REFERENCE_WIDTH = 848
# Median grey level, contrast and read-out noise, lowest and highest. Real frames: six with a
# projector have a median of 17 to 26, two others 51 and 61, one without a projector 97.
DARK = (9, 33), (0.2, 0.45), (2.2, 13.5)
BRIGHT = (33, 80), (0.2, 0.45), (2.2, 13.5)
PHOTOGRAPH = (40, 110), (0.5, 0.9), (1.8, 5.0)


@dataclass(frozen=True)
class Sensor:
    """The properties of one camera's imagers. `random_sensor` defines their ranges.

    Attributes:
        projector: strength of the dots, 1 as rendered; 0 is off.
        median_grey: target of auto-exposure, in grey levels of 255.
        contrast: exponent on the light of lamps, 1 as rendered; a lower value approximates indirect
            light.
        black: grey level without light.
        blur_px: sigma of the lens, in pixels of an image that is 848 wide, like all lengths here.
        vignetting: fraction of light lost in the corners.
        full_well, read_noise: electrons at white, and read noise in electrons.
        shift_px, shear: vertical rectification error of the right image.
        bias_px: horizontal shift of the right image, added to every disparity. Its mean over
            cameras is about zero, so that networks do not learn to subtract it.
        warp_px: amplitude of the right image's slowly varying horizontal error, the static
            waviness.
        warp_seed: seed of that error, which is the same in all frames of a camera.
        reference: light that becomes `median_grey`; 0: use the median of the view itself.
    """

    projector: float
    median_grey: float
    contrast: float
    black: float
    blur_px: float
    vignetting: float
    full_well: float
    read_noise: float
    shift_px: float
    shear: float
    bias_px: float
    warp_px: float
    warp_seed: int
    reference: float = 0.0


def random_sensor(rng: np.random.Generator, has_projector: bool = True) -> Sensor:
    """A random camera, badly rectified in half of the cases.

    With a projector the image is dark and has low contrast, because auto-exposure follows the dots;
    for one camera in four it is brighter. Without a projector it is a normal photograph.

    Args:
        rng: the random numbers.
        has_projector: False for a camera without one.
    """
    misaligned = rng.random() < 0.5
    projector = _random_projector(rng) if has_projector else 0.0
    grey, contrast, read_noise = PHOTOGRAPH
    if projector > 0:
        grey, contrast, read_noise = BRIGHT if rng.random() < 0.25 else DARK
    return Sensor(
        projector=projector,
        median_grey=float(np.exp(rng.uniform(*np.log(grey)))),
        contrast=float(rng.uniform(*contrast)),
        black=float(rng.uniform(0, 6)),
        blur_px=float(rng.uniform(1.1, 1.55)),
        vignetting=float(rng.uniform(0.0, 0.5)),
        full_well=float(np.exp(rng.uniform(np.log(20_000), np.log(170_000)))),
        read_noise=float(rng.uniform(*read_noise)),
        shift_px=float(rng.normal(0, 0.17)) if misaligned else 0.0,
        shear=float(rng.normal(0, 2e-4)) if misaligned else 0.0,
        bias_px=float(rng.normal(0, 0.06)),
        warp_px=float(rng.uniform(0.02, 0.1)),
        warp_seed=int(rng.integers(2**31)),
    )


def light_level(render: Render, sensor: Sensor) -> float:
    """The light that auto-exposure brings to `median_grey`: the median of the left image."""
    return max(float(np.median(_total_light(render.left, render.left_dots, sensor))), 1e-6)


def expose(
    render: Render, sensor: Sensor, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Left and right image, [H, W] float32 in grey levels 0..255, noise included.

    Not yet rounded to 8 bits, because the camera matches more bits than it sends.
    """
    reference = sensor.reference or light_level(render, sensor)
    # The reflection of a lamp can be arbitrarily bright, even infinite: it is clipped at white.
    left, right = (
        np.fmin(np.fmax(_total_light(lamps, dots, sensor), 0), WHITE * reference)
        for lamps, dots in (
            (render.left, render.left_dots),
            (render.right, render.right_dots),
        )
    )
    right = np.fmax(_misaligned(right, sensor), 0)
    left, right = (sensor.black + sensor.median_grey * image / reference for image in (left, right))
    return _imaged(left, sensor, rng), _imaged(right, sensor, rng)


def _total_light(lamps: np.ndarray, dots: np.ndarray, sensor: Sensor) -> np.ndarray:
    light = np.fmax(lamps, 0) ** sensor.contrast
    if sensor.projector > 0:
        light = light + sensor.projector * np.fmax(dots, 0) ** DOT_EXPONENT
    return light


def _random_projector(rng: np.random.Generator) -> float:
    """Draws its strength: off in 8 % of the cases, and bright enough to saturate in 6 %."""
    choice = rng.random()
    if choice < 0.08:
        return 0.0
    return float(rng.uniform(6, 15) if choice < 0.14 else np.exp(rng.uniform(-0.7, 0.9)))


def slow_error(shape: tuple[int, int], seed: int) -> np.ndarray:
    """A smooth field [H, W] of standard deviation 1, with structure at 25, 60 and 160 px of 848."""
    rng = np.random.default_rng(seed)
    field = np.zeros(shape, np.float32)
    for size, weight in ((25, 0.1), (60, 0.2), (160, 1.0)):
        scale = max(round(size * shape[1] / REFERENCE_WIDTH), 2)
        coarse = rng.normal(size=(shape[0] // scale + 4, shape[1] // scale + 4))
        layer = cv2.resize(
            coarse.astype(np.float32), None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC
        )
        layer = layer[scale : scale + shape[0], scale : scale + shape[1]]
        field += weight * layer / layer.std()
    return field / field.std()


def _misaligned(image: np.ndarray, sensor: Sensor) -> np.ndarray:
    height, width = image.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    scale = width / REFERENCE_WIDTH
    slow_px = sensor.warp_px * slow_error(image.shape, sensor.warp_seed)
    along_x = x + scale * (sensor.bias_px + slow_px)
    along_y = y + scale * sensor.shift_px + sensor.shear * (x - width / 2)
    return cv2.remap(image, along_x, along_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def _imaged(light: np.ndarray, sensor: Sensor, rng: np.random.Generator) -> np.ndarray:
    height, width = light.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    radius2 = ((x - width / 2) ** 2 + (y - height / 2) ** 2) / (width**2 + height**2) * 4
    blur_px = sensor.blur_px * width / REFERENCE_WIDTH
    light = cv2.GaussianBlur(light, (0, 0), blur_px) * (1 - sensor.vignetting * radius2)
    electrons = np.clip(light / 255.0, 0, 1) * sensor.full_well
    noise = rng.normal(size=light.shape) * np.sqrt(electrons + sensor.read_noise**2)
    return np.clip((electrons + noise) / sensor.full_well * 255.0, 0, 255).astype(np.float32)
