"""A decoder that draws each token on its own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Generator, Tensor, nn

from diptych_heads.decoders.feature_scale import FeatureScale, add_noise
from diptych_heads.decoders.pixel_loss import PixelLoss
from diptych_heads.networks.patches import unpatchify


class PatchMlpDecoder(nn.Module):
    """Token i becomes patch i through an MLP: quick, and a baseline for other decoders."""

    def __init__(
        self,
        *,
        channels: int,
        height: int,
        pixel_patch: int,
        hidden_width: int,
        layers: int,
        noise: float,
        pixel_loss: PixelLoss,
    ) -> None:
        """Make the decoder with fresh weights; the fields are those of the spec."""
        super().__init__()
        self.height = height
        self.pixel_patch = pixel_patch
        self.noise = noise
        self.pixel_loss = pixel_loss
        self.scale = FeatureScale(channels)
        widths = [channels, *[hidden_width] * layers]
        hidden: list[nn.Module] = []
        for before, after in pairwise(widths):
            hidden += [nn.Linear(before, after), nn.GELU()]
        self.hidden = nn.Sequential(*hidden)
        self.to_pixels = nn.Linear(hidden_width, 3 * pixel_patch**2)

    def forward(self, features: Tensor, generators: Sequence[Generator] | None = None) -> Tensor:
        """Draw features `b (h w) c` as pixels `b 3 H W` in [-1, 1]; nothing here is random."""
        return self._draw(self.scale(features)).clamp(-1, 1)

    def loss(self, features: Tensor, pixels: Tensor, generator: Generator) -> Tensor:
        """Compare what is drawn from features `b (h w) c` with pixels `b 3 H W` in [-1, 1].

        In training mode the running statistics learn from the features, and noise is added to them.

        Returns:
            `b`.
        """
        if self.training:
            self.scale.update(features)
        features = self.scale(features)
        if self.training:
            features = add_noise(features, self.noise, generator)
        return self.pixel_loss(self._draw(features), pixels)

    def _draw(self, features: Tensor) -> Tensor:
        """Map normalised features `b (h w) c` to pixels that may leave [-1, 1]."""
        patches = self.to_pixels(self.hidden(features.to(self.to_pixels.weight.dtype)))
        return unpatchify(patches, self.pixel_patch, self.height)
