"""What a spec costs, measured on parts that hold no numbers: on the meta device, under torch's FLOP counter."""

from __future__ import annotations

from typing import Any

import torch
from attrs import frozen
from torch import Tensor

from diptych.assembly import Assembly
from diptych.conditions.readout import Readout
from diptych.counting import Counter
from diptych.errors import DiptychError, Problem, SpecError
from diptych.spec.model import GenerateStep, ModelSpec
from diptych.spec.wiring import OUTPUT_OF, Resolved


PROMPT = 32
"""Prompt length, in tokens, that FLOPs are stated for."""


@frozen
class Costs:
    """Parameters by slot, bytes by kind, FLOPs by task.

    Attributes:
        parameters: exact counts by slot path; shared tensors count once, where they come first.
        memory: bytes: `weights/float32`, `weights/bfloat16`, `training/adamw` (float32 weights, gradients and two
            moments of everything).
        flops: `image understood`, `image generated` (`image reconstructed` where there is no text), `training sample`
            (forward and backward of everything, taken as three times forward of both ways); tasks that the spec does
            not do are left out.
        assumptions: what the FLOPs suppose.
    """

    parameters: dict[str, int]
    memory: dict[str, int]
    flops: dict[str, int]
    assumptions: tuple[str, ...]


def costs(resolved: Resolved) -> Costs:
    """Measure a resolved spec of any size, allocating nothing.

    Raises:
        SpecError: if a part cannot be built, or the parts do not run together.
    """
    spec = resolved.spec
    with torch.device("meta"):
        parts = Assembly(spec)
        parameters = _parameters(parts)
        total = sum(parameters.values())
        buffers = sum(each.numel() for each in parts.buffers())
        trained = [each for each in parts.parameters() if each.requires_grad]
        try:
            parts.requires_grad_(False)  # torch's counter hooks into gradients, even where none are computed
            flops = _flops(spec, _Meter(spec, parts, resolved))
        except DiptychError:
            raise
        except Exception as error:  # shapes that fit by their ports and still do not by torch
            message = f"the parts do not run together: {type(error).__name__}: {error}"
            raise SpecError([Problem("", message)], spec.name) from error
        finally:
            for each in trained:  # a part made in code is the user's own module
                each.requires_grad_(True)
    memory = {
        "weights/float32": 4 * (total + buffers),
        "weights/bfloat16": 2 * (total + buffers),
        "training/adamw": 16 * total,
    }
    assumed = [
        f"prompts of {PROMPT} tokens",
        "a training sample is read, and painted at one timestep; backward = 2 x forward",
    ]
    return Costs(parameters, memory, flops, tuple(assumed))


def _flops(spec: ModelSpec, meter: _Meter) -> dict[str, int]:
    flops = {}
    if spec.understand and spec.understand.encoder != "backbone":
        flops["image understood"] = meter.understand()
    if spec.generate:
        flops["image generated"] = meter.generate()
    elif spec.decode:
        flops["image reconstructed"] = meter.reconstruct()
    if sample := meter.training_sample():
        flops["training sample"] = sample
    return flops


def _parameters(parts: Assembly) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name, parameter in parts.named_parameters():
        counts[_slot(name)] = counts.get(_slot(name), 0) + parameter.numel()
    return counts


def _slot(name: str) -> str:
    """Return the slot of a parameter: `backbone`, `vision.clip`, `generate.features.head`."""
    keys = name.split(".")
    return ".".join(keys[: {"vision": 2, "understand": 2, "generate": 3, "decode": 2}.get(keys[0], 1)])


