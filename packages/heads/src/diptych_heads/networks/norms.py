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

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        """Normalise `... width`, and multiply by a scale that broadcasts against it.

        A scale of fewer numbers than x costs nothing: it is multiplied into the weight first.
        """
        dtype = torch.promote_types(x.dtype, self.weight.dtype)
        weight = self.weight.to(dtype)
        if scale is None:
            return functional.rms_norm(x.to(dtype), weight.shape, weight, self.eps)
        return functional.rms_norm(x.to(dtype), weight.shape, None, self.eps) * (weight * scale)
