"""The module of `linear-readout`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Generator, Tensor, nn

from diptych.errors import RequestError


class LinearReadoutHead(nn.Module):
    """X = W q: the CLIP + MSE variant of BLIP3-o (arXiv 2505.09568, section 3)."""

    def __init__(self, condition_width: int, channels: int) -> None:
        super().__init__()
        self.map = nn.Linear(condition_width, channels)

    def loss(self, target: Tensor, condition: Tensor, mask: Tensor | None, generator: Generator | None) -> Tensor:
        """Mean squared error per sample: target [b n c], condition [b n d] -> [b]."""
        return (self.map(condition) - target).square().mean((1, 2))

    def sample(
        self,
        condition: Tensor,
        mask: Tensor | None,
        generators: Sequence[Generator],
        sampler: Any = None,
        guidance: Any = None,
    ) -> Tensor:
        """Map a condition [b n d] to its one target [b n c].

        Raises:
            RequestError: if a sampler or guidance is given, which could change nothing.
        """
        if sampler is not None or guidance is not None:
            raise RequestError("linear-readout is deterministic: leave `sampler` and `guidance` out of its step")
        return self.map(condition)
