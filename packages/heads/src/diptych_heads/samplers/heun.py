"""Heun's method."""

from __future__ import annotations

from attrs import frozen
from torch import Tensor

from diptych_heads.samplers.flow import Flow
from diptych_heads.samplers.stepping import Step, SteppingSampler


@frozen
class HeunSampler(SteppingSampler):
    """Average the velocities at both ends of a step: order 2, `2 steps - 1` evaluations.

    EDM, arXiv 2206.00364, alg. 1. As there, the last step is Euler's: at t = 0 the velocity of a
    clean prediction is not defined.
    """

    steps: int = 15
    shift: float = 1.0

    def stepper(self, flow: Flow) -> Step:
        """Return x -> x + h/2 (v(x, now) + v(x + h v(x, now), then))."""

        def step(x: Tensor, now: float, then: float) -> Tensor:
            here = flow(x, now)
            reached = x + (then - now) * here
            if then == 0:
                return reached
            return x + (then - now) / 2 * (here + flow(reached, then))

        return step
