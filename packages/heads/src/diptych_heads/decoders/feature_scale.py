"""Features in units of their own spread, measured while training, and noise in these units."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from diptych.precision import ExactBuffers, at_least_float32
from diptych_heads.draws import normal_like


_SLOWEST = 0.01


class FeatureScale(ExactBuffers):
    """Subtracts a running mean and divides by a running standard deviation per channel.

    The statistics are buffers, saved with the model. They are plain averages over the first hundred
    batches and exponential ones afterwards. They stay in float32 in a model of half precision, and
    features are normalised there: in float16 a variance of 300^2 is infinite, one of 1e-8 nothing.
    """

    mean: Tensor
    variance: Tensor
    batches: Tensor

    def __init__(self, channels: int) -> None:
        """Start at mean 0 and variance 1."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def update(self, features: Tensor) -> None:
        """Learn from a batch `b n c`."""
        seen = features.detach().flatten(0, 1).to(self.mean.dtype)
        self.batches += 1
        share = (1 / self.batches).clamp(min=_SLOWEST).to(self.mean.dtype)
        mean = seen.mean(dim=0)
        spread = (seen - self.mean).square().mean(dim=0) - share * (mean - self.mean).square()
        self.variance.lerp_(spread, share)
        self.mean.lerp_(mean, share)

    def forward(self, features: Tensor) -> Tensor:
        """Normalise `b n c`."""
        scale = self.variance.clamp(min=1e-8).rsqrt()
        return ((at_least_float32(features) - self.mean) * scale).to(features.dtype)


def add_noise(features: Tensor, level: float, generator: Generator) -> Tensor:
    """Add normal noise to normalised features `b n c`, each sample at its own strength level * |z|.

    The half-normal strengths are those of RAE's decoder training (arXiv 2510.11690): most samples
    stay nearly clean.
    """
    if not level:
        return features
    strength = normal_like(features[:, :1, :1], generator).abs()
    return features + level * strength * normal_like(features, generator)
