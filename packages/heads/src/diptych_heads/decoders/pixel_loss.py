"""How far a drawn picture is from the true one."""

from __future__ import annotations

from attrs import frozen
from torch import Tensor


@frozen
class PixelLoss:
    """A weighted sum of absolute, squared and edge errors.

    Squared errors alone blur what features leave open; absolute errors keep flat drawings flat;
    differences between neighbouring pixels weigh outlines, which are few (Mathieu et al., arXiv
    1511.05440, eq. 6 with alpha = 1).
    """

    l1: float = 1.0
    mse: float = 1.0
    edges: float = 0.0

    def __call__(self, drawn: Tensor, pixels: Tensor) -> Tensor:
        """Compare pictures `b 3 h w` in [-1, 1]; returns `b`, in the dtype of the truth."""
        error = drawn.to(pixels.dtype) - pixels
        total = error.new_zeros(len(error))
        if self.l1:
            total = total + self.l1 * _mean(error.abs())
        if self.mse:
            total = total + self.mse * _mean(error.square())
        if self.edges:
            down, right = error.diff(dim=2), error.diff(dim=3)
            total = total + self.edges / 2 * (_mean(down.abs()) + _mean(right.abs()))
        return total


def _mean(x: Tensor) -> Tensor:
    return x.mean(dim=(1, 2, 3))
