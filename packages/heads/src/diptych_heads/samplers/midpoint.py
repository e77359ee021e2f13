"""The explicit midpoint method."""

from __future__ import annotations

from attrs import frozen
from torch import Tensor

from diptych_heads.samplers.flow import Flow
from diptych_heads.samplers.stepping import Step, SteppingSampler


@frozen
class MidpointSampler(SteppingSampler):
    """Take the velocity of the middle of each step: order 2, two evaluations a step.

    Runge's method (Hairer, Norsett & Wanner, Solving ODEs I, II.1). It never asks at t = 0.
    """

    steps: int = 15
    shift: float = 1.0

    def stepper(self, flow: Flow) -> Step:
        """Return x -> x + h v(x + h/2 v(x, now), now + h/2)."""

        def step(x: Tensor, now: float, then: float) -> Tensor:
            half = (then - now) / 2
            middle = x + half * flow(x, now)
            return x + 2 * half * flow(middle, now + half)

        return step
