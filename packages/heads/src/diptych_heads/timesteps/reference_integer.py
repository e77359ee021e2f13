"""The whole-numbered times of BLIP3-o."""

from __future__ import annotations

import torch
from attrs import frozen
from torch import Generator, Tensor


@frozen
class ReferenceIntegerTimesteps:
    """Draw one of `count` even steps: t = (count - floor(count u)) / count, u even in [0, 1).

    BLIP3-o's training (arXiv 2505.09568) picks entry floor(1000 u) of the falling times 1000, 999,
    ..., 1, so that its network has only ever seen whole thousandths.
    """

    steps: int = 1000

    def draw(self, count: int, generator: Generator) -> Tensor:
        """Draw times `count`, float32, on the generator's device."""
        u = torch.rand(count, generator=generator, device=generator.device)
        return (self.steps - (u * self.steps).floor()) / self.steps
