"""The model file: TorchScript with a manifest in its extra files.

This is the one module that touches torch.jit, which upstream deprecates and Python 3.14 lacks: a
successor is one change here. A model file is a program and decides what a robot believes: load only
files whose origin you trust. Those that name TorchScript's operators for files are refused, but
that is no sandbox.
"""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from torch import Tensor, nn

FORMAT = 1
MANIFEST = "manifest.json"
MAX_FILE_BYTES = 512 * 2**20
MAX_UNPACKED_BYTES = 1024 * 2**20
MAX_MANIFEST_BYTES = 64 * 2**10
# Of all operators of TorchScript those that reach out of the process.
REACHING_OUT = re.compile(rb"\b(from_file|save|rpc_\w+)\b")
ZIP_START = b"PK\3\4"
PACKED_BY_TORCH = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What networks of each kind take and give: those that know their doubt, and the classic ones.
CHANNELS = {
    "laplace": (["disparity_px", "infrared"], ["disparity_px", "scale_px"]),
    "none": (["depth_mm", "infrared"], ["depth_mm"]),
}
# Of the convolutions, by name.
PRECISIONS = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
# NVIDIA GPUs from here on (Volta, Xavier) compute float16 in tensor cores.
TENSOR_CORES = (7, 0)
VERDICTS = ("better than identity", "worse than identity", "not measured")
SHIPPED = Path(__file__).parent / "models"
DEFAULT_MODEL = SHIPPED / "unet.pt"


class ModelError(RuntimeError):
    """A file that is not a model, or not one that this version can run."""


@dataclass(frozen=True)
class Manifest:
    """What a model says of itself.

    Attributes:
        format: version of this structure.
        name, network, licence, training_data: in words.
        confidence: "laplace" or "none": what the network says of its doubt.
        inputs, outputs: the channels of forward(), in order, as CHANNELS has them.
        stride_px: sizes and offsets of inputs are multiples of it.
        receptive_field_px: how far an output pixel sees, to each side.
        metrics: figures of the export, by name.
        verdict: one of VERDICTS, by the mean error over the same pixels.
    """

    format: int
    name: str
    network: str
    confidence: str
    inputs: list[str]
    outputs: list[str]
    stride_px: int
    receptive_field_px: int
    training_data: str
    licence: str
    metrics: dict[str, float]
    verdict: str

    @classmethod
    def from_json(cls, text: str, source: Path) -> Manifest:
        """Parses and checks a manifest.

        Raises:
            ModelError: it is of a newer format, or a field is missing, wrong or impossible.
        """
        try:
            values = json.loads(text)
            version = values["format"]
            if type(version) is not int or version != FORMAT:
                raise ModelError(
                    f"{source}: manifest format {version!r}, this rs_denoise reads {FORMAT}: "
                    "upgrade rs_denoise, or export the model again with this version"
                )
            manifest = cls(**{f.name: values[f.name] for f in fields(cls)})
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ModelError(f"{source}: its manifest is not valid: {error!r}") from error
        manifest._check(source)
        return manifest

    def _check(self, source: Path) -> None:
        words = (self.name, self.network, self.training_data, self.licence)
        # What is not printable, as half a surrogate pair, cannot go into a ROS message.
        if not all(isinstance(word, str) for word in words) or not self.name.isprintable():
            raise ModelError(f"{source}: name, network, training data and licence must be text")
        if not isinstance(self.metrics, dict) or not all(
            type(value) in (int, float) for value in self.metrics.values()
        ):
            raise ModelError(f"{source}: metrics must be numbers by name, got {self.metrics!r:.99}")
        expected = CHANNELS.get(self.confidence if isinstance(self.confidence, str) else "")
        if expected != (self.inputs, self.outputs):
            raise ModelError(
                f"{source}: expected confidence, inputs and outputs as in {CHANNELS}, its manifest "
                f"says {self.confidence!r}, {self.inputs} and {self.outputs}"
            )
        if self.verdict not in VERDICTS:
            raise ModelError(f"{source}: verdict must be one of {VERDICTS}, got {self.verdict!r}")
        for name, least, most in (("stride_px", 1, 256), ("receptive_field_px", 0, 4096)):
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= most:
                raise ModelError(
                    f"{source}: {name} must be a whole number in {least}..{most}, got {value!r}"
                )


