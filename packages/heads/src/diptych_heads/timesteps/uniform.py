"""Times drawn evenly."""

from __future__ import annotations

import torch
from attrs import frozen
from torch import Generator, Tensor

from diptych_heads.time_shift import shift_time


@frozen
class UniformTimesteps:
    """Draw t evenly from (0, 1], then shift it."""

    shift: float = 1.0

    def draw(self, count: int, generator: Generator) -> Tensor:
        """Draw times `count`, float32, on the generator's device."""
        drawn = 1 - torch.rand(count, generator=generator, device=generator.device)
        return shift_time(drawn, self.shift)
