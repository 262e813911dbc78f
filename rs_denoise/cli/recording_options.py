"""The options of all commands that read recordings: the topics of a bag, and the camera."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any

import typer

from rs_denoise.camera_models import CAMERA_MODELS
from rs_denoise.recordings.overrides import Overrides

TOPICS = "Topics of a bag"


def reads_recordings(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options of `_make_overrides`, in place of its parameter `overrides`."""
    options = signature(_make_overrides, eval_str=True).parameters

    @wraps(command)
    def with_options(**values: Any) -> None:
        overrides = _make_overrides(**{name: values.pop(name) for name in options})
        command(**values, overrides=overrides)

    own, parameters = signature(command, eval_str=True), list[Parameter]()
    for parameter in own.parameters.values():
        is_replaced = parameter.name == "overrides"
        parameters += options.values() if is_replaced else [parameter]
    # Typer reads the options of a command from its signature.
    with_options.__signature__ = own.replace(  # type: ignore[attr-defined]
        parameters=[p.replace(kind=Parameter.KEYWORD_ONLY) for p in parameters]
    )
    return with_options


def _topic(what: str) -> Any:
    return typer.Option(
        metavar="TOPIC", help=f"{what}.", show_default="detected", rich_help_panel=TOPICS
    )


def _check_camera(name: str | None) -> str | None:
    """Rejects what is neither a model nor a file; a file's path is made absolute, for clusters."""
    if name is None or name in CAMERA_MODELS:
        return name
    path = Path(name).absolute()
    if not path.is_file():
        raise typer.BadParameter(
            f"{name}: neither a camera.json nor a camera model; models are "
            f"{', '.join(CAMERA_MODELS)}"
        )
    return str(path)


def _make_overrides(
    depth_topic: Annotated[str | None, _topic("Depth")] = None,
    infrared_topic: Annotated[str | None, _topic("Left infrared")] = None,
    right_infrared_topic: Annotated[str | None, _topic("Right infrared")] = None,
    ground_truth_topic: Annotated[str | None, _topic("Ground truth depth")] = None,
    camera_info_topic: Annotated[str | None, _topic("camera_info of depth")] = None,
    camera: Annotated[
        str | None,
        typer.Option(
            "--camera",
            metavar="CAMERA",
            callback=_check_camera,
            help=f"Camera of images that are stored without one: {', '.join(CAMERA_MODELS)}, or a "
            "camera.json with width, height, fx, fy, cx, cy (px) and baseline_m.",
            show_default="as recorded",
        ),
    ] = None,
    baseline: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            max=1.0,
            metavar="METRES",
            help="Distance between the imagers, m.",
            show_default="as recorded",
        ),
    ] = None,
) -> Overrides:
    return Overrides(
        depth=depth_topic,
        infrared=infrared_topic,
        infrared_right=right_infrared_topic,
        ground_truth=ground_truth_topic,
        camera_info=camera_info_topic,
        baseline_m=baseline,
        camera=camera,
    )
