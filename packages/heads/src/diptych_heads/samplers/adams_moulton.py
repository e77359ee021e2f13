"""The Adams-Bashforth-Moulton method with one evaluation a step."""

from __future__ import annotations

from attrs import frozen
from torch import Tensor

from diptych_heads.samplers.flow import Flow
from diptych_heads.samplers.stepping import Step, SteppingSampler
from diptych_heads.samplers.times import sampling_times


@frozen
class AdamsMoultonSampler(SteppingSampler):
    """Extrapolate to where a step goes, and correct it there: order 3, one evaluation a step.

    The velocity that the next step needs anyway is asked where Adams-Bashforth of two steps led;
    it also closes the step before it by the implicit Adams-Moulton formula of two steps, and the
    next step starts from there (mode PEC; Hairer, Norsett & Wanner, Solving ODEs I, III.1 and
    III.5). What UniPC does in lambda (Zhao et al., arXiv 2302.04867), this does in t: nothing is
    infinite at either end. The last step stays as predicted, because nothing is asked at t = 0.

    Attributes:
        steps: number of steps, each with one evaluation.
        shift: of the times.
        ends: how much closer times lie at both ends, 0 to 1.
        stops: times between 1 and 0, one fewer than steps, in the place of `shift` and `ends`.
    """

    steps: int = 10
    shift: float = 1.0
    ends: float = 0.75
    stops: tuple[float, ...] = ()

    def times(self) -> list[float]:
        """Return `steps + 1` falling times from 1 to 0."""
        if self.stops:
            return [1.0, *self.stops, 0.0]
        return sampling_times(self.steps, self.shift, self.ends)

    def stepper(self, flow: Flow) -> Step:
        """Return the step, which remembers two velocities and where the last step started."""
        past: list[tuple[Tensor, float]] = []
        start: Tensor

        def step(x: Tensor, now: float, then: float) -> Tensor:
            nonlocal start
            here = slope = flow(x, now)
            if past:
                before, at = past[0]
                x = start + (now - at) * _closed(here, now, past)
                slope = here + (then - now) / (now - at) / 2 * (here - before)
            past[:] = [(here, now), *past[:1]]
            start = x
            return x + (then - now) * slope

        return step


def _closed(here: Tensor, now: float, past: list[tuple[Tensor, float]]) -> Tensor:
    """Average the velocity over the last step: through both its ends, and the one before.

    Without one before it is the trapezoid's. The parabola differs from that by h^2 / 6 times its
    second divided difference.
    """
    before, at = past[0]
    length = now - at
    mean = (here + before) / 2
    if len(past) == 1:
        return mean
    earlier, long_ago = past[1]
    rise, rise_before = (here - before) / length, (before - earlier) / (at - long_ago)
    return mean - length**2 / 6 * (rise - rise_before) / (now - long_ago)
