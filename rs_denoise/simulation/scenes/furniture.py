"""Furniture and household meshes from Debian's package sweethome3d-furniture.

The models are CC0 (Blend Swap CC-0), CC-BY 3.0 (Blend Swap CC-BY, Scopia, Reallusion) and
CC-BY 3.0 US (Kator Legaz); nothing of them is stored in this project, they are read from
where `make furniture` puts them and converted once into a cache.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import trimesh

from rs_denoise.recordings.atomic_output import atomic_output

MAX_FACES = 60_000
# Each part of a model has its own material; beyond this number, the smallest share one.
MAX_PARTS = 6
SMALL_M = 0.45
TEXTURE_PX = 256
# Meshes and photographs are assigned to a split by their content: 8 + 1 + 1 tenths.
SPLITS = {"train": range(2, 10), "validation": range(1, 2), "test": range(1)}


def cache_folder() -> Path:
    """The folder for data that this package can recreate."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "rs_denoise"


def library_folder() -> Path | None:
    """The folder of Debian's package, installed or from `make furniture`; None without it."""
    inside = "usr/share/sweethome3d/furniture"
    for root in (Path("/"), cache_folder() / "sweethome3d"):
        if any((root / inside).glob("*.sh3f")):
            return root / inside
    return None


@dataclass(frozen=True)
class Part:
    """Triangles of one material: vertices [N, 3] float32 in metres, z up, faces [M, 3] int32."""

    vertices: np.ndarray
    faces: np.ndarray


@dataclass(frozen=True)
class CatalogEntry:
    """An entry of the catalogue: OBJ path inside its archive; width, depth, height in metres."""

    archive: Path
    path: str
    size_m: tuple[float, float, float]


class Furniture:
    """The models and photographs of the library, by index, converted on first use and cached.

    Args:
        library: folder with .sh3f files; None gives an empty collection, and scenes are then made
            of primitives alone.
        split: a key of SPLITS; two splits share no mesh and no photograph.
        public_domain: exclude models that require attribution.
        cache: folder for converted meshes.
    """

    def __init__(
        self,
        library: Path | None,
        split: str = "train",
        public_domain: bool = False,
        cache: Path | None = None,
    ) -> None:
        self.cache = cache or cache_folder() / "furniture"
        self.models: list[CatalogEntry] = []
        self.photographs: list[tuple[Path, str]] = []
        pattern = "*-CC-0.sh3f" if public_domain else "*.sh3f"
        for archive in sorted(library.glob(pattern)) if library else []:
            models, photographs = _catalog(archive, SPLITS[split])
            self.models += models
            self.photographs += [(archive, name) for name in photographs]
        self.small = [i for i, model in enumerate(self.models) if max(model.size_m) < SMALL_M]

    def __len__(self) -> int:
        return len(self.models)

    def parts(self, index: int) -> list[Part]:
        """Model `index`, standing on z = 0 and centred over the origin, in its real size.

        A model that cannot be read or is too heavy gives an empty list.
        """
        model = self.models[index]
        cached = self.cache / model.archive.stem / f"{Path(model.path).stem}.npz"
        if not cached.exists():
            arrays: dict[str, Any] = {}
            for k, part in enumerate(_convert(model.archive, model.path, model.size_m)):
                arrays[f"v{k}"], arrays[f"f{k}"] = part.vertices, part.faces
            with atomic_output(cached) as unfinished:
                np.savez(unfinished, **arrays)
        with np.load(cached) as arrays:
            return [Part(arrays[f"v{k}"], arrays[f"f{k}"]) for k in range(len(arrays) // 2)]

    def photograph(self, index: int) -> np.ndarray:
        """Photograph `index` as reflectance, [TEXTURE_PX, TEXTURE_PX] float32 in 0..1."""
        archive, name = self.photographs[index]
        data = np.frombuffer(_opened(archive).read(name), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
        if image is None:
            return np.full((TEXTURE_PX, TEXTURE_PX), 0.5, np.float32)
        size = (TEXTURE_PX, TEXTURE_PX)
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        return (image / 255.0) ** 2.2


@cache
def _opened(archive: Path) -> zipfile.ZipFile:
    """Kept open: reading the directory takes longer than reading a photograph."""
    return zipfile.ZipFile(archive)


def _catalog(archive: Path, tenths: range) -> tuple[list[CatalogEntry], list[str]]:
    """Models and photographs of the archive whose content falls to these tenths."""
    with zipfile.ZipFile(archive) as z:
        text = z.read("PluginFurnitureCatalog.properties").decode("latin-1")
        checksums = {info.filename: info.CRC for info in z.infolist()}
    ours = {name for name, checksum in checksums.items() if checksum % 10 in tenths}
    fields: dict[str, dict[str, str]] = {}
    for key, number, value in re.findall(r"^(\w+)#(\d+)=(.*)$", text, re.MULTILINE):
        fields.setdefault(number, {})[key] = value.strip().lstrip("/")
    models = []
    for number in sorted(fields, key=int):
        f = fields[number]
        if f.get("model", "").endswith(".obj") and f["model"] in ours and "width" in f:
            width, depth, height = (float(f[k]) / 100.0 for k in ("width", "depth", "height"))
            models.append(CatalogEntry(archive, f["model"], (width, depth, height)))
    icons = {f.get(key) for f in fields.values() for key in ("icon", "planIcon")}
    images = (name for name in sorted(ours - icons) if name.lower().endswith((".jpg", ".png")))
    return models, list(images)


def _convert(archive: Path, model: str, size_m: tuple[float, float, float]) -> list[Part]:
    with zipfile.ZipFile(archive) as z:
        text = z.read(model).decode("latin-1")
    try:
        scene = trimesh.load(
            io.StringIO(text), file_type="obj", split_object=False, group_material=True,
            skip_materials=True, process=False,
        )  # fmt: skip
    except Exception:  # trimesh can raise anything; a single bad model does not matter
        return []
    # An OBJ file has no scene graph: its geometries already share one frame.
    meshes: Any = scene.geometry.values() if isinstance(scene, trimesh.Scene) else [scene]
    meshes = [m for m in meshes if isinstance(m, trimesh.Trimesh) and len(m.faces)]
    if not meshes or sum(len(m.faces) for m in meshes) > MAX_FACES:
        return []
    arrays = [(np.asarray(m.vertices), np.asarray(m.faces)) for m in meshes]
    arrays.sort(key=lambda vf: -len(vf[1]))
    arrays = arrays[: MAX_PARTS - 1] + _joined(arrays[MAX_PARTS - 1 :])
    low = np.min([v.min(axis=0) for v, _ in arrays], axis=0)
    high = np.max([v.max(axis=0) for v, _ in arrays], axis=0)
    extent = np.maximum(high - low, 1e-6)
    # The library's OBJ files have y up and z towards the viewer; the scene has z up.
    wanted = np.array([size_m[0], size_m[2], size_m[1]])
    centre = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
    parts = []
    for vertices, faces in arrays:
        v = (vertices - centre) * (wanted / extent)
        v = np.stack([v[:, 0], -v[:, 2], v[:, 1]], axis=1)
        parts.append(Part(v.astype(np.float32), faces.astype(np.int32)))
    return parts


def _joined(arrays: list[tuple[np.ndarray, np.ndarray]]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Many (vertices, faces) as one, or none."""
    if not arrays:
        return []
    starts = np.cumsum([0] + [len(v) for v, _ in arrays[:-1]])
    faces = [f + start for (_, f), start in zip(arrays, starts, strict=True)]
    return [(np.concatenate([v for v, _ in arrays]), np.concatenate(faces))]
