"""Heun's method."""

from __future__ import annotations

from attrs import frozen
from torch import Tensor

from diptych_heads.samplers.times import Callback, Velocity, sampling_times


@frozen
class HeunSampler:
    """Average the velocities at both ends of a step; global error of order 2.

    EDM, arXiv 2206.00364, alg. 1. As there, the last step is Euler's: at t = 0 the velocity of a
    clean prediction is not defined.
    """

    steps: int = 15
    shift: float = 1.0

    def sample(self, velocity: Velocity, noise: Tensor, callback: Callback | None = None) -> Tensor:
        """Integrate from `noise` at t = 1 to t = 0; evaluates `2 steps - 1` velocities.

        Args:
            velocity: dx/dt at (x, t).
            noise: `b ...`; its dtype is the state's.
            callback: called after each step.

        Returns:
            `b ...`, as the noise.
        """
        x, times = noise, sampling_times(self.steps, self.shift)
        for index in range(self.steps):
            now, then = times[index], times[index + 1]
            here = velocity(x, now)
            reached = x + (then - now) * here
            if then > 0:
                reached = x + (then - now) / 2 * (here + velocity(reached, then))
            x = reached
            if callback is not None:
                callback(index + 1, then, x)
        return x
