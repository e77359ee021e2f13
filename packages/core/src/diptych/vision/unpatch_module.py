"""The module of `unpatch`."""

from __future__ import annotations

from collections.abc import Sequence

from einops import rearrange
from torch import Generator, Tensor, nn


class UnpatchDecoder(nn.Module):
    """Linear, GELU, Linear per token; tokens are laid out row by row."""

    def __init__(self, channels: int, hidden: int, patch_size: int, grid: int) -> None:
        super().__init__()
        self.patch_size, self.grid = patch_size, grid
        self.mlp = nn.Sequential(nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, 3 * patch_size**2))

    def forward(self, features: Tensor, generators: Sequence[Generator] | None = None) -> Tensor:
        """Decode features [b (h w) c] -> pixels [b 3 H W], about [-1, 1]."""
        p = self.patch_size
        return rearrange(self.mlp(features), "b (h w) (c p q) -> b c (h p) (w q)", h=self.grid, p=p, q=p, c=3)

    def loss(self, features: Tensor, pixels: Tensor, generator: Generator | None = None) -> Tensor:
        """Mean squared error per sample: features [b n c], pixels [b 3 H W] in [-1, 1] -> [b]."""
        return (self(features) - pixels).square().mean((1, 2, 3))
