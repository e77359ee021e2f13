"""The cosine schedule."""

from __future__ import annotations

import math

import torch
from attrs import frozen
from torch import Tensor


@frozen
class CosineSchedule:
    """Walk a quarter circle: alpha = cos(pi t / 2), sigma = sin(pi t / 2).

    The trigonometric form of Nichol & Dhariwal (arXiv 2102.09672) without its offset, as in
    Salimans & Ho (arXiv 2202.00512) and SiT's GVP path (arXiv 2401.08740). All functions take and
    return tensors of any shape, t in [0, 1].
    """

    def sigma(self, t: Tensor) -> Tensor:
        """Share of noise."""
        return torch.sin(t * (math.pi / 2))

    def alpha(self, t: Tensor) -> Tensor:
        """Share of the target."""
        return torch.cos(t * (math.pi / 2)).clamp(min=0)  # rounding of pi leaves -4e-8 at t = 1

    def d_sigma(self, t: Tensor) -> Tensor:
        """Compute the derivative of sigma with respect to t."""
        return self.alpha(t) * (math.pi / 2)

    def d_alpha(self, t: Tensor) -> Tensor:
        """Compute the derivative of alpha with respect to t."""
        return -self.sigma(t) * (math.pi / 2)
