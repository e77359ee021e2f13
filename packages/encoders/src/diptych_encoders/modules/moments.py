"""Mean and (co)variance of a stream of vectors, in float64, in one pass."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor

from diptych.errors import DataError


class Moments:
    """Running mean and squared deviations, merged batch by batch (Chan, Golub and LeVeque 1979).

    Adding in batches of any size gives what adding everything at once gives, up to float64 rounding.
    """

    def __init__(self, channels: int, *, cross: bool = False) -> None:
        """Start empty.

        Args:
            channels: length c of a vector.
            cross: keep the whole `[c c]` matrix of products instead of its diagonal `[c]`.
        """
        self.channels, self.cross, self.count = channels, cross, 0
        self.mean = torch.zeros(channels, dtype=torch.float64)
        shape = (channels, channels) if cross else (channels,)
        self.deviations = torch.zeros(shape, dtype=torch.float64)

    def add(self, batch: Tensor) -> None:
        """Take in the vectors of a batch `[... c]`.

        Raises:
            DataError: if their length is another, or a number is not finite.
        """
        if batch.ndim < 2 or batch.shape[-1] != self.channels:
            raise DataError(
                f"a normaliser of {self.channels} channels cannot be fitted on a batch of shape "
                f"{list(batch.shape)}; batches are [b n {self.channels}]"
            )
        rows = rearrange(batch.detach().double(), "... c -> (...) c")
        if not rows.isfinite().all():
            raise DataError("a batch to fit a normaliser on holds numbers that are not finite")
        added = rows.shape[0]
        if not added:
            return
        mean = rows.mean(0)
        centred = rows - mean
        deviations = centred.T @ centred if self.cross else centred.square().sum(0)
        if not self.count:
            self.count, self.mean, self.deviations = added, mean, deviations
            return
        total = self.count + added
        gap = mean - self.mean
        between = torch.outer(gap, gap) if self.cross else gap.square()
        self.deviations = self.deviations + deviations + between * (self.count * added / total)
        self.mean = self.mean + gap * (added / total)
        self.count = total

    def variance(self) -> Tensor:
        """Return the population (co)variance, `[c]` or `[c c]`, float64.

        Raises:
            DataError: if fewer than two vectors were added.
        """
        if self.count < 2:
            raise DataError(f"a normaliser needs at least two vectors to be fitted on; it was given {self.count}")
        return self.deviations / self.count
