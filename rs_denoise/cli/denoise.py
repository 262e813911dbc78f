"""`rs_denoise denoise`: a folder of frames, denoised."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from rs_denoise.cli import options
from rs_denoise.evaluation.evaluate import DenoisedBy
from rs_denoise.gate import Gate
from rs_denoise.model import Model
from rs_denoise.recordings.image_folder import write_png
from rs_denoise.recordings.recording import open_recording


def denoise(
    frames: Annotated[Path, typer.Argument(help="Frame folders, gt-, res-, left-*.png, or a bag.")],
    out: Annotated[Path, typer.Argument(help="Where OUT/<frame>/depth.png goes.")],
    model: options.ModelFile = options.DEFAULT_MODEL_FILE,
    device: options.Device = "auto",
    min_confidence: options.MinConfidence = options.DEFAULT_MIN_CONFIDENCE,
    fill_confidence: options.FillConfidence = options.DEFAULT_FILL_CONFIDENCE,
) -> None:
    """Writes OUT/<frame>/depth.png (uint16 mm) and confidence.png (uint8, 255 = certain)."""
    console = Console()
    recording = open_recording(frames)
    loaded = Model.load(model, device)
    gate = Gate(min_confidence, fill_confidence)
    method = DenoisedBy(loaded, gate)
    count = 0
    for frame in track(recording, "denoising", total=recording.count, console=console):
        result = method.denoised(frame)
        target = out / frame.name
        target.mkdir(parents=True, exist_ok=True)
        write_png(target / "depth.png", np.rint(result.depth_mm).astype(np.uint16))
        write_png(
            target / "confidence.png",
            np.rint(np.nan_to_num(result.confidence) * 255).astype(np.uint8),
        )
        count += 1
    console.print(f"{count} frames in {out}")
    options.print_skipped(console, recording.skipped)
