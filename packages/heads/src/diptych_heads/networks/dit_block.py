"""A transformer block with adaLN-zero, self-attention and cross-attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from diptych_heads.networks.attention import attend
from diptych_heads.networks.norms import RmsNorm


class DitBlock(nn.Module):
    """Self-attention and MLP modulated by the time (adaLN-zero, Peebles & Xie, arXiv 2212.09748).

    Between them stands a cross-attention to the condition whose output starts at zero (PixArt,
    arXiv 2310.00426). Queries and keys are RMS-normalised per head (arXiv 2302.05442).
    """

    def __init__(self, width: int, heads: int, mlp_width: int) -> None:
        """Make the block; fresh, it is the identity."""
        super().__init__()
        self.width = width
        self.head_width = width // heads
        self.modulation = nn.Linear(width, 6 * width)
        self.to_qkv = nn.Linear(width, 3 * width)
        self.norm_q = RmsNorm(self.head_width, eps=1e-6)
        self.norm_k = RmsNorm(self.head_width, eps=1e-6)
        self.to_out = nn.Linear(width, width)
        self.cross_norm = nn.LayerNorm(width, eps=1e-6)
        self.cross_q = nn.Linear(width, width)
        self.cross_kv = nn.Linear(width, 2 * width)
        self.cross_norm_q = RmsNorm(self.head_width, eps=1e-6)
        self.cross_norm_k = RmsNorm(self.head_width, eps=1e-6)
        self.cross_out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, mlp_width), nn.GELU(approximate="tanh"), nn.Linear(mlp_width, width)
        )

    def prepare(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Compute keys and values `b q heads d` of the projected condition `b q width`."""
        keys, values = self._heads(self.cross_kv(condition), 2)
        return self.cross_norm_k(keys), values

    def prepare_null(self, condition: Tensor) -> Tensor:
        """Compute what the cross-attention adds, for a condition that repeats one token.

        Whatever the weights of a mean of equal values are, it is that value: no queries, no keys.

        Args:
            condition: the projected token `1 1 width`.

        Returns:
            `1 1 width`.
        """
        _, values = self.cross_kv(condition).chunk(2, dim=-1)
        return self.cross_out(values)

    def forward(
        self,
        x: Tensor,
        time: Tensor,
        context: tuple[Tensor, Tensor],
        mask: Tensor | None,
        null: Tensor | None = None,
    ) -> Tensor:
        """Run the block.

        Args:
            x: tokens `b n width`.
            time: SiLU of the embedding of time and pooled condition, `b width`.
            context: what `prepare` returned, for the first samples or all.
            mask: real tokens of the condition, bool `b q`, or None.
            null: what `prepare_null` returned, for the samples that `context` is not for.

        Returns:
            `b n width`.
        """
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = self.modulation(time)[:, None].chunk(
            6, -1
        )
        queries, keys, values = self._heads(self.to_qkv(self._norm(x) * (1 + scale) + shift), 3)
        mixed = attend(self.norm_q(queries), self.norm_k(keys), values)
        x = x + gate * self.to_out(mixed.flatten(-2))
        own = x[: len(context[0])]
        queries = self.cross_norm_q(*self._heads(self.cross_q(self.cross_norm(own)), 1))
        own = own + self.cross_out(attend(queries, *context, mask).flatten(-2))
        x = own if null is None else torch.cat([own, x[len(own) :] + null])
        return x + mlp_gate * self.mlp(self._norm(x) * (1 + mlp_scale) + mlp_shift)

    def _norm(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, (self.width,), eps=1e-6)

    def _heads(self, x: Tensor, count: int) -> tuple[Tensor, ...]:
        return tuple(each.unflatten(-1, (-1, self.head_width)) for each in x.chunk(count, dim=-1))
