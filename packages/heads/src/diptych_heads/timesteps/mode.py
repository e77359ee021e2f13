"""Times around a mode."""

from __future__ import annotations

import math

import torch
from attrs import frozen
from torch import Generator, Tensor

from diptych_heads.time_shift import shift_time


@frozen
class ModeTimesteps:
    """Draw t = 1 - u - s (cos^2(pi u / 2) - 1 + u), u even in [0, 1), then shift it.

    Esser et al., arXiv 2403.03206, eq. 20: with weight s above 0 the middle is drawn more often
    than the ends, below 0 less often; every t keeps a density above 0.
    """

    weight: float = 1.29
    shift: float = 1.0

    def draw(self, count: int, generator: Generator) -> Tensor:
        """Draw times `count`, float32, on the generator's device."""
        u = torch.rand(count, generator=generator, device=generator.device)
        t = 1 - u - self.weight * (torch.cos(u * (math.pi / 2)).square() - 1 + u)
        return shift_time(t.clamp(0, 1), self.shift)
