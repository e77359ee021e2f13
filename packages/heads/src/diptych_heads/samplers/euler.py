"""Euler's method."""

from __future__ import annotations

from attrs import frozen
from torch import Tensor

from diptych_heads.samplers.stepping import Step, SteppingSampler
from diptych_heads.samplers.times import Velocity


@frozen
class EulerSampler(SteppingSampler):
    """Follow the velocity in straight lines: order 1, one evaluation a step."""

    steps: int = 30
    shift: float = 1.0

    def stepper(self, velocity: Velocity) -> Step:
        """Return x -> x + h v(x, now)."""

        def step(x: Tensor, now: float, then: float) -> Tensor:
            return x + (then - now) * velocity(x, now)

        return step
