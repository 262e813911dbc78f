"""`rs_denoise denoise`: a folder of frames, denoised."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from rs_denoise.cli import options
from rs_denoise.denoiser import Denoiser
from rs_denoise.gate import Gate
from rs_denoise.model import Model
from rs_denoise.recordings.image_folder import find_frames, read_frame, write_png


def denoise(
    frames: Annotated[Path, typer.Argument(help="A frame folder, or a folder of them.")],
    out: Annotated[Path, typer.Argument(help="Where OUT/<frame>/depth.png goes.")],
    model: options.ModelFile = options.DEFAULT_MODEL_FILE,
    device: options.Device = "auto",
    min_confidence: options.MinConfidence = options.DEFAULT_MIN_CONFIDENCE,
    fill_confidence: options.FillConfidence = options.DEFAULT_FILL_CONFIDENCE,
) -> None:
    """Writes OUT/<frame>/depth.png (uint16 mm) and confidence.png (uint8, 255 = certain)."""
    console = Console()
    folders, skipped = find_frames(frames)
    loaded = Model.load(model, device)
    gate = Gate(min_confidence, fill_confidence)
    for folder in track(folders, "denoising", console=console):
        frame = read_frame(folder)
        result = Denoiser(loaded, frame.camera, gate).denoise(frame.depth_mm, frame.infrared)
        target = out / folder.name
        target.mkdir(parents=True, exist_ok=True)
        write_png(target / "depth.png", np.rint(result.depth_mm).astype(np.uint16))
        write_png(target / "confidence.png", np.rint(result.confidence * 255).astype(np.uint8))
    console.print(f"{len(folders)} frames in {out}")
    for path, reason in skipped.items():
        console.print(f"[yellow]skipped {path.name}: {reason}")
