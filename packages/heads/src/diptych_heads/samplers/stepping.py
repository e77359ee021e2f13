"""What all samplers share: a walk over falling times, one step after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import pairwise

from torch import Tensor

from diptych_heads.samplers.flow import Flow
from diptych_heads.samplers.times import Callback, Velocity, sampling_times


Step = Callable[[Tensor, float, float], Tensor]
"""(state `b ...`, time now, time then) -> the state then."""


class SteppingSampler(ABC):
    """Integrates from noise to a target; a subclass says how one step is made."""

    steps: int
    shift: float

    @abstractmethod
    def stepper(self, flow: Flow) -> Step:
        """Return how to make a step along a flow; what steps remember lasts for one call."""

    def times(self) -> list[float]:
        """Return `steps + 1` falling times, the last of them 0."""
        return sampling_times(self.steps, self.shift)

    def sample(self, velocity: Velocity, noise: Tensor, callback: Callback | None = None) -> Tensor:
        """Integrate from `noise` at t = 1 to t = 0.

        Args:
            velocity: dx/dt at (x, t), asked at falling times in (0, 1]. What follows a noise
                schedule or draws noise finds both in a `Flow`; a plain function is taken for a
                velocity along the straight line from noise to target.
            noise: `b ...`; its dtype is the state's.
            callback: called after each step.

        Returns:
            `b ...`, as the noise.
        """
        x, step = noise, self.stepper(Flow.of(velocity))
        for number, (now, then) in enumerate(pairwise(self.times()), 1):
            x = step(x, now, then).to(noise.dtype)
            if callback is not None:
                callback(number, then, x)
        return x
