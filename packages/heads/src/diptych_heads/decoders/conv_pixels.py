"""A convolutional decoder from a grid of features to pixels, quick enough for a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from diptych_heads.decoders.small import SmallDecoder


class ConvPixelsDecoder(SmallDecoder):
    """Stem, levels of residual blocks with nearest upsampling between, pixel shuffle at the end.

    Nearest upsampling follows a 1 x 1 convolution, and nothing is transposed: no checkerboards
    (Odena et al., Distill 2016). Activations are channels-last, which CPU and GPU convolutions both
    prefer.
    """

    def __init__(
        self,
        *,
        channels: int,
        widths: Sequence[int],
        blocks: Sequence[int],
        pixel_patch: int,
        **shared: Any,
    ) -> None:
        """Make the decoder with fresh weights; the fields are those of the spec."""
        super().__init__(channels=channels, **shared)
        self.stem = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.levels = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(width) for _ in range(count)))
            for width, count in zip(widths, blocks, strict=True)
        )
        self.narrow = nn.ModuleList(
            nn.Conv2d(before, after, 1) for before, after in pairwise(widths)
        )
        self.norm = ChannelNorm(widths[-1])
        self.to_pixels = nn.Conv2d(widths[-1], 3 * pixel_patch**2, 3, padding=1)
        self.shuffle = nn.PixelShuffle(pixel_patch)

    def draw(self, features: Tensor) -> Tensor:
        """Map normalised features `b (h w) c` to pixels that may leave [-1, 1]."""
        x = features.to(self.stem.weight.dtype)
        x = x.unflatten(1, (self.height, -1)).permute(0, 3, 1, 2)
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        for index, level in enumerate(self.levels):
            if index:
                x = functional.interpolate(self.narrow[index - 1](x), scale_factor=2.0)
            x = level(x)
        return self.shuffle(self.to_pixels(functional.silu(self.norm(x))))


class ChannelNorm(nn.Module):
    """LayerNorm over the channels of each cell."""

    def __init__(self, channels: int) -> None:
        """Make scale and offset."""
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `b c h w`."""
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ResidualBlock(nn.Module):
    """x + conv(silu(conv(silu(norm(x))))), the second convolution starting at zero."""

    def __init__(self, channels: int) -> None:
        """Make the block; fresh, it is the identity."""
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        for each in self.second.parameters():
            nn.init.zeros_(each)

    def forward(self, x: Tensor) -> Tensor:
        """Map `b c h w -> b c h w`."""
        return x + self.second(functional.silu(self.first(functional.silu(self.norm(x)))))
