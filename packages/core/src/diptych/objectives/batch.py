"""A training batch: samples, and what the model makes of them, each computed once a step whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from diptych.data.sample import Picture, Sample, Turn
from diptych.model import UnifiedModel


class Batch:
    """Samples of one step. Objectives share encoder passes through it."""

    def __init__(self, model: UnifiedModel, samples: Sequence[Sample]) -> None:
        """Hold samples of a model's batch."""
        self.model, self.samples = model, list(samples)
        self._features: dict[str, Tensor] = {}

    @cached_property
    def pictured(self) -> list[int]:
        """Rows of the samples that have a picture."""
        return [row for row, sample in enumerate(self.samples) if sample.picture() is not None]

    @cached_property
    def pictures(self) -> list[Picture]:
        """The first picture of each sample that has one."""
        return [picture for row in self.pictured if (picture := self.samples[row].picture()) is not None]

    def pixels(self, name: str) -> Tensor:
        """Preprocess `pictures` for a vision part: -> [k 3 h w]."""
        return self.model.pixels(name, self.pictures)

    def features(self, name: str) -> Tensor:
        """Encode `pictures` by a vision part, once a step: -> [k n d]; no graph if nothing in it trains."""
        if name not in self._features:
            part: Any = self.model.parts.vision[name]
            with torch.set_grad_enabled(any(each.requires_grad for each in part.parameters())):
                self._features[name] = self.model.encode(name, self.pixels(name))
        return self._features[name]

    def rows(self, chosen: Sequence[int]) -> Tensor:
        """Return where the pictures of some samples stand among `pictures`."""
        place = {row: index for index, row in enumerate(self.pictured)}
        return torch.tensor([place[row] for row in chosen], device=self.model.device)

    def captioned(self) -> tuple[list[int], list[str]]:
        """Return the rows that pair a picture with a text that describes it, and these texts."""
        found = []
        for row in self.pictured:
            sample = self.samples[row]
            text = sample.facts.get("caption") or (
                sample.turns[0].text() if sample.picture_to_make() is not None else ""
            )
            if text:
                found.append((row, text))
        return [row for row, _ in found], [text for _, text in found]

    def text_states(self, texts: Sequence[str]) -> Tensor:
        """Run texts as users' turns through the backbone: -> the last state of each [k d]."""
        encoded = [self.model.prompts.conversation([Turn("user", (text,))], 0) for text in texts]
        return self.model.states(self.model.sequences(encoded))[:, -1]
