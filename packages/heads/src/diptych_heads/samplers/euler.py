"""Euler's method."""

from __future__ import annotations

from attrs import frozen
from torch import Tensor

from diptych_heads.samplers.flow import Flow
from diptych_heads.samplers.stepping import Step, SteppingSampler


@frozen
class EulerSampler(SteppingSampler):
    """Follow the velocity in straight lines: order 1, one evaluation a step."""

    steps: int = 30
    shift: float = 1.0

    def stepper(self, flow: Flow) -> Step:
        """Return x -> x + h v(x, now)."""

        def step(x: Tensor, now: float, then: float) -> Tensor:
            return x + (then - now) * flow(x, now)

        return step
