"""`rs_denoise animate`: rotating point clouds, before and after."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from rich.progress import track

from rs_denoise.cli import options
from rs_denoise.cli.console import make_console
from rs_denoise.cli.recording_options import reads_recordings
from rs_denoise.drawing.figure import ChartError, check_suffix
from rs_denoise.drawing.orbit import BACKGROUND, OrbitCamera, PointCloud, render_orbit
from rs_denoise.evaluation.frame_comparison import FrameComparison, select_frame
from rs_denoise.gate import Gate
from rs_denoise.offline import OfflineDenoiser, explain_rejected
from rs_denoise.recordings.overrides import NO_OVERRIDES, Overrides
from rs_denoise.recordings.recording import open_recording

# Many web sites refuse larger GIFs or show them as stills.
MAX_GIF_BYTES = 6_000_000
# The first of these palette sizes that gives a small enough GIF is used: more colours band less.
PALETTES = (256, 128, 64, 32)
# The palette is made from this many pictures, spread evenly over the swing.
PALETTE_PICTURES = 8
CAPTION_PX, CAPTION_AT = 18, (12, 8)
INK, BORDER = (235, 235, 235), (90, 90, 92)
# These colours have few pixels; the palette would otherwise lose them.
FIXED = (INK, BORDER, BACKGROUND)

Writer = Callable[[Path, list[np.ndarray], float], None]


@dataclass(frozen=True)
class AnimationFormat:
    """How a file format is written, and its frame rate."""

    write: Writer
    rate_hz: float


@reads_recordings
def animate(
    recording: options.RecordingPath,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Output file, .gif or .mp4.")],
    seconds: Annotated[
        float,
        typer.Option(
            min=0.5, max=60, metavar="SECONDS", help="Duration of one swing of the viewpoint."
        ),
    ] = 4.0,
    size: Annotated[
        str, typer.Option(metavar="WIDTHxHEIGHT", help="Size of the animation, px.")
    ] = "960x480",
    degrees: Annotated[
        float,
        typer.Option(
            min=1, max=120, metavar="DEGREES", help="Angle from the leftmost view to the rightmost."
        ),
    ] = 40.0,
    frame: options.FrameName = None,
    model: options.ModelFile = options.DEFAULT_MODEL_FILE,
    device: options.Device = "auto",
    min_confidence: options.MinConfidence = options.DEFAULT_MIN_CONFIDENCE,
    fill_confidence: options.FillConfidence = options.DEFAULT_FILL_CONFIDENCE,
    overrides: Overrides = NO_OVERRIDES,
) -> None:
    """Animates the point clouds of a frame: raw, denoised and, if known, ground truth."""
    check_suffix(out, tuple(FORMATS))
    options.check_out(out)
    wanted = options.parse_size(size)
    assert wanted is not None
    kind = FORMATS[out.suffix.lower()]
    _check_size(out, wanted)
    opened = open_recording(recording, overrides)
    method = OfflineDenoiser.load(model, device, Gate(min_confidence, fill_confidence))
    comparison = FrameComparison.of(select_frame(opened, frame), method)
    console = make_console()
    count = max(2, round(seconds * kind.rate_hz))
    views = track(
        _render_views(comparison, wanted, count, degrees),
        "rendering", total=count, console=console, transient=True,
    )  # fmt: skip
    captions = list(comparison.depths_mm)
    pictures = [_add_captions(view, captions, wanted) for view in views]
    kind.write(out, pictures, kind.rate_hz)
    megabytes = out.stat().st_size / 1e6
    console.print(
        f"{out}: frame {comparison.frame.name}, {count} pictures, {megabytes:.1f} MB",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    skipped = opened.skipped | explain_rejected([comparison.right_rejection])
    options.print_remarks(console, opened.notes, skipped)


def _render_views(
    comparison: FrameComparison, size: tuple[int, int], count: int, degrees: float
) -> Iterable[np.ndarray]:
    frame, depths = comparison.frame, comparison.depths_mm
    orbit_camera = OrbitCamera.of(frame.depth_mm, frame.camera, size[0] // len(depths), size[1])
    clouds = [
        PointCloud.of(depth, frame.camera, frame.infrared, *comparison.range_mm)
        for depth in depths.values()
    ]
    return render_orbit(clouds, orbit_camera, count, degrees)


def _add_captions(view: np.ndarray, captions: list[str], size: tuple[int, int]) -> np.ndarray:
    """Adds captions and borders between the clouds, and pads to the requested size."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", size, BACKGROUND)
    image.paste(Image.fromarray(view))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(CAPTION_PX)
    width = view.shape[1] // len(captions)
    for number, caption in enumerate(captions):
        place = number * width + CAPTION_AT[0], CAPTION_AT[1]
        draw.text(place, caption, INK, font, stroke_width=2, stroke_fill=BACKGROUND)
        if number:
            draw.line([(number * width, 0), (number * width, size[1])], BORDER, 2)
    return np.asarray(image)


def _write_gif(path: Path, pictures: list[np.ndarray], rate_hz: float) -> None:
    """Writes as many colours as the size allows, without dithering, which would flicker."""
    for colours in PALETTES:
        gif = _encode_gif(pictures, rate_hz, colours)
        if len(gif) <= MAX_GIF_BYTES:
            break
    path.write_bytes(gif)


def _encode_gif(pictures: list[np.ndarray], rate_hz: float, colours: int) -> bytes:
    from PIL import Image

    shown = pictures[:: max(1, len(pictures) // PALETTE_PICTURES)]
    cut = Image.fromarray(np.vstack(shown)).quantize(colours - len(FIXED), Image.Quantize.MEDIANCUT)
    palette = Image.new("P", (1, 1))
    palette.putpalette([*(cut.getpalette() or ()), *(c for colour in FIXED for c in colour)])
    images = [
        Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE)
        for picture in pictures
    ]
    file = io.BytesIO()
    images[0].save(
        file, "GIF", save_all=True, append_images=images[1:], duration=round(1000 / rate_hz), loop=0
    )
    return file.getvalue()


def _write_mp4(path: Path, pictures: list[np.ndarray], rate_hz: float) -> None:
    height, width = pictures[0].shape[:2]
    codec = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(path), codec, rate_hz, (width, height))
    if not writer.isOpened():
        raise ChartError(
            f"{path}: OpenCV cannot write it; is the folder writable? A .gif needs no codec"
        )
    for picture in pictures:
        writer.write(np.ascontiguousarray(picture[..., ::-1]))
    writer.release()


def _check_size(out: Path, size: tuple[int, int]) -> None:
    if out.suffix.lower() == ".mp4" and (size[0] % 2 or size[1] % 2):
        raise typer.BadParameter(f"an MP4 needs an even width and height, got {size[0]}x{size[1]}")


FORMATS = {".gif": AnimationFormat(_write_gif, 10.0), ".mp4": AnimationFormat(_write_mp4, 25.0)}
