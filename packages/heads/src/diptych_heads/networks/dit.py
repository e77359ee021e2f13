"""A plain diffusion transformer over the target's tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from diptych_heads.networks.attention import masked_mean, usable_mask
from diptych_heads.networks.dit_block import DitBlock
from diptych_heads.networks.frame import Frame
from diptych_heads.networks.initial import initialise
from diptych_heads.networks.patches import patchify, unpatchify
from diptych_heads.networks.positions import sin_cos_positions
from diptych_heads.networks.time_waves import WAVES, time_waves, wave_frequencies
from diptych_heads.networks.two_layers import TwoLayers


class DitContext(NamedTuple):
    """What one call prepares from a condition; a tuple, which compilers can trace the making of.

    Attributes:
        pooled: the condition's part of the time embedding `b width`.
        layers: keys and values `b q heads d` of each block.
        mask: real tokens of the condition, bool `b q`, or None.
        frequencies: of the time's sinusoid, `f`.
        null: what each block's cross-attention adds to samples without a condition, `1 1 width`;
            they come last in the batch. None if there are none.
    """

    pooled: Tensor
    layers: tuple[tuple[Tensor, Tensor], ...]
    mask: Tensor | None
    frequencies: Tensor
    null: tuple[Tensor, ...] | None = None


class DitNetwork(nn.Module):
    """Predicts from a noisy target, a time and a condition (Peebles & Xie, arXiv 2212.09748)."""

    def __init__(
        self,
        frame: Frame,
        *,
        hidden_width: int,
        layers: int,
        heads: int,
        mlp_width: int,
        learned_positions: bool,
    ) -> None:
        """Make the network with fresh weights; the fields are those of the spec."""
        super().__init__()
        self.patch_size = frame.patch_size
        self.hidden_width = hidden_width
        self.grid = frame.grid
        self.embed = nn.Linear(frame.patch_channels, hidden_width)
        self.positions = None
        if learned_positions:
            self.positions = nn.Parameter(sin_cos_positions(*self.grid, hidden_width))
        self.embed_time = TwoLayers(WAVES, hidden_width, hidden_width, nn.SiLU())
        self.condition_norm = nn.LayerNorm(frame.condition_width, eps=1e-6)
        self.embed_condition = nn.Linear(frame.condition_width, hidden_width)
        self.embed_pooled = nn.Linear(hidden_width, hidden_width)
        self.blocks: Sequence[DitBlock] = nn.ModuleList(  # type: ignore[assignment]
            DitBlock(hidden_width, heads, mlp_width) for _ in range(layers)
        )
        self.modulation = nn.Linear(hidden_width, 2 * hidden_width)
        self.to_output = nn.Linear(hidden_width, frame.patch_channels)
        zeroed = [self.modulation, self.to_output]
        zeroed += [layer for block in self.blocks for layer in (block.modulation, block.cross_out)]
        initialise(self, time=self.embed_time, zeroed=zeroed)

    def prepare(self, condition: Tensor, mask: Tensor | None = None) -> DitContext:
        """Compute what all steps of a call share.

        Args:
            condition: `b q condition_width`; all zeros stands for "no condition".
            mask: real tokens, bool `b q`; None if all are.
        """
        mask = usable_mask(mask)
        projected = self.embed_condition(self.condition_norm(condition))
        return DitContext(
            pooled=self.embed_pooled(masked_mean(projected, mask)),
            layers=tuple(block.prepare(projected) for block in self.blocks),
            mask=mask,
            frequencies=wave_frequencies(condition.device),
        )

    def with_null(self, context: DitContext, count: int) -> DitContext:
        """Add `count` samples under the null condition, zeros, to the end of a context's batch.

        The null condition is one repeated token, so that nothing of it depends on its length, its
        mask or the sample.
        """
        weight = self.embed_condition.weight
        projected = self.embed_condition(
            self.condition_norm(weight.new_zeros(1, 1, weight.shape[1]))
        )
        pooled = self.embed_pooled(projected[:, 0]).expand(count, -1)
        return context._replace(
            pooled=torch.cat([context.pooled, pooled]),
            null=tuple(block.prepare_null(projected) for block in self.blocks),
        )

    def forward(self, x: Tensor, t: Tensor, context: DitContext) -> Tensor:
        """Predict.

        Args:
            x: noisy target `b channels h w`; with learned positions, h and w as built.
            t: times `b` in [0, 1], 1 is pure noise.
            context: what `prepare` returned.

        Returns:
            `b channels h w`.
        """
        rows, columns = x.shape[-2] // self.patch_size, x.shape[-1] // self.patch_size
        tokens = self.embed(patchify(x, self.patch_size))
        tokens = tokens + self._positions(rows, columns, tokens)
        waves = time_waves(t, context.frequencies).to(tokens.dtype)
        time = functional.silu(self.embed_time(waves) + context.pooled)
        nulls = context.null or [None] * len(self.blocks)
        for block, own, null in zip(self.blocks, context.layers, nulls, strict=True):
            tokens = block(tokens, time, own, context.mask, null)
        shift, scale = self.modulation(time)[:, None].chunk(2, dim=-1)
        tokens = functional.layer_norm(tokens, (self.hidden_width,), eps=1e-6) * (1 + scale) + shift
        return unpatchify(self.to_output(tokens), self.patch_size, rows)

    def _positions(self, rows: int, columns: int, like: Tensor) -> Tensor:
        if self.positions is None:
            return sin_cos_positions(rows, columns, self.hidden_width, device=like.device).to(like)
        if (rows, columns) != self.grid:
            raise ValueError(
                f"learned positions are for a grid of {self.grid} tokens, not {(rows, columns)}; "
                "`positions: sin-cos` works for any grid"
            )
        return self.positions
