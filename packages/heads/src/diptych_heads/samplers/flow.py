"""What a sampler follows: a velocity, and what else some samplers ask for."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen
from torch import Tensor

from diptych.errors import RequestError
from diptych_heads.mixing import Mixing, NoiseSchedule, moments
from diptych_heads.noise_schedules.linear import LinearSchedule
from diptych_heads.predictions import to_clean, to_noise
from diptych_heads.samplers.times import Velocity


@frozen(eq=False)
class Flow:
    """A velocity that knows its noise schedule and where new noise comes from.

    Attributes:
        velocity: dx/dt at (x `b ...`, t).
        noise_schedule: how target and noise are mixed along the way.
        draw_noise: () -> standard normal numbers in the shape of x, row i from sample i's own
            generator; None where there is none.
    """

    velocity: Velocity
    noise_schedule: NoiseSchedule
    draw_noise: Callable[[], Tensor] | None = None

    @classmethod
    def of(cls, velocity: Velocity) -> Flow:
        """Return a flow as it is; a plain function is a velocity along the straight line."""
        return velocity if isinstance(velocity, Flow) else cls(velocity, LinearSchedule())

    def __call__(self, x: Tensor, t: float) -> Tensor:
        """Compute the velocity at (x, t)."""
        return self.velocity(x, t)

    def mixing(self, x: Tensor, t: float) -> Mixing:
        """Evaluate the schedule at a time for samples like x; each coefficient `1 1 ...`.

        In float32 or higher: in half precision two neighbouring times would mix alike.
        """
        return Mixing.at(self.noise_schedule, moments(t, 1, like=x), dims=x.ndim)

    def ends(self, x: Tensor, t: float) -> tuple[Tensor, Tensor]:
        """Estimate both ends of the way through (x, t): -> clean target and noise, `b ...`."""
        mixing, velocity = self.mixing(x, t), self.velocity(x, t)
        return to_clean("velocity", velocity, x, mixing), to_noise("velocity", velocity, x, mixing)

    def new_noise(self, asker: str) -> Tensor:
        """Draw noise.

        Raises:
            RequestError: if there is nowhere to draw it from.
        """
        if self.draw_noise is None:
            raise RequestError(
                f"{asker} draws new noise at each step, but was given a plain velocity; pass a "
                "`diptych_heads.samplers.flow.Flow` with `draw_noise`, as heads do"
            )
        return self.draw_noise()
