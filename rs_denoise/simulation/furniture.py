"""Furniture and household meshes from Debian's package sweethome3d-furniture.

The models are CC0 (Blend Swap CC-0), CC-BY 3.0 (Blend Swap CC-BY, Scopia, Reallusion) and
CC-BY 3.0 US (Kator Legaz); nothing of them is stored in this project, they are read from
where the package manager puts them and converted once into a cache.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

LIBRARY = Path("/usr/share/sweethome3d/furniture")
MAX_FACES = 60_000
# Parts of a model keep their own material; beyond this many the smallest share one.
MAX_PARTS = 6


@dataclass(frozen=True)
class Part:
    """Triangles of one material: vertices [N, 3] float32 in metres, z up, faces [M, 3] int32."""

    vertices: np.ndarray
    faces: np.ndarray


class Furniture:
    """The models of the library, by index, converted on first use and cached.

    Args:
        library: folder with .sh3f files; a folder without any gives an empty collection, and
            scenes are then made of primitives alone.
        public_domain: leave out what asks for attribution.
        cache: where converted meshes go.
    """

    def __init__(
        self, library: Path = LIBRARY, cache: Path | None = None, public_domain: bool = False
    ) -> None:
        default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        self.cache = cache or default / "rs_denoise" / "furniture"
        self.models = [
            (archive, *entry)
            for archive in sorted(library.glob("*-CC-0.sh3f" if public_domain else "*.sh3f"))
            for entry in _catalog(archive)
        ]

    def __len__(self) -> int:
        return len(self.models)

    def parts(self, index: int) -> list[Part]:
        """Model `index`, standing on z = 0 and centred over the origin, in its real size.

        A model that cannot be read or is too heavy gives an empty list.
        """
        archive, model, _ = self.models[index]
        cached = self.cache / archive.stem / f"{Path(model).stem}.npz"
        if not cached.exists():
            cached.parent.mkdir(parents=True, exist_ok=True)
            arrays: dict[str, Any] = {}
            for k, part in enumerate(_convert(*self.models[index])):
                arrays[f"v{k}"], arrays[f"f{k}"] = part.vertices, part.faces
            partial = cached.with_suffix(f".{os.getpid()}.npz")
            np.savez(partial, **arrays)
            partial.replace(cached)
        with np.load(cached) as arrays:
            return [Part(arrays[f"v{k}"], arrays[f"f{k}"]) for k in range(len(arrays) // 2)]


def _catalog(archive: Path) -> list[tuple[str, tuple[float, float, float]]]:
    """OBJ path inside the archive and size (width, depth, height) in metres of each model."""
    with zipfile.ZipFile(archive) as z:
        text = z.read("PluginFurnitureCatalog.properties").decode("latin-1")
    fields: dict[str, dict[str, str]] = {}
    for key, number, value in re.findall(r"^(\w+)#(\d+)=(.*)$", text, re.MULTILINE):
        fields.setdefault(number, {})[key] = value.strip()
    entries = []
    for number in sorted(fields, key=int):
        f = fields[number]
        if "model" in f and f["model"].endswith(".obj") and "width" in f:
            width, depth, height = (float(f[k]) / 100.0 for k in ("width", "depth", "height"))
            entries.append((f["model"].lstrip("/"), (width, depth, height)))
    return entries


def _convert(archive: Path, model: str, size_m: tuple[float, float, float]) -> list[Part]:
    with zipfile.ZipFile(archive) as z:
        text = z.read(model).decode("latin-1")
    try:
        scene = trimesh.load(
            io.StringIO(text), file_type="obj", split_object=False, group_material=True,
            skip_materials=True, process=False,
        )  # fmt: skip
    except Exception:  # trimesh raises whatever its parser met; one bad model is no loss
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
