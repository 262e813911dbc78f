"""Exports a checkpoint to a model file with its manifest and model card."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from rs_denoise.evaluation.evaluate import evaluate
from rs_denoise.manifest import BETTER, FORMAT, NOT_MEASURED, WORSE, Manifest
from rs_denoise.model import Model, save
from rs_denoise.network_kind import NETWORK_KINDS
from rs_denoise.networks import NETWORKS, Network
from rs_denoise.offline import DENOISED, OfflineDenoiser
from rs_denoise.recordings.atomic_output import atomic_output, write_text
from rs_denoise.recordings.frame import Frame

# The blocks of an evaluation that are stored in the manifest.
AGAINST_TRUTH = ("published", "same", "same_raw", "ranking")


class ExportError(ValueError):
    """A checkpoint that cannot be exported, or whose model is worse than its input."""


def export(
    checkpoint: Path,
    out: Path,
    name: str,
    training_data: str,
    frames: Iterable[Frame] | None = None,
    force: bool = False,
) -> Manifest:
    """Writes the network of a Lightning checkpoint as a model file, and a model card next to it.

    Batch normalisation is folded into the convolutions.

    Args:
        checkpoint: of `rs_denoise train`.
        out: the model file; replaced if it exists.
        name: of the model.
        training_data: description of the data it was trained on.
        frames: with ground truth, to evaluate the model on; None: not evaluated.
        force: write the file even if the model is worse than its input; the manifest says so.

    Raises:
        ExportError: the checkpoint's network is unknown, the model is worse than its input, or no
            frame has ground truth.
    """
    network_name, network = load_network(checkpoint)
    confidence = NETWORKS[network_name].kind
    kind = NETWORK_KINDS[confidence]
    manifest = Manifest(
        format=FORMAT, name=name, network=network_name, confidence=confidence,
        inputs=kind.input_names, outputs=list(kind.outputs), stride_px=network.stride,
        receptive_field_px=network.receptive_field_px, training_data=training_data,
        licence="Apache-2.0", metrics={}, verdict=NOT_MEASURED,
    )  # fmt: skip
    folded = _fold_batch_norm(network)
    with atomic_output(out) as unfinished:
        save(folded, manifest, unfinished)
        if frames is not None:
            metrics = measure(Model(unfinished), frames)
            manifest = _add_verdict(manifest, metrics, force)
            save(folded, manifest, unfinished)
    write_text(out.with_suffix(".md"), make_model_card(manifest, network))
    return manifest


def measure(model: Model, frames: Iterable[Frame]) -> dict[str, float]:
    """Metrics of a model on frames with ground truth, by `block.metric`, with the default gate."""
    measured = evaluate(frames, {DENOISED: OfflineDenoiser(model)}).summarise().methods[DENOISED]
    return {
        f"{block}.{name}": value
        for block, metrics in measured.to_json().items()
        if block in AGAINST_TRUTH
        for name, value in metrics.items()
        if value is not None
    }


def load_network(checkpoint: Path) -> tuple[str, Network]:
    """Loads the network of a Lightning checkpoint, in evaluation mode, and its name.

    Raises:
        ExportError: the file is not a checkpoint of a network known here.
    """
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        name = content["hyper_parameters"]["network"]
        network = NETWORKS[name].build()
        prefix = "network."
        weights = {
            k.removeprefix(prefix): v
            for k, v in content["state_dict"].items()
            if k.startswith(prefix)
        }
        network.load_state_dict(weights)
    except Exception as error:  # unpickling can raise anything
        raise ExportError(
            f"{checkpoint}: not a checkpoint of a network of this version ({type(error).__name__})"
        ) from error
    return name, network.eval()


def make_model_card(manifest: Manifest, network: Network) -> str:
    """A model card in Markdown."""
    parameters = sum(p.numel() for p in network.parameters())
    lines = [
        f"# {manifest.name}",
        "",
        f"Network `{manifest.network}`, {parameters / 1e6:.2f} M parameters, {manifest.licence}.",
        f"Inputs: {', '.join(manifest.inputs)}. Outputs: {', '.join(manifest.outputs)}.",
        f"Trained on: {manifest.training_data}.",
        f"Verdict: {manifest.verdict}.",
        "",
        "| metric | same pixels, raw | same pixels | published |",
        "|---|---|---|---|",
    ]
    ranking = {k: v for k, v in manifest.metrics.items() if k.startswith("ranking.")}
    names = sorted({key.split(".", 1)[1] for key in manifest.metrics.keys() - ranking.keys()})
    for name in names:
        blocks = ("same_raw", "same", "published")
        cells = [manifest.metrics.get(f"{block}.{name}") for block in blocks]
        shown = ["-" if cell is None else f"{cell:.3f}" for cell in cells]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    if ranking:
        lines += ["", "| confidence, before any gate | |", "|---|---|"]
        lines += [f"| {k.split('.', 1)[1]} | {v:.3f} |" for k, v in ranking.items()]
    return "\n".join(lines) + "\n"


def _add_verdict(manifest: Manifest, metrics: dict[str, float], force: bool) -> Manifest:
    if "published.fill_pct" not in metrics:
        raise ExportError(
            "none of the frames to evaluate the model on has ground truth: name others, or none"
        )
    after, before = (metrics.get(f"{block}.mae_mm") for block in ("same", "same_raw"))
    better = after is not None and before is not None and after < before
    if not better and not force:
        raise ExportError(
            f"the model is worse than its input (mean error {_format_mm(after)} against "
            f"{_format_mm(before)} over the same pixels): train it longer, or export it with "
            "--force"
        )
    return replace(manifest, metrics=metrics, verdict=BETTER if better else WORSE)


def _format_mm(value: float | None) -> str:
    return "unknown: no pixel is valid" if value is None else f"{value:.2f} mm"


def _fold_batch_norm(network: Network) -> Network:
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            for k in range(len(module) - 1):
                if isinstance(module[k], nn.Conv2d) and isinstance(module[k + 1], nn.BatchNorm2d):
                    module[k] = fuse_conv_bn_eval(module[k], module[k + 1])  # type: ignore
                    module[k + 1] = nn.Identity()
    return network
