"""The manifest of a model file: its description, parsed and checked.

The checks use no library: the node runs on robots, where another dependency would cost more than
these lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from rs_denoise.network_kind import NETWORK_KINDS

FORMAT = 2
# Format 1 had no inputs from the right infrared image and is otherwise the same.
READABLE_FORMATS = (1, 2)
BETTER, WORSE, NOT_MEASURED = VERDICTS = (
    "better than identity",
    "worse than identity",
    "not measured",
)
MAX_STRIDE_PX = 256
MAX_RECEPTIVE_FIELD_PX = 4096


class ModelError(RuntimeError):
    """A file that is not a model, or not one that this version can run."""


@dataclass(frozen=True)
class Manifest:
    """What a model file says about itself.

    Attributes:
        format: version of this structure.
        name, network, licence, training_data: in words.
        confidence: kind of the network, a key of NETWORK_KINDS.
        inputs, outputs: names of the network's tensors in order, as its kind defines them.
        stride_px: height, width and offsets of inputs are multiples of it.
        receptive_field_px: how far from an output pixel the network sees, to each side.
        metrics: results of the export's evaluation, by name.
        verdict: one of VERDICTS, from the mean errors of input and output over the same pixels.
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

        Args:
            text: JSON.
            source: the model file, for messages.

        Raises:
            ModelError: it is of a newer format, or a field is missing or invalid.
        """
        try:
            values = json.loads(text)
            version = values["format"]
            if type(version) is not int or version not in READABLE_FORMATS:
                raise ModelError(
                    f"{source}: manifest format {version!r}, this rs_denoise reads up to {FORMAT}: "
                    "upgrade rs_denoise, or export the model again with this version"
                )
            manifest = cls(**{f.name: values[f.name] for f in fields(cls)})
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ModelError(f"{source}: its manifest is not valid: {error!r}") from error
        problem = next(manifest._problems(), None)
        if problem is not None:
            raise ModelError(f"{source}: in its manifest {problem}; export the model again")
        return manifest

    def _problems(self) -> Iterator[str]:
        """Sentences that give the key, the value and what is allowed."""
        for key in ("name", "network", "training_data", "licence"):
            if not isinstance(getattr(self, key), str):
                yield f"{key} must be text, got {getattr(self, key)!r:.99}"
        # A ROS message cannot contain some unprintable text, such as half a surrogate pair.
        if not self.name.isprintable():
            yield f"name must be printable text, got {self.name!r:.99}"
        if not isinstance(self.metrics, dict) or not all(
            type(value) in (int, float) for value in self.metrics.values()
        ):
            yield f"metrics must be numbers by name, got {self.metrics!r:.99}"
        if not isinstance(self.confidence, str) or self.confidence not in NETWORK_KINDS:
            allowed = " or ".join(f"'{kind}'" for kind in NETWORK_KINDS)
            yield f"confidence must be {allowed}, got {self.confidence!r:.99}"
        kind = NETWORK_KINDS[self.confidence]
        for key, names in (("inputs", kind.input_names), ("outputs", list(kind.outputs))):
            if getattr(self, key) != names:
                yield (
                    f"{key} must be {names} with confidence "
                    f"'{self.confidence}', got {getattr(self, key)!r:.99}"
                )
        if self.verdict not in VERDICTS:
            yield f"verdict must be one of {', '.join(VERDICTS)}, got {self.verdict!r:.99}"
        limits = (
            ("stride_px", 1, MAX_STRIDE_PX),
            ("receptive_field_px", 0, MAX_RECEPTIVE_FIELD_PX),
        )
        for key, low, high in limits:
            value = getattr(self, key)
            if type(value) is not int or not low <= value <= high:
                yield f"{key} must be a whole number from {low} to {high}, got {value!r:.99}"
        finest = max(i.stride for i in kind.inputs)
        if self.stride_px % finest:
            yield f"stride_px must be a multiple of {finest}, its inputs', got {self.stride_px}"
