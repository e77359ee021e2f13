"""The two-step Adams-Bashforth method."""

from __future__ import annotations

from attrs import frozen
from torch import Tensor

from diptych_heads.samplers.times import Callback, Velocity, sampling_times


@frozen
class AdamsBashforth2Sampler:
    """Extrapolate through the last two velocities: global error of order 2 at Euler's cost.

    With steps of unequal length h: x += h (v + h / (2 h_before) (v - v_before)) (Hairer, Norsett &
    Wanner, Solving ODEs I, III.5). The first step is Euler's, whose single local error is of order
    2 too.
    """

    steps: int = 15
    shift: float = 1.0

    def sample(self, velocity: Velocity, noise: Tensor, callback: Callback | None = None) -> Tensor:
        """Integrate from `noise` at t = 1 to t = 0; evaluates `steps` velocities.

        Args:
            velocity: dx/dt at (x, t).
            noise: `b ...`; its dtype is the state's.
            callback: called after each step.

        Returns:
            `b ...`, as the noise.
        """
        x, times = noise, sampling_times(self.steps, self.shift)
        before: Tensor | None = None
        for index in range(self.steps):
            now, then = times[index], times[index + 1]
            here = slope = velocity(x, now)
            if before is not None:
                ratio = (then - now) / (now - times[index - 1])
                slope = here + ratio / 2 * (here - before)
            x, before = x + (then - now) * slope, here
            if callback is not None:
                callback(index + 1, then, x)
        return x