class _Meter:
    def __init__(self, spec: ModelSpec, parts: Assembly, resolved: Resolved) -> None:
        self.spec, self.parts = spec, parts
        self.sizes = {(row.part, row.port): row.sizes for row in resolved.rows}
        self.width: int = getattr(spec.backbone, "width", 0)

    def understand(self) -> int:
        """Count encoder, connector, and the backbone over the picture's tokens and a prompt."""
        assert self.spec.understand is not None
        with (counter := Counter()).counting(self.parts):
            features = self._encode(self.spec.understand.encoder)
            tokens = self.parts.connector(features) if self.parts.connector is not None else features
            self._states(PROMPT + tokens.shape[1])
        return counter.total

    def generate(self) -> int:
        """Count every step: prompt, condition, all network evaluations of its sampler, and the decoder."""
        with (counter := Counter()).counting(self.parts):
            for step in self.spec.generate:
                self._sample(step)
            if self.spec.decode:
                self._decode()
        return counter.total

    def reconstruct(self) -> int:
        """Count the encoder of what is decoded, and the decoder."""
        with (counter := Counter()).counting(self.parts):
            self._encode(self.spec.decoded)
            self._decode()
        return counter.total

    def training_sample(self) -> int:
        """Count three times the forward pass of reading a picture and of each step's loss."""
        total = self.understand() if self.spec.understand and self.spec.understand.encoder != "backbone" else 0
        with (counter := Counter()).counting(self.parts):
            for step in self.spec.generate:
                self._encode(step.target)
                head: Any = self.parts.step(step.name)["head"]
                target = torch.empty(1, *self._target(step, normalised=True))
                condition, mask, own = self._for_head(step)
                target = target.long() if self.spec.vision[step.target].kind == "image_tokenizer" else target
                head.loss(target, condition, mask, torch.Generator(), **own)
        return 3 * (total + counter.total)

    def _sample(self, step: GenerateStep) -> None:
        head: Any = self.parts.step(step.name)["head"]
        sampler = step.sampler.build() if step.sampler else None
        guidance = step.guidance.build() if step.guidance else None
        condition, mask, own = self._for_head(step)
        head.sample(condition, mask, [torch.Generator()], sampler, guidance, **own)

    def _for_head(self, step: GenerateStep) -> tuple[Tensor, Tensor, dict[str, Any]]:
        """As `UnifiedModel.for_head`, for one prompt."""
        part: Any = self.parts.step(step.name)["condition"]
        queries = getattr(step.condition, "queries", 0)
        length = PROMPT + queries
        mask = torch.ones(1, length, dtype=torch.bool)
        if getattr(step.head, "continues", False):
            return torch.empty(1, length, self.width), mask, {"backbone": self.parts.backbone}
        made = {name: self._written(self.spec.step(name)) for name in getattr(step.condition, "steps", ())}
        return *part(Readout(self._states(length), mask, queries, made)), {}

    def _written(self, step: GenerateStep) -> Tensor:
        return self._states(PROMPT + self._given(step.target)[0])[:, PROMPT - 1 :]

    def _states(self, length: int) -> Tensor:
        return self.parts.backbone(torch.empty(1, length, self.width), torch.ones(1, length, dtype=torch.bool))

    def _encode(self, name: str) -> Tensor:
        how = self.spec.vision[name].preprocess()  # type: ignore[attr-defined]
        part: Any = self.parts.vision[name]
        pixels = torch.empty(1, 3, how.height, how.width)
        return part(pixels) if self.spec.vision[name].kind == "encoder" else part.encode(pixels)

    def _decode(self) -> None:
        name = self.spec.decoded
        target = torch.empty(1, *self._given(name))
        target = target.long() if self.spec.vision[name].kind == "image_tokenizer" else target
        part: Any = self.parts.vision[name]
        self.parts.decoder(target) if self.parts.decoder is not None else part.decode(target)

    def _given(self, name: str) -> tuple[int, ...]:
        """Return the shape of what a vision part gives for one picture."""
        return _numbers(self.sizes[f"vision.{name}", OUTPUT_OF[self.spec.vision[name].kind]])

    def _target(self, step: GenerateStep, *, normalised: bool = False) -> tuple[int, ...]:
        if normalised and step.normalise:
            return _numbers(self.sizes[f"generate.{step.name}.normalise", "normalised"])
        return self._given(step.target)


def _numbers(shown: str) -> tuple[int, ...]:
    """Read `b (8 8) 1792` as (64, 1792)."""
    sizes, group = [], None
    for token in shown.replace("(", " ( ").replace(")", " ) ").split()[1:]:
        if token == "(":
            group = 1
        elif token == ")":
            sizes.append(group or 1)
            group = None
        elif group is not None:
            group *= int(token)
        else:
            sizes.append(int(token))
    return tuple(sizes)
