"""A decoder that draws each token on its own."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from diptych_heads.decoders.small import SmallDecoder
from diptych_heads.networks.patches import unpatchify


class PatchMlpDecoder(SmallDecoder):
    """Token i becomes patch i through an MLP: quick, and a baseline for other decoders."""

    def __init__(
        self,
        *,
        channels: int,
        pixel_patch: int,
        hidden_width: int,
        layers: int,
        **shared: Any,
    ) -> None:
        """Make the decoder with fresh weights; the fields are those of the spec."""
        super().__init__(channels=channels, **shared)
        self.pixel_patch = pixel_patch
        widths = [channels, *[hidden_width] * layers]
        hidden: list[nn.Module] = []
        for before, after in pairwise(widths):
            hidden += [nn.Linear(before, after), nn.GELU()]
        self.hidden = nn.Sequential(*hidden)
        self.to_pixels = nn.Linear(hidden_width, 3 * pixel_patch**2)

    def draw(self, features: Tensor) -> Tensor:
        """Map normalised features `b (h w) c` to pixels that may leave [-1, 1]."""
        patches = self.to_pixels(self.hidden(features.to(self.to_pixels.weight.dtype)))
        return unpatchify(patches, self.pixel_patch, self.height)
