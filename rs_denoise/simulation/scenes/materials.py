"""Surface materials in infrared: photographed or drawn reflectance, and gloss."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from rs_denoise.simulation.scenes.furniture import TEXTURE_PX, Furniture


@dataclass(frozen=True)
class Material:
    """Reflectance and gloss of a surface.

    Attributes:
        reflectance: [H, W] float32 in 0..1, repeated every `size_m` metres.
        size_m: size of one repetition on the surface.
        kind: "diffuse", "plastic" (a clear coat), "metal" or "glass" (thin and clear).
        roughness: of the coat or the metal, 0.05 (mirror-like) to 0.5.
    """

    reflectance: np.ndarray
    size_m: float
    kind: str
    roughness: float


GLASS = Material(np.ones((1, 1), np.float32), 1.0, "glass", 0.0)


def random_material(rng: np.random.Generator, furniture: Furniture) -> Material:
    """A random surface: 30 % photographed, 20 % with a drawn pattern, the rest plain."""
    choice = rng.random()
    if choice < 0.3 and furniture.photographs:
        texture = furniture.photograph(int(rng.integers(len(furniture.photographs))))
        # Dyes lose their contrast in infrared: surfaces that look dark may be bright.
        level = max(float(texture.mean()), 0.02)
        texture = level * (texture / level) ** rng.uniform(0.3, 1.0)
        texture = texture * np.exp(rng.uniform(np.log(0.4), np.log(1.3)))
    else:
        texture = _drawn(rng, patterned=choice < 0.5)
    kind = rng.choice(["diffuse", "plastic", "metal"], p=[0.72, 0.22, 0.06])
    return Material(
        reflectance=np.clip(texture, 0.01, 0.95).astype(np.float32),
        size_m=float(np.exp(rng.uniform(np.log(0.15), np.log(2.0)))),
        kind=str(kind),
        roughness=float(rng.uniform(0.1, 0.5)),
    )


def ground_material(rng: np.random.Generator) -> Material:
    """Grass, gravel, earth or tar: noise at all scales, never shiny."""
    albedo = float(np.exp(rng.uniform(np.log(0.08), np.log(0.6))))
    noise = _fractal_noise(rng, rng.uniform(0.2, 0.9))
    texture = np.clip(albedo * (1 + rng.uniform(0.15, 0.5) * noise), 0.02, 0.95)
    return Material(texture.astype(np.float32), float(rng.uniform(0.5, 2.5)), "diffuse", 0.5)


def _drawn(rng: np.random.Generator, patterned: bool) -> np.ndarray:
    albedo = float(np.exp(rng.uniform(np.log(0.04), np.log(0.85))))
    texture = albedo * (1 + rng.uniform(0.01, 0.12) * _fractal_noise(rng, rng.uniform(0.3, 1.2)))
    if patterned:
        second = float(np.clip(albedo * np.exp(rng.normal(0, 0.9)), 0.03, 0.9))
        weight = _pattern(rng)
        texture = texture * (1 - weight) + second * weight
    return texture


def _fractal_noise(rng: np.random.Generator, slope: float) -> np.ndarray:
    """Noise with amplitude 1/f**slope that tiles; standard deviation 1."""
    f = np.hypot(
        *np.meshgrid(np.fft.fftfreq(TEXTURE_PX), np.fft.rfftfreq(TEXTURE_PX), indexing="ij")
    )
    f[0, 0] = np.inf
    phase = np.exp(2j * np.pi * rng.random(f.shape))
    noise = np.fft.irfft2(phase / f**slope, s=(TEXTURE_PX, TEXTURE_PX))
    return (noise / noise.std()).astype(np.float32)


def _pattern(rng: np.random.Generator) -> np.ndarray:
    """Where the second colour is: [TEXTURE_PX, TEXTURE_PX] weights in 0..1."""
    n = TEXTURE_PX
    y, x = np.mgrid[:n, :n] / n
    choice = rng.integers(6)
    if choice == 0:  # tiles or bricks with joints
        rows, joint = int(rng.integers(2, 12)), rng.uniform(0.02, 0.12)
        aspect = int(rng.integers(1, 4))
        shift = 0.5 * (np.floor(y * rows) % 2) * rng.integers(0, 2)
        across = (x * max(rows // aspect, 1) + shift) % 1
        return ((across < joint) | ((y * rows) % 1 < joint)).astype(np.float32)
    if choice == 1:  # stripes
        return ((x * rng.integers(2, 24)) % 1 < rng.uniform(0.2, 0.8)).astype(np.float32)
    if choice == 2:  # checks
        k = rng.integers(2, 16)
        return ((np.floor(x * k) + np.floor(y * k)) % 2).astype(np.float32)
    if choice == 3:  # blotches
        return (_fractal_noise(rng, rng.uniform(1.0, 2.0)) > rng.normal()).astype(np.float32)
    if choice == 4:  # print: rectangles and lines, like posters and books
        sheet = np.zeros((n, n), np.float32)
        for _ in range(int(rng.integers(10, 80))):
            p, q = rng.integers(0, n, 2), rng.integers(0, n, 2)
            q = p + (q - p) // int(rng.integers(1, 8))
            cv2.rectangle(sheet, p.tolist(), q.tolist(), float(rng.random()), -1)
        return sheet
    # grain of wood or cloth: noise drawn out along one axis
    noise = cv2.blur(_fractal_noise(rng, 0.6), (int(rng.integers(10, 60)), 1))
    return np.clip(0.5 + 0.5 * noise / noise.std(), 0, 1)
