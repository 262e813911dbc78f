"""Loads the initial weights of a run from a checkpoint or a model file, also a shipped one."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from rs_denoise.model import read_weights
from rs_denoise.shipped_models import model_file
from rs_denoise.training.lightning_modules import TrainingModule, merge_crops

MODEL_FILE_SUFFIX = ".pt"
# Layers with other names in model files of format 1.
RENAMED = {"enter": "stem", "deepest": "bottleneck", "leave": "head"}


class InitialWeightsError(ValueError):
    """Weights that a run cannot start with; the message gives the file and its content."""


def load_initial_weights(
    module: TrainingModule, name: str, batches: Iterable[dict[str, Tensor]]
) -> None:
    """Loads the weights that fit; a warning lists the other layers, which start at random.

    Args:
        module: its weights are replaced.
        name: path of a checkpoint or of a model file, or the name of a shipped model.
        batches: of a `CropDataset`; used for a model file only, see `unfold_batch_norm`.

    Raises:
        InitialWeightsError: the file cannot be read, or fewer than half of its tensors fit.
        ModelError: the file has the suffix of a model file but is not one.
    """
    path = model_file(name)
    if path.suffix == MODEL_FILE_SUFFIX:
        _load(module.network, unfold_names(module.network, read_weights(path)), path)
        unfold_batch_norm(module, (merge_crops(batch) for batch in batches))
        return
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    except Exception as error:  # unpickling can raise anything
        raise InitialWeightsError(
            f"{path}: neither a checkpoint nor a model file ({type(error).__name__})"
        ) from error
    _load(module, state, path)


def unfold_names(network: nn.Module, folded: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a model file under the names of `network`'s layers.

    In the file, batch normalisation is folded into the convolutions. Here each convolution gets its
    weight, and the normalisation that follows it the bias, as a shift.
    """
    renamed = {}
    for name, tensor in folded.items():
        first, _, rest = name.partition(".")
        renamed[f"{RENAMED.get(first, first)}.{rest}"] = tensor
    for convolution, norm in _list_normalised(network):
        bias = renamed.pop(f"{convolution}.bias", None)
        if bias is not None:
            renamed[f"{norm}.bias"] = bias
            renamed[f"{norm}.weight"] = torch.ones_like(bias)
            renamed[f"{norm}.running_mean"] = torch.zeros_like(bias)
            renamed[f"{norm}.running_var"] = torch.ones_like(bias)
            renamed[f"{norm}.num_batches_tracked"] = torch.tensor(0)
    return renamed


@torch.no_grad()
def unfold_batch_norm(module: TrainingModule, batches: Iterable[dict[str, Tensor]]) -> None:
    """Gives each batch normalisation the statistics of its input, without changing its output.

    Training normalises by the statistics of a batch. If the stored ones differed much, the network
    would no longer give its trained output.

    Args:
        module: its network's normalisations only shift so far.
        batches: of merged crops.
    """
    network = module.network
    layers = dict(network.named_modules())
    norms = [layers[name] for _, name in _list_normalised(network)]
    sums: dict[nn.Module, list[Tensor]] = {norm: [] for norm in norms}
    hooks = [
        norm.register_forward_pre_hook(lambda norm, inputs: sums[norm].append(_moments(inputs[0])))
        for norm in norms
    ]
    training = network.training
    network.eval()
    for batch in batches:
        network(*module.inputs(batch))
    for hook in hooks:
        hook.remove()
    network.train(training)
    for norm in norms:
        mean, square = torch.stack(sums[norm]).mean(dim=0)
        _set_statistics(norm, mean, (square - mean**2).clamp_min(0))


def _set_statistics(norm: nn.Module, mean: Tensor, variance: Tensor) -> None:
    """Replaces the stored statistics; adapts scale and shift so that the output is unchanged."""
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    shift = norm.bias - norm.running_mean * scale
    norm.weight.copy_(scale * torch.sqrt(variance + norm.eps))
    norm.bias.copy_(shift + mean * scale)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)


def _moments(x: Tensor) -> Tensor:
    """Mean and mean square of each channel, [2, C]."""
    return torch.stack([x.mean(dim=(0, 2, 3)), (x * x).mean(dim=(0, 2, 3))])


def _list_normalised(network: nn.Module) -> list[tuple[str, str]]:
    """Names of the convolutions that a batch normalisation follows, and of the latter."""
    pairs = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Sequential):
            for (first, before), (second, after) in pairwise(module.named_children()):
                if isinstance(before, nn.Conv2d) and isinstance(after, nn.BatchNorm2d):
                    pairs.append((f"{name}.{first}", f"{name}.{second}"))
    return pairs


def _load(module: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    own = module.state_dict()
    fitting = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
    if len(fitting) < len(own) / 2:
        raise InitialWeightsError(
            f"{path}: not of this network: {len(fitting)} of {len(own)} tensors fit"
        )
    missing = sorted({name.rsplit(".", 1)[0] for name in own if name not in fitting})
    if missing:
        logging.getLogger(__name__).warning(
            "%s: has no weights for %s, which start at random", path, ", ".join(missing)
        )
    module.load_state_dict(fitting, strict=False)
