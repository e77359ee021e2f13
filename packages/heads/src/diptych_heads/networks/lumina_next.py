"""The Lumina-Next denoiser of BLIP3-o; what does not depend on the step is prepared once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from diptych_heads.networks.attention import masked_mean, usable_mask
from diptych_heads.networks.frame import Frame
from diptych_heads.networks.initial import initialise
from diptych_heads.networks.lumina_next_block import LuminaNextBlock
from diptych_heads.networks.patches import patchify, unpatchify
from diptych_heads.networks.positions import rope_table
from diptych_heads.networks.time_waves import (
    WAVES,
    cut_to_thousandths,
    time_waves,
    wave_frequencies,
)
from diptych_heads.networks.two_layers import TwoLayers


class LuminaContext(NamedTuple):
    """What one call prepares from a condition; a tuple, which compilers can trace the making of.

    Attributes:
        pooled: the condition's part of the time embedding `b time_width`.
        layers: keys and values `b q kv_heads d` of each block.
        mask: real tokens of the condition, bool `b q`, or None.
        grid: rows and columns of tokens that `rope` is for.
        rope: cosines and sines `2 (rows columns) d/2`.
        frequencies: of the time's sinusoid, `f`.
        null: what cross-attention of each block finds in samples without a condition,
            `1 1 heads d`; they come last in the batch. None if there are none.
    """

    pooled: Tensor
    layers: tuple[tuple[Tensor, Tensor], ...]
    mask: Tensor | None
    grid: tuple[int, int]
    rope: Tensor
    frequencies: Tensor
    null: tuple[Tensor, ...] | None = None


class LuminaNextNetwork(nn.Module):
    """Predicts from a noisy target, a time and a condition.

    Equal to BLIP3-o's `NextDiTCrossAttn` (arXiv 2505.09568), with its parameter names less the
    prefix `model.`. Times are in [0, 1] here and 0..1000 there.
    """

    def __init__(
        self,
        frame: Frame,
        *,
        hidden_width: int,
        layers: int,
        heads: int,
        kv_heads: int,
        ffn_width: int,
        qk_norm: bool,
        norm_eps: float,
        whole_times: bool = False,
    ) -> None:
        """Make the network with fresh weights; the fields are those of the spec."""
        super().__init__()
        self.whole_times = whole_times
        time_width = min(hidden_width, 1024)
        self.patch_size = frame.patch_size
        self.head_width = hidden_width // heads
        self.grid = frame.grid
        self.patch_embedder = PatchEmbedding(frame.patch_channels, hidden_width)
        self.caption_projection = TwoLayers(
            frame.condition_width, hidden_width, hidden_width, nn.GELU(approximate="tanh")
        )
        self.time_caption_embed = TimeAndCaption(hidden_width, time_width)
        self.layers: Sequence[LuminaNextBlock] = nn.ModuleList(  # type: ignore[assignment]
            LuminaNextBlock(
                hidden_width,
                heads,
                kv_heads,
                ffn_width,
                time_width,
                qk_norm=qk_norm,
                eps=norm_eps,
            )
            for _ in range(layers)
        )
        self.norm_out = ModulatedOutput(hidden_width, time_width, frame.patch_channels)
        zeroed = [layer.norm1.linear for layer in self.layers]
        zeroed += [self.norm_out.linear_1, self.norm_out.linear_2]
        initialise(self, time=self.time_caption_embed.timestep_embedder, zeroed=zeroed)

    def prepare(self, condition: Tensor, mask: Tensor | None = None) -> LuminaContext:
        """Compute what all steps of a call share.

        Args:
            condition: `b q condition_width`.
            mask: real tokens, bool `b q`; None if all are.
        """
        mask = usable_mask(mask)
        caption = self.caption_projection(condition)
        return LuminaContext(
            pooled=self.time_caption_embed.pool(caption, mask),
            layers=tuple(layer.prepare(caption) for layer in self.layers),
            mask=mask,
            grid=self.grid,
            rope=rope_table(*self.grid, self.head_width, device=condition.device),
            frequencies=wave_frequencies(condition.device),
        )

    def with_null(self, context: LuminaContext, count: int) -> LuminaContext:
        """Add `count` samples under the null condition, zeros, to the end of a context's batch.

        The null condition is one repeated token, so that nothing of it depends on its length, its
        mask or the sample.
        """
        weight = self.caption_projection.linear_1.weight
        caption = self.caption_projection(weight.new_zeros(1, 1, weight.shape[1]))
        pooled = self.time_caption_embed.pool(caption, None).expand(count, -1)
        return context._replace(
            pooled=torch.cat([context.pooled, pooled]),
            null=tuple(layer.prepare_null(caption) for layer in self.layers),
        )

    def forward(self, x: Tensor, t: Tensor, context: LuminaContext) -> Tensor:
        """Predict.

        Args:
            x: noisy target `b channels h w`; any h and w that patches divide.
            t: times `b` in [0, 1], 1 is pure noise.
            context: what `prepare` returned.

        Returns:
            `b channels h w`.
        """
        rows, columns = x.shape[-2] // self.patch_size, x.shape[-1] // self.patch_size
        rope = context.rope
        if (rows, columns) != context.grid:
            rope = rope_table(rows, columns, self.head_width, device=x.device)
        tokens = self.patch_embedder(patchify(x, self.patch_size))
        t = cut_to_thousandths(t) if self.whole_times else t
        time = self.time_caption_embed(time_waves(t, context.frequencies), context.pooled)
        nulls = context.null or [None] * len(self.layers)
        for layer, own, null in zip(self.layers, context.layers, nulls, strict=True):
            tokens = layer(tokens, time, rope, own, context.mask, null)
        return unpatchify(self.norm_out(tokens, time), self.patch_size, rows)


class PatchEmbedding(nn.Module):
    """A linear map of patches."""

    def __init__(self, size: int, width: int) -> None:
        """Make the map."""
        super().__init__()
        self.proj = nn.Linear(size, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map `b n size -> b n width`."""
        return self.proj(x)


class TimeAndCaption(nn.Module):
    """The embedding of the time plus a map of the mean of the projected condition."""

    def __init__(self, width: int, time_width: int) -> None:
        """Make both branches."""
        super().__init__()
        self.timestep_embedder = TwoLayers(WAVES, time_width, time_width, nn.SiLU())
        self.caption_embedder = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, time_width))

    def pool(self, caption: Tensor, mask: Tensor | None) -> Tensor:
        """Map the mean over real tokens, `b q width -> b time_width`."""
        return self.caption_embedder(masked_mean(caption, mask))

    def forward(self, waves: Tensor, pooled: Tensor) -> Tensor:
        """Map the sinusoids of the times `b 256` and add the pooled condition `b time_width`."""
        return self.timestep_embedder(waves.to(pooled.dtype)) + pooled


class ModulatedOutput(nn.Module):
    """LayerNorm scaled by the time embedding, then a linear map."""

    def __init__(self, width: int, time_width: int, out: int) -> None:
        """Make both maps."""
        super().__init__()
        self.width = width
        self.linear_1 = nn.Linear(time_width, width)
        self.linear_2 = nn.Linear(width, out)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Map `b n width -> b n out` under the time embedding `b time_width`."""
        scale = self.linear_1(functional.silu(time))[:, None]
        return self.linear_2(functional.layer_norm(x, (self.width,), eps=1e-6) * (1 + scale))
