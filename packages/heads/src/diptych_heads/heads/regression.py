"""The regression head: the target in one go, and the two ways of reading it out of a condition."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from diptych.errors import RequestError
from diptych.precision import at_least_float32
from diptych_heads.heads.readout_block import ReadoutBlock
from diptych_heads.networks.attention import usable_mask
from diptych_heads.networks.positions import sin_cos_positions


class RegressionHead(nn.Module):
    """Mean squared error of a readout of the condition (CLIP + MSE of arXiv 2505.09568)."""

    def __init__(self, readout: nn.Module) -> None:
        """Take the readout, (condition, mask) -> target tokens."""
        super().__init__()
        self.readout = readout

    def loss(
        self, target: Tensor, condition: Tensor, mask: Tensor | None, generator: Generator
    ) -> Tensor:
        """Compute the mean squared error in float32 or higher.

        Args:
            target: `b n c`.
            condition: `b q condition_width`.
            mask: real tokens of the condition, bool `b q`, or None.
            generator: not used: nothing here is random.

        Returns:
            `b`.
        """
        predicted = at_least_float32(self.readout(condition, mask))
        return (predicted - target.to(predicted.dtype)).square().mean(dim=(1, 2))

    @torch.no_grad()
    def sample(
        self,
        condition: Tensor,
        mask: Tensor | None,
        generators: Sequence[Generator],
        sampler: object = None,
        guidance: object = None,
    ) -> Tensor:
        """Predict targets `b n c` in float32 or higher; the same for every generator.

        Raises:
            RequestError: if a sampler or a guidance is given, which could not do anything.
        """
        for name, given in (("sampler", sampler), ("guidance", guidance)):
            if given is not None:
                raise RequestError(
                    f"a regression head predicts its target in one go, so a {name} cannot "
                    f"act on it; leave the step's `{name}` out, or use "
                    "`head: {type: flow-matching, …}`"
                )
        return at_least_float32(self.readout(condition, mask))


class LinearReadout(nn.Module):
    """One matrix: condition token i gives target token i."""

    def __init__(self, condition_width: int, channels: int, height: int, width: int) -> None:
        """Make the matrix."""
        super().__init__()
        self.tokens = height * width
        self.linear = nn.Linear(condition_width, channels)

    def forward(self, condition: Tensor, mask: Tensor | None) -> Tensor:
        """Map `b n condition_width -> b n c`; a token that is not real counts as zero.

        Raises:
            ValueError: if there are not as many condition tokens as target tokens.
        """
        if condition.shape[1] != self.tokens:
            raise ValueError(
                f"the linear readout makes one target token a condition token, but there are "
                f"{condition.shape[1]} condition tokens for {self.tokens} target tokens; use "
                "`readout: transformer`"
            )
        if mask is not None:
            condition = condition * mask[..., None].to(condition.dtype)
        return self.linear(condition)


class TransformerReadout(nn.Module):
    """A query a target token, made from its position, reads the condition in a few blocks."""

    def __init__(
        self,
        condition_width: int,
        channels: int,
        height: int,
        width: int,
        *,
        hidden_width: int,
        layers: int,
        heads: int,
        mlp_width: int,
    ) -> None:
        """Make the queries, which start as sine-cosine positions, and the blocks."""
        super().__init__()
        self.queries = nn.Parameter(sin_cos_positions(height, width, hidden_width))
        self.condition_norm = nn.LayerNorm(condition_width)
        self.embed_condition = nn.Linear(condition_width, hidden_width)
        self.blocks = nn.ModuleList(
            ReadoutBlock(hidden_width, heads, mlp_width) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(hidden_width)
        self.to_output = nn.Linear(hidden_width, channels)

    def forward(self, condition: Tensor, mask: Tensor | None) -> Tensor:
        """Map `b q condition_width -> b n c`, for any q; mask is bool `b q` or None."""
        mask = usable_mask(mask)
        context = self.embed_condition(self.condition_norm(condition))
        tokens = self.queries.expand(len(condition), -1, -1)
        for block in self.blocks:
            tokens = block(tokens, context, mask)
        return self.to_output(self.norm(tokens))
