"""Euler's method."""

from __future__ import annotations

from attrs import frozen
from torch import Tensor

from diptych_heads.samplers.times import Callback, Velocity, sampling_times


@frozen
class EulerSampler:
    """Follow the velocity in straight lines; global error of order 1."""

    steps: int = 30
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
        for index in range(self.steps):
            now, then = times[index], times[index + 1]
            x = x + (then - now) * velocity(x, now)
            if callback is not None:
                callback(index + 1, then, x)
        return x
