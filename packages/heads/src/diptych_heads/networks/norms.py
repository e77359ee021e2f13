"""The norm that blocks share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class RmsNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) * weight over the last axis (Zhang & Sennrich, arXiv 1910.07467).

    Where x and weight differ in dtype, as under autocast, the wider one decides.
    """

    def __init__(self, width: int, eps: float) -> None:
        """Start with a weight of ones."""
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `... width`."""
        dtype = torch.promote_types(x.dtype, self.weight.dtype)
        return functional.rms_norm(x.to(dtype), self.weight.shape, self.weight.to(dtype), self.eps)
