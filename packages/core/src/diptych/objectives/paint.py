"""The loss of a generate step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from warnings import warn

import torch
from torch import Generator, Tensor, nn

from diptych.data.sample import Wish, thought_of
from diptych.objectives.batch import Batch
from diptych.spec.model import GenerateStep
from diptych.writing import WholeRows


UNTHOUGHT = "no sample here has a thought to paint from; give `Sample.paint` one, or leave `think` out of the spec"


class PaintObjective(nn.Module):
    """Prompt -> condition -> the head's loss against the target of the picture to make."""

    def __init__(self, step: str | None, draws: int) -> None:
        super().__init__()
        self.step, self.draws = step, draws

    def forward(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        """Compute the loss over the samples that ask for a picture: -> {"paint": scalar}, or nothing."""
        model = batch.model
        chosen = [row for row, sample in enumerate(batch.samples) if sample.picture_to_make() is not None]
        if not chosen:
            return {}
        step = model.spec.step(self.step) if self.step else model.spec.generate[0]
        model.need(f"generate.{step.name}")
        with torch.no_grad():  # targets never train through this loss
            target = model.normalise(step.name, batch.features(step.target)[batch.made(chosen)])
        wishes = [batch.samples[row].wish() for row in chosen]
        if model.spec.think and not any(map(thought_of, wishes)):
            warn(f"'{model.spec.name}' thinks before it paints, but {UNTHOUGHT}", stacklevel=2)
        name = f"paint/{step.name}" if len(model.spec.generate) > 1 else "paint"
        head = model.parts.step(step.name)["head"]
        if getattr(head, "whole_text", False):
            return {name: WholeRows.of(model, wishes, step.name, target, batch.album).loss(model)}
        sequences = model.painting(wishes, step.name, learning=True, album=batch.album)
        condition, mask, own = model.for_head(sequences, step.name, self._left(batch, step, chosen, wishes))
        target, condition, mask = map(self._repeated, (target, condition, mask))
        own = {key: self._repeated(each) for key, each in own.items()}
        losses = head.loss(target, condition, mask, generator, **own)
        return {name: losses.mean()}

    def _repeated(self, value: Any) -> Any:
        return value.repeat_interleave(self.draws, 0) if isinstance(value, Tensor) else value

    @staticmethod
    def _left(batch: Batch, step: GenerateStep, chosen: Sequence[int], wishes: Sequence[Wish]) -> dict[str, Tensor]:
        """Compute the states that earlier steps would have left behind, had they written the true ids."""
        model = batch.model
        left = {}
        for name in getattr(step.condition, "steps", ()):
            ids = batch.features(model.spec.step(name).target)[batch.made(chosen)]
            left[name] = model.written(wishes, name, ids, learning=True, album=batch.album)
        return left