class Model:
    """A loaded model: its manifest and the network, ready on one device."""

    def __init__(
        self, network: nn.Module, manifest: Manifest, device: torch.device,
        precision: torch.dtype, path: Path,
    ) -> None:  # fmt: skip
        self._network, self.manifest, self.device = network, manifest, device
        self.precision, self.path = precision, path

    @classmethod
    def load(
        cls, path: Path | str = DEFAULT_MODEL, device: str = "auto", precision: str = "auto"
    ) -> Model:
        """Reads, verifies and tries a model file.

        Args:
            path: what `save` wrote, or the name of a shipped model, as "unet-tiny".
            device: "cpu", "cuda", "cuda:1", ... or "auto": the GPU where there is one.
            precision: of the convolutions, one of PRECISIONS, or "auto": bfloat16 on a CPU that
                computes in it (twice as fast), float16 on a GPU with tensor cores, float32
                elsewhere. `rs_denoise.precision` tells whether a network bears it.

        Raises:
            ModelError: there is no such file, it is not a model, it is truncated or of a newer
                version, its network does not do what the manifest says, or there is no such device.
        """
        path = model_file(path)
        where = torch_device(device)
        if where.type == "cuda":
            # Frames of a camera are of one size: the fastest kernels for it are searched once.
            torch.backends.cudnn.benchmark = True
            # Else float32 is rounded to ten bits, and what is compared with it would seem right.
            torch.backends.cudnn.allow_tf32 = False
        manifest = Manifest.from_json(_read_manifest(path), path)
        try:
            network = torch.jit.load(str(path), map_location=where).eval()
            network = torch.jit.freeze(network.to(memory_format=torch.channels_last))
        except Exception as error:  # the loader raises whatever it stumbled over
            raise ModelError(f"{path}: its TorchScript cannot be loaded: {error}") from error
        model = cls(network, manifest, where, _precision(precision, where), path)
        try:
            model._try()
        except ModelError:
            # Numbers that do not fit into float16 become infinite.
            if precision != "auto" or model.precision == torch.float32:
                raise
            model.precision = torch.float32
            model._try()
        return model

    @property
    def predicts_uncertainty(self) -> bool:
        """Whether it works in disparity and gives a scale; else in depth, without."""
        return self.manifest.confidence == "laplace"

    def __call__(self, image: Tensor, infrared: Tensor) -> tuple[Tensor, ...]:
        """Runs the network.

        Args:
            image: [N, 1, H, W] float32, 0 = invalid; H, W multiples of the stride: disparity in px
                if the model `predicts_uncertainty`, else depth in mm.
            infrared: [N, 1, H, W] float32 grey levels 0..255, all 0 where there is none.

        Returns:
            image: [N, 1, H, W] float32, everywhere, of the same kind.
            scale_px: [N, 1, H, W] float32 > 0, Laplace scale of its error; only if it
                `predicts_uncertainty`.
        """
        with torch.autocast(
            self.device.type, self.precision, enabled=self.precision != torch.float32
        ):
            result = self._network(image, infrared)
        return result if isinstance(result, tuple) else (result.float(),)

    def _try(self) -> None:
        """Sizes, types and finiteness are verified once, on a small frame that is not square."""
        side = 4 * self.manifest.stride_px
        shape = (1, 1, side, 2 * side)
        try:
            with torch.inference_mode():
                inputs = [torch.full(shape, v, device=self.device) for v in (20.0, 40.0)]
                outputs = self(*inputs)
            shapes = [tuple(x.shape) for x in outputs]
            sound = all(x.dtype == torch.float32 and x.isfinite().all() for x in outputs)
            positive = all(bool((x > 0).all()) for x in outputs[1:])
        except Exception as error:  # a hostile network can raise anything
            raise ModelError(f"{self.path}: its network does not run: {error}") from error
        count = len(self.manifest.outputs)
        if shapes != [shape] * count or not sound or not positive:
            raise ModelError(
                f"{self.path}: expected {count} finite float32 outputs of shape {shape}, a scale "
                f"being positive, got shapes {shapes}: this is not a denoising model"
            )


