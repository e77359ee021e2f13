"""Learned positions, added to tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LearnedPositions(nn.Module):
    """A learned vector for each place: helps a small backbone to tell where a feature came from."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(tokens, width) * 0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Add positions: x [b n d] -> [b n d]."""
        return x + self.table
