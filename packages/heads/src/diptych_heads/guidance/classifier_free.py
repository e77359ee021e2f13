"""Classifier-free guidance."""

from __future__ import annotations

import torch
from attrs import frozen
from torch import Tensor


@frozen
class ClassifierFreeGuidance:
    """null + scale * (conditional - null), within an interval of times.

    Ho & Salimans, arXiv 2207.12598. Limiting the interval: Kynkäänniemi et al., arXiv 2404.07724.
    Rescaling: Lin et al., arXiv 2305.08891, eqs. 15-16.
    """

    scale: float = 3.0
    start: float = 1.0
    end: float = 0.0
    rescale: float = 0.0

    def needs_null(self, t: float) -> bool:
        """Say whether the null prediction is used at time t; at scale 1 it never is."""
        return self.scale != 1 and self.end <= t <= self.start

    def combine(self, conditional: Tensor, null: Tensor | None, t: float) -> Tensor:
        """Guide predictions `b ...` at time t; where null is not needed it may be None."""
        if not self.needs_null(t) or null is None:
            return conditional
        guided = null + self.scale * (conditional - null)
        if self.rescale:
            axes = tuple(range(1, guided.ndim))
            spread, wanted = (
                each.std(axes, correction=0, keepdim=True) for each in (guided, conditional)
            )
            ratio = torch.where(spread > 0, wanted / spread, 1)  # what is even has nothing to lose
            guided = guided * (self.rescale * ratio + 1 - self.rescale)
        return guided
