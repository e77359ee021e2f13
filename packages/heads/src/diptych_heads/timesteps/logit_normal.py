"""Times drawn as the sigmoid of a normal number."""

from __future__ import annotations

import torch
from attrs import frozen
from torch import Generator, Tensor

from diptych_heads.time_shift import shift_time


@frozen
class LogitNormalTimesteps:
    """Draw t = sigmoid(mean + std z), z standard normal, then shift it.

    Esser et al., arXiv 2403.03206, eq. 19.
    """

    mean: float = 0.0
    std: float = 1.0
    shift: float = 1.0

    def draw(self, count: int, generator: Generator) -> Tensor:
        """Draw times `count`, float32, on the generator's device."""
        normal = torch.randn(count, generator=generator, device=generator.device)
        return shift_time(torch.sigmoid(self.mean + self.std * normal), self.shift)