def model_file(path: Path | str) -> Path:
    """The file that is meant: `path`, or a shipped one by its name, as "unet-tiny"."""
    path = Path(path)
    shipped = {file.stem: file for file in SHIPPED.glob("*.pt")}
    if str(path) in shipped and not path.exists():
        return shipped[str(path)]
    return path


def save(network: nn.Module, manifest: Manifest, path: Path) -> None:
    """Writes `network` as a model file, traced; any size that fits the stride runs afterwards."""
    side = 4 * manifest.stride_px
    example = torch.full((1, 1, side, 2 * side), 20.0), torch.full((1, 1, side, 2 * side), 40.0)
    with torch.no_grad():
        script = torch.jit.trace(network.eval().cpu(), example)
    extra = {MANIFEST: json.dumps(asdict(manifest), indent=1)}
    torch.jit.save(script, str(path), _extra_files=extra)


def torch_device(name: str) -> torch.device:
    """The device of a name as `Model.load` takes it; a GPU with its number.

    Raises:
        ModelError: there is none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ModelError(
            f"device {name!r} cannot be used ({error}); use 'cpu' or 'auto', or install a torch "
            "build for this GPU"
        ) from error


def _precision(name: str, device: torch.device) -> torch.dtype:
    if name != "auto":
        return PRECISIONS[name]
    if device.type == "cuda":
        capable = torch.cuda.get_device_capability(device) >= TENSOR_CORES
        return torch.float16 if capable else torch.float32
    native = device.type == "cpu" and _cpu_has_bfloat16()
    return torch.bfloat16 if native else torch.float32


def _cpu_has_bfloat16() -> bool:
    """Whether it computes in it; oneDNN emulates it elsewhere, slower than float32."""
    # Torch 2.3 cannot be asked.
    ask = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return ask is not None and ask()


def _read_manifest(path: Path) -> str:
    """The manifest's text, read with bounds and before any of the program is."""
    try:
        if not path.is_file():
            raise ModelError(f"{path}: no such model file; `rs_denoise export` writes one")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ModelError(f"{path}: {size} bytes, more than a model has ({MAX_FILE_BYTES})")
        # zipfile also finds an archive behind something else, which torch might load instead.
        with path.open("rb") as file:
            if file.read(len(ZIP_START)) != ZIP_START:
                raise zipfile.BadZipFile("it does not begin as one")
        with zipfile.ZipFile(path) as archive:
            return _verified_manifest(archive, path)
    except ModelError:
        raise
    except Exception as error:  # zipfile raises whatever it stumbled over
        raise ModelError(
            f"{path}: not a model file, or a truncated one ({error}); copy or export it again"
        ) from error


def _verified_manifest(archive: zipfile.ZipFile, path: Path) -> str:
    entries = archive.infolist()
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > MAX_UNPACKED_BYTES:
        raise ModelError(f"{path}: unpacks to {unpacked} bytes, more than a model has")
    # zipfile unpacks other methods without a bound, and torch does not write them.
    if any(entry.compress_type not in PACKED_BY_TORCH for entry in entries):
        raise ModelError(f"{path}: packed in a way that torch does not use; export it again")
    found = [entry for entry in entries if entry.filename.endswith(f"/extra/{MANIFEST}")]
    if not found:
        raise ModelError(
            f"{path}: has no manifest, so it is not an rs_denoise model; "
            "`rs_denoise export` writes one"
        )
    if found[0].file_size > MAX_MANIFEST_BYTES:
        raise ModelError(f"{path}: its manifest is larger than {MAX_MANIFEST_BYTES} bytes")
    # torch reads past wrong checksums: one flipped bit would be another network.
    if (damaged := archive.testzip()) is not None:
        raise ModelError(f"{path}: damaged in {damaged}; copy or export it again")
    for entry in entries:
        if not entry.filename.endswith(".py"):
            continue
        if (operator := REACHING_OUT.search(_read(archive, entry))) is not None:
            raise ModelError(
                f"{path}: its program uses {operator[0].decode()!r}, which a network does not "
                f"need ({entry.filename}): do not trust this file"
            )
    return _read(archive, found[0]).decode("utf-8")


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """As much as the entry says it has; ZipFile.read would unpack all of a bomb."""
    with archive.open(entry) as file:
        return file.read(entry.file_size)
