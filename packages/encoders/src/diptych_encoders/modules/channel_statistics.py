"""Per-channel normalisation of targets."""

from __future__ import annotations

import torch
from torch import Tensor

from diptych_encoders.modules.fitted import FittedNormaliser


class ChannelNormaliser(FittedNormaliser):
    """`(x - mean) / std` for every channel on its own."""

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int, *, floor: float = 1e-3) -> None:
        """Start unfitted.

        Args:
            channels: c of the targets.
            floor: smallest std to divide by, as a fraction of the root mean square of all; in [0, 1).
        """
        super().__init__(channels)
        self.floor = floor
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    def set_statistics(self, mean: Tensor, variance: Tensor) -> None:
        """Keep mean `[c]` and the square root of variance `[c]`; a channel that never moves is only centred."""
        std = variance.sqrt().clamp(min=self.floor * variance.mean().sqrt())
        self.mean.copy_(mean)
        self.std.copy_(std.where(std > 0, 1.0))

    def forward(self, target: Tensor) -> Tensor:
        """Normalise `[b n c]`; over the data it was fitted on, every channel has mean 0 and std 1.

        Raises:
            RequestError: if it was not fitted.
        """
        self.check_fitted()
        return ((target - self.mean) / self.std).to(target.dtype)

    def inverse(self, normalised: Tensor) -> Tensor:
        """Undo `forward`: `[b n c]` in the target's own units.

        Raises:
            RequestError: if it was not fitted.
        """
        self.check_fitted()
        return (normalised * self.std + self.mean).to(normalised.dtype)
