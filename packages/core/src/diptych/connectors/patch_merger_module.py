"""Joins squares of neighbouring features."""

from __future__ import annotations

from einops import rearrange
from torch import Tensor, nn

from diptych.connectors.learned_positions import LearnedPositions


class PatchMergerModule(nn.Module):
    """Squares of a grid -> tokens. The features of a square are joined row by row."""

    def __init__(
        self,
        *,
        side: int,
        height: int,
        width: int,
        in_width: int,
        out_width: int,
        hidden: int | None = None,
        positions: bool = False,
    ) -> None:
        super().__init__()
        self.side, self.height, self.width = side, height, width
        joined = side * side * in_width
        layers = [nn.Linear(joined, hidden or joined), nn.GELU(), nn.Linear(hidden or joined, out_width)]
        if positions:
            layers.append(LearnedPositions(height * width // side**2, out_width))
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """Map features [b (h w) c], row-major, to tokens [b (h/side w/side) d]."""
        return self.layers(self.join(features))

    def join(self, features: Tensor) -> Tensor:
        """Put the features of each square behind one another: [b (h w) c] -> [b (h/side w/side) (side side c)]."""
        return rearrange(
            features,
            "b (h p w q) c -> b (h w) (p q c)",
            h=self.height // self.side,
            w=self.width // self.side,
            p=self.side,
            q=self.side,
        )
