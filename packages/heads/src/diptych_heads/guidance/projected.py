"""Adaptive projected guidance."""

from __future__ import annotations

from attrs import frozen
from torch import Tensor


@frozen
class ProjectedGuidance:
    """Guide along what is orthogonal to the conditional prediction.

    APG: Sadat et al., arXiv 2410.02416, alg. 1. The direction conditional - null is shortened to
    the limit, split into parts along and across the conditional prediction, and the part along it
    is weakened. The paper's momentum is left out: guidance here is a function of one moment. The
    projection is taken on the velocity, as in diffusers.
    """

    scale: float = 3.0
    parallel: float = 0.0
    limit: float = 0.0
    start: float = 1.0
    end: float = 0.0

    def needs_null(self, t: float) -> bool:
        """Say whether the null prediction is used at time t; at scale 1 it never is."""
        return self.scale != 1 and self.end <= t <= self.start

    def combine(self, conditional: Tensor, null: Tensor | None, t: float) -> Tensor:
        """Guide predictions `b ...` at time t; where null is not needed it may be None."""
        if not self.needs_null(t) or null is None:
            return conditional
        axes = tuple(range(1, conditional.ndim))
        direction = conditional - null
        if self.limit:
            size = direction.square().mean(axes, keepdim=True).sqrt()
            direction = direction * (self.limit / size.clamp(min=self.limit))
        length = conditional.square().sum(axes, keepdim=True).clamp(min=1e-12)
        along = (direction * conditional).sum(axes, keepdim=True) / length * conditional
        return conditional + (self.scale - 1) * (direction - along + self.parallel * along)
