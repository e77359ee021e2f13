"""`gaussian`, the module: a head that knows how sure it is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from diptych.errors import RequestError
from diptych.seeds import noise


LEAST, MOST = -5.0, 3.0
"""Bounds of log sigma, so that one easy number cannot make the loss fall without end."""


class GaussianHead(nn.Module):
    """Heteroscedastic regression: the negative log-likelihood of independent normals (Nix and Weigend, 1994)."""

    def __init__(self, condition_width: int, tokens: int, channels: int, *, hidden: int, spread: float) -> None:
        """Make one query a target token, and the MLP that all tokens share."""
        super().__init__()
        self.spread = spread
        self.queries = nn.Parameter(torch.randn(tokens, condition_width) / math.sqrt(condition_width))
        self.keys = nn.Linear(condition_width, condition_width, bias=False)
        self.mlp = nn.Sequential(nn.Linear(condition_width, hidden), nn.GELU(), nn.Linear(hidden, 2 * channels))

    def forward(self, condition: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Read a condition `b q d` (mask bool `b q`, True = real) -> mean and log sigma, both `b n c`."""
        scores = self.queries @ self.keys(condition).transpose(1, 2)  # b n q
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None], torch.finfo(scores.dtype).min)
        read = scores.softmax(-1) @ condition
        mean, log_sigma = self.mlp(read + self.queries).chunk(2, dim=-1)
        return mean, log_sigma.clamp(LEAST, MOST)

    def loss(self, target: Tensor, condition: Tensor, mask: Tensor | None, generator: Generator | None) -> Tensor:
        """Compute the mean negative log-likelihood in nats a number: target `b n c` -> `b`."""
        mean, log_sigma = self(condition, mask)
        surprise = ((target - mean) / log_sigma.exp()).square() / 2
        return (surprise + log_sigma + math.log(2 * math.pi) / 2).mean((1, 2))

    @torch.no_grad()
    def sample(
        self,
        condition: Tensor,
        mask: Tensor | None,
        generators: Sequence[Generator],
        sampler: object = None,
        guidance: object = None,
    ) -> Tensor:
        """Draw targets `b n c`, row i with generator i alone, so that a sample does not depend on its batch.

        Raises:
            RequestError: if a sampler or guidance is given, which could change nothing.
        """
        if sampler is not None or guidance is not None:
            raise RequestError("a gaussian head draws at once: leave `sampler` and `guidance` out of its step")
        mean, log_sigma = self(condition, mask)
        return mean + self.spread * log_sigma.exp() * noise(mean.shape[1:], generators, like=mean)
