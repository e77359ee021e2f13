"""Times shifted by how many tokens a target has."""

from __future__ import annotations

import math
from typing import Protocol

from attrs import frozen
from torch import Generator, Tensor

from diptych_heads.time_shift import shift_time


class Timesteps(Protocol):
    """What a built timestep drawing offers."""

    def draw(self, count: int, generator: Generator) -> Tensor:
        """Draw times in [0, 1]."""
        ...


@frozen
class TokenShiftTimesteps:
    """Draw times as another drawing does, then shift them by sqrt(tokens / base_tokens).

    The same noise hides less of a target of more tokens, since neighbours tell of each other; this
    shift keeps what is hidden as it was at `base_tokens` (Esser et al., arXiv 2403.03206, eq. 23).
    """

    timesteps: Timesteps
    tokens: int
    base_tokens: int

    @property
    def shift(self) -> float:
        """How far times move: more than 1 for more noise."""
        return math.sqrt(self.tokens / self.base_tokens)

    def draw(self, count: int, generator: Generator) -> Tensor:
        """Draw times `count`, float32, on the generator's device."""
        return shift_time(self.timesteps.draw(count, generator), self.shift)
