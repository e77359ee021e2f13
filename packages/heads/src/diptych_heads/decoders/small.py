"""What the small decoders share as modules: normalised features in, one pass, a pixel loss."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from torch import Generator, Tensor, nn

from diptych_heads.decoders.feature_scale import FeatureScale, add_noise
from diptych_heads.decoders.pixel_loss import PixelLoss


class SmallDecoder(nn.Module):
    """Draws features in units of their own spread; a subclass says how."""

    def __init__(self, *, channels: int, height: int, noise: float, pixel_loss: PixelLoss) -> None:
        """Start at features of mean 0 and variance 1; the fields are those of the spec."""
        super().__init__()
        self.height = height
        self.noise = noise
        self.pixel_loss = pixel_loss
        self.scale = FeatureScale(channels)

    def forward(self, features: Tensor, generators: Sequence[Generator] | None = None) -> Tensor:
        """Draw features `b (h w) c` as pixels `b 3 H W` in [-1, 1]; nothing here is random."""
        return self.draw(self.scale(features)).clamp(-1, 1)

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
        return self.pixel_loss(self.draw(features), pixels)

    @abstractmethod
    def draw(self, features: Tensor) -> Tensor:
        """Map normalised features `b (h w) c` to pixels that may leave [-1, 1]."""
