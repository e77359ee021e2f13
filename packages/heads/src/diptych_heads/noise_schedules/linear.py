"""The linear flow schedule, with the time shift of Stable Diffusion 3."""

from __future__ import annotations

from attrs import frozen
from torch import Tensor

from diptych_heads.time_shift import shift_time


@frozen
class LinearSchedule:
    """Mix target and noise linearly: alpha = 1 - sigma (rectified flow, arXiv 2209.03003).

    With a shift s, sigma(t) = s t / (1 + (s - 1) t) (Esser et al., arXiv 2403.03206, eq. 23). All
    functions take and return tensors of any shape, t in [0, 1].
    """

    shift: float = 1.0

    def sigma(self, t: Tensor) -> Tensor:
        """Share of noise."""
        return shift_time(t, self.shift)

    def alpha(self, t: Tensor) -> Tensor:
        """Share of the target."""
        return 1 - self.sigma(t)

    def d_sigma(self, t: Tensor) -> Tensor:
        """Compute the derivative of sigma with respect to t."""
        return self.shift / (1 + (self.shift - 1) * t) ** 2

    def d_alpha(self, t: Tensor) -> Tensor:
        """Compute the derivative of alpha with respect to t."""
        return -self.d_sigma(t)
