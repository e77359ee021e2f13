"""The two-step Adams-Bashforth method."""

from __future__ import annotations

from attrs import frozen
from torch import Tensor

from diptych_heads.samplers.flow import Flow
from diptych_heads.samplers.stepping import Step, SteppingSampler


@frozen
class AdamsBashforth2Sampler(SteppingSampler):
    """Extrapolate through the last two velocities: order 2 at Euler's one evaluation a step.

    With steps of unequal length h: x += h (v + h / (2 h_before) (v - v_before)) (Hairer, Norsett &
    Wanner, Solving ODEs I, III.5). The first step is Euler's, whose single local error is of order
    2 too.
    """

    steps: int = 15
    shift: float = 1.0

    def stepper(self, flow: Flow) -> Step:
        """Return the step, which remembers the last velocity and step length."""
        last: tuple[Tensor, float] | None = None

        def step(x: Tensor, now: float, then: float) -> Tensor:
            nonlocal last
            here = slope = flow(x, now)
            if last is not None:
                before, length = last
                slope = here + (then - now) / length / 2 * (here - before)
            last = here, then - now
            return x + (then - now) * slope

        return step
