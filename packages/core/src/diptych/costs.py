"""What a spec costs, measured on parts that hold no numbers: on the meta device, under torch's FLOP counter."""

from __future__ import annotations

from typing import Any

import torch
from attrs import frozen
from torch import Tensor

from diptych.assembly import Assembly
from diptych.conditions.readout import Readout, read
from diptych.counting import Counter
from diptych.errors import DiptychError, Problem, SpecError
from diptych.shown import Shown
from diptych.spec.model import GenerateStep, ModelSpec
from diptych.spec.wiring import OUTPUT_OF, Resolved


PROMPT = 32
"""Prompt length, in tokens, that FLOPs are stated for."""
THOUGHT = 32
"""That of a thought before a picture, in models that think before they paint."""


@frozen
class Costs:
    """Parameters by slot, bytes by kind, FLOPs by task.

    Attributes:
        parameters: exact counts by slot path; shared tensors count once, where they come first.
        memory: bytes: `weights/float32`, `weights/bfloat16`, `training/adamw` (float32 weights, gradients and two
            moments of everything).
        flops: `image understood`, `image generated` (`image reconstructed` where there is no text), `image edited`
            (from one picture; where a step starts from pictures), `training sample` (forward and backward of
            everything, taken as three times forward of both ways); tasks that the spec does not do are left out.
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
    thought = [f"a thought of {THOUGHT} tokens before a picture"] if spec.think else []
    assumed = [
        f"prompts of {PROMPT} tokens",
        *thought,
        "a training sample is read, and painted at one timestep; backward = 2 x forward",
    ]
    return Costs(parameters, memory, flops, tuple(assumed))


def _flops(spec: ModelSpec, meter: _Meter) -> dict[str, int]:
    flops = {}
    if spec.understand and spec.understand.encoder != "backbone":
        flops["image understood"] = meter.understand()
    if spec.generate and not meter.needs_picture:
        flops["image generated"] = meter.generate()
    if meter.takes_picture:
        flops["image edited"] = meter.generate(edit=True)
    if spec.decode and not spec.generate:
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

    @property
    def needs_picture(self) -> bool:
        """Whether a step paints beside the clean target of a picture, so that nothing is painted without one."""
        return any(getattr(step.head, "clean_latent", None) for step in self.spec.generate)

    @property
    def takes_picture(self) -> bool:
        """Whether a step paints from pictures, not only from what the backbone reads of them."""
        return self.needs_picture or any(getattr(step.condition, "references", ()) for step in self.spec.generate)

    def understand(self) -> int:
        """Count encoder, connector, and the backbone over the picture's tokens and a prompt."""
        assert self.spec.understand is not None
        with (counter := Counter()).counting(self.parts):
            self._states(PROMPT + self._read(self._encode(self.spec.understand.encoder)))
        return counter.total

    def generate(self, *, edit: bool = False) -> int:
        """Count every step: prompt, condition, all network evaluations of its sampler, and the decoder.

        An edit starts from one picture: it is encoded for all who look at it, and stands in the prompt if it is read.
        """
        with (counter := Counter()).counting(self.parts):
            more = self._look() if edit else 0
            if self.spec.think:
                self._states(PROMPT + more + THOUGHT)  # with a cache, every word is read once
                more += THOUGHT
            for step in self.spec.generate:
                self._sample(step, more, edit=edit)
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
        edit = self.takes_picture
        with (counter := Counter()).counting(self.parts):
            more = (self._look() if edit else 0) + (THOUGHT if self.spec.think else 0)
            for step in self.spec.generate:
                self._encode(step.target)
                head: Any = self.parts.step(step.name)["head"]
                target = torch.empty(1, *self._target(step, normalised=True))
                condition, mask, own = self._for_head(step, more, edit=edit)
                target = target.long() if self.spec.vision[step.target].kind == "image_tokenizer" else target
                head.loss(target, condition, mask, torch.Generator(), **own)
        return 3 * (total + counter.total)

    def _look(self) -> int:
        """Encode the picture of an edit, once for each part that looks: -> how many tokens of a prompt it takes."""
        seen = {name: self._encode(name) for name in self.spec.eyes if name != "backbone"}
        read = seen.get(self.spec.understand.encoder) if self.spec.understand else None
        return 0 if read is None else self._read(read)

    def _read(self, features: Tensor) -> int:
        """Bring the features of a picture to the backbone: -> how many tokens it takes."""
        if self.parts.connector is not None:
            features = self.parts.connector(features)
        return features.shape[1]

    def _sample(self, step: GenerateStep, more: int, *, edit: bool) -> None:
        head: Any = self.parts.step(step.name)["head"]
        sampler = step.sampler.build() if step.sampler else None
        guidance = step.guidance.build() if step.guidance else None
        condition, mask, own = self._for_head(step, more, edit=edit)
        head.sample(condition, mask, [torch.Generator()], sampler, guidance, **own)

    def _for_head(self, step: GenerateStep, more: int, *, edit: bool) -> tuple[Tensor, Tensor, dict[str, Any]]:
        """As `Ways.for_head`, for one prompt, in which pictures and a thought take so many `more` tokens."""
        part: Any = self.parts.step(step.name)["condition"]
        queries = getattr(step.condition, "queries", 0)
        length = PROMPT + more + queries
        mask = torch.ones(1, length, dtype=torch.bool)
        if getattr(step.head, "continues", False):
            return torch.empty(1, length, self.width), mask, {"backbone": self.parts.backbone}
        made = {name: self._written(self.spec.step(name), more) for name in getattr(step.condition, "steps", ())}
        shown = Shown((1,), lambda name: torch.empty(1, *self._given(name))) if edit else None
        states = self._states(length) if getattr(part, "reads_prompt", True) else torch.empty(1, 0, self.width)
        condition, mask, pictures = read(part, Readout(states, mask[:, : states.shape[1]], queries, made, shown))
        own: dict[str, Any] = {}
        if pictures is not None and getattr(step.head, "takes_pictures", False):
            own["pictures"] = pictures
        if getattr(step.head, "clean_latent", None):
            own["clean"] = torch.empty(1, *self._target(step, normalised=True))
        return condition, mask, own

    def _written(self, step: GenerateStep, more: int) -> Tensor:
        return self._states(PROMPT + more + self._given(step.target)[0])[:, PROMPT + more - 1 :]

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
