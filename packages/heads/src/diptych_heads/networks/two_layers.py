"""The smallest multi-layer perceptron."""

from __future__ import annotations

from torch import Tensor, nn


class TwoLayers(nn.Module):
    """Linear, activation, linear."""

    def __init__(self, width: int, inner: int, out: int, activation: nn.Module) -> None:
        """Make both maps."""
        super().__init__()
        self.linear_1 = nn.Linear(width, inner)
        self.activation = activation
        self.linear_2 = nn.Linear(inner, out)

    def forward(self, x: Tensor) -> Tensor:
        """Map `... width -> ... out`."""
        return self.linear_2(self.activation(self.linear_1(x)))
