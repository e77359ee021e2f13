"""Adaptive projected guidance."""

from __future__ import annotations

from attrs import frozen
from torch import Tensor


@frozen
class ProjectedGuidance:
    """Guide along what is orthogonal to the conditional prediction.

    APG: Sadat et al., arXiv 2410.02416, alg. 1. The direction conditional - null is shortened to
    the limit, split into parts along and across the conditional prediction, and the part along it
    is weakened. With momentum, the direction of a step has that share of the last one's added, and
    so on; the paper's is negative, which takes away what steps have in common. The projection is
    taken on the velocity, as in diffusers.
    """

    scale: float = 3.0
    parallel: float = 0.0
    limit: float = 0.0
    start: float = 1.0
    end: float = 0.0
    momentum: float = 0.0

    def for_one_call(self) -> ProjectedGuidance | RememberingGuidance:
        """Return what guides the steps of one call; momentum starts anew with each."""
        return RememberingGuidance(self) if self.momentum else self

    def needs_null(self, t: float) -> bool:
        """Say whether the null prediction is used at time t; at scale 1 it never is."""
        return self.scale != 1 and self.end <= t <= self.start

    def combine(self, conditional: Tensor, null: Tensor | None, t: float) -> Tensor:
        """Guide predictions `b ...` at time t; where null is not needed it may be None."""
        if not self.needs_null(t) or null is None:
            return conditional
        return self.guide(conditional, conditional - null)

    def guide(self, conditional: Tensor, direction: Tensor) -> Tensor:
        """Move a prediction `b ...` along a direction, as far as it is allowed to."""
        axes = tuple(range(1, conditional.ndim))
        if self.limit:
            size = direction.square().mean(axes, keepdim=True).sqrt()
            direction = direction * (self.limit / size.clamp(min=self.limit))
        length = conditional.square().sum(axes, keepdim=True).clamp(min=1e-12)
        along = (direction * conditional).sum(axes, keepdim=True) / length * conditional
        return conditional + (self.scale - 1) * (direction - along + self.parallel * along)


class RememberingGuidance:
    """Guides the steps of one call, with momentum."""

    def __init__(self, settings: ProjectedGuidance) -> None:
        """Start without a past."""
        self.settings = settings
        self.running: Tensor | None = None

    def __repr__(self) -> str:
        """Name the guidance that it is."""
        return repr(self.settings)

    def needs_null(self, t: float) -> bool:
        """Say whether the null prediction is used at time t."""
        return self.settings.needs_null(t)

    def combine(self, conditional: Tensor, null: Tensor | None, t: float) -> Tensor:
        """Guide predictions `b ...` at time t, and remember the direction."""
        if not self.needs_null(t) or null is None:
            return conditional
        direction = conditional - null
        if self.running is not None:
            direction = direction + self.settings.momentum * self.running
        self.running = direction
        return self.settings.guide(conditional, direction)
